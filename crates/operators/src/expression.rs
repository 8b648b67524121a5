//! A bound expression made ready for batches of one schema; its errors name it.

use std::sync::Arc;

use arrow::array::{ArrayRef, BooleanArray};
use arrow::datatypes::{DataType, Schema, SchemaRef};
use arrow::record_batch::RecordBatch;
use datafusion::physical_expr::PhysicalExpr;
use datafusion::physical_expr::utils::collect_columns;
use dipper_graph::{BoundExpr, FromDataFusion};
use dipper_types::{Error, Result};

/// An expression over batches of one schema.
#[derive(Debug, Clone)]
pub(crate) struct Expression {
    physical: Arc<dyn PhysicalExpr>,
    text: Arc<str>,
}

impl Expression {
    /// Binds to `schema`.
    pub(crate) fn new(bound: &BoundExpr, schema: &SchemaRef) -> Result<Self> {
        let text = bound.to_string();
        let physical = bound.physical(schema).map_err(|error| error.context(format!("cannot plan '{text}'")))?;
        Ok(Self { physical, text: text.into() })
    }

    /// The values of all rows.
    pub(crate) fn evaluate(&self, batch: &RecordBatch) -> Result<ArrayRef> {
        let value = self.physical.evaluate(batch).and_then(|value| value.into_array(batch.num_rows()));
        value.or_plan_error().map_err(|error| error.context(format!("cannot evaluate '{}'", self.text)))
    }

    /// The rows for which a condition holds; NULL does not.
    pub(crate) fn holds(&self, batch: &RecordBatch) -> Result<BooleanArray> {
        let values = self.evaluate(batch)?;
        let values = values.as_any().downcast_ref::<BooleanArray>();
        values.cloned().ok_or_else(|| Error::internal(format!("the condition '{}' is not boolean", self.text)))
    }

    /// The type of the values.
    pub(crate) fn data_type(&self, schema: &Schema) -> Result<DataType> {
        self.physical.data_type(schema).or_plan_error()
    }

    /// Whether a value may be NULL.
    pub(crate) fn nullable(&self, schema: &Schema) -> Result<bool> {
        self.physical.nullable(schema).or_plan_error()
    }

    /// The indices of the columns that it reads, ascending.
    pub(crate) fn columns(&self) -> Vec<usize> {
        let mut columns: Vec<usize> = collect_columns(&self.physical).iter().map(|column| column.index()).collect();
        columns.sort_unstable();
        columns
    }
}
