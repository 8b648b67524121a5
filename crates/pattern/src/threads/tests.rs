//! When the engine reports, what it costs and what it keeps. That it finds the right matches is shown by `tests/`.
#![allow(clippy::unwrap_used, reason = "a test")]

use super::*;
use crate::{CompileLimits, Program, Skip, Status, SymbolId, Timeouts, Within, parse};

fn matcher(text: &str, options: SearchOptions) -> ThreadMatcher {
    let program = Program::compile(&parse(text).unwrap().pattern, CompileLimits::default()).unwrap();
    ThreadMatcher::new(Arc::new(program), options)
}

fn letter(symbol: u8) -> Letter {
    SymbolSet::of(&[SymbolId(symbol)])
}

const NONE: Letter = SymbolSet::EMPTY;

/// After which row each match is reported; the number of rows stands for the end.
fn reported_at(text: &str, options: SearchOptions, letters: &[Letter]) -> Vec<usize> {
    let matcher = matcher(text, options);
    let (mut runs, mut out, mut at) = (matcher.start(), Vec::new(), Vec::new());
    for (row, letter) in letters.iter().enumerate() {
        matcher.push(&mut runs, *letter, 0, &mut out).unwrap();
        at.resize(out.len(), row);
    }
    matcher.finish(&mut runs, &mut out).unwrap();
    at.resize(out.len(), letters.len());
    at
}

#[test]
fn a_match_is_reported_when_nothing_preferred_can_change_it() {
    let (a, b) = (letter(0), letter(1));
    let default = SearchOptions::default;
    assert_eq!(reported_at("A B", default(), &[a, b, a]), [1], "with its last row");
    assert_eq!(reported_at("A B+", default(), &[a, b, b, a]), [3], "with the row that ends the greedy tail");
    assert_eq!(reported_at("A B+?", default(), &[a, b, b, a]), [1], "a reluctant tail does not wait");
    assert_eq!(reported_at("A B*", default(), &[a, b, b]), [3], "at the end");
    assert_eq!(reported_at("A B{1,2}", default(), &[a, b, b, b]), [2], "when the bound is reached");
    assert_eq!(reported_at("A | A B", default(), &[a, b]), [0], "whatever else could match");
    let each = SearchOptions { skip: Skip::ToNextRow, ..default() };
    assert_eq!(reported_at("A+ B | A", each, &[a, a, NONE]), [2, 2], "but behind those that start before it");
}

#[test]
fn time_alone_makes_a_match_final() {
    let options = SearchOptions {
        within: Some(Within { span: 10, inclusive: false }),
        timeouts: Timeouts::Show,
        ..SearchOptions::default()
    };
    let matcher = matcher("A B+ | C D", options);
    let (mut runs, mut out) = (matcher.start(), Vec::new());
    matcher.push(&mut runs, letter(0), 100, &mut out).unwrap();
    matcher.push(&mut runs, letter(1), 105, &mut out).unwrap();
    assert_eq!(runs.next_deadline(), Some(110));
    matcher.expire(&mut runs, 109, &mut out).unwrap();
    assert!(out.is_empty());
    matcher.expire(&mut runs, 110, &mut out).unwrap();
    assert_eq!((out.len(), out[0].status, runs.is_idle(), runs.next_deadline()), (1, Status::Complete, true, None));
    matcher.push(&mut runs, letter(2), 120, &mut out).unwrap();
    matcher.expire(&mut runs, 1000, &mut out).unwrap();
    assert_eq!((out.len(), out[1].status, out[1].deadline), (2, Status::Timeout, Some(130)));
    let error = matcher.push(&mut runs, NONE, 999, &mut out).unwrap_err();
    assert_eq!(error, MatchError::TimeDescends { row: 3 });
}

#[test]
fn work_per_row_does_not_grow_with_the_run() {
    let (a, b) = (letter(0), letter(1));
    let within = Some(Within { span: 1000, inclusive: false });
    for (text, row, options) in [
        ("A+ B+ A+", a, SearchOptions::default()),
        ("A+ B+ A+", a.union(b), SearchOptions::default()),
        ("(A+)+ B", a, SearchOptions::default()),
        ("((A?)*)* B", a, SearchOptions::default()),
        ("A (B* C)?", b, SearchOptions::default()),
        ("A+ (B | A)* C", a, SearchOptions { skip: Skip::ToLast(b), ..SearchOptions::default() }),
        ("(A A)+ B", a, SearchOptions { within, ..SearchOptions::default() }),
    ] {
        let matcher = matcher(text, options);
        let (mut runs, mut out) = (matcher.start(), Vec::new());
        matcher.push(&mut runs, a, 0, &mut out).unwrap();
        let mut steps = Vec::new();
        for row_number in 1..=20_000 {
            let before = matcher.steps();
            matcher.push(&mut runs, row, row_number * 100, &mut out).unwrap();
            steps.push(matcher.steps() - before);
        }
        let most = |range: std::ops::Range<usize>| steps[range].iter().copied().max();
        assert_eq!(most(18_000..20_000), most(18..2_018), "{text}");
    }
}

#[test]
fn a_long_run_is_remembered_whole_and_what_failed_is_forgotten() {
    let (a, b) = (letter(0), letter(1));
    let matcher = matcher("A+ {- B -} | (A | B)* C", SearchOptions::default());
    let (mut runs, mut out) = (matcher.start(), Vec::new());
    for _ in 0..10_000 {
        matcher.push(&mut runs, a, 0, &mut out).unwrap();
    }
    assert_eq!(runs.first_needed_row(), 0);
    matcher.push(&mut runs, b, 0, &mut out).unwrap();
    assert_eq!((out.len(), out[0].symbols.len()), (1, 10_001));
    assert!(out[0].symbols[..10_000].iter().all(|symbol| symbol.0 == 0) && out[0].symbols[10_000].0 == 1);
    assert!(out[0].excluded.contains(10_000) && !out[0].excluded.contains(9_999));

    let matcher = self::matcher("A{3,5} B", SearchOptions::default());
    let mut runs = matcher.start();
    for _ in 0..100_000 {
        matcher.push(&mut runs, a, 0, &mut out).unwrap();
        assert!(runs.rows_seen() - runs.first_needed_row() <= 5);
    }
    assert!(runs.open.as_ref().unwrap().history.capacity() < 10_000);
}

#[test]
fn an_idle_partition_holds_nothing() {
    let matcher = matcher("A B", SearchOptions::default());
    let (mut runs, mut out) = (matcher.start(), Vec::new());
    assert!(runs.is_idle());
    for (letter, idle) in [(NONE, true), (letter(0), false), (NONE, true), (letter(0), false), (letter(1), true)] {
        matcher.push(&mut runs, letter, 0, &mut out).unwrap();
        assert_eq!((runs.is_idle(), runs.open.is_none()), (idle, idle));
    }
    assert_eq!((runs.first_needed_row(), runs.rows_seen(), runs.matches()), (5, 5, 1));
    assert!(size_of::<ThreadRuns>() <= 64);
}

#[test]
fn rows_are_kept_from_the_first_open_start_for_skipping_back() {
    let matcher = matcher("A B+ C", SearchOptions { skip: Skip::ToLast(letter(1)), ..SearchOptions::default() });
    let (mut runs, mut out) = (matcher.start(), Vec::new());
    for letter in [NONE, letter(0), letter(1), letter(1)] {
        matcher.push(&mut runs, letter, 0, &mut out).unwrap();
    }
    assert_eq!((runs.first_needed_row(), runs.open.as_ref().unwrap().rows.len()), (1, 3));
    matcher.push(&mut runs, letter(2), 0, &mut out).unwrap();
    assert_eq!((out.len(), runs.is_idle()), (1, true));
}

#[test]
fn a_failed_condition_counts_only_where_the_search_depends_on_it() {
    let (a, b, c) = (letter(0), letter(1), letter(2));
    let matcher = matcher("A (B | C)", SearchOptions::default());
    let mut out = Vec::new();
    // B fails to evaluate where no match is open, and C where B is preferred.
    let mut runs = matcher.start();
    matcher.push_poisoned(&mut runs, NONE, b, 0, &mut out).unwrap();
    matcher.push(&mut runs, a, 0, &mut out).unwrap();
    matcher.push_poisoned(&mut runs, b, c, 0, &mut out).unwrap();
    assert_eq!(out.len(), 1);
    matcher.push(&mut runs, a, 0, &mut out).unwrap();
    let error = matcher.push_poisoned(&mut runs, c, b, 0, &mut out).unwrap_err();
    assert_eq!(error, MatchError::Poisoned { symbol: SymbolId(1), row: 4 });
}
