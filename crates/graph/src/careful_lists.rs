//! Membership in lists, kept from what DataFusion 55 makes of several lists that one expression is looked up in. Its simplification forgets NULL, and
//! that members may be columns: `a NOT IN (1, 2) OR a NOT IN (3)` becomes TRUE, `a IN (1, 2) AND a NOT IN (3, NULL)` becomes `a IN (1, 2)`,
//! `a IN (b) AND a IN (c)` becomes FALSE, and so do comparisons with constants that it makes lists of.
//!
//! So what is looked up is simplified before all else, and goes by another name at each place while the rest is. One place is what may be put together:
//! `a = 1 OR a = 2`, `a <> 1 AND a NOT IN (2, 3)`. What is repeated word for word has the name that it had, so that it is found to be a repetition.

use std::collections::{HashMap, HashSet};

use datafusion::common::tree_node::{Transformed, TreeNode, TreeNodeRecursion};
use datafusion::common::{Result, internal_err};
use datafusion::logical_expr::expr::InList;
use datafusion::logical_expr::{BinaryExpr, Expr, Operator};
use indexmap::IndexMap;

use crate::careful_simplification::marked;

/// The expression in which what is looked up, and in what, is simplified by `simplified`, if there is more than one lookup: what says the same is
/// written the same, and what is a constant is written as one.
pub(crate) fn with_simple_lookups(
    expr: Expr,
    mut simplified: impl FnMut(Expr) -> Result<Expr>,
) -> Result<Transformed<Expr>> {
    if lookups(&expr)?.len() < 2 {
        return Ok(Transformed::no(expr));
    }
    expr.transform_up(|part| {
        if lookup(&part)?.is_none() {
            return Ok(Transformed::no(part));
        }
        part.map_children(|child| {
            if matches!(child, Expr::Column(_) | Expr::Literal(..)) {
                return Ok(Transformed::no(child));
            }
            let simple = simplified(child.clone())?;
            let is_other = simple != child;
            Ok(Transformed::new_transformed(simple, is_other))
        })
    })
}

/// The expression in which what is looked up at several places has the number of its place.
pub(crate) fn told_apart(expr: Expr) -> Result<Transformed<Expr>> {
    let lookups = lookups(&expr)?;
    let places = places(&lookups);
    let (mut first, mut apart) = (HashMap::new(), HashSet::new());
    for (lookup, place) in lookups.iter().zip(&places) {
        let leaves = leaves(lookup.looked_up)?;
        // A constant may be looked up in a list of columns.
        let named = if leaves.is_empty() { vec![lookup.looked_up] } else { leaves };
        apart.extend(named.into_iter().filter(|leaf| *first.entry(*leaf).or_insert(*place) != *place).cloned());
    }
    if apart.is_empty() {
        return Ok(Transformed::no(expr));
    }
    // Lookups are met in the order in which they were found.
    let mut places = places.into_iter();
    expr.transform_down(|part| {
        let Some((looked_up, _)) = lookup(&part)? else { return Ok(Transformed::no(part)) };
        let Some(place) = places.next() else { return internal_err!("a lookup that was not found before") };
        let looked_up = looked_up.clone();
        let at_its_place = at(looked_up.clone(), place, &apart)?.data;
        part.map_children(|child| {
            let same = child == looked_up;
            Ok(if same { Transformed::yes(at_its_place.clone()) } else { Transformed::no(child) })
        })
    })
}

/// The expression in which these parts have the number of a place.
fn at(expr: Expr, place: usize, apart: &HashSet<Expr>) -> Result<Transformed<Expr>> {
    expr.transform_down(|part| {
        if !apart.contains(&part) {
            return Ok(Transformed::no(part));
        }
        Ok(Transformed::new(marked(part, place), true, TreeNodeRecursion::Jump))
    })
}

/// A part of an expression that looks something up in a list, or compares it with a constant.
struct Lookup<'a> {
    part: &'a Expr,
    looked_up: &'a Expr,
    /// The ANDs or ORs that it stands between, if DataFusion may put it together with others there; its own number if not.
    chain: usize,
    /// Whether it asks for what is not there, if that is known: a NOT may come to any part of a CASE.
    negated: Option<bool>,
}

/// A part that is still to be looked through.
struct Open<'a> {
    part: &'a Expr,
    /// Whether the number of NOTs above it is odd, if nothing but AND and OR stands there as well.
    inverted: Option<bool>,
    /// What it stands between.
    chain: Option<(Operator, usize)>,
}

/// The lookups of an expression, in order.
fn lookups(expr: &Expr) -> Result<Vec<Lookup<'_>>> {
    let (mut lookups, mut chains) = (Vec::new(), 0..);
    let mut new_chain = || chains.next().unwrap_or_default();
    let mut open = vec![Open { part: expr, inverted: Some(false), chain: None }];
    while let Some(Open { part, inverted, chain }) = open.pop() {
        match part {
            Expr::Not(operand) => {
                open.push(Open { part: operand, inverted: inverted.map(|inverted| !inverted), chain: None });
            }
            Expr::BinaryExpr(BinaryExpr { left, op: op @ (Operator::And | Operator::Or), right }) => {
                let chain = chain.filter(|(operator, _)| operator == op).unwrap_or_else(|| (*op, new_chain()));
                open.extend([right, left].map(|part| Open { part, inverted, chain: Some(chain) }));
            }
            _ => {
                if let Some((looked_up, negated)) = lookup(part)? {
                    let chain = chain.filter(|(operator, _)| negated == (*operator == Operator::And));
                    let chain = chain.map_or_else(&mut new_chain, |(_, chain)| chain);
                    let negated = inverted.map(|inverted| inverted != negated);
                    lookups.push(Lookup { part, looked_up, chain, negated });
                }
                let first = open.len();
                part.apply_children(|part| {
                    open.push(Open { part, inverted: None, chain: None });
                    Ok(TreeNodeRecursion::Continue)
                })?;
                open[first..].reverse();
            }
        }
    }
    Ok(lookups)
}

/// The number of each lookup's place.
fn places(lookups: &[Lookup<'_>]) -> Vec<usize> {
    let mut together: IndexMap<(usize, &Expr), Vec<usize>> = IndexMap::new();
    for (number, lookup) in lookups.iter().enumerate() {
        together.entry((lookup.chain, lookup.looked_up)).or_default().push(number);
    }
    let mut places = vec![0; lookups.len()];
    let mut known: HashMap<(Vec<&Expr>, bool), usize> = HashMap::new();
    for numbers in together.into_values() {
        let own = numbers[0];
        let parts = numbers.iter().map(|number| lookups[*number].part).collect();
        let place = lookups[own].negated.map_or(own, |negated| *known.entry((parts, negated)).or_insert(own));
        for number in numbers {
            places[number] = place;
        }
    }
    places
}

/// What an expression looks up in a list, or compares with a constant, and whether it asks for what is not there. Below a NOT a `<>` is a `=`.
fn lookup(expr: &Expr) -> Result<Option<(&Expr, bool)>> {
    Ok(match expr {
        Expr::InList(InList { expr: looked_up, negated, .. }) => {
            (!leaves(expr)?.is_empty()).then_some((looked_up.as_ref(), *negated))
        }
        Expr::BinaryExpr(BinaryExpr { left, op: op @ (Operator::Eq | Operator::NotEq), right }) => {
            let looked_up = match (leaves(left)?.is_empty(), leaves(right)?.is_empty()) {
                (false, true) => left,
                (true, false) => right,
                _ => return Ok(None),
            };
            Some((looked_up.as_ref(), *op == Operator::NotEq))
        }
        _ => None,
    })
}

/// What an expression is computed from.
fn leaves(expr: &Expr) -> Result<Vec<&Expr>> {
    let mut leaves = Vec::new();
    expr.apply(|part| {
        if matches!(part, Expr::Column(_) | Expr::OuterReferenceColumn(..) | Expr::ScalarSubquery(_)) {
            leaves.push(part);
        }
        Ok(TreeNodeRecursion::Continue)
    })?;
    Ok(leaves)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test")]

    use std::sync::Arc;

    use arrow::array::{ArrayRef, AsArray, BooleanArray, Int32Array, Int64Array, RecordBatch};
    use arrow::datatypes::{DataType, Field, Schema};
    use datafusion::common::{DFSchema, ScalarValue};
    use datafusion::logical_expr::execution_props::ExecutionProps;
    use datafusion::logical_expr::physical_planning_context::PhysicalPlanningContext;
    use datafusion::logical_expr::simplify::SimplifyContext;
    use datafusion::logical_expr::{cast, col, lit, not, when};
    use datafusion::optimizer::simplify_expressions::ExprSimplifier;
    use datafusion::physical_expr::create_physical_expr;
    use proptest::prelude::*;

    use super::*;
    use crate::careful_simplification::simplify;

    fn schema() -> DFSchema {
        let columns = [("a", DataType::Int64), ("b", DataType::Int64), ("n", DataType::Int32)];
        DFSchema::try_from(Schema::new(columns.map(|(name, of)| Field::new(name, of, true)).to_vec())).unwrap()
    }

    fn simplified(expr: Expr) -> Expr {
        let context = SimplifyContext::builder().with_schema(Arc::new(schema())).build();
        simplify(expr, &schema(), &ExprSimplifier::new(context)).unwrap()
    }

    /// For all triples of NULL and the numbers to 4.
    fn values(expr: &Expr) -> BooleanArray {
        let number = |row: i32, weight: i32| Some(row / weight % 6).filter(|number| *number < 5);
        let long = |weight| (0..216).map(|row| number(row, weight).map(i64::from)).collect::<Int64Array>();
        let n: Int32Array = (0..216).map(|row| number(row, 36)).collect();
        let columns: Vec<ArrayRef> = vec![Arc::new(long(1)), Arc::new(long(6)), Arc::new(n)];
        let rows = RecordBatch::try_new(Arc::clone(schema().inner()), columns).unwrap();
        let expr =
            create_physical_expr(expr, &schema(), &ExecutionProps::new(), &PhysicalPlanningContext::default()).unwrap();
        expr.evaluate(&rows).unwrap().into_array(rows.num_rows()).unwrap().as_boolean().clone()
    }

    fn condition() -> impl Strategy<Value = Expr> {
        let column = || {
            let same = when(lit(true), col("a")).end().unwrap();
            let one = when(lit(true), lit(1_i64)).otherwise(col("b")).unwrap();
            let cast = cast(col("n"), DataType::Int64);
            prop::sample::select(vec![col("a"), col("b"), cast, same, one, col("b") + lit(1_i64)])
        };
        let number = || prop::option::weighted(0.9, 0..5_i64).prop_map(|value| lit(ScalarValue::Int64(value)));
        let constant =
            || prop_oneof![9 => number(), 1 => (0..5_i32).prop_map(|value| cast(lit(value), DataType::Int64))];
        let list = |members| prop::collection::vec(prop_oneof![9 => constant(), 1 => column()], 1..members);
        let one = prop_oneof![
            2 => (column(), constant()).prop_map(|(column, value)| column.eq(value)),
            1 => (column(), constant()).prop_map(|(column, value)| value.not_eq(column)),
            1 => (column(), constant()).prop_map(|(column, value)| column.lt(value)),
            1 => column().prop_map(Expr::is_null),
            4 => (column(), list(6), any::<bool>()).prop_map(|(column, list, negated)| column.in_list(list, negated)),
            1 => (constant(), list(3), any::<bool>()).prop_map(|(value, list, negated)| value.in_list(list, negated)),
        ];
        one.prop_recursive(4, 24, 3, |part| {
            prop_oneof![
                3 => (part.clone(), part.clone()).prop_map(|(left, right)| left.and(right)),
                3 => (part.clone(), part.clone()).prop_map(|(left, right)| left.or(right)),
                2 => part.clone().prop_map(not),
                1 => (part.clone(), part.clone(), part)
                    .prop_map(|(condition, yes, no)| when(condition, yes).otherwise(no).unwrap()),
            ]
        })
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(2000))]

        #[test]
        fn a_simplified_condition_says_the_same_of_all_rows(condition in condition()) {
            let simplified = simplified(condition.clone());
            prop_assert_eq!(values(&simplified), values(&condition), "{} of {}", simplified, condition);
        }
    }

    #[test]
    fn what_is_found_to_be_the_same_is_told_apart() {
        let (one, null) = (lit(1_i64), || vec![lit(ScalarValue::Int64(None))]);
        let cast_one = cast(lit(1_i32), DataType::Int64);
        let chosen = when(lit(true), lit(1_i64)).otherwise(col("b")).unwrap();
        let other = when(lit(true), lit(1_i64)).otherwise(col("a")).unwrap();
        for condition in [
            one.clone().in_list(vec![col("a")], false).and(cast_one.in_list(vec![col("b")], false)),
            one.in_list(vec![col("a")], false).and(chosen.clone().in_list(vec![col("b")], false)),
            chosen.clone().in_list(null(), false).and(chosen.clone().in_list(null(), true)),
            chosen.in_list(null(), false).and(other.in_list(null(), true)),
        ] {
            assert_eq!(values(&simplified(condition.clone())), values(&condition), "{condition}");
        }
    }

    #[test]
    fn lookups_within_lookups_are_simplified() {
        let nested = (0..40).fold(col("a").eq(lit(1_i64)), |condition, _| condition.eq(lit(true)));
        assert_eq!(simplified(nested), col("a").eq(lit(1_i64)));
    }

    fn list(values: std::ops::Range<i64>, negated: bool) -> Expr {
        col("a").in_list(values.map(lit).collect(), negated)
    }

    #[test]
    fn lists_that_are_one_are_put_together() {
        let equal = |value: i64| col("a").eq(lit(value));
        let any = (2..6).fold(equal(1), |any, value| any.or(equal(value)));
        assert_eq!(simplified(any.and(col("b").eq(lit(1_i64)))), list(1..6, false).and(col("b").eq(lit(1_i64))));
        assert_eq!(simplified(list(0..4, true).and(list(4..7, true))), list(0..7, true));
        let apart = list(0..4, true).or(list(4..8, true));
        assert_eq!(simplified(apart.clone()), apart);
    }

    #[test]
    fn what_is_repeated_is_found_to_be_a_repetition() {
        let both = list(0..4, false).and(col("b").is_null()).and(list(0..4, false));
        assert_eq!(simplified(both.or(list(0..4, false))), list(0..4, false));
    }

    #[test]
    fn casts_are_taken_from_what_is_looked_up() {
        let list = |of: Expr, values: std::ops::Range<i32>| of.in_list(values.map(lit).collect(), true);
        let long =
            |values: std::ops::Range<i64>| cast(col("n"), DataType::Int64).in_list(values.map(lit).collect(), true);
        assert_eq!(simplified(long(0..4).or(long(4..8))), list(col("n"), 0..4).or(list(col("n"), 4..8)));
    }
}
