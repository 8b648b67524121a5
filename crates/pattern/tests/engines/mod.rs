//! The three matchers behind one face, so that a corpus or a generator can ask each of them the same question.
#![allow(dead_code, unreachable_pub, clippy::unwrap_used, reason = "a test; not every test uses every part")]

use std::ops::Range;
use std::sync::Arc;

use dipper_pattern::reference::{Ending, find_all};
use dipper_pattern::{
    BacktrackMatcher, BacktrackRuns, CompileLimits, Conditions, DfaMatcher, DfaRuns, Letter, Match, MatchError, Path,
    Pattern, Program, Rows, SearchOptions, SymbolId, SymbolSet, ThreadMatcher,
};

/// A partition and what to look for in it.
#[derive(Clone, Debug)]
pub struct Case {
    pub pattern: Pattern,
    pub rows: Vec<Row>,
    pub options: SearchOptions,
}

#[derive(Clone, Copy, Debug)]
pub struct Row {
    pub letter: Letter,
    /// Variables whose conditions fail to evaluate.
    pub poison: SymbolSet,
    pub time: i64,
    /// Event time reaches this after the row.
    pub expire: Option<i64>,
}

/// Why there is no result: the condition that failed, or a text.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Failure {
    Condition(SymbolId, u64),
    Skip(u64),
    StepBudget,
}

pub type Outcome = Result<Vec<Match>, Failure>;

fn failure<E>(error: MatchError<E>, condition: impl FnOnce(E) -> Failure) -> Failure {
    match error {
        MatchError::Condition(error) => condition(error),
        MatchError::Poisoned { symbol, row } => Failure::Condition(symbol, row),
        MatchError::Skip { number, .. } => Failure::Skip(number),
        MatchError::StepBudget { .. } => Failure::StepBudget,
        _ => panic!("unexpected error"),
    }
}

impl Case {
    fn program(&self) -> Arc<Program> {
        Arc::new(Program::compile(&self.pattern, CompileLimits::default()).unwrap())
    }

    /// What the reference finds in the first `rows` rows.
    pub fn reference(&self, rows: usize, ending: Ending) -> Outcome {
        let times: Vec<i64> = self.rows.iter().map(|row| row.time).collect();
        let holds = |symbol: SymbolId, row: usize, labels: &[SymbolId], start: usize, _| {
            assert_eq!(start + labels.len(), row + 1);
            self.holds(symbol, row as u64)
        };
        find_all(&self.pattern, rows, Some(&times), &self.options, ending, holds)
            .map_err(|error| failure(error, |(symbol, row)| Failure::Condition(symbol, row)))
    }

    fn holds(&self, symbol: SymbolId, row: u64) -> Result<bool, (SymbolId, u64)> {
        let Row { letter, poison, .. } = self.rows[row as usize];
        if poison.contains(symbol) { Err((symbol, row)) } else { Ok(letter.contains(symbol)) }
    }

    /// What is known behind row `row` once its expiry has been told.
    pub fn ending(&self, row: usize) -> Ending {
        self.reached(row).map_or(Ending::Open, Ending::Reached)
    }

    /// What the thread engine finds; `see` is called after each row with its index and what has been reported so far.
    pub fn threads(&self, mut see: impl FnMut(usize, &Outcome)) -> Outcome {
        let matcher = ThreadMatcher::new(self.program(), self.options.clone());
        let mut runs = matcher.start();
        let mut out = Vec::new();
        let run = |result: Result<(), MatchError>| result.map_err(|error| failure(error, |never| match never {}));
        for (index, row) in self.rows.iter().enumerate() {
            let mut pushed = run(matcher.push_poisoned(&mut runs, row.letter, row.poison, row.time, &mut out));
            if let (Ok(()), Some(time)) = (&pushed, row.expire) {
                pushed = run(matcher.expire(&mut runs, time, &mut out));
            }
            let outcome = pushed.map(|()| out.clone());
            see(index, &outcome);
            outcome?;
            assert_eq!(runs.rows_seen(), index as u64 + 1);
            assert!(runs.first_needed_row() <= runs.rows_seen());
            assert_eq!(runs.is_idle(), runs.first_needed_row() == runs.rows_seen());
            let (needed, reported) = (runs.first_needed_row(), out.len());
            for found in &out[reported..] {
                assert!(found.start >= needed);
            }
        }
        run(matcher.finish(&mut runs, &mut out))?;
        assert!(runs.is_idle());
        Ok(out)
    }

    /// What the lazy automaton finds, given at most `cut` rows at a time and about `bytes` for the automaton.
    pub fn dfa(&self, cut: usize, bytes: usize, mut see: impl FnMut(usize, &Outcome)) -> Outcome {
        let matcher = DfaMatcher::with_cache(self.program(), self.options.clone(), bytes);
        let (letters, poison, times): (Vec<_>, Vec<_>, Vec<_>) =
            self.rows.iter().map(|row| (row.letter, row.poison, row.time)).collect();
        let mut runs = matcher.start();
        let mut out = Vec::new();
        let run = |result: Result<(), MatchError>| result.map_err(|error| failure(error, |never| match never {}));
        let mut first = 0;
        while first < self.rows.len() {
            let end = self.cut(first, cut);
            let rows = Rows { letters: &letters[first..end], poison: &poison[first..end], times: &times[first..end] };
            let mut pushed = run(matcher.push(&mut runs, rows, &mut out));
            if let (Ok(()), Some(time)) = (&pushed, self.rows[end - 1].expire) {
                pushed = run(matcher.expire(&mut runs, time, &mut out));
            }
            let outcome = pushed.map(|()| out.clone());
            see(end - 1, &outcome);
            outcome?;
            assert_eq!(runs.rows_seen(), end as u64);
            assert_eq!(runs.is_idle(), runs.first_needed_row() == runs.rows_seen());
            first = end;
        }
        run(matcher.finish(&mut runs, &mut out))?;
        assert!(runs.is_idle());
        Ok(out)
    }

    /// The same, one row at a time, where behind every `every`-th row all but rows and counters is lost.
    pub fn dfa_resumed(&self, every: usize, bytes: usize, mut see: impl FnMut(usize, &Outcome)) -> Outcome {
        let matcher = DfaMatcher::with_cache(self.program(), self.options.clone(), bytes);
        let (letters, poison, times): (Vec<_>, Vec<_>, Vec<_>) =
            self.rows.iter().map(|row| (row.letter, row.poison, row.time)).collect();
        let rows = |rows: Range<usize>| Rows {
            letters: &letters[rows.clone()],
            poison: &poison[rows.clone()],
            times: &times[rows],
        };
        let mut runs = matcher.start();
        let mut out = Vec::new();
        let run = |result: Result<(), MatchError>| result.map_err(|error| failure(error, |never| match never {}));
        for (index, row) in self.rows.iter().enumerate() {
            let mut pushed = run(matcher.push(&mut runs, rows(index..index + 1), &mut out));
            if let (Ok(()), Some(time)) = (&pushed, row.expire) {
                pushed = run(matcher.expire(&mut runs, time, &mut out));
            }
            let outcome = pushed.map(|()| out.clone());
            see(index, &outcome);
            outcome?;
            if (index + 1) % every == 0 {
                let (needed, reported) = (runs.first_needed_row(), out.len());
                let mut again = DfaRuns::resumed(needed, runs.matches());
                run(matcher.push(&mut again, rows(needed as usize..index + 1), &mut out))?;
                if let Some(time) = self.reached(index) {
                    run(matcher.expire(&mut again, time, &mut out))?;
                }
                let state = |runs: &DfaRuns| {
                    (runs.rows_seen(), runs.matches(), runs.first_needed_row(), matcher.next_deadline(runs))
                };
                assert_eq!((state(&again), out.len()), (state(&runs), reported));
                runs = again;
            }
        }
        run(matcher.finish(&mut runs, &mut out))?;
        Ok(out)
    }

    /// How far event time has come behind row `row`.
    fn reached(&self, row: usize) -> Option<i64> {
        self.rows[..=row].iter().filter_map(|row| row.expire).max()
    }

    /// The row before which the rows from `first` on are cut: there are at most `cut`, and event time advances only behind the last.
    fn cut(&self, first: usize, cut: usize) -> usize {
        let ahead = self.rows[first..].iter().take(cut).position(|row| row.expire.is_some());
        ahead.map_or(self.rows.len().min(first + cut), |ahead| first + ahead + 1)
    }

    /// What the depth-first engine finds, given at most `cut` rows at a time.
    pub fn backtrack(&self, cut: usize, see: impl FnMut(usize, &Outcome)) -> Outcome {
        self.backtrack_resumed(cut, false, see)
    }

    /// The same; where `resumes`, all but rows and counters is lost each time.
    pub fn backtrack_resumed(&self, cut: usize, resumes: bool, mut see: impl FnMut(usize, &Outcome)) -> Outcome {
        let matcher = BacktrackMatcher::new(self.program(), self.options.clone());
        let mut runs = matcher.start();
        let mut out = Vec::new();
        let mut conditions = Letters { case: self, seen: 0, needed: 0, previous: (0, Vec::new()) };
        let run = |result: Result<(), MatchError<_>>| {
            result.map_err(|error| failure(error, |(symbol, row)| Failure::Condition(symbol, row)))
        };
        let times: Vec<i64> = self.rows.iter().map(|row| row.time).collect();
        let mut first = 0;
        while first < self.rows.len() {
            let end = self.cut(first, cut);
            conditions.seen = end as u64;
            let rows = &times[first..end];
            let mut pushed = run(matcher.push_rows(&mut runs, rows.len(), rows, &mut conditions, &mut out));
            if let (Ok(()), Some(time)) = (&pushed, self.rows[end - 1].expire) {
                pushed = run(matcher.expire(&mut runs, time, &mut conditions, &mut out));
            }
            let outcome = pushed.map(|()| out.clone());
            see(end - 1, &outcome);
            outcome?;
            conditions.needed = runs.first_needed_row();
            first = end;
            if resumes {
                let (needed, reported) = (runs.first_needed_row(), out.len());
                let mut again = BacktrackRuns::resumed(needed, runs.matches());
                let rows = &times[needed as usize..end];
                run(matcher.push_rows(&mut again, rows.len(), rows, &mut conditions, &mut out))?;
                if let Some(time) = self.reached(end - 1) {
                    run(matcher.expire(&mut again, time, &mut conditions, &mut out))?;
                }
                let state = |runs: &BacktrackRuns| {
                    (runs.rows_seen(), runs.matches(), runs.first_needed_row(), runs.next_deadline())
                };
                assert_eq!((state(&again), out.len()), (state(&runs), reported));
                runs = again;
            }
        }
        run(matcher.finish(&mut runs, &mut conditions, &mut out))?;
        assert!(runs.is_idle());
        Ok(out)
    }
}

/// Answers by letters, and checks what it is asked.
struct Letters<'a> {
    case: &'a Case,
    seen: u64,
    needed: u64,
    previous: (u64, Vec<SymbolId>),
}

impl Conditions for Letters<'_> {
    type Error = (SymbolId, u64);

    fn holds(&mut self, symbol: SymbolId, row: u64, path: &Path<'_>) -> Result<bool, Self::Error> {
        let labels = path.labels();
        assert!(row < self.seen && path.start() >= self.needed);
        assert_eq!(path.start() + labels.len() as u64, row + 1);
        assert_eq!(labels.last(), Some(&symbol));
        assert_eq!(path.last(SymbolSet::of(&[symbol]), 0), Some(row));
        assert!(path.kept() < labels.len());
        if path.kept() > 0 {
            assert_eq!(self.previous.0, path.start());
            assert_eq!(self.previous.1[..path.kept()], labels[..path.kept()]);
        }
        for set in [SymbolSet::of(&[SymbolId(0), SymbolId(2)]), SymbolSet::all(64)] {
            let rows: Vec<u64> = (0..labels.len())
                .filter(|index| set.contains(labels[*index]))
                .map(|index| path.start() + index as u64)
                .collect();
            assert_eq!(path.count(set), rows.len());
            for n in 0..3 {
                assert_eq!(path.first(set, n), rows.get(n).copied());
                assert_eq!(path.last(set, n), rows.iter().rev().nth(n).copied());
            }
        }
        self.previous = (path.start(), labels.to_vec());
        self.case.holds(symbol, row)
    }
}
