//! The output of a task: which of the receiver's subtasks gets which rows.

use std::sync::Arc;

use arrow::array::UInt32Array;
use arrow::compute::take_record_batch;
use arrow::record_batch::RecordBatch;
use dipper_graph::Partitioning;
use dipper_operator_api::{StreamElement, key_groups};
use dipper_types::{KeyGroup, Result, SubtaskId};

use crate::channel::Sender;

/// One outgoing edge of one subtask.
#[derive(Debug)]
pub(crate) struct Output {
    /// One per subtask of the receiver; of a forward edge, only the one across.
    senders: Vec<Sender>,
    routing: Routing,
}

#[derive(Debug)]
enum Routing {
    /// There is one receiver.
    Only,
    Hash(HashRouting),
    /// Batches in turn.
    RoundRobin {
        next: usize,
    },
}

impl Output {
    /// The output of subtask `from` to `senders`.
    pub(crate) fn new(partitioning: &Partitioning, senders: Vec<Sender>, key_groups: u16, from: SubtaskId) -> Self {
        let routing = match partitioning {
            _ if senders.len() == 1 => Routing::Only,
            Partitioning::Hash { columns } => {
                Routing::Hash(HashRouting::new(columns.clone(), key_groups, senders.len()))
            }
            // Senders start at different receivers, so that few batches do not all go to the first.
            Partitioning::Forward | Partitioning::Rebalance => {
                Routing::RoundRobin { next: from.index % senders.len().max(1) }
            }
        };
        Self { senders, routing }
    }

    /// Sends rows to the subtasks that they belong to and everything else to all. Waits for room.
    pub(crate) async fn send(&mut self, element: StreamElement) -> Result<()> {
        let StreamElement::Batch(batch) = element else {
            for sender in &self.senders {
                sender.send(element.clone()).await?;
            }
            return Ok(());
        };
        match &mut self.routing {
            Routing::Only => self.senders[0].send(StreamElement::Batch(batch)).await,
            Routing::RoundRobin { next } => {
                let receiver = *next;
                *next = (receiver + 1) % self.senders.len();
                self.senders[receiver].send(StreamElement::Batch(batch)).await
            }
            Routing::Hash(routing) => {
                for (receiver, part) in routing.scatter(&batch)? {
                    self.senders[receiver].send(StreamElement::Batch(part)).await?;
                }
                Ok(())
            }
        }
    }
}

/// Divides batches by key.
#[derive(Debug)]
struct HashRouting {
    columns: Vec<usize>,
    /// The receiver that owns each key group.
    owners: Vec<usize>,
    receivers: usize,
}

impl HashRouting {
    fn new(columns: Vec<usize>, key_groups: u16, receivers: usize) -> Self {
        let owners = (0..key_groups).map(|group| KeyGroup(group).subtask(key_groups, receivers)).collect();
        Self { columns, owners, receivers }
    }

    /// The rows of each receiver that gets any, in the order of the batch.
    fn scatter(&self, batch: &RecordBatch) -> Result<Vec<(usize, RecordBatch)>> {
        let keys: Vec<_> = self.columns.iter().map(|&column| Arc::clone(batch.column(column))).collect();
        let groups = key_groups(&keys, batch.num_rows(), self.owners.len() as u16)?;
        let owner = |group: &KeyGroup| self.owners[usize::from(group.0)];

        // A counting sort of the row numbers by receiver.
        let mut starts = vec![0_usize; self.receivers + 1];
        for group in &groups {
            starts[owner(group) + 1] += 1;
        }
        if let Some(receiver) = starts[1..].iter().position(|&count| count == batch.num_rows()) {
            return Ok(vec![(receiver, batch.clone())]);
        }
        for receiver in 0..self.receivers {
            starts[receiver + 1] += starts[receiver];
        }
        let mut rows = vec![0_u32; batch.num_rows()];
        let mut free = starts.clone();
        for (row, group) in groups.iter().enumerate() {
            let place = &mut free[owner(group)];
            rows[*place] = row as u32;
            *place += 1;
        }

        let rows = UInt32Array::from(rows);
        let mut parts = Vec::with_capacity(self.receivers);
        for receiver in 0..self.receivers {
            let count = starts[receiver + 1] - starts[receiver];
            if count > 0 {
                let part = take_record_batch(batch, &rows.slice(starts[receiver], count))?;
                parts.push((receiver, part));
            }
        }
        Ok(parts)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use arrow::array::{ArrayRef, AsArray, Int64Array, StringArray};
    use arrow::datatypes::Int64Type;

    use super::*;

    fn batch(keys: &[&str]) -> RecordBatch {
        let key: ArrayRef = Arc::new(StringArray::from(keys.to_vec()));
        let row: ArrayRef = Arc::new(Int64Array::from_iter_values(0..keys.len() as i64));
        RecordBatch::try_from_iter([("key", key), ("row", row)]).unwrap()
    }

    #[test]
    fn scattering_keeps_every_row_the_keys_together_and_the_order_within_a_key() {
        let keys: Vec<String> = (0..1_000).map(|row| format!("key {}", row * 7 % 40)).collect();
        let batch = batch(&keys.iter().map(String::as_str).collect::<Vec<_>>());
        let parts = HashRouting::new(vec![0], 128, 3).scatter(&batch).unwrap();

        let mut receiver_of: BTreeMap<String, usize> = BTreeMap::new();
        let mut rows = Vec::new();
        for (receiver, part) in parts {
            let part_rows = part.column(1).as_primitive::<Int64Type>().values().to_vec();
            assert!(part_rows.is_sorted());
            for key in part.column(0).as_string::<i32>().iter().flatten() {
                assert_eq!(*receiver_of.entry(key.to_owned()).or_insert(receiver), receiver);
            }
            rows.extend(part_rows);
        }
        rows.sort_unstable();
        assert_eq!(rows, (0..1_000).collect::<Vec<_>>());
        assert_eq!(receiver_of.len(), 40);
        let used: std::collections::BTreeSet<_> = receiver_of.values().collect();
        assert_eq!(used.len(), 3, "forty keys spread over all receivers");
    }

    #[test]
    fn a_batch_of_one_key_is_passed_on_as_it_is() {
        let batch = batch(&["a"; 50]);
        let parts = HashRouting::new(vec![0], 128, 4).scatter(&batch).unwrap();
        assert_eq!(parts.len(), 1);
        assert!(Arc::ptr_eq(parts[0].1.column(0), batch.column(0)));
    }

    #[test]
    fn rows_without_key_columns_go_to_one_receiver() {
        let parts = HashRouting::new(vec![], 128, 4).scatter(&batch(&["a", "b", "c"])).unwrap();
        assert_eq!(parts.len(), 1);
        assert_eq!(parts[0].1.num_rows(), 3);
    }
}
