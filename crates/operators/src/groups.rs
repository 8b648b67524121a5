//! Which aggregates are computed for many groups at a time.

use arrow::datatypes::DataType;
use datafusion::physical_expr::aggregate::AggregateFunctionExpr;

/// Whether DataFusion computes the aggregate for many groups at a time, and rightly: there, MIN and MAX of floating point numbers pass over NaN
/// and take the largest finite number for an infinite one.
pub(crate) fn aggregates_by_groups(function: &AggregateFunctionExpr) -> bool {
    let is_extreme = matches!(function.fun().name(), "min" | "max");
    let is_float = matches!(function.field().data_type(), DataType::Float16 | DataType::Float32 | DataType::Float64);
    function.groups_accumulator_supported() && !(is_extreme && is_float)
}
