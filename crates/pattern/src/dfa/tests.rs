//! What the automaton costs and what it keeps. That it finds the right matches is shown by `tests/`.
#![allow(clippy::unwrap_used, reason = "a test")]

use super::*;
use crate::{CompileLimits, SymbolId, Timeouts, Within, parse};

fn program(text: &str) -> Arc<Program> {
    Arc::new(Program::compile(&parse(text).unwrap().pattern, CompileLimits::default()).unwrap())
}

fn set(symbols: &[u8]) -> SymbolSet {
    symbols.iter().map(|symbol| SymbolId(*symbol)).collect()
}

const NONE: Letter = SymbolSet::EMPTY;

/// A pattern, what runs are made of (see [`runs_of`]), the skip and WITHIN.
type Shape<'a> = (&'a str, &'a [Letter], &'a [Letter], &'a [Letter], Skip, Option<Within>);

/// Runs of `run` times the letters of `body` between a `head` and a `tail`, about `rows` rows in all.
fn runs_of(head: &[Letter], body: &[Letter], tail: &[Letter], run: usize, rows: usize) -> Vec<Letter> {
    let one: Vec<Letter> = head.iter().chain(body.iter().cycle().take(run)).chain(tail).copied().collect();
    let times = (rows / one.len()).max(1);
    one.iter().copied().cycle().take(one.len() * times).collect()
}

/// Steps of the engine for each row.
fn cost(matcher: &DfaMatcher, letters: &[Letter]) -> f64 {
    let times: Vec<i64> = (0..letters.len() as i64).collect();
    let (mut runs, mut out) = (matcher.start(), Vec::new());
    let before = matcher.steps();
    for (letters, times) in letters.chunks(1000).zip(times.chunks(1000)) {
        matcher.push(&mut runs, Rows { letters, poison: &[], times }, &mut out).unwrap();
        out.clear();
    }
    matcher.finish(&mut runs, &mut out).unwrap();
    (matcher.steps() - before) as f64 / letters.len() as f64
}

#[test]
fn a_match_of_as_many_rows_as_are_short_is_found_where_it_waits_for_the_end_too() {
    let options = SearchOptions { skip: Skip::ToNextRow, ..SearchOptions::default() };
    for (text, starts) in [("A{8}", vec![0, 1, 2, 3, 4]), ("A{8} $", vec![4]), ("A{9}", vec![0, 1, 2, 3])] {
        for cut in 1..=12 {
            let matcher = DfaMatcher::new(program(text), options.clone());
            let (mut runs, mut out) = (matcher.start(), Vec::new());
            for letters in [set(&[0]); 12].chunks(cut) {
                matcher.push(&mut runs, Rows { letters, poison: &[], times: &[] }, &mut out).unwrap();
            }
            matcher.finish(&mut runs, &mut out).unwrap();
            assert_eq!(out.iter().map(|found| found.start).collect::<Vec<_>>(), starts, "{text}, {cut} rows at a time");
        }
    }
}

#[test]
fn work_per_row_does_not_grow_with_the_run() {
    let (a, b, c, ab) = (set(&[0]), set(&[1]), set(&[2]), set(&[0, 1]));
    let (past, next) = (Skip::PastLastRow, Skip::ToNextRow);
    let last = |symbol: u8| Skip::ToLast(set(&[symbol]));
    let first = |symbol: u8| Skip::ToFirst(set(&[symbol]));
    let within = |span| Some(Within { span, inclusive: false });
    let shapes: &[Shape<'_>] = &[
        // The benchmarks of class R, with the output bounded by the skip.
        ("A+ B+ A+", &[a], &[ab], &[], past, None),
        ("A+ B+ A+", &[], &[a], &[b, a, NONE], past, None),
        ("A+ B+ C+ D", &[], &[ab], &[c], past, None),
        ("A+ B+ C+ D", &[], &[ab], &[c], next, None),
        ("A+ B+ C+ D", &[], &[ab], &[c], last(2), None),
        ("A+ B+ C+ D", &[], &[ab], &[c], past, within(1 << 40)),
        ("(A+)+ B", &[], &[a], &[], past, None),
        ("(A+)+ B", &[], &[a], &[], next, None),
        ("(A+)+ B", &[], &[a], &[], first(0), None),
        ("((A?)*)* B", &[], &[a], &[], past, None),
        ("A B+", &[a], &[b], &[NONE], past, None),
        ("A B+", &[a], &[b], &[NONE], next, None),
        ("A B+", &[a], &[b], &[NONE], last(1), None),
        ("A B+", &[a], &[b], &[NONE], past, within(1 << 40)),
        ("A B+", &[a], &[b], &[NONE], next, within(100)),
        ("A B{2}", &[], &[a, ab, ab], &[], past, None),
        ("A B{2}", &[], &[ab], &[], next, None),
        ("A (B* C)?", &[a], &[b], &[], past, None),
        // Each row's match is one row, but known only at the end.
        ("A (B* C)?", &[], &[ab], &[], next, None),
        ("A (B* C)?", &[], &[ab], &[], past, within(1 << 40)),
        ("A (B* C)?", &[], &[ab], &[NONE], next, within(50)),
        ("A (A* C)?", &[], &[a], &[NONE], past, within(50)),
        ("A B | A B* C", &[], &[ab], &[NONE], first(1), None),
        ("(A A)+ B", &[], &[a], &[NONE], past, within(1000)),
        ("A+ (B | A)* C", &[], &[a], &[], last(1), None),
    ];
    for (text, head, body, tail, skip, within) in shapes {
        let on_skip_error = crate::OnSkipError::NextRow;
        let options = SearchOptions { skip: *skip, within: *within, on_skip_error, ..SearchOptions::default() };
        let matcher = DfaMatcher::new(program(text), options);
        // Where a start runs out of time, starts are told apart and a row costs up to three steps instead of one: runs too short for that
        // are another matter.
        let shortest = if within.is_some_and(|within| within.span <= 1_000) { 2_000 } else { 10 };
        let lengths = [(shortest, 50_000), (10_000, 50_000), (1_000_000, 1_000_000)];
        let costs = lengths.map(|(run, rows)| cost(&matcher, &runs_of(head, body, tail, run, rows)));
        // Rows that no match is open for cost less still.
        assert!(costs[1].max(costs[2]) < 2.0 * costs[0], "{text} {skip:?} {within:?}: {costs:?} steps a row");
        assert!(costs[0] < 12.0, "{text} {skip:?} {within:?}: {costs:?} steps a row");
    }
}

#[test]
fn a_run_that_grows_by_single_rows_costs_what_one_that_comes_at_once_costs() {
    let rows: Vec<Letter> = [set(&[0])].into_iter().chain(std::iter::repeat_n(set(&[1]), 100_000)).collect();
    for skip in [Skip::PastLastRow, Skip::ToNextRow] {
        let options = SearchOptions { skip, ..SearchOptions::default() };
        let work = |chunk: usize| {
            let matcher = DfaMatcher::new(program("A B+"), options.clone());
            let (mut runs, mut out) = (matcher.start(), Vec::new());
            for letters in rows.chunks(chunk) {
                matcher.push(&mut runs, Rows { letters, poison: &[], times: &[] }, &mut out).unwrap();
            }
            matcher.finish(&mut runs, &mut out).unwrap();
            assert_eq!((out.len(), out[0].symbols.len()), (1, 100_001));
            matcher.steps()
        };
        assert_eq!(work(1), work(100_001));
    }
}

#[test]
fn the_automaton_stays_within_its_bounds() {
    // Which of the last twelve rows were A: 4096 lists.
    let bytes_max = 100_000;
    let text = "(A | B)*? A (A | B){11} C";
    for (skip, rows) in [(Skip::PastLastRow, 3000), (Skip::ToNextRow, 300)] {
        let options = SearchOptions { skip, ..SearchOptions::default() };
        let matcher = DfaMatcher::with_cache(program(text), options, bytes_max);
        let (mut runs, mut out) = (matcher.start(), Vec::new());
        let mut state = 1_u64;
        for _ in 0..rows {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            let letter = set(&[(state >> 60 & 1) as u8]);
            matcher.push(&mut runs, Rows { letters: &[letter], poison: &[], times: &[] }, &mut out).unwrap();
        }
        assert!(matcher.scratch.borrow().joint.bytes().max(matcher.scratch.borrow().apart.bytes()) < 2 * bytes_max);
        assert!(matches!(runs.open.as_deref(), Some(Open::Threads(_))), "it has gone on with threads");
        let last = [&[set(&[0])][..], &[set(&[1]); 11], &[set(&[2]), NONE]].concat();
        matcher.push(&mut runs, Rows { letters: &last, poison: &[], times: &[] }, &mut out).unwrap();
        assert_eq!(out[0].symbols.len(), rows + 13);
        assert!(runs.is_idle());
    }
}

#[test]
fn nothing_is_kept_of_a_partition_without_an_open_match() {
    for skip in [Skip::PastLastRow, Skip::ToNextRow, Skip::ToLast(set(&[1]))] {
        let matcher = DfaMatcher::new(program("A B"), SearchOptions { skip, ..SearchOptions::default() });
        let (mut runs, mut out) = (matcher.start(), Vec::new());
        let rows = [set(&[0]), set(&[1]), NONE, set(&[0]), NONE];
        matcher.push(&mut runs, Rows { letters: &rows, poison: &[], times: &[] }, &mut out).unwrap();
        assert!(runs.is_idle() && runs.open.is_none());
        assert_eq!((runs.rows_seen(), runs.matches(), runs.first_needed_row()), (5, 1, 5));
        assert!(size_of::<DfaRuns>() <= 24);
    }
}

#[test]
fn rows_before_the_first_open_start_are_let_go() {
    let (a, b) = (set(&[0]), set(&[1]));
    let within = Some(Within { span: 100, inclusive: false });
    for options in [
        SearchOptions { within, ..SearchOptions::default() },
        SearchOptions { within, skip: Skip::ToNextRow, timeouts: Timeouts::Show, ..SearchOptions::default() },
    ] {
        let matcher = DfaMatcher::new(program("A B* C"), options);
        let (mut runs, mut out) = (matcher.start(), Vec::new());
        for time in 0..10_000 {
            let rows = Rows { letters: &[a.union(b)], poison: &[], times: &[time] };
            matcher.push(&mut runs, rows, &mut out).unwrap();
            out.clear();
        }
        assert!(runs.rows_seen() - runs.first_needed_row() <= 100);
        let Some(Open::Apart(apart)) = runs.open.as_deref() else { panic!("a list for each start") };
        assert!(apart.capacity() < 2000, "{}", apart.capacity());
    }
}
