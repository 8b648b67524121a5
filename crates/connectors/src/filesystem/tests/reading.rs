//! Reading: which files, in which order, compressed or not, and what is said when something is wrong.

use std::fs;
use std::io::Write;

use arrow::array::{AsArray, Int64Array};
use arrow::datatypes::{DataType, Field, Int64Type, Schema, TimeUnit};

use super::*;
use crate::validate;

const HEADER: &str = "name,n,ts\n";

fn put(path: &Path, text: &str) {
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(path, text).unwrap();
}

fn gzip(text: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    encoder.write_all(text).unwrap();
    encoder.finish().unwrap()
}

async fn error_of(table: &TableDefinition) -> String {
    read(table, &[0, 1, 2]).await.unwrap_err().to_string()
}

#[tokio::test]
async fn a_directory_is_read_recursively_in_the_order_of_paths() {
    let dir = tempfile::tempdir().unwrap();
    for (name, n) in
        [("b.csv", 3), ("a/z.csv", 1), ("a/c/x.csv", 0), ("b/a.csv", 4), ("_staging-x/p.csv", 9), (".h.csv", 9)]
    {
        put(&dir.path().join(name), &format!("{HEADER}x,{n},\n"));
    }
    assert_eq!(numbers(&table(dir.path(), "csv", &[])).await.unwrap(), [0, 1, 3, 4]);
    let splits = source(&table(dir.path(), "csv", &[])).unwrap().splits().await.unwrap();
    assert!(splits[0].id.ends_with("/a/c/x.csv"), "{}", splits[0].id);
}

#[tokio::test]
async fn a_glob_takes_the_files_that_match() {
    let dir = tempfile::tempdir().unwrap();
    for (name, n) in [("t-2.csv", 2), ("t-1.csv", 1), ("u-1.csv", 9), ("t-3.json", 9)] {
        put(&dir.path().join(name), &format!("{HEADER}x,{n},\n"));
    }
    assert_eq!(numbers(&table(&dir.path().join("t-*.csv"), "csv", &[])).await.unwrap(), [1, 2]);
    let error = error_of(&table(&dir.path().join("v-*.csv"), "csv", &[])).await;
    assert!(error.starts_with("table 't': no file matches 'path' = '"), "{error}");
}

#[tokio::test]
async fn what_cannot_be_read_is_named_with_the_system_s_reason() {
    let dir = tempfile::tempdir().unwrap();
    let missing = dir.path().join("missing.csv");
    let error = error_of(&table(&missing, "csv", &[])).await;
    let expected = format!("table 't': cannot read '{}': No such file or directory (os error 2)", missing.display());
    assert_eq!(error, expected);
    put(&dir.path().join("file"), "");
    let below = error_of(&table(&dir.path().join("file/x.csv"), "csv", &[])).await;
    assert!(below.ends_with("Not a directory (os error 20)"), "{below}");
    // A file that goes away between the listing and the reading.
    let path = dir.path().join("gone.csv");
    put(&path, HEADER);
    let table = table(&path, "csv", &[]);
    let source = source(&table).unwrap();
    let splits = source.splits().await.unwrap();
    fs::remove_file(&path).unwrap();
    let error = source.open(&splits[0], None, options(vec![0], 10)).await.unwrap().next().await.unwrap_err();
    assert_eq!(error.to_string(), format!("cannot read '{}': No such file or directory (os error 2)", path.display()));
}

#[tokio::test]
async fn an_empty_directory_is_an_empty_table() {
    let dir = tempfile::tempdir().unwrap();
    assert_eq!(numbers(&table(dir.path(), "csv", &[])).await.unwrap(), [0; 0]);
}

#[tokio::test]
async fn compressed_files_are_known_by_their_names() {
    let dir = tempfile::tempdir().unwrap();
    let text: String = (0..50_000).fold(HEADER.to_owned(), |text, n| text + &format!("x,{n},\n"));
    fs::write(dir.path().join("a.csv.gz"), gzip(text.as_bytes())).unwrap();
    // Two members in one file, as appending makes them.
    let two = [gzip(HEADER.as_bytes()), gzip(b"x,50000,\n")].concat();
    fs::write(dir.path().join("b.csv.gz"), two).unwrap();
    let zstd = zstd::encode_all(format!("{HEADER}x,50001,\n").as_bytes(), 0).unwrap();
    fs::write(dir.path().join("c.csv.zst"), &zstd).unwrap();
    fs::write(dir.path().join("d.csv"), format!("{HEADER}x,50002,\n")).unwrap();
    let expected: Vec<i64> = (0..=50_002).collect();
    assert_eq!(numbers(&table(dir.path(), "csv", &[])).await.unwrap(), expected);
    fs::write(dir.path().join("e.data"), &zstd).unwrap();
    let one = table(&dir.path().join("e.data"), "csv", &[("compression", "zstd")]);
    assert_eq!(numbers(&one).await.unwrap(), [50_001]);
}

#[tokio::test]
async fn a_truncated_file_is_an_error_even_where_bad_records_are_skipped() {
    let dir = tempfile::tempdir().unwrap();
    let text: String = (0..5_000).fold(HEADER.to_owned(), |text, n| text + &format!("x{},{n},\n", n * 7919 % 6101));
    let (gz, zst) = (gzip(text.as_bytes()), zstd::encode_all(text.as_bytes(), 0).unwrap());
    for (name, bytes, expected) in
        [("a.csv.gz", gz, "the gzip stream is cut off"), ("a.csv.zst", zst, "the zstd stream is cut off")]
    {
        let path = dir.path().join(name);
        fs::write(&path, &bytes[..bytes.len() * 2 / 3]).unwrap();
        let error = error_of(&table(&path, "csv", &[("csv.on-error", "skip")])).await;
        assert!(error.starts_with(&format!("{}: {expected}", path.display())), "{error}");
        fs::write(&path, b"name,n,ts\n").unwrap();
        let error = error_of(&table(&path, "csv", &[])).await;
        assert!(error.starts_with(&format!("{}: cannot decompress as", path.display())), "{error}");
    }
}

#[tokio::test]
async fn a_bad_line_of_a_compressed_file_is_named() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("a.csv.gz");
    fs::write(&path, gzip(format!("{HEADER}\"x\ny\",1,\nz,two,\n").as_bytes())).unwrap();
    let error = error_of(&table(&path, "csv", &[])).await;
    assert_eq!(error, format!("{}, line 4, column 'n': cannot parse 'two' as BIGINT", path.display()));
    let skipping = table(&path, "csv", &[("csv.ignore-parse-errors", "true")]);
    assert_eq!(numbers(&skipping).await.unwrap(), [1]);
}

#[tokio::test]
async fn json_lines_are_read_by_name_and_bad_ones_are_named() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("a.json");
    let text = concat!(
        "{\"n\": 1, \"name\": \"a\", \"ts\": \"2024-01-01 09:30:00.123\", \"more\": {\"x\": [1]}}\n\n",
        "{\"n\": 2}\n",
        "{\"n\": 3, \"name\": null}\r\n",
    );
    fs::write(&path, text).unwrap();
    let rows = read(&table(&path, "json", &[]), &[2, 1, 0]).await.unwrap();
    assert_eq!(rows.num_rows(), 3);
    assert_eq!(rows.column(0).null_count(), 2);
    assert_eq!(rows.column(2).as_string::<i32>().value(0), "a");
    assert_eq!(read(&table(&path, "json", &[]), &[]).await.unwrap().num_rows(), 3);

    let cases = [
        ("{\"n\": \"two\"}", "column 'n': cannot parse \"two\" as BIGINT"),
        ("{\"name\": \"x\"}", "column 'n': the value is NULL or missing, but the column is NOT NULL"),
        ("{\"n\": 1, \"name\": 5}", "column 'name': expected string got 5"),
        ("{\"n\": 1} {\"n\": 2}", "not one JSON object on its line"),
        ("{\"n\":", "the object does not end on its line"),
    ];
    for (bad, expected) in cases {
        fs::write(&path, format!("{text}{bad}\n{{\"n\": 4}}")).unwrap();
        let error = error_of(&table(&path, "json", &[])).await;
        assert_eq!(error, format!("{}, line 5, {expected}", path.display()));
        let skipping = table(&path, "json", &[("json.on-error", "skip")]);
        assert_eq!(numbers(&skipping).await.unwrap(), [1, 2, 3, 4], "{bad}");
    }
    for bad in ["nonsense", "[1]", "5", "\u{0}", "null", "{\"n\": 1.5}}"] {
        fs::write(&path, format!("{{\"n\": 1}}\n{bad}\n{{\"n\": 2}}\n")).unwrap();
        let error = error_of(&table(&path, "json", &[])).await;
        assert!(error.starts_with(&format!("{}, line 2, ", path.display())), "{error}");
    }
}

#[tokio::test]
async fn skipped_records_are_counted() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("a.json");
    let text: String = (0..1000).fold(String::new(), |text, n| {
        text + &(if n % 10 == 3 { "bad\n".to_owned() } else { format!("{{\"n\": {n}}}\n") })
    });
    fs::write(&path, text).unwrap();
    let source = source(&table(&path, "json", &[("json.on-error", "skip")])).unwrap();
    let split = source.splits().await.unwrap().swap_remove(0);
    let options = options(vec![1], 64);
    let metrics = Arc::clone(&options.metrics);
    let mut batches = Vec::new();
    drain(source.open(&split, None, options).await.unwrap(), &mut batches).await.unwrap();
    assert_eq!(batches.iter().map(RecordBatch::num_rows).sum::<usize>(), 900);
    assert_eq!(OperatorMetrics::get(&metrics.skipped_records), 100);
}

#[tokio::test]
async fn parquet_columns_are_taken_by_name_and_cast() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("a.parquet");
    let stored = Schema::new(vec![
        Field::new("N", DataType::Int32, true),
        Field::new("other", DataType::Utf8, true),
        Field::new("name", DataType::Utf8, true),
        Field::new("ts", DataType::Timestamp(TimeUnit::Millisecond, None), true),
    ]);
    let columns: Vec<Arc<dyn Array>> = vec![
        Arc::new(arrow::array::Int32Array::from(vec![Some(1), Some(2)])),
        Arc::new(StringArray::from(vec!["x", "y"])),
        Arc::new(StringArray::from(vec!["a", "b"])),
        Arc::new(arrow::array::TimestampMillisecondArray::from(vec![5, 6])),
    ];
    let batch = RecordBatch::try_new(Arc::new(stored), columns).unwrap();
    let mut writer =
        parquet::arrow::ArrowWriter::try_new(fs::File::create(&path).unwrap(), batch.schema(), None).unwrap();
    writer.write(&batch).unwrap();
    writer.close().unwrap();
    let rows = read(&table(&path, "parquet", &[]), &[2, 1]).await.unwrap();
    assert_eq!(rows.column(0).as_ref(), &TimestampMicrosecondArray::from(vec![5_000, 6_000]) as &dyn Array);
    assert_eq!(rows.column(1).as_primitive::<Int64Type>().values(), &[1, 2]);
    assert_eq!(read(&table(&path, "parquet", &[]), &[]).await.unwrap().num_rows(), 2);

    let mut missing = table(&path, "parquet", &[]);
    missing.columns = Arc::new(Schema::new(vec![Field::new("price", DataType::Float64, true)]));
    let error = read(&missing, &[0]).await.unwrap_err().to_string();
    assert_eq!(error, format!("{}: no column 'price' in the file: N, other, name, ts", path.display()));
    let bytes = fs::read(&path).unwrap();
    fs::write(&path, &bytes[..bytes.len() - 20]).unwrap();
    let error = read(&table(&path, "parquet", &[]), &[0]).await.unwrap_err().to_string();
    assert!(error.starts_with(&format!("{}: cannot read as parquet", path.display())), "{error}");
}

#[tokio::test]
async fn metadata_columns_say_which_file_a_row_came_from() {
    let dir = tempfile::tempdir().unwrap();
    put(&dir.path().join("a.csv"), "n\n1\n2\n");
    put(&dir.path().join("b.csv"), "n\n3\n");
    let mut table = table(dir.path(), "csv", &[]);
    table.columns = Arc::new(Schema::new(vec![
        Field::new("file", DataType::Utf8, false),
        Field::new("n", DataType::Int64, false),
        Field::new("size", DataType::Int32, false),
        Field::new("changed", DataType::Timestamp(TimeUnit::Millisecond, Some("+00:00".into())), false),
        Field::new("path", DataType::Utf8View, false),
    ]));
    table.metadata = [(0, "file.name"), (2, "file.size"), (3, "file.modification-time"), (4, "file.path")]
        .map(|(place, key)| (place, key.to_owned()))
        .to_vec();
    let rows = read(&table, &[2, 1, 0, 3, 4]).await.unwrap();
    let names: Vec<_> = rows.column(2).as_string::<i32>().iter().flatten().collect();
    assert_eq!(names, ["a.csv", "a.csv", "b.csv"]);
    assert_eq!(rows.column(1).as_ref(), &Int64Array::from(vec![1, 2, 3]) as &dyn Array);
    assert_eq!(rows.column(0).as_primitive::<arrow::datatypes::Int32Type>().values(), &[6, 6, 4]);
    // Metadata alone still counts the rows.
    assert_eq!(read(&table, &[0]).await.unwrap().num_rows(), 3);

    table.metadata[0].1 = "file.nmae".to_owned();
    let error = validate(&table).unwrap_err();
    assert_eq!(error.hint(), Some("did you mean 'file.name'?"));
}

#[test]
#[expect(clippy::type_complexity, reason = "a table of cases")]
fn a_mistaken_option_is_named_with_what_was_meant() {
    let path = Path::new("data");
    let cases: [(&[(&str, &str)], &str, Option<&str>); 8] = [
        (
            &[("csv.feild-delimiter", ";")],
            "unknown option 'csv.feild-delimiter'",
            Some("did you mean 'csv.field-delimiter'?"),
        ),
        (&[("format", "cvs")], "option 'format': 'cvs' is not one of csv, json, parquet", Some("did you mean 'csv'?")),
        (
            &[("connector", "filesystm")],
            "option 'connector': 'filesystm' is not one of filesystem, delta, datagen, print, blackhole",
            Some("did you mean 'filesystem'?"),
        ),
        (
            &[("csv.field-delimiter", ";;")],
            "option 'csv.field-delimiter': ';;' is not a single ASCII character",
            Some("write one character such as ',' or ';', or '\\t' for a tab"),
        ),
        (&[("csv.on-error", "ignore")], "option 'csv.on-error': 'ignore' is not one of fail, skip", None),
        (
            &[("sink.rolling-policy.file-size", "big")],
            "option 'sink.rolling-policy.file-size': 'big' is not a size",
            Some("write it as '128mb', '64 kb' or a number of bytes"),
        ),
        (
            &[("path", "ftp://host/x")],
            "'path' = 'ftp://host/x': unknown scheme 'ftp'",
            Some("known: a plain path, file://, s3://, gs://, az://, abfs://"),
        ),
        (&[("s3.acess-key", "x")], "unknown option 's3.acess-key'", Some("did you mean 's3.access-key'?")),
    ];
    for (more, message, hint) in cases {
        let mut table = table(path, "csv", &[]);
        table.options.extend(more.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())));
        let error = validate(&table).unwrap_err();
        assert_eq!(error.to_string(), format!("table 't': {message}"));
        assert_eq!(error.hint(), hint);
    }
    let json = validate(&table(path, "json", &[("csv.header", "true")])).unwrap_err().to_string();
    assert_eq!(json, "table 't': unknown option 'csv.header'");
}

#[test]
fn csv_refuses_columns_that_it_cannot_hold() {
    let mut table = table(Path::new("data"), "csv", &[]);
    table.columns = Arc::new(Schema::new(vec![Field::new("b", DataType::Binary, true)]));
    let error = validate(&table).unwrap_err().to_string();
    assert!(error.starts_with("table 't': column 'b': the csv format cannot hold type BYTES"), "{error}");
}

/// The rows of a split, once by one reader, and once by a reader that is left at each batch for one that goes on from its position.
async fn read_with_breaks(source: &dyn Source, split: &Split, sizes: &[usize]) -> Vec<RecordBatch> {
    let mut batches = Vec::new();
    let mut position = None;
    for size in sizes.iter().cycle() {
        let mut reader = source.open(split, position.as_ref(), options(vec![1, 0], *size)).await.unwrap();
        let Some(batch) = reader.next().await.unwrap() else { break };
        batches.push(batch);
        // What is read ahead is not handed out.
        position = Some(SplitPosition(serde_json::from_str(&reader.position().0.to_string()).unwrap()));
    }
    batches
}

#[tokio::test]
async fn a_file_is_gone_on_with_behind_any_batch() {
    let rows = 2_000;
    let csv = |header: &str, end: &str| {
        let row = |n: i64| format!("{n},\"na\nme {n}\",2024-01-01 00:00:00");
        format!("{header}{}{end}", (0..rows).map(row).collect::<Vec<_>>().join("\n"))
    };
    let object = |n: i64| format!("{{\"n\": {n}, \"name\": \"ü{n}\"}}");
    let json = (0..rows).map(object).collect::<Vec<_>>().join("\n") + "\n";
    let texts = [
        ("csv", csv("\u{feff}n,name,ts\n", "\n"), vec![]),
        ("csv", csv("n,name,ts\n", ""), vec![("compression", "gzip")]),
        ("csv", csv("n,name,ts\r\n", ""), vec![]),
        ("json", json.clone(), vec![]),
        ("json", json.trim_end().to_owned(), vec![("compression", "zstd")]),
        ("json", format!("\u{feff}{json}"), vec![]),
    ];
    for (format, text, more) in texts {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("file");
        let bytes = match more.first() {
            Some((_, "gzip")) => {
                let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
                std::io::Write::write_all(&mut encoder, text.as_bytes()).unwrap();
                encoder.finish().unwrap()
            }
            Some(_) => zstd::encode_all(text.as_bytes(), 0).unwrap(),
            None => text.into_bytes(),
        };
        fs::write(&path, bytes).unwrap();
        let source = source(&table(&path, format, &more)).unwrap();
        let split = source.splits().await.unwrap().remove(0);
        let schema = Arc::new(source.schema().project(&[1, 0]).unwrap());
        let whole = read_source(source.as_ref(), &[1, 0]).await.unwrap();
        assert_eq!(whole.num_rows() as i64, rows);
        let broken = read_with_breaks(source.as_ref(), &split, &[7, 100, 1]).await;
        assert_eq!(concat_batches(&schema, &broken).unwrap(), whole, "{format} {more:?}");
    }
}

#[tokio::test]
async fn a_parquet_file_and_one_without_header_are_gone_on_with_behind_any_batch() {
    for (format, more) in [("parquet", vec![]), ("csv", vec![("csv.header", "false")])] {
        let dir = tempfile::tempdir().unwrap();
        let table = table(&dir.path().join("out"), format, &more);
        let sink = sink_of(&table);
        let staged = write(sink.as_ref(), "job", &[batch(0, 500), batch(500, 700)]).await;
        sink.commit(Epoch(1), staged).await.unwrap();
        let source = source(&table).unwrap();
        let split = source.splits().await.unwrap().remove(0);
        let broken = read_with_breaks(source.as_ref(), &split, &[100, 33]).await;
        let whole = read_source(source.as_ref(), &[1, 0]).await.unwrap();
        assert_eq!(whole.num_rows(), 1200);
        assert_eq!(concat_batches(&whole.schema(), &broken).unwrap(), whole, "{format}");
    }
}

#[tokio::test]
async fn a_line_is_called_by_its_number_behind_a_position_too() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("file.csv");
    fs::write(&path, "name,n,ts\na,1,\nb,2,\nc,x,\n").unwrap();
    let source = source(&table(&path, "csv", &[])).unwrap();
    let split = source.splits().await.unwrap().remove(0);
    let mut reader = source.open(&split, None, options(vec![1], 2)).await.unwrap();
    reader.next().await.unwrap();
    let mut reader = source.open(&split, Some(&reader.position()), options(vec![1], 2)).await.unwrap();
    let error = reader.next().await.unwrap_err().to_string();
    assert!(error.contains("line 4"), "{error}");
}

#[tokio::test]
async fn a_file_that_has_become_shorter_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("file.csv");
    fs::write(&path, "name,n,ts\na,1,\nb,2,\n").unwrap();
    let source = source(&table(&path, "csv", &[])).unwrap();
    let split = source.splits().await.unwrap().remove(0);
    let mut reader = source.open(&split, None, options(vec![1], 10)).await.unwrap();
    reader.next().await.unwrap();
    fs::write(&path, "name,n,ts\na,1,\n").unwrap();
    let mut reader = source.open(&split, Some(&reader.position()), options(vec![1], 10)).await.unwrap();
    let error = reader.next().await.unwrap_err();
    assert_eq!(error.kind(), dipper_types::ErrorKind::Invalid);
    assert!(error.to_string().ends_with("it has been read up to byte 20 before, and is shorter now"), "{error}");
}
