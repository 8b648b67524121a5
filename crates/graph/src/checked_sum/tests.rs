//! The sum as a worker runs it.
#![allow(clippy::unwrap_used, reason = "a test")]

use arrow::array::{Int64Array, UInt64Array};
use arrow::datatypes::Schema;
use datafusion::common::DFSchema;
use datafusion::execution::FunctionRegistry;
use datafusion::execution::context::ExecutionProps;
use datafusion::logical_expr::physical_planning_context::PhysicalPlanningContext;
use datafusion::logical_expr::{Expr, ExprFunctionExt, col};
use datafusion::physical_expr::aggregate::{AggregateFunctionExpr, LoweredAggregateBuilder};
use datafusion_proto::bytes::Serializeable;
use dipper_types::ErrorKind;

use super::*;
use crate::{FromDataFusion, function_registry};

const MAX: Option<i64> = Some(i64::MAX);

fn rows<const N: usize>(values: [Option<i64>; N]) -> ArrayRef {
    Arc::new(Int64Array::from(values.to_vec()))
}

/// The call as a worker gets it: read back from its bytes.
fn planned(call: &Expr, data_type: DataType) -> Arc<AggregateFunctionExpr> {
    let call = Expr::from_bytes_with_ctx(&call.to_bytes().unwrap(), function_registry()).unwrap();
    let schema = Arc::new(Schema::new(vec![Field::new("v", data_type, true)]));
    let logical = DFSchema::try_from(Arc::clone(&schema)).unwrap();
    let (properties, context) = (ExecutionProps::new(), PhysicalPlanningContext::default());
    LoweredAggregateBuilder::new(&call, &logical, &schema, &properties, &context).build().unwrap().aggregate
}

fn sum(data_type: DataType) -> Arc<AggregateFunctionExpr> {
    planned(&function_registry().udaf("sum").unwrap().call(vec![col("v")]), data_type)
}

fn distinct_sum() -> Arc<AggregateFunctionExpr> {
    let call = function_registry().udaf("sum").unwrap().call(vec![col("v")]);
    planned(&call.distinct().build().unwrap(), DataType::Int64)
}

fn assert_beyond<T: std::fmt::Debug>(result: Result<T>, name: &str) {
    let error = result.or_plan_error().unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Invalid);
    assert_eq!(error.to_string(), format!("arithmetic overflow: SUM is beyond {name}"));
}

fn states(accumulator: &mut dyn Accumulator, function: &AggregateFunctionExpr) -> Vec<ArrayRef> {
    let arrays: Vec<_> = accumulator.state().unwrap().iter().map(|state| state.to_array().unwrap()).collect();
    let declared: Vec<_> = function.state_fields().unwrap().iter().map(|field| field.data_type().clone()).collect();
    assert_eq!(arrays.iter().map(|array| array.data_type().clone()).collect::<Vec<_>>(), declared);
    arrays
}

#[test]
fn a_sum_that_does_not_fit_fails_when_it_is_read_and_not_before() {
    for function in [sum(DataType::Int64), distinct_sum()] {
        let mut accumulator = function.create_accumulator().unwrap();
        accumulator.update_batch(&[rows([MAX, None, Some(1)])]).unwrap();
        assert_beyond(accumulator.evaluate(), "BIGINT");
        accumulator.update_batch(&[rows([Some(-5)])]).unwrap();
        assert_eq!(accumulator.evaluate().unwrap(), ScalarValue::Int64(Some(i64::MAX - 4)));
        accumulator.update_batch(&[rows([Some(i64::MIN), Some(-i64::MAX)])]).unwrap();
        assert_beyond(accumulator.evaluate(), "BIGINT");
    }
}

#[test]
fn a_sum_over_nothing_is_null() {
    for function in [sum(DataType::Int64), distinct_sum()] {
        let mut accumulator = function.create_accumulator().unwrap();
        assert_eq!(accumulator.evaluate().unwrap(), ScalarValue::Int64(None));
        accumulator.update_batch(&[rows([None])]).unwrap();
        assert_eq!(accumulator.evaluate().unwrap(), ScalarValue::Int64(None));
        let state = states(accumulator.as_mut(), &function);
        let mut merged = function.create_accumulator().unwrap();
        merged.merge_batch(&state).unwrap();
        assert_eq!(merged.evaluate().unwrap(), ScalarValue::Int64(None));
    }
}

#[test]
fn a_state_beyond_the_range_is_merged_exactly() {
    for function in [sum(DataType::Int64), distinct_sum()] {
        let mut part = function.create_accumulator().unwrap();
        part.update_batch(&[rows([MAX, Some(7)])]).unwrap();
        let mut whole = function.create_accumulator().unwrap();
        whole.update_batch(&[rows([Some(-10)])]).unwrap();
        whole.merge_batch(&states(part.as_mut(), &function)).unwrap();
        assert_eq!(whole.evaluate().unwrap(), ScalarValue::Int64(Some(i64::MAX - 3)));
    }
}

#[test]
fn rows_leave_a_sliding_frame_again() {
    for function in [sum(DataType::Int64), distinct_sum()] {
        let mut accumulator = function.create_sliding_accumulator().unwrap();
        assert!(accumulator.supports_retract_batch());
        accumulator.update_batch(&[rows([MAX, Some(3), None])]).unwrap();
        assert_beyond(accumulator.evaluate(), "BIGINT");
        accumulator.retract_batch(&[rows([MAX])]).unwrap();
        assert_eq!(accumulator.evaluate().unwrap(), ScalarValue::Int64(Some(3)));
        accumulator.retract_batch(&[rows([Some(3), None])]).unwrap();
        assert_eq!(accumulator.evaluate().unwrap(), ScalarValue::Int64(None));
    }
}

#[test]
fn a_distinct_value_counts_until_its_last_row_leaves() {
    let mut accumulator = distinct_sum().create_sliding_accumulator().unwrap();
    accumulator.update_batch(&[rows([Some(5), Some(5), Some(2)])]).unwrap();
    accumulator.retract_batch(&[rows([Some(5)])]).unwrap();
    assert_eq!(accumulator.evaluate().unwrap(), ScalarValue::Int64(Some(7)));
    accumulator.retract_batch(&[rows([Some(5)])]).unwrap();
    assert_eq!(accumulator.evaluate().unwrap(), ScalarValue::Int64(Some(2)));
}

#[test]
fn each_group_has_its_own_range() {
    let function = sum(DataType::Int64);
    let mut groups = function.create_groups_accumulator().unwrap();
    groups.update_batch(&[rows([MAX, Some(1), Some(2), None])], &[0, 0, 1, 2], None, 3).unwrap();
    let state = groups.state(EmitTo::All).unwrap();
    assert_eq!(state[0].data_type(), function.state_fields().unwrap()[0].data_type());

    let mut groups = function.create_groups_accumulator().unwrap();
    groups.merge_batch(&state, &[0, 1, 2], 3).unwrap();
    let passes = BooleanArray::from(vec![true, false]);
    groups.update_batch(&[rows([Some(-8), MAX])], &[0, 1], Some(&passes), 3).unwrap();
    assert_eq!(groups.evaluate(EmitTo::First(2)).unwrap().as_ref(), rows([Some(i64::MAX - 7), Some(2)]).as_ref());
    assert_eq!(groups.evaluate(EmitTo::All).unwrap().as_ref(), rows([None]).as_ref());

    let converted = groups.convert_to_state(&[rows([MAX, MAX])], Some(&passes)).unwrap();
    groups.merge_batch(&converted, &[0, 1], 2).unwrap();
    groups.update_batch(&[rows([Some(1)])], &[0], None, 2).unwrap();
    assert_beyond(groups.evaluate(EmitTo::All), "BIGINT");
}

#[test]
fn unsigned_sums_have_their_own_range() {
    let function = sum(DataType::UInt64);
    let values: ArrayRef = Arc::new(UInt64Array::from(vec![u64::MAX, 1]));
    let mut accumulator = function.create_accumulator().unwrap();
    accumulator.update_batch(&[values.slice(0, 1)]).unwrap();
    assert_eq!(accumulator.evaluate().unwrap(), ScalarValue::UInt64(Some(u64::MAX)));
    accumulator.update_batch(&[values.slice(1, 1)]).unwrap();
    assert_beyond(accumulator.evaluate(), "BIGINT UNSIGNED");
    let mut groups = function.create_groups_accumulator().unwrap();
    groups.update_batch(&[values], &[0, 0], None, 1).unwrap();
    assert_beyond(groups.evaluate(EmitTo::All), "BIGINT UNSIGNED");
}

#[test]
fn other_types_are_summed_by_datafusion() {
    let mut floats = sum(DataType::Float64).create_accumulator().unwrap();
    floats.update_batch(&[Arc::new(arrow::array::Float64Array::from(vec![1.5, 2.0]))]).unwrap();
    assert_eq!(floats.evaluate().unwrap(), ScalarValue::Float64(Some(3.5)));
    let function = sum(DataType::Decimal128(20, 2));
    assert_eq!(function.field().data_type(), &DataType::Decimal128(30, 2));
    assert_eq!(function.state_fields().unwrap()[0].data_type(), &DataType::Decimal128(30, 2));
}
