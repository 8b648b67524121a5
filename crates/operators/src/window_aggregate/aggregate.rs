//! One aggregate function: what DataFusion needs in order to accumulate it per group.

use std::sync::Arc;

use arrow::array::{ArrayRef, AsArray, BooleanArray};
use arrow::datatypes::{Field, SchemaRef};
use arrow::record_batch::RecordBatch;
use datafusion::logical_expr::utils::AggregateOrderSensitivity::{Beneficial, Insensitive};
use datafusion::logical_expr::{EmitTo, GroupsAccumulator};
use datafusion::physical_expr::aggregate::AggregateFunctionExpr;
use datafusion::physical_expr::utils::collect_columns;
use datafusion::physical_expr::{GroupsAccumulatorAdapter, PhysicalExpr};
use dipper_graph::{AggregateFunction, FromDataFusion, PhysicalAggregate};
use dipper_types::{Error, Result};

use crate::groups::aggregates_by_groups;

/// An aggregate function over batches of one schema; it holds no state.
#[derive(Debug)]
pub(super) struct Aggregate {
    text: String,
    /// The columns of a group's state.
    state: Vec<Field>,
    function: Arc<AggregateFunctionExpr>,
    /// The arguments, then the ORDER BY keys of a function that heeds them.
    arguments: Vec<Arc<dyn PhysicalExpr>>,
    filter: Option<Arc<dyn PhysicalExpr>>,
}

/// What one aggregate reads of some rows.
pub(super) struct AggregateInput {
    arguments: Vec<ArrayRef>,
    filter: Option<BooleanArray>,
}

impl Aggregate {
    pub(super) fn new(spec: &AggregateFunction, schema: &SchemaRef) -> Result<Self> {
        let text = spec.expr.to_string();
        let lowered = spec.expr.aggregate(schema);
        let PhysicalAggregate { function, filter } =
            lowered.map_err(|error| error.context(format!("cannot plan '{text}'")))?;
        // These want their input sorted, which the rows of a stream are not.
        if !matches!(function.order_sensitivity(), Insensitive | Beneficial) {
            let message = format!("ORDER BY in the aggregate '{text}' of a window over a stream");
            return Err(Error::unsupported(message).with_hint("use min, max, first_value or last_value"));
        }
        let mut arguments = function.expressions();
        arguments.extend(function.order_bys().iter().map(|key| Arc::clone(&key.expr)));
        let fields = function.state_fields().or_plan_error()?;
        let name = |index: usize| format!("{}.{}.{index}", spec.name, function.fun().name());
        let field = |(index, field): (usize, &Arc<Field>)| Field::new(name(index), field.data_type().clone(), true);
        let state = fields.iter().enumerate().map(field).collect();
        Ok(Self { text, state, function, arguments, filter })
    }

    /// The input columns that it reads.
    pub(super) fn columns(&self) -> impl Iterator<Item = usize> {
        let read = self.arguments.iter().chain(&self.filter).flat_map(collect_columns);
        read.map(|column| column.index()).collect::<Vec<_>>().into_iter()
    }

    /// Refuses an output column of another type.
    pub(super) fn check_type(&self, output: &Field) -> Result<()> {
        let computed = self.function.field();
        if computed.data_type().equals_datatype(output.data_type()) {
            return Ok(());
        }
        let (name, planned, computed) = (output.name(), output.data_type(), computed.data_type());
        Err(Error::internal(format!("column '{name}' is planned as {planned} but aggregated as {computed}")))
    }

    /// Fresh state for any number of groups.
    pub(super) fn accumulator(&self) -> Result<Box<dyn GroupsAccumulator>> {
        if aggregates_by_groups(&self.function) {
            return self.function.create_groups_accumulator().or_plan_error();
        }
        let function = Arc::clone(&self.function);
        Ok(Box::new(GroupsAccumulatorAdapter::new(move || function.create_accumulator())))
    }

    /// The columns of a group's state. They are called after the output column and the function, as another function's state is not.
    pub(super) fn state_fields(&self) -> &[Field] {
        &self.state
    }

    /// Takes the state of all groups out of an accumulator, which is of no use afterwards.
    pub(super) fn take_state(&self, state: &mut dyn GroupsAccumulator) -> Result<Vec<ArrayRef>> {
        state.state(EmitTo::All).or_plan_error().map_err(|error| self.name(error))
    }

    /// The state of a group that has seen no row. `input` is of any rows, at least one.
    pub(super) fn empty_state(&self, input: &AggregateInput) -> Result<Vec<ArrayRef>> {
        let mut state = self.accumulator()?;
        let arguments = input.arguments.iter().map(|argument| argument.slice(0, 1)).collect();
        let none = AggregateInput { arguments, filter: Some(BooleanArray::from(vec![false])) };
        self.update(state.as_mut(), &none, &[0], 1)?;
        self.take_state(state.as_mut())
    }

    /// Adds states to their groups.
    pub(super) fn merge(
        &self,
        state: &mut dyn GroupsAccumulator,
        stored: &[ArrayRef],
        group_of_row: &[usize],
        groups: usize,
    ) -> Result<()> {
        state.merge_batch(stored, group_of_row, groups).or_plan_error().map_err(|error| self.name(error))
    }

    /// Evaluates the arguments and the FILTER for all rows.
    pub(super) fn read(&self, rows: &RecordBatch) -> Result<AggregateInput> {
        let arguments = self.arguments.iter().map(|argument| self.evaluate(argument, rows)).collect::<Result<_>>()?;
        let filter = self.filter.as_ref().map(|filter| self.evaluate(filter, rows)).transpose()?;
        let filter = filter.map(|filter| {
            let filter = filter.as_boolean_opt().cloned();
            filter.ok_or_else(|| Error::internal(format!("the filter of '{}' is not boolean", self.text)))
        });
        Ok(AggregateInput { arguments, filter: filter.transpose()? })
    }

    /// Adds rows to their groups.
    pub(super) fn update(
        &self,
        state: &mut dyn GroupsAccumulator,
        input: &AggregateInput,
        group_of_row: &[usize],
        groups: usize,
    ) -> Result<()> {
        let updated = state.update_batch(&input.arguments, group_of_row, input.filter.as_ref(), groups);
        updated.or_plan_error().map_err(|error| self.name(error))
    }

    /// Names the aggregate in an error.
    pub(super) fn name(&self, error: Error) -> Error {
        error.context(format!("cannot evaluate '{}'", self.text))
    }

    fn evaluate(&self, expression: &Arc<dyn PhysicalExpr>, rows: &RecordBatch) -> Result<ArrayRef> {
        let value = expression.evaluate(rows).and_then(|value| value.into_array(rows.num_rows()));
        value.or_plan_error().map_err(|error| self.name(error))
    }
}
