//! What the session knows by name: tables, views and settings. Statements become definitions here, checked as far as the
//! SQL goes; whether a connector takes its options is the connector's business.

mod data_type;
mod define_table;
mod duration;
mod name;
mod nearest;
mod registry;
mod settings;
mod table;
mod watermark;

pub(crate) use data_type::SqlTypes;
pub use dipper_types::sql_type_name;
pub use name::{CATALOG, DATABASE};
pub(crate) use name::{column_name, is_known, relation_name, unknown_qualifier, variable_name};
pub(crate) use nearest::nearest;
pub use registry::{Catalog, Relation, View};
pub use settings::{QUERY_MEMORY, QUERY_TIMEOUT, RuntimeMode, Setting, Settings, SkipErrors};
pub use table::{ColumnDescription, OptionPlace, Table};

#[cfg(test)]
mod tests;
