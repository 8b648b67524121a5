//! Parameters as clients send them.

use std::sync::Arc;

use arrow::datatypes::{Field, TimeUnit};

use super::*;

fn text(text: &str, target: &DataType) -> Result<ScalarValue> {
    let reading = Reading { format: Format::Text, oid: 0, target };
    value(Some(&Bytes::copy_from_slice(text.as_bytes())), reading)
}

fn binary(bytes: &[u8], oid: u32, target: &DataType) -> Result<ScalarValue> {
    let reading = Reading { format: Format::Binary, oid, target };
    value(Some(&Bytes::copy_from_slice(bytes)), reading)
}

#[test]
fn texts_are_read_as_what_the_statement_takes() {
    let micros = TimeUnit::Microsecond;
    for (given, target, value) in [
        ("42", DataType::Int64, ScalarValue::from(42_i64)),
        (" -1 ", DataType::Int16, ScalarValue::from(-1_i16)),
        ("on", DataType::Boolean, ScalarValue::from(true)),
        ("1.5e2", DataType::Float64, ScalarValue::from(150.0)),
        ("-1.50", DataType::Decimal128(10, 4), ScalarValue::Decimal128(Some(-15_000), 10, 4)),
        ("12e2", DataType::Decimal128(10, 0), ScalarValue::Decimal128(Some(1_200), 10, 0)),
        ("\\x6162", DataType::Binary, ScalarValue::Binary(Some(b"ab".to_vec()))),
        ("a\\\\\\101", DataType::Binary, ScalarValue::Binary(Some(b"a\\A".to_vec()))),
        ("2000-01-02", DataType::Date32, ScalarValue::Date32(Some(10_958))),
        ("2000-01-02 +02", DataType::Date32, ScalarValue::Date32(Some(10_958))),
        (
            "2000-01-01 00:00:01",
            DataType::Timestamp(micros, None),
            ScalarValue::TimestampMicrosecond(Some(946_684_801_000_000), None),
        ),
        (
            "2000-01-01 00:00:01+05:30",
            DataType::Timestamp(micros, None),
            ScalarValue::TimestampMicrosecond(Some(946_684_801_000_000), None),
        ),
        ("ä", DataType::Utf8View, ScalarValue::Utf8View(Some("ä".to_owned()))),
    ] {
        assert_eq!(text(given, &target).unwrap(), value, "{given}");
    }
}

#[test]
fn a_moment_without_a_zone_is_one_of_utc() {
    let target = DataType::Timestamp(TimeUnit::Microsecond, Some("+00:00".into()));
    let moment = |micros| ScalarValue::TimestampMicrosecond(Some(micros), Some("+00:00".into()));
    assert_eq!(text("2000-01-01 01:00:00", &target).unwrap(), moment(946_688_400_000_000));
    assert_eq!(text("2000-01-01 01:00:00+01", &target).unwrap(), moment(946_684_800_000_000));
}

#[test]
fn what_is_no_value_of_the_type_is_an_error() {
    for (given, target, code) in [
        ("x", DataType::Int32, sqlstate::INVALID_TEXT),
        ("1.5", DataType::Int32, sqlstate::INVALID_TEXT),
        ("40000", DataType::Int16, sqlstate::NUMERIC_OUT_OF_RANGE),
        ("99999999999999999999999999999999999999999999", DataType::Int64, sqlstate::NUMERIC_OUT_OF_RANGE),
        ("perhaps", DataType::Boolean, sqlstate::INVALID_TEXT),
        ("1.23456", DataType::Decimal128(10, 4), sqlstate::NUMERIC_OUT_OF_RANGE),
        ("1e99999999999", DataType::Decimal128(10, 4), sqlstate::NUMERIC_OUT_OF_RANGE),
        ("NaN", DataType::Decimal128(10, 4), sqlstate::INVALID_TEXT),
        ("2000-13-01", DataType::Date32, sqlstate::INVALID_TEXT),
        ("2000-01-01 BC", DataType::Date32, sqlstate::INVALID_TEXT),
        ("infinity", DataType::Date32, sqlstate::FEATURE_NOT_SUPPORTED),
        ("\\x6", DataType::Binary, sqlstate::INVALID_TEXT),
        ("a\0", DataType::Utf8, sqlstate::INVALID_ENCODING),
    ] {
        assert_eq!(text(given, &target).unwrap_err().code, code, "{given}");
    }
}

#[test]
fn arrays_are_read() {
    let list = DataType::List(Arc::new(Field::new_list_field(DataType::Int64, true)));
    let values = [ScalarValue::from(1_i64), ScalarValue::Int64(None)];
    let expected = ScalarValue::List(ScalarValue::new_list_nullable(&values, &DataType::Int64));
    assert_eq!(text("{1,NULL}", &list).unwrap(), expected);
    let bytes = b"\0\0\0\x01\0\0\0\x01\0\0\0\x17\0\0\0\x02\0\0\0\x01\0\0\0\x04\0\0\0\x01\xff\xff\xff\xff";
    assert_eq!(binary(bytes, 1007, &list).unwrap(), expected);
    assert_eq!(
        array::items("{\"a,\\\"b\", c d ,\"NULL\"}").unwrap(),
        ["a,\"b", "c d", "NULL"].map(|item| Some(item.to_owned()))
    );
    assert_eq!(
        array::items("{ \"p\", \"f\" ,v, \" \" }").unwrap(),
        ["p", "f", "v", " "].map(|item| Some(item.to_owned()))
    );
    for wrong in ["", "{", "{a", "{a,}", "{\"a}", "{{1}}", "{\"a\"b}", "{a\"b\"}", "{\"a\" \"b\"}"] {
        assert!(array::items(wrong).is_err(), "{wrong}");
    }
    // A length that cannot be reserves nothing.
    assert!(binary(b"\0\0\0\x01\0\0\0\0\0\0\0\x17\x7f\xff\xff\xff\0\0\0\x01", 1007, &list).is_err());
}

#[test]
fn binary_values_are_read_as_the_type_that_the_client_names() {
    let number = DataType::Decimal128(38, 18);
    for (bytes, oid, target, value) in [
        (&b"\x01"[..], 16, DataType::Boolean, ScalarValue::from(true)),
        (b"\0\x05", 21, DataType::Int64, ScalarValue::from(5_i64)),
        (b"ab", 25, DataType::Utf8, ScalarValue::from("ab")),
        (b"\x01{}", 3802, DataType::Utf8, ScalarValue::from("{}")),
        (b"\0\0\0\x01", 1082, DataType::Date32, ScalarValue::Date32(Some(10_958))),
        (
            b"\0\x02\0\0\x40\0\0\x04\0\x01\x09\x29",
            1700,
            DataType::Decimal128(10, 4),
            ScalarValue::Decimal128(Some(-12_345), 10, 4),
        ),
        (b"\0\0\0\0\0\0\0\0", 1700, number, ScalarValue::Decimal128(Some(0), 38, 18)),
    ] {
        assert_eq!(binary(bytes, oid, &target).unwrap(), value, "{bytes:?}");
    }
    assert_eq!(data_type(1700), Some(DataType::Decimal128(38, 18)));
    assert_eq!(
        (data_type(705), data_type(99), named("double precision"), named("int[]")),
        (None, None, Some(701), Some(1007))
    );
}

#[test]
fn binary_values_of_another_length_are_errors() {
    for (bytes, oid) in
        [(&b""[..], 16), (b"\0\0\0", 23), (b"\0\0\0\0\0", 23), (b"\0\x05\0\0", 1700), (b"\xff", 25), (b"\0", 2950)]
    {
        assert!(binary(bytes, oid, &DataType::Utf8).is_err(), "{bytes:?}");
    }
    assert!(binary(b"x", 12_345, &DataType::Utf8).is_err());
}

#[test]
fn nothing_is_null() {
    let reading = Reading { format: Format::Binary, oid: 23, target: &DataType::Int32 };
    assert_eq!(value(None, reading).unwrap(), ScalarValue::Int32(None));
}

#[test]
fn a_number_with_many_digits_has_a_type_of_its_own() {
    let target = DataType::Decimal128(38, 18);
    let roomy = |text: &'static str| {
        let reading = Reading { format: Format::Text, oid: 1700, target: &target };
        roomy_type(Some(&Bytes::from_static(text.as_bytes())), reading)
    };
    for (text, scale) in [
        ("1.5", None),
        ("-1234567890123456789012345678.0123456789", Some(10)),
        ("0.00000000000000000000000000001", Some(29)),
        ("1e37", Some(0)),
        ("1e99", None),
        ("x", None),
    ] {
        assert_eq!(roomy(text), scale.map(|scale| DataType::Decimal128(38, scale)), "{text}");
    }
}
