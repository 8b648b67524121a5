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

/// The one catalog that there is.
pub const CATALOG: &str = "dipper";

/// The one database that there is.
pub const DATABASE: &str = "public";

/// The name of a table or view, which may be said with the catalog and the database that it is in.
pub(crate) fn relation_name(name: &ObjectName) -> Result<String> {
    let word = |part: &ObjectNamePart| match part {
        ObjectNamePart::Identifier(ident) => Some(column_name(ident)),
        ObjectNamePart::Function(_) => None,
    };
    let words: Option<Vec<String>> = name.0.iter().map(word).collect();
    let found = match words.as_deref() {
        Some([table]) => Some(table),
        Some([database, table]) if is_known(None, database) => Some(table),
        Some([catalog, database, table]) if is_known(Some(catalog), database) => Some(table),
        _ => None,
    };
    found.cloned().ok_or_else(|| unknown_qualifier(&name.to_string()).at(span(name.span())))
}

/// Whether a catalog and a database are those that there are.
pub(crate) fn is_known(catalog: Option<&str>, database: &str) -> bool {
    catalog.is_none_or(|catalog| catalog == CATALOG) && database == DATABASE
}

/// The error for a name in another catalog or database.
pub(crate) fn unknown_qualifier(name: &str) -> Error {
    let error =
        Error::unsupported(format!("'{name}': there is one catalog '{CATALOG}' with one database '{DATABASE}'"));
    error.with_hint("use the table's own name alone")
}
