//! Checkpoints of the log: everything that is in force at a version, one action a row, as a Parquet file.

use std::sync::Arc;

use arrow::datatypes::{DataType, Field, Fields, Schema};
use arrow::json::{LineDelimitedWriter, ReaderBuilder};
use bytes::Bytes;
use dipper_state::offload;
use dipper_types::{Error, ErrorKind, Result};
use parquet::arrow::ArrowWriter;
use parquet::arrow::ProjectionMask;
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
use parquet::basic::{Compression, ZstdLevel};
use parquet::errors::ParquetError;
use parquet::file::properties::WriterProperties;

use super::action::{Line, decode};
use super::log::{Log, checkpoint_name};
use super::state::State;

/// Rows that are turned into columns at a time.
const BATCH_ROWS: usize = 8192;

/// Actions that a checkpoint of a form we know consists of.
const ACTIONS: [&str; 5] = ["txn", "add", "remove", "metaData", "protocol"];

/// Actions of forms that we do not know: files beside the checkpoint.
const FOREIGN: [&str; 2] = ["sidecar", "checkpointMetadata"];

/// Parts of an action that say the same again, in a column of its own.
const REPEATED: [&str; 2] = ["stats_parsed", "partitionValues_parsed"];

/// Writes the checkpoint of a state, and says so.
pub(crate) async fn write(log: &Log, state: &State) -> Result<()> {
    let (version, lines) = (state.view.snapshot.version, state.lines());
    let size = lines.len() as u64;
    let bytes = offload(move || encode(&lines)).await?;
    log.directory.put(&checkpoint_name(version), &bytes).await?;
    log.put_hint(version, size).await
}

/// The lines of the checkpoint of a version; none if it does not exist.
pub(crate) async fn read(log: &Log, version: u64) -> Result<Option<Vec<Line>>> {
    let name = checkpoint_name(version);
    let Some(bytes) = log.directory.get(&name).await? else { return Ok(None) };
    let lines = offload(move || from_parquet(bytes)).await;
    lines.map(Some).map_err(|error| log.about(error.context(format!("checkpoint '{name}'"))))
}

fn encode(lines: &[Line]) -> Result<Bytes> {
    let schema = Arc::new(schema());
    let compression = Compression::ZSTD(ZstdLevel::try_new(1).map_err(|error| unwritten(&error))?);
    let properties = WriterProperties::builder().set_compression(compression).build();
    let mut writer = ArrowWriter::try_new(Vec::new(), Arc::clone(&schema), Some(properties));
    for rows in lines.chunks(BATCH_ROWS) {
        let mut decoder = ReaderBuilder::new(Arc::clone(&schema)).with_batch_size(BATCH_ROWS).build_decoder()?;
        decoder.serialize(rows)?;
        if let Some(batch) = decoder.flush()? {
            writer = writer.and_then(|mut writer| writer.write(&batch).map(|()| writer));
        }
    }
    Ok(Bytes::from(writer.and_then(ArrowWriter::into_inner).map_err(|error| unwritten(&error))?))
}

fn from_parquet(bytes: Bytes) -> Result<Vec<Line>> {
    let builder = ParquetRecordBatchReaderBuilder::try_new(bytes).map_err(|error| unread(&error))?;
    let columns = builder.parquet_schema().columns().iter().enumerate();
    let wanted = columns.filter(|(_, column)| {
        let path = column.path().parts();
        (ACTIONS.contains(&path[0].as_str()) || FOREIGN.contains(&path[0].as_str()))
            && !path.get(1).is_some_and(|part| REPEATED.contains(&part.as_str()))
    });
    let mask = ProjectionMask::leaves(builder.parquet_schema(), wanted.map(|(index, _)| index).collect::<Vec<_>>());
    let reader = builder.with_projection(mask).with_batch_size(BATCH_ROWS).build().map_err(|error| unread(&error))?;
    let mut json = LineDelimitedWriter::new(Vec::new());
    for batch in reader {
        let batch = batch?;
        let foreign = FOREIGN.iter().find(|name| {
            batch.column_by_name(name).is_some_and(|column| arrow::array::Array::null_count(column) < batch.num_rows())
        });
        if let Some(foreign) = foreign {
            return Err(Error::unsupported(format!("it has '{foreign}' actions, as checkpoints of the form V2 have"))
                .with_hint("Dipper reads checkpoints of one file in the classic form"));
        }
        json.write(&batch)?;
    }
    json.finish()?;
    decode(&json.into_inner())
}

fn unread(error: &ParquetError) -> Error {
    Error::new(ErrorKind::Corrupt, format!("cannot read as parquet: {error}"))
}

fn unwritten(error: &ParquetError) -> Error {
    Error::internal(format!("cannot write a checkpoint: {error}"))
}

/// The columns of a checkpoint. Names of maps and lists are those of Parquet.
fn schema() -> Schema {
    let text = |name: &str| Field::new(name, DataType::Utf8, true);
    let long = |name: &str| Field::new(name, DataType::Int64, true);
    let int = |name: &str| Field::new(name, DataType::Int32, true);
    let boolean = |name: &str| Field::new(name, DataType::Boolean, true);
    let structure = |name: &str, fields: Vec<Field>| Field::new_struct(name, fields, true);
    let texts = |name: &str| Field::new_list(name, Field::new("element", DataType::Utf8, true), true);
    let map = |name: &str| {
        let entry =
            Fields::from(vec![Field::new("key", DataType::Utf8, false), Field::new("value", DataType::Utf8, true)]);
        let entries = Field::new("key_value", DataType::Struct(entry), false);
        Field::new(name, DataType::Map(Arc::new(entries), false), true)
    };
    let vector = || {
        let parts =
            vec![text("storageType"), text("pathOrInlineDv"), int("offset"), int("sizeInBytes"), long("cardinality")];
        structure("deletionVector", parts)
    };
    let format = structure("format", vec![text("provider"), map("options")]);
    Schema::new(vec![
        structure("txn", vec![text("appId"), long("version"), long("lastUpdated")]),
        structure(
            "add",
            vec![
                text("path"),
                map("partitionValues"),
                long("size"),
                long("modificationTime"),
                boolean("dataChange"),
                text("stats"),
                vector(),
            ],
        ),
        structure(
            "remove",
            vec![
                text("path"),
                long("deletionTimestamp"),
                boolean("dataChange"),
                boolean("extendedFileMetadata"),
                map("partitionValues"),
                long("size"),
                vector(),
            ],
        ),
        structure(
            "metaData",
            vec![
                text("id"),
                text("name"),
                text("description"),
                format,
                text("schemaString"),
                texts("partitionColumns"),
                map("configuration"),
                long("createdTime"),
            ],
        ),
        structure(
            "protocol",
            vec![int("minReaderVersion"), int("minWriterVersion"), texts("readerFeatures"), texts("writerFeatures")],
        ),
    ])
}
