//! A table as its `CREATE TABLE` defines it.

use std::collections::BTreeMap;
use std::sync::Arc;

use arrow::datatypes::{Schema, SchemaRef};
use dipper_graph::{ComputedColumn, TableSpec, WatermarkSpec};
use dipper_types::Span;

use super::sql_type_name;

/// Where an option stands in its `CREATE TABLE`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct OptionPlace {
    /// The key.
    pub key: Span,
    /// The value.
    pub value: Span,
}

/// A table.
#[derive(Debug, Clone)]
pub struct Table {
    /// What the connector is told: physical and metadata columns, and the options that are its own.
    pub spec: TableSpec,
    /// All columns in the order of the definition, computed ones among them.
    pub schema: SchemaRef,
    /// The computed columns, in an order in which each needs only those before it.
    pub computed: Vec<ComputedColumn>,
    /// The watermark.
    pub watermark: Option<WatermarkSpec>,
    /// The columns of the primary key.
    pub primary_key: Vec<String>,
    /// The metadata columns (indices into the columns of `spec`) that are not written.
    pub not_written: Vec<usize>,
    /// Whether Dipper keeps its rows, and says where when it has been created: it has no connector of its own.
    pub is_managed: bool,
    /// The comment.
    pub comment: Option<String>,
    /// The comments of columns, by their names.
    pub column_comments: BTreeMap<String, String>,
    /// Whether it goes on for ever; the session asks the connector and sets it before it registers the table.
    pub unbounded: bool,
    /// The statement's text.
    pub ddl: String,
    /// Where each option of `spec` stands in the statement, for errors that name it.
    pub option_places: BTreeMap<String, OptionPlace>,
}

/// One line of `DESCRIBE`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ColumnDescription {
    /// The column.
    pub name: String,
    /// Its SQL type.
    pub data_type: String,
    /// Whether NULL may occur.
    pub nullable: bool,
    /// `PRI(a, b)` for a column of the primary key.
    pub key: Option<String>,
    /// `AS expression`, `METADATA FROM 'key' [VIRTUAL]`.
    pub extras: Option<String>,
    /// The watermark's expression.
    pub watermark: Option<String>,
}

impl Table {
    /// The table's name.
    pub fn name(&self) -> &str {
        &self.spec.name
    }

    /// The table as a sink sees it: the columns that are written.
    pub fn written(&self) -> TableSpec {
        let kept: Vec<usize> =
            (0..self.spec.columns.fields().len()).filter(|i| !self.not_written.contains(i)).collect();
        let columns = kept.iter().map(|i| Arc::clone(&self.spec.columns.fields()[*i])).collect::<Vec<_>>();
        let place = |column: usize| kept.iter().position(|i| *i == column);
        let metadata =
            self.spec.metadata.iter().filter_map(|(i, key)| place(*i).map(|place| (place, key.clone()))).collect();
        TableSpec { columns: Arc::new(Schema::new(columns)), metadata, ..self.spec.clone() }
    }

    /// The lines of `DESCRIBE`.
    pub fn describe(&self) -> Vec<ColumnDescription> {
        let describe = |field: &arrow::datatypes::FieldRef| {
            let name = field.name();
            let watermark = self.watermark.as_ref().filter(|watermark| watermark.column == *name);
            ColumnDescription {
                name: name.clone(),
                data_type: sql_type_name(field.data_type()) + if watermark.is_some() { " *ROWTIME*" } else { "" },
                nullable: field.is_nullable(),
                key: self.primary_key.contains(name).then(|| format!("PRI({})", self.primary_key.join(", "))),
                extras: self.extras(name),
                watermark: watermark.map(|watermark| watermark.expr.to_string()),
            }
        };
        self.schema.fields().iter().map(describe).collect()
    }

    fn extras(&self, name: &str) -> Option<String> {
        if let Some(computed) = self.computed.iter().find(|computed| computed.name == name) {
            return Some(format!("AS {}", computed.expr));
        }
        let column = self.spec.columns.index_of(name).ok()?;
        let (_, key) = self.spec.metadata.iter().find(|(index, _)| *index == column)?;
        let is_virtual = if self.not_written.contains(&column) { " VIRTUAL" } else { "" };
        Some(format!("METADATA FROM '{key}'{is_virtual}"))
    }
}
