//! The columns that a clause puts out.

use std::sync::Arc;

use arrow::datatypes::{Field, FieldRef, Schema, SchemaRef};
use dipper_graph::{Measure, RowsPerMatch};
use dipper_types::{Error, Result};

use super::input::Input;
use super::ordering::Ordering;
use crate::ast::MatchRecognizeClause;
use crate::source_text::span;

/// The output of a clause.
#[derive(Debug)]
pub(super) struct Output {
    pub(super) schema: SchemaRef,
    /// The input columns behind the measures.
    pub(super) remaining: Vec<usize>,
}

/// ONE ROW: the partition columns, then the measures. ALL ROWS: partition columns, ORDER BY columns, measures, then the
/// remaining input columns, each once.
pub(super) fn columns(
    clause: &MatchRecognizeClause,
    input: &Input,
    ordering: &Ordering,
    measures: &[Measure],
    rows: RowsPerMatch,
) -> Result<Output> {
    let all_rows = rows != RowsPerMatch::One;
    let mut fields: Vec<FieldRef> = Vec::new();
    let mut shown: Vec<usize> = Vec::new();
    for (index, name) in &ordering.partition_by {
        fields.push(Arc::new(input.field(*index).as_ref().clone().with_name(name)));
        shown.push(*index);
    }
    if all_rows {
        for key in &ordering.order_by {
            if !shown.contains(&key.column) {
                fields.push(if input.is_own(key.column) {
                    named(input, key.column)
                } else {
                    Arc::clone(input.field(key.column))
                });
                shown.push(key.column);
            }
        }
    }
    let fixed = fields.len();
    for (measure, item) in measures.iter().zip(&clause.measures) {
        if let Some(at) = fields.iter().position(|field| *field.name() == measure.name) {
            let other = if at < fixed { "of a partition or ORDER BY column" } else { "of another measure" };
            return Err(Error::invalid(format!("measure '{}' has the name {other}", measure.name))
                .at(span(item.name.span))
                .with_hint("give it another name"));
        }
        fields.push(Arc::new(Field::new(&measure.name, measure.value.data_type.clone(), true)));
    }
    if fields.is_empty() && !all_rows {
        return Err(Error::invalid(
            "ONE ROW PER MATCH with neither PARTITION BY nor MEASURES has no columns to put out",
        )
        .at(clause.span)
        .with_hint("add MEASURES, or ALL ROWS PER MATCH"));
    }
    let remaining: Vec<usize> =
        if all_rows { input.own().filter(|index| !shown.contains(index)).collect() } else { Vec::new() };
    for index in &remaining {
        let field = named(input, *index);
        let name = field.name().clone();
        if fields.iter().any(|field| *field.name() == name) {
            let error = match clause.measures.iter().find(|item| crate::catalog::column_name(&item.name) == name) {
                Some(item) => Error::invalid(format!(
                    "measure '{name}' has the name of an input column, which ALL ROWS puts out too"
                ))
                .at(span(item.name.span)),
                None => Error::invalid(format!("ALL ROWS puts out two columns '{name}'")).at(clause.span),
            };
            return Err(error.with_hint("give one of them another name"));
        }
        fields.push(field);
    }
    Ok(Output { schema: Arc::new(Schema::new(fields)), remaining })
}

/// A column of the input under its own name, which others may bear too.
fn named(input: &Input, index: usize) -> FieldRef {
    Arc::clone(input.plan().schema().field(index))
}
