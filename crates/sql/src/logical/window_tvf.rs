//! `TUMBLE` and `HOP` in a logical plan.

use std::cmp::Ordering;
use std::collections::{HashMap, HashSet};
use std::fmt;
use std::hash::{Hash, Hasher};
use std::sync::Arc;

use arrow::datatypes::{Field, FieldRef};
use datafusion::common::{Column, DFSchema, DFSchemaRef, DataFusionError, Result as DfResult, TableReference};
use datafusion::logical_expr::{Expr, LogicalPlan, UserDefinedLogicalNodeCore};
use dipper_graph::{FromDataFusion, WindowKind, WindowTvfSpec};
use dipper_types::{Error, Result};

/// The columns that a window table function adds.
const ADDED: [&str; 3] = ["window_start", "window_end", "window_time"];

/// A window table function over its input: the input's columns, then `window_start`, `window_end`, `window_time`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WindowTvfNode {
    /// The rows.
    pub input: LogicalPlan,
    /// The time column of the input.
    pub time_column: Column,
    /// The windows.
    pub kind: WindowKind,
    schema: DFSchemaRef,
}

impl WindowTvfNode {
    /// The node of a call. The time column must be one of the input's.
    pub fn new(input: LogicalPlan, time_column: Column, kind: WindowKind) -> Result<Self> {
        let index = input.schema().index_of_column(&time_column).or_plan_error()?;
        let time_type = input.schema().field(index).data_type().clone();
        let mut fields: Vec<(Option<TableReference>, FieldRef)> =
            input.schema().iter().map(|(qualifier, field)| (qualifier.cloned(), Arc::clone(field))).collect();
        for name in ADDED {
            if input.schema().has_column_with_unqualified_name(name) {
                return Err(Error::invalid(format!("the input of the window already has a column '{name}'"))
                    .with_hint("rename it in a subquery"));
            }
            fields.push((None, Arc::new(Field::new(name, time_type.clone(), false))));
        }
        let schema = Arc::new(DFSchema::new_with_metadata(fields, HashMap::new()).or_plan_error()?);
        Ok(Self { input, time_column, kind, schema })
    }

    /// What the operator needs to know.
    pub fn spec(&self) -> DfResult<WindowTvfSpec> {
        let time_column = self.input.schema().index_of_column(&self.time_column)?;
        Ok(WindowTvfSpec { time_column, kind: self.kind })
    }

    /// The columns behind the input's.
    pub(crate) fn added_columns(&self) -> impl Iterator<Item = FieldRef> {
        self.schema.fields().iter().skip(self.input.schema().fields().len()).cloned()
    }

    /// The function's name.
    pub(crate) fn function(&self) -> &'static str {
        match self.kind {
            WindowKind::Tumble { .. } => "TUMBLE",
            WindowKind::Hop { .. } => "HOP",
        }
    }
}

impl Hash for WindowTvfNode {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.input.hash(state);
        self.time_column.hash(state);
        self.kind.hash(state);
    }
}

impl PartialOrd for WindowTvfNode {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        (self == other).then_some(Ordering::Equal)
    }
}

impl UserDefinedLogicalNodeCore for WindowTvfNode {
    fn name(&self) -> &'static str {
        "WindowTvf"
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

    /// A predicate on the input's own columns may go below.
    fn prevent_predicate_push_down_columns(&self) -> HashSet<String> {
        ADDED.map(str::to_owned).into()
    }

    fn fmt_for_explain(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let column = &self.time_column.name;
        match self.kind {
            WindowKind::Tumble { size_us, offset_us } => {
                write!(f, "WindowTvf: TUMBLE({column}, size={})", length_text(size_us))?;
                offset(f, offset_us)
            }
            WindowKind::Hop { slide_us, size_us, offset_us } => {
                write!(f, "WindowTvf: HOP({column}, slide={}, size={})", length_text(slide_us), length_text(size_us))?;
                offset(f, offset_us)
            }
        }
    }

    fn with_exprs_and_inputs(&self, _exprs: Vec<Expr>, mut inputs: Vec<LogicalPlan>) -> DfResult<Self> {
        let (Some(input), true) = (inputs.pop(), inputs.is_empty()) else {
            return Err(DataFusionError::Internal("WindowTvf has one input".to_owned()));
        };
        Self::new(input, self.time_column.clone(), self.kind).map_err(dipper_graph::into_datafusion)
    }

    fn necessary_children_exprs(&self, output_columns: &[usize]) -> Option<Vec<Vec<usize>>> {
        let inputs = self.input.schema().fields().len();
        let time = self.input.schema().maybe_index_of_column(&self.time_column)?;
        let mut needed: Vec<usize> = output_columns.iter().copied().filter(|column| *column < inputs).collect();
        needed.push(time);
        needed.sort_unstable();
        needed.dedup();
        Some(vec![needed])
    }
}

fn offset(f: &mut fmt::Formatter<'_>, offset_us: i64) -> fmt::Result {
    if offset_us == 0 { Ok(()) } else { write!(f, " offset={}", length_text(offset_us)) }
}

/// A length for people, in the largest unit that it is a whole number of.
pub(crate) fn length_text(us: i64) -> String {
    const UNITS: [(i64, &str); 5] =
        [(86_400_000_000, "d"), (3_600_000_000, "h"), (60_000_000, "min"), (1_000_000, "s"), (1_000, "ms")];
    match UNITS.iter().find(|(unit, _)| us % unit == 0) {
        Some((unit, name)) => format!("{} {name}", us / unit),
        None => format!("{us} us"),
    }
}
