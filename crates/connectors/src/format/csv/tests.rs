//! CSV files as people write them, cut into blocks and batches of every size.
#![allow(clippy::unwrap_used, reason = "a test")]

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, Float64Array, Int64Array, StringArray, TimestampMillisecondArray};
use arrow::compute::concat_batches;
use arrow::datatypes::{DataType, Field, Schema, SchemaRef, TimeUnit};
use arrow::record_batch::RecordBatch;
use arrow::util::pretty::pretty_format_batches;
use dipper_operator_api::OperatorMetrics;
use dipper_types::{Error, Result};

use super::{CsvDecoder, CsvEncoder, CsvOptions};
use crate::format::bad_records::{BadRecords, OnError};
use crate::format::{RecordDecoder, RecordEncoder};

fn schema() -> SchemaRef {
    Arc::new(Schema::new(vec![
        Field::new("name", DataType::Utf8, true),
        Field::new("ts", DataType::Timestamp(TimeUnit::Millisecond, None), true),
        Field::new("price", DataType::Float64, true),
        Field::new("n", DataType::Int64, false),
    ]))
}

struct Reading {
    batch: RecordBatch,
    skipped: u64,
}

fn read_with(
    text: &[u8],
    options: &CsvOptions,
    schema: &SchemaRef,
    projection: &[usize],
    (block, batch_rows): (usize, usize),
) -> Result<Reading> {
    let metrics = Arc::new(OperatorMetrics::default());
    let bad = BadRecords::new("data/a.csv", "csv", options.on_error, Arc::clone(&metrics));
    let mut decoder = CsvDecoder::new(options, schema, projection, batch_rows, bad)?;
    let mut batches = Vec::new();
    for block in text.chunks(block) {
        decoder.feed(block);
        while let Some(batch) = decoder.next_batch()? {
            assert!(batch.num_rows() > 0 && batch.num_rows() <= batch_rows);
            batches.push(batch);
        }
    }
    decoder.end();
    while let Some(batch) = decoder.next_batch()? {
        batches.push(batch);
    }
    let batch = concat_batches(&Arc::new(schema.project(projection)?), &batches)?;
    Ok(Reading { batch, skipped: OperatorMetrics::get(&metrics.skipped_records) })
}

/// Reads a text in blocks and batches of several sizes, which must not matter.
fn read(text: &str, options: &CsvOptions) -> Result<Reading> {
    let all = |sizes| read_with(text.as_bytes(), options, &schema(), &[0, 1, 2, 3], sizes);
    let whole = all((1 << 20, 8192));
    for sizes in [(1, 8192), (7, 3), (64, 1), (1 << 20, 1), (3, 2)] {
        match (&whole, all(sizes)) {
            (Ok(whole), Ok(other)) => {
                assert_eq!(whole.batch, other.batch, "{sizes:?}");
                assert_eq!(whole.skipped, other.skipped, "{sizes:?}");
            }
            (Err(whole), Err(other)) => assert_eq!(whole.to_string(), other.to_string(), "{sizes:?}"),
            (whole, other) => panic!("{sizes:?}: {:?}, {:?}", whole.as_ref().err(), other.err()),
        }
    }
    whole
}

fn message(result: Result<Reading>) -> String {
    result.err().map(|error: Error| error.to_string()).unwrap()
}

fn skipping() -> CsvOptions {
    CsvOptions { on_error: OnError::Skip, ..CsvOptions::default() }
}

#[test]
fn columns_are_found_by_the_header_in_any_order_and_case() {
    let text = "N,Price,extra,TS,name\n1,2.5,x,2024-01-01 09:30:00.123,a\n2,,y,2024-01-01T09:30:01Z,\n";
    let rows = read(text, &CsvOptions::default()).unwrap();
    let shown = pretty_format_batches(&[rows.batch]).unwrap().to_string();
    insta::assert_snapshot!(shown, @r"
    +------+-------------------------+-------+---+
    | name | ts                      | price | n |
    +------+-------------------------+-------+---+
    | a    | 2024-01-01T09:30:00.123 | 2.5   | 1 |
    |      | 2024-01-01T09:30:01     |       | 2 |
    +------+-------------------------+-------+---+
    ");
}

#[test]
fn a_missing_column_is_named_with_the_file_and_its_header() {
    let error = read("name,ts,n\na,2024-01-01 00:00:00,1\n", &CsvOptions::default()).err().unwrap();
    assert_eq!(error.to_string(), "data/a.csv: no column 'price' in the header: name, ts, n");
    assert_eq!(error.hint(), Some("if the file has no header line, set 'csv.header' = 'false'"));
    let twice = message(read("name,ts,price,n,N\n", &CsvOptions::default()));
    assert_eq!(twice, "data/a.csv: the header names column 'n' twice");
}

#[test]
fn without_a_header_columns_stand_in_the_table_s_order() {
    let options = CsvOptions { header: false, ..CsvOptions::default() };
    let rows = read("a,2024-01-01 00:00:00,1.5,7\r\nb,,,8", &options).unwrap().batch;
    assert_eq!(rows.num_rows(), 2);
    let numbers: &Int64Array = rows.column(3).as_any().downcast_ref().unwrap();
    assert_eq!(numbers.values(), &[7, 8]);
}

#[test]
fn quotes_hold_delimiters_newlines_and_quotes() {
    let text = "name,ts,price,n\n\"a,b\",,1,1\n\"say \"\"hi\"\"\",,2,2\n\"two\nlines\",,\"3\",3\n\"\",,4,4\n,,5,5\r\n";
    let rows = read(text, &CsvOptions::default()).unwrap().batch;
    let names: &StringArray = rows.column(0).as_any().downcast_ref().unwrap();
    let names: Vec<Option<&str>> = names.iter().collect();
    assert_eq!(names, [Some("a,b"), Some("say \"hi\""), Some("two\nlines"), None, None]);
}

#[test]
fn escapes_comments_and_blank_lines_are_read_where_the_table_says_so() {
    let options = CsvOptions { escape: Some(b'\\'), allow_comments: true, ..CsvOptions::default() };
    // Outside of quotes an escape character is text.
    let text = "# a comment\nname,ts,price,n\n\n#more, of, it\na\\b,,1,1\n\"q\\\"x\",,2,2\n\r\n";
    let rows = read(text, &options).unwrap().batch;
    let names: &StringArray = rows.column(0).as_any().downcast_ref().unwrap();
    assert_eq!(names.iter().collect::<Vec<_>>(), [Some("a\\b"), Some("q\"x")]);
}

#[test]
fn other_delimiters_and_null_literals_are_taken_from_the_options() {
    let options = CsvOptions { delimiter: b';', null_literal: Some("n/a".to_owned()), ..CsvOptions::default() };
    let rows = read("name;ts;price;n\nn/a;n/a;n/a;1\n;;;2\n\"n/a\";;1;3\n", &options).unwrap().batch;
    let names: &StringArray = rows.column(0).as_any().downcast_ref().unwrap();
    assert_eq!(names.iter().collect::<Vec<_>>(), [None, Some(""), None]);
    assert_eq!(rows.column(2).null_count(), 2);
}

#[test]
fn a_byte_order_mark_is_no_part_of_the_header() {
    let rows = read("\u{feff}name,ts,price,n\na,,1,1\n", &CsvOptions::default()).unwrap();
    assert_eq!(rows.batch.num_rows(), 1);
}

#[test]
fn a_bad_value_is_named_with_the_line_of_the_file() {
    // The quoted newlines count as lines of the file.
    let text = "name,ts,price,n\n\"x\ny\nz\",,1,1\nb,,2,2\n\nc,,abc,3\n";
    let error = read(text, &CsvOptions::default()).err().unwrap();
    assert_eq!(error.to_string(), "data/a.csv, line 7, column 'price': cannot parse 'abc' as DOUBLE");
    assert_eq!(error.hint(), Some("mend the file, or leave bad records out with 'csv.on-error' = 'skip'"));
}

#[test]
fn the_first_bad_line_is_the_one_reported() {
    let text = "name,ts,price,n\na,,1,1\nb,noon,2,2\nc,,abc,3\nd,,4\n";
    let expected = "data/a.csv, line 3, column 'ts': cannot parse 'noon' as TIMESTAMP(3)";
    assert_eq!(message(read(text, &CsvOptions::default())), expected);
}

#[test]
fn every_kind_of_bad_record_is_reported() {
    let first = "name,ts,price,n\nok,,1,1\n";
    let cases = [
        ("a,,1\n", "line 3, the record has 3 fields, not 4"),
        ("a,,1,1,1\n", "line 3, the record has 5 fields, not 4"),
        ("a,,1,\n", "line 3, column 'n': the value is NULL, but the column is NOT NULL"),
        ("a,,1,1.5\n", "line 3, column 'n': cannot parse '1.5' as BIGINT"),
        ("a,,1,99999999999999999999\n", "line 3, column 'n': cannot parse '99999999999999999999' as BIGINT"),
        ("a,,1,\"1\n", "line 3, a quote is never closed"),
        ("\"a,,1,1\nb,,2,2\n", "line 3, a quote is never closed"),
    ];
    for (bad, expected) in cases {
        let text = format!("{first}{bad}");
        assert_eq!(message(read(&text, &CsvOptions::default())), format!("data/a.csv, {expected}"), "{bad}");
    }
}

#[test]
fn skipping_leaves_out_bad_records_only_and_counts_them() {
    let text = "name,ts,price,n\na,,1,1\nb,,x,2\n\"c\",,3\n\"d\nd\",,4,4\ne,,5,\nf,,6,6\n\"g\"g,,x,7\nh,,8,8\n\"i,,9,9\nj,,10,10\n";
    let rows = read(text, &skipping()).unwrap();
    let names: &StringArray = rows.batch.column(0).as_any().downcast_ref().unwrap();
    assert_eq!(names.iter().flatten().collect::<Vec<_>>(), ["a", "d\nd", "f", "h", "j"]);
    assert_eq!(rows.skipped, 5);
}

#[test]
fn text_that_is_not_utf8_is_a_bad_record() {
    let text = b"name,ts,price,n\na,,1,1\n\xff\xfe,,2,2\n\"x\n\xc3\",,3,3\nb,,4,4\n";
    for sizes in [(1, 8192), (5, 1), (9, 3), (1 << 20, 8192)] {
        let rows = read_with(text, &skipping(), &schema(), &[0, 3], sizes).unwrap();
        let numbers: &Int64Array = rows.batch.column(1).as_any().downcast_ref().unwrap();
        assert_eq!(numbers.values(), &[1, 4], "{sizes:?}");
        assert_eq!(rows.skipped, 2, "{sizes:?}");
        let error = message(read_with(text, &CsvOptions::default(), &schema(), &[0, 3], sizes));
        assert_eq!(error, "data/a.csv, line 3, the text is not valid UTF-8", "{sizes:?}");
    }
}

#[test]
fn only_wanted_columns_are_parsed() {
    let text = "name,ts,price,n\na,noon,abc,1\nb,,,2\n";
    let rows = read_with(text.as_bytes(), &CsvOptions::default(), &schema(), &[3, 0], (4, 100)).unwrap().batch;
    assert_eq!(rows.schema().field(0).name(), "n");
    assert_eq!(rows.num_rows(), 2);
    let none = read_with(text.as_bytes(), &CsvOptions::default(), &schema(), &[], (4, 100)).unwrap();
    assert_eq!(none.batch.num_rows(), 2);
}

#[test]
fn an_empty_file_has_no_rows() {
    for text in ["", "name,ts,price,n", "name,ts,price,n\n", "\n\n"] {
        assert_eq!(read(text, &CsvOptions::default()).unwrap().batch.num_rows(), 0, "{text:?}");
    }
}

#[test]
fn every_type_that_csv_holds_is_read() {
    let types = [
        (DataType::Boolean, "TRUE", "true"),
        (DataType::Int8, "-8", "-8"),
        (DataType::UInt64, "18446744073709551615", "18446744073709551615"),
        (DataType::Float32, " 1.5 ", "1.5"),
        (DataType::Decimal128(10, 2), "12.34", "12.34"),
        (DataType::Date32, "2024-02-29", "2024-02-29"),
        (DataType::Time32(TimeUnit::Second), "23:59:58", "23:59:58"),
        (DataType::Time64(TimeUnit::Microsecond), "23:59:58.5", "23:59:58.500"),
        (DataType::Timestamp(TimeUnit::Second, None), "2024-01-01 00:00:00", "2024-01-01T00:00:00"),
        (
            DataType::Timestamp(TimeUnit::Nanosecond, None),
            "2024-01-01 00:00:00.000000001",
            "2024-01-01T00:00:00.000000001",
        ),
        (
            DataType::Timestamp(TimeUnit::Millisecond, Some("+00:00".into())),
            "2024-01-01 01:00:00+01:00",
            "2024-01-01T00:00:00Z",
        ),
        (DataType::Utf8View, "text", "text"),
        (DataType::LargeUtf8, "text", "text"),
    ];
    for (data_type, text, expected) in types {
        let schema: SchemaRef = Arc::new(Schema::new(vec![Field::new("c", data_type.clone(), false)]));
        let file = format!("c\n{text}\n");
        let rows = read_with(file.as_bytes(), &CsvOptions::default(), &schema, &[0], (99, 9)).unwrap().batch;
        let shown = arrow::util::display::array_value_to_string(rows.column(0), 0).unwrap();
        assert_eq!(shown, expected, "{data_type}");
        if !data_type.is_string() {
            for bad in ["c\nwrong\n", "c\n—\n", "c\n\u{661}\n"] {
                let error = read_with(bad.as_bytes(), &CsvOptions::default(), &schema, &[0], (99, 9)).err();
                assert!(error.unwrap().to_string().contains("line 2, column 'c': cannot parse"), "{data_type}");
            }
        }
    }
}

#[test]
fn blanks_around_values_do_no_harm_but_blanks_alone_are_no_value() {
    let text = "name,ts,price,n\n a , 2024-01-01 00:00:00 , 1.5 , 7 \n";
    let rows = read(text, &CsvOptions::default()).unwrap().batch;
    assert_eq!(rows.column(0).as_string::<i32>().value(0), " a ");
    assert_eq!(rows.column(1).null_count() + rows.column(2).null_count(), 0);
    let error = message(read("name,ts,price,n\na,,  ,1\n", &CsvOptions::default()));
    assert_eq!(error, "data/a.csv, line 2, column 'price': cannot parse '  ' as DOUBLE");
}

#[test]
fn lines_are_counted_across_batches_whatever_ends_them() {
    for end in ["\n", "\r\n", "\n\n", "\r\n\r\n"] {
        let good = format!("a,,1,1{end}").repeat(9);
        let text = format!("name,ts,price,n{end}{good}b,,x,1{end}");
        let line = 1 + 10 * end.matches('\n').count();
        let expected = format!("data/a.csv, line {line}, column 'price': cannot parse 'x' as DOUBLE");
        assert_eq!(message(read(&text, &CsvOptions::default())), expected);
    }
}

#[test]
fn halves_of_a_character_in_two_fields_are_not_utf8() {
    let schema: SchemaRef =
        Arc::new(Schema::new(vec![Field::new("a", DataType::Utf8, true), Field::new("b", DataType::Utf8, true)]));
    let text = b"a,b\n\xc3,\xa9\nx,y\n";
    let rows = read_with(text, &skipping(), &schema, &[0, 1], (99, 9)).unwrap();
    assert_eq!((rows.batch.num_rows(), rows.skipped), (1, 1));
}

#[test]
fn a_record_without_end_is_refused_before_it_fills_the_memory() {
    for (quoted, fields) in [("x,,1,\"", "good fields"), ("x,,1,1,1,\"", "too many fields")] {
        let mut text = format!("name,ts,price,n\na,,1,1\n{quoted}").into_bytes();
        text.resize(18 << 20, b'\n');
        for options in [CsvOptions::default(), skipping()] {
            let error = message(read_with(&text, &options, &schema(), &[0], (1 << 20, 8192)));
            assert_eq!(error, "data/a.csv, line 3, the record is longer than 16 MiB", "{fields}");
        }
    }
}

#[test]
fn a_number_too_long_for_a_decimal_is_bad() {
    let schema: SchemaRef = Arc::new(Schema::new(vec![Field::new("c", DataType::Decimal128(10, 2), true)]));
    for text in ["1".repeat(400), format!("0.{}", "1".repeat(400)), "1e99999".to_owned(), "123456789.00".to_owned()] {
        let error = read_with(format!("c\n{text}\n").as_bytes(), &CsvOptions::default(), &schema, &[0], (99, 9)).err();
        let error = error.unwrap().to_string();
        assert!(error.starts_with("data/a.csv, line 2, column 'c': '"), "{error}");
        assert!(error.ends_with("' does not fit DECIMAL(10, 2)"), "{error}");
    }
}

#[test]
fn a_number_is_never_changed_to_fit_its_column() {
    let cases = [
        (DataType::Decimal128(5, 2), "1.239", "'1.239' does not fit DECIMAL(5, 2)"),
        (DataType::Float64, "-1e400", "'-1e400' does not fit DOUBLE"),
        (DataType::Float32, "1e39", "'1e39' does not fit FLOAT"),
    ];
    for (data_type, text, expected) in cases {
        let schema: SchemaRef = Arc::new(Schema::new(vec![Field::new("c", data_type, true)]));
        let file = format!("c\n1.20\n{text}\n2.5\n");
        for null_literal in [None, Some("\\N".to_owned())] {
            let options = CsvOptions { null_literal, ..CsvOptions::default() };
            let error = read_with(file.as_bytes(), &options, &schema, &[0], (99, 9)).err().unwrap().to_string();
            assert_eq!(error, format!("data/a.csv, line 3, column 'c': {expected}"));
            let options = CsvOptions { on_error: OnError::Skip, ..options };
            let rows = read_with(file.as_bytes(), &options, &schema, &[0], (99, 9)).unwrap();
            assert_eq!((rows.batch.num_rows(), rows.skipped), (2, 1));
        }
    }
    let infinite = read("name,ts,price,n\na,,inf,1\nb,,-Infinity,2\nc,,NaN,3\n", &CsvOptions::default()).unwrap();
    assert_eq!(infinite.batch.num_rows(), 3, "infinity by its name is a value");
}

#[test]
fn empty_text_is_written_in_quotes_and_null_is_not() {
    let texts: ArrayRef = Arc::new(StringArray::from(vec![Some(""), None, Some("\u{fdd0}"), Some("a,b")]));
    let numbers: ArrayRef = Arc::new(Int64Array::from(vec![1, 2, 3, 4]));
    let batch = RecordBatch::try_from_iter([("s", texts), ("n", numbers)]).unwrap();
    let text = written(&CsvOptions::default(), &batch).unwrap();
    assert_eq!(text, "s,n\n\"\",1\n,2\n\u{fdd0},3\n\"a,b\",4\n");
    let escaped = CsvOptions { escape: Some(b'\\'), quote: Some(b'\''), ..CsvOptions::default() };
    assert!(written(&escaped, &batch).unwrap().starts_with("s,n\n'',1\n,2\n"));
    let literal = CsvOptions { null_literal: Some("\\N".to_owned()), ..CsvOptions::default() };
    assert!(written(&literal, &batch).unwrap().starts_with("s,n\n,1\n\\N,2\n"));
}

#[test]
fn what_is_written_is_read_back() {
    let names = StringArray::from(vec![Some("a,\"b\"\nc"), Some(""), None, Some("ü\\")]);
    let times = TimestampMillisecondArray::from(vec![Some(1_704_101_400_123), Some(-1), None, Some(0)]);
    let prices = Float64Array::from(vec![Some(0.1), None, Some(1e300), Some(-0.0)]);
    let columns: Vec<ArrayRef> =
        vec![Arc::new(names), Arc::new(times), Arc::new(prices), Arc::new(Int64Array::from(vec![1, 2, 3, i64::MIN]))];
    let batch = RecordBatch::try_new(schema(), columns).unwrap();
    // With a literal for NULL, empty text is not NULL.
    let literal = CsvOptions { null_literal: Some("\\N".to_owned()), ..CsvOptions::default() };
    let escaped = CsvOptions { escape: Some(b'\\'), delimiter: b'\t', header: false, ..literal.clone() };
    let commented = CsvOptions { allow_comments: true, ..literal.clone() };
    for options in [literal, escaped, commented] {
        let text = written(&options, &batch).unwrap();
        assert_eq!(read(&text, &options).unwrap().batch, batch, "{text}");
    }
    let text = written(&CsvOptions::default(), &batch).unwrap();
    assert_eq!(read(&text, &CsvOptions::default()).unwrap().batch.column(0).null_count(), 2, "{text}");
}

fn written(options: &CsvOptions, batch: &RecordBatch) -> Result<String> {
    let file = tempfile::NamedTempFile::new().unwrap();
    let mut encoder = Box::new(CsvEncoder::new(options, &batch.schema(), file.reopen().unwrap())?);
    encoder.write(batch)?;
    encoder.finish()?;
    Ok(std::fs::read_to_string(file.path()).unwrap())
}

#[test]
fn without_quotes_text_that_needs_them_is_refused() {
    let options = CsvOptions { quote: None, ..CsvOptions::default() };
    let of =
        |text: &str| RecordBatch::try_from_iter([("c", Arc::new(StringArray::from(vec![text])) as ArrayRef)]).unwrap();
    assert_eq!(written(&options, &of("say \"hi\"")).unwrap(), "c\nsay \"hi\"\n");
    for text in ["a,b", "a\nb", ""] {
        let error = written(&options, &of(text)).unwrap_err();
        assert!(error.to_string().starts_with("cannot write '"), "{error}");
        assert_eq!(error.hint(), Some("leave out 'csv.disable-quote-character'"));
    }
    let commented = CsvOptions { allow_comments: true, ..options };
    assert!(written(&commented, &of("#1")).is_err());
    let schema: SchemaRef = Arc::new(Schema::new(vec![Field::new("c", DataType::Utf8, true)]));
    let rows = read_with(b"c\n\"x\n", &commented, &schema, &[0], (99, 9)).unwrap();
    assert_eq!(rows.batch.column(0).as_string::<i32>().value(0), "\"x");
}
