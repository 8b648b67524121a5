//! The literal rows of VALUES as batches.

use std::sync::Arc;

use arrow::array::ArrayRef;
use arrow::datatypes::{DataType, Schema, SchemaRef};
use arrow::record_batch::{RecordBatch, RecordBatchOptions};
use datafusion::scalar::ScalarValue;
use dipper_graph::{BoundExpr, FromDataFusion, ValuesSpec};
use dipper_types::{Error, Result};

use crate::expression::Expression;

/// Evaluates the rows of VALUES into batches of at most `batch_rows` rows. Each value is cast to the type of its column.
pub fn values(spec: &ValuesSpec, output: &SchemaRef, batch_rows: usize) -> Result<Vec<RecordBatch>> {
    let no_columns = SchemaRef::new(Schema::empty());
    let one_row = RecordBatchOptions::new().with_row_count(Some(1));
    let one_row = RecordBatch::try_new_with_options(SchemaRef::clone(&no_columns), Vec::new(), &one_row)?;
    let mut batches = Vec::new();
    for rows in spec.rows.chunks(batch_rows.max(1)) {
        if rows.iter().any(|row| row.len() != output.fields().len()) {
            return Err(Error::internal("the rows of VALUES differ in their number of values"));
        }
        let columns = output.fields().iter().enumerate().map(|(column, field)| {
            let cells = rows.iter().map(|row| evaluate(&row[column], field.data_type(), &one_row));
            array(&cells.collect::<Result<Vec<_>>>()?)
        });
        let columns = columns.collect::<Result<Vec<_>>>()?;
        let options = RecordBatchOptions::new().with_row_count(Some(rows.len()));
        batches.push(RecordBatch::try_new_with_options(Arc::clone(output), columns, &options)?);
    }
    Ok(batches)
}

fn evaluate(value: &BoundExpr, data_type: &DataType, one_row: &RecordBatch) -> Result<ScalarValue> {
    let array = Expression::new(value, one_row.schema_ref())?.evaluate(one_row)?;
    let scalar = ScalarValue::try_from_array(&array, 0).or_plan_error()?;
    scalar.cast_to(data_type).or_plan_error().map_err(|error| error.context(format!("cannot use the value '{value}'")))
}

fn array(cells: &[ScalarValue]) -> Result<ArrayRef> {
    ScalarValue::iter_to_array(cells.iter().cloned()).or_plan_error()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test")]

    use arrow::datatypes::Field;
    use arrow::util::pretty::pretty_format_batches;
    use datafusion::logical_expr::{Expr, lit};

    use super::*;

    fn output() -> SchemaRef {
        SchemaRef::new(Schema::new(vec![Field::new("n", DataType::Int64, true), Field::new("s", DataType::Utf8, true)]))
    }

    fn spec(rows: Vec<[Expr; 2]>) -> ValuesSpec {
        ValuesSpec { rows: rows.into_iter().map(|row| row.map(BoundExpr).to_vec()).collect() }
    }

    #[test]
    fn rows_are_evaluated_cast_and_cut_into_batches() {
        let rows = vec![
            [lit(1_i64) + lit(1_i64), lit("a")],
            [lit(3_i32), lit(ScalarValue::Null)],
            [lit(ScalarValue::Int64(None)), lit("c")],
        ];
        let batches = values(&spec(rows), &output(), 2).unwrap();
        assert_eq!(batches.iter().map(RecordBatch::num_rows).collect::<Vec<_>>(), [2, 1]);
        insta::assert_snapshot!(pretty_format_batches(&batches).unwrap(), @r"
        +---+---+
        | n | s |
        +---+---+
        | 2 | a |
        | 3 |   |
        |   | c |
        +---+---+
        ");
    }

    #[test]
    fn a_value_that_cannot_be_computed_is_named() {
        let error = values(&spec(vec![[lit(1_i64) / lit(0_i64), lit("a")]]), &output(), 8).unwrap_err();
        insta::assert_snapshot!(error, @"cannot evaluate '1 / 0': division by zero");
    }
}
