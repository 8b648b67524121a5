//! A table of the catalog as its connector knows it.

use std::sync::Arc;

use dipper_connectors::TableDefinition;
use dipper_graph::TableSpec;

/// The connector's view of a table.
pub(crate) fn definition(table: &TableSpec) -> TableDefinition {
    TableDefinition {
        name: table.name.clone(),
        columns: Arc::clone(&table.columns),
        metadata: table.metadata.clone(),
        options: table.options.clone(),
    }
}
