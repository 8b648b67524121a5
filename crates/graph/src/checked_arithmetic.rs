//! Integer arithmetic that fails on overflow wherever DataFusion computes it: while it plans, in join conditions, in sort keys. Its own wraps
//! around in silence, and whether it does cannot be said in a logical plan; so functions take the place of the operators there.

use std::sync::{Arc, LazyLock};

use arrow::compute::kernels::numeric;
use arrow::datatypes::{DataType, FieldRef};
use datafusion::common::config::ConfigOptions;
use datafusion::common::tree_node::{Transformed, TreeNode};
use datafusion::common::utils::take_function_args;
use datafusion::common::{DFSchema, Result, ScalarValue, exec_err, internal_err};
use datafusion::logical_expr::expr::ScalarFunction;
use datafusion::logical_expr::expr_rewriter::NamePreserver;
use datafusion::logical_expr::utils::merge_schema;
use datafusion::logical_expr::{
    BinaryExpr, ColumnarValue, Expr, ExprSchemable, LogicalPlan, Operator, ReturnFieldArgs, ScalarFunctionArgs,
    ScalarUDF, ScalarUDFImpl, Signature, Union, Values, Volatility,
};
use datafusion::optimizer::AnalyzerRule;
use datafusion::optimizer::simplify_expressions::ExprSimplifier;
use datafusion::physical_expr_common::datum::apply;

use crate::careful_simplification;

/// The rule by which a session that runs plans has such functions in them. It comes after the coercion of types.
#[derive(Debug, Default)]
pub struct CheckedArithmetic;

impl AnalyzerRule for CheckedArithmetic {
    fn name(&self) -> &'static str {
        "checked_arithmetic"
    }

    fn analyze(&self, plan: LogicalPlan, _config: &ConfigOptions) -> Result<LogicalPlan> {
        with_checked_arithmetic(plan)
    }
}

/// The plan with functions that fail on overflow in the place of integer arithmetic. Names and types stay.
pub fn with_checked_arithmetic(plan: LogicalPlan) -> Result<LogicalPlan> {
    rewrite_expressions(plan, checked)
}

/// The plan with operators in the place of such functions: for whoever makes them fail in another way.
pub fn with_plain_arithmetic(plan: LogicalPlan) -> Result<LogicalPlan> {
    rewrite_expressions(plan, |expr, _| plain(expr))
}

/// The expression, simplified; what overflows is not folded, and fails where it is computed.
pub fn simplify_checked(expr: Expr, schema: &DFSchema, simplifier: &ExprSimplifier) -> Result<Expr> {
    let simplified = careful_simplification::simplify(checked(expr, schema)?.data, schema, simplifier)?;
    plain(simplified).map(|expr| expr.data)
}

/// The plan with other expressions of the same names: `rewrite` gets each of them with the columns that it may read. Our own nodes are left alone: what
/// they compute is no part of the plan.
pub fn rewrite_expressions(
    plan: LogicalPlan,
    rewrite: impl Fn(Expr, &DFSchema) -> Result<Transformed<Expr>>,
) -> Result<LogicalPlan> {
    let in_node = |node: LogicalPlan| {
        if matches!(node, LogicalPlan::Extension(_)) {
            return Ok(Transformed::no(node));
        }
        let schema = readable_columns(&node)?;
        let rewritten = rewrite_named(node, |expr| rewrite(expr, &schema))?;
        // The types may be others, those of the inputs, too.
        rewritten.map_data(|node| match node {
            LogicalPlan::Values(Values { schema, values }) => {
                let cast = |(expr, field): (Expr, &FieldRef)| expr.cast_to(field.data_type(), &DFSchema::empty());
                let values = values.into_iter().map(|row| row.into_iter().zip(schema.fields()).map(cast).collect());
                Ok(LogicalPlan::Values(Values { values: values.collect::<Result<_>>()?, schema }))
            }
            LogicalPlan::Union(Union { inputs, schema }) => {
                let fields = schema.iter().enumerate().map(|(index, (qualifier, field))| {
                    let is_nullable = inputs.iter().any(|input| input.schema().field(index).is_nullable());
                    (qualifier.cloned(), Arc::new(field.as_ref().clone().with_nullable(is_nullable)))
                });
                let schema = DFSchema::new_with_metadata(fields.collect(), schema.metadata().clone())?;
                Ok(LogicalPlan::Union(Union { inputs, schema: Arc::new(schema) }))
            }
            other => other.recompute_schema(),
        })
    };
    plan.transform_up_with_subqueries(in_node).map(|plan| plan.data)
}

/// The columns that the expressions of a node may read.
pub(crate) fn readable_columns(node: &LogicalPlan) -> Result<DFSchema> {
    let mut schema = merge_schema(&node.inputs());
    if let LogicalPlan::TableScan(scan) = node {
        schema.merge(&DFSchema::try_from_qualified_schema(scan.table_name.clone(), &scan.source.schema())?);
    }
    Ok(schema)
}

/// The node with other expressions of the same names.
pub(crate) fn rewrite_named(
    node: LogicalPlan,
    mut rewrite: impl FnMut(Expr) -> Result<Transformed<Expr>>,
) -> Result<Transformed<LogicalPlan>> {
    let names = NamePreserver::new(&node);
    let mut named = |expr: Expr| {
        let name = names.save(&expr);
        rewrite(expr).map(|expr| expr.update_data(|expr| name.restore(expr)))
    };
    node.map_expressions(|expr| match expr {
        // It has no name of its own.
        Expr::GroupingSet(_) => expr.map_children(&mut named),
        _ => named(expr),
    })
}

fn checked(expr: Expr, schema: &DFSchema) -> Result<Transformed<Expr>> {
    // What has no type here is of no type that would be ours.
    let type_of = |operand: &Expr| operand.get_type(schema).ok().filter(DataType::is_integer);
    expr.transform_up(|part| {
        Ok(match part {
            Expr::BinaryExpr(BinaryExpr { left, op, right }) => match Arithmetic::of(op) {
                Some(function) if type_of(&left).is_some_and(|known| type_of(&right) == Some(known)) => {
                    Transformed::yes(function.call(vec![*left, *right]))
                }
                _ => Transformed::no(Expr::BinaryExpr(BinaryExpr { left, op, right })),
            },
            Expr::Negative(operand) if type_of(&operand).is_some() => {
                Transformed::yes(Arithmetic::Negate.call(vec![*operand]))
            }
            other => Transformed::no(other),
        })
    })
}

fn plain(expr: Expr) -> Result<Transformed<Expr>> {
    expr.transform_up(|part| match part {
        Expr::ScalarFunction(ScalarFunction { func, args }) => {
            match func.inner().downcast_ref::<Function>().map(|function| function.arithmetic) {
                Some(arithmetic) => arithmetic.operation(args).map(Transformed::yes),
                None => Ok(Transformed::no(Expr::ScalarFunction(ScalarFunction { func, args }))),
            }
        }
        // It was to keep the name that the expression has again.
        Expr::Alias(alias) if alias.relation.is_none() && alias.expr.schema_name().to_string() == alias.name => {
            Ok(Transformed::yes(*alias.expr))
        }
        other => Ok(Transformed::no(other)),
    })
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum Arithmetic {
    Add,
    Subtract,
    Multiply,
    Negate,
}

impl Arithmetic {
    fn of(operator: Operator) -> Option<Self> {
        Some(match operator {
            Operator::Plus => Self::Add,
            Operator::Minus => Self::Subtract,
            Operator::Multiply => Self::Multiply,
            _ => return None,
        })
    }

    fn call(self, arguments: Vec<Expr>) -> Expr {
        static FUNCTIONS: LazyLock<[Arc<ScalarUDF>; 4]> = LazyLock::new(|| {
            [Arithmetic::Add, Arithmetic::Subtract, Arithmetic::Multiply, Arithmetic::Negate]
                .map(|arithmetic| Arc::new(ScalarUDF::from(Function::new(arithmetic))))
        });
        Expr::ScalarFunction(ScalarFunction::new_udf(Arc::clone(&FUNCTIONS[self as usize]), arguments))
    }

    /// What DataFusion calls the same.
    fn operation(self, arguments: Vec<Expr>) -> Result<Expr> {
        let operator = match self {
            Self::Add => Operator::Plus,
            Self::Subtract => Operator::Minus,
            Self::Multiply => Operator::Multiply,
            Self::Negate => {
                let [operand] = take_function_args("negate", arguments)?;
                return Ok(Expr::Negative(Box::new(operand)));
            }
        };
        let [left, right] = take_function_args("arithmetic", arguments)?;
        Ok(Expr::BinaryExpr(BinaryExpr { left: Box::new(left), op: operator, right: Box::new(right) }))
    }
}

/// An operation as a function of integers of one type, which the result has, too.
#[derive(Debug, PartialEq, Eq, Hash)]
struct Function {
    arithmetic: Arithmetic,
    signature: Signature,
}

impl Function {
    fn new(arithmetic: Arithmetic) -> Self {
        let arguments = if arithmetic == Arithmetic::Negate { 1 } else { 2 };
        Self { arithmetic, signature: Signature::any(arguments, Volatility::Immutable) }
    }
}

impl ScalarUDFImpl for Function {
    fn name(&self) -> &'static str {
        match self.arithmetic {
            Arithmetic::Add => "add",
            Arithmetic::Subtract => "subtract",
            Arithmetic::Multiply => "multiply",
            Arithmetic::Negate => "negate",
        }
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, arguments: &[DataType]) -> Result<DataType> {
        match arguments.first() {
            Some(argument) => Ok(argument.clone()),
            None => internal_err!("{} of nothing", self.name()),
        }
    }

    fn return_field_from_args(&self, arguments: ReturnFieldArgs<'_>) -> Result<FieldRef> {
        let Some(first) = arguments.arg_fields.first() else { return internal_err!("{} of nothing", self.name()) };
        let is_nullable = arguments.arg_fields.iter().any(|field| field.is_nullable());
        Ok(Arc::new(arrow::datatypes::Field::new(self.name(), first.data_type().clone(), is_nullable)))
    }

    fn is_strict(&self) -> bool {
        true
    }

    fn invoke_with_args(&self, call: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let kernel = match self.arithmetic {
            Arithmetic::Add => numeric::add,
            Arithmetic::Subtract => numeric::sub,
            Arithmetic::Multiply => numeric::mul,
            Arithmetic::Negate => return negated(&call.args),
        };
        match call.args.as_slice() {
            [left, right] => apply(left, right, kernel),
            other => exec_err!("{} of {} numbers", self.name(), other.len()),
        }
    }
}

fn negated(arguments: &[ColumnarValue]) -> Result<ColumnarValue> {
    match arguments {
        [ColumnarValue::Array(values)] => Ok(ColumnarValue::Array(numeric::neg(values)?)),
        [ColumnarValue::Scalar(value)] => {
            let negated = numeric::neg(&value.to_array()?)?;
            ScalarValue::try_from_array(&negated, 0).map(ColumnarValue::Scalar)
        }
        other => exec_err!("negate of {} numbers", other.len()),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test")]

    use arrow::datatypes::{Field, Schema};
    use datafusion::logical_expr::simplify::SimplifyContext;
    use datafusion::logical_expr::{LogicalPlanBuilder, col, lit, table_scan};

    use super::*;

    #[test]
    fn what_overflows_is_not_folded_and_what_does_not_is() {
        let schema = DFSchema::empty();
        let simplifier = ExprSimplifier::new(SimplifyContext::builder().with_schema(Arc::new(schema.clone())).build());
        for (expr, simplified) in [
            (lit(2_i64) + lit(3_i64) * lit(4_i64), lit(14_i64)),
            (lit(i64::MAX) + lit(1_i64), lit(i64::MAX) + lit(1_i64)),
            (lit(i32::MIN) - lit(1_i32), lit(i32::MIN) - lit(1_i32)),
            (Expr::Negative(Box::new(lit(i64::MIN))), Expr::Negative(Box::new(lit(i64::MIN)))),
            (lit(1.5) + lit(1.0), lit(2.5)),
        ] {
            assert_eq!(simplify_checked(expr, &schema, &simplifier).unwrap(), simplified);
        }
    }

    #[test]
    fn a_plan_is_checked_with_its_names_and_types_and_becomes_what_it_was() {
        let table =
            Schema::new(vec![Field::new("l", DataType::Int64, false), Field::new("d", DataType::Float64, true)]);
        let scan = table_scan(Some("t"), &table, None).unwrap();
        let plan = scan
            .project(vec![col("l") + lit(1_i64), Expr::Negative(Box::new(col("l"))), col("d") + lit(1.0)])
            .and_then(LogicalPlanBuilder::build)
            .unwrap();
        let checked = with_checked_arithmetic(plan.clone()).unwrap();
        assert_eq!(checked.schema(), plan.schema());
        insta::assert_snapshot!(checked.display(), @r#"Projection: add(t.l, Int64(1)) AS t.l + Int64(1), negate(t.l) AS (- t.l), t.d + Float64(1)"#);
        assert_eq!(with_plain_arithmetic(checked).unwrap(), plan);
    }
}
