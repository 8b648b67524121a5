//! Tests of [`WindowTvf`].
#![allow(clippy::unwrap_used, reason = "a test")]

use std::sync::Arc;

use arrow::array::StringArray;
use arrow::datatypes::{Field, FieldRef, Schema};
use arrow::util::pretty::pretty_format_batches;
use dipper_operator_api::harness::OperatorHarness;

use super::*;

const SECOND: i64 = 1_000_000;

fn rows(unit: TimeUnit, times: Vec<Option<i64>>) -> RecordBatch {
    let names: ArrayRef = Arc::new(StringArray::from_iter_values((0..times.len()).map(|row| format!("r{row}"))));
    let data = Int64Array::from(times).into_data().into_builder().data_type(DataType::Timestamp(unit, None));
    let times = make_array(data.build().unwrap());
    RecordBatch::try_from_iter_with_nullable([("ts", times, true), ("name", names, true)]).unwrap()
}

fn operator(kind: WindowKind, input: &Schema) -> Result<WindowTvf> {
    let mut fields: Vec<FieldRef> = input.fields().to_vec();
    let time = |name: &str| FieldRef::new(Field::new(name, input.field(0).data_type().clone(), false));
    fields.extend(["window_start", "window_end", "window_time"].map(time));
    let output = SchemaRef::new(Schema::new(fields));
    WindowTvf::new(&WindowTvfSpec { time_column: 0, kind }, &SchemaRef::new(input.clone()), &output)
}

fn run(kind: WindowKind, rows: RecordBatch) -> Result<Vec<RecordBatch>> {
    let mut harness = OperatorHarness::open(operator(kind, rows.schema_ref())?)?;
    harness.batch(rows)?;
    Ok(harness.take_batches())
}

#[test]
fn a_tumbling_window_starts_at_a_multiple_of_its_size_and_ends_before_the_next() {
    let rows = rows(TimeUnit::Second, vec![Some(0), Some(9), Some(10), Some(-1)]);
    let kind = WindowKind::Tumble { size_us: 10 * SECOND, offset_us: 0 };
    insta::assert_snapshot!(pretty_format_batches(&run(kind, rows).unwrap()).unwrap(), @r"
    +---------------------+------+---------------------+---------------------+---------------------+
    | ts                  | name | window_start        | window_end          | window_time         |
    +---------------------+------+---------------------+---------------------+---------------------+
    | 1970-01-01T00:00:00 | r0   | 1970-01-01T00:00:00 | 1970-01-01T00:00:10 | 1970-01-01T00:00:09 |
    | 1970-01-01T00:00:09 | r1   | 1970-01-01T00:00:00 | 1970-01-01T00:00:10 | 1970-01-01T00:00:09 |
    | 1970-01-01T00:00:10 | r2   | 1970-01-01T00:00:10 | 1970-01-01T00:00:20 | 1970-01-01T00:00:19 |
    | 1969-12-31T23:59:59 | r3   | 1969-12-31T23:59:50 | 1970-01-01T00:00:00 | 1969-12-31T23:59:59 |
    +---------------------+------+---------------------+---------------------+---------------------+
    ");
}

#[test]
fn a_hopping_window_copies_rows_earliest_window_first() {
    let rows = rows(TimeUnit::Millisecond, vec![Some(12_000), Some(4_999)]);
    let kind = WindowKind::Hop { slide_us: 5 * SECOND, size_us: 10 * SECOND, offset_us: SECOND };
    insta::assert_snapshot!(pretty_format_batches(&run(kind, rows).unwrap()).unwrap(), @r"
    +-------------------------+------+---------------------+---------------------+-------------------------+
    | ts                      | name | window_start        | window_end          | window_time             |
    +-------------------------+------+---------------------+---------------------+-------------------------+
    | 1970-01-01T00:00:12     | r0   | 1970-01-01T00:00:06 | 1970-01-01T00:00:16 | 1970-01-01T00:00:15.999 |
    | 1970-01-01T00:00:12     | r0   | 1970-01-01T00:00:11 | 1970-01-01T00:00:21 | 1970-01-01T00:00:20.999 |
    | 1970-01-01T00:00:04.999 | r1   | 1969-12-31T23:59:56 | 1970-01-01T00:00:06 | 1970-01-01T00:00:05.999 |
    | 1970-01-01T00:00:04.999 | r1   | 1970-01-01T00:00:01 | 1970-01-01T00:00:11 | 1970-01-01T00:00:10.999 |
    +-------------------------+------+---------------------+---------------------+-------------------------+
    ");
}

#[test]
fn every_unit_and_batch_cut_gives_the_same_windows() {
    let kind = WindowKind::Hop { slide_us: SECOND, size_us: 3 * SECOND, offset_us: -SECOND };
    let seconds: Vec<i64> = vec![-7, 12, 12, 13, 2, 0, 99, -1];
    for (unit, scale) in [
        (TimeUnit::Second, 1),
        (TimeUnit::Millisecond, 1_000),
        (TimeUnit::Microsecond, 1_000_000),
        (TimeUnit::Nanosecond, 1_000_000_000),
    ] {
        let rows = rows(unit, seconds.iter().map(|second| Some(second * scale)).collect());
        let mut harness = OperatorHarness::open(operator(kind, rows.schema_ref()).unwrap()).unwrap();
        for row in 0..rows.num_rows() {
            harness.batch(rows.slice(row, 1)).unwrap();
        }
        let mut found = Vec::new();
        for batch in harness.take_batches() {
            let starts = timestamp_values(batch.column(2)).unwrap().to_vec();
            let lasts = timestamp_values(batch.column(4)).unwrap();
            assert!(starts.iter().zip(lasts).all(|(start, last)| last - start == 3 * scale - 1));
            found.extend(starts.into_iter().map(|start| start / scale));
        }
        let expected: Vec<i64> = seconds.iter().flat_map(|second| second - 2..=*second).collect();
        assert_eq!(found, expected, "{unit:?}");
        assert_eq!(run(kind, rows).unwrap().iter().map(RecordBatch::num_rows).sum::<usize>(), expected.len());
    }
}

#[test]
fn many_windows_come_in_batches_of_bounded_size() {
    let rows = rows(TimeUnit::Second, (0..100).map(Some).collect());
    let kind = WindowKind::Hop { slide_us: SECOND, size_us: 1_000 * SECOND, offset_us: 0 };
    let sizes: Vec<usize> = run(kind, rows).unwrap().iter().map(RecordBatch::num_rows).collect();
    assert_eq!(sizes.iter().sum::<usize>(), 100_000);
    assert!(sizes.iter().all(|size| *size <= BATCH_ROWS_MAX));
}

#[test]
fn what_cannot_be_a_window_is_refused() {
    let tumble = |size_us| WindowKind::Tumble { size_us, offset_us: 0 };
    let hop = |slide_us, size_us| WindowKind::Hop { slide_us, size_us, offset_us: 0 };
    let error = |kind, rows: RecordBatch| run(kind, rows).unwrap_err().to_string();
    let at = |unit, time| rows(unit, vec![time]);
    let text: ArrayRef = Arc::new(StringArray::from(vec!["12:00"]));
    let errors = [
        error(tumble(0), at(TimeUnit::Second, Some(0))),
        error(tumble(1_500_000), at(TimeUnit::Second, Some(0))),
        error(tumble(i64::MAX), at(TimeUnit::Nanosecond, Some(0))),
        error(hop(3 * SECOND, 10 * SECOND), at(TimeUnit::Second, Some(0))),
        error(hop(1, 10 * SECOND), at(TimeUnit::Microsecond, Some(0))),
        error(tumble(SECOND), at(TimeUnit::Second, None)),
        error(tumble(SECOND), at(TimeUnit::Microsecond, Some(i64::MAX))),
        error(hop(SECOND, 2 * SECOND), at(TimeUnit::Microsecond, Some(i64::MIN))),
        error(tumble(SECOND), RecordBatch::try_from_iter([("ts", text)]).unwrap()),
    ];
    insta::assert_snapshot!(errors.join("\n"), @r"
    column 'ts': the size and the slide of a window must be positive
    column 'ts': the window's size of 1500000 us does not fit a time in whole seconds
    column 'ts': the window's size of 9223372036854775807 us does not fit a time in whole nanoseconds
    column 'ts': the size of a hopping window must be a multiple of its slide
    column 'ts': 10000000 windows for each row, at most 2048 are possible
    column 'ts' is NULL in a row that needs a window
    a time in column 'ts' is out of range
    a time in column 'ts' is out of range
    the time column 'ts' of a window must be a timestamp, not STRING
    ");
}
