//! What happens to records that cannot be decoded: fail with the place, or skip, count and log the first few.

use std::sync::Arc;

use dipper_operator_api::OperatorMetrics;
use dipper_types::{Error, Result};

use crate::options::TableOptions;

/// How many skipped records of a file are logged one by one.
const LOGGED: u64 = 5;

/// The policy for records that cannot be decoded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum OnError {
    Fail,
    Skip,
}

impl OnError {
    /// Takes `<format>.on-error` and Flink's `<format>.ignore-parse-errors`.
    pub(crate) fn take(options: &mut TableOptions, format: &str) -> Result<Self> {
        let key = format!("{format}.on-error");
        let own = options.take_choice(&key, &[("fail", Self::Fail), ("skip", Self::Skip)])?;
        let flink_key = format!("{format}.ignore-parse-errors");
        let flink = options.take_bool(&flink_key)?.map(|ignore| if ignore { Self::Skip } else { Self::Fail });
        match (own, flink) {
            (Some(own), Some(flink)) if own != flink => {
                Err(options.error(format!("options '{key}' and '{flink_key}' contradict each other")))
            }
            (own, flink) => Ok(own.or(flink).unwrap_or(Self::Fail)),
        }
    }
}

/// The policy at work on one file.
#[derive(Debug)]
pub(crate) struct BadRecords {
    file: String,
    format: &'static str,
    on_error: OnError,
    metrics: Arc<OperatorMetrics>,
    skipped: u64,
}

impl BadRecords {
    pub(crate) fn new(file: &str, format: &'static str, on_error: OnError, metrics: Arc<OperatorMetrics>) -> Self {
        Self { file: file.to_owned(), format, on_error, metrics, skipped: 0 }
    }

    /// Whether a bad record ends the job.
    pub(crate) fn is_fatal(&self) -> bool {
        self.on_error == OnError::Fail
    }

    /// Rejects the record that begins on `line`: an error, or one more skipped record.
    pub(crate) fn reject(&mut self, line: u64, reason: impl FnOnce() -> String) -> Result<()> {
        if self.is_fatal() {
            let format = self.format;
            return Err(Error::invalid(format!("{}, line {line}, {}", self.file, reason()))
                .with_hint(format!("mend the file, or leave bad records out with '{format}.on-error' = 'skip'")));
        }
        if self.skipped < LOGGED {
            tracing::warn!("skipped a record: {}, line {line}, {}", self.file, reason());
        } else if self.skipped == LOGGED {
            tracing::warn!("{}: further skipped records are only counted", self.file);
        }
        self.skipped += 1;
        OperatorMetrics::add(&self.metrics.skipped_records, 1);
        Ok(())
    }

    /// An error about a place in the file behind which nothing can be read, whatever the policy.
    pub(crate) fn line_error(&self, line: u64, message: &str) -> Error {
        Error::invalid(format!("{}, line {line}, {message}", self.file))
    }

    /// An error about the file as a whole.
    pub(crate) fn file_error(&self, message: impl AsRef<str>) -> Error {
        Error::invalid(format!("{}: {}", self.file, message.as_ref()))
    }
}
