//! Expressions over frames, made executable: pruned to the frame columns they read.

use std::sync::Arc;

use arrow::array::{ArrayRef, BooleanArray};
use arrow::compute::cast;
use arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use arrow::record_batch::{RecordBatch, RecordBatchOptions};
use datafusion::physical_expr::PhysicalExpr;
use dipper_graph::{BoundExpr, Frame, FrameColumn, FromDataFusion};
use dipper_types::{Error, Result};

/// An expression and the frame columns it reads, in the order in which [`FrameExpression::evaluate`] wants their values.
#[derive(Debug)]
pub(super) struct FrameExpression {
    columns: Vec<FrameColumn>,
    schema: SchemaRef,
    expr: Arc<dyn PhysicalExpr>,
    what: String,
}

impl FrameExpression {
    /// `what` names the expression in errors.
    pub(super) fn new(frame: &Frame, expr: &BoundExpr, what: String) -> Result<Self> {
        let refs = expr.0.column_refs();
        let (mut columns, mut fields) = (Vec::new(), Vec::new());
        for (column, field) in frame.columns.iter().zip(frame.schema.fields()) {
            if refs.iter().any(|reference| reference.name == *field.name()) {
                columns.push(column.clone());
                fields.push(Field::new(field.name(), field.data_type().clone(), true));
            }
        }
        let schema = Arc::new(Schema::new(fields));
        let expr = expr.physical(&schema).map_err(|error| error.context(&what))?;
        Ok(Self { columns, schema, expr, what })
    }

    /// What the expression reads.
    pub(super) fn columns(&self) -> &[FrameColumn] {
        &self.columns
    }

    /// The expression itself, over columns of [`FrameExpression::schema`].
    pub(super) fn physical(&self) -> &Arc<dyn PhysicalExpr> {
        &self.expr
    }

    /// The names and types of what it reads.
    pub(super) fn schema(&self) -> &Schema {
        &self.schema
    }

    /// The types of what it reads.
    pub(super) fn types(&self) -> impl Iterator<Item = &DataType> {
        self.schema.fields().iter().map(|field| field.data_type())
    }

    /// The frame of `rows` rows.
    pub(super) fn batch(&self, columns: Vec<ArrayRef>, rows: usize) -> Result<RecordBatch> {
        let types = self.types().zip(columns);
        let columns = types.map(|(data_type, column)| as_type(column, data_type)).collect::<Result<Vec<_>>>()?;
        let options = RecordBatchOptions::new().with_row_count(Some(rows));
        Ok(RecordBatch::try_new_with_options(Arc::clone(&self.schema), columns, &options)?)
    }

    /// The value on each row of a frame.
    pub(super) fn evaluate(&self, frame: &RecordBatch) -> Result<ArrayRef> {
        let value = self.expr.evaluate(frame).and_then(|value| value.into_array(frame.num_rows()));
        value.or_plan_error().map_err(|error| error.context(&self.what))
    }

    /// The value on each row of a frame, for a condition.
    pub(super) fn test(&self, frame: &RecordBatch) -> Result<BooleanArray> {
        let value = self.evaluate(frame)?;
        let condition = value.as_any().downcast_ref::<BooleanArray>().cloned();
        condition.ok_or_else(|| Error::internal(format!("{}: the condition is not boolean", self.what)))
    }
}

/// The same values as `data_type`.
pub(super) fn as_type(column: ArrayRef, data_type: &DataType) -> Result<ArrayRef> {
    if column.data_type() == data_type { Ok(column) } else { Ok(cast(&column, data_type)?) }
}
