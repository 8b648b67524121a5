//! What only this engine can do: conditions over the match so far. That it finds the right matches is shown by `tests/`.
#![allow(clippy::unwrap_used, reason = "a test")]

use super::*;
use crate::{CompileLimits, Skip, SymbolSet, Within, parse};

fn matcher(text: &str, options: SearchOptions) -> BacktrackMatcher {
    let program = Program::compile(&parse(text).unwrap().pattern, CompileLimits::default()).unwrap();
    BacktrackMatcher::new(Arc::new(program), options)
}

/// Conditions as a function.
struct By<F>(F);

impl<E, F: FnMut(u8, u64, &Path<'_>) -> Result<bool, E>> Conditions for By<F> {
    type Error = E;

    fn holds(&mut self, symbol: SymbolId, row: u64, path: &Path<'_>) -> Result<bool, E> {
        (self.0)(symbol.0, row, path)
    }
}

fn find<E: std::fmt::Debug + PartialEq>(
    text: &str,
    options: SearchOptions,
    rows: usize,
    holds: impl FnMut(u8, u64, &Path<'_>) -> Result<bool, E>,
) -> Result<Vec<Match>, MatchError<E>> {
    let matcher = matcher(text, options);
    let (mut runs, mut out, mut conditions) = (matcher.start(), Vec::new(), By(holds));
    for _ in 0..rows {
        matcher.push(&mut runs, 0, &mut conditions, &mut out)?;
    }
    matcher.finish(&mut runs, &mut conditions, &mut out)?;
    Ok(out)
}

fn only(symbol: u8) -> SymbolSet {
    SymbolSet::of(&[SymbolId(symbol)])
}

#[test]
fn conditions_see_the_rows_of_other_variables() {
    // B AS B.v > LAST(A.v): three As are needed until a greater B follows.
    let values = [5, 3, 1, 2, 9];
    let found = find("A+ B", SearchOptions::default(), 5, |symbol, row, path| {
        let last = path.last(only(0), 0);
        Ok::<_, ()>(symbol == 0 || last.is_some_and(|last| values[row as usize] > values[last as usize]))
    });
    let found = found.unwrap();
    assert_eq!((found.len(), found[0].start, found[0].symbols.len()), (1, 0, 5));
}

#[test]
fn a_running_sum_is_right_after_going_back() {
    // A AS SUM(A.v) <= 6, B AS v = 4, over 1 2 3 4: A takes 1 2 3, B the 4. Then over 1 2 4 3: A takes 1 2, B the 4.
    for (values, rows) in [([1, 2, 3, 4], 4), ([1, 2, 4, 3], 3)] {
        let mut sums: Vec<u64> = Vec::new();
        let found = find("A+ B", SearchOptions::default(), 4, |symbol, row, path| {
            sums.truncate(path.kept());
            for index in sums.len()..path.labels().len() {
                let value = values[path.start() as usize + index];
                sums.push(sums.last().copied().unwrap_or(0) + if path.labels()[index].0 == 0 { value } else { 0 });
            }
            Ok::<_, ()>(if symbol == 0 { *sums.last().unwrap() <= 6 } else { values[row as usize] == 4 })
        });
        assert_eq!(found.unwrap()[0].symbols.len(), rows);
    }
}

#[test]
fn conditions_may_ask_for_the_match_number() {
    let found = find("A", SearchOptions::default(), 5, |_, row, path| Ok::<_, ()>(row + 1 == 2 * path.match_number()));
    let starts: Vec<u64> = found.unwrap().iter().map(|found| found.start).collect();
    assert_eq!(starts, [1, 3]);
}

#[test]
fn a_runaway_search_ends_with_an_error() {
    let options = SearchOptions { step_budget: Some(10_000), ..SearchOptions::default() };
    let found = find("(A+)+ B", options.clone(), 40, |symbol, _, _| Ok::<_, ()>(symbol == 0));
    assert_eq!(found, Err(MatchError::StepBudget { start: 0, budget: 10_000 }));
    let found = find("(A+)+? B", options, 21, |symbol, row, _| Ok::<_, ()>((symbol == 1) == (row == 20)));
    assert_eq!(found.unwrap()[0].symbols.len(), 21, "a search that is led well stays below");
}

#[test]
fn what_conditions_cost_beyond_a_step_counts() {
    /// A always holds, B never, and each answer goes through so many rows.
    struct Costly(u64);
    impl Conditions for Costly {
        type Error = ();

        fn holds(&mut self, symbol: SymbolId, _row: u64, _path: &Path<'_>) -> Result<bool, ()> {
            Ok(symbol.0 == 0)
        }

        fn extra_steps(&mut self) -> u64 {
            self.0
        }
    }
    let matcher = matcher("A+ B", SearchOptions { step_budget: Some(1_000), ..SearchOptions::default() });
    let run = |mut conditions: Costly| {
        let (mut runs, mut out) = (matcher.start(), Vec::new());
        (0..40).try_for_each(|_| matcher.push(&mut runs, 0, &mut conditions, &mut out))?;
        matcher.finish(&mut runs, &mut conditions, &mut out)
    };
    assert_eq!(run(Costly(0)), Ok(()));
    assert_eq!(run(Costly(100)), Err(MatchError::StepBudget { start: 0, budget: 1_000 }));
}

#[test]
fn a_long_match_that_never_turns_back_costs_no_budget() {
    let options = SearchOptions { step_budget: Some(10), ..SearchOptions::default() };
    let found = find("A B*", options, 1_000, |symbol, row, _| Ok::<_, ()>((symbol == 0) == (row == 0)));
    assert_eq!(found.unwrap()[0].symbols.len(), 1_000);
}

#[test]
fn an_error_counts_only_where_the_search_asks() {
    let broken = |bad: u64| {
        move |symbol: u8, row: u64, _: &Path<'_>| if row == bad { Err("broken") } else { Ok(symbol == (row % 2) as u8) }
    };
    let options = SearchOptions { skip: Skip::ToNextRow, ..SearchOptions::default() };
    assert_eq!(find("A B", options.clone(), 4, broken(2)), Err(MatchError::Condition("broken")));
    let found = find("A B C?", options, 2, |symbol, _, _| if symbol == 2 { Err("broken") } else { Ok(true) });
    assert_eq!(found.unwrap().len(), 1, "the partition ends before C is asked for");
}

#[test]
fn the_search_pauses_and_goes_on() {
    let matcher = matcher("A+ B", SearchOptions::default());
    let mut asked = 0;
    let mut conditions = By(|symbol: u8, row: u64, _: &Path<'_>| {
        asked += 1;
        Ok::<_, ()>(if symbol == 0 { row < 999 } else { row == 999 })
    });
    let (mut runs, mut out) = (matcher.start(), Vec::new());
    for _ in 0..1000 {
        matcher.push(&mut runs, 0, &mut conditions, &mut out).unwrap();
    }
    assert_eq!((out.len(), runs.is_idle(), runs.first_needed_row()), (1, true, 1000));
    assert_eq!(asked, 1001, "each row once for A, the last for B as well");
}

#[test]
fn an_idle_partition_holds_nothing() {
    let options = SearchOptions { within: Some(Within { span: 5, inclusive: false }), ..SearchOptions::default() };
    let matcher = matcher("A A", options);
    let mut conditions = By(|_: u8, row: u64, _: &Path<'_>| Ok::<_, ()>(row > 1));
    let (mut runs, mut out) = (matcher.start(), Vec::new());
    for (time, idle) in [(0, true), (1, true), (2, false), (3, true)] {
        matcher.push(&mut runs, time, &mut conditions, &mut out).unwrap();
        assert_eq!((runs.is_idle(), runs.times.is_empty()), (idle, idle));
    }
    matcher.push(&mut runs, 10, &mut conditions, &mut out).unwrap();
    assert_eq!((runs.next_deadline(), runs.first_needed_row()), (Some(15), 4));
    matcher.expire(&mut runs, 15, &mut conditions, &mut out).unwrap();
    assert_eq!((runs.next_deadline(), runs.first_needed_row(), out.len()), (None, 5, 1));
}
