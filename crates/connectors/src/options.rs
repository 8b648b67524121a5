//! A table's `WITH (…)` options: each is taken once by whoever understands it, and what is left over is an error.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use dipper_types::{Error, Result, parse_size};

use crate::near_miss::nearest;
use crate::option_values::{parse_ascii_char, parse_bool, parse_duration};

/// The options of one table. Every `take_…` removes an option and remembers its name as a known one, so that
/// [`TableOptions::finish`] can name the leftovers and suggest what was meant.
#[derive(Debug, Clone)]
pub struct TableOptions {
    table: String,
    left: BTreeMap<String, String>,
    known: BTreeSet<String>,
}

impl TableOptions {
    /// The options of the table called `table`. Keys are compared in lower case.
    pub fn new(table: &str, options: &BTreeMap<String, String>) -> Self {
        let left = options.iter().map(|(key, value)| (key.to_lowercase(), value.clone())).collect();
        Self { table: table.to_owned(), left, known: BTreeSet::new() }
    }

    /// Takes an option as it is written.
    pub fn take(&mut self, key: &str) -> Option<String> {
        self.known.insert(key.to_owned());
        self.left.remove(key)
    }

    /// Takes an option that must be there.
    pub fn require(&mut self, key: &str, example: &str) -> Result<String> {
        match self.take(key) {
            Some(value) if !value.trim().is_empty() => Ok(value),
            Some(_) => Err(self.error(format!("option '{key}' is empty"))),
            None => Err(self.missing(key, &format!("add '{key}' = '{example}'"))),
        }
    }

    /// An error about an option that is missing, or about the one that was probably meant for it.
    pub(crate) fn missing(&self, key: &str, hint: &str) -> Error {
        let misspelt = self.left.keys().find(|left| nearest(left, [key]).is_some());
        match misspelt {
            Some(left) => self.error(format!("unknown option '{left}'")).with_hint(format!("did you mean '{key}'?")),
            None => self.error(format!("option '{key}' is missing")).with_hint(hint),
        }
    }

    /// Takes an option and reads its value.
    pub fn take_with<T>(&mut self, key: &str, read: impl FnOnce(&str) -> Result<T>) -> Result<Option<T>> {
        match self.take(key) {
            Some(value) => read(&value).map(Some).map_err(|error| error.context(self.place(key))),
            None => Ok(None),
        }
    }

    /// Takes `true` or `false`.
    pub fn take_bool(&mut self, key: &str) -> Result<Option<bool>> {
        self.take_with(key, parse_bool)
    }

    /// Takes a whole number that is not negative.
    pub fn take_u64(&mut self, key: &str) -> Result<Option<u64>> {
        self.take_with(key, |text| {
            text.trim()
                .replace('_', "")
                .parse()
                .map_err(|_| Error::invalid(format!("'{text}' is not a whole number of at least 0")))
        })
    }

    /// Takes a duration.
    pub fn take_duration(&mut self, key: &str) -> Result<Option<Duration>> {
        self.take_with(key, parse_duration)
    }

    /// Takes a size in bytes.
    pub fn take_size(&mut self, key: &str) -> Result<Option<u64>> {
        self.take_with(key, parse_size)
    }

    /// Takes a single ASCII character.
    pub fn take_ascii_char(&mut self, key: &str) -> Result<Option<u8>> {
        self.take_with(key, parse_ascii_char)
    }

    /// Takes one of some words, compared in lower case.
    pub fn take_choice<T: Copy>(&mut self, key: &str, choices: &[(&str, T)]) -> Result<Option<T>> {
        self.take_with(key, |text| choice(text, choices))
    }

    /// Fails if an option is left that nobody took.
    pub fn finish(self) -> Result<()> {
        let Some(key) = self.left.keys().next() else { return Ok(()) };
        let error = self.error(format!("unknown option '{key}'"));
        Err(match nearest(key, self.known.iter().map(String::as_str)) {
            Some(known) => error.with_hint(format!("did you mean '{known}'?")),
            None => {
                let known: Vec<&str> = self.known.iter().map(String::as_str).collect();
                error.with_hint(format!("known here: {}", known.join(", ")))
            }
        })
    }

    /// An error about this table's options.
    pub fn error(&self, message: impl AsRef<str>) -> Error {
        Error::invalid(format!("table '{}': {}", self.table, message.as_ref()))
    }

    fn place(&self, key: &str) -> String {
        format!("table '{}': option '{key}'", self.table)
    }
}

/// Reads one of some words, or says which there are and which one was probably meant.
pub(crate) fn choice<T: Copy>(text: &str, choices: &[(&str, T)]) -> Result<T> {
    let lower = text.trim().to_lowercase();
    if let Some((_, value)) = choices.iter().find(|(word, _)| *word == lower) {
        return Ok(*value);
    }
    let words: Vec<&str> = choices.iter().map(|(word, _)| *word).collect();
    let error = Error::invalid(format!("'{text}' is not one of {}", words.join(", ")));
    Err(match nearest(&lower, words.iter().copied()) {
        Some(word) => error.with_hint(format!("did you mean '{word}'?")),
        None => error,
    })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test")]

    use std::sync::Arc;

    use arrow::datatypes::{DataType, Field, Schema};

    use crate::{TableDefinition, validate};

    #[test]
    fn a_misspelt_option_is_named_before_the_one_that_it_leaves_missing() {
        let message = |options: &[(&str, &str)]| {
            let table = TableDefinition {
                name: "t".to_owned(),
                columns: Arc::new(Schema::new(vec![Field::new("c", DataType::Int64, true)])),
                metadata: vec![],
                options: options.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect(),
            };
            let error = validate(&table).unwrap_err();
            format!("{error}; {}", error.hint().unwrap_or_default())
        };
        let (files, csv) = (("connector", "filesystem"), ("format", "csv"));
        let cases = [
            (vec![files, ("pth", "a.csv"), csv], "unknown option 'pth'; did you mean 'path'?"),
            (vec![files, ("path", "a.csv"), ("formt", "csv")], "unknown option 'formt'; did you mean 'format'?"),
            (vec![("conector", "filesystem")], "unknown option 'conector'; did you mean 'connector'?"),
            (vec![files, csv], "option 'path' is missing; add 'path' = 'data/events.csv'"),
            (vec![files, ("path", "")], "option 'path' is empty; "),
        ];
        for (options, expected) in cases {
            assert_eq!(message(&options), format!("table 't': {expected}"));
        }
        assert!(message(&[]).starts_with("table 't': option 'connector' is missing; say where the rows are"));
    }
}
