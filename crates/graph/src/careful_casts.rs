//! Casts that stay in comparisons, kept from what DataFusion 55 makes of them. Its simplification takes a cast from one side of a comparison and casts
//! the constant on the other side instead, also where that says something else: `CAST(d AS INT) = 1` becomes `d = 1.00` for a `DECIMAL(10, 2)`, and
//! `CAST(t AS TIMESTAMP(6)) = TIMESTAMP '… 10:20:30.1235'` becomes `t = TIMESTAMP '… 10:20:30.123'` for a `TIMESTAMP(3)`.
//!
//! So such casts are hidden while it simplifies. All others are still taken away: conditions on columns alone leave out files before they are read.

use arrow::datatypes::DataType;
use datafusion::common::tree_node::{Transformed, TreeNode};
use datafusion::common::{DFSchema, Result, ScalarValue};
use datafusion::logical_expr::expr::InList;
use datafusion::logical_expr::{Between, BinaryExpr, Cast, Expr, ExprSchemable, TryCast};
use datafusion::logical_expr_common::casts::try_cast_literal_to_type;

use crate::careful_simplification::marked;

/// Whether numbers of the type `from` are rounded or cut off when they become numbers of the type `to`: several of them become one.
pub fn loses_digits(from: &DataType, to: &DataType) -> bool {
    from.is_decimal() && fraction_digits(to).is_some_and(|kept| fraction_digits(from) > Some(kept))
}

fn fraction_digits(data_type: &DataType) -> Option<i8> {
    match data_type {
        DataType::Decimal32(_, scale)
        | DataType::Decimal64(_, scale)
        | DataType::Decimal128(_, scale)
        | DataType::Decimal256(_, scale) => Some(*scale),
        whole if whole.is_integer() => Some(0),
        _ => None,
    }
}

/// Whether DataFusion, when it compares `constant` with what was of the type `from` before a cast, makes another value of it.
pub fn changes_under_cast(constant: &ScalarValue, from: &DataType) -> bool {
    if constant.is_null() {
        return false;
    }
    // A row with the value that it makes must be equal to the constant.
    let is_equal = |value: ScalarValue| value.cast_to(&constant.data_type()).is_ok_and(|value| value == *constant);
    try_cast_literal_to_type(constant, from).is_some_and(|value| !is_equal(value))
}

/// The expression over columns of `schema` in which the casts that DataFusion must not take away are hidden. What has no type there is left alone.
pub(crate) fn hidden(expr: Expr, schema: &DFSchema) -> Result<Transformed<Expr>> {
    expr.transform_up(|part| {
        if row_cast(&part, schema).is_some_and(|cast| loses_digits(&cast.from, cast.to)) {
            return Ok(Transformed::yes(marked(part, 0)));
        }
        let constants: Vec<ScalarValue> = compared(&part).into_iter().filter_map(constant).collect();
        if constants.is_empty() {
            return Ok(Transformed::no(part));
        }
        part.map_children(|operand| {
            let is_kept = constants.iter().any(|constant| changes(constant, &operand, schema));
            Ok(if is_kept { Transformed::yes(marked(operand, 0)) } else { Transformed::no(operand) })
        })
    })
}

/// Whether a constant becomes another value when the casts of what it is compared with, one after the other, are taken away.
fn changes(constant: &ScalarValue, operand: &Expr, schema: &DFSchema) -> bool {
    row_cast(operand, schema).is_some_and(|cast| {
        changes_under_cast(constant, &cast.from)
            || constant.cast_to(&cast.from).is_ok_and(|constant| changes(&constant, cast.operand, schema))
    })
}

/// A cast that is computed for each row.
struct RowCast<'a> {
    operand: &'a Expr,
    from: DataType,
    to: &'a DataType,
}

fn row_cast<'a>(expr: &'a Expr, schema: &DFSchema) -> Option<RowCast<'a>> {
    let (Expr::Cast(Cast { expr: operand, field }) | Expr::TryCast(TryCast { expr: operand, field })) = expr else {
        return None;
    };
    if is_constant(operand) {
        return None;
    }
    let from = operand.get_type(schema).ok()?;
    Some(RowCast { operand, from, to: field.data_type() })
}

/// Whether an expression may be folded. A cast of a constant must not be hidden from that.
fn is_constant(expr: &Expr) -> bool {
    let varies = |part: &Expr| {
        let is_leaf = matches!(
            part,
            Expr::Column(_) | Expr::OuterReferenceColumn(..) | Expr::ScalarSubquery(_) | Expr::Placeholder(_)
        );
        Ok(is_leaf || part.is_volatile_node())
    };
    // The closure does not fail.
    !expr.exists(varies).unwrap_or(true)
}

/// The operands of a comparison; none of anything else.
fn compared(expr: &Expr) -> Vec<&Expr> {
    match expr {
        Expr::BinaryExpr(BinaryExpr { left, op, right }) if op.supports_propagation() => {
            vec![left.as_ref(), right.as_ref()]
        }
        Expr::InList(InList { expr, list, .. }) => std::iter::once(expr.as_ref()).chain(list).collect(),
        Expr::Between(Between { expr, low, high, .. }) => vec![expr.as_ref(), low.as_ref(), high.as_ref()],
        _ => vec![],
    }
}

/// The value of a constant, which may still be cast.
fn constant(expr: &Expr) -> Option<ScalarValue> {
    match expr {
        Expr::Literal(value, _) => Some(value.clone()),
        Expr::Cast(Cast { expr, field }) | Expr::TryCast(TryCast { expr, field }) => {
            constant(expr)?.cast_to(field.data_type()).ok()
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test")]

    use std::sync::Arc;

    use arrow::array::{
        ArrayRef, AsArray, BooleanArray, Decimal128Array, Int32Array, RecordBatch, TimestampMillisecondArray,
    };
    use arrow::datatypes::{Field, Schema, TimeUnit};
    use datafusion::logical_expr::execution_props::ExecutionProps;
    use datafusion::logical_expr::physical_planning_context::PhysicalPlanningContext;
    use datafusion::logical_expr::simplify::SimplifyContext;
    use datafusion::logical_expr::{Operator, binary_expr, cast, col, lit, not, try_cast};
    use datafusion::optimizer::simplify_expressions::ExprSimplifier;
    use datafusion::physical_expr::create_physical_expr;
    use proptest::prelude::*;

    use super::*;
    use crate::careful_simplification::simplify;

    const MS: DataType = DataType::Timestamp(TimeUnit::Millisecond, None);
    const US: DataType = DataType::Timestamp(TimeUnit::Microsecond, None);

    fn schema() -> DFSchema {
        let columns = [("d", DataType::Decimal128(10, 2)), ("t", MS), ("n", DataType::Int32)];
        DFSchema::try_from(Schema::new(columns.map(|(name, of)| Field::new(name, of, true)).to_vec())).unwrap()
    }

    fn simplified(expr: Expr) -> Expr {
        let context = SimplifyContext::builder().with_schema(Arc::new(schema())).build();
        simplify(expr, &schema(), &ExprSimplifier::new(context)).unwrap()
    }

    /// For numbers from -3.00 to 2.95, times from -3 to 2 milliseconds, and NULLs.
    fn values(expr: &Expr) -> BooleanArray {
        let small = |row: i64| Some(row % 7 - 3).filter(|number| *number < 3);
        let d: Decimal128Array = (0..121_i128).map(|row| Some(row * 5 - 300).filter(|cents| *cents < 300)).collect();
        let t: TimestampMillisecondArray = (0..121).map(small).collect();
        let n: Int32Array = (0..121).map(|row| small(row / 7).map(|number| number as i32)).collect();
        let d = d.with_precision_and_scale(10, 2).unwrap();
        let columns: Vec<ArrayRef> = vec![Arc::new(d), Arc::new(t), Arc::new(n)];
        let rows = RecordBatch::try_new(Arc::clone(schema().inner()), columns).unwrap();
        let expr =
            create_physical_expr(expr, &schema(), &ExecutionProps::new(), &PhysicalPlanningContext::default()).unwrap();
        expr.evaluate(&rows).unwrap().into_array(rows.num_rows()).unwrap().as_boolean().clone()
    }

    type Constant = fn(i64) -> ScalarValue;

    /// What may be cast, to which type, and a constant of that type for a number from -12 to 12.
    fn casts() -> Vec<(Expr, DataType, Constant)> {
        fn of(operand: Expr, to: DataType, constant: Constant) -> (Expr, DataType, Constant) {
            (operand, to, constant)
        }
        let decimal = |precision, scale| DataType::Decimal128(precision, scale);
        let int: Constant = |number| ScalarValue::Int32(Some(number as i32 / 4));
        let bigint: Constant = |number| ScalarValue::Int64(Some(number / 4));
        vec![
            of(col("d"), DataType::Int32, int),
            of(col("d"), DataType::Int64, bigint),
            of(col("d"), decimal(10, 1), |number| ScalarValue::Decimal128(Some(i128::from(number)), 10, 1)),
            of(col("d"), decimal(12, 2), |number| ScalarValue::Decimal128(Some(i128::from(number) * 25), 12, 2)),
            of(col("d"), decimal(20, 4), |number| ScalarValue::Decimal128(Some(i128::from(number) * 1250), 20, 4)),
            of(col("t"), DataType::Timestamp(TimeUnit::Second, None), |number| {
                ScalarValue::TimestampSecond(Some(number / 8), None)
            }),
            of(col("t"), US, |number| ScalarValue::TimestampMicrosecond(Some(number * 250), None)),
            of(col("t"), DataType::Timestamp(TimeUnit::Nanosecond, None), |number| {
                ScalarValue::TimestampNanosecond(Some(number * 250_000), None)
            }),
            of(col("n"), DataType::Int64, bigint),
            of(col("n"), decimal(12, 2), |number| ScalarValue::Decimal128(Some(i128::from(number) * 25), 12, 2)),
            of(cast(col("d"), DataType::Int32), DataType::Int64, bigint),
            of(cast(col("t"), US), DataType::Timestamp(TimeUnit::Nanosecond, None), |number| {
                ScalarValue::TimestampNanosecond(Some(number * 250_500), None)
            }),
        ]
    }

    fn condition() -> impl Strategy<Value = Expr> {
        let operators = || {
            use Operator::{Eq, Gt, GtEq, IsDistinctFrom, IsNotDistinctFrom, Lt, LtEq, NotEq};
            prop::sample::select(vec![Eq, NotEq, Lt, LtEq, Gt, GtEq, IsDistinctFrom, IsNotDistinctFrom])
        };
        let casts = (prop::sample::select(casts()), any::<bool>()).prop_map(|((column, to, constant), tries)| {
            let null = ScalarValue::try_new_null(&to).unwrap();
            (if tries { try_cast(column, to) } else { cast(column, to) }, null, constant)
        });
        let numbers = prop::collection::vec(prop::option::weighted(0.9, -12..=12_i64), 2..6);
        let form = prop_oneof![3 => Just(0), 1 => Just(1), 1 => Just(2), 2 => Just(3)];
        let one = (casts, numbers, operators(), form, any::<bool>()).prop_map(
            |((casted, null, constant), numbers, operator, form, negated)| {
                let constants = numbers.iter().map(|number| lit(number.map_or_else(|| null.clone(), constant)));
                let mut constants: Vec<Expr> = constants.collect();
                match form {
                    0 => binary_expr(casted, operator, constants.swap_remove(0)),
                    1 => binary_expr(constants.swap_remove(0), operator, casted),
                    2 if negated => casted.not_between(constants[0].clone(), constants[1].clone()),
                    2 => casted.between(constants[0].clone(), constants[1].clone()),
                    _ => casted.in_list(constants, negated),
                }
            },
        );
        one.prop_recursive(3, 8, 2, |part| {
            prop_oneof![
                (part.clone(), part.clone()).prop_map(|(left, right)| left.and(right)),
                (part.clone(), part.clone()).prop_map(|(left, right)| left.or(right)),
                part.prop_map(not),
            ]
        })
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(2000))]

        #[test]
        fn a_simplified_comparison_says_the_same_of_all_rows(condition in condition()) {
            let simplified = simplified(condition.clone());
            prop_assert_eq!(values(&simplified), values(&condition), "{}", simplified);
        }
    }

    fn us(value: i64) -> Expr {
        lit(ScalarValue::TimestampMicrosecond(Some(value), None))
    }

    fn ms(value: i64) -> Expr {
        lit(ScalarValue::TimestampMillisecond(Some(value), None))
    }

    fn decimal(value: i128, precision: u8, scale: i8) -> Expr {
        lit(ScalarValue::Decimal128(Some(value), precision, scale))
    }

    #[test]
    fn casts_that_lose_digits_stay() {
        let whole = || cast(col("d"), DataType::Int32);
        for comparison in [
            whole().eq(lit(1_i32)),
            whole().not_eq(lit(1_i32)),
            whole().lt(lit(1_i32)),
            whole().in_list((1..6_i32).map(lit).collect(), false),
            binary_expr(whole(), Operator::IsDistinctFrom, lit(1_i32)),
            try_cast(col("d"), DataType::Int64).eq(lit(1_i64)),
            cast(col("d"), DataType::Decimal128(10, 1)).eq(decimal(12, 10, 1)),
            cast(whole(), DataType::Int64).eq(lit(1_i64)).is_null(),
        ] {
            let kept = simplified(comparison.clone())
                .exists(|part| Ok(row_cast(part, &schema()).is_some_and(|cast| loses_digits(&cast.from, cast.to))));
            assert!(kept.unwrap(), "{comparison}");
        }
        assert_eq!(simplified(whole().eq(lit(1_i32))), whole().eq(lit(1_i32)));
    }

    #[test]
    fn casts_stay_beside_constants_that_the_operand_cannot_be() {
        let time = || cast(col("t"), US);
        for comparison in [
            time().eq(us(1500)),
            time().not_eq(us(-1500)),
            time().gt_eq(us(1500)),
            time().in_list(vec![us(1000), us(2000), us(2500), us(3000)], true),
        ] {
            assert_eq!(simplified(comparison.clone()), comparison);
        }
        let text = |time: &str| cast(lit(time), US);
        let folded = time().lt(us(1500));
        assert_eq!(simplified(time().lt(text("1970-01-01 00:00:00.0015"))), folded);
        let between = time().gt_eq(us(1000)).and(time().lt_eq(us(1500)));
        assert_eq!(simplified(time().between(us(1000), us(1500))), between);
    }

    #[test]
    fn other_casts_are_taken_away() {
        let long = || cast(col("n"), DataType::Int64);
        for (comparison, expected) in [
            (long().lt(lit(5_i64)), col("n").lt(lit(5_i32))),
            (lit(5_i64).lt(long()), col("n").gt(lit(5_i32))),
            (
                long().in_list((1..6_i64).map(lit).collect(), false),
                col("n").in_list((1..6_i32).map(lit).collect(), false),
            ),
            (long().between(lit(1_i64), lit(5_i64)), col("n").gt_eq(lit(1_i32)).and(col("n").lt_eq(lit(5_i32)))),
            (cast(col("t"), US).gt_eq(us(2000)), col("t").gt_eq(ms(2))),
            (cast(col("d"), DataType::Decimal128(20, 4)).eq(decimal(15000, 20, 4)), col("d").eq(decimal(150, 10, 2))),
            (
                cast(col("d"), DataType::Int32).eq(lit(1_i32)).and(long().eq(lit(1_i64))),
                cast(col("d"), DataType::Int32).eq(lit(1_i32)).and(col("n").eq(lit(1_i32))),
            ),
        ] {
            assert_eq!(simplified(comparison), expected);
        }
    }

    #[test]
    fn casts_of_constants_are_folded() {
        let comparison = col("n").eq(cast(decimal(125, 10, 2), DataType::Int32));
        assert_eq!(simplified(comparison), col("n").eq(lit(1_i32)));
    }
}
