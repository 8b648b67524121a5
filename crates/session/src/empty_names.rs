//! Tables and columns must have names: nothing could be said of those that have none.

use dipper_sql::ast::CreateTable;
use dipper_types::{Error, Position, Result, Span};
use sqlparser::ast::{Ident, ObjectNamePart};

/// Refuses to create a table with an empty name, of its own or of a column. Not where definitions are read: what there is can still be dropped.
pub(crate) fn refuse_empty_names(create: &CreateTable) -> Result<()> {
    if let Some(ObjectNamePart::Identifier(name)) = create.name.0.last() {
        named(name, "table")?;
    }
    create.columns.iter().try_for_each(|column| named(&column.name, "column"))
}

fn named(name: &Ident, what: &str) -> Result<()> {
    if !name.value.is_empty() {
        return Ok(());
    }
    let [start, end] = [name.span.start, name.span.end].map(|at| Position { line: at.line, column: at.column });
    Err(Error::invalid(format!("a {what} needs a name"))
        .at(Span::new(start, end))
        .with_hint("write one between the quotes"))
}
