//! Where the row of a key is: an index in memory over the key columns of all files, built when the first change by key is committed and
//! kept up to date afterwards. Keys are held as bytes, once, file by file; the index itself has eight bytes a key. A key of one BIGINT takes
//! about 30 bytes in all, one of a text of 36 characters about 70.

use std::collections::HashSet;
use std::hash::BuildHasher;
use std::sync::Arc;

use arrow::array::ArrayRef;
use arrow::datatypes::{Schema, SchemaRef};
use arrow::record_batch::RecordBatch;
use arrow::row::{RowConverter, Rows, SortField};
use dipper_state::Directory;
use dipper_types::{Error, Result};
use futures::{FutureExt, TryStreamExt};
use hashbrown::{DefaultHashBuilder, HashMap, HashTable};
use roaring::RoaringTreemap;

use super::KeyChanges;
use crate::concurrent::concurrently;
use crate::data_file;
use crate::snapshot::Snapshot;

/// Makes bytes of keys. They are equal if and only if the keys are; they are not stored.
#[derive(Debug)]
pub(crate) struct KeyEncoder {
    converter: RowConverter,
    schema: SchemaRef,
    /// The places of the key columns in the table.
    columns: Vec<usize>,
}

impl KeyEncoder {
    pub(crate) fn new(schema: &SchemaRef, primary_key: &[String]) -> Result<Self> {
        let columns = primary_key.iter().map(|column| schema.index_of(column)).collect::<Result<Vec<_>, _>>()?;
        let schema: SchemaRef = Arc::new(Schema::new(schema.project(&columns)?.fields));
        let fields = schema.fields().iter().map(|field| SortField::new(field.data_type().clone()));
        Ok(Self { converter: RowConverter::new(fields.collect())?, schema, columns })
    }

    /// The key columns.
    pub(crate) fn schema(&self) -> &SchemaRef {
        &self.schema
    }

    /// Of key columns.
    pub(crate) fn encode(&self, columns: &[ArrayRef]) -> Result<Rows> {
        Ok(self.converter.convert_columns(columns)?)
    }

    /// Of rows of the table.
    pub(crate) fn encode_rows(&self, batch: &RecordBatch) -> Result<Rows> {
        self.encode(batch.project(&self.columns)?.columns())
    }

    /// Of the rows of a file that are not deleted.
    async fn read(
        &self,
        directory: &Directory,
        name: &str,
        bytes: u64,
        deleted: Option<&RoaringTreemap>,
    ) -> Result<Rows> {
        let mut batches = data_file::read(directory, name, bytes, &self.schema, deleted).await?;
        let mut rows = self.converter.empty_rows(0, 0);
        while let Some(batch) = batches.try_next().await? {
            self.converter.append(&mut rows, batch.columns())?;
        }
        if u32::try_from(rows.num_rows()).is_err() {
            return Err(Error::unsupported(format!("file '{name}' has more than {} rows", u32::MAX)));
        }
        Ok(rows)
    }

    /// Of changes, in their order.
    pub(crate) async fn read_changes(&self, directory: &Directory, changes: &[KeyChanges]) -> Result<Vec<Step>> {
        let rows = |changes: &KeyChanges| changes.rows.iter().map(|file| (file.clone(), true)).collect::<Vec<_>>();
        let deletes = |changes: &KeyChanges| changes.deletes.iter().map(|file| (file.clone(), false)).collect();
        let files = changes.iter().flat_map(|changes| [rows(changes), deletes(changes)].concat());
        let read = files.map(|(file, adds)| {
            async move {
                let keys = Arc::new(self.read(directory, &file.name, file.bytes, None).await?);
                Ok(Step { path: adds.then(|| file.name.as_str().into()), keys })
            }
            .boxed()
        });
        concurrently(read.collect()).await
    }
}

/// Keys whose rows are to go, and the new file that has other rows for them, if there are any.
#[derive(Debug)]
pub(crate) struct Step {
    path: Option<Arc<str>>,
    keys: Arc<Rows>,
}

/// The keys of a file.
#[derive(Debug)]
struct FileKeys {
    path: Arc<str>,
    /// Tells which of its rows were deleted when they were read.
    deletion: Option<String>,
    keys: Arc<Rows>,
    /// The numbers of their rows; the places of the keys if no row was deleted.
    numbers: Option<Vec<u32>>,
}

impl FileKeys {
    fn number(&self, place: u32) -> u64 {
        u64::from(self.numbers.as_ref().map_or(place, |numbers| numbers[place as usize]))
    }
}

/// A key: which file has it, and which of the file's keys it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
struct Place {
    file: u32,
    key: u32,
}

/// See the head of this file.
#[derive(Debug, Default)]
pub(crate) struct KeyIndex {
    /// The columns that the keys are of.
    schema: Option<SchemaRef>,
    hasher: DefaultHashBuilder,
    places: HashTable<Place>,
    /// Places that are free again have no keys.
    files: Vec<Option<FileKeys>>,
    by_path: HashMap<Arc<str>, u32>,
}

/// The rows that changes replace, found but not yet taken out.
#[derive(Debug, Default)]
pub(crate) struct Replaced {
    /// Row numbers in files of the snapshot, by path.
    pub(crate) old: HashMap<Arc<str>, RoaringTreemap>,
    /// Row numbers in new files: a later change to the same key is among the changes.
    pub(crate) new: HashMap<Arc<str>, RoaringTreemap>,
    gone: HashSet<Place>,
    /// The keys of the new files.
    added: KeyIndex,
}

impl KeyIndex {
    /// Takes up what has been committed since the last call.
    pub(crate) async fn catch_up(&mut self, encoder: &KeyEncoder, snapshot: &Snapshot) -> Result<()> {
        if self.schema.as_ref() != Some(encoder.schema()) {
            *self = Self { schema: Some(Arc::clone(encoder.schema())), ..Self::default() };
        }
        let stale = |(path, file): (&Arc<str>, &u32)| {
            let known = self.files[*file as usize].as_ref().map(|file| &file.deletion);
            let current = snapshot.file(path).map(|file| file.deletion_id());
            (known != current.as_ref()).then(|| Arc::clone(path))
        };
        let stale: Vec<Arc<str>> = self.by_path.iter().filter_map(stale).collect();
        for path in &stale {
            self.remove_file(path);
        }
        let missing = snapshot.files().filter(|file| !self.by_path.contains_key(file.path()));
        let read = missing.map(|file| {
            async move {
                let deleted = match file.deletion_vector() {
                    Some(deleted) => Some(deleted.rows(snapshot.directory()).await?),
                    None => None,
                };
                let keys = encoder.read(snapshot.directory(), file.name(), file.bytes(), deleted.as_deref()).await?;
                let numbers = deleted.map(|deleted| kept(&deleted, keys.num_rows()));
                let (path, keys) = (Arc::clone(file.path()), Arc::new(keys));
                Ok(FileKeys { path, deletion: file.deletion_id(), keys, numbers })
            }
            .boxed()
        });
        for file in concurrently(read.collect()).await? {
            self.add_file(file);
        }
        Ok(())
    }

    /// Finds the rows that changes replace.
    pub(crate) fn replaced(&self, steps: &[Step]) -> Replaced {
        let mut found =
            Replaced { added: Self { hasher: self.hasher.clone(), ..Self::default() }, ..Replaced::default() };
        for step in steps {
            for key in step.keys.iter() {
                self.find(key.data(), |place, file| {
                    if found.gone.insert(place) {
                        found.old.entry(Arc::clone(&file.path)).or_default().insert(file.number(place.key));
                    }
                });
                let mut earlier = Vec::new();
                found.added.find(key.data(), |place, file| earlier.push((place, Arc::clone(&file.path))));
                for (place, path) in earlier {
                    found.added.remove(place);
                    found.new.entry(path).or_default().insert(u64::from(place.key));
                }
            }
            if let Some(path) = &step.path {
                let (path, keys) = (Arc::clone(path), Arc::clone(&step.keys));
                found.added.add_file(FileKeys { path, deletion: None, keys, numbers: None });
            }
        }
        found
    }

    /// The changes whose replaced rows were found have been committed, as the first ones after the version that the index stands at; the
    /// answer is the index of `snapshot`, which has them.
    pub(crate) fn commit(&mut self, replaced: Replaced, snapshot: &Snapshot) {
        replaced.gone.into_iter().for_each(|place| self.remove(place));
        let Replaced { old, new, mut added, .. } = replaced;
        for file in added.files.drain(..).flatten() {
            let (path, dead) = (Arc::clone(&file.path), new.get(&file.path));
            let slot = self.add_file(file);
            dead.into_iter().flatten().for_each(|key| self.remove(Place { file: slot, key: key as u32 }));
            self.settle(&path, snapshot);
        }
        old.keys().for_each(|path| self.settle(path, snapshot));
    }

    /// Takes over which rows of a file are deleted; its keys are up to date.
    fn settle(&mut self, path: &Arc<str>, snapshot: &Snapshot) {
        match (snapshot.file(path), self.by_path.get(path)) {
            (Some(current), Some(file)) => {
                if let Some(file) = &mut self.files[*file as usize] {
                    file.deletion = current.deletion_id();
                }
            }
            _ => self.remove_file(path),
        }
    }

    fn find(&self, key: &[u8], mut found: impl FnMut(Place, &FileKeys)) {
        for place in self.places.iter_hash(self.hasher.hash_one(key)) {
            if let Some(file) = &self.files[place.file as usize]
                && file.keys.row(place.key as usize).data() == key
            {
                found(*place, file);
            }
        }
    }

    fn add_file(&mut self, file: FileKeys) -> u32 {
        let slot = self.files.iter().position(Option::is_none).unwrap_or(self.files.len());
        if slot == self.files.len() {
            self.files.push(None);
        }
        self.by_path.insert(Arc::clone(&file.path), slot as u32);
        let keys = file.keys.num_rows() as u32;
        self.files[slot] = Some(file);
        let (files, hasher) = (&self.files, &self.hasher);
        let hash = |place: &Place| hash_of(files, hasher, *place);
        self.places.reserve(keys as usize, hash);
        for key in 0..keys {
            let place = Place { file: slot as u32, key };
            self.places.insert_unique(hash(&place), place, hash);
        }
        slot as u32
    }

    fn remove_file(&mut self, path: &Arc<str>) {
        let Some(slot) = self.by_path.remove(path) else { return };
        let keys = self.files[slot as usize].as_ref().map_or(0, |file| file.keys.num_rows() as u32);
        (0..keys).for_each(|key| self.remove(Place { file: slot, key }));
        self.files[slot as usize] = None;
    }

    fn remove(&mut self, place: Place) {
        let hash = hash_of(&self.files, &self.hasher, place);
        if let Ok(entry) = self.places.find_entry(hash, |other| *other == place) {
            entry.remove();
        }
    }
}

fn hash_of(files: &[Option<FileKeys>], hasher: &DefaultHashBuilder, place: Place) -> u64 {
    files[place.file as usize].as_ref().map_or(0, |file| hasher.hash_one(file.keys.row(place.key as usize).data()))
}

/// The first `count` row numbers that are not deleted.
fn kept(deleted: &RoaringTreemap, count: usize) -> Vec<u32> {
    let mut deleted = deleted.iter().peekable();
    let kept = (0..=u32::MAX).filter(|row| deleted.next_if_eq(&u64::from(*row)).is_none());
    kept.take(count).collect()
}
