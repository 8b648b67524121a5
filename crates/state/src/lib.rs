//! Operator state at rest. Use it to take over what an operator hands over at a barrier, to store it on an object store, to name it in
//! a manifest, and to bring it back at any parallelism. `docs/design/snapshots.md` is the way in.
//!
//! It knows no operator, and it decides nothing about checkpoints: when one begins, commits or is given up is for the protocol to say.
//! Everything asynchronous here wants a tokio runtime; nothing blocks it.

mod checkpoint_store;
mod checksum;
mod clock;
mod concurrent;
mod directory;
mod durable_files;
mod explain;
#[cfg(any(test, feature = "fuzzing"))]
#[doc(hidden)]
pub mod fuzzing;
mod garbage;
mod handle;
mod list_state;
mod manifest;
mod merge;
mod merge_plan;
mod offload;
mod reader;
mod request;
mod retry;
mod run_files;
mod savepoint;
mod state_file;
mod store_error;
mod table;
mod uploader;
mod writer;

#[cfg(test)]
mod testing;

pub use checkpoint_store::{CheckpointStore, Found, Inspection, ManifestLog, PutOutcome};
pub use checksum::Checksum;
pub use directory::{Created, Directory, Entry, NotCreated};
pub use explain::{OperatorSummary, TableSummary, summarise};
pub use garbage::Collected;
pub use handle::{FileRef, Run, StateHandle, TableHandle};
pub use list_state::{ListItem, ListState, Redistribution};
pub use manifest::{CheckpointKind, Manifest, OperatorState, Query, TaskState};
pub use offload::offload;
pub use reader::StateReader;
pub use request::{Answer, JobRequest, RequestKind};
pub use savepoint::{Savepoint, create_savepoint};
pub use state_file::Compression;
pub use table::{StateRows, TableSpec};
pub use uploader::{MergeTask, MergedRun, SnapshotUploader, UploaderSpec};
pub use writer::{StateSnapshot, StateWriter};
