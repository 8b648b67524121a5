//! From rows as they are declared to those of the table: columns are matched by name.

use std::sync::Arc;

use arrow::array::new_null_array;
use arrow::datatypes::{FieldRef, Schema, SchemaRef};
use arrow::record_batch::RecordBatch;
use dipper_tables::Snapshot;
use dipper_types::{Error, Result};

use super::DeltaTable;

/// How rows become those of a table. What the table has and the rows have not is NULL: a column may have been added since it was declared.
pub(super) struct TableRows {
    /// In the order of the table, with the types of the rows.
    schema: SchemaRef,
    /// For each column of the table its place in the rows.
    places: Vec<Option<usize>>,
}

impl TableRows {
    /// For rows with the columns that are declared.
    pub(super) fn new(declared: &DeltaTable, snapshot: &Snapshot) -> Result<Self> {
        let found = declared.places(snapshot)?;
        let columns = snapshot.schema().fields().iter().enumerate().map(|(index, stored)| {
            let place = found.iter().position(|place| *place == index);
            match place {
                Some(place) => Ok((Arc::clone(&declared.columns().fields()[place]), Some(place))),
                None if stored.is_nullable() => Ok((Arc::clone(stored), None)),
                None => {
                    let error = Error::invalid(format!("column '{}' is NOT NULL and gets no value", stored.name()));
                    Err(declared.about(error.with_hint("declare it with the others")))
                }
            }
        });
        let (fields, places): (Vec<FieldRef>, _) = columns.collect::<Result<Vec<_>>>()?.into_iter().unzip();
        Ok(Self { schema: Arc::new(Schema::new(fields)), places })
    }

    pub(super) fn of(&self, rows: &RecordBatch) -> Result<RecordBatch> {
        let columns = self.schema.fields().iter().zip(&self.places).map(|(field, place)| match place {
            Some(place) => Arc::clone(rows.column(*place)),
            None => new_null_array(field.data_type(), rows.num_rows()),
        });
        Ok(RecordBatch::try_new(Arc::clone(&self.schema), columns.collect())?)
    }
}
