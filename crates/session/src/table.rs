//! The catalog as a shell shows and completes it.

use arrow::datatypes::DataType;

/// A table or view.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Table {
    /// Its name.
    pub name: String,
    /// Whether it is a view.
    pub is_view: bool,
    /// Its columns.
    pub columns: Vec<Column>,
    /// The comment.
    pub comment: Option<String>,
    /// The statement that makes it.
    pub ddl: String,
}

/// A column of a [`Table`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Column {
    /// Its name.
    pub name: String,
    /// Its type, as SQL calls it.
    pub data_type: String,
    /// Its type, as Arrow calls it.
    pub arrow_type: DataType,
    /// Whether NULL may occur.
    pub is_nullable: bool,
    /// Whether it is one of the primary key.
    pub is_key: bool,
    /// The comment.
    pub comment: Option<String>,
}
