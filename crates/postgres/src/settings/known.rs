//! The settings that there are.

use super::value::Check;
use crate::failure::Result;

/// A setting.
pub(super) struct Known {
    pub(super) name: &'static str,
    pub(super) initial: &'static str,
    pub(super) description: &'static str,
    /// Whether clients are told when it changes.
    pub(super) is_reported: bool,
    check: Check,
}

impl Known {
    /// The value as it is kept.
    pub(super) fn checked(&self, value: &str) -> Result<String> {
        self.check.checked(self.name, value)
    }
}

const fn known(name: &'static str, initial: &'static str, check: Check, description: &'static str) -> Known {
    Known { name, initial, description, is_reported: false, check }
}

const fn reported(name: &'static str, initial: &'static str, check: Check, description: &'static str) -> Known {
    Known { is_reported: true, ..known(name, initial, check, description) }
}

const ISOLATION: Check = Check::Choice(&["read committed", "repeatable read", "serializable", "read uncommitted"]);

/// The settings, by name. What has no effect here is taken because clients set it as a matter of course.
pub(super) const KNOWN: &[Known] = &[
    reported("application_name", "", Check::Any, "what the client calls itself"),
    known("array_nulls", "on", Check::Boolean, "whether NULL in an array is a null"),
    known("backslash_quote", "safe_encoding", Check::Any, "has no effect"),
    known("block_size", "8192", Check::Fixed, "the size of a disk block"),
    known("bytea_output", "hex", Check::Choice(&["hex", "escape"]), "how bytes are written as text"),
    known("check_function_bodies", "on", Check::Boolean, "has no effect"),
    reported("client_encoding", "UTF8", Check::Encoding, "the encoding of the client"),
    known(
        "client_min_messages",
        "notice",
        Check::Choice(&[
            "debug5", "debug4", "debug3", "debug2", "debug1", "debug", "log", "notice", "info", "warning", "error",
        ]),
        "which messages the client is sent",
    ),
    known("cursor_tuple_fraction", "0.1", Check::Any, "has no effect"),
    reported("DateStyle", "ISO, MDY", Check::DateStyle, "how dates are written"),
    known("default_table_access_method", "heap", Check::Any, "has no effect"),
    known("default_tablespace", "", Check::Any, "has no effect"),
    known("default_text_search_config", "pg_catalog.simple", Check::Any, "has no effect"),
    known("default_transaction_deferrable", "off", Check::Boolean, "has no effect"),
    known("default_transaction_isolation", "read committed", ISOLATION, "what a transaction begins with"),
    known("default_transaction_read_only", "off", Check::Boolean, "whether transactions write nothing"),
    known("enable_seqscan", "on", Check::Boolean, "has no effect"),
    known("escape_string_warning", "on", Check::Boolean, "has no effect"),
    known("extra_float_digits", "1", Check::Number(-15, 3), "how many digits floating-point numbers have"),
    known("geqo", "on", Check::Boolean, "has no effect"),
    known(
        "idle_in_transaction_session_timeout",
        "0",
        Check::Time,
        "after which idle time in a transaction a connection ends",
    ),
    known("idle_session_timeout", "0", Check::Time, "after which idle time a connection ends"),
    reported("in_hot_standby", "off", Check::Fixed, "whether the server only follows another"),
    reported("integer_datetimes", "on", Check::Fixed, "whether times are whole numbers"),
    reported("IntervalStyle", "postgres", Check::Choice(&["postgres"]), "how intervals are written"),
    reported("is_superuser", "off", Check::Fixed, "whether the user may do everything"),
    known("jit", "off", Check::Boolean, "has no effect"),
    known("lc_collate", "C", Check::Fixed, "the order of texts"),
    known("lc_ctype", "C", Check::Fixed, "the kinds of characters"),
    known("lc_messages", "C", Check::Any, "has no effect"),
    known("lc_monetary", "C", Check::Any, "has no effect"),
    known("lc_numeric", "C", Check::Any, "has no effect"),
    known("lc_time", "C", Check::Any, "has no effect"),
    known("lock_timeout", "0", Check::Time, "has no effect"),
    known("max_connections", "100", Check::Fixed, "how many connections there may be, about"),
    known("max_identifier_length", "63", Check::Fixed, "how long a name may be"),
    known("max_index_keys", "32", Check::Fixed, "how many columns an index may have"),
    known("row_security", "on", Check::Boolean, "has no effect"),
    known("search_path", "\"$user\", public", Check::Any, "has no effect: there is one schema"),
    reported("server_encoding", "UTF8", Check::Fixed, "the encoding of the server"),
    reported(
        "server_version",
        concat!("15.0 (Dipper ", env!("CARGO_PKG_VERSION"), ")"),
        Check::Fixed,
        "which PostgreSQL this is like",
    ),
    known("server_version_num", "150000", Check::Fixed, "which PostgreSQL this is like, as a number"),
    reported("session_authorization", "", Check::Fixed, "the user"),
    known("ssl", "off", Check::Fixed, "not told"),
    reported("standard_conforming_strings", "on", Check::Choice(&["on"]), "whether a backslash in quotes is only that"),
    known("statement_timeout", "0", Check::Time, "after which time a statement is ended"),
    known("synchronize_seqscans", "on", Check::Boolean, "has no effect"),
    known("synchronous_commit", "on", Check::Any, "has no effect"),
    known("temp_tablespaces", "", Check::Any, "has no effect"),
    reported("TimeZone", "UTC", Check::TimeZone, "the zone of the client's clocks"),
    known("transaction_deferrable", "off", Check::Boolean, "has no effect"),
    known(
        "transaction_isolation",
        "read committed",
        ISOLATION,
        "has no effect: each statement sees one state of the tables",
    ),
    known("transaction_read_only", "off", Check::Boolean, "whether this transaction writes nothing"),
    known("work_mem", "4MB", Check::Any, "has no effect"),
    known("xmloption", "content", Check::Any, "has no effect"),
];
