//! Row patterns in windows against their definition: for each row a frame, in the frame the reference matcher.

use std::collections::BTreeMap;
use std::sync::Arc;

use arrow::datatypes::{DataType, Field, Schema};
use datafusion::functions_aggregate::expr_fn::{count, sum};
use datafusion::prelude::{Expr, ident, lit};
use dipper_graph::{FrameSearch, MatchRecognizeSpec, RowPatternWindowSpec, Semantics, Target};
use dipper_operator_api::OperatorMetrics;
use dipper_operator_api::harness::OperatorHarness;
use dipper_pattern::{Edge, OnSkipError, Pattern, SearchOptions, Skip, SymbolId, SymbolSet, reference};
use dipper_types::Result;

use super::super::search::SearchLimits;
use super::clause::{Clause, KEY, Row, TS, V, input_schema, next, prev, rows, text};
use super::dice::Dice;
use crate::RowPatternWindowOperator;

/// A clause in a window. Out come key, time and v of each row, the clause's measures, COUNT(*) and SUM(v) over the match.
struct Window {
    clause: Clause,
    following: Option<u64>,
    search: FrameSearch,
}

impl Window {
    fn new(clause: Clause, following: Option<u64>, search: FrameSearch) -> Self {
        Self { clause: clause.ad_hoc(), following, search }
    }

    fn open(self) -> OperatorHarness<RowPatternWindowOperator> {
        self.open_with(SearchLimits::default())
    }

    fn open_with(self, limits: SearchLimits) -> OperatorHarness<RowPatternWindowOperator> {
        let spec = MatchRecognizeSpec { measures: Vec::new(), ..self.clause.spec.clone() };
        let functions = Clause { spec }
            .measure("rows", DataType::Int64, |c| {
                c.aggregate(count(lit(1_i64)), "*", Semantics::Final, DataType::Int64)
            })
            .measure("sum", DataType::Int64, |c| c.aggregate(sum(ident("v")), "*", Semantics::Final, DataType::Int64));
        let functions = functions.spec.measures;
        let mut clause = self.clause.spec;
        clause.remaining = vec![KEY, TS, V];
        let input = input_schema();
        let own = clause.remaining.iter().map(|column| input.field(*column).clone());
        let measures = clause.measures.iter().chain(&functions);
        let measures = measures.map(|measure| Field::new(&measure.name, measure.value.data_type.clone(), true));
        clause.output_schema = Arc::new(Schema::new(own.chain(measures).collect::<Vec<_>>()));
        let spec = RowPatternWindowSpec { clause, functions, following: self.following, search: self.search };
        OperatorHarness::open(RowPatternWindowOperator::with_limits(&spec, limits).unwrap()).unwrap()
    }

    fn try_run(self, input: &[Row<'_>]) -> Result<Vec<String>> {
        let mut harness = self.open();
        for batch in input.chunks(7) {
            harness.batch(rows(batch))?;
        }
        harness.end()?;
        Ok(text(&harness.take_batches()))
    }

    fn run(self, input: &[Row<'_>]) -> Vec<String> {
        self.try_run(input).unwrap()
    }
}

/// Rows of one key at times 0, 1, 2 …
fn of_values(values: &[i64]) -> Vec<Row<'static>> {
    values.iter().zip(0..).map(|(value, time)| ("k", time, *value, 0)).collect()
}

const PATTERNS: [&str; 9] =
    ["A", "A B", "A B+ C", "A (B | C)* A", "A+? C", "(A B?)+ C?", "PERMUTE(A, B, C)", "A* B", "A??"];
const SUM_MAX: i64 = 12;

/// A: v is odd. B: v is not less than the value before. C: v is less than the value two rows on. `bounded`: and the sum of the match stays small.
fn clause(pattern: &str, bounded: bool) -> Clause {
    let mut clause = Clause::new(pattern);
    for name in clause.spec.variables.clone() {
        clause = clause.define(&name, |c| {
            let v = c.v(Target::CURRENT);
            let condition = match name.as_str() {
                "A" => (v % lit(2_i64)).eq(lit(1_i64)),
                "B" => v.gt_eq(c.v(prev(1))),
                _ => v.lt(c.v(next(2))),
            };
            if bounded {
                let sum = c.aggregate(sum(ident("v")), "*", Semantics::Running, DataType::Int64);
                condition.and(sum.lt_eq(lit(SUM_MAX)))
            } else {
                condition
            }
        });
    }
    let at = |target: Target, shift| Target { shift, ..target };
    clause
        .bounds()
        .measure("class", DataType::Utf8, |c| {
            let last = c.last("*");
            c.classifier(last)
        })
        .measure("before", DataType::Int64, |c| {
            let first = c.first("*");
            c.v(at(first, -1))
        })
        .measure("behind", DataType::Int64, |c| {
            let last = c.last("*");
            c.v(at(last, 1))
        })
}

/// What the definition says, a line for each row, by key.
fn expected(window: &Window, bounded: bool, input: &[Row<'_>]) -> BTreeMap<String, Vec<String>> {
    let mut partitions: BTreeMap<&str, Vec<(i64, i64)>> = BTreeMap::new();
    let mut sorted = input.to_vec();
    sorted.sort_by_key(|row| row.1);
    for row in &sorted {
        partitions.entry(row.0).or_default().push((row.1, row.2));
    }
    let lines = |(key, rows): (&str, Vec<(i64, i64)>)| {
        let mut next = 0;
        let line = |row: usize| {
            let end = window.following.map_or(rows.len(), |following| rows.len().min(row + 1 + following as usize));
            let mut values = "- - - - - 0 -".to_owned();
            if row >= next
                && let Some((symbols, start)) = first_match(window, bounded, &rows[row..end])
            {
                let frame = &rows[row..end];
                next = row + passed(window, &symbols, start);
                values = measured(window, frame, &symbols, start);
            }
            format!("{key} {} {} {values}", second(rows[row].0), rows[row].1)
        };
        (key.to_owned(), (0..rows.len()).map(line).collect())
    };
    partitions.into_iter().map(lines).collect()
}

fn first_match(window: &Window, bounded: bool, frame: &[(i64, i64)]) -> Option<(Vec<SymbolId>, usize)> {
    let spec = &window.clause.spec;
    let holds = |symbol: SymbolId, row: usize, labels: &[SymbolId], start: usize, _| {
        let v = frame[row].1;
        let condition = match spec.variables[symbol.index()].as_str() {
            "A" => v % 2 == 1,
            "B" => row > 0 && v >= frame[row - 1].1,
            _ => frame.get(row + 2).is_some_and(|later| v < later.1),
        };
        let sum: i64 = frame[start..start + labels.len()].iter().map(|row| row.1).sum();
        Ok::<_, std::convert::Infallible>(condition && (!bounded || sum <= SUM_MAX))
    };
    let pattern = match window.search {
        FrameSearch::Initial => Pattern::Concat(vec![Pattern::Anchor(Edge::Start), spec.pattern.clone()]),
        FrameSearch::Seek => spec.pattern.clone(),
    };
    let (options, ending) = (SearchOptions::default(), reference::Ending::Ended);
    let matches = reference::find_all(&pattern, frame.len(), None, &options, ending, holds).unwrap();
    matches.into_iter().next().map(|found| (found.symbols.into_vec(), found.start as usize))
}

/// How many rows from the frame's first on are done with.
fn passed(window: &Window, symbols: &[SymbolId], start: usize) -> usize {
    let target = |index: Option<usize>| index.filter(|index| *index > 0).map_or(start + 1, |index| start + index);
    if symbols.is_empty() {
        return 1;
    }
    match window.clause.spec.after_match.skip {
        Skip::PastLastRow => start + symbols.len(),
        Skip::ToNextRow => start + 1,
        Skip::ToFirst(to) => target(symbols.iter().position(|symbol| to.contains(*symbol))),
        Skip::ToLast(to) => target(symbols.iter().rposition(|symbol| to.contains(*symbol))),
    }
}

fn measured(window: &Window, frame: &[(i64, i64)], symbols: &[SymbolId], start: usize) -> String {
    let Some(last) = symbols.len().checked_sub(1).map(|last| start + last) else { return "- - - - - 0 -".to_owned() };
    let value = |row: Option<&(i64, i64)>| row.map_or_else(|| "-".to_owned(), |row| row.1.to_string());
    let before = value(start.checked_sub(1).map(|before| &frame[before]));
    let behind = value(frame.get(last + 1));
    let class = &window.clause.spec.variables[symbols[last - start].index()];
    let sum: i64 = frame[start..=last].iter().map(|row| row.1).sum();
    let (first, last) = (second(frame[start].0), second(frame[last].0));
    format!("{first} {last} {class} {before} {behind} {} {sum}", symbols.len())
}

/// A time as `text` writes it: without fractions that are not needed, in groups of three digits.
fn second(time: i64) -> String {
    match time {
        0 => "00".to_owned(),
        _ if time % 1000 == 0 => format!("00.{:03}", time / 1000),
        _ => format!("00.{time:06}"),
    }
}

#[test]
fn every_row_sees_what_the_definition_says() {
    let mut matched = 0;
    for seed in 0..600_u64 {
        let mut dice = Dice(seed);
        let pattern = PATTERNS[dice.roll(PATTERNS.len() as u64) as usize];
        let bounded = dice.roll(3) == 0;
        let following = (dice.roll(2) == 0).then(|| dice.roll(6));
        let search = [FrameSearch::Initial, FrameSearch::Seek][dice.roll(2) as usize];
        let b = SymbolSet::of(&[SymbolId(1)]);
        let skip = [Skip::PastLastRow, Skip::ToNextRow, Skip::ToFirst(b), Skip::ToLast(b)][dice.roll(4) as usize];
        let make = || {
            let mut clause = clause(pattern, bounded).skip(skip);
            clause.spec.after_match.on_error = OnSkipError::NextRow;
            Window::new(clause, following, search)
        };
        let mut input: Vec<Row<'_>> = (0..10 + dice.roll(40) as i64)
            .map(|time| (["a", "b", "c"][dice.roll(3) as usize], time, dice.roll(6) as i64, 0))
            .collect();
        for row in (1..input.len()).rev() {
            input.swap(row, dice.roll(row as u64 + 1) as usize);
        }
        let mut lines: BTreeMap<String, Vec<String>> = BTreeMap::new();
        for line in make().run(&input) {
            lines.entry(line.split(' ').next().unwrap().to_owned()).or_default().push(line);
        }
        let what = format!("seed {seed}: {pattern} {bounded} {following:?} {search:?} {skip:?}");
        assert_eq!(lines, expected(&make(), bounded, &input), "{what}");
        matched += lines.values().flatten().filter(|line| !line.ends_with(" 0 -")).count();
    }
    assert!(matched > 2000, "{matched}");
}

#[test]
fn a_later_frame_may_match_where_conditions_look_back_to_its_first_row() {
    // A is the second row of a frame.
    let clause = Clause::new("A B")
        .define("A", |c| c.v(prev(2)).is_null().and(c.v(prev(1)).is_not_null()))
        .define("B", |c| c.v(Target::CURRENT).eq(lit(1_i64)));
    let lines = Window::new(clause, None, FrameSearch::Seek).run(&of_values(&[0, 0, 0, 0, 1, 0]));
    let counts: Vec<&str> = lines.iter().map(|line| line.rsplit(' ').nth(1).unwrap()).collect();
    assert_eq!(counts, ["0", "0", "2", "0", "0", "0"]);
}

#[test]
fn blocks_of_letters_and_batches_of_rows_have_no_seams() {
    // More rows than a block of letters and a batch of output have.
    let values: Vec<i64> = (0..9_000).map(|row| (row * 7 + row / 11) % 6).collect();
    for (following, search) in [(None, FrameSearch::Initial), (Some(3), FrameSearch::Seek)] {
        let make = || Window::new(clause("A B* C", false), following, search);
        let input = of_values(&values);
        let (lines, expected) = (make().run(&input), expected(&make(), false, &input));
        assert_eq!(lines.len(), values.len());
        for (line, expected) in lines.iter().zip(&expected["k"]) {
            assert_eq!(line, expected, "{following:?}");
        }
    }
}

#[test]
fn a_condition_that_fails_matters_only_where_a_frame_is_searched() {
    let window = || {
        let clause = Clause::new("A B").define("A", |c| c.v(Target::CURRENT).gt(lit(0_i64)));
        let reciprocal = |v: Expr| (lit(10_i64) / v).gt(lit(0_i64));
        Window::new(clause.define("B", |c| reciprocal(c.v(Target::CURRENT))), None, FrameSearch::Initial)
    };
    assert_eq!(window().run(&of_values(&[0, 5, 2])), ["k 00 0 0 -", "k 00.000001 5 2 7", "k 00.000002 2 0 -"]);
    let error = window().try_run(&of_values(&[5, 0])).unwrap_err();
    assert_eq!(error.to_string(), "DEFINE B: division by zero");
}

#[test]
fn a_measure_is_not_evaluated_where_there_is_no_match() {
    let clause = Clause::new("A").define("A", |c| c.v(Target::CURRENT).gt(lit(1_i64))).measure(
        "inverse",
        DataType::Int64,
        |c| {
            let rows = c.aggregate(count(lit(1_i64)), "*", Semantics::Final, DataType::Int64);
            lit(1_i64) / rows
        },
    );
    let window = Window::new(clause, None, FrameSearch::Initial);
    assert_eq!(window.run(&of_values(&[1, 2])), ["k 00 1 - 0 -", "k 00.000001 2 1 1 2"]);
}

#[test]
fn a_match_that_cannot_be_skipped_from_fails_or_goes_on_at_the_next_row() {
    let window = |on_error| {
        let mut clause = Clause::new("A B?").define("B", |c| c.v(Target::CURRENT).gt(lit(1_i64)));
        clause.spec.after_match.skip = Skip::ToLast(SymbolSet::of(&[SymbolId(1)]));
        clause.spec.after_match.on_error = on_error;
        Window::new(clause, None, FrameSearch::Initial)
    };
    let error = window(OnSkipError::Fail).try_run(&of_values(&[1, 1])).unwrap_err();
    assert!(error.to_string().contains("AFTER MATCH SKIP TO B: the match maps no row to it"), "{error}");
    let mut harness = window(OnSkipError::NextRow).open();
    harness.batch(rows(&of_values(&[1, 1, 2]))).unwrap();
    harness.end().unwrap();
    assert_eq!(text(&harness.take_batches()), ["k 00 1 1 1", "k 00.000001 1 2 3", "k 00.000002 2 1 2"]);
    assert_eq!(OperatorMetrics::get(&harness.metrics().skip_errors), 2);
    assert_eq!(OperatorMetrics::get(&harness.metrics().matches), 3);
}

#[test]
fn no_rows_give_no_rows() {
    assert!(Window::new(clause("A B", false), None, FrameSearch::Seek).run(&[]).is_empty());
}

#[test]
fn a_frame_that_has_been_searched_is_no_more_charged_for() {
    // Each frame's search is left with the next match under way.
    let clause = Clause::new("A B+? C?")
        .skip(Skip::ToNextRow)
        .define("B", |c| c.aggregate(sum(ident("v")), "*", Semantics::Running, DataType::Int64).gt(lit(40_i64)));
    let window = Window::new(clause, None, FrameSearch::Seek);
    let mut harness = window.open_with(SearchLimits { bytes: 20_000, ..SearchLimits::default() });
    for batch in of_values(&vec![30; 600]).chunks(100) {
        harness.batch(rows(batch)).unwrap();
    }
    harness.end().unwrap();
    assert_eq!(text(&harness.take_batches()).len(), 600);
}
