//! From the bytes of a section to record batches.

use std::io::Read;

use arrow::buffer::Buffer;
use arrow::error::ArrowError;
use arrow::ipc::reader::StreamDecoder;
use arrow::record_batch::RecordBatch;
use dipper_types::Result;

use super::Compression;
use super::header::{Section, VerifiedHeader, corrupt, read_header};
use super::shuffle::unshuffle;
use crate::checksum::Checksum;
use crate::table::key_groups;

/// How much memory a length in a header is good for: that of an ordinary section, and some.
const AT_ONCE: u64 = 4 << 20;

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
        Compression::None => bytes.to_vec(),
        Compression::Zstd => decompress(bytes, section.raw_bytes).map_err(|error| damaged(&error))?,
    };
    if raw.len() as u64 != section.raw_bytes {
        return Err(damaged(&format_args!("not the {} bytes that its header says", section.raw_bytes)));
    }
    let raw = match (section.shuffled, compression) {
        (true, Compression::None) => return Err(damaged(&"it is shuffled, and not compressed")),
        (true, Compression::Zstd) => unshuffle(&raw),
        (false, _) => raw,
    };
    let batches = batches(raw.into()).map_err(|error| damaged(&error))?;
    let rows: usize = batches.iter().map(RecordBatch::num_rows).sum();
    if rows as u64 != section.rows {
        return Err(damaged(&format_args!("{rows} rows where {} should be", section.rows)));
    }
    for batch in &batches {
        // Whoever reads a part of it, or merges it, relies on that.
        if !key_groups(batch).map_err(|error| damaged(&error))?.values().is_sorted() {
            return Err(damaged(&"its key groups are in no order"));
        }
    }
    Ok(batches)
}

/// The batches of an IPC stream, which share its memory.
fn batches(mut stream: Buffer) -> std::result::Result<Vec<RecordBatch>, ArrowError> {
    let (mut decoder, mut batches) = (StreamDecoder::new(), Vec::new());
    while !stream.is_empty() {
        batches.extend(decoder.decode(&mut stream)?);
    }
    decoder.finish()?;
    Ok(batches)
}

/// As much as `length` bytes and one more at most. A header is not taken at its word: memory for more than an ordinary section is taken
/// as it is filled.
fn decompress(bytes: &[u8], length: u64) -> std::io::Result<Vec<u8>> {
    if length <= AT_ONCE {
        return zstd::bulk::decompress(bytes, length as usize);
    }
    let mut raw = Vec::new();
    zstd::Decoder::with_buffer(bytes)?.take(length.saturating_add(1)).read_to_end(&mut raw)?;
    Ok(raw)
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
