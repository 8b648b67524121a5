//! Looks through a line before Arrow's decoder sees it: for nesting that would overflow its stack, and for numbers that
//! it would change without a word, cutting off a fraction or a decimal's digits, or making infinity of them.
//!
//! A line that is not JSON is none of its business: whatever it makes of one, the decoder has the last word.

use arrow::datatypes::{DataType, Schema};
use dipper_types::sql_type_name;

use crate::format::number_text::{is_out_of_range, json_number_fits, shortened};

/// A line may nest objects and arrays so deep.
const DEPTH_MAX: usize = 128;

/// What the decoder does not check about the wanted columns.
#[derive(Debug)]
pub(super) struct LineCheck {
    numbers: Vec<NumberColumn>,
}

#[derive(Debug)]
struct NumberColumn {
    name: String,
    /// The column's type, that of the elements for an array.
    data_type: DataType,
}

impl LineCheck {
    pub(super) fn new(columns: &Schema) -> Self {
        let numbers = columns.fields().iter().filter_map(|field| {
            let data_type = element_type(field.data_type()).clone();
            data_type.is_numeric().then(|| NumberColumn { name: field.name().clone(), data_type })
        });
        Self { numbers: numbers.collect() }
    }

    /// Says what is wrong with a line.
    pub(super) fn check(&self, line: &[u8]) -> Result<(), String> {
        let mut depth = 0_usize;
        let mut column: Option<&NumberColumn> = None;
        let mut at = 0;
        while let Some(&byte) = line.get(at) {
            let start = at;
            at += 1;
            match byte {
                b'{' | b'[' => {
                    depth += 1;
                    if depth > DEPTH_MAX {
                        return Err(format!("the value is nested more than {DEPTH_MAX} deep"));
                    }
                }
                b'}' | b']' => depth = depth.saturating_sub(1),
                b'"' => {
                    at = string_end(line, at);
                    let text = line.get(start + 1..at.saturating_sub(1)).unwrap_or_default();
                    if is_key(line, at) {
                        if depth == 1 {
                            column = self.column(text);
                        }
                    } else if let Some(column) = column {
                        column.check_text(text)?;
                    }
                }
                b'-' | b'0'..=b'9' => {
                    let is_part = |byte: &u8| matches!(byte, b'0'..=b'9' | b'.' | b'e' | b'E' | b'+' | b'-');
                    at += line[at..].iter().take_while(|byte| is_part(byte)).count();
                    if let Some(column) = column {
                        column.check_number(&line[start..at])?;
                    }
                }
                _ => {}
            }
        }
        Ok(())
    }

    fn column(&self, key: &[u8]) -> Option<&NumberColumn> {
        if !key.contains(&b'\\') {
            return self.numbers.iter().find(|column| column.name.as_bytes() == key);
        }
        let quoted = [b"\"", key, b"\""].concat();
        let key: String = serde_json::from_slice(&quoted).ok()?;
        self.numbers.iter().find(|column| column.name == key)
    }
}

impl NumberColumn {
    fn check_number(&self, text: &[u8]) -> Result<(), String> {
        match std::str::from_utf8(text) {
            Ok(text) if !json_number_fits(text, &self.data_type) => Err(self.misfit(text)),
            _ => Ok(()),
        }
    }

    /// A number in quotes. Arrow reads whole ones strictly.
    fn check_text(&self, text: &[u8]) -> Result<(), String> {
        match std::str::from_utf8(text) {
            Ok(text) if is_out_of_range(text.trim(), &self.data_type) => Err(self.misfit(&format!("\"{text}\""))),
            _ => Ok(()),
        }
    }

    fn misfit(&self, value: &str) -> String {
        format!("column '{}': {} does not fit {}", self.name, shortened(value), sql_type_name(&self.data_type))
    }
}

pub(super) fn element_type(data_type: &DataType) -> &DataType {
    match data_type {
        DataType::List(element) | DataType::LargeList(element) | DataType::FixedSizeList(element, _) => {
            element_type(element.data_type())
        }
        other => other,
    }
}

/// One past the quote that closes a string whose text begins at `at`.
fn string_end(line: &[u8], mut at: usize) -> usize {
    while let Some(found) = memchr::memchr2(b'"', b'\\', &line[at..]) {
        if line[at + found] == b'"' {
            return at + found + 1;
        }
        at = (at + found + 2).min(line.len());
    }
    line.len()
}

/// Whether the string that ends in front of `at` is the key of an object.
fn is_key(line: &[u8], at: usize) -> bool {
    line[at..].iter().find(|byte| !byte.is_ascii_whitespace()) == Some(&b':')
}
