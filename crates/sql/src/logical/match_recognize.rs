//! `MATCH_RECOGNIZE` in a logical plan.

use std::cmp::Ordering;
use std::collections::HashSet;
use std::fmt;
use std::hash::{Hash, Hasher};
use std::sync::Arc;

use datafusion::common::{DFSchema, DFSchemaRef, DataFusionError, Result as DfResult};
use datafusion::logical_expr::{Expr, LogicalPlan, UserDefinedLogicalNodeCore};
use dipper_graph::{MatchRecognizeSpec, RowsPerMatch};

use super::clause_text;

/// A bound clause over its input. Conditions and measures are in `spec` and not among the node's expressions, because DataFusion
/// would take them for expressions over the input.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MatchRecognizeNode {
    /// The rows; exactly the columns that the clause reads or puts out.
    pub input: LogicalPlan,
    /// The clause.
    pub spec: Arc<MatchRecognizeSpec>,
    schema: DFSchemaRef,
}

impl MatchRecognizeNode {
    /// The node of a clause.
    pub fn new(input: LogicalPlan, spec: Arc<MatchRecognizeSpec>) -> DfResult<Self> {
        let fields = spec.output_schema.fields().clone();
        let schema = Arc::new(DFSchema::from_unqualified_fields(fields, std::collections::HashMap::new())?);
        Ok(Self { input, spec, schema })
    }

    /// The same clause for a host that sees all rows at once: nothing is released by a watermark.
    pub fn for_batch(&self) -> DfResult<Self> {
        let spec = MatchRecognizeSpec { event_time: None, ..self.spec.as_ref().clone() };
        Self::new(self.input.clone(), Arc::new(spec))
    }
}

impl Hash for MatchRecognizeNode {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.input.hash(state);
        self.spec.pattern.hash(state);
        self.spec.variables.hash(state);
    }
}

impl PartialOrd for MatchRecognizeNode {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        (self == other).then_some(Ordering::Equal)
    }
}

impl UserDefinedLogicalNodeCore for MatchRecognizeNode {
    fn name(&self) -> &'static str {
        "MatchRecognize"
    }

    fn inputs(&self) -> Vec<&LogicalPlan> {
        vec![&self.input]
    }

    fn schema(&self) -> &DFSchemaRef {
        &self.schema
    }

    fn expressions(&self) -> Vec<Expr> {
        Vec::new()
    }

    /// A predicate on partition columns keeps or drops whole partitions, so it may go below.
    fn prevent_predicate_push_down_columns(&self) -> HashSet<String> {
        let partition: Vec<&String> =
            self.spec.partition_by.iter().map(|i| self.spec.input_schema.field(*i).name()).collect();
        self.schema
            .fields()
            .iter()
            .map(|field| field.name().clone())
            .filter(|name| !partition.contains(&name))
            .collect()
    }

    fn fmt_for_explain(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let spec = &self.spec;
        write!(f, "MatchRecognize:")?;
        clause_text::write_keys(f, spec)?;
        clause_text::write_search(f, spec)?;
        let measures: Vec<String> =
            spec.measures.iter().map(|measure| format!("{} AS {}", measure.value.expr, measure.name)).collect();
        if !measures.is_empty() {
            write!(f, " measures=[{}]", measures.join(", "))?;
        }
        let rows = match spec.rows_per_match {
            RowsPerMatch::One => "one",
            RowsPerMatch::AllShowEmpty => "all",
            RowsPerMatch::AllOmitEmpty => "all, omit empty",
            RowsPerMatch::AllWithUnmatched => "all, with unmatched",
        };
        write!(f, " rows={rows}")
    }

    fn with_exprs_and_inputs(&self, _exprs: Vec<Expr>, mut inputs: Vec<LogicalPlan>) -> DfResult<Self> {
        let (Some(input), true) = (inputs.pop(), inputs.is_empty()) else {
            return Err(DataFusionError::Internal("MatchRecognize has one input".to_owned()));
        };
        if !clause_text::is_input(&self.spec, input.schema()) {
            return Err(DataFusionError::Internal("the input of MatchRecognize has changed its columns".to_owned()));
        }
        Ok(Self { input, spec: Arc::clone(&self.spec), schema: Arc::clone(&self.schema) })
    }
}
