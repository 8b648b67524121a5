//! Tests of [`WindowAggregate`].
#![allow(clippy::unwrap_used, reason = "a test")]

use std::sync::Arc;

use arrow::array::{Float64Array, Int64Array, StringArray, make_array};
use arrow::datatypes::{Field, Schema};
use arrow::util::pretty::pretty_format_batches;
use datafusion::functions_aggregate::expr_fn::{
    array_agg, avg, count, count_distinct, first_value, last_value, max, median, min, stddev, sum,
};
use datafusion::logical_expr::{Expr, ExprFunctionExt as _, col, lit};
use dipper_graph::{AggregateFunction, BoundExpr};
use dipper_operator_api::StreamElement;
use dipper_operator_api::harness::OperatorHarness;

use super::*;
use crate::testing::{Dice, Event, TestJob};

/// Rows `(window end, key, value)`.
type Row<'a> = (i64, Option<&'a str>, i64);

fn rows(unit: TimeUnit, rows: &[Row<'_>]) -> RecordBatch {
    let ends = Int64Array::from_iter_values(rows.iter().map(|row| row.0));
    let ends = make_array(ends.into_data().into_builder().data_type(DataType::Timestamp(unit, None)).build().unwrap());
    let unused: ArrayRef = Arc::new(Float64Array::from(vec![0.5; rows.len()]));
    let keys: ArrayRef = Arc::new(rows.iter().map(|row| row.1).collect::<StringArray>());
    let values: ArrayRef = Arc::new(Int64Array::from_iter_values(rows.iter().map(|row| row.2)));
    let columns = [("unused", unused), ("window_end", ends), ("key", keys), ("value", values)];
    RecordBatch::try_from_iter_with_nullable(columns.map(|(name, column)| (name, column, true))).unwrap()
}

/// Groups by key and window end.
fn operator(unit: TimeUnit, aggregates: Vec<(&str, Expr, DataType)>) -> Result<WindowAggregate> {
    let mut fields =
        vec![Field::new("key", DataType::Utf8, true), Field::new("window_end", DataType::Timestamp(unit, None), true)];
    fields.extend(aggregates.iter().map(|(name, _, kind)| Field::new(*name, kind.clone(), true)));
    let function =
        |(name, expr, _): (&str, Expr, _)| AggregateFunction { name: name.to_owned(), expr: BoundExpr(expr) };
    let aggregates = aggregates.into_iter().map(function).collect();
    let spec = WindowAggregateSpec { group_by: vec![2, 1], window_end: 1, keys: vec![2], aggregates };
    WindowAggregate::new(&spec, &rows(unit, &[]).schema(), &SchemaRef::new(Schema::new(fields)))
}

fn sums() -> OperatorHarness<WindowAggregate> {
    let aggregates = vec![("n", count(lit(1_i64)), DataType::Int64), ("total", sum(col("value")), DataType::Int64)];
    OperatorHarness::open(operator(TimeUnit::Microsecond, aggregates).unwrap()).unwrap()
}

fn shown(harness: &mut OperatorHarness<WindowAggregate>) -> String {
    pretty_format_batches(&harness.take_batches()).unwrap().to_string()
}

const SAMPLE: [Row<'static>; 7] = [
    (200, Some("b"), 1),
    (100, Some("b"), 2),
    (100, Some("a"), 3),
    (200, None, 4),
    (100, Some("b"), 5),
    (300, Some("a"), 6),
    (200, None, 7),
];

#[test]
fn windows_come_out_in_order_when_the_watermark_passes_their_last_instant() {
    let mut harness = sums();
    harness.batch(rows(TimeUnit::Microsecond, &SAMPLE)).unwrap();
    harness.watermark_us(98).unwrap();
    assert!(matches!(harness.take()[..], [StreamElement::Watermark(_)]), "no window is complete at 98");
    harness.watermark_us(99).unwrap();
    insta::assert_snapshot!(shown(&mut harness), @r"
    +-----+----------------------------+---+-------+
    | key | window_end                 | n | total |
    +-----+----------------------------+---+-------+
    | a   | 1970-01-01T00:00:00.000100 | 1 | 3     |
    | b   | 1970-01-01T00:00:00.000100 | 2 | 7     |
    +-----+----------------------------+---+-------+
    ");
    harness.end().unwrap();
    insta::assert_snapshot!(shown(&mut harness), @r"
    +-----+----------------------------+---+-------+
    | key | window_end                 | n | total |
    +-----+----------------------------+---+-------+
    | b   | 1970-01-01T00:00:00.000200 | 1 | 1     |
    |     | 1970-01-01T00:00:00.000200 | 2 | 11    |
    | a   | 1970-01-01T00:00:00.000300 | 1 | 6     |
    +-----+----------------------------+---+-------+
    ");
}

#[test]
fn the_watermark_follows_the_windows_that_it_closes() {
    let mut harness = sums();
    harness.batch(rows(TimeUnit::Microsecond, &SAMPLE)).unwrap();
    harness.watermark_us(250).unwrap();
    let kinds: Vec<bool> =
        harness.take().iter().map(|element| matches!(element, StreamElement::Watermark(_))).collect();
    assert_eq!(kinds, [false, false, true]);
}

#[test]
fn results_depend_neither_on_batch_cuts_nor_on_the_order_of_arrival() {
    let whole = |sample: &[Row<'_>], cut: usize| {
        let mut harness = sums();
        for part in sample.chunks(cut) {
            harness.batch(rows(TimeUnit::Microsecond, part)).unwrap();
        }
        harness.end().unwrap();
        shown(&mut harness)
    };
    let expected = whole(&SAMPLE, 7);
    for rotation in 0..SAMPLE.len() {
        let mut sample = SAMPLE;
        sample.rotate_left(rotation);
        for cut in 1..=SAMPLE.len() {
            assert_eq!(whole(&sample, cut), expected, "rotation {rotation}, batches of {cut}");
        }
    }
}

#[test]
fn a_row_of_a_window_that_is_out_is_late_and_counted() {
    let mut harness = sums();
    harness.watermark_us(99).unwrap();
    harness.batch(rows(TimeUnit::Microsecond, &SAMPLE)).unwrap();
    harness.end().unwrap();
    assert_eq!(OperatorMetrics::get(&harness.metrics().late_rows), 3);
    let ends: Vec<i64> =
        harness.take_batches().iter().flat_map(|batch| timestamp_values(batch.column(1)).unwrap().to_vec()).collect();
    assert_eq!(ends, [200, 200, 300]);
}

#[test]
fn a_window_that_ends_inside_a_microsecond_waits_for_the_whole_of_it() {
    let aggregates = vec![("n", count(lit(1_i64)), DataType::Int64)];
    let mut harness = OperatorHarness::open(operator(TimeUnit::Nanosecond, aggregates).unwrap()).unwrap();
    harness.batch(rows(TimeUnit::Nanosecond, &[(1_500, Some("a"), 1), (1_000, Some("b"), 1)])).unwrap();
    harness.watermark_us(0).unwrap();
    assert_eq!(harness.take_batches().iter().map(RecordBatch::num_rows).sum::<usize>(), 1);
    harness.watermark_us(1).unwrap();
    assert_eq!(harness.take_batches().len(), 1);
}

#[test]
fn every_kind_of_aggregate_runs_filters_and_distinct_included() {
    let value = || col("value");
    let aggregates = vec![
        ("min", min(value()), DataType::Int64),
        ("max", max(value()), DataType::Int64),
        ("avg", avg(datafusion::logical_expr::cast(value(), DataType::Float64)), DataType::Float64),
        ("kinds", count_distinct(value() % lit(2_i64)), DataType::Int64),
        ("odd", sum(value()).filter((value() % lit(2_i64)).eq(lit(1_i64))).build().unwrap(), DataType::Int64),
        ("first", first_value(value(), vec![value().sort(false, false)]), DataType::Int64),
        ("median", median(datafusion::logical_expr::cast(value(), DataType::Float64)), DataType::Float64),
    ];
    let mut harness = OperatorHarness::open(operator(TimeUnit::Microsecond, aggregates).unwrap()).unwrap();
    harness.batch(rows(TimeUnit::Microsecond, &SAMPLE)).unwrap();
    harness.end().unwrap();
    insta::assert_snapshot!(shown(&mut harness), @r"
    +-----+----------------------------+-----+-----+-----+-------+-----+-------+--------+
    | key | window_end                 | min | max | avg | kinds | odd | first | median |
    +-----+----------------------------+-----+-----+-----+-------+-----+-------+--------+
    | a   | 1970-01-01T00:00:00.000100 | 3   | 3   | 3.0 | 1     | 3   | 3     | 3.0    |
    | b   | 1970-01-01T00:00:00.000100 | 2   | 5   | 3.5 | 2     | 5   | 5     | 3.5    |
    | b   | 1970-01-01T00:00:00.000200 | 1   | 1   | 1.0 | 1     | 1   | 1     | 1.0    |
    |     | 1970-01-01T00:00:00.000200 | 4   | 7   | 5.5 | 2     | 7   | 7     | 5.5    |
    | a   | 1970-01-01T00:00:00.000300 | 6   | 6   | 6.0 | 1     |     | 6     | 6.0    |
    +-----+----------------------------+-----+-----+-----+-------+-----+-------+--------+
    ");
}

#[test]
fn an_aggregate_that_needs_sorted_input_is_refused() {
    let ordered = array_agg(col("value")).order_by(vec![col("value").sort(true, false)]).build().unwrap();
    let kind = DataType::List(Arc::new(Field::new_list_field(DataType::Int64, true)));
    insta::assert_snapshot!(operator(TimeUnit::Microsecond, vec![("all", ordered, kind)]).unwrap_err(), @"ORDER BY in the aggregate 'array_agg(value) ORDER BY [value ASC NULLS LAST]' of a window over a stream");
}

#[test]
fn an_aggregate_that_fails_is_named() {
    let aggregates = vec![("total", sum(lit(1_i64) / col("value")), DataType::Int64)];
    let mut harness = OperatorHarness::open(operator(TimeUnit::Microsecond, aggregates).unwrap()).unwrap();
    insta::assert_snapshot!(harness.batch(rows(TimeUnit::Microsecond, &[(1, None, 0)])).unwrap_err(), @"cannot evaluate 'sum(1 / value)': division by zero");
}

#[test]
fn a_window_with_many_groups_comes_in_batches_of_bounded_size() {
    let names: Vec<String> = (0..20_000).map(|key| format!("k{key}")).collect();
    let sample: Vec<Row<'_>> = names.iter().map(|name| (10, Some(name.as_str()), 1)).collect();
    let mut harness = sums();
    harness.batch(rows(TimeUnit::Microsecond, &sample)).unwrap();
    harness.end().unwrap();
    let sizes: Vec<usize> = harness.take_batches().iter().map(RecordBatch::num_rows).collect();
    assert_eq!(sizes, [8_192, 8_192, 3_616]);
}

/// Every kind of aggregate that has a state of its own.
fn all_kinds() -> Vec<(&'static str, Expr, DataType)> {
    let value = || col("value");
    let float = || datafusion::logical_expr::cast(col("value"), DataType::Float64);
    let list = DataType::List(Arc::new(Field::new_list_field(DataType::Int64, true)));
    vec![
        ("n", count(lit(1_i64)), DataType::Int64),
        ("total", sum(value()), DataType::Int64),
        ("min", min(value()), DataType::Int64),
        ("max", max(value()), DataType::Int64),
        ("avg", avg(float() / lit(3.0)), DataType::Float64),
        ("sum", sum(float() / lit(7.0)), DataType::Float64),
        ("kinds", count_distinct(value() % lit(5_i64)), DataType::Int64),
        ("odd", sum(value()).filter((value() % lit(2_i64)).eq(lit(1_i64))).build().unwrap(), DataType::Int64),
        ("first", first_value(value(), vec![value().sort(false, false)]), DataType::Int64),
        ("arrived", first_value(value(), vec![]), DataType::Int64),
        ("last", last_value(value(), vec![value().sort(true, false)]), DataType::Int64),
        ("median", median(float()), DataType::Float64),
        ("all", array_agg(value()), list),
        ("deviation", stddev(float()), DataType::Float64),
        ("names", datafusion::functions_aggregate::string_agg::string_agg(col("key"), lit("+")), DataType::LargeUtf8),
    ]
}

/// Lines of text; what may differ in its last digits, by the order in which numbers are added, is rounded.
fn lines(batches: &[RecordBatch]) -> Vec<String> {
    let mut lines: Vec<String> = Vec::new();
    for batch in batches {
        let batch = batch.clone();
        let rounded = batch.column_by_name("deviation").map(|column| {
            let values = column.as_any().downcast_ref::<Float64Array>().unwrap();
            values.iter().map(|value| value.map(|value| (value * 1e9).round() / 1e9)).collect::<Float64Array>()
        });
        let schema = batch.schema();
        let columns = schema.fields().iter().zip(batch.columns()).map(|(field, column)| {
            let rounded = rounded.clone().filter(|_| field.name() == "deviation");
            (field.name().clone(), rounded.map_or_else(|| Arc::clone(column), |column| Arc::new(column) as ArrayRef))
        });
        let columns: Vec<(String, ArrayRef)> = columns.collect();
        let shown = RecordBatch::try_from_iter_with_nullable(columns.into_iter().map(|(name, c)| (name, c, true)));
        let text = pretty_format_batches(&[shown.unwrap()]).unwrap().to_string();
        lines.extend(text.lines().skip(3).filter(|line| line.starts_with('|')).map(squeezed));
    }
    lines.sort();
    lines
}

/// Without the padding, which depends on the other rows.
fn squeezed(line: &str) -> String {
    line.split_whitespace().collect::<Vec<_>>().join(" ")
}

#[test]
fn windows_that_are_restored_put_out_what_undisturbed_ones_do() {
    let names: Vec<String> = (0..25).map(|key| format!("k{key}")).collect();
    let mut restarts = 0;
    for seed in 0..16_u64 {
        let mut dice = Dice(seed);
        let keys = 1 + dice.roll(25) as usize;
        let mut events = Vec::new();
        for time in 0..40 {
            let mut row = || {
                let key = dice.roll(keys as u64 + 1) as usize;
                let end = (time / 10 + dice.roll(4) as i64) * 100;
                (end, names[..keys].get(key).map(String::as_str), dice.roll(50) as i64)
            };
            let sample: Vec<Row<'_>> = (0..12).map(|_| row()).collect();
            events.push(Event::Rows(rows(TimeUnit::Microsecond, &sample)));
            if dice.roll(3) == 0 {
                events.push(Event::Watermark(time * 10 - 1));
            }
        }
        events.push(Event::End);
        let make = || operator(TimeUnit::Microsecond, all_kinds()).unwrap();
        let mut undisturbed = TestJob::start(make, &[2], 1);
        let expected: Vec<Vec<String>> = events.iter().map(|event| lines(&undisturbed.feed(event))).collect();

        let mut job = TestJob::start(make, &[2], 1 + dice.roll(4) as usize);
        restarts += job.disturb(&events, &mut dice, 4, |at, found, _| {
            assert_eq!(lines(found), expected[at], "seed {seed}, event {at}");
        });
    }
    assert!(restarts > 16, "{restarts}");
}
