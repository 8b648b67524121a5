//! Conditions folded by position find what the same conditions find as they are written.

use arrow::datatypes::DataType;
use datafusion::prelude::{Expr, lit};
use dipper_graph::{ConditionClass, FrameColumn, Logical, RowsPerMatch, Semantics, Specialised, Target};
use dipper_pattern::{OnSkipError, Skip, SymbolId, SymbolSet, Timeouts};

use super::clause::{Clause, Columns, NULL, Row, rows, values};
use super::dice::Dice;

const PATTERNS: [&str; 12] = [
    "A B",
    "A B+ C+",
    "A B C",
    "A B{2} C",
    "A{3}",
    "(A | B)+ C",
    "PERMUTE(A, B) C",
    "A B* C?",
    "(A B?)+ C",
    "^ A+? {- B -} C",
    "A{1,3} B | C+",
    "(A? B?)* C",
];

/// A row that a condition may look at.
fn target(dice: &mut Dice, variables: usize) -> Target {
    let symbols = SymbolSet(1 + dice.roll((1 << variables) - 1));
    let (offset, semantics) = ([0, 0, 1, 2][dice.roll(4) as usize], Semantics::Running);
    let logical = match dice.roll(6) {
        0 => Logical::Current,
        1 => Logical::First { symbols, offset, semantics },
        _ => Logical::Last { symbols, offset, semantics },
    };
    Target { logical, shift: [0, 0, 0, 0, -1, 1][dice.roll(6) as usize] }
}

fn condition(dice: &mut Dice, c: &mut Columns, variables: usize, depth: u64) -> Expr {
    let mut v = |dice: &mut Dice| c.v(target(dice, variables));
    match dice.roll(if depth == 0 { 5 } else { 9 }) {
        0 => v(dice).lt_eq(v(dice)),
        1 => v(dice).gt_eq(v(dice) - lit(1_i64)),
        2 => v(dice).is_null(),
        3 => c.column(FrameColumn::Exists { target: target(dice, variables) }, DataType::Boolean),
        4 => c.classifier(target(dice, variables)).not_eq(lit("A")),
        5 => Expr::Not(Box::new(condition(dice, c, variables, depth - 1))),
        6 => condition(dice, c, variables, depth - 1).and(condition(dice, c, variables, depth - 1)),
        _ => condition(dice, c, variables, depth - 1).or(condition(dice, c, variables, depth - 1)),
    }
}

fn clause(dice: &mut Dice) -> Clause {
    let mut clause = Clause::new(PATTERNS[dice.roll(PATTERNS.len() as u64) as usize]);
    let variables = clause.spec.variables.clone();
    for name in &variables {
        if dice.roll(4) > 0 {
            clause = clause.define(name, |c| condition(dice, c, variables.len(), 2));
        }
    }
    let set = SymbolSet(1 + dice.roll((1 << variables.len()) - 1));
    let skips = [Skip::PastLastRow, Skip::ToNextRow, Skip::ToFirst(set), Skip::ToLast(set)];
    let mut clause = clause
        .skip(skips[dice.roll(4) as usize])
        .all_rows(RowsPerMatch::AllShowEmpty)
        .measure("number", DataType::Int64, |c| c.column(FrameColumn::MatchNumber, DataType::Int64))
        .measure("class", DataType::Utf8, |c| c.classifier(Target::CURRENT));
    clause.spec.after_match.on_error = OnSkipError::NextRow;
    if dice.roll(3) == 0 { clause.within(2 + dice.roll(6) as i64, Timeouts::Show) } else { clause }
}

fn is_class_r(defines: &[dipper_graph::Define]) -> bool {
    defines.iter().all(|define| define.class() == ConditionClass::R)
}

#[test]
fn folded_conditions_find_what_the_written_ones_find() {
    let (mut folded, mut matched) = (0, 0);
    for seed in 0..500_u64 {
        let make = || clause(&mut Dice(seed));
        let spec = make().finish();
        if is_class_r(&spec.defines) || !is_class_r(&Specialised::new(&spec).unwrap().defines) {
            continue;
        }
        folded += 1;
        let mut dice = Dice(seed + 1);
        let value = |dice: &mut Dice| if dice.roll(5) == 0 { NULL } else { dice.roll(4) as i64 };
        let input: Vec<Row<'_>> =
            (0..16).map(|time| (["a", "b"][dice.roll(2) as usize], time, value(&mut dice), 0)).collect();
        let run = |mut run: super::clause::Run| {
            let mut lines = run.push(rows(&input[..8])).watermark(7);
            lines.extend(run.push(rows(&input[8..])).watermark(15));
            lines.extend(run.end());
            lines.retain(|line| !line.starts_with('w'));
            // What is folded may wait for fewer rows, and so come out before what comes out later of another key.
            lines.sort_by(|left, right| left[..1].cmp(&right[..1]));
            lines
        };
        let written = run(make().open_unfolded().unwrap());
        let define = |define: &dipper_graph::Define| format!("{} {:?}", define.condition.expr, define.condition.frame);
        let defines: Vec<String> = spec.defines.iter().map(define).collect();
        assert_eq!(run(make().open().unwrap()), written, "seed {seed}: {:?} {defines:#?}", spec.pattern);
        matched += usize::from(!written.is_empty());
    }
    assert!(folded > 60 && matched > 30, "{folded} folded, {matched} with matches");
}

fn last(c: &mut Columns, name: &str, offset: u64) -> Expr {
    let symbols = c.set(name);
    c.v(Target { logical: Logical::Last { symbols, offset, semantics: Semantics::Running }, shift: 0 })
}

/// Flink's way to say that prices fall, then rise.
fn v_shape() -> Clause {
    Clause::new("STRT DOWN+ UP+")
        .define("DOWN", |c| {
            let first = last(c, "DOWN", 1).is_null().and(c.v(Target::CURRENT).lt(last(c, "STRT", 0)));
            first.or(c.v(Target::CURRENT).lt(last(c, "DOWN", 1)))
        })
        .define("UP", |c| {
            let first = last(c, "UP", 1).is_null().and(c.v(Target::CURRENT).gt(last(c, "DOWN", 0)));
            first.or(c.v(Target::CURRENT).gt(last(c, "UP", 1)))
        })
        .bounds()
}

#[test]
fn the_idioms_of_those_who_have_no_prev_are_class_r() {
    let spec = v_shape().finish();
    let clause = Specialised::new(&spec).unwrap();
    let conditions: Vec<String> = clause.defines.iter().map(|define| define.condition.expr.to_string()).collect();
    assert_eq!(conditions, ["v < PREV(v)", "v > PREV(v)"]);
    assert_eq!(clause.program, Specialised::unfolded(&spec).unwrap().program);
    assert_eq!(v_shape().run(values(&[5, 4, 3, NULL, 9, 8, 7, 8, 9, 1])), ["k 00.000004 00.000008"]);

    for (pattern, of, name) in [("A B", "A", "B"), ("A B{2} C", "A", "C"), ("A{3}", "A", "A")] {
        let clause = Clause::new(pattern).define(name, |c| {
            let first = c.first(of);
            c.v(Target::CURRENT).gt_eq(lit(10_i64) * c.v(first))
        });
        assert!(is_class_r(&Specialised::new(&clause.finish()).unwrap().defines), "{pattern}");
    }
}

#[test]
fn what_no_place_can_tell_stays_as_it_is_written() {
    let clause = Clause::new("A+ B+ C").define("C", |c| c.v(Target::CURRENT).gt(last(c, "A", 0)));
    let spec = clause.finish();
    assert_eq!(Specialised::new(&spec).unwrap().defines, spec.defines);
}

#[test]
fn skipping_goes_to_the_variable_wherever_it_stands() {
    let clause = |skip| {
        Clause::new("A B+").define("B", |c| c.v(Target::CURRENT).gt(last(c, "B", 1)).is_not_false()).bounds().skip(skip)
    };
    let b = SymbolSet::of(&[SymbolId(1)]);
    assert_eq!(clause(Skip::ToLast(b)).run(values(&[1, 2, 3])), ["k 00 00.000002"]);
    assert_eq!(clause(Skip::ToFirst(b)).run(values(&[1, 2, 3])), ["k 00 00.000002", "k 00.000001 00.000002"]);
    let missing = clause(Skip::ToLast(SymbolSet::of(&[SymbolId(0)]))).error(values(&[1, 2]));
    assert!(missing.to_string().contains("SKIP TO A: that is the match's own first row"), "{missing}");
}

#[test]
fn an_error_counts_only_where_a_row_is_tested() {
    // In the second row 10 / w of the row before is asked for, which is zero; elsewhere it is not.
    let clause = || {
        Clause::new("A B").define("A", |c| c.v(Target::CURRENT).eq(lit(1_i64))).define("B", |c| {
            let symbols = c.set("A");
            let a = Target { logical: Logical::Last { symbols, offset: 0, semantics: Semantics::Running }, shift: 0 };
            (lit(10_i64) / c.input(super::clause::W, a)).gt(lit(1_i64))
        })
    };
    let harmless = rows(&[("k", 0, 0, 0), ("k", 1, 1, 5), ("k", 2, 0, 0), ("k", 3, 0, 0)]);
    assert_eq!(clause().bounds().run(harmless), ["k 00.000001 00.000002"]);
    let error = clause().bounds().error(rows(&[("k", 0, 1, 0), ("k", 1, 0, 5)]));
    assert!(error.to_string().contains("DEFINE B") && error.to_string().contains("by zero"), "{error}");
}
