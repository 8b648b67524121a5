//! The table as the log says it: commits are applied one after the other.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use arrow::datatypes::Schema;
use dipper_types::{Error, ErrorKind, Result};
use percent_encoding::percent_decode_str;
use roaring::RoaringTreemap;

use super::action::{Add, Line, Metadata, Protocol, Remove, Txn};
use super::deletion_vector::{DeletionVector, Descriptor};
use super::log::{Log, timestamp_ms};
use super::{properties, schema, statistics};
use crate::data_file::DataFile;
use crate::snapshot::Snapshot;

/// Names a file in one of its states.
pub(crate) type FileId = (Arc<str>, Option<String>);

/// After so many commits, old tombstones are forgotten where nobody writes checkpoints.
const TOMBSTONES_SWEPT: u64 = 1024;

/// The deleted rows of files, by path.
pub(crate) type Vectors = HashMap<Arc<str>, Arc<RoaringTreemap>>;

/// What the table is at a version. Cheap to clone.
#[derive(Debug, Clone)]
pub(crate) struct View {
    pub(crate) snapshot: Arc<Snapshot>,
    pub(crate) protocol: Arc<Protocol>,
    pub(crate) metadata: Arc<Metadata>,
}

/// Everything that the log says up to a version.
#[derive(Debug, Clone)]
pub(crate) struct State {
    pub(crate) view: View,
    /// Files that have been taken out of the table, and may still be read by those who have an older snapshot.
    pub(crate) tombstones: HashMap<FileId, Arc<Remove>>,
}

impl State {
    /// The state after the first lines that are known: the first commit, or a checkpoint.
    pub(crate) fn begin(log: &Log, version: u64, modified_ms: i64, lines: Vec<Line>) -> Result<Self> {
        let protocol = lines.iter().find_map(|line| line.protocol.clone());
        let metadata = lines.iter().find_map(|line| line.meta_data.clone());
        let (Some(protocol), Some(metadata)) = (protocol, metadata) else {
            return Err(log.corrupt(format!("version {version} does not say what kind of table it is")));
        };
        let empty = Snapshot {
            directory: Arc::clone(&log.table),
            version,
            timestamp_ms: modified_ms,
            schema: Arc::new(Schema::empty()),
            primary_key: Arc::new([]),
            options: Arc::default(),
            files: Arc::default(),
            transactions: Arc::default(),
        };
        let (snapshot, protocol, metadata) = (Arc::new(empty), Arc::new(protocol), Arc::new(metadata));
        let mut state = Self { view: View { snapshot, protocol, metadata }, tombstones: HashMap::new() };
        state.apply(log, version, lines, &Vectors::new())?;
        Ok(state)
    }

    /// Takes up the commit of `version`. Of some of its deletion vectors the rows may be known already.
    pub(crate) fn apply(&mut self, log: &Log, version: u64, lines: Vec<Line>, vectors: &Vectors) -> Result<()> {
        let about = |error: Error| log.about(error.context(format!("version {version}")));
        let mut snapshot = self.view.snapshot.as_ref().clone();
        snapshot.version = version;
        snapshot.timestamp_ms = timestamp_ms(&lines).unwrap_or(snapshot.timestamp_ms);
        self.take_kind(&lines, &mut snapshot).map_err(about)?;
        let files = Arc::make_mut(&mut snapshot.files);
        let mut added = Vec::new();
        // The order of lines means nothing: a file that gets another deletion vector is removed and added.
        for line in lines {
            if let Some(Txn { app_id, version, .. }) = line.txn {
                Arc::make_mut(&mut snapshot.transactions).insert(app_id, version);
            }
            if let Some(remove) = line.remove {
                let path: Arc<str> = remove.path.as_str().into();
                let deletion = remove.deletion_vector.as_ref().map(Descriptor::id);
                if files.get(&path).is_some_and(|file| file.deletion_id() == deletion) {
                    files.remove(&path);
                }
                self.tombstones.insert((path, deletion), Arc::new(remove));
            }
            added.extend(line.add);
        }
        for add in added {
            let file = data_file(&add, &snapshot.schema, vectors).map_err(about)?;
            self.tombstones.remove(&(Arc::clone(&file.path), file.deletion_id()));
            files.insert(Arc::clone(&file.path), Arc::new(file));
        }
        if version.is_multiple_of(TOMBSTONES_SWEPT) {
            // Collectors have had their time; what they have missed they find as a leftover.
            let retention_ms = snapshot.options.file_retention_ms.saturating_mul(2);
            self.drop_tombstones_before(snapshot.timestamp_ms.saturating_sub(retention_ms));
        }
        self.view.snapshot = Arc::new(snapshot);
        Ok(())
    }

    /// Takes up protocol and metadata, if the lines have any.
    fn take_kind(&mut self, lines: &[Line], snapshot: &mut Snapshot) -> Result<()> {
        let mut changes = false;
        for line in lines {
            if let Some(protocol) = &line.protocol {
                self.view.protocol = Arc::new(protocol.clone());
                changes = true;
            }
            if let Some(metadata) = &line.meta_data {
                self.view.metadata = Arc::new(metadata.clone());
                changes = true;
            }
        }
        if changes {
            self.view.protocol.check_readable(&self.view.metadata)?;
            snapshot.schema = schema::decode(&self.view.metadata.schema_string)?;
            snapshot.options = Arc::new(properties::options(&self.view.metadata.configuration)?);
            let key = properties::primary_key(&self.view.metadata.configuration);
            if let Some(missing) = key.iter().find(|column| snapshot.schema.column_with_name(column).is_none()) {
                let message = format!("its primary key has the column '{missing}', which it does not have");
                return Err(Error::new(ErrorKind::Corrupt, message));
            }
            snapshot.primary_key = key.into();
        }
        Ok(())
    }

    /// Forgets files that were taken out before that.
    pub(crate) fn drop_tombstones_before(&mut self, cutoff_ms: i64) {
        self.tombstones.retain(|_, remove| remove.deletion_timestamp.unwrap_or(0) >= cutoff_ms);
    }

    /// The rows of a checkpoint.
    pub(crate) fn lines(&self) -> Vec<Line> {
        let snapshot = &self.view.snapshot;
        let mut lines = vec![
            Line { protocol: Some(self.view.protocol.as_ref().clone()), ..Line::default() },
            Line { meta_data: Some(self.view.metadata.as_ref().clone()), ..Line::default() },
        ];
        let txn =
            |(app_id, version): (&String, &i64)| Txn { app_id: app_id.clone(), version: *version, last_updated: None };
        lines.extend(snapshot.transactions.iter().map(|entry| Line { txn: Some(txn(entry)), ..Line::default() }));
        lines.extend(snapshot.files().map(|file| Line::add(add_of(file, &snapshot.schema, false))));
        let mut removed: Vec<_> = self.tombstones.iter().collect();
        removed.sort_unstable_by_key(|(id, _)| *id);
        lines.extend(
            removed
                .into_iter()
                .map(|(_, remove)| Line::remove(Remove { data_change: false, ..remove.as_ref().clone() })),
        );
        lines
    }
}

fn data_file(add: &Add, schema: &Schema, vectors: &Vectors) -> Result<DataFile> {
    let vector = |descriptor: &Descriptor| match vectors.get(add.path.as_str()) {
        Some(rows) => DeletionVector::with_rows(descriptor.clone(), Arc::clone(rows)),
        None => DeletionVector::new(descriptor.clone()),
    };
    let name = file_name(&add.path)?;
    let mut known = add.stats.as_deref().map(|stats| statistics::decode(stats, schema)).unwrap_or_default();
    known.tight &= add.deletion_vector.is_none();
    Ok(DataFile {
        path: add.path.as_str().into(),
        name,
        bytes: add.size.max(0).unsigned_abs(),
        modified_ms: add.modification_time,
        statistics: Arc::new(known),
        deleted: add.deletion_vector.as_ref().map(|descriptor| Arc::new(vector(descriptor))),
    })
}

/// The name, in the table's directory, of a path, which is written as in a URL.
pub(crate) fn file_name(path: &str) -> Result<String> {
    if path.starts_with('/') || path.split('/').next().is_some_and(|first| first.contains(':')) {
        return Err(Error::unsupported(format!("the file '{path}' has an absolute path"))
            .with_hint("such tables are made by copying another one without its files; copy the files as well"));
    }
    let name = percent_decode_str(path).decode_utf8();
    Ok(name.map_err(|_| Error::new(ErrorKind::Corrupt, format!("'{path}' names no file")))?.into_owned())
}

/// The action that adds a file in the state it is in.
pub(crate) fn add_of(file: &DataFile, schema: &Schema, data_change: bool) -> Add {
    Add {
        path: file.path.to_string(),
        partition_values: BTreeMap::new(),
        size: file.bytes as i64,
        modification_time: file.modified_ms,
        data_change,
        stats: Some(statistics::encode(&file.statistics, schema)),
        deletion_vector: file.deleted.as_ref().map(|deleted| deleted.descriptor().clone()),
    }
}

/// The action that removes a file in the state it is in.
pub(crate) fn remove_of(file: &DataFile, now_ms: i64, data_change: bool) -> Remove {
    Remove {
        path: file.path.to_string(),
        deletion_timestamp: Some(now_ms),
        data_change,
        extended_file_metadata: Some(true),
        partition_values: Some(BTreeMap::new()),
        size: Some(file.bytes as i64),
        deletion_vector: file.deleted.as_ref().map(|deleted| deleted.descriptor().clone()),
    }
}
