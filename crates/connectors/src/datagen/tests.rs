//! Rows made up from a seed.
#![allow(clippy::unwrap_used, reason = "a test")]

use std::sync::Arc;

use arrow::array::{Array, AsArray};
use arrow::compute::concat_batches;
use arrow::datatypes::{
    DataType, Field, Float64Type, Int32Type, Int64Type, Schema, TimeUnit, TimestampMillisecondType,
};
use arrow::record_batch::RecordBatch;
use dipper_operator_api::{Boundedness, OperatorMetrics, ReadOptions};
use dipper_types::Result;

use crate::clock::Stopwatch;
use crate::{TableDefinition, source};

fn table(options: &[(&str, &str)]) -> TableDefinition {
    let fields = vec![
        Field::new("id", DataType::Int64, false),
        Field::new("ts", DataType::Timestamp(TimeUnit::Millisecond, None), false),
        Field::new("Symbol", DataType::Utf8, true),
        Field::new("price", DataType::Float64, true),
        Field::new("n", DataType::Int32, false),
        Field::new("flag", DataType::Boolean, false),
        Field::new("amount", DataType::Decimal128(10, 2), false),
    ];
    let options = options.iter().chain(&[("connector", "datagen")]);
    TableDefinition {
        name: "t".to_owned(),
        columns: Arc::new(Schema::new(fields)),
        metadata: vec![],
        options: options.map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect(),
    }
}

const OPTIONS: [(&str, &str); 11] = [
    ("number-of-rows", "1000"),
    ("fields.id.kind", "sequence"),
    ("fields.id.start", "1"),
    ("fields.ts.start", "2024-01-01 00:00:00"),
    ("fields.ts.step", "100 ms"),
    ("fields.symbol.length", "3"),
    ("fields.price.min", "10"),
    ("fields.price.max", "20"),
    ("fields.price.null-rate", "0.5"),
    ("fields.n.min", "-1"),
    ("fields.n.max", "1"),
];

async fn rows(table: &TableDefinition, projection: &[usize], batch_rows: usize) -> Result<RecordBatch> {
    let source = source(table)?;
    let mut batches = Vec::new();
    for split in source.splits().await? {
        let metrics = Arc::new(OperatorMetrics::default());
        let options = ReadOptions { projection: projection.to_vec(), batch_rows, metrics };
        let mut reader = source.open(&split, None, options).await?;
        while let Some(batch) = reader.next().await? {
            batches.push(batch);
        }
    }
    Ok(concat_batches(&Arc::new(source.schema().project(projection)?), &batches)?)
}

#[tokio::test]
async fn a_seed_decides_the_rows_whatever_the_batches() {
    let table = table(&OPTIONS);
    assert_eq!(source(&table).unwrap().boundedness(), Boundedness::Bounded);
    let all = [0, 1, 2, 3, 4, 5, 6];
    let once = rows(&table, &all, 8192).await.unwrap();
    assert_eq!(once.num_rows(), 1000);
    assert_eq!(once, rows(&table, &all, 7).await.unwrap());
    assert_eq!(once.project(&[4, 2]).unwrap(), rows(&table, &[4, 2], 100).await.unwrap());
    let mut other = table;
    other.options.insert("seed".to_owned(), "1".to_owned());
    assert_ne!(once, rows(&other, &all, 8192).await.unwrap());

    assert_eq!(once.column(0).as_primitive::<Int64Type>().value(999), 1000);
    assert_eq!(once.column(1).as_primitive::<TimestampMillisecondType>().value(2), 1_704_067_200_200);
    assert!(once.column(2).as_string::<i32>().iter().flatten().all(|text| text.len() == 3));
    assert!(once.column(3).as_primitive::<Float64Type>().iter().flatten().all(|price| (10.0..20.0).contains(&price)));
    assert!((400..600).contains(&once.column(3).null_count()));
    assert!(once.column(4).as_primitive::<Int32Type>().iter().flatten().all(|n| (-1..=1).contains(&n)));
}

#[tokio::test]
async fn splits_share_the_rows_of_a_sequence() {
    let mut table = table(&OPTIONS);
    table.options.insert("splits".to_owned(), "3".to_owned());
    let ids = rows(&table, &[0], 50).await.unwrap();
    let mut ids = ids.column(0).as_primitive::<Int64Type>().values().to_vec();
    ids.sort_unstable();
    assert_eq!(ids, (1..=1000).collect::<Vec<_>>());
}

#[tokio::test]
async fn a_sequence_that_ends_ends_the_table() {
    let table = table(&[
        ("fields.id.kind", "sequence"),
        ("fields.id.start", "5"),
        ("fields.id.end", "8"),
        ("rows-per-second", "0"),
    ]);
    assert_eq!(rows(&table, &[0], 50).await.unwrap().num_rows(), 4);
}

#[tokio::test]
async fn a_rate_limits_an_endless_table() {
    let table = table(&[("rows-per-second", "1000")]);
    let source = source(&table).unwrap();
    assert_eq!(source.boundedness(), Boundedness::Unbounded);
    let split = source.splits().await.unwrap().swap_remove(0);
    let metrics = Arc::new(OperatorMetrics::default());
    let since = Stopwatch::start();
    let mut reader =
        source.open(&split, None, ReadOptions { projection: vec![0], batch_rows: 8192, metrics }).await.unwrap();
    let rows = reader.next().await.unwrap().unwrap().num_rows() as f64;
    assert!(rows <= since.elapsed().as_secs_f64() * 1000.0, "{rows} rows");
}

#[test]
fn options_that_make_no_sense_are_refused() {
    for (key, value, expected) in [
        ("fields.n.min", "9", "options 'fields.n.min' and 'fields.n.max': 9 to 1 is no range of type INT"),
        ("fields.prize.min", "9", "unknown option 'fields.prize.min'"),
        ("fields.ts.max-past", "1 h", "the options 'fields.ts.…' of a timestamp do not go together"),
        ("fields.id.null-rate", "0.1", "option 'fields.id.null-rate': column 'id' is NOT NULL"),
        ("fields.symbol.length", "99999999999", "option 'fields.symbol.length': 99999999999 is more than 1048576"),
        (
            "fields.id.start",
            "9223372036854775000",
            "option 'fields.id.start': 1000 rows from 9223372036854775000 on reach 9223372036854775999, which does not fit BIGINT",
        ),
        ("splits", "0", "option 'splits': 0 is not between 1 and 1024"),
    ] {
        let mut table = table(&OPTIONS);
        table.options.insert(key.to_owned(), value.to_owned());
        assert_eq!(source(&table).unwrap_err().to_string(), format!("table 't': {expected}"));
    }
}

#[test]
fn a_generated_table_cannot_be_written() {
    let error = crate::sink(&table(&[])).unwrap_err().to_string();
    assert_eq!(error, "table 't': a 'datagen' table can be read, not written");
}

#[test]
fn a_sequence_beyond_its_type_is_refused_at_create_time() {
    let of = |options: &[(&str, &str)]| {
        let kind = [("fields.n.kind", "sequence"), ("fields.amount.kind", "sequence")];
        crate::validate(&table(&[&kind, options].concat())).map_err(|error| error.to_string())
    };
    for (options, expected) in [
        ([("fields.n.end", "3000000000")], "option 'fields.n.end': 3000000000 does not fit INT"),
        ([("fields.n.start", "-3000000000")], "option 'fields.n.start': -3000000000 does not fit INT"),
        ([("fields.amount.end", "100000000")], "option 'fields.amount.end': 100000000 does not fit DECIMAL(10, 2)"),
        (
            [("number-of-rows", "3000000000")],
            "option 'fields.n.start': 3000000000 rows from 0 on reach 2999999999, which does not fit INT",
        ),
    ] {
        assert_eq!(of(&options), Err(format!("table 't': {expected}")));
    }
    assert_eq!(of(&[("fields.n.end", "2147483647"), ("fields.amount.end", "99999999")]), Ok(()));
}

#[tokio::test]
async fn rows_with_long_text_come_in_small_batches() {
    let table = table(&[("number-of-rows", "40"), ("fields.symbol.length", "1048576")]);
    let source = source(&table).unwrap();
    let split = source.splits().await.unwrap().swap_remove(0);
    let metrics = Arc::new(OperatorMetrics::default());
    let mut reader =
        source.open(&split, None, ReadOptions { projection: vec![2], batch_rows: 8192, metrics }).await.unwrap();
    assert_eq!(reader.next().await.unwrap().unwrap().num_rows(), 16);
}

#[tokio::test]
async fn rows_go_on_behind_any_batch_as_if_nothing_had_happened() {
    let mut options = OPTIONS.to_vec();
    options.push(("splits", "3"));
    let table = table(&options);
    let source = source(&table).unwrap();
    let all = [0, 1, 2, 3, 4, 5, 6];
    let mut batches = Vec::new();
    for split in source.splits().await.unwrap() {
        let mut position = None;
        for size in [7, 50, 1].into_iter().cycle() {
            let metrics = Arc::new(OperatorMetrics::default());
            let options = ReadOptions { projection: all.to_vec(), batch_rows: size, metrics };
            let mut reader = source.open(&split, position.as_ref(), options).await.unwrap();
            let Some(batch) = reader.next().await.unwrap() else { break };
            batches.push(batch);
            position = Some(reader.position());
        }
    }
    let broken = concat_batches(&table.columns, &batches).unwrap();
    assert_eq!(broken, rows(&table, &all, 8192).await.unwrap());
}

#[tokio::test]
async fn a_column_that_was_not_asked_for_before_goes_on_at_the_same_row() {
    let table = table(&OPTIONS);
    let source = source(&table).unwrap();
    let split = source.splits().await.unwrap().remove(0);
    let read = |projection: Vec<usize>| ReadOptions {
        projection,
        batch_rows: 300,
        metrics: Arc::new(OperatorMetrics::default()),
    };
    let mut reader = source.open(&split, None, read(vec![0])).await.unwrap();
    reader.next().await.unwrap();
    let mut reader = source.open(&split, Some(&reader.position()), read(vec![2, 0])).await.unwrap();
    let second = reader.next().await.unwrap().unwrap();
    assert_eq!(second, rows(&table, &[2, 0], 8192).await.unwrap().slice(300, 300));
}
