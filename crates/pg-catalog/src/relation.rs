//! What a snapshot of the system is made of: the relations of the users, and who asks.

use std::collections::BTreeMap;

use arrow::datatypes::DataType;

/// A table or view of the users.
#[derive(Debug, Clone)]
pub struct Relation {
    /// The schema it is in, as in `public`.
    pub schema: String,
    /// Its name, as it is stored.
    pub name: String,
    /// A view; otherwise a table.
    pub is_view: bool,
    /// Its columns, in order.
    pub columns: Vec<Column>,
    /// What its owner says about it.
    pub comment: Option<String>,
    /// The query of a view.
    pub definition: Option<String>,
    /// About how many rows it has, where that is known.
    pub rows: Option<u64>,
}

/// A column of a [`Relation`].
#[derive(Debug, Clone)]
pub struct Column {
    /// Its name, as it is stored.
    pub name: String,
    /// The type of its values.
    pub data_type: DataType,
    /// Whether it may be null.
    pub is_nullable: bool,
    /// Whether it is of the primary key.
    pub is_key: bool,
    /// What its owner says about it.
    pub comment: Option<String>,
}

/// The connection that asks.
#[derive(Debug, Clone, Default)]
pub struct Backend {
    /// The one database there is.
    pub database: String,
    /// Who is logged in.
    pub user: String,
    /// Who may log in; empty where anybody may.
    pub users: Vec<String>,
    /// What `pg_backend_pid()` answers.
    pub process_id: i32,
    /// What `current_setting` and `pg_settings` answer, by name.
    pub settings: BTreeMap<String, String>,
}
