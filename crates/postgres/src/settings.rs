//! What a client sets about its connection: the settings of PostgreSQL that mean something here, or that clients set as a matter of course.

mod known;
mod value;

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use known::{KNOWN, Known};

use crate::encode::Style;
use crate::failure::{Failure, Result};
use crate::sqlstate;

/// How many settings with names of the client's own there may be.
const OWN_MAX: usize = 1_000;

/// The settings of a connection, and which of them end with the transaction.
#[derive(Debug, Clone)]
pub(crate) struct Settings {
    /// By name, in the writing in which it is shown.
    values: BTreeMap<String, String>,
    /// What they were when the connection was made.
    initial: BTreeMap<String, String>,
    /// What is set for the transaction only, and what is to come back.
    local: BTreeMap<String, Option<String>>,
    /// What they were when the transaction began.
    before: Option<BTreeMap<String, String>>,
    /// What has changed that clients are told of.
    changed: BTreeSet<String>,
}

impl Settings {
    /// As they are in the beginning, for this user.
    pub(crate) fn new(user: &str) -> Self {
        let mut values: BTreeMap<String, String> =
            KNOWN.iter().map(|known| (known.name.to_owned(), known.initial.to_owned())).collect();
        values.insert("session_authorization".to_owned(), user.to_owned());
        Self { initial: values.clone(), values, local: BTreeMap::new(), before: None, changed: BTreeSet::new() }
    }

    /// What a client says of a setting when it connects. It is what the setting is reset to.
    pub(crate) fn start_with(&mut self, name: &str, value: &str) -> Result<()> {
        self.set(name, Some(value), false)?;
        self.initial = self.values.clone();
        Ok(())
    }

    /// Whether there is a setting of this name.
    pub(crate) fn is_known(&self, name: &str) -> bool {
        known(name).is_some() || self.values.contains_key(name)
    }

    /// The name as it is shown, and the value.
    pub(crate) fn get(&self, name: &str) -> Result<(&str, &str)> {
        let name = known(name).map_or(name, |known| known.name);
        match self.values.get_key_value(name) {
            Some((name, value)) => Ok((name, value)),
            None => Err(unknown(name)),
        }
    }

    /// All settings.
    pub(crate) fn all(&self) -> &BTreeMap<String, String> {
        &self.values
    }

    /// Sets; without a value to what it was in the beginning.
    pub(crate) fn set(&mut self, name: &str, value: Option<&str>, is_local: bool) -> Result<()> {
        let (name, new) = match (known(name), value) {
            (Some(known), Some(value)) => (known.name, Some(known.checked(value)?)),
            (Some(Known { name, .. }), None) => (*name, self.initial.get(*name).cloned()),
            (None, value) if name.contains('.') => {
                if self.values.len() > KNOWN.len() + OWN_MAX {
                    return Err(Failure::new(
                        sqlstate::LIMIT_EXCEEDED,
                        format!("more than {OWN_MAX} settings of your own"),
                    ));
                }
                (name, value.map(str::to_owned))
            }
            (None, _) => return Err(unknown(name)),
        };
        let old = self.put(name, new);
        // What is of a transaction ends with it.
        if is_local || name.starts_with("transaction_") {
            self.local.entry(name.to_owned()).or_insert(old);
        } else {
            self.local.remove(name);
        }
        Ok(())
    }

    /// Sets everything to what it was in the beginning.
    pub(crate) fn reset_all(&mut self) {
        self.local.clear();
        // Of the transaction that is going on.
        let kept: Vec<_> = self.values.iter().filter(|(name, _)| name.starts_with("transaction_")).collect();
        let mut values = self.initial.clone();
        values.extend(kept.into_iter().map(|(name, value)| (name.clone(), value.clone())));
        self.put_all(values);
    }

    /// A transaction begins.
    pub(crate) fn begin(&mut self) {
        self.before = Some(self.values.clone());
        for part in ["isolation", "read_only", "deferrable"] {
            let default = self.values.get(&format!("default_transaction_{part}")).cloned();
            let name = format!("transaction_{part}");
            let old = self.put(&name, default);
            self.local.insert(name, old);
        }
    }

    /// The transaction ends, and what has been set in it stays.
    pub(crate) fn commit(&mut self) {
        self.before = None;
        for (name, old) in std::mem::take(&mut self.local) {
            self.put(&name, old);
        }
    }

    /// The transaction ends as if it had not been.
    pub(crate) fn roll_back(&mut self) {
        self.local.clear();
        if let Some(before) = self.before.take() {
            self.put_all(before);
        }
    }

    /// Goes back to what was kept in the same transaction.
    pub(crate) fn roll_back_to(&mut self, kept: &Self) {
        self.local.clone_from(&kept.local);
        self.put_all(kept.values.clone());
    }

    fn put(&mut self, name: &str, value: Option<String>) -> Option<String> {
        let changes = self.values.get(name) != value.as_ref();
        if changes && known(name).is_some_and(|known| known.is_reported) {
            self.changed.insert(name.to_owned());
        }
        match value {
            Some(value) => self.values.insert(name.to_owned(), value),
            None => self.values.remove(name),
        }
    }

    fn put_all(&mut self, values: BTreeMap<String, String>) {
        for known in KNOWN.iter().filter(|known| known.is_reported) {
            if self.values.get(known.name) != values.get(known.name) {
                self.changed.insert(known.name.to_owned());
            }
        }
        self.values = values;
    }

    /// What clients are told of when they connect.
    pub(crate) fn reported(&self) -> impl Iterator<Item = (&str, &str)> {
        KNOWN.iter().filter(|known| known.is_reported).filter_map(|known| self.get(known.name).ok())
    }

    /// What has changed since this was asked, of what clients are told of.
    pub(crate) fn take_changed(&mut self) -> Vec<(String, String)> {
        let changed = std::mem::take(&mut self.changed).into_iter();
        changed.filter_map(|name| self.values.get(&name).cloned().map(|value| (name, value))).collect()
    }

    /// How values are to be written.
    pub(crate) fn style(&self) -> Style {
        Style {
            time_zone: self.time_zone().to_owned(),
            float_digits: self.text("extra_float_digits").parse().unwrap_or(1),
            escapes_bytes: self.text("bytea_output") == "escape",
        }
    }

    /// The zone of the client's clocks.
    pub(crate) fn time_zone(&self) -> &str {
        self.text("TimeZone")
    }

    /// Whether nothing may be written.
    pub(crate) fn is_read_only(&self, is_in_block: bool) -> bool {
        self.text(if is_in_block { "transaction_read_only" } else { "default_transaction_read_only" }) == "on"
    }

    /// Whether notices are wanted, and warnings.
    pub(crate) fn wants_notices(&self) -> (bool, bool) {
        let level = self.text("client_min_messages");
        (!matches!(level, "warning" | "error"), level != "error")
    }

    /// The time that this setting tells; none for zero.
    pub(crate) fn time(&self, name: &str) -> Option<Duration> {
        value::milliseconds(self.text(name)).filter(|millis| *millis > 0).map(Duration::from_millis)
    }

    fn text(&self, name: &str) -> &str {
        self.values.get(name).map_or("", String::as_str)
    }
}

fn known(name: &str) -> Option<&'static Known> {
    KNOWN.iter().find(|known| known.name.eq_ignore_ascii_case(name))
}

/// The error about a setting that there is not.
pub(crate) fn unknown(name: &str) -> Failure {
    Failure::new(sqlstate::UNDEFINED_OBJECT, format!("unrecognized configuration parameter \"{name}\""))
}

/// What a setting is for.
pub(crate) fn description(name: &str) -> &'static str {
    known(name).map_or("a setting of the client's own", |known| known.description)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn settings() -> Settings {
        Settings::new("ada")
    }

    #[test]
    fn a_setting_is_checked_and_found_in_any_case() {
        let mut settings = settings();
        settings.set("timezone", Some("Europe/Berlin"), false).unwrap();
        assert_eq!(settings.get("TIMEZONE").unwrap(), ("TimeZone", "Europe/Berlin"));
        assert_eq!(settings.take_changed(), [("TimeZone".to_owned(), "Europe/Berlin".to_owned())]);
        for (name, value, code) in [
            ("TimeZone", "Nowhere", sqlstate::INVALID_PARAMETER_VALUE),
            ("client_encoding", "LATIN1", sqlstate::INVALID_PARAMETER_VALUE),
            ("extra_float_digits", "9", sqlstate::INVALID_PARAMETER_VALUE),
            ("server_version", "9", sqlstate::CANNOT_CHANGE_NOW),
            ("standard_conforming_strings", "off", sqlstate::INVALID_PARAMETER_VALUE),
            ("DateStyle", "German", sqlstate::INVALID_PARAMETER_VALUE),
            ("nothing", "1", sqlstate::UNDEFINED_OBJECT),
        ] {
            assert_eq!(settings.set(name, Some(value), false).unwrap_err().code, code, "{name}");
        }
        settings.set("my.own", Some("x"), false).unwrap();
        assert_eq!(settings.get("my.own").unwrap().1, "x");
    }

    #[test]
    fn times_have_units() {
        let mut settings = settings();
        assert_eq!(settings.time("statement_timeout"), None);
        for (value, millis) in [("250", 250), ("2s", 2_000), ("1 min", 60_000), ("1h", 3_600_000)] {
            settings.set("statement_timeout", Some(value), false).unwrap();
            assert_eq!(settings.time("statement_timeout"), Some(Duration::from_millis(millis)), "{value}");
        }
        assert!(settings.set("statement_timeout", Some("-1"), false).is_err());
    }

    #[test]
    fn a_local_setting_ends_with_its_transaction() {
        let mut settings = settings();
        settings.begin();
        settings.set("application_name", Some("local"), true).unwrap();
        settings.set("TimeZone", Some("+02:00"), false).unwrap();
        settings.commit();
        assert_eq!((settings.get("application_name").unwrap().1, settings.time_zone()), ("", "+02:00"));
    }

    #[test]
    fn what_is_set_in_a_transaction_that_is_rolled_back_is_not_set() {
        let mut settings = settings();
        settings.set("default_transaction_read_only", Some("true"), false).unwrap();
        settings.begin();
        assert!(settings.is_read_only(true));
        settings.set("transaction_read_only", Some("off"), true).unwrap();
        settings.set("application_name", Some("x"), false).unwrap();
        settings.roll_back();
        assert_eq!(settings.get("application_name").unwrap().1, "");
        assert!(settings.is_read_only(false));
    }
}
