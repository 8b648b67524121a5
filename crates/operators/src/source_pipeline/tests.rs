//! Tests of [`SourcePipeline`].
#![allow(clippy::unwrap_used, reason = "a test")]

use std::collections::BTreeMap;
use std::sync::Arc;

use arrow::array::{ArrayRef, Int64Array, StringArray, TimestampMicrosecondArray};
use arrow::datatypes::{DataType, IntervalMonthDayNanoType, TimeUnit};
use arrow::util::pretty::pretty_format_batches;
use datafusion::logical_expr::{Expr, case, col, lit};
use datafusion::scalar::ScalarValue;
use dipper_graph::{BoundExpr, ComputedColumn, TableSpec, WatermarkSpec};
use dipper_types::Timestamp;

use super::*;

const TIME: DataType = DataType::Timestamp(TimeUnit::Microsecond, None);

fn source_schema() -> SchemaRef {
    Arc::new(Schema::new(vec![
        Field::new("id", DataType::Int64, true),
        Field::new("note", DataType::Utf8, true),
        Field::new("ts", TIME, true),
        Field::new("cents", DataType::Int64, true),
    ]))
}

/// `ts` and `late_by` are declared nullable, `id` NOT NULL; `euros` and `doubled` are computed.
fn spec(output: &[&str], watermark: Option<Expr>) -> SourceSpec {
    let mut fields: Vec<Field> = source_schema().fields().iter().map(|field| field.as_ref().clone()).collect();
    fields[0].set_nullable(false);
    let columns = Arc::new(Schema::new(fields));
    let computed = |name: &str, expr: Expr| ComputedColumn { name: name.to_owned(), expr: BoundExpr(expr) };
    SourceSpec {
        table: TableSpec { name: "orders".to_owned(), columns, metadata: Vec::new(), options: BTreeMap::new() },
        computed: vec![
            computed("euros", col("cents") / lit(100_i64)),
            computed("doubled", col("euros") * lit(2_i64)),
            computed("unused", col("note").is_null()),
        ],
        watermark: watermark.map(|expr| WatermarkSpec {
            column: "ts".to_owned(),
            expr: BoundExpr(expr),
            idle_timeout_ms: None,
        }),
        output: output.iter().map(|name| (*name).to_owned()).collect(),
        unbounded: false,
    }
}

fn interval(months: i32, days: i32, ns: i64) -> Expr {
    lit(ScalarValue::IntervalMonthDayNano(Some(IntervalMonthDayNanoType::make_value(months, days, ns))))
}

fn rows(columns: &[usize]) -> RecordBatch {
    let id: ArrayRef = Arc::new(Int64Array::from(vec![1, 2, 3]));
    let note: ArrayRef = Arc::new(StringArray::from(vec![Some("x"), None, Some("z")]));
    let ts: ArrayRef = Arc::new(TimestampMicrosecondArray::from(vec![5_000_000, 9_000_000, 7_000_000]));
    let cents: ArrayRef = Arc::new(Int64Array::from(vec![100, 250, 999]));
    RecordBatch::try_new(source_schema(), vec![id, note, ts, cents]).unwrap().project(columns).unwrap()
}

fn run(spec: &SourceSpec) -> Result<(RecordBatch, Option<Watermark>)> {
    let pipeline = SourcePipeline::new(spec, &source_schema())?;
    pipeline.process(&rows(&pipeline.read_columns()))
}

fn at(us: i64) -> Watermark {
    Watermark(Timestamp(us))
}

#[test]
fn only_the_columns_that_something_needs_are_read() {
    let read = |output: &[&str], watermark| {
        SourcePipeline::new(&spec(output, watermark), &source_schema()).unwrap().read_columns()
    };
    assert_eq!(read(&["note"], None), [1]);
    assert_eq!(read(&["doubled"], None), [3], "through the computed column that it is computed of");
    assert_eq!(read(&["note"], Some(col("ts"))), [1, 2]);
    assert_eq!(read(&["unused", "id"], None), [0, 1]);
    assert_eq!(read(&[], None), [0], "some column, for the number of rows");
}

#[test]
fn computed_columns_stand_on_earlier_ones_and_the_output_has_its_own_order() {
    let (rows, watermark) = run(&spec(&["doubled", "id", "ts"], None)).unwrap();
    assert_eq!(watermark, None);
    insta::assert_snapshot!(pretty_format_batches(&[rows]).unwrap(), @r"
    +---------+----+---------------------+
    | doubled | id | ts                  |
    +---------+----+---------------------+
    | 2       | 1  | 1970-01-01T00:00:05 |
    | 4       | 2  | 1970-01-01T00:00:09 |
    | 18      | 3  | 1970-01-01T00:00:07 |
    +---------+----+---------------------+
    ");
}

#[test]
fn the_output_has_the_schema_that_was_announced_with_not_null_as_declared() {
    let spec = spec(&["id", "doubled"], None);
    let announced = Arc::clone(SourcePipeline::new(&spec, &source_schema()).unwrap().output_schema());
    assert_eq!(run(&spec).unwrap().0.schema(), announced);
    assert!(!announced.field(0).is_nullable());
}

#[test]
fn a_table_without_wanted_columns_keeps_its_number_of_rows() {
    let (rows, watermark) = run(&spec(&[], Some(col("ts")))).unwrap();
    assert_eq!((rows.num_columns(), rows.num_rows(), watermark), (0, 3, Some(at(9_000_000))));
}

#[test]
fn a_column_passes_through_without_a_copy() {
    let pipeline = SourcePipeline::new(&spec(&["ts", "euros"], None), &source_schema()).unwrap();
    let batch = rows(&pipeline.read_columns());
    let (out, _) = pipeline.process(&batch).unwrap();
    assert!(Arc::ptr_eq(out.column(0), batch.column(0)));
}

#[test]
fn the_watermark_is_that_of_the_latest_row() {
    let watermark = |expr| run(&spec(&["id"], Some(expr))).unwrap().1;
    assert_eq!(watermark(col("ts")), Some(at(9_000_000)));
    assert_eq!(watermark(col("ts") - interval(0, 0, 2_000_000_000)), Some(at(7_000_000)));
    assert_eq!(watermark(col("ts") + interval(0, 0, 1)), Some(at(9_000_000)));
    // Not monotone in ts: every row is evaluated.
    let odd = case(col("id")).when(lit(2_i64), col("ts") - interval(0, 1, 0)).otherwise(col("ts")).unwrap();
    assert_eq!(watermark(odd), Some(at(7_000_000)));
}

#[test]
fn a_month_is_not_taken_from_the_latest_row_alone() {
    // A month before 31 March 01:00 is 28 February 01:00; a month before 30 March 23:00 is 28 February 23:00.
    let time = |text: &str| ScalarValue::Utf8(Some(text.to_owned())).cast_to(&TIME).unwrap();
    let times = ["2023-03-30T23:00:00", "2023-03-31T01:00:00"].map(time);
    let times = ScalarValue::iter_to_array(times).unwrap();
    let pipeline = SourcePipeline::new(&spec(&["ts"], Some(col("ts") - interval(1, 0, 0))), &source_schema()).unwrap();
    let batch = RecordBatch::try_from_iter_with_nullable([("ts", times, true)]).unwrap();
    let ScalarValue::TimestampMicrosecond(Some(expected), None) = time("2023-02-28T23:00:00") else { unreachable!() };
    assert_eq!(pipeline.process(&batch).unwrap().1, Some(at(expected)));
}

#[test]
fn what_cannot_be_bound_is_refused_with_the_name_of_the_table() {
    let mut other_type = spec(&["id"], None);
    other_type.table.columns = Arc::new(Schema::new(vec![Field::new("id", DataType::Utf8, true)]));
    let mut missing = spec(&["id"], None);
    missing.table.columns = Arc::new(Schema::new(vec![Field::new("nowhere", DataType::Utf8, true)]));
    let specs = [spec(&["gone"], None), spec(&["id"], Some(col("note"))), other_type, missing];
    let errors = specs.map(|spec| SourcePipeline::new(&spec, &source_schema()).unwrap_err().to_string());
    insta::assert_snapshot!(errors.join("\n"), @r"
    table 'orders': there is no column 'gone'
    table 'orders': the watermark of column 'ts' is STRING, not a timestamp
    table 'orders': column 'id' is declared as Utf8, the connector reads Int64
    table 'orders': the connector has no column 'nowhere'
    ");
}

#[test]
fn a_null_where_none_may_be_names_table_and_column() {
    let mut errors = Vec::new();
    for (output, watermark, column, array) in [
        ("id", None, "id", Arc::new(Int64Array::from(vec![Some(1), None])) as ArrayRef),
        ("ts", Some(col("ts")), "ts", Arc::new(TimestampMicrosecondArray::from(vec![Some(1), None]))),
        (
            "ts",
            Some(col("ts") - interval(0, 1, 0)),
            "ts",
            Arc::new(TimestampMicrosecondArray::from(vec![Some(1), None])),
        ),
    ] {
        let pipeline = SourcePipeline::new(&spec(&[output], watermark), &source_schema()).unwrap();
        let batch = RecordBatch::try_from_iter_with_nullable([(column, array, true)]).unwrap();
        errors.push(pipeline.process(&batch).unwrap_err().to_string());
    }
    insta::assert_snapshot!(errors.join("\n"), @r"
    table 'orders': column 'id' is NOT NULL, but NULL in a row
    table 'orders': the watermark of column 'ts' is NULL in a row
    table 'orders': the watermark of column 'ts' is NULL in a row
    ");
}

#[test]
fn rows_without_a_time_are_skipped_and_counted_where_the_table_skips_bad_records() {
    let odd = case(col("id")).when(lit(9_i64), lit(ScalarValue::Null)).otherwise(col("ts")).unwrap();
    for watermark in [col("ts"), col("ts") - interval(0, 0, 1000), odd] {
        let mut spec = spec(&["id", "ts"], Some(watermark));
        let times = |times: Vec<Option<i64>>| {
            let ids: ArrayRef = Arc::new(Int64Array::from_iter_values(0..times.len() as i64));
            let times: ArrayRef = Arc::new(TimestampMicrosecondArray::from(times));
            RecordBatch::try_from_iter_with_nullable([("id", ids, true), ("ts", times, true)]).unwrap()
        };
        let batch = times(vec![Some(5_000_000), None, Some(3_000_000), None]);
        let metrics = OperatorMetrics::default();
        let pipeline = SourcePipeline::new(&spec, &source_schema()).unwrap();
        let error = pipeline.process_split(&batch, "data/a.csv", &metrics).unwrap_err();
        assert_eq!(error.to_string(), "table 'orders', data/a.csv: the watermark of column 'ts' is NULL in a row");

        for (key, value) in [("CSV.on-error", "skip"), ("csv.ignore-parse-errors", "TRUE")] {
            spec.table.options =
                [("format", "csv"), (key, value)].map(|(key, value)| (key.to_owned(), value.to_owned())).into();
            let pipeline = SourcePipeline::new(&spec, &source_schema()).unwrap();
            let metrics = OperatorMetrics::default();
            let (rows, watermark) = pipeline.process_split(&batch, "data/a.csv", &metrics).unwrap();
            assert_eq!((rows.num_rows(), OperatorMetrics::get(&metrics.skipped_records)), (2, 2));
            assert!(watermark.is_some());
            let (rows, watermark) = pipeline.process_split(&times(vec![None]), "data/a.csv", &metrics).unwrap();
            assert_eq!((rows.num_rows(), watermark), (0, None));
        }
    }
}
