//! Texts: quoting, `format`, and other functions that DataFusion does not have.

use dipper_types::{Error, Result};

use super::{Function, lenient, strict};
use crate::cell::Cell;
use crate::kind::Kind::{Bool, Int4, Int8, Text, Texts};
use crate::snapshot::Snapshot;
use crate::tables;

pub(super) const FUNCTIONS: &[Function] = &[
    strict("quote_ident", 1..=1, Text, |_, arguments| {
        Ok(arguments[0].print().map(|name| quote_identifier(&name)).into())
    }),
    strict("quote_literal", 1..=1, Text, |_, arguments| {
        Ok(arguments[0].print().map(|text| quote_literal(&text)).into())
    }),
    lenient("quote_nullable", 1..=1, Text, |_, arguments| {
        Ok(arguments[0].print().map_or_else(|| "NULL".to_owned(), |text| quote_literal(&text)).into())
    }),
    lenient("format", 1..=usize::MAX, Text, format),
    strict("parse_ident", 1..=2, Texts, |_, arguments| {
        Ok(super::cast::split_name(arguments[0].text().unwrap_or_default()).into())
    }),
    strict("starts_with", 2..=2, Bool, |_, arguments| {
        let starts = |(text, head): (&str, &str)| text.starts_with(head);
        Ok(arguments[0].text().zip(arguments[1].text()).map(starts).into())
    }),
    strict("hashtext", 1..=1, Int4, |_, arguments| {
        let hash = |text: &str| text.bytes().fold(0i32, |hash, byte| hash.wrapping_mul(31).wrapping_add(byte.into()));
        Ok(arguments[0].text().map(hash).into())
    }),
    // Nothing is kept with a transaction.
    strict("age", 1..=1, Int4, |_, _| Ok(0.into())),
    strict("mxid_age", 1..=1, Int4, |_, _| Ok(0.into())),
    strict("pg_stat_get_live_tuples", 1..=1, Int8, |_, _| Ok(0.into())),
];

/// A name as SQL needs it: in quotes unless it is a plain word that is not reserved.
pub(crate) fn quote_identifier(name: &str) -> String {
    let starts_well = name.starts_with(|c: char| c.is_ascii_lowercase() || c == '_');
    let is_plain = name.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_');
    if starts_well && is_plain && !is_reserved(name) {
        name.to_owned()
    } else {
        format!("\"{}\"", name.replace('"', "\"\""))
    }
}

/// Whether a word cannot stand as a name without quotes.
fn is_reserved(word: &str) -> bool {
    use std::collections::HashSet;
    use std::sync::LazyLock;

    use arrow::array::AsArray;

    static RESERVED: LazyLock<HashSet<String>> = LazyLock::new(|| {
        let read = || {
            let batch = tables::keywords()?;
            let words = batch.column_by_name("word")?.as_string_opt::<i32>()?.clone();
            let sorts = batch.column_by_name("catcode")?.as_string_opt::<i32>()?.clone();
            Some(
                words
                    .iter()
                    .zip(&sorts)
                    .filter(|(_, sort)| *sort != Some("U"))
                    .filter_map(|(word, _)| Some(word?.to_owned()))
                    .collect(),
            )
        };
        read().unwrap_or_default()
    });
    RESERVED.contains(word)
}

fn quote_literal(text: &str) -> String {
    let escape = if text.contains('\\') { "E" } else { "" };
    format!("{escape}'{}'", text.replace('\'', "''").replace('\\', "\\\\"))
}

/// `format` with `%s`, `%I`, `%L` and `%%`; positions and widths are refused.
fn format(_: &Snapshot, arguments: &[Cell]) -> Result<Cell> {
    let Some(pattern) = arguments[0].text() else {
        return Ok(Cell::Null);
    };
    let mut values = arguments[1..].iter();
    let mut text = String::new();
    let mut letters = pattern.chars();
    while let Some(letter) = letters.next() {
        if letter != '%' {
            text.push(letter);
            continue;
        }
        let directive = letters.next();
        if directive == Some('%') {
            text.push('%');
            continue;
        }
        let value = values.next().ok_or_else(|| Error::invalid("too few arguments for format()"))?.print();
        match (directive, value) {
            (Some('s'), value) => text.push_str(&value.unwrap_or_default()),
            (Some('I'), Some(value)) => text.push_str(&quote_identifier(&value)),
            (Some('I'), None) => return Err(Error::invalid("null values cannot be formatted as an SQL identifier")),
            (Some('L'), value) => {
                text.push_str(&value.map_or_else(|| "NULL".to_owned(), |value| quote_literal(&value)));
            }
            _ => {
                return Err(Error::unsupported("format() takes no positions and no widths here")
                    .with_hint("write %s, %I, %L or %% only"));
            }
        }
    }
    Ok(text.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_quoted_where_sql_needs_it() {
        let cases = [
            ("orders", "orders"),
            ("Orders", "\"Orders\""),
            ("select", "\"select\""),
            ("1a", "\"1a\""),
            ("a\"b", "\"a\"\"b\""),
        ];
        for (name, quoted) in cases {
            assert_eq!(quote_identifier(name), quoted);
        }
        // A word that is a key word but not reserved needs none.
        assert_eq!(quote_identifier("year"), "year");
    }
}
