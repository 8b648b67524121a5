//! The columns that a clause may read: its input's, and those that PARTITION BY and ORDER BY compute.

use std::sync::Arc;

use arrow::datatypes::{Field, FieldRef, Schema, SchemaRef};
use datafusion::logical_expr::{Expr, ExprSchemable, LogicalPlan, LogicalPlanBuilder};
use dipper_types::{Error, Result, Span};

use super::plan_error;
use crate::catalog::nearest;

/// One column.
#[derive(Debug)]
struct InputColumn {
    /// Over the input.
    expr: Expr,
    /// Under a name that no other column has.
    field: FieldRef,
    /// What the user calls it; `None` for what only the clause itself needs.
    name: Option<String>,
}

/// The input with its columns; a column's index stays the same while columns are added.
#[derive(Debug)]
pub(super) struct Input {
    plan: LogicalPlan,
    columns: Vec<InputColumn>,
    /// How many are the input's own.
    own: usize,
}

impl Input {
    /// The columns of a plan.
    pub(super) fn new(plan: LogicalPlan) -> Self {
        let mut input = Self { own: plan.schema().fields().len(), columns: Vec::new(), plan };
        for (column, field) in
            input.plan.schema().columns().into_iter().zip(input.plan.schema().fields().clone().iter())
        {
            let name = column.name.clone();
            input.push(Expr::Column(column), field.as_ref().clone(), Some(name));
        }
        input
    }

    fn push(&mut self, expr: Expr, field: Field, name: Option<String>) -> usize {
        let wanted = name.clone().unwrap_or_else(|| field.name().clone());
        let mut unique = wanted.clone();
        for number in 1.. {
            if !self.columns.iter().any(|column| *column.field.name() == unique) {
                break;
            }
            unique = format!("{wanted}#{number}");
        }
        self.columns.push(InputColumn { expr, field: Arc::new(field.with_name(unique)), name });
        self.columns.len() - 1
    }

    /// The plan.
    pub(super) fn plan(&self) -> &LogicalPlan {
        &self.plan
    }

    /// Adds a column that is computed from the input; a column of the input itself is not added again. Another `name` makes the
    /// column known by it.
    pub(super) fn add(&mut self, expr: Expr, name: Option<&str>, text: &str) -> Result<usize> {
        if let Expr::Column(column) = &expr
            && name.is_none_or(|name| name == column.name)
            && let Some(index) = self.plan.schema().maybe_index_of_column(column)
        {
            return Ok(index);
        }
        let (_, field) = expr.to_field(self.plan.schema()).map_err(plan_error)?;
        let field = field.as_ref().clone().with_name(text);
        Ok(self.push(expr, field, name.map(str::to_owned)))
    }

    /// The field of a column; its name is unique.
    pub(super) fn field(&self, index: usize) -> &FieldRef {
        &self.columns[index].field
    }

    /// Whether a column is one of the input itself.
    pub(super) fn is_own(&self, index: usize) -> bool {
        index < self.own
    }

    /// The indices of the input's own columns.
    pub(super) fn own(&self) -> std::ops::Range<usize> {
        0..self.own
    }

    /// All columns, by their unique names.
    pub(super) fn fields(&self) -> impl Iterator<Item = &FieldRef> {
        self.columns.iter().map(|column| &column.field)
    }

    /// The column that a name stands for.
    pub(super) fn resolve(&self, name: &str, here: Span) -> Result<usize> {
        self.refuse_ambiguous(name, here)?;
        // Its own columns come first.
        let found = self.columns.iter().position(|column| column.name.as_deref() == Some(name));
        found.ok_or_else(|| self.unknown(name).at(here))
    }

    /// Fails if the input has more than one column of a name.
    pub(super) fn refuse_ambiguous(&self, name: &str, here: Span) -> Result<()> {
        let own = self.columns.iter().take(self.own);
        if own.filter(|column| column.name.as_deref() == Some(name)).count() < 2 {
            return Ok(());
        }
        let error = Error::invalid(format!("the input has more than one column '{name}'")).at(here);
        Err(error.with_hint("rename one of them in a subquery"))
    }

    fn unknown(&self, name: &str) -> Error {
        let error = Error::invalid(format!("column '{name}' not found"));
        let known: Vec<&str> = self.columns.iter().filter_map(|column| column.name.as_deref()).collect();
        match nearest(name, known.iter().copied()) {
            Some(meant) => error.with_hint(format!("did you mean {meant}?")),
            None => error.with_hint(format!("the input has {}", known.join(", "))),
        }
    }

    /// The input cut down to `columns` (ascending), under their unique names.
    pub(super) fn project(&self, columns: &[usize]) -> Result<(LogicalPlan, SchemaRef)> {
        let exprs = columns.iter().map(|index| {
            let column = &self.columns[*index];
            column.expr.clone().alias(column.field.name())
        });
        let plan = LogicalPlanBuilder::from(self.plan.clone())
            .project(exprs)
            .and_then(LogicalPlanBuilder::build)
            .map_err(plan_error)?;
        let fields: Vec<FieldRef> = columns.iter().map(|index| Arc::clone(&self.columns[*index].field)).collect();
        Ok((plan, Arc::new(Schema::new(fields))))
    }
}
