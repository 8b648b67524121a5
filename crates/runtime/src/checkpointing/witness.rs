//! Holds an attempt against the invariants of the protocol, in debug builds: the predicates that the simulation asserts.
//!
//! It sees what the coordinator of this attempt hears and says. What others do to the log it does not see, nor channels (I6) and what sinks
//! remove (I8).

use dipper_checkpoint::{Action, Event, History, Manifest, Observation, Start, TaskMessage};
use dipper_types::{Epoch, ManifestNumber};

/// What one attempt has done so far; nothing in a release build.
#[derive(Debug)]
pub(crate) struct Witness {
    history: Option<History>,
    opening: ManifestNumber,
    /// On its way into the log.
    put: Option<Manifest>,
    committing: Option<Epoch>,
}

impl Witness {
    pub(crate) fn new(start: &Start) -> Self {
        let history = cfg!(debug_assertions).then(|| History::from_opening(&start.opening, &start.log));
        Self { history, opening: start.opening.attempt.opening, put: None, committing: None }
    }

    /// What the coordinator hears.
    pub(crate) fn on_event(&mut self, event: &Event) {
        match event {
            Event::Task { message: TaskMessage::Acknowledged { epoch, snapshot, .. }, .. } => {
                let new = snapshot.files.iter().filter(|file| file.attempt == self.opening && file.epoch == *epoch);
                new.for_each(|file| observe(&mut self.history, Observation::FileCreated(file)));
            }
            Event::Task { message: TaskMessage::Finished { snapshot, .. }, .. } => {
                snapshot.files.iter().for_each(|file| observe(&mut self.history, Observation::FileCreated(file)));
            }
            Event::Committed => {
                if let Some(epoch) = self.committing.take() {
                    observe(&mut self.history, Observation::Committed(epoch));
                }
            }
            Event::Deleted(garbage) => {
                for number in &garbage.manifests {
                    observe(&mut self.history, Observation::ManifestDeleted(*number));
                }
                for file in &garbage.files {
                    observe(&mut self.history, Observation::FileDeleted(file));
                }
            }
            _ => {}
        }
    }

    /// What the coordinator says.
    pub(crate) fn on_action(&mut self, action: &Action) {
        match action {
            Action::Put(manifest) if self.history.is_some() => self.put = Some((**manifest).clone()),
            // It is durable.
            Action::Commit { epoch, committables } => {
                if let Some(manifest) = self.put.take() {
                    observe(&mut self.history, Observation::ManifestCreated(&manifest));
                }
                observe(&mut self.history, Observation::CommitBegun(*epoch, committables));
                self.committing = Some(*epoch);
            }
            _ => {}
        }
    }
}

fn observe(history: &mut Option<History>, observation: Observation<'_>) {
    if let Some(history) = history {
        let observed = history.observe(observation);
        debug_assert!(observed.is_ok(), "the checkpoint protocol is broken: {observed:?}");
    }
}
