//! A window with a row pattern in a logical plan.

use std::cmp::Ordering;
use std::collections::HashSet;
use std::fmt;
use std::hash::{Hash, Hasher};
use std::sync::Arc;

use datafusion::common::{DFSchemaRef, DataFusionError, Result as DfResult};
use datafusion::logical_expr::{Expr, LogicalPlan, UserDefinedLogicalNodeCore};
use dipper_graph::{FrameSearch, RowPatternWindowSpec};

use super::clause_text;

/// A window with a row pattern over its input: the input's columns, as they are called there, then the measures and the aggregates. As in
/// [`MatchRecognizeNode`](super::MatchRecognizeNode), conditions and measures are not among the node's expressions.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RowPatternWindowNode {
    /// The rows, with what PARTITION BY and ORDER BY compute.
    pub input: LogicalPlan,
    /// The window.
    pub spec: Arc<RowPatternWindowSpec>,
    schema: DFSchemaRef,
}

impl RowPatternWindowNode {
    /// The node of a window whose output is called as `schema` says.
    pub fn new(input: LogicalPlan, spec: Arc<RowPatternWindowSpec>, schema: DFSchemaRef) -> Self {
        Self { input, spec, schema }
    }

    /// The same window but for its conditions and measures.
    pub(super) fn with_spec(&self, spec: RowPatternWindowSpec) -> Self {
        Self { spec: Arc::new(spec), ..self.clone() }
    }
}

impl Hash for RowPatternWindowNode {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.input.hash(state);
        self.spec.clause.pattern.hash(state);
        self.spec.clause.variables.hash(state);
    }
}

impl PartialOrd for RowPatternWindowNode {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        (self == other).then_some(Ordering::Equal)
    }
}

impl UserDefinedLogicalNodeCore for RowPatternWindowNode {
    fn name(&self) -> &'static str {
        "RowPatternWindow"
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

    /// A predicate stays above: a row that it drops may belong to the match of another.
    fn prevent_predicate_push_down_columns(&self) -> HashSet<String> {
        self.schema.fields().iter().map(|field| field.name().clone()).collect()
    }

    fn fmt_for_explain(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let clause = &self.spec.clause;
        write!(f, "RowPatternWindow:")?;
        clause_text::write_keys(f, clause)?;
        match self.spec.following {
            None => write!(f, " following=unbounded")?,
            Some(rows) => write!(f, " following={rows}")?,
        }
        if self.spec.search == FrameSearch::Seek {
            write!(f, " seek")?;
        }
        clause_text::write_search(f, clause)?;
        let values = clause.measures.iter().chain(&self.spec.functions);
        let values: Vec<String> = values.map(|measure| measure.value.expr.to_string()).collect();
        write!(f, " measures=[{}]", values.join(", "))
    }

    fn with_exprs_and_inputs(&self, _exprs: Vec<Expr>, mut inputs: Vec<LogicalPlan>) -> DfResult<Self> {
        let (Some(input), true) = (inputs.pop(), inputs.is_empty()) else {
            return Err(DataFusionError::Internal("RowPatternWindow has one input".to_owned()));
        };
        if !clause_text::is_input(&self.spec.clause, input.schema()) {
            return Err(DataFusionError::Internal("the input of RowPatternWindow has changed its columns".to_owned()));
        }
        Ok(Self { input, spec: Arc::clone(&self.spec), schema: Arc::clone(&self.schema) })
    }
}
