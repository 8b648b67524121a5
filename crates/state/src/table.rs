//! Tables of keyed state as an operator sees them: columns, a key, and a key group for each row.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, UInt16Array};
use arrow::datatypes::{DataType, Field, Schema, SchemaRef, UInt16Type};
use arrow::record_batch::RecordBatch;
use dipper_types::{Error, Result};

/// What the column of key groups is called in files.
const KEY_GROUP: &str = "key_group";

/// What a table is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TableSpec {
    /// Its name, unique within the operator.
    pub name: String,
    /// The columns, key first. Dictionaries are allowed, and stored whole with each section of a file.
    pub schema: SchemaRef,
    /// How many leading columns form the key.
    pub key_columns: usize,
}

impl TableSpec {
    /// A table whose first `key_columns` columns are the key. Without any, a key group has one row.
    pub fn new(name: impl Into<String>, schema: SchemaRef, key_columns: usize) -> Self {
        Self { name: name.into(), schema, key_columns }
    }

    /// The columns of the key alone, which is what a delete names.
    pub fn key_schema(&self) -> SchemaRef {
        Arc::new(Schema::new(self.schema.fields()[..self.key_columns.min(self.schema.fields().len())].to_vec()))
    }
}

/// Rows, or keys, and the key group of each. Cheap to clone.
#[derive(Debug, Clone, PartialEq)]
pub struct StateRows {
    /// The key group of each row.
    pub key_groups: UInt16Array,
    /// The rows.
    pub rows: RecordBatch,
}

impl StateRows {
    /// The rows as they stand in a file: the key group in front.
    pub(crate) fn to_stored(&self) -> Result<RecordBatch> {
        if self.key_groups.len() != self.rows.num_rows() || self.key_groups.null_count() > 0 {
            return Err(Error::internal(format!(
                "{} key groups for {} rows of state",
                self.key_groups.len() - self.key_groups.null_count(),
                self.rows.num_rows()
            )));
        }
        let groups: ArrayRef = Arc::new(self.key_groups.clone());
        let columns = std::iter::once(groups).chain(self.rows.columns().iter().map(ArrayRef::clone)).collect();
        Ok(RecordBatch::try_new(stored_schema(self.rows.schema_ref()), columns)?)
    }

    /// The rows of a file.
    pub(crate) fn of_stored(stored: &RecordBatch, schema: &SchemaRef) -> Result<Self> {
        let columns: Vec<ArrayRef> = stored.columns().iter().skip(1).map(ArrayRef::clone).collect();
        let options = arrow::record_batch::RecordBatchOptions::new().with_row_count(Some(stored.num_rows()));
        let rows = RecordBatch::try_new_with_options(SchemaRef::clone(schema), columns, &options)?;
        Ok(Self { key_groups: key_groups(stored)?.clone(), rows })
    }
}

/// The key groups of stored rows.
pub(crate) fn key_groups(stored: &RecordBatch) -> Result<&UInt16Array> {
    let column = stored.columns().first().filter(|column| column.null_count() == 0);
    let groups = column.and_then(|column| column.as_primitive_opt::<UInt16Type>());
    groups.ok_or_else(|| Error::internal("stored rows have no key groups"))
}

/// The columns of a file: the key group, then those of the table.
pub(crate) fn stored_schema(schema: &Schema) -> SchemaRef {
    let group = Arc::new(Field::new(KEY_GROUP, DataType::UInt16, false));
    let fields: Vec<_> = std::iter::once(group).chain(schema.fields().iter().map(Arc::clone)).collect();
    Arc::new(Schema::new_with_metadata(fields, schema.metadata().clone()))
}
