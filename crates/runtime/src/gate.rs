//! The input of a task: many channels become one sequence of events, with watermarks combined by minimum and barriers aligned.

use std::collections::VecDeque;
use std::future::poll_fn;
use std::task::{Context, Poll};

use dipper_checkpoint::BarrierAligner;
use dipper_operator_api::{Barrier, Port, StreamElement};
use dipper_types::{Epoch, Error, Result, Watermark};

use crate::channel::Receiver;

/// The channels of one subtask.
#[derive(Debug)]
pub(crate) struct InputGate {
    receivers: Vec<Receiver>,
    alignment: Alignment,
    /// The channel to look at first, so that none starves.
    first: usize,
}

impl InputGate {
    /// A gate over channels and the port that each of them feeds.
    pub(crate) fn new(channels: Vec<(Port, Receiver)>) -> Self {
        let (ports, receivers): (Vec<Port>, Vec<Receiver>) = channels.into_iter().unzip();
        Self { receivers, alignment: Alignment::new(ports), first: 0 }
    }

    /// The next element of the combined input, and its port if it is a batch. Nothing follows the end.
    pub(crate) async fn next(&mut self) -> Result<(Port, StreamElement)> {
        loop {
            if let Some(event) = self.alignment.events.pop_front() {
                return Ok(event);
            }
            let (channel, element) = poll_fn(|context| self.poll_any(context)).await?;
            self.alignment.on_element(channel, element);
        }
    }

    /// The coordinator has given up this checkpoint and those before it: nothing waits for their barriers any more.
    pub(crate) fn on_abort(&mut self, epoch: Epoch) {
        self.alignment.barriers.on_abort(epoch);
    }

    fn poll_any(&mut self, context: &mut Context<'_>) -> Poll<Result<(usize, StreamElement)>> {
        for offset in 0..self.receivers.len() {
            let channel = (self.first + offset) % self.receivers.len();
            if !self.alignment.barriers.may_read(channel) {
                continue;
            }
            match self.receivers[channel].poll_receive(context) {
                Poll::Ready(Some(element)) => {
                    self.first = channel + 1;
                    return Poll::Ready(Ok((channel, element)));
                }
                // The sender has gone without an end: it has failed, and says why itself.
                Poll::Ready(None) => return Poll::Ready(Err(Error::cancelled())),
                Poll::Pending => {}
            }
        }
        Poll::Pending
    }
}

/// The protocol of the gate, without the channels: elements in, events out.
#[derive(Debug)]
struct Alignment {
    channels: Vec<Channel>,
    combined: Watermark,
    idle: bool,
    barriers: BarrierAligner,
    events: VecDeque<(Port, StreamElement)>,
}

#[derive(Debug)]
struct Channel {
    port: Port,
    watermark: Watermark,
    state: ChannelState,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum ChannelState {
    Active,
    Idle,
    Ended,
}

impl Alignment {
    fn new(ports: Vec<Port>) -> Self {
        let channel = |port| Channel { port, watermark: Watermark::MIN, state: ChannelState::Active };
        Self {
            barriers: BarrierAligner::new(ports.len()),
            channels: ports.into_iter().map(channel).collect(),
            combined: Watermark::MIN,
            idle: false,
            events: VecDeque::new(),
        }
    }

    fn on_element(&mut self, index: usize, element: StreamElement) {
        let channel = &mut self.channels[index];
        match element {
            StreamElement::Batch(batch) => self.events.push_back((channel.port, StreamElement::Batch(batch))),
            StreamElement::Watermark(watermark) => {
                channel.watermark = channel.watermark.max(watermark);
                self.combine();
            }
            StreamElement::Barrier(barrier) => {
                let aligned = self.barriers.on_barrier(index, barrier.epoch);
                self.pass_on(aligned);
            }
            StreamElement::Idle => {
                channel.state = ChannelState::Idle;
                self.combine();
                self.note_idleness();
            }
            StreamElement::Active => {
                channel.state = ChannelState::Active;
                self.note_idleness();
            }
            StreamElement::End => {
                channel.state = ChannelState::Ended;
                let aligned = self.barriers.on_end(index);
                self.pass_on(aligned);
                self.combine();
                self.note_idleness();
                if self.barriers.has_ended() {
                    self.emit(StreamElement::End);
                }
            }
        }
    }

    /// The minimum over the active channels. When all are idle, the greatest that any of them has promised: each
    /// would have stood alone if it had been the last to fall silent.
    fn combine(&mut self) {
        let of =
            |state| self.channels.iter().filter(move |channel| channel.state == state).map(|channel| channel.watermark);
        let combined =
            of(ChannelState::Active).min().or_else(|| of(ChannelState::Idle).max()).unwrap_or(Watermark::MAX);
        if combined > self.combined {
            self.combined = combined;
            self.emit(StreamElement::Watermark(combined));
        }
    }

    fn note_idleness(&mut self) {
        let any = |state| self.channels.iter().any(|channel| channel.state == state);
        let idle = any(ChannelState::Idle) && !any(ChannelState::Active);
        if idle != self.idle {
            self.idle = idle;
            self.emit(if idle { StreamElement::Idle } else { StreamElement::Active });
        }
    }

    fn pass_on(&mut self, aligned: Option<Epoch>) {
        if let Some(epoch) = aligned {
            self.emit(StreamElement::Barrier(Barrier { epoch }));
        }
    }

    fn emit(&mut self, element: StreamElement) {
        self.events.push_back((0, element));
    }
}

#[cfg(test)]
mod tests;
