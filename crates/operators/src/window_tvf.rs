//! TUMBLE and HOP: gives each row its windows.

use arrow::array::{Array, ArrayRef, Int64Array, UInt32Array, make_array};
use arrow::compute::take_record_batch;
use arrow::datatypes::{DataType, SchemaRef, TimeUnit};
use arrow::record_batch::RecordBatch;
use dipper_graph::{WindowKind, WindowTvfSpec};
use dipper_operator_api::{Operator, OperatorCtx, Port, timestamp_values};
use dipper_types::{Error, Result, sql_type_name};

/// How many windows a row may belong to: all of them are made at once.
const WINDOWS_PER_ROW_MAX: i64 = 2_048;

/// How many rows a batch of copied rows has at most, unless one row alone has more windows.
const BATCH_ROWS_MAX: usize = 8_192;

/// Adds `window_start`, `window_end` and `window_time` to each row; a row of several windows is copied, earliest window first.
/// All arithmetic is exact, in the unit of the time column.
#[derive(Debug)]
pub(crate) struct WindowTvf {
    time_column: usize,
    time_name: String,
    time_type: DataType,
    windows: Windows,
    output: SchemaRef,
}

impl WindowTvf {
    pub(crate) fn new(spec: &WindowTvfSpec, input: &SchemaRef, output: &SchemaRef) -> Result<Self> {
        let field =
            input.fields().get(spec.time_column).ok_or_else(|| Error::internal("no time column to make windows of"))?;
        let (time_name, time_type) = (field.name().clone(), field.data_type().clone());
        let DataType::Timestamp(unit, _) = time_type else {
            let message = format!(
                "the time column '{time_name}' of a window must be a timestamp, not {}",
                sql_type_name(&time_type)
            );
            return Err(Error::invalid(message));
        };
        let windows = Windows::new(spec.kind, unit).map_err(|error| error.context(format!("column '{time_name}'")))?;
        if output.fields().len() != input.fields().len() + 3 {
            return Err(Error::internal("a window function must add three columns"));
        }
        Ok(Self { time_column: spec.time_column, time_name, time_type, windows, output: SchemaRef::clone(output) })
    }

    /// The rows of a batch, each in its windows. None of the copies of a row is in another batch than the others.
    fn assign(&self, batch: &RecordBatch) -> Result<RecordBatch> {
        let times = batch.column(self.time_column);
        if times.null_count() > 0 {
            let message = format!("column '{}' is NULL in a row that needs a window", self.time_name);
            return Err(Error::invalid(message).with_hint("filter such rows out in front of the window function"));
        }
        let starts = self.windows.starts(timestamp_values(times)?);
        let starts =
            starts.ok_or_else(|| Error::invalid(format!("a time in column '{}' is out of range", self.time_name)))?;
        let rows = if self.windows.per_row == 1 { batch.clone() } else { self.copies(batch)? };
        let ends: Vec<i64> = starts.iter().map(|start| start + self.windows.size).collect();
        let lasts: Vec<i64> = ends.iter().map(|end| end - 1).collect();
        let (_, mut columns, _) = rows.into_parts();
        for values in [starts, ends, lasts] {
            columns.push(self.time_array(values)?);
        }
        Ok(RecordBatch::try_new(SchemaRef::clone(&self.output), columns)?)
    }

    fn copies(&self, batch: &RecordBatch) -> Result<RecordBatch> {
        let copies = |row: usize| std::iter::repeat_n(row as u32, self.windows.per_row);
        let indices: UInt32Array = (0..batch.num_rows()).flat_map(copies).collect::<Vec<_>>().into();
        Ok(take_record_batch(batch, &indices)?)
    }

    fn time_array(&self, values: Vec<i64>) -> Result<ArrayRef> {
        let data = Int64Array::from(values).into_data().into_builder().data_type(self.time_type.clone());
        Ok(make_array(data.build()?))
    }
}

impl Operator for WindowTvf {
    fn on_batch(&mut self, _port: Port, batch: RecordBatch, ctx: &mut OperatorCtx<'_>) -> Result<()> {
        let rows_at_once =
            if self.windows.per_row == 1 { batch.num_rows() } else { (BATCH_ROWS_MAX / self.windows.per_row).max(1) };
        for first in (0..batch.num_rows()).step_by(rows_at_once) {
            let rows = batch.slice(first, rows_at_once.min(batch.num_rows() - first));
            ctx.emit(self.assign(&rows)?);
        }
        Ok(())
    }
}

/// The grid of windows, in the unit of the time column. A tumbling window is a hopping one whose slide is its size.
#[derive(Debug, Clone, Copy)]
struct Windows {
    slide: i64,
    size: i64,
    /// In `0..slide`.
    offset: i64,
    per_row: usize,
}

impl Windows {
    fn new(kind: WindowKind, unit: TimeUnit) -> Result<Self> {
        let (slide_us, size_us, offset_us) = match kind {
            WindowKind::Tumble { size_us, offset_us } => (size_us, size_us, offset_us),
            WindowKind::Hop { slide_us, size_us, offset_us } => (slide_us, size_us, offset_us),
        };
        if slide_us <= 0 || size_us <= 0 {
            return Err(Error::invalid("the size and the slide of a window must be positive"));
        }
        if size_us % slide_us != 0 {
            return Err(Error::unsupported("the size of a hopping window must be a multiple of its slide"));
        }
        if size_us / slide_us > WINDOWS_PER_ROW_MAX {
            let message =
                format!("{} windows for each row, at most {WINDOWS_PER_ROW_MAX} are possible", size_us / slide_us);
            return Err(Error::unsupported(message).with_hint("use a longer slide"));
        }
        let size = in_unit(size_us, unit, "size")?;
        let slide = in_unit(slide_us, unit, "slide")?;
        let offset = in_unit(offset_us, unit, "offset")?.rem_euclid(slide);
        Ok(Self { slide, size, offset, per_row: (size_us / slide_us) as usize })
    }

    /// The starts of the windows of each time, `per_row` of them ascending; `None` if a window would leave the range of times.
    fn starts(&self, times: &[i64]) -> Option<Vec<i64>> {
        let reach = self.size.checked_add(self.slide)?;
        let (lowest, highest) = (i64::MIN.checked_add(reach)?, i64::MAX.checked_sub(reach)?);
        if times.iter().any(|time| *time < lowest || *time > highest) {
            return None;
        }
        let mut starts = Vec::with_capacity(times.len() * self.per_row);
        // Neighbouring rows mostly lie in the same window: the division is saved for the others.
        let mut last = i64::MIN;
        for &time in times {
            if last == i64::MIN || time < last || time - last >= self.slide {
                last = time - (time - self.offset).rem_euclid(self.slide);
            }
            let first = last - (self.size - self.slide);
            starts.extend((0..self.per_row as i64).map(|window| first + window * self.slide));
        }
        Some(starts)
    }
}

fn in_unit(us: i64, unit: TimeUnit, what: &str) -> Result<i64> {
    let exact = match unit {
        TimeUnit::Second => (us % 1_000_000 == 0).then_some(us / 1_000_000),
        TimeUnit::Millisecond => (us % 1_000 == 0).then_some(us / 1_000),
        TimeUnit::Microsecond => Some(us),
        TimeUnit::Nanosecond => us.checked_mul(1_000),
    };
    exact.ok_or_else(|| {
        let unit = format!("{unit:?}").to_lowercase();
        Error::invalid(format!("the window's {what} of {us} us does not fit a time in whole {unit}s"))
    })
}

#[cfg(test)]
mod tests;
