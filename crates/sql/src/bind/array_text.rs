//! A text that becomes an array, `'{a,"b c",NULL}'::text[]`, as Postgres writes arrays. DataFusion 55 makes an array of the one text.

use std::sync::Arc;

use arrow::array::StringArray;
use arrow::datatypes::DataType;
use datafusion::common::tree_node::Transformed;
use datafusion::common::utils::SingleRowListArrayBuilder;
use datafusion::common::{DFSchema, Result, ScalarValue, not_impl_err, plan_err};
use datafusion::logical_expr::{Cast, Expr, ExprSchemable};

/// The cast, of an array of texts if it is one of a text to an array.
pub(super) fn as_array(cast: Cast, schema: &DFSchema) -> Result<Transformed<Expr>> {
    let is_text = |of: &DataType| matches!(of, DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View);
    if !matches!(cast.field.data_type(), DataType::List(_)) || !cast.expr.get_type(schema).is_ok_and(|of| is_text(&of))
    {
        return Ok(Transformed::no(Expr::Cast(cast)));
    }
    let Expr::Literal(ScalarValue::Utf8(text), _) = cast.expr.as_ref() else {
        return not_impl_err!("a cast of a text that is no literal to an array");
    };
    let Some(text) = text else {
        return Ok(Transformed::yes(Expr::Literal(ScalarValue::try_from(cast.field.data_type())?, None)));
    };
    let Some(elements) = elements(text) else {
        return plan_err!("'{text}' is no array of one dimension: write {{a,b}}, or ARRAY['a', 'b']");
    };
    let elements = SingleRowListArrayBuilder::new(Arc::new(StringArray::from(elements))).build_list_scalar();
    Ok(Transformed::yes(Expr::Cast(Cast { expr: Box::new(Expr::Literal(elements, None)), ..cast })))
}

/// The elements of an array in braces; nothing if the text is none.
fn elements(text: &str) -> Option<Vec<Option<String>>> {
    let inner = text.trim().strip_prefix('{')?.strip_suffix('}')?;
    if inner.trim().is_empty() {
        return Some(Vec::new());
    }
    let (mut elements, mut rest) = (Vec::new(), inner);
    loop {
        rest = rest.trim_start();
        let (element, behind) = match rest.strip_prefix('"') {
            Some(quoted) => {
                let (element, behind) = quoted_element(quoted)?;
                (Some(element), behind.trim_start())
            }
            None => {
                let (element, behind) = plain_element(rest)?;
                ((!element.eq_ignore_ascii_case("null")).then_some(element), behind)
            }
        };
        elements.push(element);
        match behind.strip_prefix(',') {
            Some(behind) => rest = behind,
            None => return behind.is_empty().then_some(elements),
        }
    }
}

/// What stands before the closing quotation mark, and what behind it.
fn quoted_element(text: &str) -> Option<(String, &str)> {
    let (mut element, mut characters) = (String::new(), text.chars());
    loop {
        match characters.next()? {
            '"' => return Some((element, characters.as_str())),
            '\\' => element.push(characters.next()?),
            other => element.push(other),
        }
    }
}

/// What stands before the next comma, and what from there on.
fn plain_element(text: &str) -> Option<(String, &str)> {
    let (mut element, mut characters) = (String::new(), text.chars());
    let behind = loop {
        let behind = characters.as_str();
        match characters.next() {
            None | Some(',') => break behind,
            Some('\\') => element.push(characters.next()?),
            Some('{' | '}' | '"') => return None,
            Some(other) => element.push(other),
        }
    };
    let element = element.trim_end().to_owned();
    (!element.is_empty()).then_some((element, behind))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_are_read_as_postgres_writes_arrays() {
        let read = |text| {
            elements(text)
                .map(|all| all.into_iter().map(|one| one.unwrap_or_else(|| "-".to_owned())).collect::<Vec<_>>())
        };
        let known = |all: &[&str]| Some(all.iter().map(|one| (*one).to_owned()).collect::<Vec<_>>());
        assert_eq!(read("{}"), known(&[]));
        assert_eq!(read(" { } "), known(&[]));
        assert_eq!(read("{S1,S2}"), known(&["S1", "S2"]));
        assert_eq!(
            read("{ a b , NULL,\"NULL\" , \"x \\\"y\\\\\", \"\" }"),
            known(&["a b", "-", "NULL", "x \"y\\", ""])
        );
        assert_eq!(read("{a\\,b}"), known(&["a,b"]));
        for wrong in ["", "a", "{a", "{a,}", "{,}", "{{a},{b}}", "{\"a}", "{\"a\"b}", "{a}b"] {
            assert_eq!(read(wrong), None, "{wrong}");
        }
    }
}
