//! Runs the cases of `tests/pattern/*.toml` through every matcher.
#![allow(clippy::unwrap_used, reason = "a test")]

mod engines;

use dipper_pattern::reference::Ending;
use dipper_pattern::{Match, OnSkipError, SearchOptions, Skip, Status, SymbolId, SymbolSet, Timeouts, Within, parse};
use engines::{Case, Failure, Outcome, Row};
use serde::Deserialize;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    case: Vec<Entry>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Entry {
    name: String,
    pattern: String,
    rows: String,
    #[serde(default)]
    matches: Vec<String>,
    #[serde(default)]
    error: Option<String>,
    #[serde(default)]
    skip: Option<String>,
    #[serde(default)]
    on_skip_error: Option<String>,
    #[serde(default)]
    times: Option<Vec<i64>>,
    #[serde(default)]
    within: Option<i64>,
    #[serde(default)]
    inclusive: bool,
    #[serde(default)]
    timeouts: Option<String>,
}

impl Entry {
    fn case(&self) -> (Case, Vec<String>) {
        let parsed = parse(&self.pattern).unwrap_or_else(|error| panic!("{}: {error}", self.name));
        let names = parsed.names();
        let letters = self.rows.split_whitespace().map(|row| set(row, &names));
        let rows = letters
            .enumerate()
            .map(|(index, letter)| Row {
                letter,
                poison: SymbolSet::EMPTY,
                time: self.times.as_ref().map_or(0, |times| times[index]),
                expire: None,
            })
            .collect();
        let skip = match self.skip.as_deref() {
            None => Skip::PastLastRow,
            Some("to next row") => Skip::ToNextRow,
            Some(other) => match (other.strip_prefix("to first "), other.strip_prefix("to last ")) {
                (Some(to), _) => Skip::ToFirst(set(to, &names)),
                (_, Some(to)) => Skip::ToLast(set(to, &names)),
                _ => panic!("{}: skip {other}", self.name),
            },
        };
        let options = SearchOptions {
            skip,
            within: self.within.map(|span| Within { span, inclusive: self.inclusive }),
            timeouts: match self.timeouts.as_deref() {
                None => Timeouts::Hide,
                Some("show") => Timeouts::Show,
                Some("only") => Timeouts::Only,
                Some(other) => panic!("{}: timeouts {other}", self.name),
            },
            on_skip_error: match self.on_skip_error.as_deref() {
                None => OnSkipError::Fail,
                Some("next row") => OnSkipError::NextRow,
                Some(other) => panic!("{}: on_skip_error {other}", self.name),
            },
            step_budget: None,
        };
        (Case { pattern: parsed.pattern, rows, options }, names)
    }
}

/// The variables of a row; a letter that the pattern does not know stands for none.
fn set(text: &str, names: &[String]) -> SymbolSet {
    text.chars()
        .filter_map(|c| names.iter().position(|name| *name == c.to_string()))
        .map(|index| SymbolId(index as u8))
        .collect()
}

fn shown(outcome: &Outcome, names: &[String]) -> Result<Vec<String>, String> {
    match outcome {
        Ok(matches) => {
            let mut expected = 1;
            let mut texts = Vec::new();
            for found in matches {
                let number = if found.number == expected { String::new() } else { format!("#{} ", found.number) };
                expected = found.number + 1;
                texts.push(number + &show(found, names));
            }
            Ok(texts)
        }
        Err(Failure::Skip(number)) => Err(format!("skip {number}")),
        Err(other) => Err(format!("{other:?}")),
    }
}

fn show(found: &Match, names: &[String]) -> String {
    let mut text = format!("{}:", found.start);
    for (index, symbol) in found.symbols.iter().enumerate() {
        let name = &names[symbol.index()];
        text += if found.excluded.contains(index) { " (" } else { " " };
        text += name;
        text += if found.excluded.contains(index) { ")" } else { "" };
    }
    match found.status {
        Status::Complete => assert_eq!(found.deadline, None),
        Status::Timeout => text = format!("{text} timeout {}", found.deadline.unwrap()),
    }
    if found.skip_failed { text + " !" } else { text }
}

#[test]
fn every_case_holds_in_every_matcher() {
    let directory = concat!(env!("CARGO_MANIFEST_DIR"), "/../../tests/pattern");
    let mut cases = 0;
    let mut wrong = Vec::new();
    for file in std::fs::read_dir(directory).unwrap() {
        let path = file.unwrap().path();
        let text = std::fs::read_to_string(&path).unwrap();
        let file: File = toml::from_str(&text).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        for entry in file.case {
            let expected = entry.error.clone().map_or_else(|| Ok(entry.matches.clone()), Err);
            let (case, names) = entry.case();
            // The same with event time told as often as possible.
            let mut expiring = case.clone();
            for index in 0..expiring.rows.len().saturating_sub(1) {
                let (time, next) = (expiring.rows[index].time, expiring.rows[index + 1].time);
                expiring.rows[index].expire = (time < next).then(|| next - 1);
            }
            for (matcher, outcome) in [
                ("reference", case.reference(case.rows.len(), Ending::Ended)),
                ("threads", case.threads(|_, _| ())),
                ("threads, event time told", expiring.threads(|_, _| ())),
                ("automaton", case.dfa(1000, usize::MAX, |_, _| ())),
                ("automaton without memory", case.dfa(2, 0, |_, _| ())),
                ("automaton, event time told", expiring.dfa(1, usize::MAX, |_, _| ())),
                ("backtracking", case.backtrack(3, |_, _| ())),
                ("backtracking, event time told", expiring.backtrack(1, |_, _| ())),
            ] {
                let found = shown(&outcome, &names);
                if found != expected {
                    wrong.push(format!(
                        "{}: {} ({matcher}): expected {expected:?}, found {found:?}",
                        path.display(),
                        entry.name
                    ));
                }
            }
            cases += 1;
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert!(cases >= 60, "only {cases} cases");
}
