//! Elements as frames, and back.

use std::collections::VecDeque;

use arrow::datatypes::SchemaRef;
use dipper_operator_api::{Barrier, StreamElement};
use dipper_types::{Epoch, Error, Result, Timestamp, Watermark};

use super::ipc::{BatchDecoder, BatchEncoder};
use super::proto::frame::Content;
use super::proto::{self, Frame};

/// Rows are split so that no frame is larger, but for a row that is larger itself.
pub(super) const FRAME_BYTES: usize = 4 << 20;

/// No frame is larger, and none is read that says it is: a few wrong bytes cannot take more memory than that.
pub(super) const FRAME_BYTES_MAX: usize = 64 << 20;

/// Makes the frames of one channel.
#[derive(Debug, Default)]
pub(super) struct Encoder {
    batches: BatchEncoder,
}

impl Encoder {
    /// Appends the frames of an element: one, or more for rows.
    pub(super) fn encode(&mut self, element: StreamElement, frames: &mut VecDeque<Frame>) -> Result<()> {
        let content = match element {
            StreamElement::Batch(batch) => return self.batches.encode(batch, frames),
            StreamElement::Watermark(Watermark(Timestamp(timestamp_us))) => {
                Content::Watermark(proto::Watermark { timestamp_us })
            }
            StreamElement::Barrier(Barrier { epoch: Epoch(epoch) }) => Content::Barrier(proto::Barrier { epoch }),
            StreamElement::Idle => Content::Idle(proto::Idle {}),
            StreamElement::Active => Content::Active(proto::Active {}),
            StreamElement::End => Content::End(proto::End {}),
        };
        frames.push_back(Frame { content: Some(content) });
        Ok(())
    }
}

/// Reads the frames of one channel, after the one that names it.
#[derive(Debug)]
pub(super) struct Decoder {
    batches: BatchDecoder,
}

impl Decoder {
    /// For a channel with rows of this schema, of which names and types count.
    pub(super) fn new(schema: SchemaRef) -> Self {
        Self { batches: BatchDecoder::new(schema) }
    }

    /// The element of a frame; `None` for one that only prepares those that follow.
    pub(super) fn decode(&mut self, frame: Frame) -> Result<Option<StreamElement>> {
        let element = match frame.content {
            Some(Content::Arrow(message)) => return Ok(self.batches.decode(message)?.map(StreamElement::Batch)),
            Some(Content::Watermark(proto::Watermark { timestamp_us })) => {
                StreamElement::Watermark(Watermark(Timestamp(timestamp_us)))
            }
            Some(Content::Barrier(proto::Barrier { epoch })) => StreamElement::Barrier(Barrier { epoch: Epoch(epoch) }),
            Some(Content::Idle(_)) => StreamElement::Idle,
            Some(Content::Active(_)) => StreamElement::Active,
            Some(Content::End(_)) => StreamElement::End,
            Some(Content::Failure(proto::Failure { message })) => {
                return Err(Error::unavailable(format!("the sender has failed: {message}")));
            }
            Some(Content::Channel(_)) => return Err(Error::internal("a channel is named twice")),
            None => return Err(Error::internal("a frame is of a kind that this build does not know")),
        };
        Ok(Some(element))
    }
}

#[cfg(test)]
mod tests;
