//! The groups of one window, as long as it is open.

use std::fmt;

use arrow::array::{ArrayRef, UInt32Array};
use arrow::compute::{SortOptions, take_arrays};
use arrow::datatypes::SchemaRef;
use arrow::record_batch::RecordBatch;
use arrow::row::{RowConverter, SortField};
use datafusion::logical_expr::{EmitTo, GroupsAccumulator};
use datafusion::physical_plan::aggregates::group_values::{GroupValues, new_group_values};
use datafusion::physical_plan::aggregates::order::GroupOrdering;
use dipper_graph::FromDataFusion;
use dipper_types::Result;

use super::aggregate::Aggregate;

/// The group keys seen in a window, and one accumulator per aggregate with a state for each of them.
pub(super) struct OpenWindow {
    groups: Box<dyn GroupValues>,
    accumulators: Vec<Box<dyn GroupsAccumulator>>,
    /// Kept for its memory: the group of each row of the batch at hand.
    group_of_row: Vec<usize>,
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
        Ok(Self { groups, accumulators, group_of_row: Vec::new() })
    }

    /// Adds rows, all of this window.
    pub(super) fn aggregate(&mut self, keys: &[ArrayRef], rows: &RecordBatch, aggregates: &[Aggregate]) -> Result<()> {
        self.groups.intern(keys, &mut self.group_of_row).or_plan_error()?;
        let groups = self.groups.len();
        for (aggregate, state) in aggregates.iter().zip(&mut self.accumulators) {
            aggregate.update(state.as_mut(), &aggregate.read(rows)?, &self.group_of_row, groups)?;
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
