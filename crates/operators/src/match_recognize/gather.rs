//! Which rows of which arrays, in order: what it takes to bring them together for any column.

use std::cell::OnceCell;
use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, PrimitiveArray, downcast_primitive};
use arrow::compute::{concat, interleave};
use dipper_types::Result;

/// Numbers are copied chunk by chunk where chunks are this long on average.
const SHORT_CHUNK_ROWS: usize = 2;
/// Rows are copied chunk by chunk where chunks are this long on average, else one by one.
const LONG_CHUNK_ROWS: usize = 32;

/// Places in numbered sources.
#[derive(Debug, Default)]
pub(super) struct Places {
    chunks: Vec<Chunk>,
    rows: usize,
    /// Source and row of each row, for those who take them one by one.
    each: OnceCell<Vec<(usize, usize)>>,
}

/// Consecutive rows of one source.
#[derive(Debug, Clone, Copy)]
pub(super) struct Chunk {
    /// The source.
    pub(super) source: u32,
    row: u32,
    /// How many rows.
    pub(super) len: u32,
}

impl Places {
    /// Adds consecutive rows of a source.
    #[inline]
    pub(super) fn push(&mut self, source: usize, row: usize, count: usize) {
        self.rows += count;
        let (source, row, len) = (source as u32, row as u32, count as u32);
        match self.chunks.last_mut() {
            Some(last) if last.source == source && last.row + last.len == row => last.len += len,
            _ => self.chunks.push(Chunk { source, row, len }),
        }
    }

    /// How many rows.
    pub(super) fn len(&self) -> usize {
        self.rows
    }

    /// The rows in order, stretch by stretch.
    pub(super) fn chunks(&self) -> impl Iterator<Item = Chunk> + '_ {
        self.chunks.iter().copied()
    }

    /// The rows of one column, of which `sources` has the array of each source. There must be a source. One stretch is not copied.
    pub(super) fn gather(&self, sources: &[&dyn Array]) -> Result<ArrayRef> {
        let slice = |chunk: Chunk| sources[chunk.source as usize].slice(chunk.row as usize, chunk.len as usize);
        match self.chunks[..] {
            [] => return Ok(sources[0].slice(0, 0)),
            [chunk] => return Ok(slice(chunk)),
            _ => {}
        }
        if self.rows >= LONG_CHUNK_ROWS * self.chunks.len() {
            let parts: Vec<ArrayRef> = self.chunks().map(slice).collect();
            return Ok(concat(&parts.iter().map(AsRef::as_ref).collect::<Vec<&dyn Array>>())?);
        }
        if self.rows >= SHORT_CHUNK_ROWS * self.chunks.len()
            && sources.iter().all(|source| source.null_count() == 0)
            && let Some(gathered) = self.copy_numbers(sources)
        {
            return Ok(gathered);
        }
        Ok(interleave(sources, self.each())?)
    }

    /// The rows of a column of numbers without NULLs; `None` if it is of another type.
    fn copy_numbers(&self, sources: &[&dyn Array]) -> Option<ArrayRef> {
        macro_rules! copied {
            ($type:ty) => {{
                let values: Vec<_> = sources.iter().map(|source| source.as_primitive::<$type>().values()).collect();
                let mut copied = Vec::with_capacity(self.rows);
                for Chunk { source, row, len } in self.chunks() {
                    copied.extend_from_slice(&values[source as usize][row as usize..(row + len) as usize]);
                }
                let copied = PrimitiveArray::<$type>::new(copied.into(), None);
                Some(Arc::new(copied.with_data_type(sources[0].data_type().clone())) as ArrayRef)
            }};
        }
        downcast_primitive! {
            sources[0].data_type() => (copied),
            _ => None
        }
    }

    fn each(&self) -> &[(usize, usize)] {
        self.each.get_or_init(|| {
            let rows = |chunk: Chunk| {
                let (source, row) = (chunk.source as usize, chunk.row as usize);
                (row..row + chunk.len as usize).map(move |row| (source, row))
            };
            self.chunks().flat_map(rows).collect()
        })
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test")]

    use arrow::array::{AsArray, Int64Array};
    use arrow::datatypes::Int64Type;

    use super::*;

    #[test]
    fn long_and_short_stretches_come_out_the_same() {
        let (one, two): (Int64Array, Int64Array) = ((0..1000).collect(), (1000..2000).collect());
        let sources: [&dyn Array; 2] = [&one, &two];
        for stretch in [1, 3, 100] {
            let mut places = Places::default();
            let mut expected = Vec::new();
            for index in 0..9 {
                places.push(index % 2, index * 100, stretch);
                expected.extend((0..stretch).map(|row| (index % 2 * 1000 + index * 100 + row) as i64));
            }
            let gathered = places.gather(&sources).unwrap();
            assert_eq!(gathered.as_primitive::<Int64Type>().values(), &expected[..]);
            assert_eq!(places.len(), 9 * stretch);
        }
        assert_eq!(Places::default().gather(&sources).unwrap().len(), 0);
    }
}
