//! The groups of one window, as long as it is open.

use std::fmt;

use arrow::array::{ArrayRef, UInt32Array};
use arrow::compute::{SortOptions, interleave, take_arrays};
use arrow::datatypes::SchemaRef;
use arrow::record_batch::RecordBatch;
use arrow::row::{RowConverter, SortField};
use datafusion::logical_expr::{EmitTo, GroupsAccumulator};
use datafusion::physical_plan::aggregates::group_values::{GroupValues, new_group_values};
use datafusion::physical_plan::aggregates::order::GroupOrdering;
use dipper_graph::FromDataFusion;
use dipper_types::Result;

use super::aggregate::{Aggregate, AggregateInput};
use super::stored_groups::{Loaded, StoredGroups};

/// The group keys seen in a window, and one accumulator per aggregate with a state for each of them.
pub(super) struct OpenWindow {
    groups: Box<dyn GroupValues>,
    accumulators: Vec<Box<dyn GroupsAccumulator>>,
    /// Kept for its memory: the group of each row of the batch at hand.
    group_of_row: Vec<usize>,
    /// The groups that are not in the accumulators; from the window's first snapshot, or a restore, on.
    stored: Option<StoredGroups>,
}

impl fmt::Debug for OpenWindow {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("OpenWindow").field("groups", &self.groups.len()).finish_non_exhaustive()
    }
}

impl OpenWindow {
    pub(super) fn new(group_schema: &SchemaRef, aggregates: &[Aggregate]) -> Result<Self> {
        let groups = new_group_values(SchemaRef::clone(group_schema), &GroupOrdering::None).or_plan_error()?;
        let accumulators = aggregates.iter().map(Aggregate::accumulator).collect::<Result<_>>()?;
        Ok(Self { groups, accumulators, group_of_row: Vec::new(), stored: None })
    }

    /// Adds rows, all of this window.
    pub(super) fn aggregate(&mut self, keys: &[ArrayRef], rows: &RecordBatch, aggregates: &[Aggregate]) -> Result<()> {
        let known = self.groups.len();
        self.groups.intern(keys, &mut self.group_of_row).or_plan_error()?;
        let groups = self.groups.len();
        let inputs = aggregates.iter().map(|aggregate| aggregate.read(rows)).collect::<Result<Vec<_>>>()?;
        if groups > known && self.stored.is_some() {
            self.load(known, keys, aggregates, &inputs)?;
        }
        for ((aggregate, state), input) in aggregates.iter().zip(&mut self.accumulators).zip(&inputs) {
            aggregate.update(state.as_mut(), input, &self.group_of_row, groups)?;
        }
        Ok(())
    }

    /// What has changed since the last time: the group columns, then the states of the aggregates. Nothing, if nothing has.
    pub(super) fn hand_over(
        &mut self,
        group_schema: &SchemaRef,
        aggregates: &[Aggregate],
    ) -> Result<Option<Vec<ArrayRef>>> {
        if self.groups.is_empty() {
            return Ok(None);
        }
        let fresh = Self::new(group_schema, aggregates)?;
        let mut groups = std::mem::replace(&mut self.groups, fresh.groups);
        let accumulators = std::mem::replace(&mut self.accumulators, fresh.accumulators);
        let mut columns = groups.emit(EmitTo::All).or_plan_error()?;
        let keys = columns.len();
        for (aggregate, mut state) in aggregates.iter().zip(accumulators) {
            columns.extend(aggregate.take_state(state.as_mut())?);
        }
        self.stored_groups(group_schema)?.keep(columns.clone(), keys)?;
        Ok(Some(columns))
    }

    /// Takes groups that had been handed over.
    pub(super) fn take_over(&mut self, columns: Vec<ArrayRef>, group_schema: &SchemaRef) -> Result<()> {
        let keys = group_schema.fields().len();
        self.stored_groups(group_schema)?.keep(columns, keys)
    }

    /// Brings all groups back into the accumulators; with what there is to know of those that have been handed over, if any have.
    pub(super) fn load_all(
        &mut self,
        group_schema: &SchemaRef,
        aggregates: &[Aggregate],
    ) -> Result<Option<StoredGroups>> {
        let Some(mut stored) = self.stored.take() else { return Ok(None) };
        let keys = group_schema.fields().len();
        for columns in stored.load_all()? {
            self.groups.intern(&columns[..keys], &mut self.group_of_row).or_plan_error()?;
            let group_of_row = std::mem::take(&mut self.group_of_row);
            self.merge(&columns[keys..], &group_of_row, aggregates)?;
            self.group_of_row = group_of_row;
        }
        Ok(Some(stored))
    }

    fn stored_groups(&mut self, group_schema: &SchemaRef) -> Result<&mut StoredGroups> {
        let stored = match self.stored.take() {
            Some(stored) => stored,
            None => StoredGroups::new(group_schema)?,
        };
        Ok(self.stored.insert(stored))
    }

    /// Brings those of the groups from `known` on back into the accumulators that have been handed over before. `keys` and `inputs` are of
    /// the batch at hand.
    fn load(
        &mut self,
        known: usize,
        keys: &[ArrayRef],
        aggregates: &[Aggregate],
        inputs: &[AggregateInput],
    ) -> Result<()> {
        let Some(stored) = &mut self.stored else { return Ok(()) };
        let mut row_of = vec![0_u32; self.groups.len() - known];
        for (row, group) in self.group_of_row.iter().enumerate().rev() {
            if *group >= known {
                row_of[*group - known] = row as u32;
            }
        }
        let new = take_arrays(keys, &UInt32Array::from(row_of), None)?;
        let Some(Loaded { asked, columns }) = stored.load(&new)? else { return Ok(()) };
        let groups: Vec<usize> = (known..self.groups.len()).collect();
        let loaded = &columns[keys.len()..];
        if asked.len() == groups.len() {
            return self.merge(loaded, &groups, aggregates);
        }
        // An accumulator takes it that each new group is among the rows that it comes with, so the others come with empty states.
        let mut places = vec![(1, 0); groups.len()];
        asked.iter().enumerate().for_each(|(row, index)| places[*index] = (0, row));
        let empty = aggregates.iter().zip(inputs).map(|(aggregate, input)| aggregate.empty_state(input));
        let empty = empty.collect::<Result<Vec<_>>>()?;
        let pairs = loaded.iter().zip(empty.iter().flatten());
        let states = pairs.map(|(loaded, empty)| Ok(interleave(&[loaded.as_ref(), empty.as_ref()], &places)?));
        self.merge(&states.collect::<Result<Vec<_>>>()?, &groups, aggregates)
    }

    /// Adds states, aggregate by aggregate, to their groups.
    fn merge(&mut self, states: &[ArrayRef], group_of_row: &[usize], aggregates: &[Aggregate]) -> Result<()> {
        let (groups, mut first) = (self.groups.len(), 0);
        for (aggregate, state) in aggregates.iter().zip(&mut self.accumulators) {
            let count = aggregate.state_fields().len();
            aggregate.merge(state.as_mut(), &states[first..first + count], group_of_row, groups)?;
            first += count;
        }
        Ok(())
    }

    /// The group columns, then the aggregates, a row per group, sorted by the group columns.
    pub(super) fn into_columns(mut self, aggregates: &[Aggregate]) -> Result<Vec<ArrayRef>> {
        let mut columns = self.groups.emit(EmitTo::All).or_plan_error()?;
        let order = sorted(&columns)?;
        for (aggregate, state) in aggregates.iter().zip(&mut self.accumulators) {
            let values = state.evaluate(EmitTo::All).or_plan_error();
            columns.push(values.map_err(|error| aggregate.name(error))?);
        }
        Ok(take_arrays(&columns, &order, None)?)
    }
}

/// The rows' indices in the order of their values, NULL last as in ORDER BY.
fn sorted(keys: &[ArrayRef]) -> Result<UInt32Array> {
    let nulls_last = SortOptions::default().with_nulls_first(false);
    let field = |key: &ArrayRef| SortField::new_with_options(key.data_type().clone(), nulls_last);
    let fields = keys.iter().map(field).collect();
    let rows = RowConverter::new(fields)?.convert_columns(keys)?;
    let mut order: Vec<u32> = (0..rows.num_rows() as u32).collect();
    order.sort_unstable_by(|left, right| rows.row(*left as usize).cmp(&rows.row(*right as usize)));
    Ok(order.into())
}
