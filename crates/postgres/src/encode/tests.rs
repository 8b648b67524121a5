//! Values as PostgreSQL writes them.

use std::sync::Arc;

use arrow::array::*;
use arrow::buffer::OffsetBuffer;
use arrow::datatypes::{DataType, Field, Int32Type, IntervalDayTime, IntervalMonthDayNano, TimeUnit, i256};

use super::column::column;
use super::*;

fn written(array: &ArrayRef, format: Format, style: &Style) -> Vec<Option<Vec<u8>>> {
    let field = Field::new("c", array.data_type().clone(), true);
    let column = column(array, &field, format, style).unwrap();
    let value = |row| {
        let mut out = BytesMut::new();
        column.write(row, &mut out).unwrap();
        out.to_vec()
    };
    (0..array.len()).map(|row| (!column.is_null(row)).then(|| value(row))).collect()
}

fn texts_of(array: impl Array + 'static, style: &Style) -> Vec<String> {
    let text =
        |bytes: Option<Vec<u8>>| bytes.map_or_else(|| "NULL".to_owned(), |bytes| String::from_utf8(bytes).unwrap());
    written(&(Arc::new(array) as ArrayRef), Format::Text, style).into_iter().map(text).collect()
}

fn texts(array: impl Array + 'static) -> Vec<String> {
    texts_of(array, &Style::default())
}

fn binary(array: impl Array + 'static) -> Vec<Vec<u8>> {
    written(&(Arc::new(array) as ArrayRef), Format::Binary, &Style::default())
        .into_iter()
        .map(Option::unwrap_or_default)
        .collect()
}

#[test]
fn numbers() {
    assert_eq!(texts(Int8Array::from(vec![Some(-8), None])), ["-8", "NULL"]);
    assert_eq!(binary(Int8Array::from(vec![-8])), [[0xff, 0xf8]]);
    assert_eq!(binary(UInt16Array::from(vec![65_535])), [[0, 0, 255, 255]]);
    assert_eq!(binary(UInt32Array::from(vec![u32::MAX])), [[0, 0, 0, 0, 255, 255, 255, 255]]);
    assert_eq!(texts(UInt64Array::from(vec![u64::MAX])), ["18446744073709551615"]);
    assert_eq!(texts(BooleanArray::from(vec![true, false])), ["t", "f"]);
    assert_eq!(binary(BooleanArray::from(vec![true, false])), [[1], [0]]);
}

#[test]
fn floats_have_as_few_digits_as_tell_them_apart() {
    let doubles = [
        (0.1, "0.1"),
        (-1.5, "-1.5"),
        (100.0, "100"),
        (1e14, "100000000000000"),
        (1e15, "1e+15"),
        (123_456_789_012_345_680.0, "1.2345678901234568e+17"),
        (0.0001, "0.0001"),
        (0.000_012, "1.2e-05"),
        (1e-300, "1e-300"),
        (-0.0, "-0"),
        (f64::NAN, "NaN"),
        (f64::NEG_INFINITY, "-Infinity"),
    ];
    for (value, text) in doubles {
        assert_eq!(texts(Float64Array::from(vec![value])), [text]);
    }
    for (value, text) in [(0.1_f32, "0.1"), (1e6, "1e+06"), (123_456.0, "123456"), (16_777_216.0, "1.6777216e+07")] {
        assert_eq!(texts(Float32Array::from(vec![value])), [text]);
    }
    let rounded = Style { float_digits: 0, ..Style::default() };
    assert_eq!(texts_of(Float64Array::from(vec![0.1 + 0.2, 1.0 / 3.0]), &rounded), ["0.3", "0.333333333333333"]);
    assert_eq!(binary(Float64Array::from(vec![1.0])), [[0x3f, 0xf0, 0, 0, 0, 0, 0, 0]]);
}

fn decimals(values: Vec<i128>, scale: i8) -> Decimal128Array {
    Decimal128Array::from(values).with_precision_and_scale(38, scale).unwrap()
}

#[test]
fn decimals_keep_their_digits() {
    assert_eq!(texts(decimals(vec![0, 5, -12_345, 1_000_000], 4)), ["0.0000", "0.0005", "-1.2345", "100.0000"]);
    assert_eq!(texts(decimals(vec![12, 0], -2)), ["1200", "0"]);
    let most = "9".repeat(38);
    assert_eq!(texts(decimals(vec![most.parse().unwrap()], 0)), [most]);
    let long = Decimal256Array::from(vec![i256::MIN]).with_precision_and_scale(76, 2);
    assert!(long.is_err() || texts(long.unwrap())[0].starts_with('-'));
}

#[test]
fn decimals_are_groups_of_four_digits() {
    // Groups, weight, sign, digits behind the point.
    assert_eq!(binary(decimals(vec![-12_345], 4)), [[0, 2, 0, 0, 0x40, 0, 0, 4, 0, 1, 9, 41]]);
    assert_eq!(binary(decimals(vec![0], 4)), [[0, 0, 0, 0, 0, 0, 0, 4]]);
    assert_eq!(binary(decimals(vec![5], 4)), [[0, 1, 0xff, 0xff, 0, 0, 0, 4, 0, 5]]);
    assert_eq!(binary(decimals(vec![1_000_000], 2)), [[0, 1, 0, 1, 0, 0, 0, 2, 0, 1]]);
    assert_eq!(binary(decimals(vec![12], -4)), [[0, 1, 0, 1, 0, 0, 0, 0, 0, 12]]);
    assert_eq!(binary(decimals(vec![5], 1)), [[0, 1, 0xff, 0xff, 0, 0, 0, 1, 0x13, 0x88]]);
    assert_eq!(binary(UInt64Array::from(vec![10_000])), [[0, 1, 0, 1, 0, 0, 0, 0, 0, 1]]);
}

#[test]
fn groups_of_digits_are_numbers_again() {
    for (number, scale) in [(0, 0), (5, 4), (-12_345, 4), (1_000_000, 2), (123_456_789, 3), (7, 9)] {
        let [bytes] = binary(decimals(vec![number], scale)).try_into().unwrap();
        let words: Vec<u16> = bytes.chunks(2).map(|pair| u16::from_be_bytes([pair[0], pair[1]])).collect();
        let groups: Vec<i16> = words[4..].iter().map(|word| word.cast_signed()).collect();
        let digits = digits_of_groups(words[1].cast_signed(), words[2], words[3], &groups);
        assert_eq!(digits.unwrap(), texts(decimals(vec![number], scale))[0]);
    }
    assert_eq!(digits_of_groups(0, 0xc000, 0, &[]), None);
    assert_eq!(digits_of_groups(0, 0, 0, &[-1]), None);
}

#[test]
fn texts_and_bytes() {
    assert_eq!(texts(StringViewArray::from(vec!["ä", ""])), ["ä", ""]);
    assert_eq!(texts(LargeStringArray::from(vec!["a"])), ["a"]);
    let bytes = || BinaryArray::from(vec![&b"a\\\x00\xff"[..]]);
    assert_eq!(texts(bytes()), ["\\x615c00ff"]);
    let escapes = Style { escapes_bytes: true, ..Style::default() };
    assert_eq!(texts_of(bytes(), &escapes), ["a\\\\\\000\\377"]);
    assert_eq!(binary(bytes()), [b"a\\\x00\xff"]);
    let words: DictionaryArray<Int32Type> = vec![Some("a"), None, Some("b"), Some("a")].into_iter().collect();
    assert_eq!(texts(words), ["a", "NULL", "b", "a"]);
    assert_eq!(texts(NullArray::new(1)), ["NULL"]);
}

#[test]
fn dates_and_times() {
    assert_eq!(texts(Date32Array::from(vec![0, -719_163, 3_000_000])), ["1970-01-01", "0001-12-31 BC", "10183-09-21"]);
    assert_eq!(binary(Date32Array::from(vec![10_958])), [[0, 0, 0, 1]]);
    assert_eq!(texts(Date64Array::from(vec![-1])), ["1969-12-31"]);
    assert_eq!(texts(Time64NanosecondArray::from(vec![3_661_500_000_999])), ["01:01:01.5"]);
    assert_eq!(texts(Time32SecondArray::from(vec![86_399])), ["23:59:59"]);
    assert_eq!(binary(Time32SecondArray::from(vec![1])), [1_000_000_i64.to_be_bytes()]);
}

#[test]
fn moments() {
    let moments = || TimestampMillisecondArray::from(vec![0, 1_700_000_000_120, -1, -62_135_596_800_001]);
    let plain =
        ["1970-01-01 00:00:00", "2023-11-14 22:13:20.12", "1969-12-31 23:59:59.999", "0001-12-31 23:59:59.999 BC"];
    assert_eq!(texts(moments()), plain);
    let zoned = TimestampNanosecondArray::from(vec![1_700_000_000_000_000_000]).with_timezone("UTC");
    assert_eq!(texts(zoned.clone()), ["2023-11-14 22:13:20+00"]);
    for (time_zone, text) in [
        ("Europe/Berlin", "2023-11-14 23:13:20+01"),
        ("Asia/Kolkata", "2023-11-15 03:43:20+05:30"),
        ("-03:30", "2023-11-14 18:43:20-03:30"),
    ] {
        let style = Style { time_zone: time_zone.to_owned(), ..Style::default() };
        assert_eq!(texts_of(zoned.clone(), &style), [text]);
    }
    assert_eq!(binary(TimestampSecondArray::from(vec![946_684_801])), [1_000_000_i64.to_be_bytes()]);
}

#[test]
fn a_moment_that_cannot_be_told_is_an_error() {
    let array: ArrayRef = Arc::new(TimestampSecondArray::from(vec![i64::MAX]));
    let field = Field::new("c", array.data_type().clone(), true);
    assert!(column(&array, &field, Format::Text, &Style::default()).is_err());
}

#[test]
fn intervals() {
    let of = |months, days, micros: i64| IntervalMonthDayNano::new(months, days, micros * 1_000);
    let values = [
        (of(14, 3, 14_706_700_000), "1 year 2 mons 3 days 04:05:06.7"),
        (of(0, 0, 0), "00:00:00"),
        (of(-1, 1, 0), "-1 mons +1 day"),
        (of(0, -1, 1_000_000), "-1 days +00:00:01"),
        (of(0, 0, -1), "-00:00:00.000001"),
        (of(12, 0, 0), "1 year"),
    ];
    for (value, text) in values {
        assert_eq!(texts(IntervalMonthDayNanoArray::from(vec![value])), [text]);
    }
    assert_eq!(texts(IntervalYearMonthArray::from(vec![25])), ["2 years 1 mon"]);
    assert_eq!(texts(IntervalDayTimeArray::from(vec![IntervalDayTime::new(2, 1_500)])), ["2 days 00:00:01.5"]);
    assert_eq!(texts(DurationSecondArray::from(vec![90_000])), ["25:00:00"]);
    let bytes = binary(IntervalMonthDayNanoArray::from(vec![of(1, 2, 3)]));
    assert_eq!(bytes, [[0, 0, 0, 0, 0, 0, 0, 3, 0, 0, 0, 2, 0, 0, 0, 1]]);
}

#[test]
fn lists() {
    let words = || {
        let mut lists = ListBuilder::new(StringBuilder::new());
        lists.append_value([Some("a"), None, Some("b c"), Some(""), Some("null"), Some("\"\\")]);
        lists.append_value::<_, &str>([]);
        lists.append_null();
        lists.finish()
    };
    assert_eq!(texts(words()), ["{a,NULL,\"b c\",\"\",\"null\",\"\\\"\\\\\"}", "{}", "NULL"]);
    let numbers = ListArray::from_iter_primitive::<Int32Type, _, _>([Some(vec![Some(1), None])]);
    let expected = b"\0\0\0\x01\0\0\0\x01\0\0\0\x17\0\0\0\x02\0\0\0\x01\0\0\0\x04\0\0\0\x01\xff\xff\xff\xff";
    assert_eq!(binary(numbers), [expected]);
    assert_eq!(binary(words())[1], b"\0\0\0\0\0\0\0\0\0\0\0\x19");
}

#[test]
fn vectors_of_catalogs_are_texts_and_arrays() {
    let array: ArrayRef = Arc::new(StringArray::from(vec!["1 2"]));
    let metadata = [(dipper_pg_catalog::PG_TYPE.to_owned(), "int2vector".to_owned())];
    let field = Field::new("c", array.data_type().clone(), true).with_metadata(metadata.into());
    let written = |format| {
        let mut out = BytesMut::new();
        column(&array, &field, format, &Style::default()).unwrap().write(0, &mut out).unwrap();
        out.to_vec()
    };
    assert_eq!(written(Format::Text), b"1 2");
    let expected = b"\0\0\0\x01\0\0\0\0\0\0\0\x15\0\0\0\x02\0\0\0\0\0\0\0\x02\0\x01\0\0\0\x02\0\x02";
    assert_eq!(written(Format::Binary), expected);
}

#[test]
fn lists_of_lists() {
    let inner = ListArray::from_iter_primitive::<Int32Type, _, _>([
        Some(vec![Some(1), Some(2)]),
        Some(vec![Some(3), Some(4)]),
        Some(vec![Some(5)]),
    ]);
    let field = Arc::new(Field::new_list_field(inner.data_type().clone(), true));
    let lists = ListArray::new(field, OffsetBuffer::from_lengths([2, 1]), Arc::new(inner.clone()), None);
    assert_eq!(texts(lists.clone()), ["{{1,2},{3,4}}", "{{5}}"]);
    let bytes = &binary(lists)[0];
    assert_eq!(&bytes[..28], b"\0\0\0\x02\0\0\0\0\0\0\0\x17\0\0\0\x02\0\0\0\x01\0\0\0\x02\0\0\0\x01");
    assert_eq!(bytes.len(), 28 + 4 * 8);
    let field = Arc::new(Field::new_list_field(inner.data_type().clone(), true));
    let uneven: ArrayRef = Arc::new(ListArray::new(field, OffsetBuffer::from_lengths([3]), Arc::new(inner), None));
    let field = Field::new("c", uneven.data_type().clone(), true);
    let uneven = column(&uneven, &field, Format::Binary, &Style::default()).unwrap();
    assert!(uneven.write(0, &mut BytesMut::new()).is_err());
}

#[test]
fn structures_are_json() {
    let fields = [
        (Arc::new(Field::new("a", DataType::Int32, true)), Arc::new(Int32Array::from(vec![Some(1), None])) as ArrayRef),
        (Arc::new(Field::new("b", DataType::Utf8, true)), Arc::new(StringArray::from(vec!["x\"", "y"])) as ArrayRef),
    ];
    let structures = StructArray::from(fields.to_vec());
    assert_eq!(texts(structures), ["{\"a\":1,\"b\":\"x\\\"\"}", "{\"a\":null,\"b\":\"y\"}"]);
}

#[test]
fn a_type_has_the_width_that_it_is_described_with() {
    for data_type in [
        DataType::Boolean,
        DataType::Int8,
        DataType::UInt8,
        DataType::Int16,
        DataType::UInt16,
        DataType::Int32,
        DataType::UInt32,
        DataType::Int64,
        DataType::Float16,
        DataType::Float32,
        DataType::Float64,
        DataType::Date32,
        DataType::Date64,
        DataType::Time32(TimeUnit::Second),
        DataType::Time64(TimeUnit::Nanosecond),
        DataType::Timestamp(TimeUnit::Second, None),
        DataType::Timestamp(TimeUnit::Nanosecond, Some("UTC".into())),
        DataType::Duration(TimeUnit::Millisecond),
        DataType::Interval(arrow::datatypes::IntervalUnit::DayTime),
    ] {
        let zero = datafusion::common::ScalarValue::new_zero(&data_type)
            .unwrap_or_else(|_| datafusion::common::ScalarValue::from(0_i32).cast_to(&data_type).unwrap());
        let array = zero.to_array().unwrap();
        let described = shown(&arrow::datatypes::Schema::new(vec![Field::new("c", data_type.clone(), true)]));
        let value = written(&array, Format::Binary, &Style::default()).remove(0).unwrap_or_default();
        assert_eq!(value.len(), usize::try_from(described[0].size).unwrap(), "{data_type}");
    }
}
