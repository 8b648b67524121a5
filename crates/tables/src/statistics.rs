//! What is known of a data file's values without reading it: rows, NULLs, bounds. Collected while the file is written.

use std::cmp::Ordering;
use std::collections::BTreeMap;

use arrow::array::{Array, ArrayRef, AsArray, PrimitiveArray};
use arrow::compute::{max, max_string, min, min_string};
use arrow::datatypes::{
    ArrowNumericType, DataType, Date32Type, Decimal128Type, Float32Type, Float64Type, Int8Type, Int16Type, Int32Type,
    Int64Type, SchemaRef, TimeUnit, TimestampMicrosecondType,
};
use arrow::record_batch::RecordBatch;
use serde::{Deserialize, Serialize};

/// How many columns are measured: the first ones.
pub(crate) const COLUMNS: usize = 32;

/// How many characters of a text are kept as a bound.
const TEXT_CHARACTERS: usize = 32;

/// A bound of a column's values, of the column's type.
#[derive(Debug, Clone, PartialEq, PartialOrd, Serialize, Deserialize)]
pub enum Value {
    /// Of an integer.
    Integer(i64),
    /// Of a floating point number, finite.
    Float(f64),
    /// Of a decimal: the number without its point, as the type's scale sets it.
    Decimal(i128),
    /// Of a text. A lower bound may be the beginning of a longer text, an upper bound may have been rounded up.
    Text(String),
    /// Of a date: days since 1970.
    Date(i32),
    /// Of a timestamp with or without zone: microseconds since 1970. Bounds are of whole milliseconds, the upper one with all of its last
    /// millisecond: 1.5 ms to 2.5 ms is 1000 to 3999.
    Timestamp(i64),
}

/// What is known of one column.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct ColumnStatistics {
    /// How many rows are NULL.
    pub nulls: Option<u64>,
    /// No value is less. Unknown for types without an order that all readers share (BOOLEAN, BYTES, ARRAY), and for columns with a NaN.
    pub min: Option<Value>,
    /// No value is greater.
    pub max: Option<Value>,
}

/// What is known of a file.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct FileStatistics {
    /// Rows in the file, deleted ones included.
    pub rows: Option<u64>,
    /// Whether bounds of integers, floats, decimals and dates are values that occur, and NULLs are counted: not so once rows are deleted.
    pub tight: bool,
    /// By column name; columns that were not measured are missing.
    pub columns: BTreeMap<String, ColumnStatistics>,
}

/// Collects the statistics of the batches of one file.
#[derive(Debug)]
pub(crate) struct Collector {
    schema: SchemaRef,
    rows: u64,
    columns: Vec<Column>,
}

#[derive(Debug, Default)]
struct Column {
    nulls: u64,
    bounds: Option<(Value, Value)>,
    /// A value was found that no bound can be given for.
    unbounded: bool,
}

impl Collector {
    pub(crate) fn new(schema: SchemaRef) -> Self {
        let columns = (0..schema.fields().len().min(COLUMNS)).map(|_| Column::default()).collect();
        Self { schema, rows: 0, columns }
    }

    /// Rows so far.
    pub(crate) fn rows(&self) -> u64 {
        self.rows
    }

    /// Takes up a batch of the schema.
    pub(crate) fn add(&mut self, batch: &RecordBatch) {
        self.rows += batch.num_rows() as u64;
        for (column, array) in self.columns.iter_mut().zip(batch.columns()) {
            column.nulls += array.null_count() as u64;
            match bounds(array) {
                Bounds::Of(low, high) => column.widen(low, high),
                Bounds::OfNothing => {}
                Bounds::Unknown => column.unbounded = true,
            }
        }
    }

    /// The statistics of the whole file.
    pub(crate) fn finish(self) -> FileStatistics {
        let names = self.schema.fields().iter().map(|field| field.name().clone());
        let columns = names.zip(self.columns).map(|(name, column)| (name, column.finish())).collect();
        FileStatistics { rows: Some(self.rows), tight: true, columns }
    }
}

impl Column {
    fn widen(&mut self, low: Value, high: Value) {
        self.bounds = Some(match self.bounds.take() {
            None => (low, high),
            Some((min, max)) => (
                if low.partial_cmp(&min) == Some(Ordering::Less) { low } else { min },
                if high.partial_cmp(&max) == Some(Ordering::Greater) { high } else { max },
            ),
        });
    }

    fn finish(self) -> ColumnStatistics {
        let bounds = self.bounds.filter(|_| !self.unbounded);
        let (min, max) = bounds.map_or((None, None), |(min, max)| (Some(round_down(min)), round_up(max)));
        ColumnStatistics { nulls: Some(self.nulls), min, max }
    }
}

enum Bounds {
    Of(Value, Value),
    /// There is no value.
    OfNothing,
    /// There are values without bounds.
    Unknown,
}

fn bounds(array: &ArrayRef) -> Bounds {
    match array.data_type() {
        DataType::Int8 => primitive::<Int8Type>(array, |value| Value::Integer(value.into())),
        DataType::Int16 => primitive::<Int16Type>(array, |value| Value::Integer(value.into())),
        DataType::Int32 => primitive::<Int32Type>(array, |value| Value::Integer(value.into())),
        DataType::Int64 => primitive::<Int64Type>(array, Value::Integer),
        DataType::Date32 => primitive::<Date32Type>(array, Value::Date),
        DataType::Decimal128(..) => primitive::<Decimal128Type>(array, Value::Decimal),
        DataType::Timestamp(TimeUnit::Microsecond, _) => primitive::<TimestampMicrosecondType>(array, Value::Timestamp),
        DataType::Float32 => {
            let values = array.as_primitive::<Float32Type>();
            float(values, values.iter().flatten().all(f32::is_finite), f64::from)
        }
        DataType::Float64 => {
            let values = array.as_primitive::<Float64Type>();
            float(values, values.iter().flatten().all(f64::is_finite), |value| value)
        }
        DataType::Utf8 => {
            let texts = array.as_string::<i32>();
            match (min_string(texts), max_string(texts)) {
                // The rest of a long text makes no difference in the end, and need not be held meanwhile.
                (Some(min), Some(max)) => Bounds::Of(Value::Text(prefix(min, 1)), Value::Text(prefix(max, 2))),
                _ => Bounds::OfNothing,
            }
        }
        _ => Bounds::Unknown,
    }
}

fn primitive<T: ArrowNumericType>(array: &ArrayRef, value: impl Fn(T::Native) -> Value) -> Bounds {
    let array = array.as_primitive::<T>();
    match (min(array), max(array)) {
        (Some(low), Some(high)) => Bounds::Of(value(low), value(high)),
        _ => Bounds::OfNothing,
    }
}

/// A NaN is ignored by some readers' comparisons and not by others, and JSON has no infinity: such columns have no bounds.
fn float<T: ArrowNumericType>(array: &PrimitiveArray<T>, all_finite: bool, value: impl Fn(T::Native) -> f64) -> Bounds {
    if !all_finite {
        return Bounds::Unknown;
    }
    match (min(array), max(array)) {
        (Some(low), Some(high)) => Bounds::Of(Value::Float(value(low)), Value::Float(value(high))),
        _ => Bounds::OfNothing,
    }
}

/// The beginning of a text that is at most `factor` bounds long, and at least one character longer than a bound if anything is left out.
fn prefix(text: &str, factor: usize) -> String {
    text.chars().take(TEXT_CHARACTERS * factor).collect()
}

/// A bound that is at most `value`, and short. Negative zero is at most any zero.
fn round_down(value: Value) -> Value {
    match value {
        Value::Text(text) => Value::Text(prefix(&text, 1)),
        Value::Float(0.0) => Value::Float(-0.0),
        Value::Timestamp(us) => Value::Timestamp(us.div_euclid(1000).saturating_mul(1000)),
        value => value,
    }
}

/// A bound that is at least `value`, and short; none if there is no such text.
fn round_up(value: Value) -> Option<Value> {
    Some(match value {
        Value::Text(text) => Value::Text(text_above(&text)?),
        Value::Float(0.0) => Value::Float(0.0),
        Value::Timestamp(us) => {
            let ms = us.div_euclid(1000) + i64::from(us.rem_euclid(1000) > 0);
            Value::Timestamp(ms.saturating_mul(1000).saturating_add(999))
        }
        value => value,
    })
}

/// The text itself if it is short, else a short one above it: its beginning with the last character that can be replaced by the next one.
/// Texts are compared by bytes, which for UTF-8 is by characters.
fn text_above(text: &str) -> Option<String> {
    let mut characters: Vec<char> = text.chars().take(TEXT_CHARACTERS).collect();
    if characters.len() < TEXT_CHARACTERS || text.chars().nth(TEXT_CHARACTERS).is_none() {
        return Some(text.to_owned());
    }
    while let Some(last) = characters.pop() {
        let next = if last == '\u{d7ff}' { Some('\u{e000}') } else { char::from_u32(last as u32 + 1) };
        if let Some(next) = next {
            characters.push(next);
            return Some(characters.into_iter().collect());
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use arrow::array::{BooleanArray, Float64Array, Int32Array, StringArray};
    use arrow::datatypes::{Field, Schema};

    use super::*;

    fn statistics(arrays: Vec<ArrayRef>) -> FileStatistics {
        let fields = arrays.iter().enumerate();
        let fields = fields.map(|(index, array)| Field::new(format!("c{index}"), array.data_type().clone(), true));
        let schema = Arc::new(Schema::new(fields.collect::<Vec<_>>()));
        let mut collector = Collector::new(Arc::clone(&schema));
        collector.add(&RecordBatch::try_new(schema, arrays).unwrap());
        collector.finish()
    }

    fn column(array: impl Array + 'static) -> ColumnStatistics {
        statistics(vec![Arc::new(array)]).columns.remove("c0").unwrap()
    }

    #[test]
    fn bounds_and_nulls_are_collected() {
        let found = column(Int32Array::from(vec![Some(3), None, Some(-1)]));
        assert_eq!(found.nulls, Some(1));
        assert_eq!((found.min, found.max), (Some(Value::Integer(-1)), Some(Value::Integer(3))));
    }

    #[test]
    fn a_column_of_nulls_has_no_bounds() {
        let found = column(Int32Array::from(vec![None, None]));
        assert_eq!((found.nulls, found.min, found.max), (Some(2), None, None));
    }

    #[test]
    fn a_nan_or_an_infinity_takes_the_bounds_away() {
        for odd in [f64::NAN, f64::INFINITY] {
            let found = column(Float64Array::from(vec![1.0, odd, 2.0]));
            assert_eq!((found.min, found.max), (None, None));
        }
        let found = column(Float64Array::from(vec![0.0]));
        assert!(matches!(found.min, Some(Value::Float(zero)) if zero.is_sign_negative()));
        assert!(matches!(found.max, Some(Value::Float(zero)) if zero.is_sign_positive()));
    }

    #[test]
    fn booleans_have_no_bounds_but_nulls() {
        let found = column(BooleanArray::from(vec![Some(true), None]));
        assert_eq!((found.nulls, found.min, found.max), (Some(1), None, None));
    }

    #[test]
    fn a_long_text_has_bounds_that_are_short_and_on_the_right_side() {
        let text = format!("{}zzz", "ä".repeat(TEXT_CHARACTERS));
        let found = column(StringArray::from(vec![text.as_str()]));
        let (Some(Value::Text(min)), Some(Value::Text(max))) = (found.min, found.max) else { panic!("no bounds") };
        assert!(min.as_str() < text.as_str() && text.as_str() < max.as_str());
        assert_eq!((min.chars().count(), max.chars().count()), (TEXT_CHARACTERS, TEXT_CHARACTERS));
        // Nothing is above a text of the last character only.
        let last = "\u{10ffff}".repeat(TEXT_CHARACTERS + 1);
        assert_eq!(column(StringArray::from(vec![last.as_str()])).max, None);
        // What is exactly as long as a bound stays as it is.
        let exact = "\u{d7ff}".repeat(TEXT_CHARACTERS);
        assert_eq!(column(StringArray::from(vec![exact.as_str()])).max, Some(Value::Text(exact.clone())));
        assert!(text_above(&format!("{exact}x")).unwrap() > format!("{exact}x"));
    }

    #[test]
    fn only_the_first_columns_are_measured() {
        let arrays = (0..COLUMNS + 3).map(|_| Arc::new(Int32Array::from(vec![1])) as ArrayRef).collect();
        assert_eq!(statistics(arrays).columns.len(), COLUMNS);
    }
}
