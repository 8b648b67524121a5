//! The rows that a match may still refer to, in columns. A row has a sequence number; rows leave in any order, and what is
//! left of mostly empty segments is brought together.

use std::ops::Range;

use arrow::array::{Array, ArrayRef, new_null_array};
use arrow::buffer::{BooleanBuffer, Buffer};
use arrow::compute::interleave;
use arrow::datatypes::DataType;
use dipper_types::{Error, Result};

use super::gather::Places;
use super::snapshot::KeptRows;
use super::stretches::StretchLists;

/// Segments below this size are merged with their neighbours.
const SMALL_ROWS: usize = 4096;
/// The most rows of a segment that compaction makes.
const COMPACTED_ROWS_MAX: usize = 1 << 18;
/// Dead rows that are no reason to compact.
const DEAD_ROWS_MIN: usize = 1 << 16;

/// The retained rows.
#[derive(Debug)]
pub(super) struct RowStore {
    types: Vec<DataType>,
    segments: Vec<Segment>,
    next_seq: u64,
    stored: usize,
    live: usize,
    /// Where the rows of partitions lie that are not in one stretch.
    pub(super) stretches: StretchLists,
}

/// Single rows in any order: what a gather of any column needs. Holds until the store is next compacted.
#[derive(Debug, Default)]
pub(super) struct Cells {
    /// Segment and row. Rows that do not exist are of the segment behind the last.
    places: Vec<(usize, usize)>,
}

#[derive(Debug)]
struct Segment {
    first_seq: u64,
    /// The sequence number of each row; `None` if they follow `first_seq` without a gap.
    seqs: Option<Vec<u64>>,
    columns: Vec<ArrayRef>,
    rows: usize,
    /// One bit for each row.
    live: Vec<u64>,
    live_rows: usize,
}

/// Where rows are: what a gather of any column needs. Holds until the store is next compacted.
#[derive(Debug, Default)]
pub(super) struct Addresses {
    /// Segments, or `None` for rows that do not exist.
    sources: Vec<Option<usize>>,
    places: Places,
    /// The longest stretch of rows that do not exist.
    missing_max: usize,
}

impl RowStore {
    /// An empty store of columns of the given types.
    pub(super) fn new(types: Vec<DataType>) -> Self {
        let (segments, stretches) = (Vec::new(), StretchLists::default());
        Self { types, segments, next_seq: 0, stored: 0, live: 0, stretches }
    }

    /// From now on rows have two more columns: their partition, and their index in it.
    pub(super) fn note_names(&mut self) {
        self.types.extend([DataType::UInt32, DataType::UInt64]);
    }

    /// The sequence number of the next row to come.
    pub(super) fn next_seq(&self) -> u64 {
        self.next_seq
    }

    /// The rows from a sequence number on, and which of them are alive.
    pub(super) fn rows_from(&self, seq: u64) -> Vec<KeptRows> {
        let with_rows = self.segments.iter().filter_map(|segment| Some((segment, segment.rows_from(seq)?)));
        let kept = |(segment, first): (&Segment, usize)| KeptRows {
            columns: segment.columns.iter().map(|column| column.slice(first, segment.rows - first)).collect(),
            live: BooleanBuffer::new(Buffer::from_vec(segment.live.clone()), first, segment.rows - first),
        };
        with_rows.map(kept).collect()
    }

    /// Takes in rows; they get the sequence numbers from the one returned on.
    pub(super) fn append(&mut self, columns: Vec<ArrayRef>, rows: usize) -> u64 {
        let first_seq = self.next_seq;
        self.next_seq += rows as u64;
        self.stored += rows;
        self.live += rows;
        self.segments.push(Segment::of(first_seq, None, columns, rows));
        first_seq
    }

    /// Lets go of rows.
    pub(super) fn release(&mut self, seqs: Range<u64>) {
        let mut from = seqs.start;
        while from < seqs.end
            && let Some((segment, row)) = self.locate(from)
        {
            let segment = &mut self.segments[segment];
            let count = segment.consecutive(row, (seqs.end - from) as usize);
            segment.release(row, count);
            self.live -= count;
            from += count as u64;
        }
    }

    /// Lets go of everything.
    pub(super) fn clear(&mut self) {
        self.segments.clear();
        self.stretches.clear();
        (self.stored, self.live) = (0, 0);
    }

    /// A column of the rows that were last appended, until the store is compacted.
    pub(super) fn latest(&self, slot: usize) -> Result<&ArrayRef> {
        let column = self.segments.last().and_then(|segment| segment.columns.get(slot));
        column.ok_or_else(|| Error::internal("no rows have been appended"))
    }

    /// Adds a row, or one that does not exist, to a list of cells.
    #[inline]
    pub(super) fn add(&self, seq: Option<u64>, cells: &mut Cells) -> Result<()> {
        cells.places.push(match seq {
            None => (self.segments.len(), 0),
            Some(seq) => self.locate(seq).ok_or_else(|| Error::internal(format!("row {seq} has been released")))?,
        });
        Ok(())
    }

    /// The values of a column. One that does not exist is as good as a NULL.
    pub(super) fn pick(&self, slot: usize, cells: &Cells) -> Result<ArrayRef> {
        let missing = new_null_array(&self.types[slot], 1);
        let columns = self.segments.iter().map(|segment| segment.columns[slot].as_ref());
        let sources: Vec<&dyn Array> = columns.chain([missing.as_ref()]).collect();
        Ok(interleave(&sources, &cells.places)?)
    }

    /// Whether each row exists.
    pub(super) fn exist<'a>(&self, cells: &'a Cells) -> impl Iterator<Item = bool> + use<'a> {
        let segments = self.segments.len();
        cells.places.iter().map(move |(segment, _)| *segment < segments)
    }

    /// How many rows are alive.
    #[cfg(test)]
    pub(super) fn live_rows(&self) -> usize {
        self.live
    }

    /// Adds consecutive rows to a list of addresses.
    pub(super) fn address(&self, seqs: Range<u64>, addresses: &mut Addresses) -> Result<()> {
        let mut from = seqs.start;
        while from < seqs.end {
            let (segment, row) =
                self.locate(from).ok_or_else(|| Error::internal(format!("row {from} has been released")))?;
            let count = self.segments[segment].consecutive(row, (seqs.end - from) as usize);
            let source = addresses.source(Some(segment));
            addresses.places.push(source, row, count);
            from += count as u64;
        }
        Ok(())
    }

    /// The values of a column.
    pub(super) fn gather(&self, slot: usize, addresses: &Addresses) -> Result<ArrayRef> {
        // A row that does not exist is as good as a NULL; there may be many in one stretch.
        let missing = new_null_array(&self.types[slot], addresses.missing_max.max(1));
        let column = |source: &Option<usize>| match source {
            Some(segment) => self.segments[*segment].columns[slot].as_ref(),
            None => missing.as_ref(),
        };
        let sources: Vec<&dyn Array> = addresses.sources.iter().map(column).collect();
        if sources.is_empty() { Ok(missing.slice(0, 0)) } else { addresses.places.gather(&sources) }
    }

    /// One value as an array of one row.
    pub(super) fn value(&self, slot: usize, seq: Option<u64>) -> Result<ArrayRef> {
        let Some(seq) = seq else { return Ok(new_null_array(&self.types[slot], 1)) };
        let (column, row) =
            self.cell(slot, seq).ok_or_else(|| Error::internal(format!("row {seq} has been released")))?;
        Ok(column.slice(row, 1))
    }

    /// Where one value is: its column of the row's segment, and the row in that.
    pub(super) fn cell(&self, slot: usize, seq: u64) -> Option<(&dyn Array, usize)> {
        let (segment, row) = self.locate(seq)?;
        Some((self.segments[segment].columns[slot].as_ref(), row))
    }

    /// Drops empty segments and brings together what is left of mostly empty ones. The cost is paid for by the rows that
    /// came since the last time.
    pub(super) fn compact(&mut self) -> Result<()> {
        if self.segments.iter().any(|segment| segment.live_rows == 0) {
            self.segments.retain(|segment| segment.live_rows > 0);
            self.stored = self.segments.iter().map(|segment| segment.rows).sum();
        }
        while let [.., before, last] = self.segments.as_slice()
            && last.rows < SMALL_ROWS
            && before.rows < SMALL_ROWS.min(2 * last.rows + 1)
        {
            self.merge_from(self.segments.len() - 2)?;
        }
        if self.stored > 4 * self.live + DEAD_ROWS_MIN {
            self.merge_from(0)?;
        }
        Ok(())
    }

    #[inline]
    fn locate(&self, seq: u64) -> Option<(usize, usize)> {
        let index = match self.segments.last() {
            Some(last) if last.first_seq <= seq => self.segments.len() - 1,
            _ => self.segments.partition_point(|segment| segment.first_seq <= seq).checked_sub(1)?,
        };
        let segment = &self.segments[index];
        let row = match &segment.seqs {
            None => (seq - segment.first_seq) as usize,
            Some(seqs) => seqs.binary_search(&seq).ok()?,
        };
        (row < segment.rows).then_some((index, row))
    }

    /// Replaces the segments from `first` on by their live rows.
    fn merge_from(&mut self, first: usize) -> Result<()> {
        let (mut places, mut seqs) = (Vec::new(), Vec::new());
        for (index, segment) in self.segments[first..].iter().enumerate() {
            segment.for_each_live(|row| {
                places.push((index, row));
                seqs.push(segment.seq_of(row));
            });
        }
        let mut merged = Vec::new();
        for (places, seqs) in places.chunks(COMPACTED_ROWS_MAX).zip(seqs.chunks(COMPACTED_ROWS_MAX)) {
            let column = |slot: usize| -> Result<ArrayRef> {
                let columns = self.segments[first..].iter().map(|segment| segment.columns[slot].as_ref());
                Ok(interleave(&columns.collect::<Vec<&dyn Array>>(), places)?)
            };
            let columns = (0..self.types.len()).map(column).collect::<Result<Vec<_>>>()?;
            let gapless = seqs[seqs.len() - 1] - seqs[0] + 1 == seqs.len() as u64;
            merged.push(Segment::of(seqs[0], (!gapless).then(|| seqs.to_vec()), columns, seqs.len()));
        }
        self.segments.truncate(first);
        self.segments.extend(merged);
        self.stored = self.segments.iter().map(|segment| segment.rows).sum();
        Ok(())
    }
}

impl Segment {
    fn of(first_seq: u64, seqs: Option<Vec<u64>>, columns: Vec<ArrayRef>, rows: usize) -> Self {
        let mut live = vec![u64::MAX; rows.div_ceil(64)];
        if let Some(last) = live.last_mut()
            && !rows.is_multiple_of(64)
        {
            *last = (1 << (rows % 64)) - 1;
        }
        Self { first_seq, seqs, columns, rows, live, live_rows: rows }
    }

    fn seq_of(&self, row: usize) -> u64 {
        self.seqs.as_ref().map_or(self.first_seq + row as u64, |seqs| seqs[row])
    }

    /// The first row with a sequence number from this one on, if there is one.
    fn rows_from(&self, seq: u64) -> Option<usize> {
        let first = match &self.seqs {
            None => seq.saturating_sub(self.first_seq) as usize,
            Some(seqs) => seqs.partition_point(|known| *known < seq),
        };
        (first < self.rows).then_some(first)
    }

    /// How many rows from `row` on, at most `most`, have consecutive sequence numbers.
    fn consecutive(&self, row: usize, most: usize) -> usize {
        match &self.seqs {
            None => most.min(self.rows - row),
            Some(seqs) => {
                let follow = seqs[row..].iter().zip(seqs[row]..).take(most);
                follow.take_while(|(seq, expected)| **seq == *expected).count()
            }
        }
    }

    fn release(&mut self, row: usize, count: usize) {
        let end = row + count;
        let mut from = row;
        while from < end {
            let bits = (64 - from % 64).min(end - from);
            let mask = if bits == 64 { u64::MAX } else { ((1 << bits) - 1) << (from % 64) };
            self.live[from / 64] &= !mask;
            from += bits;
        }
        self.live_rows -= count;
    }

    fn for_each_live(&self, mut see: impl FnMut(usize)) {
        for (index, word) in self.live.iter().enumerate() {
            let mut rest = *word;
            while rest != 0 {
                see(index * 64 + rest.trailing_zeros() as usize);
                rest &= rest - 1;
            }
        }
    }
}

impl Cells {
    /// None, with room for so many.
    pub(super) fn with_capacity(cells: usize) -> Self {
        Self { places: Vec::with_capacity(cells) }
    }

    /// How many.
    pub(super) fn len(&self) -> usize {
        self.places.len()
    }
}

impl Addresses {
    /// Adds rows that do not exist.
    pub(super) fn missing(&mut self, count: usize) {
        let source = self.source(None);
        self.missing_max = self.missing_max.max(count);
        self.places.push(source, 0, count);
    }

    /// How many.
    pub(super) fn len(&self) -> usize {
        self.places.len()
    }

    /// Whether each row exists.
    pub(super) fn exists(&self) -> impl Iterator<Item = bool> + '_ {
        let exists = |source: u32| self.sources[source as usize].is_some();
        self.places.chunks().flat_map(move |chunk| std::iter::repeat_n(exists(chunk.source), chunk.len as usize))
    }

    fn source(&mut self, wanted: Option<usize>) -> usize {
        // The latest is the likeliest.
        self.sources.iter().rposition(|source| *source == wanted).unwrap_or_else(|| {
            self.sources.push(wanted);
            self.sources.len() - 1
        })
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test")]

    use std::collections::BTreeMap;
    use std::sync::Arc;

    use arrow::array::{AsArray, Int64Array};
    use arrow::datatypes::Int64Type;

    use super::*;

    /// Appends `rows` rows whose values are their sequence numbers.
    fn append(store: &mut RowStore, rows: usize) -> u64 {
        let first = store.next_seq as i64;
        let values: Int64Array = (first..first + rows as i64).collect();
        store.append(vec![Arc::new(values)], rows)
    }

    fn values(store: &RowStore, addresses: &Addresses) -> Vec<Option<i64>> {
        store.gather(0, addresses).unwrap().as_primitive::<Int64Type>().iter().collect()
    }

    #[test]
    fn rows_stay_what_they_are_while_others_leave_and_segments_are_compacted() {
        let mut store = RowStore::new(vec![DataType::Int64]);
        let mut live: BTreeMap<u64, u64> = BTreeMap::new();
        for step in 0..400_u64 {
            let rows = [1, 3, 700, 8192][step as usize % 4];
            let first = append(&mut store, rows);
            // One row in 97 stays for a while, the rest leaves at once, in stretches.
            let mut from = first;
            for seq in first..first + rows as u64 {
                if seq % 97 == 0 {
                    store.release(from..seq);
                    live.insert(seq, step);
                    from = seq + 1;
                }
            }
            store.release(from..first + rows as u64);
            live.retain(|seq, since| {
                let stays = step < *since + 30;
                if !stays {
                    store.release(*seq..seq + 1);
                }
                stays
            });
            store.compact().unwrap();
            if step % 7 == 0 {
                // What has come since is found wherever compaction has put it.
                let since = first.saturating_sub(step * 50);
                let kept = |KeptRows { columns, live }: KeptRows| {
                    let values = columns[0].as_primitive::<Int64Type>().values().to_vec();
                    values.into_iter().zip(live.iter().collect::<Vec<_>>())
                };
                let kept = store.rows_from(since).into_iter().flat_map(kept).filter(|(_, is_live)| *is_live);
                assert!(kept.map(|(seq, _)| seq as u64).eq(live.range(since..).map(|(seq, _)| *seq)), "step {step}");
            }
            assert!(store.segments.len() < 60 && store.stored <= 4 * store.live + DEAD_ROWS_MIN, "step {step}");
            assert_eq!(store.live, live.len());
        }
        let mut addresses = Addresses::default();
        for seq in live.keys() {
            store.address(*seq..seq + 1, &mut addresses).unwrap();
            addresses.missing(1);
        }
        let expected: Vec<Option<i64>> = live.keys().flat_map(|seq| [Some(*seq as i64), None]).collect();
        assert_eq!(values(&store, &addresses), expected);
        assert!(store.address(0..1, &mut addresses).is_err(), "row 0 has left");
    }

    #[test]
    fn a_whole_segment_is_not_copied() {
        let mut store = RowStore::new(vec![DataType::Int64]);
        append(&mut store, 10);
        let mut addresses = Addresses::default();
        store.address(0..10, &mut addresses).unwrap();
        let gathered = store.gather(0, &addresses).unwrap();
        let data = |array: &ArrayRef| array.to_data().buffers()[0].as_ptr();
        assert_eq!(data(&gathered), data(&store.segments[0].columns[0]));
    }
}
