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
            return Err(Failure::new(sqlstate::LIMIT_EXCEEDED, format!("more than {PORTALS_MAX} portals")));
        }
        self.0.insert(name.to_owned(), portal);
        Ok(())
    }

    /// The one of this name; what there is none of is called so.
    pub(crate) fn get(&mut self, name: &str, what: &str) -> Result<&mut Portal> {
        let missing = || Failure::new(sqlstate::UNDEFINED_CURSOR, format!("{what} \"{name}\" does not exist"));
        self.0.get_mut(name).ok_or_else(missing)
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
