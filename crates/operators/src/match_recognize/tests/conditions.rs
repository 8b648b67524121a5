//! Conditions: ahead of the search and in it, looking back, ahead and at the match so far; errors.

use arrow::datatypes::DataType;
use datafusion::functions_aggregate::expr_fn::{array_agg, count, count_distinct, max, sum};
use datafusion::prelude::{ident, lit};
use dipper_graph::{FrameColumn, RowsPerMatch, Semantics, Target};
use dipper_pattern::{OnSkipError, Skip, SymbolSet};

use super::clause::{Clause, NULL, Row, next, prev, rows, values};
use crate::match_recognize::search::SearchLimits;

#[test]
fn prev_before_the_first_row_is_null_and_so_the_condition_false() {
    let clause = || Clause::new("A").define("A", |c| c.v(Target::CURRENT).gt(c.v(prev(1)))).bounds();
    assert_eq!(clause().run(values(&[5, 6, NULL, 9])), ["k 00.000001 00.000001"]);
    let clause = Clause::new("A")
        .define("A", |c| {
            datafusion::prelude::Expr::Not(Box::new(
                c.column(FrameColumn::Exists { target: prev(2) }, DataType::Boolean),
            ))
        })
        .bounds();
    assert_eq!(clause.run(values(&[5, 6, 7])), ["k 00 00", "k 00.000001 00.000001"]);
}

#[test]
fn prev_reaches_over_batches_and_watermarks() {
    let clause = Clause::new("A").define("A", |c| c.v(Target::CURRENT).gt(c.v(prev(3)))).bounds();
    let mut run = clause.open().unwrap();
    let mut lines = Vec::new();
    for (time, v) in [5, 1, 1, 6, 1, 0, 7].into_iter().enumerate() {
        run.push(rows(&[("k", time as i64, v, 0), ("j", time as i64, -(time as i64), 0)]));
        lines.extend(run.watermark(time as i64).into_iter().filter(|line| !line.starts_with('w')));
    }
    assert_eq!(lines, ["k 00.000003 00.000003", "k 00.000006 00.000006"]);
}

#[test]
fn next_waits_for_the_rows_it_reads_or_the_end() {
    let clause = Clause::new("A").define("A", |c| c.v(Target::CURRENT).lt(c.v(next(2)))).bounds();
    let mut run = clause.open().unwrap();
    run.push(values(&[1, 9, 2, 10, 3]));
    assert_eq!(run.watermark(1), ["w1"]);
    assert_eq!(run.watermark(2), ["k 00 00", "w2"]);
    assert_eq!(run.watermark(4), ["k 00.000001 00.000001", "k 00.000002 00.000002", "w4"]);
    assert_eq!(run.end(), Vec::<String>::new());
    let is_last = Clause::new("A").define("A", |c| c.v(next(1)).is_null()).bounds();
    assert_eq!(is_last.run(values(&[1, 2, 3])), ["k 00.000002 00.000002"]);
}

#[test]
fn a_condition_that_fails_is_an_error_only_where_the_search_asks_for_it() {
    let clause = || {
        Clause::new("A B")
            .define("A", |c| c.v(Target::CURRENT).eq(lit(1_i64)))
            .define("B", |c| (lit(10_i64) / c.input(super::clause::W, Target::CURRENT)).gt(lit(1_i64)))
    };
    // The zeros stand where B is not asked about.
    let harmless = rows(&[("k", 0, 0, 0), ("k", 1, 1, 0), ("k", 2, 0, 5), ("k", 3, 0, 0)]);
    assert_eq!(clause().bounds().run(harmless), ["k 00.000001 00.000002"]);
    let harmful = rows(&[("k", 0, 0, 3), ("k", 1, 1, 5), ("k", 2, 0, 0), ("k", 3, 0, 4)]);
    let error = clause().bounds().error(harmful);
    assert!(error.to_string().contains("DEFINE B") && error.to_string().contains("by zero"), "{error}");
}

#[test]
fn what_the_rest_of_a_condition_rules_out_cannot_fail() {
    // W is zero in the first row after A, where the aggregate says no.
    let clause = Clause::new("A B+").define("A", |c| c.v(Target::CURRENT).eq(lit(1_i64))).define("B", |c| {
        let total = c.aggregate(sum(ident("v")), "*", Semantics::Running, DataType::Int64);
        let small = total.lt(lit(5_i64));
        small.and((lit(10_i64) / c.input(super::clause::W, Target::CURRENT)).gt(lit(1_i64)))
    });
    let input = rows(&[("k", 0, 1, 0), ("k", 1, 2, 5), ("k", 2, 9, 0)]);
    assert_eq!(clause.bounds().run(input), ["k 00 00.000001"]);
}

#[test]
fn a_condition_reads_other_variables_and_its_own_row() {
    let clause = Clause::new("A B+ C")
        .define("B", |c| {
            let (own, a) = (c.last("B"), c.last("A"));
            c.v(own).gt(c.v(a))
        })
        .define("C", |c| {
            let (first, own) = (c.first("B"), c.last("C"));
            c.v(own).eq(c.v(first))
        });
    assert_eq!(clause.bounds().run(values(&[3, 4, 5, 4, 1])), ["k 00 00.000003"]);
}

#[test]
fn running_aggregates_include_the_row_and_follow_the_search_back() {
    // Greedy A+ must give rows back until the sums agree.
    let clause = |pattern| {
        Clause::new(pattern)
            .define("A", |c| c.aggregate(sum(ident("v")), "A", Semantics::Running, DataType::Int64).lt_eq(lit(10_i64)))
            .define("B", |c| {
                let of_a = c.aggregate(sum(ident("v")), "A", Semantics::Running, DataType::Int64);
                let of_b = c.aggregate(sum(ident("v")), "B", Semantics::Running, DataType::Int64);
                let rows_of_a = c.aggregate(count(lit(1_i64)), "A", Semantics::Running, DataType::Int64);
                of_b.eq(of_a).and(rows_of_a.lt(lit(4_i64)))
            })
            .bounds()
            .measure("a", DataType::Int64, |c| c.aggregate(count(lit(1_i64)), "A", Semantics::Running, DataType::Int64))
    };
    assert_eq!(clause("A+ B").run(values(&[1, 2, 3, 6, 1])), ["k 00 00.000003 3"]);
    assert_eq!(clause("A+? B").run(values(&[1, 2, 3, 1, 1])), ["k 00 00.000002 2", "k 00.000003 00.000004 1"]);
}

#[test]
fn aggregates_that_cannot_step_back_are_computed_anew() {
    let clause = Clause::new("A+ B")
        .define("A", |c| {
            c.aggregate(count_distinct(ident("v")), "A", Semantics::Running, DataType::Int64).lt_eq(lit(2_i64))
        })
        .define("B", |c| {
            let a = c.aggregate(count_distinct(ident("v")), "A", Semantics::Running, DataType::Int64);
            let b = c.aggregate(max(ident("v")), "A,B", Semantics::Running, DataType::Int64);
            a.eq(lit(2_i64)).and(b.eq(lit(7_i64)))
        })
        .bounds();
    assert_eq!(clause.run(values(&[1, 2, 1, 7, 2])), ["k 00 00.000003"]);
}

#[test]
fn a_condition_reads_the_match_number_and_the_classifier_before_it() {
    let clause = Clause::new("(A | B)+ C")
        .define("A", |c| c.v(Target::CURRENT).gt(lit(0_i64)))
        .define("C", |c| {
            let before = c.classifier(prev(1)).eq(lit("B"));
            let number = c.column(FrameColumn::MatchNumber, DataType::Int64).lt_eq(lit(1_i64));
            before.and(number)
        })
        .bounds();
    assert_eq!(clause.run(values(&[1, 1, 0, 5, 0, 0])), ["k 00 00.000005"]);
}

#[test]
fn a_skip_without_a_place_to_go_fails_or_goes_to_the_next_row() {
    let clause = |on_error| {
        let mut clause = Clause::new("A B?").define("B", |c| c.v(Target::CURRENT).gt(lit(0_i64))).bounds();
        clause.spec.after_match.skip = Skip::ToLast(SymbolSet::of(&[clause.symbol("B")]));
        clause.spec.after_match.on_error = on_error;
        clause
    };
    let error = clause(OnSkipError::Fail).error(values(&[0, 0]));
    assert!(error.to_string().contains("SKIP TO B"), "{error}");
    let mut run = clause(OnSkipError::NextRow).open().unwrap();
    run.push(values(&[0, 0, 1]));
    assert_eq!(run.end(), ["k 00 00", "k 00.000001 00.000002", "k 00.000002 00.000002"]);
    assert_eq!(run.metric(|m| &m.skip_errors), 2);
}

#[test]
fn what_is_not_supported_is_refused_by_name() {
    let proctime = |c: &mut super::clause::Columns| c.column(FrameColumn::MatchProctime, DataType::Int64).is_not_null();
    let error = Clause::new("A").define("A", proctime).open().err().unwrap();
    assert!(error.to_string().contains("MATCH_PROCTIME"), "{error}");
    let status =
        |c: &mut super::clause::Columns| c.column(FrameColumn::MatchStatus, DataType::Utf8).eq(lit("COMPLETE"));
    let error = Clause::new("A").define("A", status).open().err().unwrap();
    assert!(error.to_string().contains("MATCH_STATUS"), "{error}");
    let error = Clause::new("{- A -} B").all_rows(RowsPerMatch::AllWithUnmatched).open().err().unwrap();
    assert!(error.to_string().contains("UNMATCHED"), "{error}");
}

#[test]
fn an_aggregate_with_an_order_of_its_own_is_right_in_a_condition() {
    use datafusion::logical_expr::ExprFunctionExt;
    let ordered = || array_agg(ident("v")).order_by(vec![ident("v").sort(true, false)]).build().unwrap();
    let list = DataType::new_list(DataType::Int64, true);
    let clause = Clause::new("A+ B")
        .define("A", |c| c.v(Target::CURRENT).lt(lit(9_i64)))
        .define("B", move |c| {
            let sorted = c.aggregate(ordered(), "A", Semantics::Running, list.clone());
            datafusion::functions_nested::expr_fn::array_element(sorted, lit(1_i64)).eq(lit(2_i64))
        })
        .bounds();
    assert_eq!(clause.run(values(&[5, 2, 7, 9])), ["k 00 00.000003"]);
}

/// A is true of all rows, but only the search can tell.
fn looking_back(pattern: &str) -> Clause {
    Clause::new(pattern).bounds().define("A", |c| {
        let first = c.first("A");
        c.v(first).gt_eq(lit(0_i64))
    })
}

#[test]
fn a_search_of_too_many_steps_ends_with_an_error_that_names_its_variables() {
    let limits = SearchLimits { steps: 1000, ..SearchLimits::default() };
    let clause = looking_back("(A+)+ B").define("B", |c| c.v(Target::CURRENT).lt(lit(0_i64)));
    let mut run = clause.open_with(limits).unwrap();
    run.harness.batch(values(&[1; 40])).unwrap();
    let error = run.harness.end().unwrap_err();
    let expected =
        "the search for a match of A, B from row 0 of its partition took more than 1000 steps between two rows";
    assert!(error.to_string().contains(expected), "{error}");
}

#[test]
fn a_search_that_keeps_too_much_ends_with_an_error_that_names_its_variables() {
    let limits = SearchLimits { bytes: 10_000, ..SearchLimits::default() };
    let mut run = looking_back("A+ B").open_with(limits).unwrap();
    run.push(values(&[1; 100]));
    run.watermark(99);
    run.harness.batch(rows(&(100..1000).map(|time| ("k", time, 1, 0)).collect::<Vec<_>>())).unwrap();
    let error = run.harness.watermark_us(999).unwrap_err();
    let expected = "the search for matches of A, B keeps more than 10000 bytes for those still open";
    assert!(error.to_string().contains(expected), "{error}");
}

#[test]
fn a_search_keeps_nothing_of_matches_that_have_ended() {
    let limits = SearchLimits { bytes: 10_000, ..SearchLimits::default() };
    let mut run = looking_back("A{20}").open_with(limits).unwrap();
    let keys: Vec<String> = (0..300).map(|key| format!("k{key}")).collect();
    for (key, time) in keys.iter().zip(0..) {
        let all: Vec<Row<'_>> = (0..20).map(|row| (key.as_str(), 100 * time + row, 1, 0)).collect();
        run.push(rows(&all));
        assert_eq!(run.watermark(100 * time + 50).len(), 2, "the match and the watermark");
    }
}
