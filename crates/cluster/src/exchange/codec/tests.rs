//! What goes into the codec comes out of it, and nothing else does harm.

use std::sync::Arc;

use arrow::array::{
    Array, ArrayRef, AsArray, BinaryArray, BinaryViewArray, BooleanArray, Date32Array, Decimal128Array,
    Decimal256Array, DictionaryArray, FixedSizeBinaryArray, Float64Array, Int64Array, IntervalMonthDayNanoArray,
    LargeStringArray, ListArray, NullArray, RecordBatchOptions, RunArray, StringArray, StringViewArray, StructArray,
    TimestampMicrosecondArray, TimestampNanosecondArray, UInt8Array,
};
use arrow::buffer::{NullBuffer, OffsetBuffer};
use arrow::compute::{concat_batches, take};
use arrow::datatypes::{DataType, Field, Int32Type, Int64Type, IntervalMonthDayNano, Schema, UInt8Type, i256};
use arrow::record_batch::RecordBatch;
use bytes::{Bytes, BytesMut};
use dipper_types::ErrorKind;
use proptest::prelude::*;
use prost::Message;

use super::super::proto::Arrow;
use super::*;

/// Encodes as the sender does, and lets the bytes arrive at any place in memory.
fn frames(elements: impl IntoIterator<Item = StreamElement>) -> Vec<Frame> {
    let (mut encoder, mut frames) = (Encoder::default(), VecDeque::new());
    for element in elements {
        encoder.encode(element, &mut frames).unwrap();
    }
    frames.iter().enumerate().map(|(index, frame)| arrived(frame, index)).collect()
}

fn arrived(frame: &Frame, misalignment: usize) -> Frame {
    let mut bytes = BytesMut::zeroed(misalignment);
    frame.encode(&mut bytes).unwrap();
    Frame::decode(bytes.freeze().slice(misalignment..)).unwrap()
}

fn decoded(schema: SchemaRef, frames: impl IntoIterator<Item = Frame>) -> Result<Vec<StreamElement>> {
    let mut decoder = Decoder::new(schema);
    frames.into_iter().filter_map(|frame| decoder.decode(frame).transpose()).collect()
}

fn batches(schema: SchemaRef, frames: impl IntoIterator<Item = Frame>) -> Vec<RecordBatch> {
    let rows = |element| match element {
        StreamElement::Batch(batch) => batch,
        other => panic!("no rows: {other:?}"),
    };
    decoded(schema, frames).unwrap().into_iter().map(rows).collect()
}

fn survives(sent: &[RecordBatch]) {
    let frames = frames(sent.iter().cloned().map(StreamElement::Batch));
    assert_eq!(batches(sent[0].schema(), frames), sent);
}

fn column(name: &str, array: impl Array + 'static) -> (String, ArrayRef) {
    (name.to_owned(), Arc::new(array))
}

/// One column of every type, made of the same values.
fn columns_of_every_type(values: &[Option<i64>]) -> RecordBatch {
    let text = |value: i64| "naïve ".repeat(value.unsigned_abs() as usize % 5) + &value.to_string();
    let strings = || values.iter().map(|value| value.map(text));
    let bytes = || values.iter().map(|value| value.map(i64::to_be_bytes));
    let owned: Vec<Option<[u8; 8]>> = bytes().collect();
    let slices = || owned.iter().map(|bytes| bytes.as_ref().map(|bytes| &bytes[..]));
    let lists = || values.iter().map(|value| value.map(|value| vec![Some(value); value.unsigned_abs() as usize % 4]));
    let validity: NullBuffer = values.iter().map(Option::is_some).collect();
    let offsets = OffsetBuffer::<i32>::from_repeated_length(1, values.len());
    let item = Arc::new(Field::new("item", DataType::Utf8View, true));
    let views: ArrayRef = Arc::new(strings().collect::<StringViewArray>());
    let numbers: ArrayRef = Arc::new(values.iter().copied().collect::<Int64Array>());
    let fields = vec![Field::new("number", DataType::Int64, true), Field::new("text", DataType::Utf8View, true)];
    let interval = |value: i64| IntervalMonthDayNano::new(value as i32, -7, value);
    let ends = (1..=values.len() as i64).collect::<Int64Array>();
    let dictionary = strings().collect::<Vec<_>>();
    let columns = [
        column("int64", values.iter().copied().collect::<Int64Array>()),
        column("uint8", values.iter().map(|value| value.map(|value| value as u8)).collect::<UInt8Array>()),
        column("float64", values.iter().map(|value| value.map(|value| value as f64)).collect::<Float64Array>()),
        column("boolean", values.iter().map(|value| value.map(|value| value % 2 == 0)).collect::<BooleanArray>()),
        column("utf8", strings().collect::<StringArray>()),
        column("large_utf8", strings().collect::<LargeStringArray>()),
        column("utf8_view", strings().collect::<StringViewArray>()),
        column("binary", slices().collect::<BinaryArray>()),
        column("binary_view", slices().collect::<BinaryViewArray>()),
        column("fixed", FixedSizeBinaryArray::try_from_sparse_iter_with_size(bytes(), 8).unwrap()),
        column("date", values.iter().map(|value| value.map(|value| value as i32)).collect::<Date32Array>()),
        column("micros", values.iter().copied().collect::<TimestampMicrosecondArray>()),
        column("nanos", values.iter().copied().collect::<TimestampNanosecondArray>().with_timezone("Europe/Berlin")),
        column("interval", values.iter().map(|v| v.map(interval)).collect::<IntervalMonthDayNanoArray>()),
        column("decimal", values.iter().map(|v| v.map(i128::from)).collect::<Decimal128Array>()),
        column("decimal256", values.iter().map(|v| v.map(i256::from)).collect::<Decimal256Array>()),
        column("dictionary", dictionary.iter().map(Option::as_deref).collect::<DictionaryArray<Int32Type>>()),
        column("null", NullArray::new(values.len())),
        column("list", ListArray::from_iter_primitive::<Int64Type, _, _>(lists())),
        column("list_of_views", ListArray::new(item, offsets, Arc::clone(&views), Some(validity.clone()))),
        column("struct", StructArray::new(fields.into(), vec![numbers, views], Some(validity))),
    ];
    let mut columns = Vec::from(columns);
    if !values.is_empty() {
        columns.push(column("runs", RunArray::try_new(&ends, &strings().collect::<StringArray>()).unwrap()));
    }
    RecordBatch::try_from_iter_with_nullable(columns.into_iter().map(|(name, array)| (name, array, true))).unwrap()
}

fn numbers(rows: usize) -> RecordBatch {
    RecordBatch::try_from_iter([column("n", (0..rows as i64).collect::<Int64Array>())]).unwrap()
}

fn strings(values: &[&str]) -> RecordBatch {
    RecordBatch::try_from_iter([column("s", StringArray::from(values.to_vec()))]).unwrap()
}

fn dictionary(keys: Vec<u8>, values: &StringArray) -> RecordBatch {
    let column = DictionaryArray::<UInt8Type>::new(keys.into(), Arc::new(values.clone()));
    RecordBatch::try_from_iter([("d", Arc::new(column) as ArrayRef)]).unwrap()
}

proptest! {
    #[test]
    fn rows_of_every_type_survive(
        sizes in prop::collection::vec(prop::collection::vec(prop::option::of(any::<i64>()), 1..40), 1..4),
        skipped in 0_usize..40,
    ) {
        let whole: Vec<_> = sizes.iter().map(|values| columns_of_every_type(values)).collect();
        survives(&whole);
        // Parts of batches, which begin and end anywhere in their buffers.
        // (Arrow cannot read runs without rows, so none is empty.)
        let from = |batch: &RecordBatch| skipped % batch.num_rows();
        let parts = whole.iter().map(|batch| batch.slice(from(batch), batch.num_rows() - from(batch)));
        survives(&parts.collect::<Vec<_>>());
    }

    #[test]
    fn elements_without_rows_survive(timestamp in any::<i64>(), epoch in any::<u64>()) {
        let elements = [
            StreamElement::Watermark(Watermark(Timestamp(timestamp))),
            StreamElement::Idle,
            StreamElement::Active,
            StreamElement::Barrier(Barrier { epoch: Epoch(epoch) }),
            StreamElement::End,
        ];
        let arrived = decoded(Arc::new(Schema::empty()), frames(elements.clone())).unwrap();
        assert_eq!(format!("{arrived:?}"), format!("{elements:?}"));
    }

    #[test]
    fn damaged_messages_are_errors_or_rows_but_no_panic(
        which in 0_usize..3,
        damage in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..8),
        in_body in any::<bool>(),
    ) {
        let batch = columns_of_every_type(&[Some(1), None, Some(-77), Some(12)]);
        let mut frames = frames([StreamElement::Batch(batch.clone())]);
        let which = which.min(frames.len() - 1);
        let Some(Content::Arrow(message)) = &mut frames[which].content else { panic!("not Arrow's") };
        let part = if in_body { &mut message.body } else { &mut message.header };
        let mut bytes = part.to_vec();
        for (index, value) in damage {
            if !bytes.is_empty() {
                let index = index.index(bytes.len());
                bytes[index] = value;
            }
        }
        *part = Bytes::from(bytes);
        let _ = decoded(batch.schema(), frames);
    }

    #[test]
    fn noise_is_an_error(header in prop::collection::vec(any::<u8>(), 0..200), body in prop::collection::vec(any::<u8>(), 0..200)) {
        let noise = Frame { content: Some(Content::Arrow(Arrow { header: header.into(), body: body.into() })) };
        assert!(decoded(numbers(0).schema(), [noise]).is_err());
    }
}

#[test]
fn a_batch_without_rows_or_without_columns_survives() {
    survives(&[columns_of_every_type(&[])]);
    let options = RecordBatchOptions::new().with_row_count(Some(77));
    survives(&[RecordBatch::try_new_with_options(Arc::new(Schema::empty()), vec![], &options).unwrap()]);
}

#[test]
fn a_schema_is_sent_once() {
    let frames = frames((0..5).map(|_| StreamElement::Batch(numbers(3))));
    assert_eq!(frames.len(), 1 + 5);
}

#[test]
fn a_schema_that_differs_in_no_name_or_type_is_sent_again() {
    let nullable = Arc::new(Schema::new(vec![Field::new("n", DataType::Int64, true)]));
    let with_null = RecordBatch::try_new(nullable, vec![Arc::new(Int64Array::from(vec![None]))]).unwrap();
    survives(&[numbers(1), with_null, numbers(2)]);
}

#[test]
fn a_dictionary_is_sent_when_it_is_new() {
    let (colours, fruits) = (StringArray::from(vec!["red", "green"]), StringArray::from(vec!["apple", "pear"]));
    let sent = [
        dictionary(vec![0, 1], &colours),
        dictionary(vec![1, 1, 0], &colours),
        dictionary(vec![0], &fruits),
        dictionary(vec![0], &StringArray::from(vec!["apple", "pear", "plum"])),
    ];
    let frames = frames(sent.iter().cloned().map(StreamElement::Batch));
    let dictionaries = 3;
    assert_eq!(frames.len(), 1 + dictionaries + sent.len());
    assert_eq!(batches(sent[0].schema(), frames), sent);
}

#[test]
fn a_huge_batch_comes_in_parts_of_which_each_fits_a_frame() {
    let words: Vec<String> = (0..300_000).map(|n| format!("{n:>30}")).collect();
    let keys = (0..300_000).map(|n| ["red", "green", "blue"][n % 3]).collect::<DictionaryArray<UInt8Type>>();
    let sent = RecordBatch::try_from_iter([
        column("n", (0..300_000).collect::<Int64Array>()),
        column("s", StringArray::from(words)),
        column("d", keys),
    ]);
    let sent = sent.unwrap();
    let frames = frames([StreamElement::Batch(sent.clone())]);
    assert!(frames.iter().all(|frame| frame.encoded_len() <= FRAME_BYTES + 1024));
    let parts = batches(sent.schema(), frames);
    assert!((3..10).contains(&parts.len()), "{} parts", parts.len());
    assert_eq!(concat_batches(&sent.schema(), &parts).unwrap(), sent);
}

#[test]
fn one_huge_row_among_others_goes_alone() {
    let huge = "x".repeat(FRAME_BYTES * 2);
    let sent = strings(&["a", "b", "c", &huge, "d", "e"]);
    let parts = batches(sent.schema(), frames([StreamElement::Batch(sent.clone())]));
    assert!(parts.len() > 1);
    assert_eq!(concat_batches(&sent.schema(), &parts).unwrap(), sent);
}

#[test]
fn a_row_larger_than_any_frame_is_refused() {
    let (mut encoder, mut frames) = (Encoder::default(), VecDeque::new());
    let huge = strings(&["small", &"x".repeat(FRAME_BYTES_MAX)]);
    let error = encoder.encode(StreamElement::Batch(huge), &mut frames).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unsupported);
}

#[test]
fn views_take_along_only_what_they_show() {
    let words: StringViewArray = (0..100_000).map(|n| Some(format!("{n:>30}"))).collect();
    let few = take(&words, &Int64Array::from(vec![7, 70_000]), None).unwrap();
    assert!(few.as_string_view().data_buffers().iter().map(|buffer| buffer.len()).sum::<usize>() > 1_000_000);
    let sent = RecordBatch::try_from_iter([("s", few)]).unwrap();
    let frames = frames([StreamElement::Batch(sent.clone())]);
    assert!(frames.iter().all(|frame| frame.encoded_len() < 1024));
    assert_eq!(batches(sent.schema(), frames), [sent]);
}

#[test]
fn a_batch_whose_parts_would_all_be_as_large_stays_whole() {
    let words: StringViewArray = (0..200_000).map(|n| Some(format!("{n:>40}"))).collect();
    let field = Arc::new(Field::new("item", DataType::Utf8View, true));
    let list = ListArray::new(field, OffsetBuffer::from_repeated_length(100, 2_000), Arc::new(words), None);
    let sent = RecordBatch::try_from_iter([column("l", list)]).unwrap();
    let frames = frames([StreamElement::Batch(sent.clone())]);
    assert_eq!(frames.len(), 2);
    assert_eq!(batches(sent.schema(), frames), [sent]);
}

#[test]
fn rows_that_the_receiver_does_not_expect_are_refused() {
    let error = decoded(strings(&[]).schema(), frames([StreamElement::Batch(numbers(1))])).unwrap_err();
    assert_eq!(error.to_string(), "its rows are (n Int64), and the receiver expects (s Utf8)");
}

#[test]
fn rows_before_a_schema_are_refused() {
    let rows = frames([StreamElement::Batch(numbers(1))]).split_off(1);
    let error = decoded(numbers(0).schema(), rows).unwrap_err();
    assert_eq!(error.to_string(), "malformed message: no schema precedes it");
}

#[test]
fn a_body_of_another_length_is_refused() {
    let mut frames = frames([StreamElement::Batch(numbers(9))]);
    if let Some(Content::Arrow(message)) = &mut frames[1].content {
        message.body.truncate(16);
    }
    let error = decoded(numbers(0).schema(), frames).unwrap_err();
    assert_eq!(error.to_string(), "malformed message: its body is not as long as it says");
}

#[test]
fn a_frame_of_an_unknown_kind_is_refused() {
    assert_eq!(decoded(numbers(0).schema(), [Frame { content: None }]).unwrap_err().kind(), ErrorKind::Internal);
}
