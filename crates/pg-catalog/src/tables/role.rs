//! Who there is: `pg_roles`, `pg_authid`, `pg_user` and the like.

use super::{Made, Row, catalog, row};
use crate::cell::Cell;
use crate::kind::Kind::{self, Bool, Int4, Name, Oid, Text, Texts};
use crate::oid;
use crate::snapshot::{Role, Snapshot};

pub(super) const TABLES: &[Made] = &[
    catalog("pg_roles", ROLES, roles),
    catalog("pg_authid", AUTHID, authids),
    catalog("pg_user", USER, users),
    catalog("pg_shadow", USER, users),
];

const ROLES: &[(&str, Kind)] = &[
    ("rolname", Name),
    ("rolsuper", Bool),
    ("rolinherit", Bool),
    ("rolcreaterole", Bool),
    ("rolcreatedb", Bool),
    ("rolcanlogin", Bool),
    ("rolreplication", Bool),
    ("rolconnlimit", Int4),
    ("rolpassword", Text),
    ("rolvaliduntil", Text),
    ("rolbypassrls", Bool),
    ("rolconfig", Texts),
    ("oid", Oid),
];

fn is_super(role: &Role) -> bool {
    role.oid == oid::OWNER
}

fn roles(snapshot: &Snapshot) -> Vec<Row> {
    let row = |role: &Role| {
        let all = is_super(role);
        let (name, login) = (role.name.as_str(), role.can_login);
        row![name, all, true, all, all, login, all, -1, "********", Cell::Null, all, Cell::Null, role.oid]
    };
    snapshot.roles.iter().map(row).collect()
}

const AUTHID: &[(&str, Kind)] = &[
    ("oid", Oid),
    ("rolname", Name),
    ("rolsuper", Bool),
    ("rolinherit", Bool),
    ("rolcreaterole", Bool),
    ("rolcreatedb", Bool),
    ("rolcanlogin", Bool),
    ("rolreplication", Bool),
    ("rolbypassrls", Bool),
    ("rolconnlimit", Int4),
    ("rolpassword", Text),
    ("rolvaliduntil", Text),
];

fn authids(snapshot: &Snapshot) -> Vec<Row> {
    let row = |role: &Role| {
        let all = is_super(role);
        row![role.oid, role.name.as_str(), all, true, all, all, role.can_login, all, all, -1, Cell::Null, Cell::Null]
    };
    snapshot.roles.iter().map(row).collect()
}

const USER: &[(&str, Kind)] = &[
    ("usename", Name),
    ("usesysid", Oid),
    ("usecreatedb", Bool),
    ("usesuper", Bool),
    ("userepl", Bool),
    ("usebypassrls", Bool),
    ("passwd", Text),
    ("valuntil", Text),
    ("useconfig", Texts),
];

fn users(snapshot: &Snapshot) -> Vec<Row> {
    let row = |role: &Role| {
        let all = is_super(role);
        row![role.name.as_str(), role.oid, all, all, all, all, "********", Cell::Null, Cell::Null]
    };
    snapshot.roles.iter().filter(|role| role.can_login).map(row).collect()
}
