//! Coordinators and workers: the same jobs on many machines (`docs/design/cluster.md`).
//!
//! Use it to run the processes of a cluster and to talk to them. What a job is, is the session's matter; what runs a subtask, the runtime's.

mod client;
mod clock;
mod coordinator;
mod creation;
mod election;
pub mod exchange;
mod id;
mod job_log;
mod leadership;
mod lifecycle;
mod message;
mod record;
mod registry;
mod rpc;
mod security;
mod slots;
mod worker;

pub use client::{Client, ClusterStatus, Job, LogLine, WorkerStatus};
pub use coordinator::{Coordinator, CoordinatorOptions};
pub use creation::{Creation, CreationReply, CreationStep};
pub use election::{
    Election, ElectionAction, ElectionEvent, ElectionOptions, LeadershipHistory, LeadershipInvariant,
    LeadershipObservation, LeadershipViolation, StepDownReason,
};
pub use id::{CoordinatorId, WorkerId};
pub use job_log::{JobHistory, JobLog, LogStep, Writer};
pub use leadership::{Leader, Leadership, LeadershipChange, Seat, find_leader};
pub use lifecycle::{Action, AttemptEnd, AttemptFailure, End, Event, JobState, Lifecycle, Transition};
pub use record::{JobDecisions, JobEnd, LogEntry, Record, StartFrom, Stop, Submission};
pub use registry::Registry;
pub use security::{Security, Socket, TlsFiles, Token};
pub use slots::{Grant, Lack, Slot, SlotViolation, Slots};
pub use worker::{Worker, WorkerOptions};
