//! Times in the unit of the time column, in which the search compares them, and their relation to event time in microseconds.

use arrow::array::{Array, ArrayRef, AsArray};
use arrow::buffer::ScalarBuffer;
use arrow::datatypes::{
    DataType, Int64Type, TimeUnit, TimestampMicrosecondType, TimestampMillisecondType, TimestampNanosecondType,
    TimestampSecondType,
};
use dipper_graph::WithinSpec;
use dipper_pattern::Within;
use dipper_types::{Error, Result, Watermark};

/// The unit of a timestamp type.
pub(super) fn time_unit(data_type: &DataType) -> Option<TimeUnit> {
    match data_type {
        DataType::Timestamp(unit, _) => Some(*unit),
        _ => None,
    }
}

/// The values of a timestamp or BIGINT column as they are stored; what stands in place of a NULL is arbitrary.
pub(super) fn native_values(column: &ArrayRef) -> Result<ScalarBuffer<i64>> {
    Ok(match column.data_type() {
        DataType::Int64 => column.as_primitive::<Int64Type>().values().clone(),
        DataType::Timestamp(TimeUnit::Second, _) => column.as_primitive::<TimestampSecondType>().values().clone(),
        DataType::Timestamp(TimeUnit::Millisecond, _) => {
            column.as_primitive::<TimestampMillisecondType>().values().clone()
        }
        DataType::Timestamp(TimeUnit::Microsecond, _) => {
            column.as_primitive::<TimestampMicrosecondType>().values().clone()
        }
        DataType::Timestamp(TimeUnit::Nanosecond, _) => {
            column.as_primitive::<TimestampNanosecondType>().values().clone()
        }
        other => return Err(Error::internal(format!("a time column of type {other}"))),
    })
}

/// One value of such a column.
pub(super) fn native_value(column: &dyn Array, row: usize) -> Option<i64> {
    match column.data_type() {
        DataType::Timestamp(TimeUnit::Second, _) => Some(column.as_primitive::<TimestampSecondType>().value(row)),
        DataType::Timestamp(TimeUnit::Millisecond, _) => {
            Some(column.as_primitive::<TimestampMillisecondType>().value(row))
        }
        DataType::Timestamp(TimeUnit::Microsecond, _) => {
            Some(column.as_primitive::<TimestampMicrosecondType>().value(row))
        }
        DataType::Timestamp(TimeUnit::Nanosecond, _) => {
            Some(column.as_primitive::<TimestampNanosecondType>().value(row))
        }
        _ => None,
    }
}

/// The greatest native time that a watermark has passed.
pub(super) fn native_watermark(watermark: Watermark, unit: TimeUnit) -> i64 {
    let us = watermark.0.0;
    if watermark == Watermark::MAX || watermark == Watermark::MIN {
        return us;
    }
    match unit {
        TimeUnit::Second => us.div_euclid(1_000_000),
        TimeUnit::Millisecond => us.div_euclid(1_000),
        TimeUnit::Microsecond => us,
        TimeUnit::Nanosecond => us.saturating_mul(1_000).saturating_add(999),
    }
}

/// A native time in microseconds, rounded down.
pub(super) fn floor_us(time: i64, unit: TimeUnit) -> i64 {
    match unit {
        TimeUnit::Second => time.saturating_mul(1_000_000),
        TimeUnit::Millisecond => time.saturating_mul(1_000),
        TimeUnit::Microsecond => time,
        TimeUnit::Nanosecond => time.div_euclid(1_000),
    }
}

/// The same bound for times of `unit`: whole units less than 1.5 s apart are at most 1 s apart, that is less than 2 s.
pub(super) fn native_within(within: WithinSpec, unit: TimeUnit) -> Result<Within> {
    let us = within.span_us;
    if us <= 0 {
        return Err(Error::invalid("the interval of WITHIN must be positive"));
    }
    let coarser = |us_per_unit: i64| {
        let whole = us / us_per_unit;
        match (within.inclusive, us % us_per_unit) {
            (inclusive, 0) => Within { span: whole, inclusive },
            // Both kinds hold rows at most `whole` units away.
            (_, _) => Within { span: whole + 1, inclusive: false },
        }
    };
    Ok(match unit {
        TimeUnit::Second => coarser(1_000_000),
        TimeUnit::Millisecond => coarser(1_000),
        TimeUnit::Microsecond => Within { span: us, inclusive: within.inclusive },
        TimeUnit::Nanosecond => {
            let span = us.checked_mul(1_000);
            let span =
                span.ok_or_else(|| Error::invalid("the interval of WITHIN is too long for a time in nanoseconds"))?;
            Within { span, inclusive: within.inclusive }
        }
    })
}

#[cfg(test)]
mod tests {
    use dipper_types::Timestamp;

    use super::*;

    #[test]
    fn a_bound_between_two_seconds_is_rounded_to_what_whole_seconds_can_tell_apart() {
        let within = |span_us, inclusive| native_within(WithinSpec { span_us, inclusive }, TimeUnit::Second).unwrap();
        assert_eq!(within(1_500_000, false), Within { span: 2, inclusive: false });
        assert_eq!(within(1_500_000, true), Within { span: 2, inclusive: false });
        assert_eq!(within(2_000_000, true), Within { span: 2, inclusive: true });
        assert_eq!(within(1, true), Within { span: 1, inclusive: false });
    }

    #[test]
    fn a_watermark_passes_the_rows_whose_microsecond_it_names() {
        let watermark = |us| Watermark(Timestamp(us));
        assert_eq!(native_watermark(watermark(7), TimeUnit::Nanosecond), 7_999);
        assert_eq!(native_watermark(watermark(-1), TimeUnit::Second), -1);
        assert_eq!(native_watermark(watermark(1_999), TimeUnit::Millisecond), 1);
        assert_eq!(floor_us(7_999, TimeUnit::Nanosecond), 7);
    }
}
