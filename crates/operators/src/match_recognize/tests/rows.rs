//! Buffering, order, partitions, and the rows that a match puts out.

use arrow::datatypes::{DataType, Schema};
use datafusion::prelude::lit;
use dipper_graph::{FrameColumn, OrderKey, RowsPerMatch, Target};
use dipper_operator_api::{Operator, OperatorCtx};
use dipper_pattern::Skip;
use dipper_types::{SubtaskId, Timestamp, Watermark};

use super::clause::{Clause, KEY, NULL, Row, TS, V, W, prev, rows, values};
use crate::MatchRecognizeOperator;

/// A is positive, B is not.
fn signs(pattern: &str) -> Clause {
    let mut clause = Clause::new(pattern);
    for (name, positive) in [("A", true), ("B", false)] {
        if clause.spec.variables.iter().any(|variable| variable == name) {
            clause = clause.define(name, |c| {
                let v = c.v(Target::CURRENT);
                if positive { v.gt(lit(0_i64)) } else { v.lt_eq(lit(0_i64)) }
            });
        }
    }
    clause
}

#[test]
fn a_v_shape_is_found_in_each_partition() {
    let clause = || {
        Clause::new("STRT DOWN+ UP+")
            .define("DOWN", |c| c.v(Target::CURRENT).lt(c.v(prev(1))))
            .define("UP", |c| c.v(Target::CURRENT).gt(c.v(prev(1))))
            .bounds()
    };
    let input = rows(&[
        ("x", 1, 10, 0),
        ("y", 2, 5, 0),
        ("x", 3, 7, 0),
        ("y", 4, 4, 0),
        ("x", 5, 8, 0),
        ("y", 6, 9, 0),
        ("x", 7, 9, 0),
        ("y", 8, 3, 0),
        ("x", 9, 1, 0),
    ]);
    let expected = ["x 00.000001 00.000007", "y 00.000002 00.000006"];
    assert_eq!(clause().run(input.clone()), expected);
    assert_eq!(clause().ad_hoc().run(input), expected);
}

#[test]
fn rows_are_sorted_by_time_before_they_are_searched() {
    let mut run = signs("A B").bounds().open().unwrap();
    run.push(rows(&[("k", 4, 0, 0), ("k", 2, 0, 0), ("k", 1, 1, 0)]));
    run.push(rows(&[("k", 3, 1, 0), ("k", 5, 1, 0)]));
    assert_eq!(run.watermark(2), ["k 00.000001 00.000002", "w2"]);
    run.push(rows(&[("k", 6, 0, 0)]));
    assert_eq!(run.watermark(4), ["k 00.000003 00.000004", "w4"]);
    assert_eq!(run.end(), ["k 00.000005 00.000006"]);
}

#[test]
fn rows_of_one_time_keep_the_order_of_arrival_or_that_of_further_keys() {
    let clause = || signs("A B").bounds().measure("w", DataType::Int64, |c| c.input(W, Target::CURRENT));
    let first = [("k", 1, 1, 9), ("k", 1, 0, 8)];
    let second = [("k", 1, 0, 7)];
    let mut run = clause().open().unwrap();
    run.push(rows(&first)).push(rows(&second));
    assert_eq!(run.end(), ["k 00.000001 00.000001 8"]);
    let mut by_w = clause();
    by_w.spec.order_by.push(OrderKey { column: W, descending: true, nulls_first: false });
    let mut run = by_w.open().unwrap();
    run.push(rows(&second)).push(rows(&first));
    assert_eq!(run.end(), ["k 00.000001 00.000001 8"]);
}

#[test]
fn an_ad_hoc_query_is_sorted_by_any_keys() {
    let order = |column, descending, nulls_first| OrderKey { column, descending, nulls_first };
    let input = [("k", 1, 3, 2), ("k", 2, 1, 1), ("k", 3, NULL, 1), ("k", 4, 2, 2)];
    let run = |keys: Vec<OrderKey>| {
        let mut clause = Clause::new("A").ad_hoc().measure("v", DataType::Int64, |c| c.v(Target::CURRENT));
        clause.spec.order_by = keys;
        clause.spec.partition_by.clear();
        clause.run(rows(&input))
    };
    assert_eq!(run(vec![]), ["3", "1", "-", "2"]);
    assert_eq!(run(vec![order(TS, true, false)]), ["2", "-", "1", "3"]);
    assert_eq!(run(vec![order(V, false, true)]), ["-", "1", "2", "3"]);
    assert_eq!(run(vec![order(V, true, false)]), ["3", "2", "1", "-"]);
    assert_eq!(run(vec![order(W, false, false), order(V, true, false)]), ["1", "-", "3", "2"]);
}

#[test]
fn late_rows_and_rows_without_time_are_counted_and_left_out() {
    let mut run = signs("A B").bounds().open().unwrap();
    run.push(rows(&[("k", 1, 1, 0), ("k", 9, 0, 0)]));
    assert_eq!(run.watermark(5), ["w5"]);
    run.push(rows(&[("k", 5, 0, 0), ("k", 2, 0, 0), ("k", NULL, 0, 0), ("k", 7, 0, 0)]));
    assert_eq!(run.watermark(7), ["k 00.000001 00.000007", "w7"]);
    assert_eq!(run.end(), Vec::<String>::new());
    assert_eq!(run.metric(|m| &m.late_rows), 2);
    assert_eq!(run.metric(|m| &m.skipped_records), 1);
    assert_eq!(run.metric(|m| &m.matches), 1);
    assert_eq!(run.metric(|m| &m.rows_out), 1);
}

#[test]
fn a_greedy_tail_waits_for_the_row_that_ends_it() {
    let mut run = signs("A+").bounds().open().unwrap();
    run.push(values(&[1, 1, 0, 1]));
    assert_eq!(run.watermark(1), ["w1"]);
    assert_eq!(run.watermark(2), ["k 00 00.000001", "w2"]);
    assert_eq!(run.watermark(3), ["w3"]);
    assert_eq!(run.end(), ["k 00.000003 00.000003"]);
}

#[test]
fn all_rows_show_keys_order_measures_and_the_rest() {
    let clause = |shown| {
        signs("A+ {- B -} A*").all_rows(shown).measure("class", DataType::Utf8, |c| c.classifier(Target::CURRENT))
    };
    let lines = clause(RowsPerMatch::AllShowEmpty).run(values(&[0, 5, 6, -1, 7, 0]));
    assert_eq!(lines, ["k 00.000001 A 5", "k 00.000002 A 6", "k 00.000004 A 7"]);
}

#[test]
fn empty_matches_are_shown_or_omitted_and_take_a_number() {
    let clause = |shown| {
        signs("A*")
            .all_rows(shown)
            .measure("number", DataType::Int64, |c| c.column(FrameColumn::MatchNumber, DataType::Int64))
            .measure("last_v", DataType::Int64, |c| c.v(Target::CURRENT))
    };
    let input = values(&[1, 2, 0, -3, 4]);
    let shown = ["k 00 1 1 1", "k 00.000001 1 2 2", "k 00.000002 2 - 0", "k 00.000003 3 - -3", "k 00.000004 4 4 4"];
    assert_eq!(clause(RowsPerMatch::AllShowEmpty).run(input.clone()), shown);
    assert_eq!(clause(RowsPerMatch::AllWithUnmatched).run(input.clone()), shown);
    assert_eq!(clause(RowsPerMatch::AllOmitEmpty).run(input.clone()), [shown[0], shown[1], shown[4]]);
    let mut one = clause(RowsPerMatch::One);
    one.spec.remaining.clear();
    assert_eq!(one.run(input), ["k 1 2", "k 2 -", "k 3 -", "k 4 4"]);
}

#[test]
fn unmatched_rows_come_out_once_in_their_place() {
    let clause = |skip| {
        signs("A A B")
            .skip(skip)
            .all_rows(RowsPerMatch::AllWithUnmatched)
            .measure("number", DataType::Int64, |c| c.column(FrameColumn::MatchNumber, DataType::Int64))
    };
    let input = [0, 1, 2, 3, 0, 0, 4, 5, -1, 6];
    let expected = [
        "k 00 - 0",
        "k 00.000001 - 1",
        "k 00.000002 1 2",
        "k 00.000003 1 3",
        "k 00.000004 1 0",
        "k 00.000005 - 0",
        "k 00.000006 2 4",
        "k 00.000007 2 5",
        "k 00.000008 2 -1",
        "k 00.000009 - 6",
    ];
    for skip in [Skip::PastLastRow, Skip::ToNextRow] {
        assert_eq!(clause(skip).run(values(&input)), expected);
        let mut run = clause(skip).open().unwrap();
        run.push(values(&input));
        let mut lines: Vec<String> =
            (0..10).flat_map(|time| run.watermark(time)).filter(|line| !line.starts_with('w')).collect();
        lines.extend(run.end());
        assert_eq!(lines, expected);
    }
}

#[test]
fn without_partition_columns_there_is_one_partition_and_null_keys_form_one() {
    let mut clause = signs("A B").bounds();
    clause.spec.partition_by.clear();
    assert_eq!(clause.run(rows(&[("x", 1, 1, 0), ("y", 2, 0, 0)])), ["00.000001 00.000002"]);
    let mut by_w = signs("A B").bounds();
    by_w.spec.partition_by = vec![W, KEY];
    let input: [Row<'_>; 4] = [("x", 1, 1, NULL), ("x", 2, 0, 7), ("x", 3, 0, NULL), ("y", 4, 0, NULL)];
    assert_eq!(by_w.run(rows(&input)), ["- x 00.000001 00.000003"]);
}

#[test]
fn partitions_without_open_matches_hold_no_rows_but_those_prev_reaches() {
    let mut clause = signs("A B").bounds().define("A", |c| c.v(Target::CURRENT).gt(c.v(prev(2))));
    clause.spec.defines.remove(0);
    let fields = vec![clause.spec.input_schema.field(KEY).clone(); 3];
    let fields: Vec<_> = fields.into_iter().enumerate().map(|(i, f)| f.with_name(format!("f{i}"))).collect();
    clause.spec.output_schema = std::sync::Arc::new(Schema::new(fields));
    let mut operator = MatchRecognizeOperator::new(&clause.spec).unwrap();
    let (mut out, metrics) = (Vec::new(), std::sync::Arc::default());
    for step in 0..300_i64 {
        let names: Vec<String> = (0..50).map(|key| format!("k{key}")).collect();
        let batch: Vec<Row<'_>> = names.iter().map(|name| (name.as_str(), step, -step, 0)).collect();
        let subtask = SubtaskId { index: 0, parallelism: 1 };
        let mut ctx = OperatorCtx::new(&mut out, &metrics, subtask);
        operator.on_batch(0, rows(&batch), &mut ctx).unwrap();
        operator.on_watermark(Watermark(Timestamp(step)), &mut ctx).unwrap();
    }
    assert_eq!(operator.retained_rows(), 100);
}
