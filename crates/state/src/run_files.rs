//! The files of a table: written as runs, read back as what the runs come to.

use bytes::Bytes;
use dipper_types::{AttemptId, Epoch, KeyGroupRange, OperatorId, Result};
use futures::FutureExt;

use crate::checksum::Checksum;
use crate::concurrent::concurrently;
use crate::directory::{Created, Directory};
use crate::handle::{FileRef, Run, TableHandle, intersection};
use crate::merge::{Deletes, merge};
use crate::offload::offload;
use crate::state_file::{
    Compression, Contents, EncodedFile, FileIdentity, Section, SectionKind, VerifiedHeader, corrupt, decode_section,
    encode, read_header,
};
use crate::table::key_groups;

/// Files up to this size are read whole, in one request.
const WHOLE_BYTES: u64 = 1 << 20;
/// How much of a table is read at once, as far as key groups allow it.
const STRIPE_BYTES: u64 = 64 << 20;

/// Writes rows and deletes as a run. `number` counts the files of one writer.
pub(crate) async fn write_run(
    directory: &Directory,
    identity: FileIdentity,
    contents: Contents,
    compression: Compression,
    number: impl Fn() -> u64,
) -> Result<Run> {
    let (encoded, identity) = offload(move || Ok((encode(&identity, &contents, compression)?, identity))).await?;
    let writes = encoded.into_iter().map(|file| write_file(directory, &identity, number(), file).boxed()).collect();
    Ok(Run { files: concurrently(writes).await? })
}

async fn write_file(directory: &Directory, identity: &FileIdentity, number: u64, file: EncodedFile) -> Result<FileRef> {
    let path = file_path(identity, number);
    if directory.create(&path, &file.bytes).await? == Created::Other {
        let message = format!("somebody else has written state file '{path}' in '{}'", directory.url());
        return Err(dipper_types::Error::internal(message));
    }
    Ok(FileRef {
        path,
        attempt: identity.attempt.opening.0,
        epoch: identity.epoch,
        bytes: file.bytes.len() as u64,
        header_bytes: file.header_bytes,
        checksum: file.checksum,
        rows: file.rows,
        deletes: file.deletes,
        key_groups: file.key_groups,
    })
}

/// Where the files of a job's state are.
pub(crate) const STATE: &str = "state";

fn file_path(identity: &FileIdentity, number: u64) -> String {
    let FileIdentity { attempt, epoch, operator, subtask, table, .. } = identity;
    let (operator, table) = (name_part(&operator.0), name_part(table));
    let of = subtask.index;
    format!("{}-{number:06}-{operator}-{of}-{table}.state", prefix(*attempt, *epoch))
}

/// How the paths of all files begin that an attempt writes under an epoch.
fn prefix(attempt: AttemptId, epoch: Epoch) -> String {
    format!("{STATE}/{:020}-{:08}-{:016x}", epoch.0, attempt.opening.0, attempt.nonce)
}

/// The epoch that a file in `state` was written under; `None` for a file that is not ours.
pub(crate) fn written_under(name: &str) -> Option<Epoch> {
    let (epoch, _) = name.split_once('-')?;
    epoch.parse().ok().map(Epoch)
}

/// The path of the copy of a file for another attempt: no longer than its own, and no other file's.
pub(crate) fn renamed(path: &str, attempt: AttemptId, epoch: Epoch) -> String {
    let owner = path.splitn(5, '-').last().unwrap_or_default();
    format!("{}-{}-{owner}", prefix(attempt, epoch), Checksum::of(path.as_bytes()))
}

/// Letters and digits as they are, anything else in a form that file systems and URLs bear and that no other name has.
fn name_part(name: &str) -> String {
    let part = |byte: u8| match byte {
        b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'_' => char::from(byte).to_string(),
        other => format!("={other:02X}"),
    };
    name.bytes().map(part).collect()
}

/// Reads the files of one table.
#[derive(Debug, Clone)]
pub(crate) struct TableFiles {
    pub(crate) directory: Directory,
    pub(crate) operator: OperatorId,
    pub(crate) table: String,
}

/// What has been read of a file, as yet unverified but for the header.
struct Fetched {
    /// Which of the table's runs it belongs to.
    run: usize,
    path: String,
    compression: Compression,
    wanted: KeyGroupRange,
    sections: Vec<(Section, Bytes)>,
}

impl TableFiles {
    /// What the runs come to in a range of key groups.
    pub(crate) async fn read(&self, table: &TableHandle, range: KeyGroupRange, deletes: Deletes) -> Result<Contents> {
        let mut fetches = Vec::new();
        for (run, files) in table.runs.iter().enumerate() {
            for file in &files.files {
                if let Some(wanted) = intersection(file.key_groups, range) {
                    fetches.push(self.fetch(run, file, wanted).boxed());
                }
            }
        }
        let fetched = concurrently(fetches).await?;
        let (count, key_columns) = (table.runs.len(), table.key_columns);
        offload(move || {
            let mut contents = vec![Contents::default(); count];
            for file in fetched {
                file.decode(&mut contents[file.run])?;
            }
            merge(contents, key_columns, deletes)
        })
        .await
    }

    /// Parts of a range of which each is little enough to read at once, unless it is a single group.
    pub(crate) fn stripes(table: &TableHandle, range: KeyGroupRange) -> Vec<KeyGroupRange> {
        let groups = u64::from(range.end.saturating_sub(range.start));
        let bytes: u64 = table.files().map(|file| file.bytes).sum();
        let stripes = bytes.div_ceil(STRIPE_BYTES).clamp(1, groups.max(1));
        let bound = |index: u64| range.start + (index * groups / stripes) as u16;
        (0..stripes).map(|index| KeyGroupRange { start: bound(index), end: bound(index + 1) }).collect()
    }

    async fn fetch(&self, run: usize, file: &FileRef, wanted: KeyGroupRange) -> Result<Fetched> {
        let missing = || corrupt(&self.shown(file), "it is gone");
        if file.bytes <= WHOLE_BYTES {
            let bytes = self.directory.get(&file.path).await?.ok_or_else(missing)?;
            let (header, sections) = self.header(file, bytes.len() as u64, &bytes, wanted)?;
            let part = |section: Section| {
                let place = header.place(&section);
                let bytes = bytes.slice(place.start as usize..place.end as usize);
                (section, bytes)
            };
            let sections = sections.into_iter().map(part).collect();
            return Ok(Fetched {
                run,
                path: self.shown(file),
                compression: header.header.compression,
                wanted,
                sections,
            });
        }
        let size = self.directory.size(&file.path).await?.ok_or_else(missing)?;
        let start = 0..file.header_bytes.min(size);
        let start = self.directory.get_ranges(&file.path, &[start]).await?.and_then(|mut parts| parts.pop());
        let (header, sections) = self.header(file, size, &start.ok_or_else(missing)?, wanted)?;
        let places: Vec<_> = sections.iter().map(|section| header.place(section)).collect();
        let parts = self.directory.get_ranges(&file.path, &places).await?.ok_or_else(missing)?;
        let sections = sections.into_iter().zip(parts).collect();
        Ok(Fetched { run, path: self.shown(file), compression: header.header.compression, wanted, sections })
    }

    /// The header of a file, if it is the file that the manifest means, and the sections that hold wanted key groups.
    fn header(
        &self,
        file: &FileRef,
        size: u64,
        start: &[u8],
        wanted: KeyGroupRange,
    ) -> Result<(VerifiedHeader, Vec<Section>)> {
        let name = self.shown(file);
        let verified = read_header(&name, start)?;
        let identity = &verified.header.identity;
        if identity.operator != self.operator || identity.table != self.table {
            let message = format!(
                "it belongs to table '{}' of operator {}, not to table '{}' of operator {}",
                identity.table, identity.operator, self.table, self.operator
            );
            return Err(corrupt(&name, message));
        }
        if verified.checksum != file.checksum || verified.file_bytes() != Some(file.bytes) {
            return Err(corrupt(&name, "it is not the file that the manifest means: another one has taken its name"));
        }
        if size != file.bytes {
            return Err(corrupt(&name, format!("it has {size} bytes where {} should be", file.bytes)));
        }
        let needed = |section: &&Section| intersection(section.key_groups, wanted).is_some();
        let sections = verified.header.sections.iter().filter(needed).cloned().collect();
        Ok((verified, sections))
    }

    fn shown(&self, file: &FileRef) -> String {
        format!("{}/{}", self.directory.url(), file.path)
    }
}

impl Fetched {
    fn decode(&self, contents: &mut Contents) -> Result<()> {
        for (section, bytes) in &self.sections {
            let to = match section.kind {
                SectionKind::Rows => &mut contents.rows,
                SectionKind::Deletes => &mut contents.deletes,
            };
            for batch in decode_section(&self.path, section, self.compression, bytes)? {
                // Sorted by key group.
                let groups = key_groups(&batch)?.values();
                let start = groups.partition_point(|group| *group < self.wanted.start);
                let end = groups.partition_point(|group| *group < self.wanted.end);
                if start < end {
                    to.push(batch.slice(start, end - start));
                }
            }
        }
        Ok(())
    }
}
