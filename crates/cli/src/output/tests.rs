//! Each format over the same awkward rows.

use std::sync::Arc;

use arrow::array::{ArrayRef, Float64Array, Int64Array, StringArray, TimestampMillisecondArray};
use insta::assert_snapshot;

use super::*;

fn rows(names: Vec<Option<&str>>, counts: Vec<Option<i64>>) -> RecordBatch {
    let len = names.len();
    let columns: [(&str, ArrayRef); 4] = [
        ("name", Arc::new(StringArray::from(names))),
        ("n", Arc::new(Int64Array::from(counts))),
        ("share", Arc::new(Float64Array::from(vec![0.5; len]))),
        ("at", Arc::new(TimestampMillisecondArray::from(vec![1_704_103_800_050; len]))),
    ];
    RecordBatch::try_from_iter_with_nullable(columns.into_iter().map(|(name, column)| (name, column, true))).unwrap()
}

fn awkward() -> RecordBatch {
    rows(
        vec![Some("a"), Some("line\nbreak, \"quoted\""), None, Some(""), Some("日本")],
        vec![Some(1), Some(-20_000), None, Some(0), Some(5)],
    )
}

fn written(format: OutputFormat, batches: &[RecordBatch]) -> String {
    let mut out = Vec::new();
    let schema = batches[0].schema();
    let mut writer = row_writer(format, &schema, &mut out).unwrap();
    for batch in batches {
        writer.write(batch).unwrap();
        writer.flush().unwrap();
    }
    writer.finish().unwrap();
    drop(writer);
    String::from_utf8(out).unwrap()
}

#[test]
fn a_table_is_aligned_and_stays_on_its_lines() {
    assert_snapshot!(written(OutputFormat::Table, &[awkward()]), @r#"
     name                  |      n | share | at
    -----------------------+--------+-------+-------------------------
     a                     |      1 |   0.5 | 2024-01-01 10:10:00.050
     line\nbreak, "quoted" | -20000 |   0.5 | 2024-01-01 10:10:00.050
     NULL                  |   NULL |   0.5 | 2024-01-01 10:10:00.050
                           |      0 |   0.5 | 2024-01-01 10:10:00.050
     日本                  |      5 |   0.5 | 2024-01-01 10:10:00.050
    (5 rows)
    "#);
}

#[test]
fn a_later_chunk_keeps_the_widths_and_widens_them_if_it_must() {
    let first = rows(vec![Some("abcdef")], vec![Some(1)]);
    let second = rows(vec![Some("a"), Some("abcdefgh")], vec![Some(1), Some(2)]);
    assert_snapshot!(written(OutputFormat::Table, &[first, second]), @"
     name   | n | share | at
    --------+---+-------+-------------------------
     abcdef | 1 |   0.5 | 2024-01-01 10:10:00.050
     a        | 1 |   0.5 | 2024-01-01 10:10:00.050
     abcdefgh | 2 |   0.5 | 2024-01-01 10:10:00.050
    (3 rows)
    ");
}

#[test]
fn an_empty_table_still_has_a_header() {
    assert_snapshot!(written(OutputFormat::Table, &[awkward().slice(0, 0)]), @"
     name | n | share | at
    ------+---+-------+----
    (0 rows)
    ");
}

#[test]
fn csv_tells_null_from_the_empty_text() {
    assert_snapshot!(written(OutputFormat::Csv, &[awkward()]), @r#"
    name,n,share,at
    a,1,0.5,2024-01-01 10:10:00.050
    "line
    break, ""quoted""",-20000,0.5,2024-01-01 10:10:00.050
    ,,0.5,2024-01-01 10:10:00.050
    "",0,0.5,2024-01-01 10:10:00.050
    日本,5,0.5,2024-01-01 10:10:00.050
    "#);
}

#[test]
fn json_has_a_row_per_line_and_says_null() {
    assert_snapshot!(written(OutputFormat::Json, &[awkward()]), @r#"
    {"name":"a","n":1,"share":0.5,"at":"2024-01-01T10:10:00.050"}
    {"name":"line\nbreak, \"quoted\"","n":-20000,"share":0.5,"at":"2024-01-01T10:10:00.050"}
    {"name":null,"n":null,"share":0.5,"at":"2024-01-01T10:10:00.050"}
    {"name":"","n":0,"share":0.5,"at":"2024-01-01T10:10:00.050"}
    {"name":"日本","n":5,"share":0.5,"at":"2024-01-01T10:10:00.050"}
    "#);
}

#[test]
fn json_refuses_two_columns_of_one_name() {
    let column: ArrayRef = Arc::new(Int64Array::from(vec![1]));
    let batch = RecordBatch::try_from_iter([("a", Arc::clone(&column)), ("a", column)]).unwrap();
    let Err(WriteError::Rows(error)) = row_writer(OutputFormat::Json, &batch.schema(), Vec::new()) else {
        panic!("accepted");
    };
    assert_eq!(error.to_string(), "the result has two columns named 'a', which one JSON object cannot hold");
}
