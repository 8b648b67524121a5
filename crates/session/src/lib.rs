//! Executes SQL statements: the one crate that composes the SQL front end, the connectors, the operators and the runtime.
//!
//! Use a [`Session`] to run scripts and queries and get [`Outcome`]s back. It prints nothing (that is `cli`), plans
//! dataflows through `sql`, runs them through `runtime`, and hosts ad-hoc queries over bounded inputs by itself in `adhoc`.

mod adhoc;
mod bounds;
mod checkpoints;
mod clock;
mod config;
mod connector;
mod dataflow;
mod empty_names;
mod inspection;
mod job;
mod jobs;
mod listing;
mod outcome;
mod panic;
mod planning;
mod prepared;
mod savepoints;
mod session;
mod table;
mod users;
mod warehouse;

pub use checkpoints::open_directory;

pub use config::{JobConfig, SessionConfig, StartFrom};
pub use dataflow::PlannedJob;
pub use dipper_operator_api::refuse_times_beyond_calendar;
pub use dipper_runtime::JobNotice;
pub use dipper_sql::ast::{ExplainFormat, Parsed};
pub use dipper_sql::{is_complete, tokenize};
pub use inspection::{StoredCheckpoint, delete_savepoint, list_checkpoints, list_savepoints, show_checkpoint};
pub use job::{JobControl, JobHandle, Progress};
pub use jobs::{JobScript, JobService, JobStatus, LocalJobs};
pub use outcome::{Outcome, RowStream, Rows};
pub use prepared::{COLUMNS_CHANGED, Prepared};
pub use savepoints::{AfterSavepoint, absolute, copy_last_checkpoint, take_savepoint};
pub use session::Session;
pub use table::{Column, Table};
pub use users::Users;
