//! Names as they are compared: an unquoted name in lower case, a quoted one as it stands. So `Price`, `PRICE` and `price`
//! are one column, and `"Price"` is another. Row pattern variables alone are in upper case, as CLASSIFIER() returns them.

use dipper_types::{Error, Result};
use sqlparser::ast::{Ident, ObjectName, ObjectNamePart, Spanned};

use crate::source_text::span;

/// A column's name.
pub(crate) fn column_name(ident: &Ident) -> String {
    if ident.quote_style.is_some() { ident.value.clone() } else { ident.value.to_lowercase() }
}

/// A row pattern variable's name.
pub(crate) fn variable_name(ident: &Ident) -> String {
    if ident.quote_style.is_some() { ident.value.clone() } else { ident.value.to_uppercase() }
}

/// The name of a table or view: a single word, because there are no databases.
pub(crate) fn relation_name(name: &ObjectName) -> Result<String> {
    match name.0.as_slice() {
        [ObjectNamePart::Identifier(ident)] => Ok(column_name(ident)),
        _ => Err(Error::unsupported(format!("'{name}': there are no catalogs and databases yet"))
            .at(span(name.span()))
            .with_hint("use the table's own name alone")),
    }
}
