//! Which node of a task is at work: so that an error or a panic names it.

use std::sync::atomic::{AtomicUsize, Ordering};

use dipper_types::{Error, ErrorKind};

/// The node of one subtask that is at work.
#[derive(Debug)]
pub(crate) struct Position {
    names: Vec<String>,
    /// Whether a node reads or writes a table: those name the table or the file themselves.
    is_table: Vec<bool>,
    place: AtomicUsize,
}

impl Position {
    /// At the first of the task's nodes, upstream first: name, and whether it reads or writes a table.
    pub(crate) fn new(nodes: impl IntoIterator<Item = (String, bool)>) -> Self {
        let (names, is_table) = nodes.into_iter().unzip();
        Self { names, is_table, place: AtomicUsize::new(0) }
    }

    pub(crate) fn enter(&self, place: usize) {
        self.place.store(place, Ordering::Relaxed);
    }

    /// The name of the node at work.
    pub(crate) fn name(&self) -> &str {
        self.names.get(self.place.load(Ordering::Relaxed)).map_or("task", String::as_str)
    }

    /// The error with the node at work in front, unless it is about a table, or about nothing at all.
    pub(crate) fn named(&self, error: Error) -> Error {
        let is_table = self.is_table.get(self.place.load(Ordering::Relaxed)).is_some_and(|is_table| *is_table);
        match error.kind() {
            ErrorKind::Cancelled => error,
            ErrorKind::Invalid | ErrorKind::Unsupported | ErrorKind::Unavailable if is_table => error,
            _ => error.context(self.name()),
        }
    }

    /// All names, in the order of the data.
    pub(crate) fn task_name(&self) -> String {
        self.names.join(" -> ")
    }
}
