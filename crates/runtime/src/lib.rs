//! Runs a job in this process: one thread per subtask, bounded channels between them, and a coordinator that commits the
//! sinks when everything has gone well.
//!
//! Use [`start`] to run a [`dipper_graph::JobGraph`]. What an operator, a source or a sink does is theirs (`operators`,
//! `connectors`); what a job consists of is the planner's (`sql`); what is done with the rows is the caller's.

mod chain;
mod channel;
mod clock;
mod components;
mod coordinator;
mod deployment;
mod gate;
mod job;
mod not_null;
mod options;
mod output;
mod position;
mod progress;
mod source_task;
mod task;
mod validate;

#[cfg(test)]
mod tests;

pub use clock::processing_time;
pub use components::{BuiltIn, Components};
pub use coordinator::unique_run_id;
pub use job::{Job, JobHandle, JobSummary, RowStream, start};
pub use not_null::NotNull;
pub use options::RunOptions;
pub use progress::{OperatorProgress, Progress};
