//! Lines that Arrow's decoder alone would read wrong, or not survive.
#![allow(clippy::unwrap_used, reason = "a test")]

use std::sync::Arc;

use arrow::array::AsArray;
use arrow::compute::concat_batches;
use arrow::datatypes::{DataType, Field, Float64Type, Int32Type, Schema, SchemaRef};
use arrow::record_batch::RecordBatch;
use dipper_operator_api::OperatorMetrics;
use dipper_types::Result;

use super::JsonDecoder;
use crate::format::RecordDecoder;
use crate::format::bad_records::{BadRecords, OnError};

fn schema() -> SchemaRef {
    let list = DataType::List(Arc::new(Field::new("item", DataType::Int32, true)));
    Arc::new(Schema::new(vec![
        Field::new("n", DataType::Int32, true),
        Field::new("x", DataType::Float64, true),
        Field::new("d", DataType::Decimal128(5, 2), true),
        Field::new("s", DataType::Utf8, true),
        Field::new("l", list, true),
    ]))
}

fn read(text: &str, on_error: OnError) -> Result<(RecordBatch, u64)> {
    let metrics = Arc::new(OperatorMetrics::default());
    let bad = BadRecords::new("a.json", "json", on_error, Arc::clone(&metrics));
    let mut decoder = JsonDecoder::new(&schema(), &[0, 1, 2, 3, 4], 100, bad)?;
    decoder.feed(text.as_bytes());
    decoder.end();
    let mut batches = Vec::new();
    while let Some(batch) = decoder.next_batch()? {
        batches.push(batch);
    }
    Ok((concat_batches(&schema(), &batches)?, OperatorMetrics::get(&metrics.skipped_records)))
}

/// The reason for which the line is refused; skipping leaves out it alone.
fn reason(line: &str) -> String {
    let text = format!("{{\"n\": 1}}\n{line}\n{{\"n\": 2}}\n");
    let (rows, skipped) = read(&text, OnError::Skip).unwrap();
    assert_eq!((rows.column(0).as_primitive::<Int32Type>().values().to_vec(), skipped), (vec![1, 2], 1), "{line:.99}");
    let error = read(&text, OnError::Fail).unwrap_err().to_string();
    error.strip_prefix("a.json, line 2, ").unwrap().to_owned()
}

#[test]
fn a_line_nested_too_deep_is_a_bad_record() {
    for deep in ["[".repeat(20_000), "{\"s\":".repeat(20_000), format!("{{\"more\": {0}", "[{\"a\":".repeat(500_000))] {
        assert_eq!(reason(&deep), "the value is nested more than 128 deep");
    }
    let text = format!("{{\"s\": \"{}\\\"{0}\"}}", "[".repeat(500));
    assert_eq!(read(&text, OnError::Fail).unwrap().0.num_rows(), 1, "brackets in strings do not count");
    let text = format!("{{\"more\": {}1{}}}", "[".repeat(100), "]".repeat(100));
    assert_eq!(read(&text, OnError::Fail).unwrap().0.num_rows(), 1);
}

#[test]
fn a_number_is_never_changed_to_fit_its_column() {
    let cases = [
        ("{\"n\": 5.9}", "column 'n': 5.9 does not fit INT"),
        ("{\"x\": 5.9, \"n\" : -5e-1}", "column 'n': -5e-1 does not fit INT"),
        ("{\"\\u006e\": 5.9}", "column 'n': 5.9 does not fit INT"),
        ("{\"l\": [1, 2.5]}", "column 'l': 2.5 does not fit INT"),
        ("{\"n\": \"5.9\"}", "column 'n': cannot parse \"5.9\" as INT"),
        ("{\"n\": 3000000000}", "column 'n': cannot parse 3000000000 as INT"),
        ("{\"d\": 1.239}", "column 'd': 1.239 does not fit DECIMAL(5, 2)"),
        ("{\"d\": \"1.239\"}", "column 'd': \"1.239\" does not fit DECIMAL(5, 2)"),
        ("{\"d\": 1000}", "column 'd': 1000 does not fit DECIMAL(5, 2)"),
        ("{\"x\": 1e400}", "column 'x': 1e400 does not fit DOUBLE"),
        ("{\"x\": \"-1e400\"}", "column 'x': \"-1e400\" does not fit DOUBLE"),
        ("{\"x\": \"high\"}", "column 'x': cannot parse \"high\" as DOUBLE"),
    ];
    for (line, expected) in cases {
        assert_eq!(reason(line), expected);
    }
    let fine = "{\"n\": 5.0, \"x\": 5.9, \"d\": 1.2300, \"s\": \"5.9\", \"l\": [1, 2], \"more\": 1e999, \"deep\": {\"n\": 0.5}}";
    let (rows, _) = read(fine, OnError::Fail).unwrap();
    assert_eq!(rows.column(0).as_primitive::<Int32Type>().value(0), 5);
    assert!((rows.column(1).as_primitive::<Float64Type>().value(0) - 5.9).abs() < 1e-9);
}

#[test]
fn a_long_value_is_cut_in_the_message() {
    let error = reason(&format!("{{\"n\": \"{}\"}}", "x".repeat(100_000)));
    assert!(error.starts_with("column 'n': cannot parse \"xxx") && error.ends_with("x… as INT"), "{error:.300}");
    assert!(error.len() < 120, "{}", error.len());
}
