//! Object identifiers: the same for the same name, on every connection and for every statement.

use std::collections::{BTreeSet, HashMap};

/// The namespace `pg_catalog`.
pub(crate) const PG_CATALOG: u32 = 11;
/// The namespace `public`.
pub(crate) const PUBLIC: u32 = 2200;
/// The namespace `information_schema`.
pub(crate) const INFORMATION_SCHEMA: u32 = 13_000;
/// The role that owns everything.
pub(crate) const OWNER: u32 = 10;
/// The tablespace `pg_default`.
pub(crate) const DEFAULT_TABLESPACE: u32 = 1663;
/// The access method `heap`.
pub(crate) const HEAP: u32 = 2;
/// The access method `btree`.
pub(crate) const BTREE: u32 = 403;
/// The collation `default`.
pub(crate) const DEFAULT_COLLATION: u32 = 100;

/// Where the identifiers of the users' objects begin; below are those of the system.
const FIRST_OF_USERS: u32 = 16_384;
/// Where the identifiers begin of system relations to which Postgres gives no fixed one.
const FIRST_OF_SYSTEM: u32 = 13_100;

/// What an identifier names. A relation, its index and its constraint have the same name in different kinds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum Sort {
    Database,
    Role,
    Schema,
    Relation,
    Index,
    Constraint,
}

/// The identifiers of named objects. Two names whose hashes collide get theirs in the order of their names, so the same objects always get
/// the same identifiers.
#[derive(Debug, Default)]
pub(crate) struct Oids(HashMap<(Sort, String, String), u32>);

impl Oids {
    /// Identifiers of the users' objects, each of a sort, a schema and a name.
    pub(crate) fn of_users(names: impl IntoIterator<Item = (Sort, String, String)>) -> Self {
        Self::assign(names, FIRST_OF_USERS, 1 << 31)
    }

    /// Identifiers of system relations.
    pub(crate) fn of_system(names: impl IntoIterator<Item = (Sort, String, String)>) -> Self {
        Self::assign(names, FIRST_OF_SYSTEM, FIRST_OF_USERS)
    }

    fn assign(names: impl IntoIterator<Item = (Sort, String, String)>, first: u32, end: u32) -> Self {
        let mut taken = BTreeSet::new();
        let assigned = names.into_iter().collect::<BTreeSet<_>>().into_iter().map(|name| {
            let mut oid = first + (hash(&name) % u64::from(end - first)) as u32;
            while !taken.insert(oid) {
                oid = if oid + 1 == end { first } else { oid + 1 };
            }
            (name, oid)
        });
        Self(assigned.collect())
    }

    /// The identifier of an object, 0 for one that is not there.
    pub(crate) fn get(&self, sort: Sort, schema: &str, name: &str) -> u32 {
        self.0.get(&(sort, schema.to_owned(), name.to_owned())).copied().unwrap_or_default()
    }
}

/// FNV-1a: it must never change, since clients keep what they have read.
fn hash((sort, schema, name): &(Sort, String, String)) -> u64 {
    let bytes = [*sort as u8].into_iter().chain(schema.bytes()).chain([0]).chain(name.bytes());
    bytes.fold(0xcbf2_9ce4_8422_2325, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn name(name: &str) -> (Sort, String, String) {
        (Sort::Relation, "public".to_owned(), name.to_owned())
    }

    #[test]
    fn a_name_has_the_same_identifier_whatever_else_there_is() {
        let few = Oids::of_users([name("orders")]);
        let many = Oids::of_users((0..1000).map(|i| name(&format!("t{i}"))).chain([name("orders")]));
        assert_eq!(few.get(Sort::Relation, "public", "orders"), many.get(Sort::Relation, "public", "orders"));
        assert!(few.get(Sort::Relation, "public", "orders") >= FIRST_OF_USERS);
    }

    #[test]
    fn names_that_collide_get_different_identifiers() {
        let all: Vec<_> = (0..3000).map(|i| name(&format!("t{i}"))).collect();
        let oids = Oids::of_system(all.clone());
        let distinct: BTreeSet<_> = all.iter().map(|(sort, schema, name)| oids.get(*sort, schema, name)).collect();
        assert_eq!(distinct.len(), 3000);
    }
}
