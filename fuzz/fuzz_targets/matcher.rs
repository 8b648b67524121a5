//! Any text as a pattern, any bytes as letters: all engines find what the reference finds, and none panics.
#![no_main]

use std::convert::Infallible;
use std::sync::Arc;

use dipper_pattern::reference::{Ending, find_all};
use dipper_pattern::{
    BacktrackMatcher, CompileLimits, Conditions, DfaMatcher, Letter, Match, MatchError, OnSkipError, Path, Program,
    Rows, SearchOptions, Skip, SymbolId, SymbolSet, ThreadMatcher, Timeouts, Within, parse,
};
use libfuzzer_sys::fuzz_target;

const ROWS_MAX: usize = 12;
/// Conditions that the reference may test: its cost is exponential.
const STEPS_MAX: u64 = 3000;

struct Letters<'a>(&'a [Letter]);

impl Conditions for Letters<'_> {
    type Error = Infallible;

    fn holds(&mut self, symbol: SymbolId, row: u64, _: &Path<'_>) -> Result<bool, Infallible> {
        Ok(self.0[row as usize].contains(symbol))
    }
}

fn options(byte: u8, set: u8) -> SearchOptions {
    let set = SymbolSet(u64::from(set & 7).max(1));
    SearchOptions {
        skip: match byte & 3 {
            0 => Skip::PastLastRow,
            1 => Skip::ToNextRow,
            2 => Skip::ToFirst(set),
            _ => Skip::ToLast(set),
        },
        within: (byte & 4 != 0).then_some(Within { span: i64::from(byte >> 3 & 7) + 1, inclusive: byte & 64 != 0 }),
        timeouts: if byte & 128 != 0 { Timeouts::Show } else { Timeouts::Hide },
        on_skip_error: OnSkipError::NextRow,
        step_budget: Some(STEPS_MAX),
    }
}

fuzz_target!(|input: &[u8]| {
    let [how, set, rest @ ..] = input else { return };
    let mut parts = rest.splitn(2, |byte| *byte == 0);
    let (Some(text), Some(rows)) = (parts.next(), parts.next()) else { return };
    let Ok(text) = std::str::from_utf8(text) else { return };
    let Ok(parsed) = parse(text) else { return };
    let limits = CompileLimits { states_max: 500 };
    let Ok(program) = Program::compile(&parsed.pattern, limits) else { return };
    let program = Arc::new(program);
    let rows = &rows[..rows.len().min(ROWS_MAX)];
    let letters: Vec<Letter> = rows.iter().map(|row| SymbolSet(u64::from(row & 15))).collect();
    let mut time = 0;
    let times: Vec<i64> = rows.iter().map(|row| { time += i64::from(row >> 6); time }).collect();
    let options = options(*how, *set);

    let holds = |symbol: SymbolId, row: usize, _: &[SymbolId], _: usize, _: u64| {
        Ok::<_, Infallible>(letters[row].contains(symbol))
    };
    let expected = find_all(&parsed.pattern, letters.len(), Some(&times), &options, Ending::Ended, holds);
    let Ok(expected) = expected else { return };
    let options = SearchOptions { step_budget: None, ..options };

    for (cut, bytes) in [(1, usize::MAX), (5, 2000), (ROWS_MAX, 0)] {
        let matcher = DfaMatcher::with_cache(Arc::clone(&program), options.clone(), bytes);
        let (mut runs, mut found) = (matcher.start(), Vec::new());
        for (letters, times) in letters.chunks(cut).zip(times.chunks(cut)) {
            must(matcher.push(&mut runs, Rows { letters, poison: &[], times }, &mut found));
        }
        must(matcher.finish(&mut runs, &mut found));
        assert_eq!(found, expected, "automaton, {cut} rows at a time, {bytes} bytes");
    }
    let matcher = ThreadMatcher::new(Arc::clone(&program), options.clone());
    let (mut runs, mut found) = (matcher.start(), Vec::<Match>::new());
    for (letter, time) in letters.iter().zip(&times) {
        must(matcher.push(&mut runs, *letter, *time, &mut found));
    }
    must(matcher.finish(&mut runs, &mut found));
    assert_eq!(found, expected, "threads");
    let matcher = BacktrackMatcher::new(program, options);
    let (mut runs, mut found) = (matcher.start(), Vec::<Match>::new());
    for time in &times {
        must(matcher.push(&mut runs, *time, &mut Letters(&letters), &mut found));
    }
    must(matcher.finish(&mut runs, &mut Letters(&letters), &mut found));
    assert_eq!(found, expected, "depth-first");
});

fn must(result: Result<(), MatchError>) {
    result.unwrap_or_else(|error| panic!("{error}"));
}
