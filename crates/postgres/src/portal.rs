//! Portals: statements with the values of their parameters, ready to be executed or half executed. Cursors are portals, too.

use std::collections::HashMap;
use std::sync::Arc;

use datafusion::common::ScalarValue;

use crate::encode::Shown;
use crate::failure::{Failure, Result};
use crate::planned::Planned;
use crate::rows::{Formats, Source};
use crate::sqlstate;

/// How many portals a connection may have at once.
const PORTALS_MAX: usize = 1_000;

/// How many of them may have rows that are still to be read: behind each a query runs, which has some batches of them at hand.
const RUNNING_MAX: usize = 16;

/// How much all portals of a connection may take: the values that they are bound to, and the rows that have come and have not been fetched.
const HELD_BYTES_MAX: usize = 256 * 1024 * 1024;

/// A statement on its way.
pub(crate) struct Portal {
    pub(crate) stage: Stage,
    pub(crate) columns: Option<Vec<Shown>>,
    pub(crate) formats: Formats,
    /// Whether it is a cursor that outlives the transaction.
    pub(crate) is_held: bool,
    /// Whether the transaction in which it was made has been committed, or there was none.
    pub(crate) is_committed: bool,
}

/// How far it has come.
pub(crate) enum Stage {
    Bound(Arc<Planned>, Vec<ScalarValue>),
    /// Some rows have gone. The words begin the tag.
    Rows(Source, &'static str),
    /// It fetches from a cursor; so many rows are left, or all.
    Fetching {
        cursor: String,
        left: Option<u64>,
        is_move: bool,
    },
    /// It has ended, with rows or without.
    Done {
        had_rows: bool,
    },
}

impl Portal {
    fn held_bytes(&self) -> usize {
        match &self.stage {
            Stage::Bound(_, values) => values.iter().map(ScalarValue::size).sum(),
            Stage::Rows(source, _) => source.held_bytes(),
            Stage::Fetching { .. } | Stage::Done { .. } => 0,
        }
    }

    fn is_running(&self) -> bool {
        matches!(&self.stage, Stage::Rows(source, _) if !source.is_read())
    }
}

/// The portals of a connection.
#[derive(Default)]
pub(crate) struct Portals(HashMap<String, Portal>);

impl Portals {
    /// Adds one. The one without a name takes the place of its predecessor.
    pub(crate) fn add(&mut self, name: &str, portal: Portal) -> Result<()> {
        if !name.is_empty() && self.0.contains_key(name) {
            return Err(Failure::new(sqlstate::DUPLICATE_CURSOR, format!("cursor \"{name}\" already exists")));
        }
        if self.0.len() >= PORTALS_MAX {
            return Err(too_many(format!("more than {PORTALS_MAX} portals")));
        }
        self.check_bytes(portal.held_bytes())?;
        self.0.insert(name.to_owned(), portal);
        Ok(())
    }

    /// The one of this name; what there is none of is called so.
    pub(crate) fn get(&mut self, name: &str, what: &str) -> Result<&mut Portal> {
        let missing = || Failure::new(sqlstate::UNDEFINED_CURSOR, format!("{what} \"{name}\" does not exist"));
        self.0.get_mut(name).ok_or_else(missing)
    }

    /// Whether one more may run and keep rows for later.
    pub(crate) fn check_running(&self) -> Result<()> {
        if self.0.values().filter(|portal| portal.is_running()).count() >= RUNNING_MAX {
            return Err(too_many(format!("more than {RUNNING_MAX} cursors have rows that are still to be read")));
        }
        self.check_bytes(0)
    }

    /// The same for the one of this name, unless it runs already.
    pub(crate) fn check_start(&mut self, name: &str, what: &str) -> Result<()> {
        let portal = self.get(name, what)?;
        let starts = matches!(portal.stage, Stage::Bound(..)) && portal.columns.is_some();
        if starts { self.check_running() } else { Ok(()) }
    }

    fn check_bytes(&self, more: usize) -> Result<()> {
        let held: usize = self.0.values().map(Portal::held_bytes).sum();
        if held.saturating_add(more) > HELD_BYTES_MAX {
            return Err(too_many(format!("cursors and portals hold more than {} MB", HELD_BYTES_MAX / 1024 / 1024)));
        }
        Ok(())
    }

    /// Closes it; whether it was there.
    pub(crate) fn close(&mut self, name: &str) -> bool {
        self.0.remove(name).is_some()
    }

    /// Closes all.
    pub(crate) fn close_all(&mut self) {
        self.0.clear();
    }

    /// A transaction ends.
    pub(crate) fn end_transaction(&mut self, commits: bool) {
        self.0.retain(|_, portal| portal.is_held && (commits || portal.is_committed));
        self.0.values_mut().for_each(|portal| portal.is_committed = true);
    }
}

fn too_many(message: String) -> Failure {
    Failure::new(sqlstate::LIMIT_EXCEEDED, message).with_hint("fetch to the end, or CLOSE what is no longer needed")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::encode::Format;
    use crate::planned::Body;
    use crate::statement::Statement;

    #[test]
    fn values_of_portals_take_only_so_much() {
        let portal = || {
            let values = vec![ScalarValue::Binary(Some(Vec::with_capacity(HELD_BYTES_MAX / 2)))];
            Portal {
                stage: Stage::Bound(Arc::new(Planned::new(Statement::Empty, Body::None)), values),
                columns: None,
                formats: Formats::all(Format::Text),
                is_held: false,
                is_committed: true,
            }
        };
        let mut portals = Portals::default();
        portals.add("a", portal()).unwrap();
        assert_eq!(portals.add("b", portal()).unwrap_err().code, sqlstate::LIMIT_EXCEEDED);
        portals.close("a");
        portals.add("b", portal()).unwrap();
    }
}
