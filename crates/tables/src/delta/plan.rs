//! From changes to the lines of a commit, for the version that it comes after. Here is decided what conflicts.

use std::sync::Arc;

use arrow::datatypes::Schema;
use bytes::Bytes;
use dipper_types::{Error, Result};
use roaring::RoaringTreemap;
use uuid::Uuid;

use super::action::{CommitInfo, Line, Metadata, Protocol, Txn};
use super::deletion_vector::{DeletionVector, VectorWriter};
use super::state::{Vectors, View, add_of, remove_of};
use super::{properties, schema};
use crate::changes::{Changes, Kind, Rewrite};
use crate::data_file::{DataFile, NewFile};
use crate::spec::check_names;
use crate::upsert::Replaced;

/// What a commit is to write.
pub(crate) struct Plan {
    pub(crate) lines: Vec<Line>,
    /// A file of deletion vectors, to be stored first.
    pub(crate) vector_file: Option<(String, Bytes)>,
    /// The rows of the vectors among the lines.
    pub(crate) vectors: Vectors,
}

/// Plans `changes` upon `view`; `replaced` are the rows that an upsert replaces. A text says what the conflict is.
pub(crate) async fn plan(
    view: &View,
    changes: &Changes,
    replaced: Option<&Replaced>,
    now_ms: i64,
) -> Result<Result<Plan, String>> {
    view.protocol.check_writable(&view.metadata)?;
    let mut edit = Edit::new(view, now_ms, !matches!(changes.kind, Kind::Rewrite(_)));
    let has_key = !view.snapshot.primary_key.is_empty();
    match &changes.kind {
        Kind::Append(_) if has_key => {
            return Err(
                Error::invalid("rows cannot be appended to a table with a primary key").with_hint("upsert them")
            );
        }
        Kind::Append(files) => files.iter().try_for_each(|file| edit.add(file, None))?,
        Kind::Overwrite(files) => {
            view.snapshot.files().for_each(|file| edit.remove(file));
            files.iter().try_for_each(|file| edit.add(file, None))?;
        }
        Kind::Upsert(_) if !has_key => {
            return Err(Error::invalid("the table has no primary key").with_hint("append the rows"));
        }
        Kind::Upsert(_) => {
            let replaced = replaced.ok_or_else(|| Error::internal("rows to replace have not been looked for"))?;
            for (path, rows) in &replaced.old {
                let file = view.snapshot.file(path).ok_or_else(|| Error::internal("the index names no file"))?;
                edit.delete(file, rows).await?;
            }
            for file in changes.kind.new_files() {
                edit.add(file, replaced.new.get(file.name.as_str()))?;
            }
        }
        Kind::DeleteRows(rows) => {
            for (path, rows) in rows {
                let Some(file) = view.snapshot.file(path) else {
                    return Ok(Err(format!("the file '{path}' is no longer part of the table")));
                };
                edit.delete(file, rows).await?;
            }
        }
        Kind::AddColumns(columns) => {
            let fields = view.snapshot.schema.fields().iter().chain(columns).map(Arc::clone);
            edit.set_schema(&Schema::new(fields.collect::<Vec<_>>()))?;
        }
        Kind::Rewrite(rewrite) => {
            if let Err(conflict) = edit.rewrite(rewrite).await? {
                return Ok(Err(conflict));
            }
        }
    }
    Ok(Ok(edit.finish(changes)))
}

/// The lines of a commit that is being put together.
struct Edit<'a> {
    view: &'a View,
    now_ms: i64,
    data_change: bool,
    protocol: Protocol,
    metadata: Metadata,
    files: Vec<Line>,
    vector_file: VectorWriter,
    vectors: Vectors,
}

impl<'a> Edit<'a> {
    fn new(view: &'a View, now_ms: i64, data_change: bool) -> Self {
        Self {
            view,
            now_ms,
            data_change,
            protocol: view.protocol.as_ref().clone(),
            metadata: view.metadata.as_ref().clone(),
            files: Vec::new(),
            vector_file: VectorWriter::new(),
            vectors: Vectors::new(),
        }
    }

    /// Adds a file, of which some rows may be deleted already.
    fn add(&mut self, file: &NewFile, deleted: Option<&RoaringTreemap>) -> Result<()> {
        let file = DataFile {
            path: file.name.as_str().into(),
            name: file.name.clone(),
            bytes: file.bytes,
            modified_ms: file.modified_ms,
            statistics: Arc::new(file.statistics.clone()),
            deleted: None,
        };
        self.put(&file, deleted.cloned().unwrap_or_default())
    }

    fn remove(&mut self, file: &DataFile) {
        self.files.push(Line::remove(remove_of(file, self.now_ms, self.data_change)));
    }

    /// Deletes rows of a file, if they are not deleted yet.
    async fn delete(&mut self, file: &DataFile, rows: &RoaringTreemap) -> Result<()> {
        let known = self.deleted_rows(file).await?;
        if !rows.is_subset(&known) {
            self.remove(file);
            self.put(file, known.as_ref() | rows)?;
        }
        Ok(())
    }

    async fn deleted_rows(&self, file: &DataFile) -> Result<Arc<RoaringTreemap>> {
        match &file.deleted {
            Some(deleted) => deleted.rows(&self.view.snapshot.directory).await,
            None => Ok(Arc::default()),
        }
    }

    /// Lists a file with these rows deleted; a file without any other row is not listed.
    fn put(&mut self, file: &DataFile, deleted: RoaringTreemap) -> Result<()> {
        let about = |error: Error| error.context(format!("file '{}'", file.name));
        let mut known = file.statistics.as_ref().clone();
        let mut vector = None;
        if !deleted.is_empty() {
            let rows = known.rows.ok_or_else(|| {
                about(Error::unsupported("rows cannot be deleted: another engine has not said how many there are"))
            })?;
            if deleted.max().is_some_and(|last| last >= rows) {
                return Err(about(Error::internal("a row to delete does not exist")));
            }
            if deleted.len() == rows {
                return Ok(());
            }
            self.metadata.configuration.insert(properties::DELETION_VECTORS.to_owned(), "true".to_owned());
            self.protocol = self.protocol.raised(&self.view.snapshot.schema, true);
            known.tight = false;
            vector = Some(Arc::new(DeletionVector::new(self.vector_file.write(&deleted)?)));
            self.vectors.insert(Arc::clone(&file.path), Arc::new(deleted));
        }
        let file = DataFile { statistics: Arc::new(known), deleted: vector, ..file.clone() };
        self.files.push(Line::add(add_of(&file, &self.view.snapshot.schema, self.data_change)));
        Ok(())
    }

    fn set_schema(&mut self, schema: &Schema) -> Result<()> {
        check_names(schema.fields().iter().map(|field| field.name().as_str()))?;
        self.metadata.schema_string = schema::encode(schema)?;
        self.protocol = self.protocol.raised(schema, false);
        Ok(())
    }

    /// Rows that were deleted since the files were read are deleted in the new files: rows follow each other there as they did before.
    async fn rewrite(&mut self, rewrite: &Rewrite) -> Result<Result<(), String>> {
        // How many rows came before, in all files.
        let mut before = 0;
        let mut deleted = RoaringTreemap::new();
        for (file, left_out) in &rewrite.from {
            let Some(current) = self.view.snapshot.file(&file.path) else {
                return Ok(Err(format!("the file '{}' is no longer part of the table", file.name)));
            };
            let now = self.deleted_rows(current).await?;
            if !left_out.is_subset(&now) {
                return Ok(Err(format!("rows of the file '{}' have come back", file.name)));
            }
            let since = now.as_ref() - left_out.as_ref();
            deleted.extend(since.iter().map(|row| before + row - left_out.rank(row)));
            before += file.rows().unwrap_or(0).saturating_sub(left_out.len());
            self.remove(current);
        }
        if before != rewrite.to.iter().map(|file| file.rows).sum::<u64>() {
            return Err(Error::internal("files were rewritten into another number of rows"));
        }
        let mut start = 0;
        for file in &rewrite.to {
            let end = start + file.rows;
            let here: RoaringTreemap =
                deleted.iter().filter(|row| (start..end).contains(row)).map(|row| row - start).collect();
            self.add(file, Some(&here))?;
            start = end;
        }
        Ok(Ok(()))
    }

    fn finish(self, changes: &Changes) -> Plan {
        // A time names one version.
        let timestamp_ms = self.now_ms.max(self.view.snapshot.timestamp_ms.saturating_add(1));
        let info = CommitInfo {
            timestamp: Some(timestamp_ms),
            operation: Some(changes.kind.operation().to_owned()),
            operation_parameters: Some(serde_json::Map::new()),
            engine_info: Some(engine()),
            is_blind_append: Some(matches!(changes.kind, Kind::Append(_))),
            txn_id: Some(Uuid::new_v4().to_string()),
        };
        let mut lines = vec![Line { commit_info: Some(info), ..Line::default() }];
        if self.protocol != *self.view.protocol {
            lines.push(Line { protocol: Some(self.protocol), ..Line::default() });
        }
        if self.metadata != *self.view.metadata {
            lines.push(Line { meta_data: Some(self.metadata), ..Line::default() });
        }
        if let Some((app_id, version)) = changes.transaction.clone() {
            let txn = Txn { app_id, version, last_updated: Some(timestamp_ms) };
            lines.push(Line { txn: Some(txn), ..Line::default() });
        }
        lines.extend(self.files);
        Plan { lines, vector_file: self.vector_file.finish(), vectors: self.vectors }
    }
}

/// Who we are, for those who read the log.
pub(crate) fn engine() -> String {
    concat!("Dipper/", env!("CARGO_PKG_VERSION")).to_owned()
}
