//! The settings that `SET` changes: which there are, what they may be, what they are.

mod known;

use std::collections::BTreeMap;

use dipper_types::{Error, Result, parse_size};

use super::duration::parse_duration_ms;
use super::nearest;
use known::{ALIASES, BATCH_SIZE, Kind, MAX_PARALLELISM, MODE, NAME, NOT_YET, PARALLELISM, SETTINGS, SKIP_ERROR};
pub use known::{QUERY_MEMORY, QUERY_TIMEOUT, Setting};

/// Which host runs a query.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RuntimeMode {
    /// Inserts and unbounded queries as dataflows, bounded queries as batches.
    Automatic,
    /// Everything as a dataflow.
    Streaming,
    /// Everything as a batch; unbounded input is refused.
    Batch,
}

/// What happens when AFTER MATCH SKIP TO has no row to go to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SkipErrors {
    /// An error on bounded input, TO NEXT ROW on unbounded input.
    Automatic,
    /// An error.
    Fail,
    /// TO NEXT ROW.
    NextRow,
}

/// The settings of a session.
#[derive(Debug, Clone, Default)]
pub struct Settings {
    values: BTreeMap<&'static str, String>,
}

impl Settings {
    /// All at their defaults.
    pub fn new() -> Self {
        Self::default()
    }

    /// Sets one. The error has no place: the caller knows where key and value stand.
    pub fn set(&mut self, key: &str, value: &str) -> Result<()> {
        let setting = find(key)?;
        self.values.insert(setting.key, setting.check(value)?);
        Ok(())
    }

    /// The key under which a setting is known, whatever its case, and also by the names it has had in Flink.
    pub fn key(key: &str) -> Result<&'static str> {
        find(key).map(|setting| setting.key)
    }

    /// Sets one back to its default, or all.
    pub fn reset(&mut self, key: Option<&str>) -> Result<()> {
        match key {
            Some(key) => drop(self.values.remove(find(key)?.key)),
            None => self.values.clear(),
        }
        Ok(())
    }

    /// Each setting with its value.
    pub fn list(&self) -> impl Iterator<Item = (&'static Setting, &str)> {
        SETTINGS.iter().map(|setting| (setting, self.value(setting.key)))
    }

    /// `parallelism.default`.
    pub fn parallelism(&self) -> usize {
        self.number(PARALLELISM)
    }

    /// `pipeline.max-parallelism`.
    pub fn key_groups(&self) -> u16 {
        self.number(MAX_PARALLELISM) as u16
    }

    /// `execution.batch-size`.
    pub fn batch_rows(&self) -> usize {
        self.number(BATCH_SIZE)
    }

    /// `pipeline.name`, if set.
    pub fn pipeline_name(&self) -> Option<&str> {
        Some(self.value(NAME)).filter(|name| !name.is_empty())
    }

    /// `execution.runtime-mode`.
    pub fn runtime_mode(&self) -> RuntimeMode {
        match self.value(MODE) {
            "streaming" => RuntimeMode::Streaming,
            "batch" => RuntimeMode::Batch,
            _ => RuntimeMode::Automatic,
        }
    }

    /// `match.skip-error`.
    pub fn skip_errors(&self) -> SkipErrors {
        match self.value(SKIP_ERROR) {
            "fail" => SkipErrors::Fail,
            "next-row" => SkipErrors::NextRow,
            _ => SkipErrors::Automatic,
        }
    }

    /// A setting that is a number, by its key; `None` if it has no value.
    pub fn number_of(&self, key: &str) -> Option<u64> {
        self.value(key).parse().ok()
    }

    /// A setting that is a factor, by its key; `None` if it has no value.
    pub fn factor_of(&self, key: &str) -> Option<f64> {
        self.value(key).parse().ok()
    }

    /// A setting that is a duration, by its key, in milliseconds; `None` if it has no value.
    pub fn duration_ms_of(&self, key: &str) -> Option<u64> {
        Some(self.value(key)).filter(|value| !value.is_empty()).and_then(|value| parse_duration_ms(value).ok())
    }

    /// A setting that is a size, by its key, in bytes; `None` if it has no value.
    pub fn bytes_of(&self, key: &str) -> Option<u64> {
        self.text_of(key).and_then(|value| parse_size(value).ok())
    }

    /// A setting that is text, by its key; `None` if it is empty.
    pub fn text_of(&self, key: &str) -> Option<&str> {
        Some(self.value(key)).filter(|value| !value.is_empty())
    }

    fn value(&self, key: &str) -> &str {
        let default = || SETTINGS.iter().find(|setting| setting.key == key).map_or("", |setting| setting.default);
        self.values.get(key).map_or_else(default, String::as_str)
    }

    fn number(&self, key: &str) -> usize {
        self.value(key).parse().unwrap_or(1)
    }
}

impl Setting {
    /// The value in its usual form, if it is one.
    fn check(&self, value: &str) -> Result<String> {
        let key = self.key;
        match self.kind {
            Kind::Text => Ok(value.to_owned()),
            Kind::Duration => match parse_duration_ms(value) {
                Ok(_) => Ok(value.trim().to_owned()),
                Err(error) => Err(error.context(format!("setting '{key}'"))),
            },
            Kind::Size => parse_size(value)
                .map(|_| value.trim().to_owned())
                .map_err(|error| error.context(format!("setting '{key}'"))),
            Kind::Factor { min } => match value.trim().parse::<f64>() {
                Ok(factor) if factor >= min && factor.is_finite() => Ok(factor.to_string()),
                _ => Err(Error::invalid(format!("setting '{key}': '{value}' is no number from {min} on"))),
            },
            Kind::Number { min, max } => match value.trim().parse::<usize>() {
                Ok(number) if (min..=max).contains(&number) => Ok(number.to_string()),
                _ => Err(Error::invalid(format!("setting '{key}': '{value}' is no number from {min} to {max}"))),
            },
            Kind::Choice(choices) => {
                let lower = value.trim().to_lowercase();
                if choices.contains(&lower.as_str()) {
                    return Ok(lower);
                }
                let list = choices.iter().map(|choice| format!("'{choice}'")).collect::<Vec<_>>().join(", ");
                Err(Error::invalid(format!("setting '{key}': unknown value '{value}'"))
                    .with_hint(format!("it is one of {list}")))
            }
        }
    }
}

fn find(key: &str) -> Result<&'static Setting> {
    let meant = ALIASES.iter().find(|(alias, _)| alias.eq_ignore_ascii_case(key)).map(|(_, meant)| *meant);
    let key = meant.unwrap_or(key);
    if let Some(setting) = SETTINGS.iter().find(|setting| setting.key.eq_ignore_ascii_case(key)) {
        return Ok(setting);
    }
    if NOT_YET.iter().any(|prefix| key.starts_with(prefix)) {
        return Err(Error::unsupported(format!("setting '{key}' is not supported yet")).with_hint("leave it out"));
    }
    let error = Error::invalid(format!("unknown setting '{key}'"));
    Err(match nearest(key, SETTINGS.iter().map(|setting| setting.key)) {
        Some(meant) => error.with_hint(format!("did you mean '{meant}'?")),
        None => error.with_hint("SET; lists the settings"),
    })
}
