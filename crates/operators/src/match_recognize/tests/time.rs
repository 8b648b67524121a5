//! WITHIN, time-outs, and the watermark that goes on downstream.

use arrow::datatypes::DataType;
use datafusion::functions_aggregate::expr_fn::sum;
use datafusion::prelude::{ident, lit};
use dipper_graph::{FrameColumn, Semantics, Target};
use dipper_pattern::Timeouts;
use dipper_types::Timestamp;

use super::clause::{Clause, NULL, next, rows, time_type, values};

/// A starts, B ends, what is neither may stand between.
fn pair(timeouts: Timeouts) -> Clause {
    Clause::new("A X* B")
        .define("A", |c| c.v(Target::CURRENT).eq(lit(1_i64)))
        .define("X", |c| c.v(Target::CURRENT).eq(lit(0_i64)))
        .define("B", |c| c.v(Target::CURRENT).eq(lit(2_i64)))
        .within(10, timeouts)
        .bounds()
        .measure("status", DataType::Utf8, |c| c.column(FrameColumn::MatchStatus, DataType::Utf8))
        .measure("rowtime", time_type(), |c| c.column(FrameColumn::MatchRowtime, time_type()))
        .measure("b", DataType::Int64, |c| {
            let last = c.last("B");
            c.v(last)
        })
}

#[test]
fn a_watermark_alone_brings_about_a_timeout() {
    let mut run = pair(Timeouts::Show).open().unwrap();
    run.push(rows(&[("x", 1, 1, 0), ("y", 2, 1, 0), ("y", 3, 0, 0), ("x", 5, 2, 0), ("z", 20, 1, 0)]));
    // The watermark stays below the row at which a match is open.
    assert_eq!(run.watermark(5), ["x 00.000001 00.000005 COMPLETE 00.000005 2", "w1"]);
    assert_eq!(run.watermark(11), Vec::<String>::new());
    assert_eq!(run.watermark(12), ["y 00.000002 00.000003 TIMEOUT 00.000012 -", "w12"]);
    assert_eq!(run.watermark(19), ["w19"]);
    assert_eq!(run.end(), ["z 00.000020 00.000020 TIMEOUT 00.000030 -"]);
    assert_eq!(run.metric(|m| &m.matches), 3);
}

#[test]
fn open_matches_are_counted_until_they_are_decided_and_complete_ones_noted_by_their_last_row() {
    let mut run = pair(Timeouts::Show).open().unwrap();
    run.push(rows(&[("x", 1, 1, 0), ("y", 2, 1, 0), ("y", 3, 0, 0), ("x", 5, 2, 0), ("z", 20, 1, 0)]));
    run.watermark(3);
    assert_eq!((run.metric(|m| &m.open_matches), run.harness.take_noted_matches()), (2, vec![]));
    run.watermark(5);
    assert_eq!((run.metric(|m| &m.open_matches), run.harness.take_noted_matches()), (1, vec![Timestamp(5)]));
    run.watermark(12);
    assert_eq!((run.metric(|m| &m.open_matches), run.harness.take_noted_matches()), (0, vec![]));
    run.watermark(20);
    assert_eq!(run.metric(|m| &m.open_matches), 1);
    run.end();
    assert_eq!((run.metric(|m| &m.open_matches), run.harness.take_noted_matches()), (0, vec![]));
}

#[test]
fn only_timeouts_leaves_complete_matches_out() {
    let input = rows(&[("k", 0, 1, 0), ("k", 3, 2, 0), ("k", 5, 1, 0), ("k", 14, 0, 0), ("k", 15, 2, 0)]);
    assert_eq!(pair(Timeouts::Only).run(input.clone()), ["k 00.000005 00.000014 TIMEOUT 00.000015 -"]);
    assert_eq!(pair(Timeouts::Hide).run(input), ["k 00 00.000003 COMPLETE 00.000003 2"]);
}

#[test]
fn a_row_at_the_deadline_belongs_if_the_bound_is_inclusive() {
    let clause = |inclusive| {
        let mut clause = pair(Timeouts::Hide);
        clause.spec.within = Some(dipper_graph::WithinSpec { span_us: 10, inclusive });
        clause
    };
    let input = || rows(&[("k", 0, 1, 0), ("k", 10, 2, 0)]);
    assert_eq!(clause(true).run(input()), ["k 00 00.000010 COMPLETE 00.000010 2"]);
    assert_eq!(clause(false).run(input()), Vec::<String>::new());
    let mut run = clause(true).open().unwrap();
    run.push(input());
    assert_eq!(run.watermark(9), ["w-1"]);
    assert_eq!(run.watermark(10), ["k 00 00.000010 COMPLETE 00.000010 2", "w10"]);
}

#[test]
fn the_depth_first_engine_times_out_too() {
    let clause = |timeouts| {
        Clause::new("A B+ C")
            .define("B", |c| c.aggregate(sum(ident("v")), "B", Semantics::Running, DataType::Int64).lt(lit(10_i64)))
            .define("C", |c| {
                let last = c.last("B");
                c.v(Target::CURRENT).gt(c.v(last) + lit(100_i64))
            })
            .within(10, timeouts)
            .bounds()
    };
    let mut run = clause(Timeouts::Show).open().unwrap();
    run.push(rows(&[("k", 0, 1, 0), ("k", 1, 2, 0), ("k", 2, 3, 0), ("k", 30, 0, 0)]));
    assert_eq!(run.watermark(9), ["w9"]);
    assert_eq!(run.watermark(10), ["k 00 00.000002", "w10"]);
    assert_eq!(run.end(), ["k 00.000030 00.000030"]);
}

#[test]
fn time_does_not_pass_rows_that_wait_for_the_one_after() {
    // B needs the row after it, which comes long after the deadline.
    let clause = Clause::new("A B")
        .define("A", |c| c.v(Target::CURRENT).eq(lit(1_i64)))
        .define("B", |c| c.v(next(1)).eq(lit(7_i64)))
        .within(10, Timeouts::Show)
        .bounds();
    let mut run = clause.open().unwrap();
    run.push(rows(&[("k", 0, 1, 0), ("k", 5, 2, 0), ("k", 50, 7, 0)]));
    assert_eq!(run.watermark(20), ["w20"]);
    assert_eq!(run.watermark(50), ["k 00 00.000005", "w50"]);
}

#[test]
fn the_watermark_is_forwarded_as_it_is_without_a_row_time() {
    let mut run = Clause::new("A+ B").define("B", |c| c.v(Target::CURRENT).eq(lit(9_i64))).bounds().open().unwrap();
    run.push(values(&[1, 2, 3]));
    assert_eq!(run.watermark(1), ["w1"]);
    assert_eq!(run.watermark(2), ["w2"]);
}

#[test]
fn an_ad_hoc_query_promises_nothing_before_its_end() {
    let mut run = Clause::new("A").ad_hoc().bounds().open().unwrap();
    run.push(values(&[1]));
    assert_eq!(run.watermark(5), Vec::<String>::new());
    run.push(rows(&[("k", 2, 1, 0)]));
    assert_eq!(run.end(), ["k 00 00", "k 00.000002 00.000002"]);
}

#[test]
fn a_null_time_is_an_error_in_an_ad_hoc_query_with_within() {
    let error = pair(Timeouts::Hide).ad_hoc().error(rows(&[("k", 1, 1, 0), ("k", NULL, 2, 0)]));
    assert!(error.to_string().contains("'ts'"), "{error}");
}

#[test]
fn timeouts_need_within() {
    let mut clause = pair(Timeouts::Show);
    clause.spec.within = None;
    assert!(clause.open().err().unwrap().to_string().contains("WITHIN"));
}
