//! Random patterns over random rows: the engines must find what the reference finds, and report it as early.
#![allow(clippy::unwrap_used, reason = "a test")]

mod engines;
mod taken_apart;

use dipper_pattern::reference::Ending;
use dipper_pattern::{Edge, OnSkipError, Pattern, SearchOptions, Skip, SymbolId, SymbolSet, Timeouts, Within};
use engines::{Case, Failure, Outcome, Row};
use proptest::prelude::*;

fn pattern(symbols: u8, depth: u32, anchors: bool) -> impl Strategy<Value = Pattern> {
    let symbol = (0..symbols).prop_map(|symbol| Pattern::Symbol(SymbolId(symbol)));
    let leaf = prop_oneof![
        12 => symbol,
        1 => Just(Pattern::Empty),
        u32::from(anchors) => prop_oneof![Just(Pattern::Anchor(Edge::Start)), Just(Pattern::Anchor(Edge::End))],
    ];
    leaf.prop_recursive(depth, 14, 3, |inner| {
        prop_oneof![
            4 => prop::collection::vec(inner.clone(), 2..4).prop_map(Pattern::Concat),
            2 => prop::collection::vec(inner.clone(), 2..4).prop_map(Pattern::Alternate),
            5 => (inner.clone(), 0_u32..3, prop::option::of(0_u32..3), any::<bool>()).prop_map(
                |(pattern, min, more, greedy)| {
                    let max = more.map(|more| (min + more).max(1));
                    Pattern::Repeat { pattern: Box::new(pattern), min, max, greedy }
                }
            ),
            1 => inner.clone().prop_map(|pattern| Pattern::Exclude(Box::new(pattern))),
            1 => prop::collection::vec(inner, 2..4).prop_map(Pattern::Permute),
        ]
    })
}

fn options(symbols: u8) -> impl Strategy<Value = SearchOptions> {
    let set = (1_u64..1 << symbols).prop_map(SymbolSet);
    let skip = prop_oneof![
        3 => Just(Skip::PastLastRow),
        2 => Just(Skip::ToNextRow),
        1 => set.clone().prop_map(Skip::ToFirst),
        1 => set.prop_map(Skip::ToLast),
    ];
    let within = prop::option::of((1_i64..7, any::<bool>()).prop_map(|(span, inclusive)| Within { span, inclusive }));
    let timeouts = prop_oneof![2 => Just(Timeouts::Hide), 2 => Just(Timeouts::Show), 1 => Just(Timeouts::Only)];
    let on_skip_error = prop_oneof![1 => Just(OnSkipError::Fail), 4 => Just(OnSkipError::NextRow)];
    (skip, within, timeouts, on_skip_error).prop_map(|(skip, within, timeouts, on_skip_error)| SearchOptions {
        skip,
        within,
        timeouts,
        on_skip_error,
        step_budget: Some(4000),
    })
}

/// Rows whose times ascend, some followed by an expiry that lies before the next row's time.
fn rows(symbols: u8, poisoned: bool) -> impl Strategy<Value = Vec<Row>> {
    let poison =
        if poisoned { prop_oneof![12 => Just(0_u64), 1 => 0_u64..1 << symbols].boxed() } else { Just(0_u64).boxed() };
    prop::collection::vec((0_u64..1 << symbols, poison, 0_i64..4, prop::option::weighted(0.3, 0_i64..4)), 0..10)
        .prop_map(|rows| {
            let mut floor = 0;
            rows.into_iter()
                .map(|(letter, poison, step, expire)| {
                    let time = floor + step;
                    let expire = expire.map(|ahead| time + ahead);
                    floor = expire.map_or(time, |expire| expire + 1);
                    Row { letter: SymbolSet(letter), poison: SymbolSet(poison), time, expire }
                })
                .collect()
        })
}

fn case(symbols: u8, depth: u32, poisoned: bool) -> impl Strategy<Value = Case> {
    (pattern(symbols, depth, true), rows(symbols, poisoned), options(symbols))
        .prop_map(|(pattern, rows, options)| Case { pattern, rows, options })
}

/// Both engines report after every row what the reference knows by then, and in the end what it finds.
fn agree(case: &Case) {
    let expected = case.reference(case.rows.len(), Ending::Ended);
    if expected == Err(Failure::StepBudget) {
        return;
    }
    let unbudgeted = Case { options: SearchOptions { step_budget: None, ..case.options.clone() }, ..case.clone() };
    let known = |row: usize| unbudgeted.reference(row + 1, unbudgeted.ending(row));
    let threads = unbudgeted.threads(|row, found| assert_eq!(*found, known(row), "threads, after row {row}"));
    assert_eq!(threads, expected, "threads");
    for bytes in [usize::MAX, 3000] {
        let dfa = unbudgeted.dfa(1, bytes, |row, found| assert_eq!(*found, known(row), "automaton, after row {row}"));
        assert_eq!(dfa, expected, "automaton of {bytes} bytes");
        let dfa = unbudgeted.dfa(4, bytes, |_, _| ());
        assert_eq!(dfa, expected, "automaton of {bytes} bytes, several rows at a time");
        for every in [1, 3] {
            let see =
                |row: usize, found: &Outcome| assert_eq!(*found, known(row), "automaton, resumed, after row {row}");
            assert_eq!(unbudgeted.dfa_resumed(every, bytes, see), expected, "automaton of {bytes} bytes, resumed");
        }
    }
    // So far apart that the automaton cannot have a slot for each letter.
    let apart = |symbol: SymbolId| SymbolId(symbol.0 * 20);
    let dfa = renumbered(&unbudgeted, &apart).dfa(4, usize::MAX, |_, _| ());
    assert_eq!(dfa, outcome_renumbered(expected.clone(), &apart), "automaton of many variables");
    let backtrack =
        unbudgeted.backtrack(1, |row, found| assert_eq!(*found, known(row), "backtracking, after row {row}"));
    assert_eq!(backtrack, expected, "backtracking");
    let backtrack = unbudgeted.backtrack(4, |_, _| ());
    assert_eq!(backtrack, expected, "backtracking, several rows at a time");
    for cut in [1, 4] {
        assert_eq!(unbudgeted.backtrack_resumed(cut, true, |_, _| ()), expected, "backtracking, resumed");
    }
}

fn config() -> ProptestConfig {
    // Failures become named tests, not files.
    ProptestConfig { failure_persistence: None, max_shrink_iters: 20_000, ..ProptestConfig::default() }
}

proptest! {
    #![proptest_config(config())]

    #[test]
    fn engines_agree_with_the_reference_after_every_row(case in case(3, 4, false)) {
        agree(&case);
    }

    #[test]
    fn engines_meet_the_errors_that_the_reference_meets(case in case(3, 3, true)) {
        agree(&case);
    }

    #[test]
    fn simplifying_and_writing_out_keep_what_matches(case in case(3, 4, false)) {
        let expected = case.reference(case.rows.len(), Ending::Ended);
        let simplified = Case { pattern: case.pattern.clone().simplify(), ..case.clone() };
        let found = simplified.reference(case.rows.len(), Ending::Ended);
        let names = ["A", "B", "C"].map(str::to_owned);
        let text = simplified.pattern.display(&names);
        let mut read = dipper_pattern::parse(&text).unwrap();
        let names = read.names();
        let by_name = |symbol: SymbolId| SymbolId(names[symbol.index()].as_bytes()[0] - b'A');
        read.pattern = pattern_renumbered(&read.pattern, &by_name);
        prop_assert_eq!(&read.pattern, &simplified.pattern, "{}", text);
        if expected != Err(Failure::StepBudget) && found != Err(Failure::StepBudget) {
            prop_assert_eq!(found, expected);
        }
    }

    /// What rows too many for the reference bring about: rows that are let go, long runs, tables that fill.
    #[test]
    fn long_partitions_are_searched_as_by_threads(
        pattern in pattern(3, 3, true),
        letters in prop::collection::vec((0_u64..8, 1_usize..40), 1..30),
        options in options(3),
        cut in 1_usize..100,
    ) {
        let letters = letters.into_iter().flat_map(|(letter, count)| std::iter::repeat_n(letter, count)).enumerate();
        let row = |(time, letter): (usize, u64)| {
            Row { letter: SymbolSet(letter), poison: SymbolSet::EMPTY, time: time as i64 / 2, expire: None }
        };
        let case = Case { pattern, rows: letters.map(row).collect(), options };
        let threads = case.threads(|_, _| ());
        for bytes in [usize::MAX, 5000] {
            prop_assert_eq!(&case.dfa(cut, bytes, |_, _| ()), &threads);
            prop_assert_eq!(&case.dfa_resumed(cut, bytes, |_, _| ()), &threads);
        }
    }

    /// Rule 21: what is reported is what every continuation has in common, no less.
    #[test]
    fn nothing_that_is_certain_is_withheld(
        pattern in pattern(2, 2, false),
        rows in rows(2, false),
        skip in prop_oneof![Just(Skip::PastLastRow), Just(Skip::ToNextRow)],
    ) {
        let rows: Vec<Row> = rows.into_iter().take(4).collect();
        let options = SearchOptions { skip, step_budget: Some(2000), ..SearchOptions::default() };
        let case = Case { pattern, rows, options };
        let Ok(known) = case.reference(case.rows.len(), Ending::Open) else { return Ok(()) };
        let mut common = None;
        if !common_prefix(&case, 4, &mut common) {
            return Ok(());
        }
        prop_assert_eq!(Some(known), common);
    }
}

/// Narrows `common` to what it shares with the results of all continuations by up to `more` rows.
fn common_prefix(case: &Case, more: usize, common: &mut Option<Vec<dipper_pattern::Match>>) -> bool {
    let Ok(found) = case.reference(case.rows.len(), Ending::Ended) else { return false };
    match common {
        None => *common = Some(found),
        Some(common) => {
            let shared = common.iter().zip(&found).take_while(|(left, right)| left == right).count();
            common.truncate(shared);
        }
    }
    more == 0
        || (0..4).all(|letter| {
            let mut longer = case.clone();
            longer.rows.push(Row { letter: SymbolSet(letter), poison: SymbolSet::EMPTY, time: 0, expire: None });
            common_prefix(&longer, more - 1, common)
        })
}

/// The pattern with other numbers for its variables.
fn pattern_renumbered(pattern: &Pattern, number: &impl Fn(SymbolId) -> SymbolId) -> Pattern {
    let one = |part: &Pattern| Box::new(pattern_renumbered(part, number));
    let all = |parts: &[Pattern]| parts.iter().map(|part| pattern_renumbered(part, number)).collect();
    match pattern {
        Pattern::Empty | Pattern::Anchor(_) => pattern.clone(),
        Pattern::Symbol(symbol) => Pattern::Symbol(number(*symbol)),
        Pattern::Concat(parts) => Pattern::Concat(all(parts)),
        Pattern::Alternate(parts) => Pattern::Alternate(all(parts)),
        Pattern::Permute(parts) => Pattern::Permute(all(parts)),
        Pattern::Exclude(inner) => Pattern::Exclude(one(inner)),
        Pattern::Repeat { pattern, min, max, greedy } => {
            Pattern::Repeat { pattern: one(pattern), min: *min, max: *max, greedy: *greedy }
        }
    }
}

/// The case with other numbers for its variables.
fn renumbered(case: &Case, number: &impl Fn(SymbolId) -> SymbolId) -> Case {
    let set = |set: SymbolSet| set.iter().map(number).collect::<SymbolSet>();
    let row = |row: &Row| Row { letter: set(row.letter), poison: set(row.poison), ..*row };
    let skip = match case.options.skip {
        Skip::ToFirst(to) => Skip::ToFirst(set(to)),
        Skip::ToLast(to) => Skip::ToLast(set(to)),
        skip => skip,
    };
    Case {
        pattern: pattern_renumbered(&case.pattern, number),
        rows: case.rows.iter().map(row).collect(),
        options: SearchOptions { skip, ..case.options.clone() },
    }
}

fn outcome_renumbered(outcome: Outcome, number: &impl Fn(SymbolId) -> SymbolId) -> Outcome {
    match outcome {
        Ok(mut matches) => {
            for symbol in matches.iter_mut().flat_map(|found| &mut found.symbols) {
                *symbol = number(*symbol);
            }
            Ok(matches)
        }
        Err(Failure::Condition(symbol, row)) => Err(Failure::Condition(number(symbol), row)),
        other => other,
    }
}
