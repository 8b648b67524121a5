//! What the plan nodes of clauses have in common: how EXPLAIN writes them, and what they ask of their input.

use std::fmt;

use datafusion::common::DFSchemaRef;
use dipper_graph::{MatchRecognizeSpec, OrderKey};

/// Writes the keys of a clause: ` partition_by=[…] order_by=[…]`.
pub(super) fn write_keys(f: &mut fmt::Formatter<'_>, spec: &MatchRecognizeSpec) -> fmt::Result {
    let name = |column: usize| spec.input_schema.field(column).name().as_str();
    if !spec.partition_by.is_empty() {
        let columns: Vec<&str> = spec.partition_by.iter().map(|column| name(*column)).collect();
        write!(f, " partition_by=[{}]", columns.join(", "))?;
    }
    if !spec.order_by.is_empty() {
        let key = |key: &OrderKey| format!("{}{}", name(key.column), if key.descending { " DESC" } else { "" });
        write!(f, " order_by=[{}]", spec.order_by.iter().map(key).collect::<Vec<_>>().join(", "))?;
    }
    Ok(())
}

/// Writes what a clause searches for: ` pattern=(…) define=[…]`.
pub(super) fn write_search(f: &mut fmt::Formatter<'_>, spec: &MatchRecognizeSpec) -> fmt::Result {
    write!(f, " pattern=({})", spec.pattern.display(&spec.variables))?;
    if !spec.defines.is_empty() {
        let defines = spec.defines.iter();
        let defines =
            defines.map(|define| format!("{} AS {}", spec.variables[define.symbol.index()], define.condition.expr));
        write!(f, " define=[{}]", defines.collect::<Vec<_>>().join(", "))?;
    }
    Ok(())
}

/// Whether an input has just the columns that a clause was bound to.
pub(super) fn is_input(spec: &MatchRecognizeSpec, input: &DFSchemaRef) -> bool {
    let columns = input.fields().iter().map(|field| (field.name(), field.data_type()));
    columns.eq(spec.input_schema.fields().iter().map(|field| (field.name(), field.data_type())))
}
