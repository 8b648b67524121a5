//! String views on their way out: they take along only the bytes that they show.
//!
//! A view column that has been filtered or routed still holds every buffer of the batch that it came from, and on the wire
//! each part of that batch would repeat them.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, GenericByteViewArray};
use arrow::datatypes::{BinaryViewType, ByteViewType, DataType, StringViewType};
use arrow::record_batch::RecordBatch;
use dipper_types::Result;

/// A copy is worth its time when it leaves at least this many bytes behind.
const WASTE_BYTES: usize = 4 << 10;

/// The batch with copies of those view columns that hold much more than they show.
pub(super) fn compact_views(batch: RecordBatch) -> Result<RecordBatch> {
    let mut columns: Option<Vec<ArrayRef>> = None;
    for (index, column) in batch.columns().iter().enumerate() {
        let copy = match column.data_type() {
            DataType::Utf8View => compacted::<StringViewType>(column),
            DataType::BinaryView => compacted::<BinaryViewType>(column),
            _ => None,
        };
        if let Some(copy) = copy {
            columns.get_or_insert_with(|| batch.columns().to_vec())[index] = copy;
        }
    }
    match columns {
        Some(columns) => Ok(RecordBatch::try_new(batch.schema(), columns)?),
        None => Ok(batch),
    }
}

fn compacted<T: ByteViewType>(column: &ArrayRef) -> Option<ArrayRef> {
    let views: &GenericByteViewArray<T> = column.as_byte_view();
    let held: usize = views.data_buffers().iter().map(|buffer| buffer.len()).sum();
    // Half as much again as it shows is what it costs not to copy.
    let wasteful = held > WASTE_BYTES && held - WASTE_BYTES > views.total_buffer_bytes_used() / 2 * 3;
    wasteful.then(|| Arc::new(views.gc()) as ArrayRef)
}
