//! Measures: navigation, classifiers, aggregates, running and final.

use arrow::datatypes::DataType;
use datafusion::functions_aggregate::expr_fn::{array_agg, avg, count, max, sum};
use datafusion::logical_expr::ExprFunctionExt;
use datafusion::prelude::{Expr, cast, ident, lit};
use dipper_graph::{AggregateCall, FrameColumn, Logical, RowsPerMatch, Semantics, Target};

use super::clause::{Clause, Columns, NULL, TS, next, prev, time_type, values};

/// A is below 10, B is not.
fn clause(pattern: &str) -> Clause {
    Clause::new(pattern)
        .define("A", |c| c.v(Target::CURRENT).lt(lit(10_i64)))
        .define("B", |c| c.v(Target::CURRENT).gt_eq(lit(10_i64)))
}

fn number(clause: Clause, name: &str, value: impl FnOnce(&mut Columns) -> Expr) -> Clause {
    clause.measure(name, DataType::Int64, value)
}

#[test]
fn navigation_is_logical_then_physical() {
    let target = |logical, shift| Target { logical, shift };
    let clause = number(clause("A+ B+"), "second_a", |c| {
        let second = Logical::First { symbols: c.set("A"), offset: 1, semantics: Semantics::Running };
        c.v(target(second, 0))
    });
    let clause = number(clause, "last_but_one_b", |c| {
        let last = Logical::Last { symbols: c.set("B"), offset: 1, semantics: Semantics::Running };
        c.v(target(last, 0))
    });
    let clause = number(clause, "before_b", |c| {
        let first = Logical::First { symbols: c.set("B"), offset: 0, semantics: Semantics::Running };
        c.v(target(first, -2))
    });
    let clause = number(clause, "beyond", |c| {
        let first = Logical::First { symbols: c.set("A"), offset: 7, semantics: Semantics::Running };
        c.v(target(first, 0))
    });
    let clause = number(clause, "before_match", |c| {
        let first = c.first("*");
        c.v(Target { shift: -1, ..first })
    });
    assert_eq!(
        clause.run(values(&[99, 1, 2, 3, 11, 12, 13, 4])),
        ["k - 99 - - -", "k 2 12 2 - 99"].map(str::to_owned)[1..]
    );
}

#[test]
fn a_measure_that_looks_ahead_waits_for_the_row() {
    let after = |c: &mut Columns| {
        let last = c.last("A");
        c.v(Target { shift: 2, ..last })
    };
    let mut run = number(clause("A B"), "after", after).open().unwrap();
    run.push(values(&[1, 10, 55, 2, 10]));
    assert_eq!(run.watermark(1), ["w1"]);
    assert_eq!(run.watermark(2), ["k 55", "w2"]);
    assert_eq!(run.watermark(4), ["w4"]);
    assert_eq!(run.end(), ["k -"]);
}

#[test]
fn running_and_final_differ_row_by_row() {
    let of_b = |c: &Columns, semantics| Target {
        logical: Logical::Last { symbols: c.set("B"), offset: 0, semantics },
        shift: 0,
    };
    let mut all = clause("A+ B+").all_rows(RowsPerMatch::AllShowEmpty);
    for semantics in [Semantics::Running, Semantics::Final] {
        all = number(all, &format!("b_{semantics:?}"), |c| {
            let target = of_b(c, semantics);
            c.v(target)
        });
        all = number(all, &format!("sum_{semantics:?}"), |c| {
            c.aggregate(sum(ident("v")), "*", semantics, DataType::Int64)
        });
        all = number(all, &format!("count_{semantics:?}"), |c| {
            c.aggregate(count(lit(1_i64)), "B", semantics, DataType::Int64)
        });
    }
    let expected = [
        "k 00 - 1 0 12 26 2 1",
        "k 00.000001 - 3 0 12 26 2 2",
        "k 00.000002 11 14 1 12 26 2 11",
        "k 00.000003 12 26 2 12 26 2 12",
    ];
    assert_eq!(all.run(values(&[1, 2, 11, 12])), expected);
}

#[test]
fn the_greatest_of_numbers_that_are_none_is_the_same_row_by_row_and_of_the_whole() {
    let greatest_of = |value: f64| {
        let mut clause = clause("A+ B+").all_rows(RowsPerMatch::AllShowEmpty);
        for semantics in [Semantics::Running, Semantics::Final] {
            clause = clause.measure(&format!("{semantics:?}"), DataType::Float64, |c| {
                c.aggregate(max(lit(value)), "*", semantics, DataType::Float64)
            });
        }
        clause.run(values(&[1, 11]))
    };
    for (value, text) in [(f64::NAN, "NaN"), (f64::NEG_INFINITY, "-inf")] {
        let expected = ["k 00 X X 1", "k 00.000001 X X 11"].map(|row| row.replace('X', text));
        assert_eq!(greatest_of(value), expected);
    }
}

#[test]
fn aggregates_honour_filter_distinct_and_order() {
    let list = || DataType::new_list(DataType::Int64, true);
    let filtered = || sum(ident("v")).filter(ident("v").gt(lit(1_i64))).build().unwrap();
    let distinct = || count(ident("v")).distinct().build().unwrap();
    let ordered = || array_agg(ident("v")).order_by(vec![ident("v").sort(false, false)]).build().unwrap();
    let clause = clause("A+ B")
        .measure("filtered", DataType::Int64, |c| c.aggregate(filtered(), "A", Semantics::Running, DataType::Int64))
        .measure("distinct", DataType::Int64, |c| c.aggregate(distinct(), "A", Semantics::Running, DataType::Int64))
        .measure("ordered", list(), |c| c.aggregate(ordered(), "A", Semantics::Running, list()))
        .measure("mean", DataType::Float64, |c| {
            let w = cast(ident("w"), DataType::Float64);
            c.aggregate(avg(w), "B", Semantics::Final, DataType::Float64)
        })
        .measure("nothing", DataType::Int64, |c| {
            c.aggregate(max(ident("v")), "B", Semantics::Running, DataType::Int64) + lit(1_i64)
        });
    let lines = clause.run(values(&[3, 1, 2, 3, 10, 20, 2, 30]));
    assert_eq!(lines, ["k 8 3 [3, 3, 2, 1] 0.0 11", "k 2 1 [2] 0.0 31"]);
}

#[test]
fn running_aggregates_with_an_order_or_filter_are_right_on_every_row() {
    let list = || DataType::new_list(DataType::Int64, true);
    let ordered = || {
        array_agg(ident("v"))
            .order_by(vec![ident("v").sort(true, false)])
            .filter(ident("v").gt(lit(1_i64)))
            .build()
            .unwrap()
    };
    let all = clause("A+ B")
        .all_rows(RowsPerMatch::AllShowEmpty)
        .measure("so_far", list(), |c| c.aggregate(ordered(), "A", Semantics::Running, list()));
    let lines = all.run(values(&[3, 1, 2, 10]));
    assert_eq!(lines, ["k 00 [3] 3", "k 00.000001 [3] 1", "k 00.000002 [2, 3] 2", "k 00.000003 [2, 3] 10"]);
}

#[test]
fn classifiers_are_known_inside_the_match_only() {
    let text = |clause: Clause, name: &str, target: fn(&Columns) -> Target| {
        clause.measure(name, DataType::Utf8, |c| {
            let target = target(c);
            c.classifier(target)
        })
    };
    let all = clause("A B+").all_rows(RowsPerMatch::AllShowEmpty);
    let all = text(all, "own", |_| Target::CURRENT);
    let all = text(all, "previous", |_| prev(1));
    let all = text(all, "following", |_| next(1));
    let all = text(all, "of_b", |c| c.last("B"));
    let names = || count(ident(AggregateCall::CLASSIFIER_COLUMN)).distinct().build().unwrap();
    let all = all.measure("kinds", DataType::Int64, |c| c.aggregate(names(), "*", Semantics::Running, DataType::Int64));
    let expected = ["k 00.000001 A - B - 1 1", "k 00.000002 B A B B 2 10", "k 00.000003 B B - B 2 11"];
    assert_eq!(all.run(values(&[2, 1, 10, 11, 5])), expected);
}

#[test]
fn an_empty_match_counts_nothing_and_navigates_nowhere() {
    let clause = Clause::new("A*")
        .define("A", |c| c.v(Target::CURRENT).lt(lit(10_i64)))
        .measure("rows", DataType::Int64, |c| c.aggregate(count(lit(1_i64)), "*", Semantics::Running, DataType::Int64))
        .measure("sum", DataType::Int64, |c| c.aggregate(sum(ident("v")), "*", Semantics::Final, DataType::Int64))
        .measure("last", time_type(), |c| {
            let last = c.last("*");
            c.input(TS, last)
        })
        .measure("status", DataType::Utf8, |c| c.column(FrameColumn::MatchStatus, DataType::Utf8));
    assert_eq!(
        clause.run(values(&[11, 1, NULL])),
        ["k 0 - - COMPLETE", "k 1 1 00.000001 COMPLETE", "k 0 - - COMPLETE"]
    );
}
