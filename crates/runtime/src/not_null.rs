//! NOT NULL columns of a table that is written: a NULL for one of them is an error, whatever the connector would make of it.

use arrow::array::Array;
use arrow::record_batch::RecordBatch;
use dipper_graph::TableSpec;
use dipper_types::{Error, Result};

/// The columns of one table that take no NULL.
#[derive(Debug, Clone)]
pub struct NotNull {
    table: String,
    /// Place and name.
    columns: Vec<(usize, String)>,
}

impl NotNull {
    /// Of a table as it is written: rows have its columns in its order.
    pub fn of(table: &TableSpec) -> Self {
        let fields = table.columns.fields().iter().enumerate().filter(|(_, field)| !field.is_nullable());
        let columns = fields.map(|(place, field)| (place, field.name().clone())).collect();
        Self { table: table.name.clone(), columns }
    }

    /// Fails at the first NULL where none may be.
    pub fn check(&self, rows: &RecordBatch) -> Result<()> {
        for (place, name) in &self.columns {
            if rows.columns().get(*place).is_some_and(|column| column.logical_null_count() > 0) {
                let message =
                    format!("table '{}': NULL was to be written to column '{name}', which is NOT NULL", self.table);
                let hint =
                    format!("leave such rows out with WHERE … IS NOT NULL, or give '{name}' a value by COALESCE");
                return Err(Error::invalid(message).with_hint(hint));
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test")]

    use std::collections::BTreeMap;
    use std::sync::Arc;

    use arrow::array::Int64Array;
    use arrow::datatypes::{DataType, Field, Schema};

    use super::*;

    #[test]
    fn null_in_a_column_that_is_not_null_names_the_table_and_the_column() {
        let columns =
            Schema::new(vec![Field::new("a", DataType::Int64, true), Field::new("b", DataType::Int64, false)]);
        let (name, columns) = ("o".to_owned(), Arc::new(columns));
        let not_null = NotNull::of(&TableSpec { name, columns, metadata: Vec::new(), options: BTreeMap::new() });
        // The planner's columns may be nullable and have other names.
        let rows = |a: Option<i64>, b: Option<i64>| {
            let column = |value| Arc::new(Int64Array::from(vec![Some(1), value])) as arrow::array::ArrayRef;
            RecordBatch::try_from_iter_with_nullable([("x", column(a), true), ("y", column(b), true)]).unwrap()
        };
        not_null.check(&rows(None, Some(2))).unwrap();
        let error = not_null.check(&rows(Some(1), None)).unwrap_err();
        assert_eq!(error.to_string(), "table 'o': NULL was to be written to column 'b', which is NOT NULL");
    }
}
