//! Parameters that are arrays: `{1,NULL,"a b"}`.

use arrow::datatypes::DataType;
use datafusion::common::ScalarValue;

use super::cast;
use crate::failure::{Failure, Result};
use crate::sqlstate;

/// The type of a list's items.
pub(super) fn item_of(list: &DataType) -> Option<&DataType> {
    match list {
        DataType::List(item) | DataType::LargeList(item) | DataType::FixedSizeList(item, _) => Some(item.data_type()),
        _ => None,
    }
}

/// A list of these values.
pub(super) fn list(values: Vec<Option<ScalarValue>>, item: &DataType) -> Result<ScalarValue> {
    let null = || ScalarValue::try_from(item).map_err(|_| super::not_a_parameter(item));
    let values = values.into_iter().map(|value| value.map_or_else(null, |value| cast(value, item)));
    let values = values.collect::<Result<Vec<_>>>()?;
    Ok(ScalarValue::List(ScalarValue::new_list_nullable(&values, item)))
}

/// The items of an array's text; nothing stands for NULL.
pub(super) fn items(text: &str) -> Result<Vec<Option<String>>> {
    let malformed = || Failure::new(sqlstate::INVALID_TEXT, format!("malformed array literal: \"{text}\""));
    let body = text.trim().strip_prefix('{').and_then(|text| text.strip_suffix('}')).ok_or_else(malformed)?;
    let mut items = Vec::new();
    if body.trim().is_empty() {
        return Ok(items);
    }
    let mut rest = body.chars();
    loop {
        let (mut item, mut was_quoted, mut is_quoted) = (String::new(), false, false);
        let end = loop {
            match rest.next() {
                Some('\\') if is_quoted || !was_quoted => item.push(rest.next().ok_or_else(malformed)?),
                Some('"') if is_quoted || (!was_quoted && item.is_empty()) => {
                    (was_quoted, is_quoted) = (true, !is_quoted);
                }
                Some(character) if is_quoted => item.push(character),
                None if is_quoted => return Err(malformed()),
                end @ (Some(',') | None) => break end,
                // Blanks around an item, and around its quotes, are no part of it.
                Some(character) if character.is_whitespace() && (was_quoted || item.is_empty()) => {}
                Some('{') => return Err(too_deep()),
                Some('}' | '"') => return Err(malformed()),
                Some(_) if was_quoted => return Err(malformed()),
                Some(character) => item.push(character),
            }
        };
        let item = if was_quoted { item } else { item.trim().to_owned() };
        if item.is_empty() && !was_quoted {
            return Err(malformed());
        }
        items.push(Some(item).filter(|item| was_quoted || !item.eq_ignore_ascii_case("NULL")));
        if end.is_none() {
            return Ok(items);
        }
    }
}

pub(super) fn too_deep() -> Failure {
    Failure::unsupported("a parameter that is an array of arrays")
}
