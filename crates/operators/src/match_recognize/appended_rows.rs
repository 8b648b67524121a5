//! The rows that were last appended, and those at a fixed distance before them, as conditions read them: nothing is copied that is not
//! shifted, and only rows of earlier batches are looked for one by one.

use arrow::array::{ArrayRef, BooleanArray, UInt32Array};
use arrow::compute::{concat, take};
use dipper_types::Result;

use super::letters::LetterRows;
use super::partition_rows::PartitionRows;
use super::partitions::Span;
use super::row_store::{Cells, RowStore};

/// The rows that were last appended.
pub(super) struct AppendedRows<'a> {
    store: &'a RowStore,
    count: usize,
    /// By shift.
    shifted: Vec<Shifted>,
}

/// The rows at a distance from each.
enum Shifted {
    /// The same.
    Same,
    /// Where a partition has one before them among those appended, it is that.
    Before {
        /// The others.
        earlier: Cells,
        /// All, as indices into those appended and behind them the earlier ones; `None` if the earlier ones come first and the others
        /// follow in their order.
        order: Option<UInt32Array>,
    },
}

impl<'a> AppendedRows<'a> {
    /// `spans` says which partitions the rows belong to, `shifts` at which distances, none of them positive, rows will be read.
    pub(super) fn new(
        shifts: &[i64],
        spans: &[Span],
        partitions: &[PartitionRows],
        store: &'a RowStore,
    ) -> Result<Self> {
        let count = spans.last().map_or(0, |last| last.start + last.len);
        let shifted = shifts.iter().map(|shift| match shift.unsigned_abs() {
            0 => Ok(Shifted::Same),
            distance => Shifted::before(distance, count, spans, partitions, store),
        });
        let shifted = shifted.collect::<Result<_>>()?;
        Ok(Self { store, count, shifted })
    }
}

impl Shifted {
    fn before(
        distance: u64,
        count: usize,
        spans: &[Span],
        partitions: &[PartitionRows],
        store: &RowStore,
    ) -> Result<Self> {
        let mut earlier = Cells::default();
        let mut order = (spans.len() > 1).then(|| Vec::with_capacity(count));
        for Span { partition, start, len } in spans {
            let rows = &partitions[*partition as usize];
            let first = (rows.seen() - *len as u64) as i64 - distance as i64;
            let not_among = usize::try_from(distance).map_or(*len, |distance| distance.min(*len));
            if let Some(order) = &mut order {
                let behind = count + earlier.len();
                order.extend((behind..behind + not_among).chain(*start..start + len - not_among).map(|row| row as u32));
            }
            for row in first..first + not_among as i64 {
                store.add(rows.seq_of(row, store), &mut earlier)?;
            }
        }
        Ok(Self::Before { earlier, order: order.map(UInt32Array::from) })
    }
}

impl LetterRows for AppendedRows<'_> {
    fn value(&self, slot: usize, shift: usize) -> Result<ArrayRef> {
        let latest = self.store.latest(slot)?;
        let Shifted::Before { earlier, order } = &self.shifted[shift] else { return Ok(ArrayRef::clone(latest)) };
        let before = self.store.pick(slot, earlier)?;
        if before.len() == self.count {
            return Ok(before);
        }
        match order {
            None => Ok(concat(&[before.as_ref(), latest.slice(0, self.count - before.len()).as_ref()])?),
            Some(order) => Ok(take(&concat(&[latest.as_ref(), before.as_ref()])?, order, None)?),
        }
    }

    fn exists(&self, shift: usize) -> Result<BooleanArray> {
        let Shifted::Before { earlier, order } = &self.shifted[shift] else {
            return Ok(BooleanArray::from(vec![true; self.count]));
        };
        let exist: Vec<bool> = self.store.exist(earlier).collect();
        let of = |row: u32| (row as usize).checked_sub(self.count).is_none_or(|earlier| exist[earlier]);
        Ok(match order {
            Some(order) => order.values().iter().map(|row| Some(of(*row))).collect(),
            None => exist.iter().copied().chain(std::iter::repeat(true)).take(self.count).map(Some).collect(),
        })
    }
}
