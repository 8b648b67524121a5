//! What a channel is called: by both ends, before they have met.

use std::fmt;

use dipper_types::{AttemptId, JobId, ManifestNumber};

use super::proto;

/// The name of a channel. It holds the attempt, so that nobody expects the channels of an attempt that is over.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct ChannelName {
    /// The job.
    pub job: JobId,
    /// The attempt that the channel belongs to.
    pub attempt: AttemptId,
    /// The edge, by its index in the task graph.
    pub edge: u32,
    /// The index of the sending subtask.
    pub sender: u32,
    /// The index of the receiving subtask.
    pub receiver: u32,
}

impl fmt::Display for ChannelName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { job: JobId(job), attempt, edge, sender, receiver } = self;
        write!(f, "channel of job '{job}', {attempt}, edge {edge}, subtasks {} to {}", sender + 1, receiver + 1)
    }
}

impl From<&ChannelName> for proto::Channel {
    fn from(name: &ChannelName) -> Self {
        Self {
            job: name.job.0.clone(),
            opening: name.attempt.opening.0,
            nonce: name.attempt.nonce,
            edge: name.edge,
            sender: name.sender,
            receiver: name.receiver,
        }
    }
}

impl From<proto::Channel> for ChannelName {
    fn from(channel: proto::Channel) -> Self {
        Self {
            job: JobId(channel.job),
            attempt: AttemptId { opening: ManifestNumber(channel.opening), nonce: channel.nonce },
            edge: channel.edge,
            sender: channel.sender,
            receiver: channel.receiver,
        }
    }
}
