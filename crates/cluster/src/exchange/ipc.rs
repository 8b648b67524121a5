//! Batches as messages of Arrow's IPC format, and back.
//!
//! Nothing that arrives is trusted: Arrow verifies the flatbuffers and the arrays, what it takes for granted in between is
//! verified here, and should it panic nevertheless that is an error of the channel.

use std::collections::{HashMap, VecDeque};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use arrow::array::ArrayRef;
use arrow::buffer::Buffer;
use arrow::datatypes::{Field, Schema, SchemaRef};
use arrow::error::ArrowError;
use arrow::ipc::convert::fb_to_schema;
use arrow::ipc::reader::{RecordBatchDecoder, read_dictionary};
use arrow::ipc::writer::{DictionaryTracker, EncodedData, IpcDataGenerator, IpcWriteContext, IpcWriteOptions};
use arrow::ipc::{self, MessageHeader, MetadataVersion, root_as_message};
use arrow::record_batch::RecordBatch;
use dipper_types::{Error, Result};

use super::codec::{FRAME_BYTES, FRAME_BYTES_MAX};
use super::proto::frame::Content;
use super::proto::{Arrow, Frame};
use super::views::compact_views;

/// What buffers are aligned to within a message: the widest value that Arrow has.
const ALIGNMENT: usize = 16;

/// What surrounds header and body in a frame takes less.
const FRAME_OVERHEAD_BYTES: usize = 64;

/// Makes the messages of one channel.
#[derive(Debug)]
pub(super) struct BatchEncoder {
    options: IpcWriteOptions,
    /// Of the last batch, which is that of the schema message; `None` before the first one.
    schema: Option<SchemaRef>,
    /// The dictionaries that the receiver has.
    dictionaries: DictionaryTracker,
    context: IpcWriteContext,
}

impl Default for BatchEncoder {
    fn default() -> Self {
        let mut context = IpcWriteContext::default();
        context.set_reserve_scratch(true);
        Self {
            // Without legacy formats every alignment that is a power of two from 8 to 64 is accepted.
            options: IpcWriteOptions::try_new(ALIGNMENT, false, MetadataVersion::V5).unwrap_or_default(),
            schema: None,
            dictionaries: DictionaryTracker::new(false),
            context,
        }
    }
}

impl BatchEncoder {
    /// Appends the messages of a batch.
    pub(super) fn encode(&mut self, batch: RecordBatch, frames: &mut VecDeque<Frame>) -> Result<()> {
        let batch = compact_views(batch)?;
        self.encode_schema(batch.schema_ref(), frames)?;
        let rows = self.encode_rows(&batch, frames)?;
        self.push_rows(&batch, rows, frames)
    }

    /// A schema message, if the receiver does not have this schema.
    fn encode_schema(&mut self, schema: &SchemaRef, frames: &mut VecDeque<Frame>) -> Result<()> {
        if self.schema.as_ref().is_some_and(|known| Arc::ptr_eq(known, schema) || known == schema) {
            return Ok(());
        }
        self.dictionaries.clear();
        let generator = IpcDataGenerator::default();
        let message = generator.schema_to_bytes_with_dictionary_tracker(schema, &mut self.dictionaries, &self.options);
        frames.push_back(frame(message)?);
        self.schema = Some(Arc::clone(schema));
        Ok(())
    }

    /// Appends the dictionaries that the receiver needs for these rows and does not have; returns the rows' message.
    fn encode_rows(&mut self, batch: &RecordBatch, frames: &mut VecDeque<Frame>) -> Result<EncodedData> {
        let generator = IpcDataGenerator::default();
        let (dictionaries, rows) = generator.encode(batch, &mut self.dictionaries, &self.options, &mut self.context)?;
        for dictionary in dictionaries {
            frames.push_back(frame(dictionary)?);
        }
        Ok(rows)
    }

    /// Appends the message of a batch, or those of its parts if it is too large and they are smaller.
    fn push_rows(&mut self, batch: &RecordBatch, message: EncodedData, frames: &mut VecDeque<Frame>) -> Result<()> {
        let (bytes, rows) = (message.arrow_data.len(), batch.num_rows());
        if bytes <= FRAME_BYTES || rows < 2 {
            frames.push_back(frame(message)?);
            return Ok(());
        }
        let step = (rows / bytes.div_ceil(FRAME_BYTES)).max(1);
        let mut parts = Vec::with_capacity(rows.div_ceil(step));
        let mut parts_bytes = 0;
        for start in (0..rows).step_by(step) {
            let part = batch.slice(start, step.min(rows - start));
            let part_message = self.encode_rows(&part, frames)?;
            parts_bytes += part_message.arrow_data.len();
            parts.push((part, part_message));
            // Views deep inside a column share their bytes, and every part would repeat them.
            if parts_bytes > 2 * bytes {
                frames.push_back(frame(message)?);
                return Ok(());
            }
        }
        drop(message);
        parts.into_iter().try_for_each(|(part, message)| self.push_rows(&part, message, frames))
    }
}

fn frame(message: EncodedData) -> Result<Frame> {
    let EncodedData { ipc_message: header, arrow_data: body } = message;
    let bytes = header.len() + body.len();
    if bytes > FRAME_BYTES_MAX - FRAME_OVERHEAD_BYTES {
        let message = format!("a row or a dictionary of {bytes} bytes cannot be sent to another worker");
        return Err(
            Error::unsupported(message).with_hint(format!("at most {} MiB are possible", FRAME_BYTES_MAX >> 20))
        );
    }
    Ok(Frame { content: Some(Content::Arrow(Arrow { header: header.into(), body: body.into() })) })
}

/// Reads the messages of one channel.
#[derive(Debug)]
pub(super) struct BatchDecoder {
    /// What the receiver expects.
    expected: SchemaRef,
    /// Of the last schema message; `None` before the first one.
    schema: Option<SchemaRef>,
    dictionaries: HashMap<i64, ArrayRef>,
}

impl BatchDecoder {
    /// For rows of this schema, of which names and types count.
    pub(super) fn new(expected: SchemaRef) -> Self {
        Self { expected, schema: None, dictionaries: HashMap::new() }
    }

    /// The rows of a message; `None` if it has none.
    pub(super) fn decode(&mut self, message: Arrow) -> Result<Option<RecordBatch>> {
        let decode = AssertUnwindSafe(|| self.decode_trusting(message));
        catch_unwind(decode).unwrap_or_else(|_| Err(malformed("its parts do not fit each other")))
    }

    /// May panic if the message is one that no Arrow library writes.
    fn decode_trusting(&mut self, message: Arrow) -> Result<Option<RecordBatch>> {
        // The copy is aligned as flatbuffers must be. The body stays where it is; arrays are copied only if they have to.
        let header = Buffer::from(message.header.as_ref());
        let body = Buffer::from(message.body);
        let message = root_as_message(&header).map_err(|error| malformed(&error.to_string()))?;
        if usize::try_from(message.bodyLength()) != Ok(body.len()) {
            return Err(malformed("its body is not as long as it says"));
        }
        if message.header_type() == MessageHeader::Schema {
            let schema = message.header_as_schema().ok_or_else(|| malformed("it has no schema"))?;
            self.begin(fb_to_schema(schema))?;
            return Ok(None);
        }
        let schema = self.schema.as_ref().ok_or_else(|| malformed("no schema precedes it"))?;
        if let Some(dictionary) = message.header_as_dictionary_batch() {
            verify(dictionary.data().ok_or_else(|| malformed("its dictionary is empty"))?, body.len())?;
            read_dictionary(&body, dictionary, schema, &mut self.dictionaries, &message.version()).map_err(arrays)?;
            return Ok(None);
        }
        let rows = message.header_as_record_batch().ok_or_else(|| malformed("it has no rows"))?;
        verify(rows, body.len())?;
        let version = message.version();
        let rows = RecordBatchDecoder::try_new(&body, rows, Arc::clone(schema), &self.dictionaries, &version);
        rows.and_then(RecordBatchDecoder::read_record_batch).map(Some).map_err(arrays)
    }

    fn begin(&mut self, schema: Schema) -> Result<()> {
        let fields = schema.fields().iter().zip(self.expected.fields());
        let same = |(sent, expected): (&Arc<_>, &Arc<_>)| same_field(sent, expected);
        if schema.fields().len() != self.expected.fields().len() || !fields.into_iter().all(same) {
            let (sent, expected) = (columns(&schema), columns(&self.expected));
            return Err(Error::internal(format!("its rows are ({sent}), and the receiver expects ({expected})")));
        }
        self.schema = Some(Arc::new(schema));
        self.dictionaries.clear();
        Ok(())
    }
}

/// Whether buffers lie within the body, and counts are possible: Arrow takes that for granted.
fn verify(rows: ipc::RecordBatch<'_>, body: usize) -> Result<()> {
    let count = |count: i64| usize::try_from(count).map_err(|_| malformed("a length is negative"));
    count(rows.length())?;
    for node in rows.nodes().into_iter().flatten() {
        if count(node.null_count())? > count(node.length())? {
            return Err(malformed("it has more nulls than values"));
        }
    }
    for buffer in rows.buffers().into_iter().flatten() {
        let end = count(buffer.offset())?.checked_add(count(buffer.length())?);
        if end.is_none_or(|end| end > body) {
            return Err(malformed("a buffer lies outside of its body"));
        }
    }
    rows.variadicBufferCounts().into_iter().flatten().try_for_each(|buffers| count(buffers).map(|_| ()))
}

fn same_field(sent: &Field, expected: &Field) -> bool {
    sent.name() == expected.name() && sent.data_type().equals_datatype(expected.data_type())
}

fn columns(schema: &Schema) -> String {
    let columns: Vec<_> =
        schema.fields().iter().map(|field| format!("{} {}", field.name(), field.data_type())).collect();
    columns.join(", ")
}

fn malformed(what: &str) -> Error {
    Error::internal(format!("malformed message: {what}"))
}

#[expect(clippy::needless_pass_by_value, reason = "for map_err")]
fn arrays(error: ArrowError) -> Error {
    malformed(&error.to_string())
}
