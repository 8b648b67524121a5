//! Dates, times, moments and intervals.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, ArrowPrimitiveType, AsArray, PrimitiveArray};
use arrow::compute::cast;
use arrow::datatypes::{
    DataType, Date32Type, Int64Type, IntervalDayTimeType, IntervalMonthDayNanoType, IntervalUnit,
    IntervalYearMonthType, Time64MicrosecondType, TimeUnit, TimestampMicrosecondType,
};
use bytes::{BufMut, BytesMut};
use dipper_types::Error;

use super::calendar::{MICROS_A_DAY, POSTGRES_EPOCH_DAYS, POSTGRES_EPOCH_MICROS, date_of};
use super::column::display;
use super::{Format, Style, Write};
use crate::failure::{Result, out_of_range};

const MICROS_A_SECOND: i64 = 1_000_000;
const SECONDS_A_DAY: i64 = 86_400;

/// The day in which a moment in milliseconds lies.
pub(super) fn days_of_millis(millis: i64) -> i64 {
    millis.div_euclid(1_000 * SECONDS_A_DAY)
}

pub(super) fn dates<T: ArrowPrimitiveType>(
    array: PrimitiveArray<T>,
    day: fn(T::Native) -> i64,
    format: Format,
) -> Write {
    match format {
        Format::Text => Box::new(move |row, out| date(out, day(array.value(row))).and_then(|era| display(out, era))),
        Format::Binary => Box::new(move |row, out| {
            let day = i32::try_from(day(array.value(row)) - POSTGRES_EPOCH_DAYS);
            out.put_i32(day.map_err(|_| out_of_range("date"))?);
            Ok(())
        }),
    }
}

pub(super) fn times(array: &ArrayRef, unit: TimeUnit, format: Format) -> Result<Write> {
    let array = micros(array, unit)?;
    Ok(match format {
        Format::Text => Box::new(move |row, out| time(out, array.value(row))),
        Format::Binary => Box::new(move |row, out| {
            out.put_i64(array.value(row));
            Ok(())
        }),
    })
}

pub(super) fn timestamps(
    array: &ArrayRef,
    unit: TimeUnit,
    is_zoned: bool,
    format: Format,
    style: &Style,
) -> Result<Write> {
    let moments = micros(array, unit)?;
    if format == Format::Binary {
        return Ok(Box::new(move |row, out| {
            let micros = moments.value(row).checked_sub(POSTGRES_EPOCH_MICROS);
            out.put_i64(micros.ok_or_else(|| out_of_range("timestamp"))?);
            Ok(())
        }));
    }
    let local = if is_zoned { Some(local(&moments, &style.time_zone)?) } else { None };
    Ok(Box::new(move |row, out| {
        let moment = moments.value(row);
        let shown = match &local {
            Some(local) if local.is_null(row) => return Err(out_of_range("timestamp")),
            Some(local) => local.value(row),
            None => moment,
        };
        let era = date(out, shown.div_euclid(MICROS_A_DAY))?;
        out.put_u8(b' ');
        time(out, shown.rem_euclid(MICROS_A_DAY))?;
        if is_zoned {
            offset(out, (shown - moment).div_euclid(MICROS_A_SECOND))?;
        }
        display(out, era)
    }))
}

/// What the clocks show in a zone at these moments; nothing where the calendar ends.
fn local(moments: &PrimitiveArray<Int64Type>, time_zone: &str) -> Result<PrimitiveArray<Int64Type>> {
    if time_zone.eq_ignore_ascii_case("UTC") {
        return Ok(moments.clone());
    }
    let zoned: ArrayRef =
        Arc::new(moments.reinterpret_cast::<TimestampMicrosecondType>().with_timezone(time_zone.to_owned()));
    let day = cast(&zoned, &DataType::Date32).map_err(Error::from)?;
    let time = cast(&zoned, &DataType::Time64(TimeUnit::Microsecond)).map_err(Error::from)?;
    let (day, time) = (day.as_primitive::<Date32Type>(), time.as_primitive::<Time64MicrosecondType>());
    let shown = day.iter().zip(time).map(|(day, time)| Some(i64::from(day?) * MICROS_A_DAY + time?));
    Ok(shown.collect())
}

pub(super) fn durations(array: &ArrayRef, unit: TimeUnit, format: Format) -> Result<Write> {
    let array = micros(array, unit)?;
    Ok(Box::new(move |row, out| interval(out, (0, 0, array.value(row)), format)))
}

pub(super) fn intervals(array: &ArrayRef, unit: IntervalUnit, format: Format) -> Write {
    match unit {
        IntervalUnit::YearMonth => {
            let array = array.as_primitive::<IntervalYearMonthType>().clone();
            Box::new(move |row, out| interval(out, (array.value(row), 0, 0), format))
        }
        IntervalUnit::DayTime => {
            let array = array.as_primitive::<IntervalDayTimeType>().clone();
            Box::new(move |row, out| {
                let value = array.value(row);
                interval(out, (0, value.days, i64::from(value.milliseconds) * 1_000), format)
            })
        }
        IntervalUnit::MonthDayNano => {
            let array = array.as_primitive::<IntervalMonthDayNanoType>().clone();
            Box::new(move |row, out| {
                let value = array.value(row);
                interval(out, (value.months, value.days, value.nanoseconds / 1_000), format)
            })
        }
    }
}

/// A column of times, moments or durations in microseconds. What is finer is cut off: PostgreSQL knows nothing finer.
fn micros(array: &ArrayRef, unit: TimeUnit) -> Result<PrimitiveArray<Int64Type>> {
    let numbers =
        cast(array, &if array.data_type().primitive_width() == Some(4) { DataType::Int32 } else { DataType::Int64 });
    let numbers = numbers.and_then(|numbers| cast(&numbers, &DataType::Int64)).map_err(Error::from)?;
    let numbers = numbers.as_primitive::<Int64Type>();
    let factor = match unit {
        TimeUnit::Second => MICROS_A_SECOND,
        TimeUnit::Millisecond => 1_000,
        TimeUnit::Microsecond => return Ok(numbers.clone()),
        TimeUnit::Nanosecond => return Ok(numbers.unary(|nanos| nanos.div_euclid(1_000))),
    };
    let overflow = |number: i64| number.checked_mul(factor).ok_or_else(|| out_of_range("timestamp"));
    numbers.try_unary(overflow)
}

/// A date; what it gives back is to be written behind all that belongs to it.
fn date(out: &mut BytesMut, day: i64) -> Result<&'static str> {
    let (year, month, day) = date_of(day);
    let (year, era) = if year > 0 { (year, "") } else { (1 - year, " BC") };
    display(out, format_args!("{year:04}-{month:02}-{day:02}"))?;
    Ok(era)
}

/// A time of day, with as many digits of its second as there are.
fn time(out: &mut BytesMut, micros: i64) -> Result<()> {
    let (seconds, rest) = (micros / MICROS_A_SECOND, micros % MICROS_A_SECOND);
    display(out, format_args!("{:02}:{:02}:{:02}", seconds / 3_600, seconds / 60 % 60, seconds % 60))?;
    fraction(out, rest)
}

fn fraction(out: &mut BytesMut, micros: i64) -> Result<()> {
    if micros == 0 {
        return Ok(());
    }
    let digits = format!("{micros:06}");
    display(out, format_args!(".{}", digits.trim_end_matches('0')))
}

/// How far a zone's clocks are before those of UTC.
fn offset(out: &mut BytesMut, seconds: i64) -> Result<()> {
    let (sign, seconds) = (if seconds < 0 { '-' } else { '+' }, seconds.abs());
    display(out, format_args!("{sign}{:02}", seconds / 3_600))?;
    if seconds % 3_600 != 0 {
        display(out, format_args!(":{:02}", seconds / 60 % 60))?;
    }
    if seconds % 60 != 0 {
        display(out, format_args!(":{:02}", seconds % 60))?;
    }
    Ok(())
}

/// Months, days and microseconds.
fn interval(out: &mut BytesMut, (months, days, micros): (i32, i32, i64), format: Format) -> Result<()> {
    if format == Format::Binary {
        out.put_i64(micros);
        out.put_i32(days);
        out.put_i32(months);
        return Ok(());
    }
    let (mut is_first, mut was_negative) = (true, false);
    for (value, unit) in [(months / 12, "year"), (months % 12, "mon"), (days, "day")] {
        if value == 0 {
            continue;
        }
        let space = if is_first { "" } else { " " };
        let plus = if was_negative && value > 0 { "+" } else { "" };
        let plural = if value == 1 { "" } else { "s" };
        display(out, format_args!("{space}{plus}{value} {unit}{plural}"))?;
        (is_first, was_negative) = (false, value < 0);
    }
    if is_first || micros != 0 {
        let space = if is_first { "" } else { " " };
        let sign = if micros < 0 {
            "-"
        } else if was_negative {
            "+"
        } else {
            ""
        };
        let micros = micros.unsigned_abs();
        let (seconds, rest) = (micros / 1_000_000, micros % 1_000_000);
        let (hours, minutes) = (seconds / 3_600, seconds / 60 % 60);
        display(out, format_args!("{space}{sign}{hours:02}:{minutes:02}:{:02}", seconds % 60))?;
        fraction(out, rest.cast_signed())?;
    }
    Ok(())
}
