//! Registers follow a search as DataFusion's accumulators do.

#![allow(clippy::unwrap_used, reason = "tests")]

use std::sync::Arc;

use arrow::array::Array;
use arrow::compute::concat;
use arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use datafusion::common::ScalarValue;
use datafusion::functions_aggregate::expr_fn::{avg, count, max, min};
use datafusion::logical_expr::{Expr, ExprFunctionExt};
use datafusion::prelude::{cast, ident, lit};
use dipper_graph::{AggregateCall, BoundExpr, Semantics, function_registry};
use dipper_pattern::{BacktrackMatcher, CompileLimits, Program as Pattern, SearchOptions, SymbolSet, parse};

use super::accumulation::{Accumulation, PathRows};
use super::memory::KnownRows;
use super::register::{CopiedColumns, Register, RegisterSpec, StoredRows};
use super::*;
use crate::match_recognize::scalar::read_all;
use crate::match_recognize::scalar::tests::value;
use crate::match_recognize::tests::dice::Dice;

const ROWS: usize = 24;

fn sum(argument: Expr) -> Expr {
    use datafusion::execution::FunctionRegistry;
    function_registry().udaf("sum").unwrap().call(vec![argument])
}

/// The calls over a column `v` of a type that have a register.
fn calls(data_type: &DataType) -> Vec<Expr> {
    let v = || ident("v");
    let mut calls = vec![count(v()), count(lit(1_i64))];
    if !matches!(data_type, DataType::Boolean | DataType::Utf8 | DataType::Utf8View) {
        calls.extend([min(v()), max(v())]);
    }
    match data_type {
        DataType::Decimal128(..) => calls.extend([sum(v()), avg(v())]),
        DataType::Float32 | DataType::Float64 => {
            let v = || cast(v(), DataType::Float64);
            calls.extend([sum(v()), avg(v()), sum(v() * v())]);
        }
        other if other.is_integer() => {
            let wide = if other.is_unsigned_integer() { DataType::UInt64 } else { DataType::Int64 };
            let v = || cast(v(), wide.clone());
            calls.extend([sum(v()), sum(v() + v()), avg(cast(v(), DataType::Float64))]);
        }
        _ => {}
    }
    let all = calls.clone();
    calls.extend(
        all.into_iter().map(|call| call.filter(v().is_not_null().and(ident("w").gt(lit(0_i64)))).build().unwrap()),
    );
    calls
}

/// A search that goes forward and back, and asks for the aggregate in both ways.
struct Asking<'a> {
    aggregate: &'a Aggregate,
    spec: &'a RegisterSpec,
    rows: StoredRows<'a>,
    register: Register,
    accumulation: Accumulation,
    dice: Dice,
    decided: usize,
}

impl Conditions for Asking<'_> {
    type Error = ();

    fn holds(&mut self, _: SymbolId, _: u64, path: &Path<'_>) -> std::result::Result<bool, ()> {
        self.register.fall_back(path.kept());
        self.accumulation.fall_back(path.kept());
        if self.dice.roll(4) > 0 {
            let names = ["A".to_owned(), "B".to_owned()];
            let rows = PathRows { path, rows: self.rows, variables: &names };
            // An accumulator that has failed may hold anything.
            let expected = Accumulation::default().follow(self.aggregate, rows);
            let found = self.register.follow(self.spec, self.aggregate.symbols(), path, self.rows);
            match (&expected, found) {
                (_, Err(Undecided)) => {}
                (Err(error), Ok(found)) => panic!("{error}, not {found:?}"),
                (Ok(expected), Ok(found)) => {
                    self.decided += 1;
                    let found = to_array(found, expected.data_type()).unwrap();
                    let (expected, found) = (read(expected.as_ref(), 0).unwrap(), read(found.as_ref(), 0).unwrap());
                    assert!(
                        crate::match_recognize::scalar::tests::same(expected, found),
                        "{expected:?}, not {found:?}"
                    );
                    let followed = self.accumulation.follow(self.aggregate, rows).unwrap();
                    assert_eq!(format!("{:?}", read(followed.as_ref(), 0)), format!("{:?}", Ok::<_, Undecided>(found)));
                }
            }
        }
        Ok(self.dice.roll(3) > 0)
    }
}

#[test]
fn registers_follow_a_search_as_accumulators_do() {
    let (mut specs, mut decided) = (0, 0);
    for (index, data_type) in crate::match_recognize::scalar::tests::TYPES.iter().enumerate() {
        let fields = vec![Field::new("v", data_type.clone(), true), Field::new("w", DataType::Int64, true)];
        let input: SchemaRef = Arc::new(Schema::new(fields));
        for (number, call) in calls(data_type).into_iter().enumerate() {
            let text = call.to_string();
            let call = AggregateCall {
                call: BoundExpr(call),
                symbols: SymbolSet::of(&[SymbolId(1)]),
                semantics: Semantics::Running,
            };
            let result = call.call.aggregate(&input).unwrap().function.field().data_type().clone();
            let mut kept = KeptColumns::new(Arc::clone(&input));
            let aggregate = Aggregate::new(&call, &input, &result, &mut kept).unwrap();
            let mut copied = CopiedColumns::default();
            let Some(spec) = RegisterSpec::new(&aggregate, &mut copied) else {
                panic!("{text} over {data_type} has no register")
            };
            specs += 1;
            for seed in 0..3 {
                let mut dice = Dice(seed * 1000 + (index * 100 + number) as u64);
                let types = kept.data_types();
                let columns = types.iter().map(|data_type| {
                    let values: Vec<ScalarValue> = (0..ROWS).map(|_| value(data_type, &mut dice)).collect();
                    let values: Vec<ArrayRef> = values.iter().map(|value| value.to_array().unwrap()).collect();
                    concat(&values.iter().map(|value| value.as_ref()).collect::<Vec<_>>()).unwrap()
                });
                let columns: Vec<ArrayRef> = columns.collect();
                let (mut store, mut rows) = (RowStore::new(types.clone()), PartitionRows::default());
                let first = store.append(columns, ROWS);
                rows.append(first, ROWS, &mut store).unwrap();
                let pattern = Pattern::compile(&parse("(A | B)+ A B").unwrap().pattern, CompileLimits::default());
                let options = SearchOptions { step_budget: Some(300), ..SearchOptions::default() };
                let matcher = BacktrackMatcher::new(pattern.unwrap().into(), options);
                // With copies of what it reads, and without.
                let mut known = KnownRows::default();
                if seed > 0 {
                    let letters = Letters::new(SymbolSet::all(2));
                    let letters = letters.evaluate(ROWS, &AddressedRows { shifted: Vec::new(), store: &store });
                    let copies = copied.slots().iter().map(|slot| read_all(store.latest(*slot).unwrap().as_ref()));
                    known.push(&letters.unwrap(), &copies.collect::<Vec<_>>(), 0..ROWS);
                }
                let stored = StoredRows { rows: &rows, store: &store, known: &known };
                let (register, accumulation) = (Register::default(), Accumulation::default());
                let mut asking = Asking {
                    aggregate: &aggregate,
                    spec: &spec,
                    rows: stored,
                    register,
                    accumulation,
                    dice,
                    decided: 0,
                };
                let mut runs = matcher.start();
                for _ in 0..ROWS {
                    // A search out of steps has asked enough.
                    if matcher.push(&mut runs, 0, &mut asking, &mut Vec::new()).is_err() {
                        break;
                    }
                }
                decided += asking.decided;
            }
        }
    }
    assert!(specs > 120 && decided > 5_000, "{specs} registers, {decided} values");
}
