//! The vocabulary that every other crate shares: identifiers, event time, epochs, key groups and errors.
//!
//! Use it for a word that two crates must mean the same thing by. It holds no behaviour of the engine, and of Arrow it
//! knows only the error and schema types.

mod error;
mod id;
mod key_group;
mod size;
mod sql_type;
mod time;

pub use error::{Error, ErrorKind, Position, Result, Span};
pub use id::{AttemptId, Epoch, JobId, ManifestNumber, OperatorId, SubtaskId};
pub use key_group::{DEFAULT_KEY_GROUPS, KeyGroup, KeyGroupRange};
pub use size::parse_size;
pub use sql_type::sql_type_name;
pub use time::{Timestamp, Watermark};
