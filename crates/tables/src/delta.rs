//! Delta Lake: the table is what the numbered files of `_delta_log` say. `docs/design/tables.md` has what we write and what we refuse.

mod action;
mod checkpoint;
mod deletion_vector;
mod expire;
mod history;
mod log;
mod plan;
mod properties;
mod protocol;
mod schema;
mod state;
mod statistics;
mod table;
#[cfg(test)]
mod tests;

use std::sync::Arc;

use async_trait::async_trait;
use dipper_state::Directory;
use dipper_types::Result;

pub use deletion_vector::DeletionVector;

use crate::format::{Table, TableFormat};
use crate::spec::TableSpec;

/// Tables in the format of Delta Lake.
#[derive(Debug, Clone, Copy, Default)]
pub struct DeltaFormat;

#[async_trait]
impl TableFormat for DeltaFormat {
    async fn create(&self, directory: &Directory, spec: &TableSpec) -> Result<Arc<dyn Table>> {
        Ok(Arc::new(table::DeltaTable::create(directory, spec).await?))
    }

    async fn open(&self, directory: &Directory) -> Result<Arc<dyn Table>> {
        Ok(Arc::new(table::DeltaTable::open(directory).await?))
    }
}
