//! The tables of stored state and their columns. Another shape is another format: a restore refuses it by name.

use std::sync::Arc;

use arrow::array::{ArrayRef, AsArray, UInt16Array, UInt32Array, UInt64Array};
use arrow::datatypes::{DataType, Field, Schema, SchemaRef, UInt32Type, UInt64Type};
use arrow::record_batch::RecordBatch;
use dipper_state::{StateRows, TableSpec};
use dipper_types::{Error, ErrorKind, Result};

use super::super::kept_columns::KeptColumns;
use super::delta::Counters;

/// The tables of a clause. A partition is known by a number within its key group, which it keeps for ever.
#[derive(Debug)]
pub(in super::super) struct Tables {
    /// Every partition that has ever been: its key.
    pub(in super::super) keys: TableSpec,
    /// The same partitions: where the search stands.
    pub(in super::super) partitions: TableSpec,
    /// The rows that are kept for matches to come, by partition and index in the partition.
    pub(in super::super) rows: TableSpec,
    /// The rows that wait for the watermark, by run and place in the run.
    pub(in super::super) buffer: TableSpec,
    /// The matches whose measures look at rows that have not come, by partition and match number.
    pub(in super::super) waiting: TableSpec,
    /// The slots of the input's columns in `rows` and `buffer`, in the order in which they stand there.
    pub(in super::super) slots: Vec<usize>,
}

/// What is stored of partitions beside their keys, column by column.
#[derive(Debug, Default)]
pub(in super::super) struct StoredPartitions {
    /// The key group of each.
    pub(in super::super) groups: Vec<u16>,
    /// Its number in the key group.
    pub(in super::super) numbers: Vec<u32>,
    /// Where the search stands in it.
    pub(in super::super) counters: Counters,
}

impl Tables {
    /// Those of a clause that keeps these columns and is partitioned by some of the input's.
    pub(in super::super) fn new(kept: &KeptColumns, partition_by: &[usize]) -> Self {
        let field = |name: &str, data_type: DataType| Field::new(name, data_type, false);
        let input = kept.input();
        let key = |column: &usize| {
            let field = input.field(*column);
            Field::new(format!("by.{}", field.name()), field.data_type().clone(), true)
        };
        let slots = kept.in_order();
        let columns = slots
            .iter()
            .map(|slot| Field::new(format!("input.{}", kept.name(*slot)), kept.data_type(*slot).clone(), true));
        let columns: Vec<Field> = columns.collect();
        let table = |name: &str, key_columns, fields: Vec<Field>| {
            TableSpec::new(name, Arc::new(Schema::new(fields)) as SchemaRef, key_columns)
        };
        let mut keys = vec![field("partition", DataType::UInt32)];
        keys.extend(partition_by.iter().map(key));
        let partitions = vec![
            field("partition", DataType::UInt32),
            field("rows", DataType::UInt64),
            field("kept", DataType::UInt32),
            field("unsearched", DataType::UInt32),
            field("open", DataType::UInt32),
            field("unreported", DataType::UInt32),
            field("matches", DataType::UInt64),
        ];
        let mut rows = vec![field("partition", DataType::UInt32), field("row", DataType::UInt64)];
        rows.extend(columns.iter().cloned());
        let mut buffer = vec![
            field("run", DataType::UInt64),
            field("place", DataType::UInt32),
            field("partition", DataType::UInt32),
        ];
        buffer.extend(columns);
        let waiting = vec![
            field("partition", DataType::UInt32),
            field("number", DataType::UInt64),
            field("start", DataType::UInt64),
            field("variables", DataType::LargeBinary),
            field("excluded", DataType::LargeBinary),
            field("timed_out", DataType::Boolean),
            Field::new("deadline", DataType::Int64, true),
            field("skip_failed", DataType::Boolean),
        ];
        Self {
            keys: table("keys", 1, keys),
            partitions: table("partitions", 1, partitions),
            rows: table("rows", 2, rows),
            buffer: table("buffer", 2, buffer),
            waiting: table("waiting", 2, waiting),
            slots,
        }
    }

    /// The kept columns, by slot, of stored rows of `rows` or `buffer` at some places; `first` is the first of the input's columns there.
    pub(in super::super) fn columns(
        &self,
        stored: &[StateRows],
        first: usize,
        places: &[(usize, usize)],
    ) -> Result<Vec<ArrayRef>> {
        let mut order: Vec<(usize, usize)> = self.slots.iter().copied().zip(first..).collect();
        order.sort_unstable();
        order.into_iter().map(|(_, column)| gather(stored, column, places)).collect()
    }

    /// All of them.
    pub(in super::super) fn all(&self) -> [&TableSpec; 5] {
        [&self.keys, &self.partitions, &self.rows, &self.buffer, &self.waiting]
    }
}

impl StoredPartitions {
    /// How many.
    pub(in super::super) fn len(&self) -> usize {
        self.numbers.len()
    }

    /// As rows of the table.
    pub(in super::super) fn into_rows(self, table: &TableSpec) -> Result<StateRows> {
        let Counters { seen, kept, unsearched, open, unreported, matches } = self.counters;
        let columns: Vec<ArrayRef> = vec![
            Arc::new(UInt32Array::from(self.numbers)),
            Arc::new(UInt64Array::from(seen)),
            Arc::new(UInt32Array::from(kept)),
            Arc::new(UInt32Array::from(unsearched)),
            Arc::new(UInt32Array::from(open)),
            Arc::new(UInt32Array::from(unreported)),
            Arc::new(UInt64Array::from(matches)),
        ];
        let rows = RecordBatch::try_new(SchemaRef::clone(&table.schema), columns)?;
        Ok(StateRows { key_groups: UInt16Array::from(self.groups), rows })
    }

    /// Reads rows of the table, in the order of key group and number.
    pub(in super::super) fn read(stored: &[StateRows]) -> Result<Self> {
        let order = in_order(stored);
        let places: Vec<(usize, usize)> = order.iter().map(|(_, _, batch, row)| (*batch, *row)).collect();
        let count = |column: usize| -> Result<Vec<u64>> {
            Ok(gather(stored, column, &places)?.as_primitive::<UInt64Type>().values().to_vec())
        };
        let seen = count(1)?;
        let behind = |column: usize| -> Result<Vec<u32>> {
            let rows = gather(stored, column, &places)?.as_primitive::<UInt32Type>().values().to_vec();
            if rows.iter().zip(&seen).any(|(rows, seen)| u64::from(*rows) > *seen) {
                return Err(does_not_fit("a partition has more rows than it has had"));
            }
            Ok(rows)
        };
        let (kept, unsearched, open, unreported) = (behind(2)?, behind(3)?, behind(4)?, behind(5)?);
        let counters = Counters { kept, unsearched, open, unreported, matches: count(6)?, seen };
        let groups = order.iter().map(|(group, ..)| *group).collect();
        let numbers = order.iter().map(|(_, number, ..)| *number).collect();
        Ok(Self { groups, numbers, counters })
    }

    /// Where the keys of the same partitions are, in the same order: batch and row.
    pub(in super::super) fn places_of_keys(&self, stored: &[StateRows]) -> Result<Vec<(usize, usize)>> {
        let order = in_order(stored);
        let names = self.groups.iter().zip(&self.numbers).map(|(group, number)| (*group, *number));
        if !order.iter().map(|(group, number, ..)| (*group, *number)).eq(names) {
            return Err(does_not_fit("the tables 'keys' and 'partitions' are about different partitions"));
        }
        Ok(order.into_iter().map(|(_, _, batch, row)| (batch, row)).collect())
    }

    /// The index of a partition by key group and number.
    pub(in super::super) fn find(&self, group: u16, number: u32) -> Result<usize> {
        let from = self.groups.partition_point(|known| *known < group);
        let of_group = self.groups[from..].partition_point(|known| *known == group);
        let found = self.numbers[from..from + of_group].binary_search(&number).ok();
        let absent = || does_not_fit(format_args!("there is no partition {number} in key group {group}"));
        found.map(|index| from + index).ok_or_else(absent)
    }
}

/// Rows of a table whose key is a partition's number, in the order of key group and number: those, the batch, the row in it.
fn in_order(stored: &[StateRows]) -> Vec<(u16, u32, usize, usize)> {
    let mut order = Vec::new();
    for (batch, StateRows { key_groups, rows }) in stored.iter().enumerate() {
        let numbers = rows.column(0).as_primitive::<UInt32Type>().values();
        let places = key_groups.values().iter().zip(numbers).enumerate();
        order.extend(places.map(|(row, (group, number))| (*group, *number, batch, row)));
    }
    order.sort_unstable();
    order
}

/// A column of stored rows at some places, each a batch and a row.
pub(in super::super) fn gather(stored: &[StateRows], column: usize, places: &[(usize, usize)]) -> Result<ArrayRef> {
    if stored.is_empty() {
        return Err(does_not_fit("a table is missing"));
    }
    let sources: Vec<&dyn arrow::array::Array> = stored.iter().map(|part| part.rows.column(column).as_ref()).collect();
    Ok(arrow::compute::interleave(&sources, places)?)
}

/// Stored tables that contradict each other.
pub(in super::super) fn does_not_fit(what: impl std::fmt::Display) -> Error {
    Error::new(ErrorKind::Corrupt, format!("the stored state of MATCH_RECOGNIZE does not fit together: {what}"))
        .with_hint("restore an older checkpoint")
}
