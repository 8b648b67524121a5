//! The gate over channels that the test fills itself.

use std::sync::Arc;

use arrow::array::{ArrayRef, Int64Array};
use arrow::record_batch::RecordBatch;
use dipper_types::{Epoch, ErrorKind, Timestamp};
use futures::FutureExt;

use super::*;
use crate::channel::{Sender, channel};

struct Fixture {
    senders: Vec<Option<Sender>>,
    gate: InputGate,
}

impl Fixture {
    fn new(channels: usize) -> Self {
        let (senders, receivers): (Vec<_>, Vec<_>) = (0..channels).map(|_| channel(1 << 20)).unzip();
        let gate = InputGate::new(receivers.into_iter().map(|receiver| (0, receiver)).collect());
        Self { senders: senders.into_iter().map(Some).collect(), gate }
    }

    fn send(&self, channel: usize, element: StreamElement) {
        self.senders[channel].as_ref().unwrap().send(element).now_or_never().unwrap().unwrap();
    }

    /// All events that are there, in short.
    fn events(&mut self) -> Vec<String> {
        let mut events = Vec::new();
        while let Some(event) = self.gate.next().now_or_never() {
            let (_, event) = event.unwrap();
            let ended = matches!(event, StreamElement::End);
            events.push(match event {
                StreamElement::Batch(batch) => {
                    let column: &Int64Array = batch.column(0).as_any().downcast_ref().unwrap();
                    format!("row {}", column.value(0))
                }
                StreamElement::Watermark(watermark) => format!("watermark {watermark}"),
                StreamElement::Barrier(barrier) => format!("barrier {}", barrier.epoch.0),
                StreamElement::Idle => "idle".to_owned(),
                StreamElement::Active => "active".to_owned(),
                StreamElement::End => "end".to_owned(),
            });
            if ended {
                break;
            }
        }
        events
    }
}

fn row(value: i64) -> StreamElement {
    let column: ArrayRef = Arc::new(Int64Array::from(vec![value]));
    StreamElement::Batch(RecordBatch::try_from_iter([("v", column)]).unwrap())
}

fn watermark(us: i64) -> StreamElement {
    StreamElement::Watermark(Watermark(Timestamp(us)))
}

fn barrier(epoch: u64) -> StreamElement {
    StreamElement::Barrier(Barrier { epoch: Epoch(epoch) })
}

#[test]
fn the_watermark_is_the_lowest_of_all_channels_and_only_rises() {
    let mut fixture = Fixture::new(2);
    fixture.send(0, watermark(10));
    assert!(fixture.events().is_empty());
    fixture.send(1, watermark(4));
    assert_eq!(fixture.events(), ["watermark 4 us"]);
    fixture.send(1, watermark(3));
    fixture.send(1, watermark(4));
    assert!(fixture.events().is_empty());
    fixture.send(1, watermark(20));
    assert_eq!(fixture.events(), ["watermark 10 us"]);
}

#[test]
fn an_ended_channel_no_longer_holds_back_the_watermark_and_the_last_one_ends_the_input() {
    let mut fixture = Fixture::new(2);
    fixture.send(0, watermark(10));
    fixture.send(1, StreamElement::End);
    assert_eq!(fixture.events(), ["watermark 10 us"]);
    fixture.send(0, StreamElement::End);
    assert_eq!(fixture.events(), ["watermark end", "end"]);
}

#[test]
fn an_idle_channel_does_not_hold_back_the_watermark_until_it_speaks_again() {
    let mut fixture = Fixture::new(2);
    fixture.send(0, watermark(10));
    fixture.send(1, StreamElement::Idle);
    assert_eq!(fixture.events(), ["watermark 10 us"]);
    fixture.send(1, StreamElement::Active);
    fixture.send(1, watermark(5));
    assert!(fixture.events().is_empty());
    fixture.send(0, watermark(30));
    assert!(fixture.events().is_empty(), "the channel that speaks again counts, and the watermark never falls");
    fixture.send(1, watermark(20));
    assert_eq!(fixture.events(), ["watermark 20 us"]);
}

#[test]
fn when_all_channels_are_idle_the_greatest_promise_stands_and_idleness_is_passed_on() {
    let mut fixture = Fixture::new(2);
    fixture.send(0, watermark(10));
    fixture.send(1, watermark(5));
    fixture.send(0, StreamElement::Idle);
    fixture.send(1, StreamElement::Idle);
    let events = fixture.events();
    assert_eq!(events, ["watermark 5 us", "watermark 10 us", "idle"]);
    fixture.send(1, StreamElement::Active);
    assert_eq!(fixture.events(), ["active"]);
}

#[test]
fn the_end_of_the_last_active_channel_leaves_an_idle_input() {
    let mut fixture = Fixture::new(2);
    fixture.send(1, StreamElement::Idle);
    fixture.send(0, StreamElement::End);
    assert_eq!(fixture.events(), ["idle"]);
    fixture.send(1, StreamElement::End);
    assert_eq!(fixture.events(), ["watermark end", "active", "end"]);
}

#[test]
fn a_channel_that_has_delivered_the_barrier_is_not_read_before_the_others_have() {
    let mut fixture = Fixture::new(3);
    fixture.send(0, barrier(1));
    fixture.send(0, row(100));
    fixture.send(0, watermark(9));
    fixture.send(1, row(1));
    fixture.send(1, barrier(1));
    fixture.send(1, row(101));
    fixture.send(2, row(2));
    let mut before = fixture.events();
    before.sort();
    assert_eq!(before, ["row 1", "row 2"]);
    fixture.send(2, row(3));
    fixture.send(2, barrier(1));
    let after = fixture.events();
    assert_eq!(after[..2], ["row 3", "barrier 1"]);
    let mut rest = after[2..].to_vec();
    rest.sort();
    assert_eq!(rest, ["row 100", "row 101"]);
}

#[test]
fn a_channel_that_ends_completes_the_alignment_of_the_others() {
    let mut fixture = Fixture::new(2);
    fixture.send(0, barrier(1));
    fixture.send(1, row(1));
    fixture.send(1, StreamElement::End);
    assert_eq!(fixture.events(), ["row 1", "barrier 1"]);
}

#[test]
fn a_newer_barrier_gives_up_the_alignment_of_the_older() {
    let mut fixture = Fixture::new(2);
    fixture.send(0, barrier(1));
    fixture.send(0, row(1));
    fixture.send(0, barrier(2));
    assert!(fixture.events().is_empty());
    fixture.send(1, barrier(2));
    assert_eq!(fixture.events(), ["row 1", "barrier 2"]);
    fixture.send(1, row(2));
    assert_eq!(fixture.events(), ["row 2"]);
}

#[test]
fn a_sender_that_goes_without_an_end_is_no_end_of_input() {
    let mut fixture = Fixture::new(2);
    fixture.send(0, row(1));
    fixture.senders[0] = None;
    assert!(matches!(fixture.gate.next().now_or_never(), Some(Ok((0, StreamElement::Batch(_))))));
    let error = fixture.gate.next().now_or_never().unwrap().unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Cancelled);
}
