//! Which node of a task is at work: so that an error or a panic names it.

use std::sync::atomic::{AtomicUsize, Ordering};

/// The node of one subtask that is at work.
#[derive(Debug)]
pub(crate) struct Position {
    names: Vec<String>,
    place: AtomicUsize,
}

impl Position {
    /// At the first of the task's nodes, upstream first.
    pub(crate) fn new(names: Vec<String>) -> Self {
        Self { names, place: AtomicUsize::new(0) }
    }

    pub(crate) fn enter(&self, place: usize) {
        self.place.store(place, Ordering::Relaxed);
    }

    /// The name of the node at work.
    pub(crate) fn name(&self) -> &str {
        self.names.get(self.place.load(Ordering::Relaxed)).map_or("task", String::as_str)
    }

    /// All names, in the order of the data.
    pub(crate) fn task_name(&self) -> String {
        self.names.join(" -> ")
    }
}
