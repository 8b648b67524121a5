//! From timestamp columns of any unit to event time in microseconds.

use arrow::array::{Array, ArrayRef, AsArray};
use arrow::datatypes::{
    DataType, TimeUnit, TimestampMicrosecondType, TimestampMillisecondType, TimestampNanosecondType,
    TimestampSecondType,
};
use arrow::record_batch::RecordBatch;
use arrow::temporal_conversions::timestamp_s_to_datetime;
use dipper_types::{Error, Result, Timestamp};

/// The event times of a timestamp column, in microseconds, rounded down. `None` where the column is NULL.
pub fn timestamps_us(column: &ArrayRef) -> Result<impl Iterator<Item = Option<Timestamp>> + '_> {
    let values = timestamp_values(column)?;
    let unit = unit(column)?;
    Ok((0..column.len()).map(move |row| column.is_valid(row).then(|| floor_us(values[row], unit))))
}

/// The greatest watermark, in microseconds, that promises no more than `value` in its own unit does: a nanosecond
/// watermark inside a microsecond does not pass the rows of that microsecond.
pub fn watermark_us(value: i64, unit: TimeUnit) -> Timestamp {
    match unit {
        TimeUnit::Nanosecond => Timestamp(value.saturating_add(1).div_euclid(1_000).saturating_sub(1)),
        _ => floor_us(value, unit),
    }
}

/// The event time of a value in its own unit, in microseconds, rounded down.
pub fn floor_us(value: i64, unit: TimeUnit) -> Timestamp {
    Timestamp(match unit {
        TimeUnit::Second => value.saturating_mul(1_000_000),
        TimeUnit::Millisecond => value.saturating_mul(1_000),
        TimeUnit::Microsecond => value,
        TimeUnit::Nanosecond => value.div_euclid(1_000),
    })
}

fn unit(column: &ArrayRef) -> Result<TimeUnit> {
    match column.data_type() {
        DataType::Timestamp(unit, _) => Ok(*unit),
        other => Err(Error::internal(format!("event time column is {other}, not a timestamp"))),
    }
}

/// The values of a timestamp column in its own unit; what stands where it is NULL has no meaning.
pub fn timestamp_values(column: &ArrayRef) -> Result<&[i64]> {
    Ok(match unit(column)? {
        TimeUnit::Second => column.as_primitive::<TimestampSecondType>().values(),
        TimeUnit::Millisecond => column.as_primitive::<TimestampMillisecondType>().values(),
        TimeUnit::Microsecond => column.as_primitive::<TimestampMicrosecondType>().values(),
        TimeUnit::Nanosecond => column.as_primitive::<TimestampNanosecondType>().values(),
    })
}

/// Fails if a batch has a time that no calendar reaches, which cannot be written as text.
///
/// ```
/// use std::sync::Arc;
/// use arrow::array::{ArrayRef, TimestampMicrosecondArray};
/// use arrow::record_batch::RecordBatch;
///
/// let batch = |time: i64| {
///     RecordBatch::try_from_iter([("t", Arc::new(TimestampMicrosecondArray::from(vec![0, time])) as ArrayRef)])
/// };
/// assert!(dipper_operator_api::refuse_times_beyond_calendar(&batch(-1)?).is_ok());
/// assert!(dipper_operator_api::refuse_times_beyond_calendar(&batch(i64::MAX)?).is_err());
/// # Ok::<(), arrow::error::ArrowError>(())
/// ```
pub fn refuse_times_beyond_calendar(batch: &RecordBatch) -> Result<()> {
    for (field, column) in batch.schema_ref().fields().iter().zip(batch.columns()) {
        let DataType::Timestamp(unit, _) = field.data_type() else { continue };
        let values = timestamp_values(column)?;
        let is_beyond = |row: &usize| {
            let seconds = floor_us(values[*row], *unit).0.div_euclid(1_000_000);
            column.is_valid(*row) && timestamp_s_to_datetime(seconds).is_none()
        };
        if let Some(row) = (0..values.len()).find(is_beyond) {
            let (name, value) = (field.name(), values[row]);
            let message = format!("the time {value} ({unit:?}s since 1970) in column '{name}' is beyond the calendar");
            return Err(Error::invalid(message).with_hint("a time or an interval is too large"));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_nanosecond_watermark_passes_only_whole_microseconds() {
        assert_eq!(watermark_us(1_999, TimeUnit::Nanosecond), Timestamp(1));
        assert_eq!(watermark_us(1_998, TimeUnit::Nanosecond), Timestamp(0));
        assert_eq!(watermark_us(-1, TimeUnit::Nanosecond), Timestamp(-1));
        assert_eq!(watermark_us(-2, TimeUnit::Nanosecond), Timestamp(-2));
        assert_eq!(watermark_us(7, TimeUnit::Millisecond), Timestamp(7_000));
    }
}
