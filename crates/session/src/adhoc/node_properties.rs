//! What DataFusion's planner must know about our nodes: one partition, no promised order, rows as they come.

use std::sync::Arc;

use arrow::datatypes::SchemaRef;
use datafusion::physical_expr::{EquivalenceProperties, Partitioning};
use datafusion::physical_plan::PlanProperties;
use datafusion::physical_plan::execution_plan::{Boundedness, EmissionType};

/// The properties of a node that emits `schema`.
pub(super) fn single_partition(schema: SchemaRef) -> Arc<PlanProperties> {
    let equivalence = EquivalenceProperties::new(schema);
    let partitioning = Partitioning::UnknownPartitioning(1);
    Arc::new(PlanProperties::new(equivalence, partitioning, EmissionType::Incremental, Boundedness::Bounded))
}
