//! Rows on the wire: of types that the Arrow libraries of all languages know, in messages that all clients accept.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray};
use arrow::compute::cast;
use arrow::datatypes::{DataType, Field, FieldRef, Schema, SchemaRef};
use arrow::error::ArrowError;
use arrow::record_batch::{RecordBatch, RecordBatchOptions};
use arrow_flight::FlightData;
use arrow_flight::encode::FlightDataEncoderBuilder;
use arrow_flight::error::FlightError;
use futures::stream::{self, BoxStream};
use futures::{Stream, StreamExt, TryStreamExt};

use tonic::Status;

use crate::status::{Result, of_arrow, of_flight};

/// How large the data of one message may be, unless it is a single row. Clients accept 4 MiB at least.
const MESSAGE_BYTES_MAX: usize = 2 << 20;

/// These columns, as clients are sent them.
pub(crate) fn wire_schema(schema: &Schema) -> SchemaRef {
    let fields = schema.fields().iter().map(wire_field).collect::<Vec<_>>();
    Arc::new(Schema::new(fields))
}

/// A type that all clients know, for values of this type.
pub(crate) fn wire_type(data_type: &DataType) -> DataType {
    match data_type {
        DataType::Dictionary(_, values) => wire_type(values),
        DataType::RunEndEncoded(_, values) => wire_type(values.data_type()),
        DataType::Utf8View => DataType::Utf8,
        DataType::BinaryView => DataType::Binary,
        DataType::Decimal32(precision, scale) | DataType::Decimal64(precision, scale) => {
            DataType::Decimal128(*precision, *scale)
        }
        DataType::List(element) | DataType::ListView(element) => DataType::List(wire_field(element)),
        DataType::LargeList(element) | DataType::LargeListView(element) => DataType::LargeList(wire_field(element)),
        DataType::FixedSizeList(element, size) => DataType::FixedSizeList(wire_field(element), *size),
        DataType::Struct(fields) => DataType::Struct(fields.iter().map(wire_field).collect()),
        DataType::Map(entries, is_sorted) => DataType::Map(wire_field(entries), *is_sorted),
        other => other.clone(),
    }
}

fn wire_field(field: &FieldRef) -> FieldRef {
    let data_type = wire_type(field.data_type());
    if data_type == *field.data_type() {
        return Arc::clone(field);
    }
    Arc::new(Field::new(field.name(), data_type, field.is_nullable()).with_metadata(field.metadata().clone()))
}

/// Rows as messages: the schema first, then as many rows as a message may hold. `schema` is as [`wire_schema`] makes it.
pub(crate) fn encoded(
    schema: &SchemaRef,
    rows: impl Stream<Item = Result<RecordBatch>> + Send + 'static,
) -> BoxStream<'static, Result<FlightData>> {
    let wire = Arc::clone(schema);
    let pieces = rows.map(move |batch| batch.and_then(|batch| on_wire(&batch, &wire).map_err(of_arrow)));
    let pieces = pieces.map_ok(|batch| stream::iter(pieces_of(batch)).map(Ok::<_, Status>)).try_flatten();
    let encoder = FlightDataEncoderBuilder::new()
        .with_schema(Arc::clone(schema))
        // They are cut already, by what the rows take and not by what stands behind them.
        .with_max_flight_data_size(usize::MAX)
        .build(pieces.map_err(FlightError::from));
    encoder.map_err(of_flight).boxed()
}

fn on_wire(batch: &RecordBatch, schema: &SchemaRef) -> Result<RecordBatch, ArrowError> {
    let column = |(column, field): (&ArrayRef, &FieldRef)| {
        if column.data_type() == field.data_type() { Ok(Arc::clone(column)) } else { cast(column, field.data_type()) }
    };
    let columns = batch.columns().iter().zip(schema.fields()).map(column).collect::<Result<_, _>>()?;
    let options = RecordBatchOptions::new().with_row_count(Some(batch.num_rows()));
    RecordBatch::try_new_with_options(Arc::clone(schema), columns, &options)
}

/// The rows in pieces that fit into a message each, halved until they do.
fn pieces_of(batch: RecordBatch) -> Vec<RecordBatch> {
    let (mut waiting, mut pieces) = (vec![batch], Vec::new());
    while let Some(batch) = waiting.pop() {
        let (rows, half) = (batch.num_rows(), batch.num_rows() / 2);
        if rows <= 1 || batch.columns().iter().map(bytes).sum::<usize>() <= MESSAGE_BYTES_MAX {
            pieces.push(batch);
        } else {
            waiting.push(batch.slice(half, rows - half));
            waiting.push(batch.slice(0, half));
        }
    }
    pieces
}

/// How many bytes the values take, and nothing that the array was cut from.
fn bytes(array: &ArrayRef) -> usize {
    match array.data_type() {
        DataType::List(_) => {
            let list = array.as_list::<i32>();
            let (start, end) = (list.value_offsets()[0], list.value_offsets()[list.len()]);
            4 * list.len() + bytes(&list.values().slice(start as usize, (end - start) as usize))
        }
        DataType::LargeList(_) => {
            let list = array.as_list::<i64>();
            let (start, end) = (list.value_offsets()[0], list.value_offsets()[list.len()]);
            8 * list.len() + bytes(&list.values().slice(start as usize, (end - start) as usize))
        }
        DataType::Map(..) => {
            let map = array.as_map();
            let (start, end) = (map.value_offsets()[0], map.value_offsets()[map.len()]);
            let entries = map.entries().slice(start as usize, (end - start) as usize);
            4 * map.len() + entries.columns().iter().map(bytes).sum::<usize>()
        }
        DataType::FixedSizeList(..) => bytes(array.as_fixed_size_list().values()),
        DataType::Struct(_) => array.as_struct().columns().iter().map(bytes).sum(),
        _ => array.to_data().get_slice_memory_size().unwrap_or_else(|_| array.get_buffer_memory_size()),
    }
}

#[cfg(test)]
mod tests {
    use arrow::array::{
        BinaryViewArray, DictionaryArray, Int32Array, Int64Array, ListBuilder, StringArray, StringViewArray,
        StringViewBuilder,
    };
    use arrow::datatypes::Int32Type;
    use arrow_flight::decode::FlightRecordBatchStream;

    use super::*;

    async fn sent(batch: RecordBatch) -> (Vec<FlightData>, Vec<RecordBatch>) {
        let schema = wire_schema(&batch.schema());
        let messages: Vec<_> = encoded(&schema, stream::iter([Ok(batch)])).try_collect().await.unwrap();
        let back = stream::iter(messages.clone()).map(Ok);
        let batches: Vec<_> = FlightRecordBatchStream::new_from_flight_data(back).try_collect().await.unwrap();
        for batch in &batches {
            assert_eq!(batch.schema(), schema);
        }
        (messages, batches)
    }

    #[tokio::test]
    async fn every_client_knows_the_types_on_the_wire() {
        let mut list = ListBuilder::new(StringViewBuilder::new());
        list.append_value([Some("one"), None]);
        list.append_null();
        let columns: Vec<(&str, ArrayRef)> = vec![
            ("dictionary", Arc::new(DictionaryArray::<Int32Type>::from_iter([Some("a"), None]))),
            ("text", Arc::new(StringViewArray::from(vec![Some("a text that is longer than a view"), None]))),
            ("bytes", Arc::new(BinaryViewArray::from(vec![Some(&b"x"[..]), None]))),
            ("list", Arc::new(list.finish())),
        ];
        let (_, batches) = sent(RecordBatch::try_from_iter(columns).unwrap()).await;
        let types: Vec<_> = batches[0].schema().fields().iter().map(|field| field.data_type().clone()).collect();
        let list = DataType::List(Arc::new(Field::new_list_field(DataType::Utf8, true)));
        assert_eq!(types, [DataType::Utf8, DataType::Utf8, DataType::Binary, list]);
        assert_eq!(batches[0].column(0).as_string::<i32>(), &StringArray::from(vec![Some("a"), None]));
    }

    #[tokio::test]
    async fn no_message_is_too_large_however_uneven_the_rows_are() {
        let text = |row: usize| "x".repeat(if row < 6_000 { 1 } else { 5_000 });
        let texts: StringArray = (0..8_000).map(|row| Some(text(row))).collect();
        let batch = RecordBatch::try_from_iter([("text", Arc::new(texts.clone()) as ArrayRef)]).unwrap();
        let (messages, batches) = sent(batch).await;
        assert!(messages.iter().all(|message| message.data_body.len() <= MESSAGE_BYTES_MAX + 4_096));
        assert!(messages.len() < 20, "{} messages", messages.len());
        let back = batches.iter().flat_map(|batch| batch.column(0).as_string::<i32>().iter()).collect::<StringArray>();
        assert_eq!(back, texts);
    }

    #[tokio::test]
    async fn a_small_piece_of_something_large_is_one_message() {
        let mut list = ListBuilder::new(Int64Array::builder(0));
        (0..1_000).for_each(|_| list.append_value((0..1_000).map(Some)));
        let list = RecordBatch::try_from_iter([("list", Arc::new(list.finish()) as ArrayRef)]).unwrap();
        let (messages, batches) = sent(list.slice(500, 10)).await;
        assert_eq!((messages.len(), batches[0].num_rows()), (2, 10));
    }

    #[tokio::test]
    async fn rows_without_columns_and_columns_without_rows_arrive() {
        let options = RecordBatchOptions::new().with_row_count(Some(3));
        let batch = RecordBatch::try_new_with_options(Arc::new(Schema::empty()), vec![], &options).unwrap();
        assert_eq!(sent(batch).await.1[0].num_rows(), 3);
        let empty = Int32Array::from(Vec::<i32>::new());
        let (messages, batches) = sent(RecordBatch::try_from_iter([("a", Arc::new(empty) as ArrayRef)]).unwrap()).await;
        assert_eq!((messages.len(), batches.len()), (1, 0));
    }
}
