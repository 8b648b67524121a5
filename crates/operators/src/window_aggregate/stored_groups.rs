//! The groups of a window that have been handed over to a snapshot. Their states stay as they were handed over, in batches, until rows come
//! for them or the window closes: so the accumulators hold exactly what has changed since, and a snapshot costs that.

use std::collections::BTreeMap;

use arrow::array::{Array, ArrayRef, BooleanArray, UInt32Array};
use arrow::compute::{filter, interleave, take_arrays};
use arrow::datatypes::SchemaRef;
use datafusion::logical_expr::EmitTo;
use datafusion::physical_plan::aggregates::group_values::{GroupValues, new_group_values};
use datafusion::physical_plan::aggregates::order::GroupOrdering;
use dipper_graph::FromDataFusion;
use dipper_types::Result;

/// Batches of so many groups are not merged with their neighbours.
const MERGED_ROWS_MAX: usize = 1 << 16;

/// See the module.
pub(super) struct StoredGroups {
    /// The keys of all groups that have been asked for, to their index here.
    known: Box<dyn GroupValues>,
    /// By that index.
    places: Vec<Place>,
    batches: BTreeMap<u32, Batch>,
    next_batch: u32,
    ids: Vec<usize>,
}

/// Where the state of a group is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Place {
    /// In the accumulators; it has never been handed over.
    New,
    /// In the accumulators.
    Loaded,
    /// In a row of a batch.
    Stored(u32, u32),
}

/// Groups that were handed over together.
struct Batch {
    /// Key columns, then state columns.
    columns: Vec<ArrayRef>,
    /// The index of each group.
    ids: Vec<u32>,
    /// How many have not been loaded.
    live: usize,
}

/// Groups on their way to the accumulators.
pub(super) struct Loaded {
    /// Which of those asked for they are.
    pub(super) asked: Vec<usize>,
    /// Key columns, then state columns.
    pub(super) columns: Vec<ArrayRef>,
}

impl StoredGroups {
    /// None has been handed over.
    pub(super) fn new(group_schema: &SchemaRef) -> Result<Self> {
        let known = new_group_values(SchemaRef::clone(group_schema), &GroupOrdering::None).or_plan_error()?;
        Ok(Self { known, places: Vec::new(), batches: BTreeMap::new(), next_batch: 0, ids: Vec::new() })
    }

    /// Groups, of which there are `keys` key columns, have been handed over: they stay here.
    pub(super) fn keep(&mut self, columns: Vec<ArrayRef>, keys: usize) -> Result<()> {
        self.identify(&columns[..keys])?;
        let ids: Vec<u32> = self.ids.iter().map(|id| *id as u32).collect();
        self.put(columns, ids);
        let sparse = |batch: &Batch| batch.live * 4 < batch.ids.len();
        let sparse: Vec<u32> = self.batches.iter().filter(|(_, batch)| sparse(batch)).map(|(id, _)| *id).collect();
        for batch in sparse {
            self.merge(&[batch])?;
        }
        while let Some((last, two)) = self.last_two()
            && two.0 <= 2 * two.1
            && two.0 + two.1 <= MERGED_ROWS_MAX
        {
            self.merge(&last)?;
        }
        Ok(())
    }

    /// Takes those of some groups, all different, that are here.
    pub(super) fn load(&mut self, keys: &[ArrayRef]) -> Result<Option<Loaded>> {
        self.identify(keys)?;
        let (mut asked, mut places) = (Vec::new(), Vec::new());
        for (index, id) in self.ids.iter().enumerate() {
            if let Place::Stored(batch, row) = self.places[*id] {
                self.places[*id] = Place::Loaded;
                asked.push(index);
                places.push((batch, row));
            }
        }
        if asked.is_empty() {
            return Ok(None);
        }
        let columns = self.gather(&places)?;
        for (batch, _) in &places {
            if let Some(batch) = self.batches.get_mut(batch) {
                batch.live -= 1;
            }
        }
        self.batches.retain(|_, batch| batch.live > 0);
        Ok(Some(Loaded { asked, columns }))
    }

    /// Takes all groups that are here, batch by batch, key columns first.
    pub(super) fn load_all(&mut self) -> Result<Vec<Vec<ArrayRef>>> {
        let batches: Vec<u32> = self.batches.keys().copied().collect();
        let mut loaded = Vec::new();
        for batch in batches {
            let (rows, ids) = self.live_rows(&[batch]);
            loaded.push(self.gather(&rows)?);
            for id in ids {
                self.places[id as usize] = Place::Loaded;
            }
            self.batches.remove(&batch);
        }
        Ok(loaded)
    }

    /// The keys of all groups that have ever been handed over.
    pub(super) fn into_keys(mut self) -> Result<Vec<ArrayRef>> {
        let handed: BooleanArray = self.places.iter().map(|place| Some(*place != Place::New)).collect();
        let keys = self.known.emit(EmitTo::All).or_plan_error()?;
        keys.iter().map(|key| Ok(filter(key, &handed)?)).collect()
    }

    /// Writes the index of each group to `ids`.
    fn identify(&mut self, keys: &[ArrayRef]) -> Result<()> {
        self.known.intern(keys, &mut self.ids).or_plan_error()?;
        self.places.resize(self.known.len(), Place::New);
        Ok(())
    }

    fn put(&mut self, columns: Vec<ArrayRef>, ids: Vec<u32>) {
        if ids.is_empty() {
            return;
        }
        let batch = self.next_batch;
        self.next_batch += 1;
        for (row, id) in ids.iter().enumerate() {
            self.places[*id as usize] = Place::Stored(batch, row as u32);
        }
        let live = ids.len();
        self.batches.insert(batch, Batch { columns, ids, live });
    }

    /// The two latest batches, and how many groups are in each.
    fn last_two(&self) -> Option<([u32; 2], (usize, usize))> {
        let mut latest = self.batches.iter().rev();
        let (last, before) = (latest.next()?, latest.next()?);
        Some(([*before.0, *last.0], (before.1.live, last.1.live)))
    }

    /// Puts one batch in the place of some.
    fn merge(&mut self, batches: &[u32]) -> Result<()> {
        let (rows, ids) = self.live_rows(batches);
        let columns = self.gather(&rows)?;
        self.batches.retain(|number, _| !batches.contains(number));
        self.put(columns, ids);
        Ok(())
    }

    /// The groups of some batches that have not been loaded, and their indices.
    fn live_rows(&self, batches: &[u32]) -> (Vec<(u32, u32)>, Vec<u32>) {
        let (mut rows, mut ids) = (Vec::new(), Vec::new());
        for number in batches {
            for (row, id) in self.batches.get(number).into_iter().flat_map(|batch| batch.ids.iter().enumerate()) {
                if self.places[*id as usize] == Place::Stored(*number, row as u32) {
                    rows.push((*number, row as u32));
                    ids.push(*id);
                }
            }
        }
        (rows, ids)
    }

    /// All columns of some groups.
    fn gather(&self, places: &[(u32, u32)]) -> Result<Vec<ArrayRef>> {
        let mut numbers: Vec<u32> = places.iter().map(|(batch, _)| *batch).collect();
        numbers.sort_unstable();
        numbers.dedup();
        let sources: Vec<&Batch> = numbers.iter().filter_map(|number| self.batches.get(number)).collect();
        if let [only] = sources[..] {
            let rows: UInt32Array = places.iter().map(|(_, row)| Some(*row)).collect();
            return Ok(take_arrays(&only.columns, &rows, None)?);
        }
        let source = |batch: u32| numbers.partition_point(|number| *number < batch);
        let places: Vec<(usize, usize)> = places.iter().map(|(batch, row)| (source(*batch), *row as usize)).collect();
        let count = sources.first().map_or(0, |batch| batch.columns.len());
        let column = |index: usize| -> Result<ArrayRef> {
            let columns: Vec<&dyn Array> = sources.iter().map(|batch| batch.columns[index].as_ref()).collect();
            Ok(interleave(&columns, &places)?)
        };
        (0..count).map(column).collect()
    }
}
