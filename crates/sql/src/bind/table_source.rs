//! Tables and views as DataFusion's planner sees them.

use std::borrow::Cow;
use std::sync::Arc;

use arrow::datatypes::SchemaRef;
use datafusion::logical_expr::{LogicalPlan, TableSource, TableType};

use crate::catalog::Table;

/// A table of the catalog in a logical plan; the ad-hoc host finds it in a `TableScan` and puts a provider in its place.
#[derive(Debug, Clone)]
pub struct DipperTableSource {
    /// The table.
    pub table: Arc<Table>,
}

impl TableSource for DipperTableSource {
    fn schema(&self) -> SchemaRef {
        Arc::clone(&self.table.schema)
    }
}

/// A view: its plan takes its place in the plan that names it.
#[derive(Debug)]
pub(super) struct ViewSource {
    plan: LogicalPlan,
    schema: SchemaRef,
}

impl ViewSource {
    /// A view of a bound query.
    pub(super) fn new(plan: LogicalPlan) -> Self {
        let schema = Arc::clone(plan.schema().inner());
        Self { plan, schema }
    }
}

impl TableSource for ViewSource {
    fn schema(&self) -> SchemaRef {
        Arc::clone(&self.schema)
    }

    fn table_type(&self) -> TableType {
        TableType::View
    }

    fn get_logical_plan(&'_ self) -> Option<Cow<'_, LogicalPlan>> {
        Some(Cow::Borrowed(&self.plan))
    }
}
