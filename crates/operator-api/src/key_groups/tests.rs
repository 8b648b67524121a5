//! Tests of the key hash. The pinned values were computed by a second implementation.
#![allow(clippy::unwrap_used, reason = "a test")]

use std::sync::Arc;

use arrow::array::{
    BinaryArray, BooleanArray, Date32Array, Decimal128Array, DictionaryArray, DurationSecondArray, Float32Array,
    Float64Array, Int8Array, Int32Array, Int64Array, IntervalMonthDayNanoArray, LargeStringArray, NullArray,
    StringArray, StringViewArray, Time32SecondArray, Time64NanosecondArray, TimestampMillisecondArray, new_null_array,
};
use arrow::datatypes::{Field, Fields, Int32Type, IntervalMonthDayNano, TimeUnit, i256};

use super::*;

fn hex(columns: &[ArrayRef]) -> Vec<String> {
    let hashes = key_hashes(columns, columns[0].len()).unwrap();
    hashes.iter().map(|hash| format!("{hash:016x}")).collect()
}

#[test]
fn the_hash_of_a_value_never_changes() {
    assert_eq!(KEY_HASH_VERSION, 1, "other hashes need another version");
    let texts = [
        Some(""),
        Some("a"),
        Some("AAPL"),
        Some("eight888"),
        Some("watermark"),
        Some("a name of 33 bytes, and one more!"),
        None,
    ];
    let expected = [
        "458e46c4378753f8",
        "fb90e6f959dd9af3",
        "d9d320b72c2f39de",
        "b614ceca5bb69fbe",
        "3dbe8d1903390ee6",
        "252df1ee63b0acc8",
        "e220a8397b1dcdaf",
    ];
    assert_eq!(hex(&[Arc::new(StringArray::from(texts.to_vec()))]), expected);
    let numbers = Int64Array::from(vec![0, 1, -1, i64::MAX]);
    assert_eq!(
        hex(&[Arc::new(numbers)]),
        ["0000000000000000", "7ab40e090f363a7d", "4bffd802ebfb15e4", "72eecd51dbdfc852"]
    );
    let floats = Float64Array::from(vec![-0.0, 1.5, f64::NAN]);
    assert_eq!(hex(&[Arc::new(floats)]), ["0000000000000000", "f16c38690e67bf1c", "5f7cd4f2e0e552a3"]);
    assert_eq!(hex(&[Arc::new(BooleanArray::from(vec![false, true]))]), ["0000000000000000", "7ab40e090f363a7d"]);
    assert_eq!(hex(&[Arc::new(Decimal128Array::from(vec![12345, -1]))]), ["1e42cca5b33f8e17", "ca5420b0710a0dac"]);
    let interval = IntervalMonthDayNano { months: 1, days: 2, nanoseconds: 3 };
    assert_eq!(hex(&[Arc::new(IntervalMonthDayNanoArray::from(vec![interval]))]), ["a486ea70d92c2ae5"]);
    let two: [ArrayRef; 2] = [Arc::new(StringArray::from(vec!["AAPL"])), Arc::new(Int64Array::from(vec![7]))];
    assert_eq!(hex(&two), ["27e94e653ce2f6b2"]);
}

#[test]
fn encodings_and_widths_of_a_value_hash_alike() {
    let words = || vec![Some("buy"), None, Some("a longer word than eight bytes")];
    let dictionary: DictionaryArray<Int32Type> = words().into_iter().collect();
    let decimals = Decimal128Array::from(vec![1, -7]);
    let wide = cast(&decimals, &DataType::Decimal256(60, 10)).unwrap();
    assert_eq!(wide.as_primitive::<Decimal256Type>().value(1), i256::from(-7));
    let pairs: Vec<(ArrayRef, ArrayRef)> = vec![
        (Arc::new(StringArray::from(words())), Arc::new(StringViewArray::from(words()))),
        (Arc::new(StringArray::from(words())), Arc::new(LargeStringArray::from(words()))),
        (Arc::new(StringArray::from(words())), Arc::new(dictionary)),
        (Arc::new(StringArray::from(vec!["ab"])), Arc::new(BinaryArray::from_vec(vec![b"ab"]))),
        (Arc::new(Int32Array::from(vec![7, -7])), Arc::new(Int64Array::from(vec![7, -7]))),
        (Arc::new(Int8Array::from(vec![Some(7), None])), Arc::new(Int64Array::from(vec![Some(7), None]))),
        (Arc::new(Float32Array::from(vec![0.5, f32::NAN])), Arc::new(Float64Array::from(vec![0.5, -f64::NAN]))),
        (Arc::new(decimals), wide),
    ];
    for (a, b) in pairs {
        assert_eq!(hex(&[Arc::clone(&a)]), hex(&[b]), "{}", a.data_type());
    }
}

#[test]
fn every_type_of_value_can_be_a_key_and_null_equals_null() {
    let time = |unit| DataType::Timestamp(unit, Some("Europe/Berlin".into()));
    let types = [
        DataType::Null,
        DataType::Boolean,
        DataType::Date32,
        DataType::Date64,
        DataType::Time32(TimeUnit::Second),
        DataType::Time64(TimeUnit::Nanosecond),
        time(TimeUnit::Nanosecond),
        DataType::Duration(TimeUnit::Millisecond),
        DataType::Interval(IntervalUnit::YearMonth),
        DataType::Interval(IntervalUnit::DayTime),
        DataType::Interval(IntervalUnit::MonthDayNano),
        DataType::Decimal32(9, 2),
        DataType::Decimal64(18, 2),
        DataType::Decimal256(76, 2),
        DataType::Float16,
        DataType::FixedSizeBinary(3),
        DataType::BinaryView,
        DataType::Dictionary(Box::new(DataType::Int8), Box::new(DataType::Utf8)),
        DataType::List(Arc::new(Field::new_list_field(DataType::Int64, true))),
        DataType::Struct(Fields::from(vec![Field::new("a", DataType::Int64, true)])),
    ];
    for kind in types {
        assert_eq!(hex(&[new_null_array(&kind, 2)]), ["e220a8397b1dcdaf"; 2], "{kind}");
    }
    let values: Vec<ArrayRef> = vec![
        Arc::new(Date32Array::from(vec![1])),
        Arc::new(Time32SecondArray::from(vec![1])),
        Arc::new(Time64NanosecondArray::from(vec![1])),
        Arc::new(TimestampMillisecondArray::from(vec![1])),
        Arc::new(DurationSecondArray::from(vec![1])),
    ];
    for column in values {
        assert_eq!(hex(&[Arc::clone(&column)]), ["7ab40e090f363a7d"], "{}", column.data_type());
    }
    assert_eq!(hex(&[Arc::new(NullArray::new(1))]), ["e220a8397b1dcdaf"]);
}

#[test]
fn keys_spread_over_the_groups() {
    let names: ArrayRef = Arc::new(StringArray::from_iter_values((0..12_800).map(|key| format!("SYM{key}"))));
    let numbers: ArrayRef = Arc::new(Int64Array::from_iter_values(0..12_800));
    for column in [names, numbers] {
        let mut sizes = [0; 128];
        for group in key_groups(&[column], 12_800, 128).unwrap() {
            sizes[usize::from(group.0)] += 1;
        }
        assert!(sizes.iter().all(|size| (60..=140).contains(size)), "{sizes:?}");
    }
}

#[test]
fn texts_that_differ_in_one_byte_or_in_length_hash_differently() {
    let mut texts: Vec<Vec<u8>> = (0..40).map(|length| vec![0; length]).collect();
    for length in 1..40 {
        for byte in 0..length {
            let mut text = vec![0; length];
            text[byte] = 1;
            texts.push(text);
        }
    }
    let count = texts.len();
    let distinct: std::collections::HashSet<u64> = texts.iter().map(|text| bytes_hash(text)).collect();
    assert_eq!(distinct.len(), count);
}
