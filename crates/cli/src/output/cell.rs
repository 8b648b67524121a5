//! Values as text, the same in tables and CSV.

use arrow::array::ArrayRef;
use arrow::datatypes::{DataType, TimeUnit};
use arrow::util::display::{ArrayFormatter, FormatOptions};

use super::WriteError;

/// Formats the values of one column.
pub(super) fn formatter(column: &ArrayRef) -> Result<ArrayFormatter<'_>, WriteError> {
    Ok(ArrayFormatter::try_new(column.as_ref(), options(column.data_type()))?)
}

/// Times as people write them, with the digits that the unit has.
fn options(data_type: &DataType) -> &'static FormatOptions<'static> {
    const PLAIN: FormatOptions<'static> = FormatOptions::new().with_display_error(false).with_null("NULL");
    macro_rules! timestamps {
        ($format:literal) => {
            &const { PLAIN.with_timestamp_format(Some($format)).with_timestamp_tz_format(Some(concat!($format, "%:z"))) }
        };
    }
    match time_unit(data_type) {
        Some(TimeUnit::Second) => timestamps!("%Y-%m-%d %H:%M:%S"),
        Some(TimeUnit::Millisecond) => timestamps!("%Y-%m-%d %H:%M:%S%.3f"),
        Some(TimeUnit::Microsecond) => timestamps!("%Y-%m-%d %H:%M:%S%.6f"),
        Some(TimeUnit::Nanosecond) => timestamps!("%Y-%m-%d %H:%M:%S%.9f"),
        None => &PLAIN,
    }
}

fn time_unit(data_type: &DataType) -> Option<TimeUnit> {
    match data_type {
        DataType::Timestamp(unit, _) => Some(*unit),
        DataType::Dictionary(_, value) => time_unit(value),
        DataType::List(item) | DataType::LargeList(item) | DataType::FixedSizeList(item, _) => {
            time_unit(item.data_type())
        }
        _ => None,
    }
}
