//! `pg_settings`, and the activity of this connection.

use super::{Made, Row, catalog, row};
use crate::cell::Cell;
use crate::kind::Kind::{self, Bool, Int4, Int8, Name, Oid, Text, Texts};
use crate::oid;
use crate::snapshot::Snapshot;

pub(super) const TABLES: &[Made] = &[
    catalog("pg_settings", SETTINGS, settings),
    catalog("pg_stat_activity", ACTIVITY, activity),
    catalog("pg_stat_database", DATABASE, databases),
    catalog("pg_stat_user_tables", TABLE, table_statistics),
    catalog("pg_stat_all_tables", TABLE, table_statistics),
    catalog(
        "pg_stat_ssl",
        &[("pid", Int4), ("ssl", Bool), ("version", Text), ("cipher", Text), ("bits", Int4)],
        connections,
    ),
    catalog(
        "pg_stat_gssapi",
        &[("pid", Int4), ("gss_authenticated", Bool), ("principal", Text), ("encrypted", Bool)],
        unencrypted,
    ),
];

const SETTINGS: &[(&str, Kind)] = &[
    ("name", Text),
    ("setting", Text),
    ("unit", Text),
    ("category", Text),
    ("short_desc", Text),
    ("extra_desc", Text),
    ("context", Text),
    ("vartype", Text),
    ("source", Text),
    ("min_val", Text),
    ("max_val", Text),
    ("enumvals", Texts),
    ("boot_val", Text),
    ("reset_val", Text),
    ("sourcefile", Text),
    ("sourceline", Int4),
    ("pending_restart", Bool),
];

fn settings(snapshot: &Snapshot) -> Vec<Row> {
    let row = |(name, value): (&String, &String)| {
        let kind = match value.as_str() {
            "on" | "off" => "bool",
            value if value.parse::<i64>().is_ok() => "integer",
            _ => "string",
        };
        let value = value.as_str();
        row![
            name.as_str(),
            value,
            Cell::Null,
            "Client Connection Defaults",
            "",
            Cell::Null,
            "user",
            kind,
            "session",
            Cell::Null,
            Cell::Null,
            Cell::Null,
            value,
            value,
            Cell::Null,
            Cell::Null,
            false,
        ]
    };
    snapshot.backend.settings.iter().map(row).collect()
}

const ACTIVITY: &[(&str, Kind)] = &[
    ("datid", Oid),
    ("datname", Name),
    ("pid", Int4),
    ("leader_pid", Int4),
    ("usesysid", Oid),
    ("usename", Name),
    ("application_name", Text),
    ("client_addr", Text),
    ("client_hostname", Text),
    ("client_port", Int4),
    ("backend_start", Text),
    ("xact_start", Text),
    ("query_start", Text),
    ("state_change", Text),
    ("wait_event_type", Text),
    ("wait_event", Text),
    ("state", Text),
    ("backend_xid", Text),
    ("backend_xmin", Text),
    ("query_id", Int8),
    ("query", Text),
    ("backend_type", Text),
];

/// This connection: nothing is known here of the others.
fn activity(snapshot: &Snapshot) -> Vec<Row> {
    let backend = &snapshot.backend;
    let user = snapshot.roles.iter().find(|role| role.name == backend.user).map_or(oid::OWNER, |role| role.oid);
    let application = snapshot.setting("application_name").unwrap_or_default();
    let mut row = row![
        snapshot.database_oid,
        backend.database.as_str(),
        backend.process_id,
        Cell::Null,
        user,
        backend.user.as_str()
    ];
    row.push(application.into());
    row.extend(std::iter::repeat_n(Cell::Null, 9));
    row.extend(row!["active", Cell::Null, Cell::Null, Cell::Null, "", "client backend"]);
    vec![row]
}

const DATABASE: &[(&str, Kind)] =
    &[("datid", Oid), ("datname", Name), ("numbackends", Int4), ("xact_commit", Int8), ("xact_rollback", Int8)];

fn databases(snapshot: &Snapshot) -> Vec<Row> {
    vec![row![snapshot.database_oid, snapshot.backend.database.as_str(), 1, 0, 0]]
}

const TABLE: &[(&str, Kind)] = &[
    ("relid", Oid),
    ("schemaname", Name),
    ("relname", Name),
    ("seq_scan", Int8),
    ("seq_tup_read", Int8),
    ("idx_scan", Int8),
    ("idx_tup_fetch", Int8),
    ("n_tup_ins", Int8),
    ("n_tup_upd", Int8),
    ("n_tup_del", Int8),
    ("n_live_tup", Int8),
    ("n_dead_tup", Int8),
    ("n_mod_since_analyze", Int8),
    ("last_vacuum", Text),
    ("last_autovacuum", Text),
    ("last_analyze", Text),
    ("last_autoanalyze", Text),
];

/// Nothing is counted but the rows there are, where somebody knows them.
fn table_statistics(snapshot: &Snapshot) -> Vec<Row> {
    let tables = snapshot.entries.iter().filter(|entry| !entry.relation.is_view);
    let row = |entry: &crate::snapshot::Entry| {
        let rows = entry.relation.rows.map(|rows| rows as i64);
        let (schema, name) = (entry.relation.schema.as_str(), entry.relation.name.as_str());
        let mut row = row![entry.oid, schema, name, 0, 0, 0, 0, 0, 0, 0, rows, 0, 0];
        row.extend(std::iter::repeat_n(Cell::Null, 4));
        row
    };
    tables.map(row).collect()
}

fn connections(snapshot: &Snapshot) -> Vec<Row> {
    vec![row![snapshot.backend.process_id, false, Cell::Null, Cell::Null, Cell::Null]]
}

fn unencrypted(snapshot: &Snapshot) -> Vec<Row> {
    vec![row![snapshot.backend.process_id, false, Cell::Null, false]]
}
