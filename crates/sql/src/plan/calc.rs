//! Expressions over a node's output: DataFusion's qualified columns become the node's own, by position.

use std::sync::Arc;

use arrow::datatypes::{Field, FieldRef, Schema, SchemaRef};
use datafusion::common::tree_node::{Transformed, TreeNode, TreeNodeRecursion};
use datafusion::common::{Column, DFSchema};
use datafusion::logical_expr::Expr;
use dipper_graph::BoundExpr;
use dipper_types::Result;

use crate::bind::{Construct, plan_error};

/// An expression over the columns of a plan as one over the columns of the node that was made of the plan.
pub(super) fn rebase(expr: &Expr, plan: &DFSchema, node: &SchemaRef) -> Result<BoundExpr> {
    let rebased = expr.clone().transform(|part| match part {
        Expr::Column(column) => {
            let index = plan.index_of_column(&column)?;
            Ok(Transformed::yes(Expr::Column(Column::new_unqualified(node.field(index).name()))))
        }
        other => Ok(Transformed::no(other)),
    });
    Ok(BoundExpr(rebased.map_err(plan_error)?.data.unalias()))
}

/// What a dataflow cannot compute in an expression.
pub(super) fn refused_in(expr: &Expr) -> Option<Construct> {
    let mut refused = None;
    // The closure does not fail.
    let _ = expr.apply(|part| {
        refused = match part {
            Expr::ScalarSubquery(_)
            | Expr::InSubquery(_)
            | Expr::Exists(_)
            | Expr::SetComparison(_)
            | Expr::OuterReferenceColumn(..) => Some(Construct::Subquery),
            Expr::Unnest(_) => Some(Construct::Unnest),
            _ => None,
        };
        Ok(if refused.is_some() { TreeNodeRecursion::Stop } else { TreeNodeRecursion::Continue })
    });
    refused
}

/// The columns of a plan under names that differ from each other: qualifiers do not survive.
pub(super) fn node_schema(plan: &DFSchema) -> SchemaRef {
    let mut fields: Vec<FieldRef> = Vec::new();
    for field in plan.fields() {
        let mut name = field.name().clone();
        for number in 1.. {
            if !fields.iter().any(|other| *other.name() == name) {
                break;
            }
            name = format!("{}_{number}", field.name());
        }
        fields.push(Arc::new(Field::new(name, field.data_type().clone(), field.is_nullable())));
    }
    Arc::new(Schema::new(fields))
}
