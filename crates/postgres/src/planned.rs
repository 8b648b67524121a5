//! Statements that have been looked at: what they need and what they give.

use std::collections::HashMap;
use std::sync::Arc;

use arrow::datatypes::{DataType, SchemaRef};
use dipper_session::{Parsed, Prepared};

use crate::failure::{Failure, Result};
use crate::sqlstate;
use crate::statement::{Sql, Statement};

/// How many prepared statements a connection may have at once.
const STATEMENTS_MAX: usize = 10_000;

/// How long their texts may be, all together.
const TEXT_BYTES_MAX: usize = 64 * 1024 * 1024;

/// A statement that can be executed.
pub(crate) struct Planned {
    pub(crate) statement: Statement,
    pub(crate) body: Body,
    /// The types of the parameters, as the client knows them and as the statement takes them.
    pub(crate) oids: Vec<u32>,
    pub(crate) types: Vec<DataType>,
    /// The columns of the result, if there is one and it is known.
    pub(crate) schema: Option<SchemaRef>,
}

/// Its SQL, if it has any.
pub(crate) enum Body {
    None,
    /// Without parameters.
    Parsed(Box<Parsed>),
    Prepared(Prepared),
    /// About the system: it is planned over the tables of the moment.
    System,
}

impl Planned {
    /// One that is the protocol's own, or without parameters.
    pub(crate) fn new(statement: Statement, body: Body) -> Self {
        Self { statement, body, oids: Vec::new(), types: Vec::new(), schema: None }
    }

    /// Whether it may run in a transaction that has failed.
    pub(crate) fn is_way_out(&self) -> bool {
        is_way_out(&self.statement)
    }
}

/// Whether a statement may run in a transaction that has failed.
pub(crate) fn is_way_out(statement: &Statement) -> bool {
    matches!(statement, Statement::Empty) || matches!(statement, Statement::Transact(transact) if transact.is_way_out())
}

/// The SQL in a statement for the session or the catalog to run when the statement does.
pub(crate) fn sql_of(statement: &Statement) -> Option<&Sql> {
    match statement {
        Statement::Sql(sql) => Some(sql),
        Statement::Declare(declare) => Some(&declare.sql),
        Statement::Copy(copy) => Some(&copy.sql),
        _ => None,
    }
}

/// The prepared statements of a connection.
#[derive(Default)]
pub(crate) struct Statements {
    named: HashMap<String, Arc<Planned>>,
    text_bytes: usize,
}

impl Statements {
    /// Adds one. The one without a name takes the place of its predecessor.
    pub(crate) fn add(&mut self, name: &str, planned: Arc<Planned>) -> Result<()> {
        if name.is_empty() {
            self.remove(name);
        } else if self.named.contains_key(name) {
            return Err(Failure::new(
                sqlstate::DUPLICATE_STATEMENT,
                format!("prepared statement \"{name}\" already exists"),
            ));
        }
        let text_bytes = self.text_bytes + bytes(&planned);
        if self.named.len() >= STATEMENTS_MAX || text_bytes > TEXT_BYTES_MAX {
            let failure =
                Failure::new(sqlstate::LIMIT_EXCEEDED, "there are too many prepared statements on this connection");
            return Err(failure.with_hint("DEALLOCATE those that are no longer needed"));
        }
        self.text_bytes = text_bytes;
        self.named.insert(name.to_owned(), planned);
        Ok(())
    }

    /// The one of this name.
    pub(crate) fn get(&self, name: &str) -> Result<Arc<Planned>> {
        let missing = || {
            let message = match name {
                "" => "unnamed prepared statement does not exist".to_owned(),
                name => format!("prepared statement \"{name}\" does not exist"),
            };
            Failure::new(sqlstate::UNDEFINED_STATEMENT, message)
        };
        self.named.get(name).map(Arc::clone).ok_or_else(missing)
    }

    /// Forgets it; whether it was there.
    pub(crate) fn remove(&mut self, name: &str) -> bool {
        let removed = self.named.remove(name);
        self.text_bytes -= removed.as_deref().map_or(0, bytes);
        removed.is_some()
    }

    /// Forgets all.
    pub(crate) fn clear(&mut self) {
        *self = Self::default();
    }
}

fn bytes(planned: &Planned) -> usize {
    sql_of(&planned.statement).map_or(0, |sql| sql.text.len())
}
