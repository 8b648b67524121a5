//! From the bytes of a section to record batches.

use arrow::ipc::reader::StreamReader;
use arrow::record_batch::RecordBatch;
use dipper_types::Result;

use super::Compression;
use super::header::{Section, VerifiedHeader, corrupt, read_header};
use crate::checksum::Checksum;
use crate::table::key_groups;

/// The rows of a section of the file `name`.
pub(crate) fn decode_section(
    name: &str,
    section: &Section,
    compression: Compression,
    bytes: &[u8],
) -> Result<Vec<RecordBatch>> {
    verify_section(name, section, bytes)?;
    let damaged = |error: &dyn std::fmt::Display| corrupt(name, format!("a section at {}: {error}", section.offset));
    let raw = match compression {
        Compression::None => bytes,
        Compression::Zstd => {
            &zstd::bulk::decompress(bytes, section.raw_bytes as usize).map_err(|error| damaged(&error))?
        }
    };
    let batches = StreamReader::try_new(raw, None).and_then(Iterator::collect::<Result<Vec<RecordBatch>, _>>);
    let batches = batches.map_err(|error| damaged(&error))?;
    let rows: usize = batches.iter().map(RecordBatch::num_rows).sum();
    if rows as u64 != section.rows {
        return Err(damaged(&format_args!("{rows} rows where {} should be", section.rows)));
    }
    batches.iter().try_for_each(|batch| key_groups(batch).map(drop)).map_err(|error| damaged(&error))?;
    Ok(batches)
}

/// Verifies a whole file called `name` without looking at what it means.
pub(crate) fn verify(name: &str, bytes: &[u8]) -> Result<VerifiedHeader> {
    let verified = read_header(name, bytes)?;
    if verified.file_bytes() != Some(bytes.len() as u64) {
        return Err(corrupt(name, "its length is not what its header says"));
    }
    for section in &verified.header.sections {
        let place = verified.place(section);
        verify_section(name, section, &bytes[place.start as usize..place.end as usize])?;
    }
    Ok(verified)
}

fn verify_section(name: &str, section: &Section, bytes: &[u8]) -> Result<()> {
    if bytes.len() as u64 != section.bytes {
        let message = format!("a section of {} bytes at {} is cut to {}", section.bytes, section.offset, bytes.len());
        return Err(corrupt(name, message));
    }
    if Checksum::of(bytes) != section.checksum {
        return Err(corrupt(name, format!("the checksum of its section at {} differs", section.offset)));
    }
    Ok(())
}
