//! From PARTITION BY values to dense partition ids, and rows brought together by partition.

use std::sync::Arc;

use arrow::array::{ArrayRef, UInt32Array};
use arrow::compute::{concat, interleave, take};
use arrow::datatypes::{Schema, SchemaRef};
use arrow::record_batch::RecordBatch;
use datafusion::physical_plan::aggregates::group_values::{GroupValues, new_group_values};
use datafusion::physical_plan::aggregates::order::GroupOrdering;
use dipper_graph::FromDataFusion;
use dipper_types::Result;

use super::partition_rows::PartitionRows;

/// The number of a partition, in order of first arrival.
pub(super) type PartitionId = u32;

/// Key batches below this size are merged with their neighbours.
const KEY_ROWS_MAX: usize = 1 << 20;

/// The partitions seen so far and their keys.
pub(super) struct Partitions {
    columns: Vec<usize>,
    values: Option<Box<dyn GroupValues>>,
    ids: Vec<usize>,
    count: usize,
    keys: Vec<KeyBatch>,
}

/// The keys of consecutive partitions.
struct KeyBatch {
    first: usize,
    rows: usize,
    columns: Vec<ArrayRef>,
}

/// Consecutive rows of one partition.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Span {
    /// The partition.
    pub(super) partition: PartitionId,
    /// The first row.
    pub(super) start: usize,
    /// How many.
    pub(super) len: usize,
}

impl Partitions {
    /// Partitions by columns of `schema`; without columns there is one partition.
    pub(super) fn new(schema: &SchemaRef, columns: &[usize]) -> Result<Self> {
        let values = if columns.is_empty() {
            None
        } else {
            let key =
                Arc::new(Schema::new(columns.iter().map(|column| schema.field(*column).clone()).collect::<Vec<_>>()));
            Some(new_group_values(key, &GroupOrdering::None).or_plan_error()?)
        };
        Ok(Self { columns: columns.to_vec(), values, ids: Vec::new(), count: 0, keys: Vec::new() })
    }

    /// How many partitions there are.
    pub(super) fn count(&self) -> usize {
        self.count
    }

    /// The input columns that partition.
    pub(super) fn columns(&self) -> &[usize] {
        &self.columns
    }

    /// The partition of each row; new keys become new partitions.
    pub(super) fn intern(&mut self, batch: &RecordBatch) -> Result<Vec<PartitionId>> {
        let keys: Vec<ArrayRef> = self.columns.iter().map(|column| ArrayRef::clone(batch.column(*column))).collect();
        self.intern_keys(&keys, batch.num_rows())
    }

    /// The same for so many keys, column by column in the order of PARTITION BY.
    pub(super) fn intern_keys(&mut self, keys: &[ArrayRef], rows: usize) -> Result<Vec<PartitionId>> {
        let Some(values) = &mut self.values else {
            self.count = self.count.max(usize::from(rows > 0));
            return Ok(vec![0; rows]);
        };
        values.intern(keys, &mut self.ids).or_plan_error()?;
        let known = self.count;
        self.count = values.len();
        if self.count > known {
            self.keep_new_keys(known, keys)?;
        }
        Ok(self.ids.iter().map(|id| *id as PartitionId).collect())
    }

    /// The key of each of `partitions`, column by column in the order of PARTITION BY.
    pub(super) fn keys_of(&self, partitions: &[PartitionId]) -> Result<Vec<ArrayRef>> {
        if let [only] = &self.keys[..] {
            let rows = UInt32Array::from(partitions.to_vec());
            return only.columns.iter().map(|column| Ok(take(column, &rows, None)?)).collect();
        }
        let place = |partition: &PartitionId| {
            let id = *partition as usize;
            let batch = self.keys.partition_point(|batch| batch.first + batch.rows <= id);
            (batch, id - self.keys.get(batch).map_or(id, |batch| batch.first))
        };
        let places: Vec<(usize, usize)> = partitions.iter().map(place).collect();
        let column = |index: usize| -> Result<ArrayRef> {
            let batches: Vec<&dyn arrow::array::Array> =
                self.keys.iter().map(|batch| batch.columns[index].as_ref()).collect();
            Ok(interleave(&batches, &places)?)
        };
        (0..self.columns.len()).map(column).collect()
    }

    /// The keys of the partitions from `first` on, batch by batch; a batch without columns stands for the only partition.
    pub(super) fn keys_from(&self, first: usize) -> Vec<Vec<ArrayRef>> {
        if self.values.is_none() && first < self.count {
            return vec![Vec::new()];
        }
        let new = self.keys.iter().filter(|batch| first < batch.first + batch.rows);
        let slice = |batch: &KeyBatch| {
            let skipped = first.saturating_sub(batch.first);
            batch.columns.iter().map(|column| column.slice(skipped, batch.rows - skipped)).collect()
        };
        new.map(slice).collect()
    }

    fn keep_new_keys(&mut self, known: usize, keys: &[ArrayRef]) -> Result<()> {
        let mut row_of = vec![None; self.count - known];
        for (row, id) in self.ids.iter().enumerate() {
            if *id >= known {
                row_of[*id - known].get_or_insert(row as u32);
            }
        }
        let rows: UInt32Array = row_of.into_iter().map(Option::unwrap_or_default).collect();
        let columns = keys.iter().map(|key| Ok(take(key, &rows, None)?)).collect::<Result<Vec<_>>>()?;
        self.keys.push(KeyBatch { first: known, rows: self.count - known, columns });
        while let [.., before, last] = self.keys.as_slice()
            && before.rows <= 2 * last.rows
            && before.rows + last.rows <= KEY_ROWS_MAX
        {
            let pairs = before.columns.iter().zip(&last.columns);
            let columns = pairs.map(|(a, b)| Ok(concat(&[a.as_ref(), b.as_ref()])?)).collect::<Result<Vec<_>>>()?;
            let merged = KeyBatch { first: before.first, rows: before.rows + last.rows, columns };
            self.keys.truncate(self.keys.len() - 2);
            self.keys.push(merged);
        }
        Ok(())
    }
}

/// Reorders rows so that those of a partition are together, each partition's in the order given; partitions stand in the order of
/// their first row. The order is `None` if the rows can stay as they are. Costs what there are rows, not what there are partitions.
pub(super) fn bring_together(
    partitions: &[PartitionId],
    records: &mut [PartitionRows],
) -> (Option<Vec<u32>>, Vec<Span>) {
    if records.len() == 1 {
        return (None, vec![Span { partition: 0, start: 0, len: partitions.len() }]);
    }
    let mut spans: Vec<Span> = Vec::new();
    for partition in partitions {
        let count = &mut records[*partition as usize].in_step;
        if *count == 0 {
            spans.push(Span { partition: *partition, start: 0, len: 0 });
        }
        *count += 1;
    }
    if spans.len() == partitions.len() {
        // Each row is of another partition.
        for (start, span) in spans.iter_mut().enumerate() {
            records[span.partition as usize].in_step = 0;
            (span.start, span.len) = (start, 1);
        }
        return (None, spans);
    }
    let mut start = 0;
    for span in &mut spans {
        let count = &mut records[span.partition as usize].in_step;
        (span.start, span.len) = (start, *count as usize);
        start += span.len;
        *count = span.start as u32;
    }
    let mut order = vec![0_u32; partitions.len()];
    for (row, partition) in partitions.iter().enumerate() {
        let next = &mut records[*partition as usize].in_step;
        order[*next as usize] = row as u32;
        *next += 1;
    }
    for span in &spans {
        records[span.partition as usize].in_step = 0;
    }
    (Some(order), spans)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test")]

    use arrow::array::{AsArray, Int64Array, StringArray};
    use arrow::datatypes::{DataType, Field, Int64Type};

    use super::*;

    fn batch(keys: &[Option<&str>], numbers: &[i64]) -> RecordBatch {
        let schema =
            Schema::new(vec![Field::new("key", DataType::Utf8, true), Field::new("number", DataType::Int64, false)]);
        let columns: Vec<ArrayRef> =
            vec![Arc::new(StringArray::from(keys.to_vec())), Arc::new(Int64Array::from(numbers.to_vec()))];
        RecordBatch::try_new(Arc::new(schema), columns).unwrap()
    }

    #[test]
    fn equal_keys_share_a_partition_across_batches_and_nulls_form_one() {
        let first = batch(&[Some("b"), None, Some("a"), Some("b")], &[1, 1, 1, 1]);
        for columns in [vec![0], vec![0, 1]] {
            let mut partitions = Partitions::new(&first.schema(), &columns).unwrap();
            let ids = partitions.intern(&first).unwrap();
            assert_eq!(ids[0], ids[3]);
            let again = partitions.intern(&batch(&[None, Some("c")], &[1, 1])).unwrap();
            assert_eq!((again[0], again[1]), (ids[1], 3));
            let keys = partitions.keys_of(&[ids[2], again[1], ids[1], ids[0]]).unwrap();
            let text: Vec<Option<&str>> = keys[0].as_string::<i32>().iter().collect();
            assert_eq!(text, [Some("a"), Some("c"), None, Some("b")]);
        }
    }

    #[test]
    fn many_small_batches_of_new_keys_keep_every_key() {
        let schema = batch(&[], &[]).schema();
        let mut partitions = Partitions::new(&schema, &[1]).unwrap();
        for number in 0..500 {
            assert_eq!(partitions.intern(&batch(&[None], &[number])).unwrap(), [number as u32]);
        }
        assert!(partitions.keys.len() < 20, "{}", partitions.keys.len());
        let keys = partitions.keys_of(&[0, 255, 499]).unwrap();
        assert_eq!(keys[0].as_primitive::<Int64Type>().values(), &[0, 255, 499]);
    }

    #[test]
    fn rows_are_brought_together_in_their_order() {
        let rows = batch(&[Some("x"), Some("y"), Some("x"), Some("y"), Some("x")], &[0; 5]);
        let mut partitions = Partitions::new(&rows.schema(), &[0]).unwrap();
        let ids = partitions.intern(&rows).unwrap();
        let mut records: Vec<PartitionRows> = ids.iter().map(|_| PartitionRows::default()).collect();
        for _ in 0..2 {
            let (order, spans) = bring_together(&ids, &mut records);
            assert_eq!(order, Some(vec![0, 2, 4, 1, 3]));
            assert_eq!(spans, [Span { partition: 0, start: 0, len: 3 }, Span { partition: 1, start: 3, len: 2 }]);
            let (order, spans) = bring_together(&[1, 0], &mut records);
            assert_eq!((order, spans[0].partition, spans[1].start), (None, 1, 1));
        }
    }
}
