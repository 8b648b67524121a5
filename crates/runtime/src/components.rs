//! Where the runtime gets the parts of a job from. The one place that knows `connectors` and the operator factory; a test
//! puts its own parts in.

use std::fmt::Debug;
use std::sync::Arc;

use arrow::datatypes::SchemaRef;
use dipper_connectors::TableDefinition;
use dipper_graph::{Node, TableSpec};
use dipper_operator_api::{Operator, Sink, Source};
use dipper_types::Result;

/// Makes the parts of a job out of their descriptions.
pub trait Components: Debug + Send + Sync {
    /// The source of a table. No I/O.
    fn source(&self, table: &TableSpec) -> Result<Arc<dyn Source>>;

    /// The sink of a table. No I/O.
    fn sink(&self, table: &TableSpec) -> Result<Arc<dyn Sink>>;

    /// An instance of a node that is neither source nor sink; `input` holds the schema of each port.
    fn operator(&self, node: &Node, input: &[SchemaRef]) -> Result<Box<dyn Operator>>;
}

/// The connectors and operators of Dipper.
#[derive(Debug, Clone, Copy, Default)]
pub struct BuiltIn;

impl Components for BuiltIn {
    fn source(&self, table: &TableSpec) -> Result<Arc<dyn Source>> {
        dipper_connectors::source(&definition(table))
    }

    fn sink(&self, table: &TableSpec) -> Result<Arc<dyn Sink>> {
        dipper_connectors::sink(&definition(table))
    }

    fn operator(&self, node: &Node, input: &[SchemaRef]) -> Result<Box<dyn Operator>> {
        dipper_operators::operator(&node.spec, input, &node.output_schema)
    }
}

fn definition(table: &TableSpec) -> TableDefinition {
    TableDefinition {
        name: table.name.clone(),
        columns: Arc::clone(&table.columns),
        metadata: table.metadata.clone(),
        options: table.options.clone(),
    }
}
