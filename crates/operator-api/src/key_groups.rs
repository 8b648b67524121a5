//! From key columns to key groups, by a hash of our own: the same on every machine, in every version and for every encoding of
//! the same value, because savepoints outlive all of them.

use arrow::array::{Array, ArrayRef, AsArray};
use arrow::compute::cast;
use arrow::datatypes::{
    DataType, Decimal128Type, Decimal256Type, Float64Type, Int64Type, IntervalDayTimeType, IntervalMonthDayNanoType,
    IntervalUnit, IntervalYearMonthType, UInt64Type,
};
use arrow::util::display::{ArrayFormatter, FormatOptions};
use dipper_types::{KeyGroup, Result};

/// The version of [`key_hashes`]. A savepoint records it; a change of the function is a change of this number.
pub const KEY_HASH_VERSION: u8 = 1;

const NULL_HASH: u64 = 0x9e37_79b9_7f4a_7c15;
const BYTES_SEED: u64 = 0x243f_6a88_85a3_08d3;
const BYTES_FACTOR: u64 = 0xa076_1d64_78bd_642f;

/// One hash per row over the key columns: 64 bits, the same for a value whatever the width of its integer, floating-point or
/// decimal type (at one scale), and for text and bytes whatever their encoding (offsets, views, dictionary). NULL equals NULL.
/// Without columns every row hashes to the same value.
pub fn key_hashes(columns: &[ArrayRef], rows: usize) -> Result<Vec<u64>> {
    let mut hashes = vec![0_u64; rows];
    for column in columns {
        for (hash, value) in hashes.iter_mut().zip(value_hashes(column)?) {
            *hash = mix(*hash ^ value);
        }
    }
    Ok(hashes)
}

/// The key group of each row.
pub fn key_groups(columns: &[ArrayRef], rows: usize, groups: u16) -> Result<Vec<KeyGroup>> {
    let group = |hash: u64| KeyGroup((hash % u64::from(groups)) as u16);
    Ok(key_hashes(columns, rows)?.into_iter().map(group).collect())
}

/// The hash of each value of a column.
fn value_hashes(column: &ArrayRef) -> Result<Vec<u64>> {
    let rows = 0..column.len();
    let mut hashes: Vec<u64> = match column.data_type() {
        DataType::Null => vec![NULL_HASH; column.len()],
        DataType::Utf8 => {
            let column = column.as_string::<i32>();
            rows.map(|row| bytes_hash(column.value(row).as_bytes())).collect()
        }
        DataType::LargeUtf8 => {
            let column = column.as_string::<i64>();
            rows.map(|row| bytes_hash(column.value(row).as_bytes())).collect()
        }
        DataType::Utf8View => {
            let column = column.as_string_view();
            rows.map(|row| bytes_hash(column.value(row).as_bytes())).collect()
        }
        DataType::Binary | DataType::LargeBinary | DataType::BinaryView | DataType::FixedSizeBinary(_) => {
            let column = cast(column, &DataType::LargeBinary)?;
            let column = column.as_binary::<i64>();
            rows.map(|row| bytes_hash(column.value(row))).collect()
        }
        DataType::Dictionary(..) => dictionary_hashes(column)?,
        DataType::Boolean => {
            let column = column.as_boolean();
            rows.map(|row| mix(u64::from(column.value(row)))).collect()
        }
        DataType::UInt64 => column.as_primitive::<UInt64Type>().values().iter().map(|value| mix(*value)).collect(),
        DataType::Float16 | DataType::Float32 | DataType::Float64 => {
            let column = cast(column, &DataType::Float64)?;
            column.as_primitive::<Float64Type>().values().iter().map(|value| mix(canonical_bits(*value))).collect()
        }
        DataType::Decimal32(_, scale) | DataType::Decimal64(_, scale) | DataType::Decimal128(_, scale) => {
            let column = cast(column, &DataType::Decimal128(38, *scale))?;
            column.as_primitive::<Decimal128Type>().values().iter().map(|value| wide_hash(*value)).collect()
        }
        DataType::Decimal256(..) => {
            let hash = |value: &arrow::datatypes::i256| {
                value.to_i128().map_or_else(|| bytes_hash(&value.to_le_bytes()), wide_hash)
            };
            column.as_primitive::<Decimal256Type>().values().iter().map(hash).collect()
        }
        DataType::Interval(unit) => interval_hashes(column, *unit),
        other if other.is_integer() || other.is_temporal() => {
            let column = cast(column, &DataType::Int64)?;
            column.as_primitive::<Int64Type>().values().iter().map(|value| mix(*value as u64)).collect()
        }
        // Lists, structs and the rest: by their text, which is canonical for each type.
        _ => {
            let column = ArrayFormatter::try_new(column, &FormatOptions::new())?;
            rows.map(|row| bytes_hash(column.value(row).to_string().as_bytes())).collect()
        }
    };
    // What stands in the place of a NULL is arbitrary.
    if let Some(nulls) = column.logical_nulls().filter(|nulls| nulls.null_count() > 0) {
        for (hash, is_valid) in hashes.iter_mut().zip(nulls.iter()) {
            if !is_valid {
                *hash = NULL_HASH;
            }
        }
    }
    Ok(hashes)
}

/// Each distinct value is hashed once.
fn dictionary_hashes(column: &ArrayRef) -> Result<Vec<u64>> {
    let dictionary = column.as_any_dictionary();
    let values = value_hashes(dictionary.values())?;
    if values.is_empty() {
        // Every row is NULL; there are no keys to normalise.
        return Ok(vec![NULL_HASH; column.len()]);
    }
    // The key under a NULL may point beyond the values.
    Ok(dictionary.normalized_keys().into_iter().map(|key| values.get(key).copied().unwrap_or(NULL_HASH)).collect())
}

fn interval_hashes(column: &ArrayRef, unit: IntervalUnit) -> Vec<u64> {
    let hash =
        |months: i32, days: i32, ns: i64| mix(mix(mix(i64::from(months) as u64) ^ i64::from(days) as u64) ^ ns as u64);
    match unit {
        IntervalUnit::YearMonth => {
            column.as_primitive::<IntervalYearMonthType>().values().iter().map(|months| hash(*months, 0, 0)).collect()
        }
        IntervalUnit::DayTime => {
            let hash = |value: &arrow::datatypes::IntervalDayTime| {
                hash(0, value.days, i64::from(value.milliseconds) * 1_000_000)
            };
            column.as_primitive::<IntervalDayTimeType>().values().iter().map(hash).collect()
        }
        IntervalUnit::MonthDayNano => {
            let hash =
                |value: &arrow::datatypes::IntervalMonthDayNano| hash(value.months, value.days, value.nanoseconds);
            column.as_primitive::<IntervalMonthDayNanoType>().values().iter().map(hash).collect()
        }
    }
}

/// -0.0 equals 0.0, and every NaN equals every other, as they do in SQL's grouping.
fn canonical_bits(value: f64) -> u64 {
    if value == 0.0 {
        0
    } else if value.is_nan() {
        0x7ff8_0000_0000_0000
    } else {
        value.to_bits()
    }
}

fn wide_hash(value: i128) -> u64 {
    mix(mix(value as u64) ^ (value >> 64) as u64)
}

/// Stafford's variant 13 of the 64-bit finaliser, as in `SplitMix64`.
fn mix(mut x: u64) -> u64 {
    x = (x ^ (x >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    x = (x ^ (x >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    x ^ (x >> 31)
}

/// Eight bytes at a time, little-endian: each word is folded in by a 128-bit product whose halves are combined. The last word
/// overlaps the one before; fewer than eight bytes are packed into one word. The length goes in at the start.
fn bytes_hash(bytes: &[u8]) -> u64 {
    let fold = |hash: u64, word: u64| {
        let product = u128::from(hash ^ word) * u128::from(BYTES_FACTOR);
        (product as u64) ^ (product >> 64) as u64
    };
    let mut hash = BYTES_SEED ^ (bytes.len() as u64).wrapping_mul(NULL_HASH);
    if let Some(last) = bytes.last_chunk::<8>() {
        let (words, _) = bytes.as_chunks::<8>();
        let whole = (bytes.len() - 1) / 8;
        for word in &words[..whole] {
            hash = fold(hash, u64::from_le_bytes(*word));
        }
        hash = fold(hash, u64::from_le_bytes(*last));
    } else {
        hash = fold(hash, short_word(bytes));
    }
    mix(hash)
}

/// At most seven bytes as one word, different for different bytes of one length.
fn short_word(bytes: &[u8]) -> u64 {
    if let (Some(first), Some(last)) = (bytes.first_chunk::<4>(), bytes.last_chunk::<4>()) {
        u64::from(u32::from_le_bytes(*first)) | u64::from(u32::from_le_bytes(*last)) << 32
    } else {
        let at = |index: usize| bytes.get(index).map_or(0, |byte| u64::from(*byte));
        at(0) | at(1) << 8 | at(2) << 16
    }
}

#[cfg(test)]
mod tests;
