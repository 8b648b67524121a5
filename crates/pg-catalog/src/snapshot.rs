//! Everything the tables and functions read: the relations of a moment with their identifiers, and the backend.

use std::collections::HashMap;

use crate::oid::{self, Oids, Sort};
use crate::relation::{Backend, Column, Relation};
use crate::tables::{Definition, find, system};

/// The state of the system at a moment.
#[derive(Debug)]
pub(crate) struct Snapshot {
    /// In the order of schema and name.
    pub(crate) entries: Vec<Entry>,
    pub(crate) backend: Backend,
    /// Schemas and their identifiers, in order of name.
    pub(crate) schemas: Vec<(String, u32)>,
    /// Roles and their identifiers, in order of name.
    pub(crate) roles: Vec<Role>,
    pub(crate) database_oid: u32,
    /// Where the relation stands that has an identifier, or whose index has it.
    by_oid: HashMap<u32, usize>,
}

/// A relation of the users.
#[derive(Debug)]
pub(crate) struct Entry {
    pub(crate) oid: u32,
    pub(crate) schema_oid: u32,
    pub(crate) relation: Relation,
    pub(crate) key: Option<Key>,
}

/// The primary key of a relation: an index and a constraint of the same name.
#[derive(Debug)]
pub(crate) struct Key {
    pub(crate) index_oid: u32,
    pub(crate) constraint_oid: u32,
    pub(crate) name: String,
    /// The numbers of its columns, from 1.
    pub(crate) columns: Vec<i16>,
}

/// A role: who may log in, or who owns everything.
#[derive(Debug)]
pub(crate) struct Role {
    pub(crate) oid: u32,
    pub(crate) name: String,
    pub(crate) can_login: bool,
}

/// What an identifier in `pg_class` stands for.
pub(crate) enum Class<'a> {
    Relation(&'a Entry),
    Index(&'a Entry, &'a Key),
    System(&'static Definition),
}

impl Class<'_> {
    pub(crate) fn name(&self) -> &str {
        match self {
            Self::Relation(entry) => &entry.relation.name,
            Self::Index(_, key) => &key.name,
            Self::System(definition) => &definition.name,
        }
    }

    pub(crate) fn schema(&self) -> &str {
        match self {
            Self::Relation(entry) | Self::Index(entry, _) => &entry.relation.schema,
            Self::System(definition) => definition.schema,
        }
    }
}

/// Settings that clients ask for and nobody sets.
const SETTINGS: &[(&str, &str)] = &[
    ("DateStyle", "ISO, MDY"),
    ("IntervalStyle", "postgres"),
    ("TimeZone", "UTC"),
    ("block_size", "8192"),
    ("client_encoding", "UTF8"),
    ("default_table_access_method", "heap"),
    ("default_tablespace", ""),
    ("default_transaction_read_only", "off"),
    ("integer_datetimes", "on"),
    ("jit", "off"),
    ("lc_collate", "C"),
    ("lc_ctype", "C"),
    ("max_connections", "100"),
    ("max_identifier_length", "63"),
    ("max_index_keys", "32"),
    ("search_path", "\"$user\", public"),
    ("server_encoding", "UTF8"),
    ("server_version", "15.0"),
    ("server_version_num", "150000"),
    ("standard_conforming_strings", "on"),
    ("transaction_isolation", "read committed"),
    ("transaction_read_only", "off"),
];

/// The name of the role that owns everything.
const OWNER: &str = "dipper";

impl Snapshot {
    pub(crate) fn new(mut relations: Vec<Relation>, mut backend: Backend) -> Self {
        for (name, value) in SETTINGS {
            backend.settings.entry((*name).to_owned()).or_insert_with(|| (*value).to_owned());
        }
        relations.sort_by(|a, b| (&a.schema, &a.name).cmp(&(&b.schema, &b.name)));
        let oids = Oids::of_users(names(&relations, &backend));
        let schema_oid = |schema: &str| match schema {
            "public" => oid::PUBLIC,
            "pg_catalog" => oid::PG_CATALOG,
            "information_schema" => oid::INFORMATION_SCHEMA,
            other => oids.get(Sort::Schema, "", other),
        };
        let mut schemas: Vec<_> = ["information_schema", "pg_catalog", "public"]
            .into_iter()
            .chain(relations.iter().map(|relation| relation.schema.as_str()))
            .map(|schema| (schema.to_owned(), schema_oid(schema)))
            .collect();
        schemas.sort();
        schemas.dedup();
        let mut logins: Vec<_> = backend.users.iter().chain([&backend.user]).filter(|name| !name.is_empty()).collect();
        logins.sort();
        logins.dedup();
        let mut roles: Vec<_> = logins
            .iter()
            .filter(|name| name.as_str() != OWNER)
            .map(|name| Role { oid: oids.get(Sort::Role, "", name), name: (*name).clone(), can_login: true })
            .collect();
        let owner_logs_in = logins.iter().any(|name| name.as_str() == OWNER);
        roles.push(Role { oid: oid::OWNER, name: OWNER.to_owned(), can_login: owner_logs_in });
        roles.sort_by(|a, b| a.name.cmp(&b.name));
        let database_oid = oids.get(Sort::Database, "", &backend.database);
        let entries: Vec<_> = relations
            .into_iter()
            .map(|relation| Entry {
                oid: oids.get(Sort::Relation, &relation.schema, &relation.name),
                schema_oid: schema_oid(&relation.schema),
                key: key(&relation, &oids),
                relation,
            })
            .collect();
        let mut by_oid = HashMap::new();
        for (place, entry) in entries.iter().enumerate() {
            by_oid.insert(entry.oid, place);
            by_oid.extend(entry.key.as_ref().map(|key| (key.index_oid, place)));
        }
        Self { entries, backend, schemas, roles, database_oid, by_oid }
    }

    /// What an identifier in `pg_class` stands for.
    pub(crate) fn class(&self, oid: u32) -> Option<Class<'_>> {
        if let Some(entry) = self.by_oid.get(&oid).and_then(|place| self.entries.get(*place)) {
            return match &entry.key {
                Some(key) if key.index_oid == oid => Some(Class::Index(entry, key)),
                _ => Some(Class::Relation(entry)),
            };
        }
        system().iter().find(|definition| definition.oid == oid).map(Class::System)
    }

    /// The identifier of a relation or an index; without a schema, of the search path.
    pub(crate) fn class_oid(&self, schema: Option<&str>, name: &str) -> Option<u32> {
        let of_system = || find(schema, name).map(|definition| definition.oid);
        let of_users = || {
            let schema = schema.unwrap_or("public");
            self.entries.iter().filter(|entry| entry.relation.schema == schema).find_map(|entry| match &entry.key {
                _ if entry.relation.name == name => Some(entry.oid),
                Some(key) if key.name == name => Some(key.index_oid),
                _ => None,
            })
        };
        of_system().or_else(of_users)
    }

    /// The relation whose primary key this constraint is.
    pub(crate) fn constraint(&self, oid: u32) -> Option<(&Entry, &Key)> {
        self.keys().find(|(_, key)| key.constraint_oid == oid)
    }

    /// Relations with a primary key.
    pub(crate) fn keys(&self) -> impl Iterator<Item = (&Entry, &Key)> {
        self.entries.iter().filter_map(|entry| Some((entry, entry.key.as_ref()?)))
    }

    /// The name of a role.
    pub(crate) fn role(&self, oid: u32) -> Option<&str> {
        self.roles.iter().find(|role| role.oid == oid).map(|role| role.name.as_str())
    }

    /// The name of a schema.
    pub(crate) fn schema(&self, oid: u32) -> Option<&str> {
        self.schemas.iter().find(|(_, found)| *found == oid).map(|(name, _)| name.as_str())
    }

    /// A setting, whatever the case of its name.
    pub(crate) fn setting(&self, name: &str) -> Option<&str> {
        let settings = &self.backend.settings;
        let same = || settings.iter().find(|(key, _)| key.eq_ignore_ascii_case(name)).map(|(_, value)| value);
        settings.get(name).or_else(same).map(String::as_str)
    }
}

impl Entry {
    /// The column of a number, from 1.
    pub(crate) fn column(&self, number: i16) -> Option<&Column> {
        usize::try_from(number).ok().and_then(|number| self.relation.columns.get(number.checked_sub(1)?))
    }

    /// Columns and their numbers, from 1.
    pub(crate) fn columns(&self) -> impl Iterator<Item = (i16, &Column)> {
        (1..).zip(&self.relation.columns)
    }
}

impl Key {
    /// The columns of the key and their numbers.
    pub(crate) fn columns<'a>(&'a self, entry: &'a Entry) -> impl Iterator<Item = (i16, &'a Column)> {
        self.columns.iter().filter_map(|number| Some((*number, entry.column(*number)?)))
    }
}

fn key_name(relation: &Relation) -> String {
    format!("{}_pkey", relation.name)
}

fn key(relation: &Relation, oids: &Oids) -> Option<Key> {
    let columns: Vec<_> =
        (1..).zip(&relation.columns).filter(|(_, column)| column.is_key).map(|(number, _)| number).collect();
    if columns.is_empty() {
        return None;
    }
    let name = key_name(relation);
    Some(Key {
        index_oid: oids.get(Sort::Index, &relation.schema, &name),
        constraint_oid: oids.get(Sort::Constraint, &relation.schema, &name),
        name,
        columns,
    })
}

/// Everything that needs an identifier.
fn names(relations: &[Relation], backend: &Backend) -> Vec<(Sort, String, String)> {
    let global = |sort, name: &str| (sort, String::new(), name.to_owned());
    let mut names = vec![global(Sort::Database, &backend.database), global(Sort::Role, &backend.user)];
    names.extend(backend.users.iter().map(|user| global(Sort::Role, user)));
    for relation in relations {
        let key = key_name(relation);
        names.push(global(Sort::Schema, &relation.schema));
        names.push((Sort::Relation, relation.schema.clone(), relation.name.clone()));
        names.push((Sort::Index, relation.schema.clone(), key.clone()));
        names.push((Sort::Constraint, relation.schema.clone(), key));
    }
    names
}
