//! Matches that wait for rows to come, as rows of a table.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, BooleanArray, Int64Array, LargeBinaryBuilder, UInt64Array};
use arrow::datatypes::{Int64Type, UInt32Type, UInt64Type};
use arrow::record_batch::RecordBatch;
use dipper_pattern::{Match, Status, SymbolId};
use dipper_state::StateRows;
use dipper_types::Result;

use super::super::partitions::PartitionId;
use super::changes::Changes;
use super::delta::{OfPartitions, Standing};
use super::ledger::PartitionKey;

impl Changes {
    /// How the waiting matches of the partitions that have changed differ from those handed over before.
    pub(in super::super) fn take_waiting(
        &mut self,
        waiting: &HashMap<PartitionId, VecDeque<Match>>,
        notes: &[Standing],
    ) -> Vec<OfPartitions> {
        if waiting.is_empty() && self.waiting.is_empty() {
            return Vec::new();
        }
        let (mut new, mut gone, mut gone_of) = (Vec::new(), Vec::new(), Vec::new());
        let none = VecDeque::new();
        for Standing { id, .. } in notes {
            let matches = waiting.get(id).unwrap_or(&none);
            let before = self.waiting.remove(id).unwrap_or_default();
            // Matches come and go in the order of their numbers.
            let (first, last) = (matches.front().map_or(u64::MAX, |found| found.number), before.last().copied());
            gone.extend(before.into_iter().take_while(|number| *number < first));
            gone_of.resize(gone.len(), *id);
            new.extend(matches.iter().filter(|found| Some(found.number) > last).map(|found| (*id, found)));
            if !matches.is_empty() {
                self.waiting.insert(*id, matches.iter().map(|found| found.number).collect());
            }
        }
        let mut changes = Vec::new();
        let of = |ids: Vec<PartitionId>, are_gone, columns| OfPartitions {
            table: self.tables.waiting.clone(),
            are_gone,
            ids,
            number_at: Some(0),
            columns,
        };
        if !gone.is_empty() {
            changes.push(of(gone_of, true, vec![Arc::new(UInt64Array::from(gone))]));
        }
        if !new.is_empty() {
            let (ids, matches): (Vec<PartitionId>, Vec<&Match>) = new.into_iter().unzip();
            changes.push(of(ids, false, to_columns(&matches)));
        }
        changes
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

/// The columns of the table behind the partition.
fn to_columns(matches: &[&Match]) -> Vec<ArrayRef> {
    let (mut variables, mut excluded) = (LargeBinaryBuilder::new(), LargeBinaryBuilder::new());
    for found in matches {
        variables.append_value(found.symbols.iter().map(|symbol| symbol.0).collect::<Vec<u8>>());
        // Which rows are excluded, one byte a row, if any are.
        let rows = if found.excluded.is_empty() { 0 } else { found.symbols.len() };
        excluded.append_value((0..rows).map(|row| u8::from(found.excluded.contains(row))).collect::<Vec<u8>>());
    }
    vec![
        Arc::new(UInt64Array::from_iter_values(matches.iter().map(|found| found.number))),
        Arc::new(UInt64Array::from_iter_values(matches.iter().map(|found| found.start))),
        Arc::new(variables.finish()),
        Arc::new(excluded.finish()),
        Arc::new(matches.iter().map(|found| Some(found.status == Status::Timeout)).collect::<BooleanArray>()),
        Arc::new(matches.iter().map(|found| found.deadline).collect::<Int64Array>()),
        Arc::new(matches.iter().map(|found| Some(found.skip_failed)).collect::<BooleanArray>()),
    ]
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
