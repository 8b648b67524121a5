//! The input of a task: many channels become one sequence of events, with watermarks combined by minimum and barriers aligned.

use std::collections::VecDeque;
use std::future::poll_fn;
use std::task::{Context, Poll};

use dipper_operator_api::{Barrier, Port, StreamElement};
use dipper_types::{Error, Result, Watermark};

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

    fn poll_any(&mut self, context: &mut Context<'_>) -> Poll<Result<(usize, StreamElement)>> {
        for offset in 0..self.receivers.len() {
            let channel = (self.first + offset) % self.receivers.len();
            if !self.alignment.reads(channel) {
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
    /// The barrier that some channels have delivered and others have not.
    aligning: Option<Barrier>,
    events: VecDeque<(Port, StreamElement)>,
}

#[derive(Debug)]
struct Channel {
    port: Port,
    watermark: Watermark,
    state: ChannelState,
    /// It has delivered the barrier that is being aligned, and is not read until the others have.
    blocked: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum ChannelState {
    Active,
    Idle,
    Ended,
}

impl Alignment {
    fn new(ports: Vec<Port>) -> Self {
        let channel = |port| Channel { port, watermark: Watermark::MIN, state: ChannelState::Active, blocked: false };
        Self {
            channels: ports.into_iter().map(channel).collect(),
            combined: Watermark::MIN,
            idle: false,
            aligning: None,
            events: VecDeque::new(),
        }
    }

    fn reads(&self, channel: usize) -> bool {
        !self.channels[channel].blocked && self.channels[channel].state != ChannelState::Ended
    }

    fn on_element(&mut self, index: usize, element: StreamElement) {
        let channel = &mut self.channels[index];
        match element {
            StreamElement::Batch(batch) => self.events.push_back((channel.port, StreamElement::Batch(batch))),
            StreamElement::Watermark(watermark) => {
                channel.watermark = channel.watermark.max(watermark);
                self.combine();
            }
            StreamElement::Barrier(barrier) => self.on_barrier(index, barrier),
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
                // What has ended cannot deliver the barrier any more.
                self.finish_alignment();
                self.combine();
                self.note_idleness();
                if self.channels.iter().all(|channel| channel.state == ChannelState::Ended) {
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

    fn on_barrier(&mut self, index: usize, barrier: Barrier) {
        match self.aligning {
            // A checkpoint that has been given up.
            Some(current) if barrier.epoch < current.epoch => return,
            // The current one has been given up.
            Some(current) if barrier.epoch > current.epoch => self.unblock(),
            _ => {}
        }
        self.aligning = Some(barrier);
        self.channels[index].blocked = true;
        self.finish_alignment();
    }

    fn finish_alignment(&mut self) {
        let delivered = |channel: &Channel| channel.blocked || channel.state == ChannelState::Ended;
        if let Some(barrier) = self.aligning
            && self.channels.iter().all(delivered)
        {
            self.aligning = None;
            self.unblock();
            self.emit(StreamElement::Barrier(barrier));
        }
    }

    fn emit(&mut self, element: StreamElement) {
        self.events.push_back((0, element));
    }

    fn unblock(&mut self) {
        for channel in &mut self.channels {
            channel.blocked = false;
        }
    }
}

#[cfg(test)]
mod tests;
