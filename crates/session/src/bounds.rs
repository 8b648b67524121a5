//! What clients of a server cannot set: where its tables are, and more memory or time for a query than it gives.

use dipper_sql::catalog::{QUERY_MEMORY, QUERY_TIMEOUT, Settings};
use dipper_types::{Error, Result};

/// Where tables are that have no connector.
pub(crate) const WAREHOUSE: &str = "table.warehouse";

/// Refuses the wanted value of this key, if it goes beyond that of the server.
pub(crate) fn refuse_more(key: &str, wanted: &Settings, server: &Settings) -> Result<()> {
    let time = |settings: &Settings| settings.duration_ms_of(QUERY_TIMEOUT).filter(|millis| *millis > 0);
    let (is_within, hint) = match key {
        WAREHOUSE => {
            (wanted.text_of(key) == server.text_of(key), "whoever starts the server says where its tables are")
        }
        QUERY_MEMORY => (is_at_most(wanted.bytes_of(key), server.bytes_of(key)), "it can be less"),
        QUERY_TIMEOUT => (is_at_most(time(wanted), time(server)), "it can be less"),
        _ => return Ok(()),
    };
    if is_within {
        return Ok(());
    }
    let set = server.text_of(key).unwrap_or_default();
    Err(Error::invalid(format!("the server has set '{key}' to '{set}'")).with_hint(hint))
}

/// Whether it is no more than the bound, if there is one.
fn is_at_most(wanted: Option<u64>, bound: Option<u64>) -> bool {
    bound.is_none_or(|bound| wanted.is_some_and(|wanted| wanted <= bound))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test")]

    use super::*;

    fn settings(pairs: &[(&str, &str)]) -> Settings {
        let mut settings = Settings::new();
        for (key, value) in pairs {
            settings.set(key, value).unwrap();
        }
        settings
    }

    #[test]
    fn memory_and_time_of_a_query_only_become_less() {
        let server = settings(&[(QUERY_MEMORY, "1 gb"), (QUERY_TIMEOUT, "1 min")]);
        for (key, value, is_allowed) in [
            (QUERY_MEMORY, "100 mb", true),
            (QUERY_MEMORY, "2 gb", false),
            (QUERY_TIMEOUT, "1 s", true),
            (QUERY_TIMEOUT, "1 h", false),
            // That is as long as it likes.
            (QUERY_TIMEOUT, "0 s", false),
            (WAREHOUSE, "elsewhere", false),
            (WAREHOUSE, "warehouse", true),
            ("execution.runtime-mode", "batch", true),
        ] {
            assert_eq!(refuse_more(key, &settings(&[(key, value)]), &server).is_ok(), is_allowed, "{key} = {value}");
        }
        assert!(refuse_more(QUERY_MEMORY, &settings(&[(QUERY_MEMORY, "9 gb")]), &Settings::new()).is_ok());
    }
}
