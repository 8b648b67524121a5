//! The checkpoint protocol: use it to decide *what* is to be done about checkpoints, commits, recovery and restarts.
//!
//! Everything here is a pure state machine or a pure function: events in, actions out. Nothing reads a clock, does I/O or
//! knows Arrow; times are handed in as numbers and timers are events. Doing what the actions say is the runtime's matter,
//! and the bytes of files and manifests are the state layer's. `docs/design/checkpoints.md` describes the protocol; a
//! seeded simulation in `tests/simulation` runs these machines against lost messages, crashes, zombies and a store that
//! lies.
//!
//! | concept | type | there is one for each |
//! | --- | --- | --- |
//! | which input may be read, and when a barrier is aligned | [`BarrierAligner`] | task with inputs |
//! | what a task says to the coordinator | [`TaskCheckpoints`] | task |
//! | trigger, collect, write the manifest, commit, give up | [`Coordinator`] | attempt, one after another |
//! | what to restore, commit again, fence and sweep | [`Recovery`] | coordinator, before it leads |
//! | which manifests and files may be deleted | [`Retention`] | coordinator |
//! | whether and when to run another attempt | [`RestartStrategy`] | job |
//! | what must hold | [`History`] | test, or debug build |

mod aligner;
mod coordinator;
mod failure;
mod id;
mod invariants;
mod manifest;
mod manifest_write;
mod recovery;
mod restart;
mod retention;
mod task;

pub use aligner::BarrierAligner;
pub use coordinator::{Action, CheckpointOptions, Coordinator, Event, Outcome, Request, SourceMode, Tasks};
pub use dipper_types::{AttemptId, ManifestNumber};
pub use failure::{AbortReason, Failure};
pub use id::{SnapshotFile, TaskId};
pub use invariants::{Channel, History, Invariant, Mark, Observation, Violation};
pub use manifest::{Committables, Manifest, ManifestKind, Snapshot, Staged};
pub use manifest_write::{Found, StoreReply};
pub use recovery::{Recovery, RecoveryAction, RecoveryEvent, Restore, Start};
pub use restart::RestartStrategy;
pub use retention::{Garbage, Retention};
pub use task::{TaskCheckpoints, TaskMessage};
