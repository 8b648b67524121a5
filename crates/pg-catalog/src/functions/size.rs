//! How large things are: that is known here of nothing, so it is 0, and printed as Postgres prints it.

use dipper_types::Result;

use super::{Function, strict};
use crate::cell::Cell;
use crate::kind::Kind::{Int8, Text};
use crate::snapshot::Snapshot;

pub(super) const FUNCTIONS: &[Function] = &[
    strict("pg_relation_size", 1..=2, Int8, nothing),
    strict("pg_total_relation_size", 1..=1, Int8, nothing),
    strict("pg_table_size", 1..=1, Int8, nothing),
    strict("pg_indexes_size", 1..=1, Int8, nothing),
    strict("pg_database_size", 1..=1, Int8, nothing),
    strict("pg_tablespace_size", 1..=1, Int8, nothing),
    strict("pg_column_size", 1..=1, Int8, nothing),
    strict("pg_size_pretty", 1..=1, Text, |_, arguments| Ok(arguments[0].integer().map(pretty).into())),
];

fn nothing(_: &Snapshot, _: &[Cell]) -> Result<Cell> {
    Ok(0.into())
}

/// A size in the largest unit of which there are at least ten.
fn pretty(bytes: i64) -> String {
    const LIMIT: u64 = 10 * 1024;
    const UNITS: [&str; 5] = ["kB", "MB", "GB", "TB", "PB"];
    let sign = if bytes < 0 { "-" } else { "" };
    let size = bytes.unsigned_abs();
    if size < LIMIT {
        return format!("{bytes} bytes");
    }
    // Half units: the last halving rounds.
    let mut halves = size >> 9;
    for unit in UNITS {
        let rounded = halves.div_ceil(2);
        if halves < LIMIT * 2 - 1 || unit == "PB" {
            return format!("{sign}{rounded} {unit}");
        }
        halves >>= 10;
    }
    format!("{bytes} bytes")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_print_as_postgres_prints_them() {
        let cases =
            [(0, "0 bytes"), (10_239, "10239 bytes"), (10_240, "10 kB"), (8_192_000, "8000 kB"), (-20_480, "-20 kB")];
        for (bytes, text) in cases {
            assert_eq!(pretty(bytes), text);
        }
        assert_eq!(pretty(11 << 20), "11 MB");
    }
}
