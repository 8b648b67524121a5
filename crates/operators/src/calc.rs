//! Filters, then projects: what is left of a SELECT without grouping.

use std::collections::BTreeSet;

use arrow::array::BooleanArray;
use arrow::compute::filter_record_batch;
use arrow::datatypes::SchemaRef;
use arrow::record_batch::{RecordBatch, RecordBatchOptions};
use dipper_graph::CalcSpec;
use dipper_operator_api::{Operator, OperatorCtx, Port};
use dipper_types::{Error, Result};

use crate::expression::Expression;

/// A filter and a projection in one. Only the columns that the projection reads are filtered, and it sees only the rows that
/// passed: `1 / x` does not fail where `x <> 0` has kept the zeros out.
#[derive(Debug)]
pub(crate) struct Calc {
    filter: Option<Expression>,
    /// The input columns that go on behind the filter.
    kept: Vec<usize>,
    /// Over the kept columns; `None` passes them on as they are.
    projection: Option<Vec<Expression>>,
    output: SchemaRef,
}

impl Calc {
    pub(crate) fn new(spec: &CalcSpec, input: &SchemaRef, output: &SchemaRef) -> Result<Self> {
        let filter = spec.filter.as_ref().map(|filter| Expression::new(filter, input)).transpose()?;
        let all = || (0..input.fields().len()).collect();
        let (kept, projection) = match &spec.projection {
            None => (all(), None),
            Some(columns) => {
                let over_input: Vec<_> =
                    columns.iter().map(|column| Expression::new(&column.expr, input)).collect::<Result<_>>()?;
                let read: BTreeSet<usize> = over_input.iter().flat_map(Expression::columns).collect();
                let kept: Vec<usize> = read.into_iter().collect();
                let schema = SchemaRef::new(input.project(&kept)?);
                let over_kept: Vec<_> =
                    columns.iter().map(|column| Expression::new(&column.expr, &schema)).collect::<Result<_>>()?;
                check_types(&over_kept, &schema, output)?;
                (kept, Some(over_kept))
            }
        };
        if projection.is_none() && output.fields().len() != input.fields().len() {
            return Err(Error::internal("a calc without a projection must emit the columns of its input"));
        }
        Ok(Self { filter, kept, projection, output: SchemaRef::clone(output) })
    }

    fn project(&self, batch: &RecordBatch) -> Result<RecordBatch> {
        let columns = match &self.projection {
            Some(expressions) => expressions.iter().map(|column| column.evaluate(batch)).collect::<Result<_>>()?,
            None => batch.columns().to_vec(),
        };
        let options = RecordBatchOptions::new().with_row_count(Some(batch.num_rows()));
        Ok(RecordBatch::try_new_with_options(SchemaRef::clone(&self.output), columns, &options)?)
    }
}

impl Operator for Calc {
    fn on_batch(&mut self, _port: Port, batch: RecordBatch, ctx: &mut OperatorCtx<'_>) -> Result<()> {
        let passed = self.filter.as_ref().map(|filter| filter.holds(&batch)).transpose()?;
        let kept = if self.kept.len() == batch.num_columns() { batch } else { batch.project(&self.kept)? };
        if let Some(rows) = select(kept, passed.as_ref())? {
            ctx.emit(self.project(&rows)?);
        }
        Ok(())
    }
}

/// The rows that passed, without a copy if all did.
fn select(batch: RecordBatch, passed: Option<&BooleanArray>) -> Result<Option<RecordBatch>> {
    let Some(passed) = passed else { return Ok(Some(batch)) };
    Ok(match passed.true_count() {
        0 => None,
        all if all == batch.num_rows() => Some(batch),
        _ => Some(filter_record_batch(&batch, passed)?),
    })
}

fn check_types(expressions: &[Expression], input: &SchemaRef, output: &SchemaRef) -> Result<()> {
    if expressions.len() != output.fields().len() {
        return Err(Error::internal("a calc's projection and its output schema differ in their number of columns"));
    }
    for (expression, field) in expressions.iter().zip(output.fields()) {
        let found = expression.data_type(input)?;
        if !found.equals_datatype(field.data_type()) {
            let (name, wanted) = (field.name(), field.data_type());
            return Err(Error::internal(format!("column '{name}' is planned as {wanted} but computed as {found}")));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests;
