//! Makes up one column.

use std::sync::Arc;
use std::time::Duration;

use arrow::array::{ArrayRef, BooleanArray, Float64Array, Int64Array, StringArray, TimestampMicrosecondArray};
use arrow::compute::kernels::cast::{CastOptions, cast_with_options};
use arrow::compute::kernels::cast_utils::Parser;
use arrow::datatypes::{DataType, Field, TimeUnit, TimestampMicrosecondType};
use dipper_types::{Error, Result, sql_type_name};
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

use crate::clock::now_us;
use crate::options::TableOptions;

/// The length of a random string that does not say one, as in Flink.
const STRING_LENGTH: u64 = 100;
/// The longest string that can be asked for.
const STRING_LENGTH_MAX: u64 = 1 << 20;

/// What a column consists of.
#[derive(Debug, Clone)]
pub(crate) struct ColumnSpec {
    data_type: DataType,
    values: Values,
    null_rate: f64,
}

#[derive(Debug, Clone)]
enum Values {
    Sequence { start: i64, end: Option<i64> },
    Times { start_us: i64, step_us: i64 },
    Now { max_past_us: i64 },
    Integers { min: i64, max: i64 },
    Doubles { min: f64, max: f64 },
    Texts { length: u64, varies: bool },
    Booleans,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Random,
    Sequence,
}

impl ColumnSpec {
    /// Takes the options `fields.<column>.…`.
    pub(crate) fn take(options: &mut TableOptions, field: &Field) -> Result<Self> {
        let prefix = format!("fields.{}", field.name().to_lowercase());
        let data_type = field.data_type().clone();
        let kind = options
            .take_choice(&format!("{prefix}.kind"), &[("random", Kind::Random), ("sequence", Kind::Sequence)])?;
        let values = match &data_type {
            DataType::Timestamp(..) => Self::take_times(options, &prefix, kind)?,
            DataType::Boolean if kind != Some(Kind::Sequence) => Values::Booleans,
            data_type if kind == Some(Kind::Sequence) && (data_type.is_numeric() || data_type.is_string()) => {
                Self::take_sequence(options, &prefix, data_type)?
            }
            DataType::Utf8 | DataType::Utf8View | DataType::LargeUtf8 => Self::take_texts(options, &prefix)?,
            DataType::Float32 | DataType::Float64 | DataType::Decimal128(..) => {
                Self::take_doubles(options, &prefix, &data_type)?
            }
            data_type if data_type.is_integer() => Self::take_integers(options, &prefix, data_type)?,
            other => {
                return Err(options.error(format!(
                    "column '{}': the datagen connector cannot make up values of type {} like this",
                    field.name(),
                    sql_type_name(other)
                )));
            }
        };
        let null_rate = take_number(options, &format!("{prefix}.null-rate"))?.unwrap_or(0.0);
        if !(0.0..=1.0).contains(&null_rate) {
            return Err(options.error(format!("option '{prefix}.null-rate': {null_rate} is not between 0 and 1")));
        }
        if null_rate > 0.0 && !field.is_nullable() {
            return Err(options.error(format!("option '{prefix}.null-rate': column '{}' is NOT NULL", field.name())));
        }
        Ok(Self { data_type, values, null_rate })
    }

    /// How many rows the column has at most.
    pub(crate) fn rows(&self) -> Option<u64> {
        match &self.values {
            Values::Sequence { start, end: Some(end) } => Some((end - start + 1) as u64),
            _ => None,
        }
    }

    fn take_times(options: &mut TableOptions, prefix: &str, kind: Option<Kind>) -> Result<Values> {
        let start_us = options.take_with(&format!("{prefix}.start"), |text| {
            TimestampMicrosecondType::parse(text.trim()).ok_or_else(|| {
                Error::invalid(format!("'{text}' is not a timestamp")).with_hint("write it as '2024-01-01 00:00:00'")
            })
        })?;
        let step = options.take_duration(&format!("{prefix}.step"))?;
        let max_past = options.take_duration(&format!("{prefix}.max-past"))?;
        match (start_us, step, max_past) {
            (Some(start_us), step, None) if kind != Some(Kind::Random) => {
                let step_us = step.unwrap_or(Duration::from_secs(1)).as_micros() as i64;
                Ok(Values::Times { start_us, step_us })
            }
            (None, None, max_past) if kind != Some(Kind::Sequence) => {
                Ok(Values::Now { max_past_us: max_past.unwrap_or_default().as_micros() as i64 })
            }
            _ => Err(options
                .error(format!("the options '{prefix}.…' of a timestamp do not go together"))
                .with_hint(format!("set '{prefix}.start' and '{prefix}.step' for a sequence, or '{prefix}.max-past'"))),
        }
    }

    fn take_texts(options: &mut TableOptions, prefix: &str) -> Result<Values> {
        let key = format!("{prefix}.length");
        let length = options.take_u64(&key)?.unwrap_or(STRING_LENGTH);
        if length > STRING_LENGTH_MAX {
            return Err(options.error(format!("option '{key}': {length} is more than {STRING_LENGTH_MAX}")));
        }
        Ok(Values::Texts { length, varies: options.take_bool(&format!("{prefix}.var-len"))?.unwrap_or(false) })
    }

    fn take_sequence(options: &mut TableOptions, prefix: &str, data_type: &DataType) -> Result<Values> {
        let (lowest, highest) = whole_range(data_type);
        let mut take_bound = |key: &str| {
            let key = format!("{prefix}.{key}");
            let bound = take_integer(options, &key)?;
            match bound.filter(|bound| !(lowest..=highest).contains(bound)) {
                Some(bound) => {
                    Err(options.error(format!("option '{key}': {bound} does not fit {}", sql_type_name(data_type))))
                }
                None => Ok(bound),
            }
        };
        let start = take_bound("start")?.unwrap_or(0);
        match take_bound("end")? {
            Some(end) if end < start || end.checked_sub(start).is_none_or(|span| span == i64::MAX) => {
                Err(options
                    .error(format!("options '{prefix}.start' and '{prefix}.end': {start} to {end} is no sequence")))
            }
            end => Ok(Values::Sequence { start, end }),
        }
    }

    /// Checks that a sequence without end has a value of its type in each of so many rows.
    pub(crate) fn check_rows(&self, options: &TableOptions, column: &str, rows: u64) -> Result<()> {
        let Values::Sequence { start, .. } = self.values else { return Ok(()) };
        let last = i128::from(start) + i128::from(rows) - 1;
        if last <= i128::from(whole_range(&self.data_type).1) {
            return Ok(());
        }
        let (column, kind) = (column.to_lowercase(), sql_type_name(&self.data_type));
        Err(options
            .error(format!(
                "option 'fields.{column}.start': {rows} rows from {start} on reach {last}, which does not fit {kind}"
            ))
            .with_hint(format!("lower 'number-of-rows', or end the table with 'fields.{column}.end'")))
    }

    /// About how many bytes of text a row has, at most.
    pub(crate) fn text_bytes(&self) -> u64 {
        match self.values {
            Values::Texts { length, .. } => length,
            _ => 0,
        }
    }

    fn take_integers(options: &mut TableOptions, prefix: &str, data_type: &DataType) -> Result<Values> {
        let (lowest, highest) = whole_range(data_type);
        let min = take_integer(options, &format!("{prefix}.min"))?.unwrap_or(lowest);
        let max = take_integer(options, &format!("{prefix}.max"))?.unwrap_or(highest);
        if min < lowest || max > highest || min > max {
            return Err(options.error(format!(
                "options '{prefix}.min' and '{prefix}.max': {min} to {max} is no range of type {}",
                sql_type_name(data_type)
            )));
        }
        Ok(Values::Integers { min, max })
    }

    fn take_doubles(options: &mut TableOptions, prefix: &str, data_type: &DataType) -> Result<Values> {
        let highest = match data_type {
            DataType::Decimal128(precision, scale) => {
                // A little less than all nines, which a double would round up to one digit more.
                10_f64.powi(i32::from(*precision) - i32::from(*scale)) * 0.999_999
            }
            DataType::Float32 => f64::from(f32::MAX),
            _ => f64::MAX / 4.0,
        };
        let min = take_number(options, &format!("{prefix}.min"))?.unwrap_or(-highest);
        let max = take_number(options, &format!("{prefix}.max"))?.unwrap_or(highest);
        if !(min <= max && min >= -highest && max <= highest) {
            return Err(options.error(format!(
                "options '{prefix}.min' and '{prefix}.max': {min} to {max} is no range of type {}",
                sql_type_name(data_type)
            )));
        }
        Ok(Values::Doubles { min, max })
    }
}

/// The whole numbers that a type holds, as far as 64 bits go.
fn whole_range(data_type: &DataType) -> (i64, i64) {
    match data_type {
        DataType::Int8 => (i64::from(i8::MIN), i64::from(i8::MAX)),
        DataType::Int16 => (i64::from(i16::MIN), i64::from(i16::MAX)),
        DataType::Int32 => (i64::from(i32::MIN), i64::from(i32::MAX)),
        DataType::UInt8 => (0, i64::from(u8::MAX)),
        DataType::UInt16 => (0, i64::from(u16::MAX)),
        DataType::UInt32 => (0, i64::from(u32::MAX)),
        DataType::UInt64 => (0, i64::MAX),
        DataType::Decimal128(precision, scale) => {
            let digits = u32::from(*precision).saturating_sub(scale.unsigned_abs().into());
            let highest = 10_i64.checked_pow(digits).map_or(i64::MAX, |power| power - 1);
            (-highest, highest)
        }
        _ => (i64::MIN, i64::MAX),
    }
}

fn take_integer(options: &mut TableOptions, key: &str) -> Result<Option<i64>> {
    options.take_with(key, |text| {
        text.trim().parse().map_err(|_| Error::invalid(format!("'{text}' is not a whole number")))
    })
}

fn take_number(options: &mut TableOptions, key: &str) -> Result<Option<f64>> {
    options.take_with(key, |text| match text.trim().parse::<f64>() {
        Ok(number) if number.is_finite() => Ok(number),
        _ => Err(Error::invalid(format!("'{text}' is not a number"))),
    })
}

/// Makes up one column of one split.
#[derive(Debug)]
pub(crate) struct ColumnGenerator {
    spec: ColumnSpec,
    random: ChaCha8Rng,
}

impl ColumnGenerator {
    /// Each column of each split has a stream of random numbers of its own, so that a projection changes no value.
    pub(crate) fn new(spec: ColumnSpec, seed: u64, split: u64, column: usize) -> Self {
        let mut random = ChaCha8Rng::seed_from_u64(seed);
        random.set_stream(split << 32 | column as u64);
        Self { spec, random }
    }

    /// How many random numbers have been taken.
    pub(crate) fn words(&self) -> u64 {
        self.random.get_word_pos() as u64
    }

    /// Goes on behind so many random numbers.
    pub(crate) fn skip_words(&mut self, words: u64) {
        self.random.set_word_pos(u128::from(words));
    }

    /// Goes on behind so many rows.
    pub(crate) fn skip_rows(&mut self, rows: u64) -> Result<()> {
        const AT_ONCE: u64 = 1 << 10;
        let mut left = rows;
        while left > 0 {
            let now = left.min(AT_ONCE);
            self.generate(0, 1, now as usize)?;
            left -= now;
        }
        Ok(())
    }

    /// The values of `rows` rows, the first being number `first` of the table and each next one `step` further.
    pub(crate) fn generate(&mut self, first: u64, step: u64, rows: usize) -> Result<ArrayRef> {
        let numbers = (0..rows as u64).map(|row| first.wrapping_add(row.wrapping_mul(step)) as i64);
        let random = &mut self.random;
        let null_rate = self.spec.null_rate;
        // A NULL takes as many random numbers as a value, so that the rate of NULLs leaves other rows as they are.
        let or_null = |random: &mut ChaCha8Rng| null_rate > 0.0 && random.random::<f64>() < null_rate;
        macro_rules! column {
            ($array:ty, $value:expr) => {{
                let value = $value;
                let values = numbers.map(|number| {
                    let is_null = or_null(random);
                    let value = value(number, random);
                    (!is_null).then_some(value)
                });
                Arc::new(values.collect::<$array>()) as ArrayRef
            }};
        }
        let array = match self.spec.values {
            Values::Sequence { start, .. } => {
                column!(Int64Array, |number: i64, _: &mut ChaCha8Rng| start.wrapping_add(number))
            }
            Values::Times { start_us, step_us } => {
                column!(TimestampMicrosecondArray, |number: i64, _: &mut ChaCha8Rng| {
                    start_us.wrapping_add(number.wrapping_mul(step_us))
                })
            }
            Values::Now { max_past_us } => {
                let now = now_us();
                column!(TimestampMicrosecondArray, |_: i64, random: &mut ChaCha8Rng| {
                    now - if max_past_us > 0 { random.random_range(0..=max_past_us) } else { 0 }
                })
            }
            Values::Integers { min, max } => {
                column!(Int64Array, |_: i64, random: &mut ChaCha8Rng| random.random_range(min..=max))
            }
            Values::Doubles { min, max } => {
                column!(Float64Array, |_: i64, random: &mut ChaCha8Rng| min + (max - min) * random.random::<f64>())
            }
            Values::Texts { length, varies } => {
                column!(StringArray, |_: i64, random: &mut ChaCha8Rng| text(length, varies, random))
            }
            Values::Booleans => {
                column!(BooleanArray, |_: i64, random: &mut ChaCha8Rng| random.random::<bool>())
            }
        };
        let array = match (&self.spec.data_type, array.data_type()) {
            // Event times are made up in UTC; a zone changes how they are shown, not what they are.
            (DataType::Timestamp(_, Some(zone)), DataType::Timestamp(TimeUnit::Microsecond, None)) => {
                cast(&array, &DataType::Timestamp(TimeUnit::Microsecond, Some("+00:00".into()))).and_then(|array| {
                    cast(&array, &DataType::Timestamp(TimeUnit::Microsecond, Some(Arc::clone(zone))))
                })?
            }
            _ => array,
        };
        cast(&array, &self.spec.data_type)
    }
}

fn cast(array: &ArrayRef, to: &DataType) -> Result<ArrayRef> {
    let options = CastOptions { safe: false, ..CastOptions::default() };
    Ok(if array.data_type() == to { Arc::clone(array) } else { cast_with_options(array, to, &options)? })
}

fn text(length: u64, varies: bool, random: &mut ChaCha8Rng) -> String {
    let length = if varies && length > 1 { random.random_range(1..=length) } else { length };
    (0..length).map(|_| char::from_digit(random.random_range(0..16), 16).unwrap_or('0')).collect()
}
