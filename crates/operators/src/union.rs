//! Merges inputs of the same column types; the runtime combines their watermarks.

use arrow::datatypes::SchemaRef;
use arrow::record_batch::{RecordBatch, RecordBatchOptions};
use dipper_operator_api::{Operator, OperatorCtx, Port};
use dipper_types::{Error, Result};

/// UNION ALL: every row of every port, under the names of the output.
#[derive(Debug)]
pub(crate) struct Union {
    output: SchemaRef,
}

impl Union {
    pub(crate) fn new(inputs: &[SchemaRef], output: &SchemaRef) -> Result<Self> {
        let types =
            |schema: &SchemaRef| schema.fields().iter().map(|field| field.data_type().clone()).collect::<Vec<_>>();
        if inputs.iter().any(|input| types(input) != types(output)) {
            return Err(Error::internal("the inputs of a union differ in their column types"));
        }
        Ok(Self { output: SchemaRef::clone(output) })
    }
}

impl Operator for Union {
    fn on_batch(&mut self, _port: Port, batch: RecordBatch, ctx: &mut OperatorCtx<'_>) -> Result<()> {
        let options = RecordBatchOptions::new().with_row_count(Some(batch.num_rows()));
        let (_, columns, _) = batch.into_parts();
        ctx.emit(RecordBatch::try_new_with_options(SchemaRef::clone(&self.output), columns, &options)?);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test")]

    use std::sync::Arc;

    use arrow::array::{ArrayRef, Int64Array, StringArray};
    use arrow::datatypes::{DataType, Field, Schema};
    use dipper_operator_api::harness::OperatorHarness;

    use super::*;

    fn batch(column: ArrayRef) -> RecordBatch {
        RecordBatch::try_from_iter_with_nullable([("a", column, true)]).unwrap()
    }

    #[test]
    fn rows_of_every_port_come_out_under_the_names_of_the_output() {
        let left = batch(Arc::new(Int64Array::from(vec![1, 2])));
        let output = Arc::new(Schema::new(vec![Field::new("x", DataType::Int64, true)]));
        let mut union = OperatorHarness::open(Union::new(&[left.schema(), left.schema()], &output).unwrap()).unwrap();
        union.batch(left).unwrap();
        let out = union.take_batches();
        assert_eq!(out[0].schema(), output);
        assert_eq!(out[0].column(0).as_any().downcast_ref::<Int64Array>().unwrap().values(), &[1, 2]);
    }

    #[test]
    fn inputs_of_other_types_are_refused() {
        let number = batch(Arc::new(Int64Array::from(vec![1]))).schema();
        let text = batch(Arc::new(StringArray::from(vec!["1"]))).schema();
        assert!(Union::new(&[Arc::clone(&number), text], &number).is_err());
    }
}
