//! The tables and views of a session, by name.

use std::sync::Arc;

use dipper_types::{Error, Result};
use indexmap::IndexMap;
use sqlparser::ast::{ObjectName, Spanned};

use super::{Table, nearest, relation_name};
use crate::ast::{CreateTable, CreateView, Drop, Query, RelationKind};
use crate::source_text::span;

/// A view: a query by name, expanded where it is used.
#[derive(Debug, Clone)]
pub struct View {
    /// Its name.
    pub name: String,
    /// New names of the query's columns; empty to keep them.
    pub columns: Vec<String>,
    /// The query.
    pub query: Query,
    /// The query's text.
    pub text: String,
    /// The whole statement's text.
    pub ddl: String,
    /// The comment.
    pub comment: Option<String>,
}

/// What a name stands for.
#[derive(Debug, Clone)]
pub enum Relation {
    /// A table.
    Table(Arc<Table>),
    /// A view.
    View(Arc<View>),
}

impl Relation {
    /// Where Dipper keeps its rows, if it does.
    pub fn kept_at(&self) -> Option<&str> {
        match self {
            Self::Table(table) if table.is_managed => table.spec.options.get("path").map(String::as_str),
            _ => None,
        }
    }

    fn kind(&self) -> &'static str {
        match self {
            Self::Table(_) => "table",
            Self::View(_) => "view",
        }
    }
}

/// Tables and views. One name stands for one of them.
#[derive(Debug, Clone, Default)]
pub struct Catalog {
    /// In the order in which they were made: each after those that it needs.
    relations: IndexMap<String, Relation>,
}

impl Catalog {
    /// An empty catalog.
    pub fn new() -> Self {
        Self::default()
    }

    /// Checks a `CREATE TABLE` and makes a table of it, without registering it: the session first asks the connector whether it
    /// takes the options and whether the table is bounded ([`Table::unbounded`]). `ddl` is the statement's text.
    pub fn define_table(&self, create: &CreateTable, ddl: &str) -> Result<Table> {
        super::define_table::define(create, ddl)
    }

    /// Registers a table. Returns whether it is new: with IF NOT EXISTS an existing one stays.
    pub fn add_table(&mut self, create: &CreateTable, table: Table) -> Result<bool> {
        // What a script defines itself hides what is kept.
        let hides = !table.is_managed && self.managed(table.name()).is_some();
        if let Some(existing) = self.relations.get(table.name()).filter(|_| !hides) {
            if create.if_not_exists {
                return Ok(false);
            }
            return Err(already_exists(existing, &create.name));
        }
        self.relations.insert(table.name().to_owned(), Relation::Table(Arc::new(table)));
        Ok(true)
    }

    /// Puts a table that Dipper keeps in the place of the one that has its name, if that is such a table as well. What a script defines itself
    /// hides it.
    pub fn put_managed(&mut self, table: Table) {
        if self.managed(table.name()).is_some() || !self.relations.contains_key(table.name()) {
            self.relations.insert(table.name().to_owned(), Relation::Table(Arc::new(table)));
        }
    }

    /// Forgets the table of a name, if it is one that Dipper keeps.
    pub fn forget_managed(&mut self, name: &str) {
        if self.managed(name).is_some() {
            self.relations.shift_remove(name);
        }
    }

    /// The table of a name, if it is one that Dipper keeps.
    pub fn managed(&self, name: &str) -> Option<&Arc<Table>> {
        match self.relations.get(name) {
            Some(Relation::Table(table)) if table.is_managed => Some(table),
            _ => None,
        }
    }

    /// Registers a view. Returns whether it is new or replaced: with IF NOT EXISTS an existing one stays. Plan its query first
    /// ([`crate::Planner::view`]), so that a view that cannot be used is never registered.
    pub fn add_view(&mut self, create: &CreateView, ddl: &str) -> Result<bool> {
        let name = relation_name(&create.name)?;
        match self.relations.get(&name) {
            Some(Relation::View(_)) if create.or_replace => {}
            Some(_) if create.if_not_exists => return Ok(false),
            Some(existing) => return Err(already_exists(existing, &create.name)),
            None => {}
        }
        let view = View {
            name: name.clone(),
            columns: create.columns.iter().map(super::column_name).collect(),
            query: create.query.clone(),
            text: create.text.clone(),
            ddl: ddl.to_owned(),
            comment: create.comment.clone(),
        };
        self.relations.insert(name, Relation::View(Arc::new(view)));
        Ok(true)
    }

    /// Removes a table or view. Returns whether there was one.
    pub fn drop_relation(&mut self, drop: &Drop) -> Result<bool> {
        let name = relation_name(&drop.name)?;
        let expected = match drop.kind {
            RelationKind::Table => "table",
            RelationKind::View => "view",
        };
        match self.relations.get(&name) {
            None if drop.if_exists => Ok(false),
            None => Err(self.not_found(&drop.name, &name)),
            Some(relation) if relation.kind() != expected => {
                let kind = relation.kind();
                Err(Error::invalid(format!("'{name}' is a {kind}, not a {expected}"))
                    .at(span(drop.name.span()))
                    .with_hint(format!("use DROP {}", kind.to_uppercase())))
            }
            Some(_) => {
                self.relations.shift_remove(&name);
                Ok(true)
            }
        }
    }

    /// What a name in a statement stands for.
    pub fn resolve(&self, name: &ObjectName) -> Result<&Relation> {
        let key = relation_name(name)?;
        self.relations.get(&key).ok_or_else(|| self.not_found(name, &key))
    }

    /// The table that a name in a statement stands for.
    pub fn table(&self, name: &ObjectName) -> Result<Arc<Table>> {
        match self.resolve(name)? {
            Relation::Table(table) => Ok(Arc::clone(table)),
            Relation::View(view) => {
                Err(Error::invalid(format!("'{}' is a view, not a table", view.name)).at(span(name.span())))
            }
        }
    }

    /// What a normalised name stands for.
    pub fn get(&self, name: &str) -> Option<&Relation> {
        self.relations.get(name)
    }

    /// Everything, by name.
    pub fn relations(&self) -> impl Iterator<Item = (&str, &Relation)> {
        let mut relations: Vec<_> = self.relations.iter().map(|(name, relation)| (name.as_str(), relation)).collect();
        relations.sort_unstable_by_key(|(name, _)| *name);
        relations.into_iter()
    }

    /// The statements that make everything that Dipper does not keep, in an order in which they can be executed.
    pub fn definitions(&self) -> impl Iterator<Item = &str> {
        self.relations.values().filter_map(|relation| match relation {
            Relation::Table(table) => Some(table.ddl.as_str()).filter(|_| !table.is_managed),
            Relation::View(view) => Some(view.ddl.as_str()),
        })
    }

    fn not_found(&self, name: &ObjectName, key: &str) -> Error {
        self.unknown(key).at(span(name.span()))
    }

    /// The error for a name that stands for nothing.
    pub(crate) fn unknown(&self, name: &str) -> Error {
        let error = Error::invalid(format!("table '{name}' not found"));
        match nearest(name, self.relations.keys().map(String::as_str)) {
            Some(meant) => error.with_hint(format!("did you mean '{meant}'?")),
            None if self.relations.is_empty() => error.with_hint("there are no tables yet: CREATE TABLE makes one"),
            None => error.with_hint("SHOW TABLES lists the tables"),
        }
    }
}

fn already_exists(existing: &Relation, name: &ObjectName) -> Error {
    Error::invalid(format!("{} '{}' already exists", existing.kind(), name))
        .at(span(name.span()))
        .with_hint("drop it first, or say IF NOT EXISTS")
}
