//! Chains of tiny operators that note what they are told.

use std::sync::Mutex;

use arrow::array::{ArrayRef, AsArray, Int64Array};
use arrow::datatypes::Int64Type;
use arrow::record_batch::RecordBatch;
use dipper_operator_api::Barrier;
use dipper_types::{Epoch, Timestamp};

use super::*;

type Log = Arc<Mutex<Vec<String>>>;

/// Holds rows until `release`, and notes every call.
struct Holding {
    name: &'static str,
    held: Vec<RecordBatch>,
    release: Release,
    log: Log,
}

#[derive(PartialEq)]
enum Release {
    AtOnce,
    AtEnd,
}

impl Holding {
    fn note(&self, what: impl std::fmt::Display) {
        self.log.lock().unwrap().push(format!("{} {what}", self.name));
    }
}

impl Operator for Holding {
    fn on_batch(&mut self, _port: Port, batch: RecordBatch, ctx: &mut OperatorCtx<'_>) -> Result<()> {
        self.note(format!("row {}", value(&batch)));
        if self.release == Release::AtOnce {
            ctx.emit(batch);
        } else {
            self.held.push(batch);
        }
        Ok(())
    }

    fn on_watermark(&mut self, watermark: Watermark, ctx: &mut OperatorCtx<'_>) -> Result<()> {
        self.note(format!("watermark {watermark}"));
        ctx.emit_watermark(watermark);
        Ok(())
    }

    fn snapshot(&mut self, state: &mut StateWriter) -> Result<()> {
        self.note(format!("barrier {}", state.epoch().0));
        Ok(())
    }

    fn on_end(&mut self, ctx: &mut OperatorCtx<'_>) -> Result<()> {
        self.note("end");
        self.held.drain(..).for_each(|batch| ctx.emit(batch));
        Ok(())
    }
}

fn value(batch: &RecordBatch) -> i64 {
    batch.column(0).as_primitive::<Int64Type>().value(0)
}

fn row(value: i64) -> StreamElement {
    let column: ArrayRef = Arc::new(Int64Array::from(vec![value]));
    StreamElement::Batch(RecordBatch::try_from_iter([("v", column)]).unwrap())
}

fn watermark(us: i64) -> StreamElement {
    StreamElement::Watermark(Watermark(Timestamp(us)))
}

fn chain(releases: [Release; 2]) -> (Chain, Log) {
    let log = Log::default();
    let position = Arc::new(Position::new(["a", "b"].map(|name| (name.to_owned(), false))));
    let mut chain = Chain::new(SubtaskId { index: 0, parallelism: 1 }, position, 128);
    for (place, (name, release)) in ["a", "b"].into_iter().zip(releases).enumerate() {
        let operator = Holding { name, held: Vec::new(), release, log: Arc::clone(&log) };
        chain.push(place, OperatorId(name.to_owned()), Box::new(operator), Arc::default());
    }
    (chain, log)
}

fn feed(chain: &mut Chain, element: StreamElement) -> Vec<StreamElement> {
    let mut out = Vec::new();
    chain.feed(0, element, &mut out).unwrap();
    out
}

#[test]
fn what_an_operator_flushes_at_the_end_passes_through_the_next_before_that_one_ends() {
    let (mut chain, log) = chain([Release::AtEnd, Release::AtEnd]);
    assert!(feed(&mut chain, row(1)).is_empty());
    let out = feed(&mut chain, StreamElement::End);
    assert!(matches!(&out[..], [StreamElement::Batch(_), StreamElement::End]));
    let expected = ["a row 1", "a watermark end", "a end", "b row 1", "b watermark end", "b end"];
    assert_eq!(*log.lock().unwrap(), expected);
}

#[test]
fn an_operator_sees_strictly_ascending_watermarks_only() {
    let (mut chain, log) = chain([Release::AtOnce, Release::AtOnce]);
    for us in [5, 5, 3, 8] {
        feed(&mut chain, watermark(us));
    }
    let expected = ["a watermark 5 us", "b watermark 5 us", "a watermark 8 us", "b watermark 8 us"];
    assert_eq!(*log.lock().unwrap(), expected);
}

#[test]
fn a_barrier_passes_each_operator_once_and_comes_out_behind_its_rows() {
    let (mut chain, log) = chain([Release::AtOnce, Release::AtOnce]);
    let mut out = feed(&mut chain, row(1));
    out.extend(feed(&mut chain, StreamElement::Barrier(Barrier { epoch: Epoch(4) })));
    assert!(matches!(&out[..], [StreamElement::Batch(_), StreamElement::Barrier(_)]));
    assert_eq!(*log.lock().unwrap(), ["a row 1", "b row 1", "a barrier 4", "b barrier 4"]);
}

#[test]
fn an_empty_chain_passes_everything_on() {
    let mut chain = Chain::new(SubtaskId { index: 0, parallelism: 1 }, Arc::new(Position::new([])), 128);
    for element in [row(1), watermark(3), StreamElement::Idle, StreamElement::Active, StreamElement::End] {
        assert_eq!(feed(&mut chain, element).len(), 1);
    }
}
