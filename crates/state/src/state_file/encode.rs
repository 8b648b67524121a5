//! From record batches to files.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, UInt32Array};
use arrow::compute::{concat_batches, take_record_batch};
use arrow::datatypes::DataType;
use arrow::ipc::MetadataVersion;
use arrow::ipc::writer::{IpcWriteOptions, StreamWriter};
use arrow::record_batch::RecordBatch;
use bytes::Bytes;
use dipper_types::{Error, KeyGroupRange, Result};
use zstd::bulk::Compressor;

use super::Compression;
use super::header::{FileIdentity, Header, Section, SectionKind};
use super::shuffle::shuffle;
use crate::checksum::Checksum;
use crate::table::key_groups;

/// How long a section is before compression: what a rescale reads too much of.
const SECTION_BYTES: usize = 1 << 20;
/// How long the sections of a file are together: one request writes it.
const FILE_BYTES: usize = 64 << 20;
const ZSTD_LEVEL: i32 = 1;
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
    let compressor = match compression {
        Compression::None => None,
        Compression::Zstd => Some(Compressor::new(ZSTD_LEVEL).map_err(|error| cannot_compress(&error))?),
    };
    let mut files = Files {
        identity,
        compression,
        compressor,
        sections: Vec::new(),
        body: Vec::new(),
        raw_bytes: 0,
        raw: Vec::new(),
        shuffled: Vec::new(),
        compressed: Vec::new(),
        done: Vec::new(),
    };
    files.add(SectionKind::Deletes, &contents.deletes)?;
    files.add(SectionKind::Rows, &contents.rows)?;
    files.finish_file()?;
    Ok(files.done)
}

/// Files in the making.
struct Files<'a> {
    identity: &'a FileIdentity,
    compression: Compression,
    compressor: Option<Compressor<'static>>,
    sections: Vec<Section>,
    body: Vec<u8>,
    /// The length of `body` without compression.
    raw_bytes: usize,
    /// The last section on its way: memory that is used again.
    raw: Vec<u8>,
    shuffled: Vec<u8>,
    compressed: Vec<u8>,
    done: Vec<EncodedFile>,
}

impl Files<'_> {
    fn add(&mut self, kind: SectionKind, batches: &[RecordBatch]) -> Result<()> {
        let batches: Vec<&RecordBatch> = batches.iter().filter(|batch| batch.num_rows() > 0).collect();
        let Some(first) = batches.first() else { return Ok(()) };
        // Dictionaries of different batches are joined once, not once for each key group.
        let has_dictionaries = |column: &ArrayRef| {
            column.data_type().is_nested() || matches!(column.data_type(), DataType::Dictionary(..))
        };
        let joined =
            first.columns().iter().any(has_dictionaries).then(|| concat_batches(first.schema_ref(), batches.clone()));
        let batches: Vec<RecordBatch> = match joined.transpose()? {
            Some(joined) => vec![by_group(&joined)?],
            None => batches.iter().map(|batch| by_group(batch)).collect::<Result<_>>()?,
        };
        let Some(first) = batches.first() else { return Ok(()) };
        let rows: usize = batches.iter().map(RecordBatch::num_rows).sum();
        let mut bytes = 0;
        for column in batches.iter().flat_map(RecordBatch::columns) {
            bytes += column.to_data().get_slice_memory_size()?;
        }
        let section_rows = (SECTION_BYTES / (bytes / rows).max(1)).max(1);
        let (mut section, mut room) = (Vec::new(), section_rows);
        for mut part in parts_by_group(&batches)? {
            while part.num_rows() > 0 {
                let fits = part.num_rows().min(room);
                section.push(part.slice(0, fits));
                part = part.slice(fits, part.num_rows() - fits);
                room -= fits;
                if room == 0 {
                    self.add_section(kind, &concat_batches(first.schema_ref(), &section)?)?;
                    (section, room) = (Vec::new(), section_rows);
                }
            }
        }
        self.add_section(kind, &concat_batches(first.schema_ref(), &section)?)
    }

    fn add_section(&mut self, kind: SectionKind, batch: &RecordBatch) -> Result<()> {
        let groups = key_groups(batch)?.values();
        let (Some(first), Some(last)) = (groups.first(), groups.last()) else { return Ok(()) };
        let options = IpcWriteOptions::try_new(ALIGNMENT, false, MetadataVersion::V5)?;
        self.raw.clear();
        let mut writer = StreamWriter::try_new_with_options(&mut self.raw, batch.schema_ref(), options)?;
        writer.write(&without_shared_buffers(batch)?)?;
        writer.finish()?;
        // Texts are compressed by what repeats in them.
        let is_fixed_width = |column: &ArrayRef| column.data_type().primitive_width().is_some();
        let shuffled = self.compressor.is_some() && batch.columns().iter().all(is_fixed_width);
        let stored = match &mut self.compressor {
            None => &self.raw,
            Some(compressor) => {
                if shuffled {
                    shuffle(&self.raw, &mut self.shuffled);
                }
                self.compressed.clear();
                self.compressed.reserve(zstd::zstd_safe::compress_bound(self.raw.len()));
                let bytes = if shuffled { &self.shuffled } else { &self.raw };
                let compressed = compressor.compress_to_buffer(bytes, &mut self.compressed);
                compressed.map_err(|error| cannot_compress(&error))?;
                &self.compressed
            }
        };
        self.sections.push(Section {
            kind,
            key_groups: KeyGroupRange { start: *first, end: last.saturating_add(1) },
            rows: batch.num_rows() as u64,
            offset: self.body.len() as u64,
            bytes: stored.len() as u64,
            raw_bytes: self.raw.len() as u64,
            shuffled,
            checksum: Checksum::of(stored),
        });
        self.body.extend_from_slice(stored);
        self.raw_bytes += self.raw.len();
        if self.raw_bytes >= FILE_BYTES { self.finish_file() } else { Ok(()) }
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
        self.raw_bytes = 0;
        let key_groups = KeyGroupRange { start, end };
        self.done.push(EncodedFile { bytes: bytes.into(), header_bytes, checksum, rows: live, deletes, key_groups });
        Ok(())
    }
}

/// The rows of a batch by key group, those of a group in the order given.
fn by_group(batch: &RecordBatch) -> Result<RecordBatch> {
    let groups = key_groups(batch)?.values();
    if groups.is_sorted() {
        return Ok(batch.clone());
    }
    let highest = groups.iter().max().map_or(0, |group| usize::from(*group));
    let mut next = vec![0; highest + 2];
    for group in groups {
        next[usize::from(*group) + 1] += 1;
    }
    for group in 0..=highest {
        next[group + 1] += next[group];
    }
    let mut rows = vec![0; groups.len()];
    for (row, group) in (0..).zip(groups) {
        let place = &mut next[usize::from(*group)];
        rows[*place as usize] = row;
        *place += 1;
    }
    Ok(take_record_batch(batch, &UInt32Array::from(rows))?)
}

/// Batches that are each sorted by key group, cut up: group by group, those of a group in the order given.
fn parts_by_group(batches: &[RecordBatch]) -> Result<Vec<RecordBatch>> {
    let groups = batches.iter().map(|batch| Ok(key_groups(batch)?.values())).collect::<Result<Vec<_>>>()?;
    let (mut next, mut parts) = (vec![0; batches.len()], Vec::new());
    while let Some(group) = groups.iter().zip(&next).filter_map(|(groups, next)| groups.get(*next)).min() {
        for ((batch, groups), next) in batches.iter().zip(&groups).zip(&mut next) {
            let length = groups[*next..].partition_point(|other| other <= group);
            if length > 0 {
                parts.push(batch.slice(*next, length));
                *next += length;
            }
        }
    }
    Ok(parts)
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

fn cannot_compress(error: &std::io::Error) -> Error {
    Error::internal(format!("cannot compress state: {error}"))
}
