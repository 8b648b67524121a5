//! ORDER BY: puts the rows that leave the buffer in order, ties in the order of arrival.

use arrow::array::{Array, ArrayRef};
use arrow::compute::{SortOptions, interleave};
use arrow::row::{RowConverter, SortField};
use dipper_graph::OrderKey;
use dipper_types::Result;

use super::event_time_buffer::Entry;
use super::kept_columns::KeptColumns;
use super::native_time::native_values;

/// The ORDER BY keys, as slots of the kept columns.
#[derive(Debug)]
pub(super) struct RowOrder {
    keys: Vec<Key>,
    /// Whether the entries come with the value of the first key.
    led_by_time: bool,
}

#[derive(Debug, Clone)]
struct Key {
    slot: usize,
    options: SortOptions,
    field: SortField,
}

impl RowOrder {
    /// Orders by `keys`; `led_by_time` says that the first one is the event time, ascending, and never NULL. Keeps the columns it reads.
    pub(super) fn new(keys: &[OrderKey], led_by_time: bool, kept: &mut KeptColumns) -> Result<Self> {
        let read = keys.iter().skip(usize::from(led_by_time));
        let key = |key: &OrderKey| -> Result<Key> {
            let slot = kept.keep(key.column)?;
            let options = SortOptions { descending: key.descending, nulls_first: key.nulls_first };
            Ok(Key { slot, options, field: SortField::new_with_options(kept.data_type(slot).clone(), options) })
        };
        let keys = read.map(key).collect::<Result<Vec<_>>>()?;
        Ok(Self { keys, led_by_time })
    }

    /// Whether rows in the order of time are in order.
    pub(super) fn is_by_time(&self) -> bool {
        self.led_by_time && self.keys.is_empty()
    }

    /// Sorts entries that stand in the order of arrival, except that each run's are by time if time leads. `columns` are the kept columns of each run.
    pub(super) fn sort(&self, entries: &mut Vec<Entry>, columns: &[Vec<ArrayRef>]) -> Result<()> {
        if entries.is_empty() {
            return Ok(());
        }
        let keys = if self.led_by_time {
            &self.keys[..]
        } else {
            match self.keys.split_first() {
                Some((first, rest)) if lead_by_number(entries, first, columns) => rest,
                _ => &self.keys[..],
            }
        };
        if keys.is_empty() {
            // The standard library's stable sort merges ascending runs, and that is what stands here.
            entries.sort_by_key(|entry| entry.time);
            return Ok(());
        }
        let converter = RowConverter::new(keys.iter().map(|key| key.field.clone()).collect())?;
        let places: Vec<(usize, usize)> = entries.iter().map(|e| (e.run as usize, e.row as usize)).collect();
        let key_column = |key: &Key| -> Result<ArrayRef> {
            let runs: Vec<&dyn Array> = columns.iter().map(|columns| columns[key.slot].as_ref()).collect();
            Ok(interleave(&runs, &places)?)
        };
        let values = keys.iter().map(key_column).collect::<Result<Vec<_>>>()?;
        let rows = converter.convert_columns(&values)?;
        let mut order: Vec<(Entry, u32)> = entries.iter().copied().zip(0..).collect();
        order.sort_by(|(a, a_row), (b, b_row)| {
            let by_keys = || rows.row(*a_row as usize).cmp(&rows.row(*b_row as usize));
            a.time.cmp(&b.time).then_with(by_keys)
        });
        *entries = order.into_iter().map(|(entry, _)| entry).collect();
        Ok(())
    }
}

/// Sets the entries' times to the values of a key that sorts as a number, if it is one and has no NULL.
fn lead_by_number(entries: &mut [Entry], key: &Key, columns: &[Vec<ArrayRef>]) -> bool {
    let numbers = |columns: &Vec<ArrayRef>| {
        let column = &columns[key.slot];
        if column.null_count() > 0 { None } else { native_values(column).ok() }
    };
    let Some(values) = columns.iter().map(numbers).collect::<Option<Vec<_>>>() else { return false };
    for entry in entries {
        let value = values[entry.run as usize][entry.row as usize];
        entry.time = if key.options.descending { !value } else { value };
    }
    true
}
