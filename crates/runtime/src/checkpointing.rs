//! Jobs with checkpoints: the shell around the state machines of `dipper_checkpoint`. They decide; what they say is done here.
//!
//! [`supervisor`] runs one attempt after the other: [`recovery`] takes the job over, [`restore`] brings the state back, [`attempt`] runs the
//! tasks under a coordinator, each with an [`acknowledger`] that stores what it hands over. [`log`] is the job's log of manifests, the one
//! place where the protocol's manifests and those at rest are made of each other; [`outputs`] are the sinks, as commits see them;
//! [`savepoints`] serves those who ask a running job for one. [`witness`] looks on.

mod acknowledger;
mod attempt;
mod host;
mod log;
mod notice;
mod options;
mod outputs;
mod recovery;
mod restore;
mod savepoints;
mod subtasks;
mod supervisor;
#[cfg(test)]
mod tests;
mod witness;

pub(crate) use savepoints::Ask;
pub(crate) use supervisor::start;

pub use host::{Deployed, Host, Running};
pub use notice::JobNotice;
pub use options::{Checkpointing, OpenDirectory, StartFrom};
pub use subtasks::{Deploy, Heard, Order, Subtasks, Told};
