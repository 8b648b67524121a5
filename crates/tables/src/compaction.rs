//! Small files, and files with many deleted rows, are written anew as larger ones: same rows, same table.

use std::sync::Arc;

use dipper_types::Result;
use futures::{FutureExt, TryStreamExt};

use crate::changes::{Changes, Rewrite};
use crate::concurrent::concurrently;
use crate::data_file::{DataFile, DataFileWriter};
use crate::format::{Committed, Table};
use crate::snapshot::Snapshot;

/// A file is written anew when this part of its rows is deleted: one in so many.
const DELETED_PART: u64 = 5;

/// Fewer small files than that are left alone.
const FILES_MIN: usize = 4;

/// Files up to this size are always taken together, however small the others are.
const TINY_BYTES: u64 = 1 << 20;

/// How many files are taken in one go, at most. Nothing is lost if a commit gets in the way but the work of one go.
const TARGETS_MAX: u64 = 4;

/// What a compaction has done.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Compacted {
    /// Files that have been read and are no longer part of the table.
    pub files_before: usize,
    /// Files that are in their place.
    pub files_after: usize,
    /// What has become of it: nothing if another commit has taken one of the files out of the table meanwhile.
    pub committed: Committed,
}

/// Rewrites some files of a table if that is worth it; none if it is not. Writers and readers go on beside it: rows that are deleted
/// meanwhile are deleted in the new files as well. Call it again until there is nothing to do, or now and then.
pub async fn compact(table: &dyn Table) -> Result<Option<Compacted>> {
    let snapshot = table.snapshot().await?;
    let files = choose(&snapshot);
    if files.is_empty() {
        return Ok(None);
    }
    let all: Vec<usize> = (0..snapshot.schema().fields().len()).collect();
    let target = snapshot.options().target_file_bytes;
    let mut writer = DataFileWriter::new(table.directory().clone(), Arc::clone(snapshot.schema()), target);
    let mut from = Vec::with_capacity(files.len());
    for file in files {
        let mut batches = snapshot.read(&file, &all).await?;
        while let Some(batch) = batches.try_next().await? {
            writer.write(&batch).await?;
        }
        let left_out = match file.deletion_vector() {
            Some(deleted) => deleted.rows(table.directory()).await?,
            None => Arc::default(),
        };
        from.push((file, left_out));
    }
    let to = writer.finish().await?;
    let (files_before, files_after) = (from.len(), to.len());
    let names: Vec<String> = to.iter().map(|file| file.name.clone()).collect();
    let committed = table.commit(&Changes::rewrite(Rewrite { from, to })).await?;
    if matches!(committed, Committed::Conflict(_)) {
        concurrently(names.iter().map(|name| table.directory().delete(name).boxed()).collect()).await?;
    }
    Ok(Some(Compacted { files_before, files_after, committed }))
}

/// The files to rewrite, in the order of their rows. Files with many deleted rows, and small files, smallest first, as long as the next one
/// is not much larger than those before it together: so a row is written a number of times that grows with the logarithm of the table.
fn choose(snapshot: &Snapshot) -> Vec<Arc<DataFile>> {
    let target = snapshot.options().target_file_bytes;
    // A file of unknown rows could not be told from the result.
    let files = snapshot.files().filter(|file| file.rows().is_some()).map(|file| (live_bytes(file), file));
    let (worn, others): (Vec<_>, Vec<_>) = files.partition(|(_, file)| {
        file.deleted_rows() > 0 && file.deleted_rows() >= file.rows().unwrap_or(0) / DELETED_PART
    });
    let mut small: Vec<_> = others.into_iter().filter(|(bytes, _)| *bytes < target / 2).collect();
    small.sort_by_key(|(bytes, file)| (*bytes, Arc::clone(file.path())));
    let mut sum = worn.iter().map(|(bytes, _)| bytes).sum::<u64>();
    let mut chosen: Vec<_> = worn;
    let worn = chosen.len();
    for (bytes, file) in small {
        if bytes > TINY_BYTES.min(target / 8) && bytes > 4 * sum {
            break;
        }
        sum += bytes;
        chosen.push((bytes, file));
    }
    if worn == 0 && chosen.len() < FILES_MIN {
        return Vec::new();
    }
    let mut taken = 0;
    let until_enough = chosen.into_iter().take_while(|(bytes, _)| {
        let enough = taken >= TARGETS_MAX * target;
        taken += bytes;
        !enough
    });
    let mut files: Vec<Arc<DataFile>> = until_enough.map(|(_, file)| Arc::clone(file)).collect();
    // Rows that were written one after the other stay together.
    files.sort_by(|a, b| (a.modified_ms(), a.path()).cmp(&(b.modified_ms(), b.path())));
    files
}

/// About how large a file is without its deleted rows.
fn live_bytes(file: &DataFile) -> u64 {
    let (rows, live) = (file.rows().unwrap_or(0).max(1), file.live_rows().unwrap_or(0));
    (u128::from(file.bytes()) * u128::from(live) / u128::from(rows)) as u64
}
