//! Time attributes, derived bottom-up: which columns of a plan the watermark is about, and which are bounds of windows.

use datafusion::logical_expr::{Expr, LogicalPlan};
use dipper_graph::FrameColumn;

use super::{MatchRecognizeNode, WindowTvfNode};
use crate::bind::DipperTableSource;

/// What a column is to event time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ColumnRole {
    /// Nothing.
    Plain,
    /// A time attribute: no row is late by it unless it came late.
    EventTime,
    /// `window_start` of a window table function.
    WindowStart,
    /// `window_end` of a window table function.
    WindowEnd,
    /// `window_time` of a window table function: a time attribute too.
    WindowTime,
}

impl ColumnRole {
    /// Whether the watermark is about this column.
    pub fn is_time_attribute(self) -> bool {
        matches!(self, Self::EventTime | Self::WindowTime)
    }

    /// Whether the column tells windows apart.
    pub fn is_of_window(self) -> bool {
        matches!(self, Self::WindowStart | Self::WindowEnd | Self::WindowTime)
    }
}

/// The roles of a plan's output columns.
pub fn column_roles(plan: &LogicalPlan) -> Vec<ColumnRole> {
    let roles = match plan {
        LogicalPlan::TableScan(scan) => {
            let time = scan
                .source
                .downcast_ref::<DipperTableSource>()
                .and_then(|source| source.table.watermark.as_ref())
                .map(|watermark| watermark.column.as_str());
            let role = |name: &str| if time == Some(name) { ColumnRole::EventTime } else { ColumnRole::Plain };
            scan.projected_schema.fields().iter().map(|field| role(field.name())).collect()
        }
        LogicalPlan::Projection(projection) => of_expressions(&projection.expr, &projection.input),
        LogicalPlan::Filter(filter) => column_roles(&filter.input),
        LogicalPlan::SubqueryAlias(alias) => column_roles(&alias.input),
        LogicalPlan::Union(union) => {
            let inputs: Vec<Vec<ColumnRole>> = union.inputs.iter().map(|input| column_roles(input)).collect();
            let agreed = |column: usize| {
                let mut roles = inputs.iter().map(|roles| roles.get(column).copied().unwrap_or(ColumnRole::Plain));
                let first = roles.next().unwrap_or(ColumnRole::Plain);
                let all_equal = roles.clone().all(|role| role == first);
                let all_times = first.is_time_attribute() && roles.all(ColumnRole::is_time_attribute);
                if all_equal {
                    first
                } else if all_times {
                    ColumnRole::EventTime
                } else {
                    ColumnRole::Plain
                }
            };
            (0..plan.schema().fields().len()).map(agreed).collect()
        }
        LogicalPlan::Aggregate(aggregate) => of_aggregate(aggregate),
        LogicalPlan::Extension(extension) => of_extension(extension.node.as_any()),
        _ => Vec::new(),
    };
    let plain = std::iter::repeat(ColumnRole::Plain);
    roles.into_iter().chain(plain).take(plan.schema().fields().len()).collect()
}

fn of_expressions(exprs: &[Expr], input: &LogicalPlan) -> Vec<ColumnRole> {
    let roles = column_roles(input);
    let role = |expr: &Expr| column_index(expr, input).map_or(ColumnRole::Plain, |index| roles[index]);
    exprs.iter().map(role).collect()
}

/// The input column that an expression is, perhaps under another name.
pub(crate) fn column_index(expr: &Expr, input: &LogicalPlan) -> Option<usize> {
    match expr {
        Expr::Column(column) => input.schema().maybe_index_of_column(column),
        Expr::Alias(alias) => column_index(&alias.expr, input),
        _ => None,
    }
}

/// Rows leave a grouping by windows in the windows' order; of any other grouping nothing is known.
fn of_aggregate(aggregate: &datafusion::logical_expr::Aggregate) -> Vec<ColumnRole> {
    let roles = of_expressions(&aggregate.group_expr, &aggregate.input);
    if !roles.contains(&ColumnRole::WindowEnd) {
        return Vec::new();
    }
    roles.into_iter().map(|role| if role.is_of_window() { role } else { ColumnRole::Plain }).collect()
}

fn of_extension(node: &dyn std::any::Any) -> Vec<ColumnRole> {
    if let Some(window) = node.downcast_ref::<WindowTvfNode>() {
        let mut roles = column_roles(&window.input);
        roles.extend([ColumnRole::WindowStart, ColumnRole::WindowEnd, ColumnRole::WindowTime]);
        return roles;
    }
    let Some(clause) = node.downcast_ref::<MatchRecognizeNode>() else { return Vec::new() };
    if clause.spec.event_time.is_none() {
        return Vec::new();
    }
    let role = |name: &str| {
        let measure = clause.spec.measures.iter().find(|measure| measure.name == name);
        let is_row_time = measure.is_some_and(|measure| {
            matches!(measure.value.expr.0, Expr::Column(_))
                && measure.value.frame.columns == [FrameColumn::MatchRowtime]
        });
        if is_row_time { ColumnRole::EventTime } else { ColumnRole::Plain }
    };
    clause.spec.output_schema.fields().iter().map(|field| role(field.name())).collect()
}
