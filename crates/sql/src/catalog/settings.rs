//! The settings that `SET` changes: which there are, what they may be, what they are.

use std::collections::BTreeMap;

use dipper_types::{Error, Result};

use super::nearest;

/// A setting.
#[derive(Debug, Clone, Copy)]
pub struct Setting {
    /// Its key; Flink's where Flink has one.
    pub key: &'static str,
    /// Its value when nobody has set it; empty for none.
    pub default: &'static str,
    /// What it does.
    pub description: &'static str,
    kind: Kind,
}

#[derive(Debug, Clone, Copy)]
enum Kind {
    Number { min: usize, max: usize },
    Choice(&'static [&'static str]),
    Text,
}

const PARALLELISM: &str = "parallelism.default";
const MAX_PARALLELISM: &str = "pipeline.max-parallelism";
const NAME: &str = "pipeline.name";
const MODE: &str = "execution.runtime-mode";
const BATCH_SIZE: &str = "execution.batch-size";
const SKIP_ERROR: &str = "match.skip-error";

const SETTINGS: &[Setting] = &[
    Setting {
        key: BATCH_SIZE,
        default: "32768",
        description: "the most rows in a batch that a source makes",
        kind: Kind::Number { min: 1, max: 1 << 20 },
    },
    Setting {
        key: MODE,
        default: "automatic",
        description: "streaming and batch choose the host; automatic runs SELECT over bounded tables as a batch",
        kind: Kind::Choice(&["automatic", "streaming", "batch"]),
    },
    Setting {
        key: SKIP_ERROR,
        default: "automatic",
        description: "what AFTER MATCH SKIP TO does when it has no row to go to: fail, next-row, or automatic: fail on bounded input",
        kind: Kind::Choice(&["automatic", "fail", "next-row"]),
    },
    Setting {
        key: PARALLELISM,
        default: "1",
        description: "how many subtasks an operator has",
        kind: Kind::Number { min: 1, max: 1024 },
    },
    Setting {
        key: MAX_PARALLELISM,
        default: "128",
        description: "key groups of a job: the most subtasks it can ever be rescaled to",
        kind: Kind::Number { min: 1, max: 32768 },
    },
    Setting { key: NAME, default: "", description: "the job's name", kind: Kind::Text },
];

/// Flink's settings whose effect is not there yet.
const NOT_YET: &[&str] = &[
    "execution.checkpointing.",
    "restart-strategy.",
    "state.",
    "table.",
    "taskmanager.",
    "jobmanager.",
    "sql-client.",
];

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
