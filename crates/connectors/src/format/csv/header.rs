//! Where the table's columns stand in the records of a file.

use arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use dipper_types::Result;

use crate::format::bad_records::BadRecords;

/// The number of fields of a file's records, and where among them the table's physical columns are.
#[derive(Debug, Clone)]
pub(super) struct Layout {
    pub(super) fields: usize,
    pub(super) places: Vec<usize>,
}

impl Layout {
    /// Without a header the fields are the columns.
    pub(super) fn without_header(physical: &SchemaRef) -> Self {
        Self { fields: physical.fields().len(), places: (0..physical.fields().len()).collect() }
    }

    /// Finds the columns by their names, in any order and case.
    pub(super) fn of_header(names: &[String], physical: &SchemaRef, bad: &BadRecords) -> Result<Self> {
        let header: Vec<String> = names.iter().map(|name| name.trim().to_lowercase()).collect();
        let mut places = Vec::with_capacity(physical.fields().len());
        for field in physical.fields() {
            let name = field.name().to_lowercase();
            let mut found = (0..header.len()).filter(|place| header[*place] == name);
            let place = found.next().ok_or_else(|| {
                let names: Vec<&str> = names.iter().map(|name| name.trim()).collect();
                bad.file_error(format!("no column '{}' in the header: {}", field.name(), names.join(", ")))
                    .with_hint("if the file has no header line, set 'csv.header' = 'false'")
            })?;
            if found.next().is_some() {
                return Err(bad.file_error(format!("the header names column '{}' twice", field.name())));
            }
            places.push(place);
        }
        Ok(Self { fields: header.len(), places })
    }

    /// The fields of a record for arrow-csv: each place with the type to read there, text where nothing is.
    pub(super) fn schema(&self, reads: impl Iterator<Item = (usize, DataType)>) -> SchemaRef {
        let mut types = vec![DataType::Utf8; self.fields];
        for (place, data_type) in reads {
            types[place] = data_type;
        }
        let field = |(place, data_type)| Field::new(format!("field {place}"), data_type, true);
        Schema::new(types.into_iter().enumerate().map(field).collect::<Vec<_>>()).into()
    }
}
