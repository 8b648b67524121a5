//! From record batches to files.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray};
use arrow::compute::interleave_record_batch;
use arrow::datatypes::DataType;
use arrow::ipc::MetadataVersion;
use arrow::ipc::writer::{IpcWriteOptions, StreamWriter};
use arrow::record_batch::RecordBatch;
use bytes::Bytes;
use dipper_types::{Error, KeyGroupRange, Result};

use super::Compression;
use super::header::{FileIdentity, Header, Section, SectionKind};
use crate::checksum::Checksum;
use crate::table::key_groups;

/// How long a section is before compression: what a rescale reads too much of.
const SECTION_BYTES: usize = 1 << 20;
/// How long the sections of a file are together: one request writes it.
const FILE_BYTES: usize = 64 << 20;
/// Padding to more would cost small deltas more than it gives large ones.
const ALIGNMENT: usize = 8;

/// Rows and deletes of a table, each with the key group as first column.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct Contents {
    pub(crate) rows: Vec<RecordBatch>,
    pub(crate) deletes: Vec<RecordBatch>,
}

/// A file and what its reference has to say.
#[derive(Debug)]
pub(crate) struct EncodedFile {
    pub(crate) bytes: Bytes,
    pub(crate) header_bytes: u64,
    pub(crate) checksum: Checksum,
    pub(crate) rows: u64,
    pub(crate) deletes: u64,
    pub(crate) key_groups: KeyGroupRange,
}

/// Encodes rows and deletes into as many files as it takes; none if there is nothing.
pub(crate) fn encode(
    identity: &FileIdentity,
    contents: &Contents,
    compression: Compression,
) -> Result<Vec<EncodedFile>> {
    let mut files = Files { identity, compression, sections: Vec::new(), body: Vec::new(), raw: 0, done: Vec::new() };
    files.add(SectionKind::Deletes, &contents.deletes)?;
    files.add(SectionKind::Rows, &contents.rows)?;
    files.finish_file()?;
    Ok(files.done)
}

/// Files in the making.
struct Files<'a> {
    identity: &'a FileIdentity,
    compression: Compression,
    sections: Vec<Section>,
    body: Vec<u8>,
    /// The length of `body` without compression.
    raw: usize,
    done: Vec<EncodedFile>,
}

impl Files<'_> {
    fn add(&mut self, kind: SectionKind, batches: &[RecordBatch]) -> Result<()> {
        let batches: Vec<&RecordBatch> = batches.iter().filter(|batch| batch.num_rows() > 0).collect();
        let rows: usize = batches.iter().map(|batch| batch.num_rows()).sum();
        let mut bytes = 0;
        for column in batches.iter().flat_map(|batch| batch.columns()) {
            bytes += column.to_data().get_slice_memory_size()?;
        }
        let section_rows = (SECTION_BYTES / (bytes / rows.max(1)).max(1)).max(1);
        for places in places_by_group(&batches)?.chunks(section_rows) {
            let section = interleave_record_batch(&batches, places)?;
            self.add_section(kind, &without_shared_buffers(&section)?)?;
            if self.raw >= FILE_BYTES {
                self.finish_file()?;
            }
        }
        Ok(())
    }

    fn add_section(&mut self, kind: SectionKind, batch: &RecordBatch) -> Result<()> {
        let groups = key_groups(batch)?.values();
        let (Some(first), Some(last)) = (groups.first(), groups.last()) else { return Ok(()) };
        let options = IpcWriteOptions::try_new(ALIGNMENT, false, MetadataVersion::V5)?;
        let mut writer = StreamWriter::try_new_with_options(Vec::new(), batch.schema_ref(), options)?;
        writer.write(batch)?;
        let raw = writer.into_inner()?;
        let stored = match self.compression {
            Compression::None => raw.as_slice(),
            Compression::Zstd => &zstd::bulk::compress(&raw, 1)
                .map_err(|error| Error::internal(format!("cannot compress state: {error}")))?,
        };
        self.sections.push(Section {
            kind,
            key_groups: KeyGroupRange { start: *first, end: last.saturating_add(1) },
            rows: batch.num_rows() as u64,
            offset: self.body.len() as u64,
            bytes: stored.len() as u64,
            raw_bytes: raw.len() as u64,
            checksum: Checksum::of(stored),
        });
        self.body.extend_from_slice(stored);
        self.raw += raw.len();
        Ok(())
    }

    fn finish_file(&mut self) -> Result<()> {
        let sections = std::mem::take(&mut self.sections);
        let (Some(start), Some(end)) = (
            sections.iter().map(|section| section.key_groups.start).min(),
            sections.iter().map(|section| section.key_groups.end).max(),
        ) else {
            return Ok(());
        };
        let rows = |kind| sections.iter().filter(|section| section.kind == kind).map(|section| section.rows).sum();
        let (live, deletes) = (rows(SectionKind::Rows), rows(SectionKind::Deletes));
        let header = Header { identity: self.identity.clone(), compression: self.compression, sections };
        let (mut bytes, checksum) = header.encode()?;
        let header_bytes = bytes.len() as u64;
        bytes.append(&mut self.body);
        self.raw = 0;
        let key_groups = KeyGroupRange { start, end };
        self.done.push(EncodedFile { bytes: bytes.into(), header_bytes, checksum, rows: live, deletes, key_groups });
        Ok(())
    }
}

/// The rows of all batches by key group, those of a group in the order given: batch and row.
fn places_by_group(batches: &[&RecordBatch]) -> Result<Vec<(usize, usize)>> {
    let groups = batches.iter().map(|batch| Ok(key_groups(batch)?.values())).collect::<Result<Vec<_>>>()?;
    let highest = groups.iter().flat_map(|groups| groups.iter()).max().map_or(0, |group| usize::from(*group));
    let mut next = vec![0_usize; highest + 2];
    for group in groups.iter().flat_map(|groups| groups.iter()) {
        next[usize::from(*group) + 1] += 1;
    }
    for group in 0..=highest {
        next[group + 1] += next[group];
    }
    let mut places = vec![(0, 0); next[highest + 1]];
    for (batch, groups) in groups.iter().enumerate() {
        for (row, group) in groups.iter().enumerate() {
            let place = &mut next[usize::from(*group)];
            places[*place] = (batch, row);
            *place += 1;
        }
    }
    Ok(places)
}

/// Views share the buffers of the batches that they were taken from, and would take these with them whole.
fn without_shared_buffers(batch: &RecordBatch) -> Result<RecordBatch> {
    let own = |column: &ArrayRef| -> ArrayRef {
        match column.data_type() {
            DataType::Utf8View => Arc::new(column.as_string_view().gc()),
            DataType::BinaryView => Arc::new(column.as_binary_view().gc()),
            _ => ArrayRef::clone(column),
        }
    };
    Ok(RecordBatch::try_new(batch.schema(), batch.columns().iter().map(own).collect())?)
}
