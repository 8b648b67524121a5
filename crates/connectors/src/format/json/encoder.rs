//! Writes JSON lines. NULL is written as `null`.

use std::io::Write;

use arrow::json::{LineDelimitedWriter, WriterBuilder};
use arrow::record_batch::RecordBatch;
use dipper_operator_api::refuse_times_beyond_calendar;
use dipper_types::Result;

use crate::format::RecordEncoder;

/// Writes one file of JSON lines.
pub(crate) struct JsonEncoder<W: Write> {
    out: W,
    lines: Vec<u8>,
    written: u64,
}

impl<W: Write> JsonEncoder<W> {
    pub(crate) fn new(out: W) -> Self {
        Self { out, lines: Vec::new(), written: 0 }
    }
}

impl<W: Write + Send> RecordEncoder for JsonEncoder<W> {
    fn write(&mut self, batch: &RecordBatch) -> Result<()> {
        let builder = WriterBuilder::new()
            .with_explicit_nulls(true)
            .with_timestamp_format("%Y-%m-%d %H:%M:%S%.f".to_owned())
            .with_timestamp_tz_format("%Y-%m-%d %H:%M:%S%.f%:z".to_owned());
        refuse_times_beyond_calendar(batch)?;
        self.lines.clear();
        let mut writer: LineDelimitedWriter<_> = builder.build(&mut self.lines);
        writer.write(batch)?;
        writer.finish()?;
        drop(writer);
        self.out.write_all(&self.lines).map_err(|error| dipper_types::Error::unavailable(error.to_string()))?;
        self.written += self.lines.len() as u64;
        Ok(())
    }

    fn flushed_bytes(&self) -> u64 {
        self.written
    }

    fn finish(self: Box<Self>) -> Result<()> {
        Ok(())
    }
}
