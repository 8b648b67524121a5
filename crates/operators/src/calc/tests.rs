//! Tests of [`Calc`].
#![allow(clippy::unwrap_used, reason = "a test")]

use std::sync::Arc;

use arrow::array::{ArrayRef, Int64Array, StringArray};
use arrow::datatypes::{DataType, Field, Schema};
use arrow::util::pretty::pretty_format_batches;
use datafusion::logical_expr::{Expr, col, lit};
use datafusion::prelude::upper;
use dipper_graph::{BoundExpr, NamedExpr};
use dipper_operator_api::harness::OperatorHarness;

use super::*;

fn rows() -> RecordBatch {
    let n: ArrayRef = Arc::new(Int64Array::from(vec![Some(1), Some(0), None, Some(4)]));
    let s: ArrayRef = Arc::new(StringArray::from(vec!["a", "b", "c", "d"]));
    RecordBatch::try_from_iter_with_nullable([("n", n, true), ("s", s, true)]).unwrap()
}

fn open(filter: Option<Expr>, projection: Option<Vec<(&str, Expr, DataType)>>) -> Result<OperatorHarness<Calc>> {
    let output = match &projection {
        Some(columns) => {
            let field = |(name, _, kind): &(&str, Expr, DataType)| Field::new(*name, kind.clone(), true);
            Arc::new(Schema::new(columns.iter().map(field).collect::<Vec<_>>()))
        }
        None => rows().schema(),
    };
    let named = |(name, expr, _): (&str, Expr, DataType)| NamedExpr { name: name.to_owned(), expr: BoundExpr(expr) };
    let projection = projection.map(|columns| columns.into_iter().map(named).collect());
    OperatorHarness::open(Calc::new(
        &CalcSpec { filter: filter.map(BoundExpr), projection },
        &rows().schema(),
        &output,
    )?)
}

#[test]
fn the_projection_sees_only_rows_that_passed_the_filter() {
    let reciprocal = ("r", lit(8_i64) / col("n"), DataType::Int64);
    let mut calc =
        open(Some(col("n").not_eq(lit(0_i64))), Some(vec![reciprocal, ("s", upper(col("s")), DataType::Utf8)]))
            .unwrap();
    calc.batch(rows()).unwrap();
    insta::assert_snapshot!(pretty_format_batches(&calc.take_batches()).unwrap(), @r"
    +---+---+
    | r | s |
    +---+---+
    | 8 | A |
    | 2 | D |
    +---+---+
    ");
}

#[test]
fn a_filter_alone_keeps_the_columns_and_drops_null() {
    let mut calc = open(Some(col("n").gt(lit(0_i64))), None).unwrap();
    calc.batch(rows()).unwrap();
    let out = calc.take_batches();
    assert_eq!((out[0].num_rows(), out[0].schema()), (2, rows().schema()));
}

#[test]
fn nothing_is_emitted_when_no_row_passes() {
    let mut calc = open(Some(col("n").gt(lit(100_i64))), None).unwrap();
    calc.batch(rows()).unwrap();
    assert!(calc.take().is_empty());
}

#[test]
fn bare_columns_are_passed_on_without_a_copy() {
    let swapped = vec![("s", col("s"), DataType::Utf8), ("m", col("n"), DataType::Int64)];
    let mut calc = open(Some(col("s").is_not_null()), Some(swapped)).unwrap();
    let batch = rows();
    calc.batch(batch.clone()).unwrap();
    let out = calc.take_batches();
    assert!(Arc::ptr_eq(out[0].column(1), batch.column(0)));
    assert_eq!(out[0].schema().field(1).name(), "m");
}

#[test]
fn constants_need_no_column_and_keep_the_number_of_rows() {
    let mut calc = open(None, Some(vec![("one", lit(1_i64), DataType::Int64)])).unwrap();
    calc.batch(rows()).unwrap();
    assert_eq!(calc.take_batches()[0].num_rows(), 4);
}

#[test]
fn an_expression_that_fails_is_named() {
    let mut calc = open(None, Some(vec![("r", lit(8_i64) / col("n"), DataType::Int64)])).unwrap();
    insta::assert_snapshot!(calc.batch(rows()).unwrap_err(), @"cannot evaluate '8 / n': division by zero");
}

#[test]
fn a_projection_of_another_type_than_planned_is_refused() {
    let error = open(None, Some(vec![("n", col("n"), DataType::Utf8)])).err().unwrap();
    insta::assert_snapshot!(error, @"column 'n' is planned as Utf8 but computed as Int64");
}

#[test]
fn the_watermark_passes() {
    let mut calc = open(None, None).unwrap();
    calc.watermark_us(7).unwrap();
    assert_eq!(calc.take().len(), 1);
}
