//! Bound expressions: DataFusion's logical expressions, with types coerced, that can be serialised and made physical.

use std::ops::ControlFlow;
use std::sync::{Arc, LazyLock};

use arrow::datatypes::{DataType, IntervalMonthDayNano, Schema, SchemaRef, TimeUnit};
use datafusion::common::tree_node::{Transformed, TreeNode};
use datafusion::common::{DFSchema, ScalarValue, not_impl_err};
use datafusion::execution::context::ExecutionProps;
use datafusion::execution::{SessionStateBuilder, TaskContext};
use datafusion::logical_expr::physical_planning_context::PhysicalPlanningContext;
use datafusion::logical_expr::{AggregateUDF, Expr, ExprSchemable, Operator, ScalarUDF};
use datafusion::physical_expr::aggregate::{AggregateFunctionExpr, LoweredAggregateBuilder};
use datafusion::physical_expr::expressions::{BinaryExpr, Literal};
use datafusion::physical_expr::{PhysicalExpr, create_physical_expr};
use datafusion::sql::sqlparser::ast::{self, visit_expressions_mut};
use datafusion::sql::unparser::Unparser;
use datafusion::sql::unparser::dialect::Dialect;
use datafusion_proto::bytes::Serializeable;
use dipper_types::Result;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::checked_sum::CheckedSum;
use crate::interval::{IntervalMul, IntervalPlanner};
use crate::interval_length::IntervalLength;
use crate::{FromDataFusion, bounded_function};

/// Gives a session our functions and operators: DataFusion's, some of them replaced by ours of the same name, and those it lacks.
pub fn with_functions(session: SessionStateBuilder) -> SessionStateBuilder {
    let mut session = session.with_default_features();
    let sum = Arc::new(AggregateUDF::from(CheckedSum::default()));
    session.aggregate_functions().get_or_insert_default().push(sum);
    bounded_function::bound(session.scalar_functions().get_or_insert_default());
    session
        .scalar_functions()
        .get_or_insert_default()
        .extend([ScalarUDF::from(IntervalMul::default()), ScalarUDF::from(IntervalLength::default())].map(Arc::new));
    session.expr_planners().get_or_insert_default().push(Arc::new(IntervalPlanner));
    session
}

/// The functions that every process knows, so that a serialised expression finds its own again.
pub fn function_registry() -> &'static Arc<TaskContext> {
    static REGISTRY: LazyLock<Arc<TaskContext>> =
        LazyLock::new(|| with_functions(SessionStateBuilder::new()).build().task_ctx());
    &REGISTRY
}

/// A scalar expression over columns by name (unqualified), bound and coerced: the worker makes it physical without planning again.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct BoundExpr(pub Expr);

impl BoundExpr {
    /// The executable form over batches of `schema`.
    pub fn physical(&self, schema: &SchemaRef) -> Result<Arc<dyn PhysicalExpr>> {
        let logical = DFSchema::try_from(Arc::clone(schema)).or_plan_error()?;
        let (properties, context) = (ExecutionProps::new(), PhysicalPlanningContext::default());
        let planned = checked_negation(&self.0, &logical);
        let planned = planned.and_then(|expr| create_physical_expr(&expr, &logical, &properties, &context));
        let planned = planned.and_then(|expr| expr.transform_up(|part| shift_by_duration(part, schema)));
        Ok(planned.and_then(|expr| fail_on_overflow(expr.data)).or_plan_error()?.data)
    }

    /// The executable form of an aggregate call over batches of `schema`.
    pub fn aggregate(&self, schema: &SchemaRef) -> Result<PhysicalAggregate> {
        let logical = DFSchema::try_from(Arc::clone(schema)).or_plan_error()?;
        let (properties, context) = (ExecutionProps::new(), PhysicalPlanningContext::default());
        let call = checked_negation(&self.0, &logical).or_plan_error()?;
        let lowered = LoweredAggregateBuilder::new(&call, &logical, schema, &properties, &context).build();
        let lowered = lowered.or_plan_error()?;
        let filter = lowered.filter.map(fail_on_overflow).transpose().or_plan_error()?;
        let function = aggregate_fails_on_overflow(&lowered.aggregate).or_plan_error()?;
        Ok(PhysicalAggregate {
            function: function.map_or(lowered.aggregate, Arc::new),
            filter: filter.map(|filter| filter.data),
        })
    }
}

/// An aggregate call that can be executed.
#[derive(Debug, Clone)]
pub struct PhysicalAggregate {
    /// The function with its arguments.
    pub function: Arc<AggregateFunctionExpr>,
    /// Which rows it takes in: `FILTER (WHERE …)`.
    pub filter: Option<Arc<dyn PhysicalExpr>>,
}

/// The call with arguments that fail on overflow; `None` if they do no arithmetic.
fn aggregate_fails_on_overflow(
    call: &AggregateFunctionExpr,
) -> datafusion::common::Result<Option<AggregateFunctionExpr>> {
    let checked = call.expressions().into_iter().map(fail_on_overflow).collect::<Result<Vec<_>, _>>()?;
    if !checked.iter().any(|argument| argument.transformed) {
        return Ok(None);
    }
    let arguments = checked.into_iter().map(|argument| argument.data).collect();
    let order_by = call.order_bys().iter().map(|key| Arc::clone(&key.expr)).collect();
    match call.with_new_expressions(arguments, order_by) {
        Some(call) => Ok(Some(call)),
        None => not_impl_err!("arithmetic in the arguments of '{}': compute it in a subquery", call.name()),
    }
}

/// DataFusion's integer arithmetic wraps around in silence unless it is told not to: the expression as one that fails.
fn fail_on_overflow(expr: Arc<dyn PhysicalExpr>) -> datafusion::common::Result<Transformed<Arc<dyn PhysicalExpr>>> {
    expr.transform_up(|part| Ok(checked(part)))
}

fn checked(part: Arc<dyn PhysicalExpr>) -> Transformed<Arc<dyn PhysicalExpr>> {
    match part.downcast_ref::<BinaryExpr>() {
        Some(binary) if matches!(binary.op(), Operator::Plus | Operator::Minus | Operator::Multiply) => {
            Transformed::yes(Arc::new(binary.clone().with_fail_on_overflow(true)))
        }
        _ => Transformed::no(part),
    }
}

/// DataFusion knows no negation that fails: that of an integer as a difference, which can be told to.
fn checked_negation(expr: &Expr, schema: &DFSchema) -> datafusion::common::Result<Expr> {
    let negated = expr.clone().transform_up(|part| {
        let Expr::Negative(operand) = part else { return Ok(Transformed::no(part)) };
        let data_type = operand.get_type(schema)?;
        if !data_type.is_integer() {
            return Ok(Transformed::no(Expr::Negative(operand)));
        }
        let zero = Expr::Literal(ScalarValue::new_zero(&data_type)?, None);
        Ok(Transformed::yes(zero - *operand))
    });
    Ok(negated?.data)
}

/// A timestamp without a time zone and an interval of a fixed length: an addition of integers, where DataFusion goes by way of the calendar.
fn shift_by_duration(
    part: Arc<dyn PhysicalExpr>,
    schema: &Schema,
) -> datafusion::common::Result<Transformed<Arc<dyn PhysicalExpr>>> {
    let Some(binary) = part.downcast_ref::<BinaryExpr>() else { return Ok(Transformed::no(part)) };
    let sides = (binary.op(), binary.left().data_type(schema)?);
    let (Operator::Plus | Operator::Minus, DataType::Timestamp(unit, None)) = sides else {
        return Ok(Transformed::no(part));
    };
    let literal = binary.right().downcast_ref::<Literal>().map(Literal::value);
    let Some(duration) = literal.and_then(|literal| fixed_duration(literal, unit)) else {
        return Ok(Transformed::no(part));
    };
    let shifted = BinaryExpr::new(Arc::clone(binary.left()), *binary.op(), Arc::new(Literal::new(duration)));
    Ok(Transformed::yes(Arc::new(shifted)))
}

/// An interval as a duration in whole units, if it is one: without months.
fn fixed_duration(interval: &ScalarValue, unit: TimeUnit) -> Option<ScalarValue> {
    let ScalarValue::IntervalMonthDayNano(Some(IntervalMonthDayNano { months: 0, days, nanoseconds })) = interval
    else {
        return None;
    };
    let nanoseconds = i128::from(*days) * 86_400_000_000_000 + i128::from(*nanoseconds);
    let whole = |per_unit: i128| {
        (nanoseconds % per_unit == 0).then_some(nanoseconds / per_unit).and_then(|units| i64::try_from(units).ok())
    };
    Some(match unit {
        TimeUnit::Second => ScalarValue::DurationSecond(Some(whole(1_000_000_000)?)),
        TimeUnit::Millisecond => ScalarValue::DurationMillisecond(Some(whole(1_000_000)?)),
        TimeUnit::Microsecond => ScalarValue::DurationMicrosecond(Some(whole(1_000)?)),
        TimeUnit::Nanosecond => ScalarValue::DurationNanosecond(Some(whole(1)?)),
    })
}

/// As SQL, with the parentheses and casts that DataFusion's own display leaves out; what SQL cannot say falls back to that display.
impl std::fmt::Display for BoundExpr {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        // The unparser forgets an aggregate's ORDER BY.
        let ordered = matches!(&self.0, Expr::AggregateFunction(call) if !call.params.order_by.is_empty());
        match Unparser::new(&PlainNames).with_pretty(true).expr_to_sql(&self.0) {
            Ok(mut sql) if !ordered => {
                let _ = visit_expressions_mut(&mut sql, |part| {
                    if let ast::Expr::Interval(interval) = part {
                        shorten(interval);
                    }
                    ControlFlow::<()>::Continue(())
                });
                write!(f, "{sql}")
            }
            _ => write!(f, "{}", self.0.human_display()),
        }
    }
}

/// `INTERVAL '5.000000000 SECS'` as people write it: `INTERVAL '5' SECOND`. One of several units stays as it is.
fn shorten(interval: &mut ast::Interval) {
    let ast::Expr::Value(value) = interval.value.as_mut() else { return };
    let ast::Value::SingleQuotedString(text) = &mut value.value else { return };
    let Some((amount, unit)) = text.split_once(' ') else { return };
    let field = match unit {
        "DAYS" => ast::DateTimeField::Day,
        "HOURS" => ast::DateTimeField::Hour,
        "MINS" => ast::DateTimeField::Minute,
        "SECS" => ast::DateTimeField::Second,
        "MONS" => ast::DateTimeField::Month,
        _ => return,
    };
    let amount = if amount.contains('.') { amount.trim_end_matches('0').trim_end_matches('.') } else { amount };
    *text = amount.to_owned();
    interval.leading_field = Some(field);
}

/// A dialect for people: names stand as they are, as frame columns are called `PREV(price)`.
struct PlainNames;

impl Dialect for PlainNames {
    fn identifier_quote_style(&self, _identifier: &str) -> Option<char> {
        None
    }
}

impl Serialize for BoundExpr {
    fn serialize<S: Serializer>(&self, serializer: S) -> std::result::Result<S::Ok, S::Error> {
        let bytes = self.0.to_bytes().map_err(serde::ser::Error::custom)?;
        serializer.serialize_bytes(&bytes)
    }
}

impl<'de> Deserialize<'de> for BoundExpr {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> std::result::Result<Self, D::Error> {
        let bytes = Vec::<u8>::deserialize(deserializer)?;
        Expr::from_bytes_with_ctx(&bytes, function_registry()).map(Self).map_err(serde::de::Error::custom)
    }
}

/// An expression and the name of the column it yields.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct NamedExpr {
    /// The output column.
    pub name: String,
    /// What it holds.
    pub expr: BoundExpr,
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test")]

    use arrow::array::{ArrayRef, AsArray, Int64Array, TimestampMillisecondArray};
    use arrow::datatypes::TimestampMillisecondType;
    use arrow::record_batch::RecordBatch;
    use datafusion::logical_expr::{col, lit};

    use super::*;

    #[test]
    fn integer_arithmetic_fails_on_overflow_instead_of_wrapping_around() {
        let column: ArrayRef = Arc::new(Int64Array::from(vec![1, i64::MAX]));
        let rows = RecordBatch::try_from_iter([("a", column)]).unwrap();
        let negation = Expr::Negative(Box::new(lit(-2_i64) - (col("a") - lit(1_i64))));
        for expr in [col("a") + lit(1_i64), lit(-2_i64) - col("a"), (col("a") * lit(2_i64)).gt(lit(0_i64)), negation] {
            let physical = BoundExpr(expr).physical(&rows.schema()).unwrap();
            assert!(physical.evaluate(&rows.slice(0, 1)).is_ok());
            let error = physical.evaluate(&rows).or_plan_error().unwrap_err();
            assert!(error.to_string().starts_with("arithmetic overflow"), "{error}");
        }
    }

    #[test]
    fn a_fixed_interval_is_added_as_a_number_and_months_by_the_calendar() {
        let column: ArrayRef = Arc::new(TimestampMillisecondArray::from(vec![Some(1_706_659_200_000), None]));
        let rows = RecordBatch::try_from_iter([("ts", column)]).unwrap();
        let interval = |months, days, nanoseconds| {
            lit(ScalarValue::IntervalMonthDayNano(Some(IntervalMonthDayNano { months, days, nanoseconds })))
        };
        // The 31st of January and a month are the 29th of February.
        for (expr, moved, durations) in [
            (col("ts") + interval(0, 1, 2_000_000), 86_400_002, 1),
            (col("ts") - interval(0, 0, 5_000_000_000), -5_000, 1),
            (col("ts") + interval(1, 0, 0), 29 * 86_400_000, 0),
            (col("ts") + interval(0, 0, 1), 0, 0),
        ] {
            let physical = BoundExpr(expr).physical(&rows.schema()).unwrap();
            let value = physical.evaluate(&rows).unwrap().into_array(2).unwrap();
            let value: Vec<Option<i64>> = value.as_primitive::<TimestampMillisecondType>().iter().collect();
            assert_eq!(value, [Some(1_706_659_200_000 + moved), None]);
            let literals = physical.children().into_iter().filter_map(|part| part.downcast_ref::<Literal>());
            let found = literals.filter(|literal| matches!(literal.value().data_type(), DataType::Duration(_))).count();
            assert_eq!(found, durations);
        }
    }
}
