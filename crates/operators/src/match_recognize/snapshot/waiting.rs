//! Matches that wait for rows to come, as rows of a table.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;

use arrow::array::{
    Array, ArrayRef, AsArray, BooleanArray, Int64Array, LargeBinaryBuilder, UInt16Array, UInt32Array, UInt64Array,
};
use arrow::datatypes::{Int64Type, SchemaRef, UInt32Type, UInt64Type};
use arrow::record_batch::RecordBatch;
use dipper_pattern::{Match, Status, SymbolId};
use dipper_state::{StateRows, StateWriter, TableSpec};
use dipper_types::Result;

use super::super::partitions::PartitionId;
use super::changes::{Changes, PartitionKey};

impl Changes {
    /// Hands over how the waiting matches of the partitions that have changed differ from those handed over before.
    pub(in super::super) fn hand_over_waiting(
        &mut self,
        waiting: &HashMap<PartitionId, VecDeque<Match>>,
        changed: &[PartitionId],
        state: &mut StateWriter,
    ) -> Result<()> {
        if waiting.is_empty() && self.waiting.is_empty() {
            return Ok(());
        }
        let (mut new, mut gone) = (Vec::new(), Vec::new());
        let none = VecDeque::new();
        for id in changed {
            let (key, matches) = (self.key(*id), waiting.get(id).unwrap_or(&none));
            let before = self.waiting.remove(id).unwrap_or_default();
            // Matches come and go in the order of their numbers.
            let (first, last) = (matches.front().map_or(u64::MAX, |found| found.number), before.last().copied());
            gone.extend(before.iter().take_while(|number| **number < first).map(|number| (key, *number)));
            new.extend(matches.iter().filter(|found| Some(found.number) > last).map(|found| (key, found)));
            if !matches.is_empty() {
                self.waiting.insert(*id, matches.iter().map(|found| found.number).collect());
            }
        }
        if !new.is_empty() {
            let StateRows { key_groups, rows } = to_rows(&self.tables.waiting, &new)?;
            state.upsert(&self.tables.waiting, key_groups, rows)?;
        }
        if !gone.is_empty() {
            let columns: Vec<ArrayRef> = vec![
                Arc::new(gone.iter().map(|(key, _)| Some(key.number)).collect::<UInt32Array>()),
                Arc::new(gone.iter().map(|(_, number)| Some(*number)).collect::<UInt64Array>()),
            ];
            let groups: UInt16Array = gone.iter().map(|(key, _)| Some(key.group)).collect();
            let keys = RecordBatch::try_new(self.tables.waiting.key_schema(), columns)?;
            state.delete(&self.tables.waiting, groups, keys)?;
        }
        Ok(())
    }

    /// Reads the waiting matches; `partition` says which partition a key is of.
    pub(in super::super) fn take_over_waiting(
        &mut self,
        stored: &[StateRows],
        partition: impl Fn(PartitionKey) -> Result<PartitionId>,
    ) -> Result<HashMap<PartitionId, VecDeque<Match>>> {
        let mut waiting: HashMap<PartitionId, Vec<Match>> = HashMap::new();
        for StateRows { key_groups, rows } in stored {
            let numbers = rows.column(0).as_primitive::<UInt32Type>().values();
            for (row, (group, number)) in key_groups.values().iter().zip(numbers).enumerate() {
                let id = partition(PartitionKey { group: *group, number: *number })?;
                waiting.entry(id).or_default().push(of_row(rows, row));
            }
        }
        for (id, matches) in &mut waiting {
            matches.sort_unstable_by_key(|found| found.number);
            self.waiting.insert(*id, matches.iter().map(|found| found.number).collect());
        }
        Ok(waiting.into_iter().map(|(id, matches)| (id, matches.into())).collect())
    }
}

fn to_rows(table: &TableSpec, matches: &[(PartitionKey, &Match)]) -> Result<StateRows> {
    let (mut variables, mut excluded) = (LargeBinaryBuilder::new(), LargeBinaryBuilder::new());
    for (_, found) in matches {
        variables.append_value(found.symbols.iter().map(|symbol| symbol.0).collect::<Vec<u8>>());
        // Which rows are excluded, one byte a row, if any are.
        let rows = if found.excluded.is_empty() { 0 } else { found.symbols.len() };
        excluded.append_value((0..rows).map(|row| u8::from(found.excluded.contains(row))).collect::<Vec<u8>>());
    }
    let found = || matches.iter().map(|(_, found)| *found);
    let columns: Vec<ArrayRef> = vec![
        Arc::new(matches.iter().map(|(key, _)| Some(key.number)).collect::<UInt32Array>()),
        Arc::new(found().map(|found| Some(found.number)).collect::<UInt64Array>()),
        Arc::new(found().map(|found| Some(found.start)).collect::<UInt64Array>()),
        Arc::new(variables.finish()),
        Arc::new(excluded.finish()),
        Arc::new(found().map(|found| Some(found.status == Status::Timeout)).collect::<BooleanArray>()),
        Arc::new(found().map(|found| found.deadline).collect::<Int64Array>()),
        Arc::new(found().map(|found| Some(found.skip_failed)).collect::<BooleanArray>()),
    ];
    let key_groups = matches.iter().map(|(key, _)| Some(key.group)).collect();
    Ok(StateRows { key_groups, rows: RecordBatch::try_new(SchemaRef::clone(&table.schema), columns)? })
}

/// The columns are those of the table: the reader has seen to it.
fn of_row(rows: &RecordBatch, row: usize) -> Match {
    let number = |column: usize| rows.column(column).as_primitive::<UInt64Type>().value(row);
    let bytes = |column: usize| rows.column(column).as_binary::<i64>().value(row);
    let is = |column: usize| rows.column(column).as_boolean().value(row);
    let deadline = rows.column(6).as_primitive::<Int64Type>();
    let excluded = bytes(4).iter().enumerate().filter(|(_, is_excluded)| **is_excluded != 0).map(|(row, _)| row);
    Match {
        number: number(1),
        start: number(2),
        symbols: bytes(3).iter().map(|symbol| SymbolId(*symbol)).collect(),
        excluded: excluded.collect(),
        status: if is(5) { Status::Timeout } else { Status::Complete },
        deadline: deadline.is_valid(row).then(|| deadline.value(row)),
        skip_failed: is(7),
    }
}
