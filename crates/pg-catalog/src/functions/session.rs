//! Who is asking, of which server, with which settings.

use dipper_types::{Error, Result};

use super::{Function, lenient, strict};
use crate::cell::Cell;
use crate::kind::Kind::{Bool, Int4, Int8, Name, Names, Oid, Text};
use crate::snapshot::Snapshot;

/// The version clients are to think of; Dipper's own stands behind it.
const VERSION: &str = concat!("PostgreSQL 15.0 (Dipper ", env!("CARGO_PKG_VERSION"), ")");

pub(super) const FUNCTIONS: &[Function] = &[
    strict("version", 0..=0, Text, |_, _| Ok(VERSION.into())),
    strict("current_database", 0..=0, Name, |snapshot, _| Ok(snapshot.backend.database.as_str().into())),
    strict("current_schema", 0..=0, Name, |_, _| Ok("public".into())),
    strict("current_schemas", 1..=1, Names, |_, arguments| {
        let with_implicit = arguments[0].boolean().unwrap_or_default();
        Ok(if with_implicit { vec!["pg_catalog", "public"] } else { vec!["public"] }.into())
    }),
    strict("current_user", 0..=0, Name, user),
    strict("session_user", 0..=0, Name, user),
    strict("pg_backend_pid", 0..=0, Int4, |snapshot, _| Ok(snapshot.backend.process_id.into())),
    lenient("current_setting", 1..=2, Text, current_setting),
    lenient("set_config", 3..=3, Text, |_, arguments| Ok(arguments[1].print().into())),
    strict("pg_is_in_recovery", 0..=0, Bool, |_, _| Ok(false.into())),
    strict("pg_is_wal_replay_paused", 0..=0, Bool, |_, _| Ok(false.into())),
    strict("pg_is_other_temp_schema", 1..=1, Bool, |_, _| Ok(false.into())),
    strict("pg_my_temp_schema", 0..=0, Oid, |_, _| Ok(0.into())),
    strict("pg_export_snapshot", 0..=0, Text, |_, _| Ok("00000003-00000001-1".into())),
    strict("pg_client_encoding", 0..=0, Name, |_, _| Ok("UTF8".into())),
    strict("pg_encoding_to_char", 1..=1, Name, |_, arguments| {
        Ok(match arguments[0].integer() {
            Some(6) => "UTF8",
            Some(0) => "SQL_ASCII",
            _ => "",
        }
        .into())
    }),
    strict("getdatabaseencoding", 0..=0, Name, |_, _| Ok("UTF8".into())),
    strict("pg_char_to_encoding", 1..=1, Int4, |_, arguments| {
        let name = arguments[0].text().unwrap_or_default();
        Ok(if name.eq_ignore_ascii_case("utf8") || name.eq_ignore_ascii_case("utf-8") { 6 } else { -1 }.into())
    }),
    strict("pg_postmaster_start_time", 0..=0, Text, |_, _| Ok(Cell::Null)),
    strict("pg_conf_load_time", 0..=0, Text, |_, _| Ok(Cell::Null)),
    strict("inet_client_addr", 0..=0, Text, |_, _| Ok(Cell::Null)),
    strict("inet_client_port", 0..=0, Int4, |_, _| Ok(Cell::Null)),
    strict("inet_server_addr", 0..=0, Text, |_, _| Ok(Cell::Null)),
    strict("inet_server_port", 0..=0, Int4, |_, _| Ok(Cell::Null)),
    // Each statement commits by itself and nothing is written by a transaction, so there is but one.
    strict("txid_current", 0..=0, Int8, |_, _| Ok(1.into())),
    strict("txid_current_if_assigned", 0..=0, Int8, |_, _| Ok(Cell::Null)),
    strict("pg_current_xact_id", 0..=0, Int8, |_, _| Ok(1.into())),
    strict("pg_current_xact_id_if_assigned", 0..=0, Int8, |_, _| Ok(Cell::Null)),
    strict("pg_advisory_unlock_all", 0..=0, Text, |_, _| Ok("".into())),
    strict("pg_listening_channels", 0..=0, Text, |_, _| Ok(Cell::Null)),
];

fn user(snapshot: &Snapshot, _: &[Cell]) -> Result<Cell> {
    Ok(snapshot.backend.user.as_str().into())
}

fn current_setting(snapshot: &Snapshot, arguments: &[Cell]) -> Result<Cell> {
    let Some(name) = arguments[0].text() else {
        return Ok(Cell::Null);
    };
    let may_be_missing = arguments.get(1).and_then(Cell::boolean).unwrap_or_default();
    match snapshot.setting(name) {
        Some(value) => Ok(value.into()),
        None if may_be_missing => Ok(Cell::Null),
        None => Err(Error::invalid(format!("unrecognized configuration parameter \"{name}\""))
            .with_hint("give true as the second argument to get null instead")),
    }
}
