//! Runs a job in this process: one thread per subtask, bounded channels between them, and a coordinator that commits the
//! sinks when everything has gone well, or after each checkpoint.
//!
//! Use [`start`] to run a [`dipper_graph::JobGraph`]. What an operator, a source or a sink does is theirs (`operators`,
//! `connectors`); what a job consists of is the planner's (`sql`); what is done with the rows is the caller's.

mod chain;
mod channel;
mod checkpointing;
mod clock;
mod components;
mod coordinator;
mod deployment;
mod gate;
mod job;
mod job_metrics;
mod network;
mod not_null;
mod opening;
mod options;
mod output;
mod position;
mod progress;
mod restored;
mod root_cause;
mod run;
mod source_task;
mod split_state;
mod task;
mod task_control;
mod task_metrics;
mod validate;
mod values_head;

#[cfg(test)]
mod tests;

pub use channel::{Receiver, Sender};
pub use checkpointing::{
    Checkpointing, Deploy, Deployed, Heard, Host, JobNotice, OpenDirectory, Order, Running, StartFrom, Subtasks, Told,
};
pub use clock::processing_time;
pub use components::{BuiltIn, Components};
pub use job::{Job, JobHandle, JobSummary, RowStream, start};
pub use network::{ChannelName, RemoteEnds, Share};
pub use not_null::NotNull;
pub use options::RunOptions;
pub use progress::{
    CheckpointProgress, Counted, LastCheckpoint, OperatorProgress, Progress, SubtaskCounters, TaskCounters,
    TaskProgress,
};
pub use run::unique_run_id;
pub use task_metrics::TaskTimes;
