//! How values look as text: the same in CSV files and on the terminal.

use arrow::array::Array;
use arrow::record_batch::RecordBatch;
use arrow::util::display::{ArrayFormatter, FormatOptions};
use dipper_types::Result;

/// How timestamps without a zone look.
pub(crate) const TIMESTAMP: &str = "%Y-%m-%d %H:%M:%S%.f";
/// How timestamps with a zone look.
pub(crate) const ZONED_TIMESTAMP: &str = "%Y-%m-%d %H:%M:%S%.f%:z";

/// The values of a batch as text.
pub(crate) struct RowText<'a> {
    batch: &'a RecordBatch,
    formatters: Vec<ArrayFormatter<'a>>,
}

impl<'a> RowText<'a> {
    pub(crate) fn new(batch: &'a RecordBatch) -> Result<Self> {
        let options = FormatOptions::new()
            .with_display_error(false)
            .with_timestamp_format(Some(TIMESTAMP))
            .with_timestamp_tz_format(Some(ZONED_TIMESTAMP));
        let formatters = batch
            .columns()
            .iter()
            .map(|column| ArrayFormatter::try_new(column.as_ref(), &options))
            .collect::<Result<_, _>>()?;
        Ok(Self { batch, formatters })
    }

    /// Appends the value, nothing for NULL. Returns whether it was a value.
    pub(crate) fn append(&self, row: usize, column: usize, out: &mut String) -> Result<bool> {
        if self.batch.column(column).is_null(row) {
            return Ok(false);
        }
        self.formatters[column].value(row).write(out)?;
        Ok(true)
    }
}
