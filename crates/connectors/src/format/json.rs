//! JSON lines: one object for each line. Fields that the table does not know are ignored, missing ones are NULL.

mod decoder;
mod encoder;
mod line_check;
#[cfg(test)]
mod tests;

use dipper_types::Result;

use super::bad_records::OnError;
use crate::options::TableOptions;

pub(crate) use decoder::JsonDecoder;
pub(crate) use encoder::JsonEncoder;

/// The `json.…` options of a table.
#[derive(Debug, Clone)]
pub(crate) struct JsonOptions {
    pub(crate) on_error: OnError,
}

impl JsonOptions {
    pub(crate) fn take(options: &mut TableOptions) -> Result<Self> {
        Ok(Self { on_error: OnError::take(options, "json")? })
    }
}
