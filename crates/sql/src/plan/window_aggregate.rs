//! GROUP BY over windows.

use std::sync::Arc;

use arrow::datatypes::{Field, Schema};
use datafusion::common::Column;
use datafusion::logical_expr::{Aggregate, Expr, ExprSchemable};
use dipper_graph::{AggregateFunction, BoundExpr, CalcSpec, NamedExpr, OperatorSpec, WindowAggregateSpec};
use dipper_types::{Error, Result};

use super::calc::node_schema;
use super::dataflow::{Built, Dataflow};
use super::operator_id::Signature;
use crate::bind::{Construct, plan_error};
use crate::logical::{ColumnRole, column_index, column_roles};

impl Dataflow<'_> {
    /// `GROUP BY window_start, window_end, keys`.
    pub(super) fn window_aggregate(&mut self, aggregate: &Aggregate) -> Result<Built> {
        if aggregate.group_expr.iter().any(|expr| matches!(expr, Expr::GroupingSet(_))) {
            return Err(self.refuse(Construct::GroupingSets));
        }
        let input_roles = column_roles(&aggregate.input);
        let role =
            |expr: &Expr| column_index(expr, &aggregate.input).map_or(ColumnRole::Plain, |index| input_roles[index]);
        let roles: Vec<ColumnRole> = aggregate.group_expr.iter().map(role).collect();
        let Some(window_end) = roles.iter().position(|role| *role == ColumnRole::WindowEnd) else {
            if roles.contains(&ColumnRole::WindowStart) || roles.contains(&ColumnRole::WindowTime) {
                return Err(
                    Error::unsupported("GROUP BY names the window, but not its window_end").with_hint("add window_end")
                );
            }
            return Err(self.refuse(Construct::Grouping));
        };
        let input = self.plan(&aggregate.input)?;
        let input = self.with_keys(aggregate, input)?;
        let group_by = key_columns(aggregate, &input);
        let output = node_schema(&aggregate.schema);
        let functions = aggregate.aggr_expr.iter().zip(output.fields().iter().skip(group_by.len()));
        let aggregates = functions
            .map(|(expr, field)| {
                let expr = self.rebase(expr, aggregate.input.schema(), &input.schema)?;
                Ok(AggregateFunction { name: field.name().clone(), expr })
            })
            .collect::<Result<Vec<_>>>()?;
        let keys: Vec<usize> =
            group_by.iter().zip(&roles).filter(|(_, role)| !role.is_of_window()).map(|(column, _)| *column).collect();
        let names: Vec<&str> = group_by.iter().map(|column| input.schema.field(*column).name().as_str()).collect();
        let signature = Signature::of(&format!("window-aggregate {}", names.join(",")), &[input.signature]);
        let spec = WindowAggregateSpec { window_end: group_by[window_end], group_by, keys: keys.clone(), aggregates };
        let (parallelism, keys) = if keys.is_empty() { (1, None) } else { (self.parallelism, Some(keys)) };
        let spec = OperatorSpec::WindowAggregate(spec);
        Ok(self.add("window-aggregate", "WindowAggregate", spec, output, parallelism, signature, &[(input, keys)]))
    }

    /// The input with a column for each key that is not a plain column.
    fn with_keys(&mut self, aggregate: &Aggregate, input: Built) -> Result<Built> {
        let computed: Vec<&Expr> =
            aggregate.group_expr.iter().filter(|expr| column_index(expr, &aggregate.input).is_none()).collect();
        if computed.is_empty() {
            return Ok(input);
        }
        let mut fields: Vec<Arc<Field>> = input.schema.fields().iter().cloned().collect();
        let pass = |field: &Arc<Field>| NamedExpr {
            name: field.name().clone(),
            expr: BoundExpr(Expr::Column(Column::new_unqualified(field.name()))),
        };
        let mut exprs: Vec<NamedExpr> = fields.iter().map(pass).collect();
        for (number, expr) in computed.into_iter().enumerate() {
            let (_, field) = expr.to_field(aggregate.input.schema()).map_err(plan_error)?;
            let name = computed_key(number);
            exprs.push(NamedExpr {
                name: name.clone(),
                expr: self.rebase(expr, aggregate.input.schema(), &input.schema)?,
            });
            fields.push(Arc::new(field.as_ref().clone().with_name(name)));
        }
        let schema = Arc::new(Schema::new(fields));
        Ok(self.calc(CalcSpec { filter: None, projection: Some(exprs) }, schema, input))
    }
}

/// The name of a key that is not a plain column.
fn computed_key(number: usize) -> String {
    format!("group key {}", number + 1)
}

/// The keys' columns: the input's own, and behind those the computed ones in their order.
fn key_columns(aggregate: &Aggregate, input: &Built) -> Vec<usize> {
    let mut next = aggregate.input.schema().fields().len();
    let column = |expr: &Expr| {
        column_index(expr, &aggregate.input).unwrap_or_else(|| {
            next += 1;
            next - 1
        })
    };
    let columns: Vec<usize> = aggregate.group_expr.iter().map(column).collect();
    debug_assert!(columns.iter().all(|column| *column < input.schema.fields().len()));
    columns
}
