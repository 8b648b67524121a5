//! Number literals. One with a point is a DOUBLE, but where a DECIMAL is wanted it has the digits that it is written with. Those that a DOUBLE or a
//! BIGINT would not keep come from the parser as calls of [`NUMBER`](crate::ast::NUMBER).

use std::sync::{Arc, LazyLock};

use arrow::datatypes::{DataType, Field, FieldRef};
use datafusion::common::tree_node::{Transformed, TreeNode};
use datafusion::common::{DFSchema, Result, ScalarValue, internal_err};
use datafusion::logical_expr::expr::{InList, ScalarFunction};
use datafusion::logical_expr::{
    Between, BinaryExpr, Cast, ColumnarValue, Expr, ExprSchemable, Operator, ReturnFieldArgs, ScalarFunctionArgs,
    ScalarUDF, ScalarUDFImpl, Signature, Volatility,
};

use crate::ast::{DIGITS_MAX, NUMBER};

/// The function that the parser calls.
pub(super) fn function() -> &'static Arc<ScalarUDF> {
    static FUNCTION: LazyLock<Arc<ScalarUDF>> = LazyLock::new(|| Arc::new(ScalarUDF::from(Number::default())));
    &FUNCTION
}

/// The expression with such literals beside a DECIMAL, and in a cast to one, as DECIMALs. Types must not have been coerced.
pub(super) fn exact(expr: Expr, schema: &DFSchema) -> Result<Transformed<Expr>> {
    let beside_decimals = expr.transform_up(|mut part| {
        let transformed = match &mut part {
            Expr::BinaryExpr(BinaryExpr { left, op, right }) if keeps_digits(*op) => {
                beside([left.as_mut(), right.as_mut()], schema)
            }
            Expr::Between(Between { expr, low, high, .. }) => {
                beside([expr.as_mut(), low.as_mut(), high.as_mut()], schema)
            }
            Expr::InList(InList { expr, list, .. }) => beside(std::iter::once(expr.as_mut()).chain(list), schema),
            Expr::Cast(Cast { expr, field }) => match digits(expr).and_then(|digits| decimal(&digits)) {
                Some(literal) if field.data_type().is_decimal() => {
                    **expr = Expr::Literal(literal, None);
                    true
                }
                _ => false,
            },
            _ => false,
        };
        Ok(Transformed::new_transformed(part, transformed))
    });
    beside_decimals?.transform_data(|expr| {
        expr.transform_up(|part| match &part {
            Expr::ScalarFunction(ScalarFunction { func, args }) if func.name() == NUMBER => {
                let text =
                    args.first().and_then(|text| if let Expr::Literal(text, _) = text { Some(text) } else { None });
                value(text).map(|value| Transformed::yes(Expr::Literal(value, None)))
            }
            _ => Ok(Transformed::no(part)),
        })
    })
}

/// A quotient stays a DOUBLE: as a DECIMAL it would have less digits.
fn keeps_digits(operator: Operator) -> bool {
    operator.supports_propagation()
        || matches!(operator, Operator::Plus | Operator::Minus | Operator::Multiply | Operator::Modulo)
}

/// Whether literals among the operands have become DECIMALs because the others are.
fn beside<'a>(operands: impl IntoIterator<Item = &'a mut Expr>, schema: &DFSchema) -> bool {
    let (mut literals, mut whole, mut scale, mut has_decimal) = (Vec::new(), 0, 0, false);
    let mut fit = |data_type: &DataType| {
        let DataType::Decimal128(precision, behind) = data_type else { return false };
        whole = whole.max(i16::from(*precision) - i16::from(*behind));
        scale = scale.max(i16::from(*behind));
        true
    };
    for operand in operands {
        if let Some(literal) = digits(operand).and_then(|digits| decimal(&digits)) {
            fit(&literal.data_type());
            literals.push((operand, literal));
            continue;
        }
        match operand.get_type(schema) {
            Ok(known) if fit(&known) => has_decimal = true,
            Ok(known) if known.is_integer() || known.is_null() => {}
            _ => return false,
        }
    }
    let becomes = has_decimal && !literals.is_empty() && whole + scale <= i16::from(DIGITS_MAX);
    if becomes {
        for (operand, literal) in literals {
            *operand = Expr::Literal(literal, None);
        }
    }
    becomes
}

/// The digits of a literal that is a DOUBLE.
fn digits(expr: &Expr) -> Option<String> {
    match expr {
        Expr::Literal(ScalarValue::Float64(Some(value)), _) if value.is_finite() => Some(value.to_string()),
        Expr::ScalarFunction(ScalarFunction { func, args }) if func.name() == NUMBER => match args.as_slice() {
            [Expr::Literal(ScalarValue::Utf8(Some(text)), _)] if text.contains('.') => Some(text.clone()),
            _ => None,
        },
        Expr::Negative(operand) => digits(operand).map(|digits| match digits.strip_prefix('-') {
            Some(positive) => positive.to_owned(),
            None => format!("-{digits}"),
        }),
        _ => None,
    }
}

/// A number in decimal notation with as many digits as it needs; nothing if that are too many.
fn decimal(text: &str) -> Option<ScalarValue> {
    let (whole, behind) = text.split_once('.').unwrap_or((text, ""));
    let behind = behind.trim_end_matches('0');
    let value: i128 = format!("{whole}{behind}").parse().ok()?;
    let scale = i8::try_from(behind.len()).ok()?;
    let precision = value.checked_abs()?.checked_ilog10().map_or(1, |log| log + 1).max(u32::try_from(scale).ok()?);
    let precision = u8::try_from(precision).ok().filter(|precision| *precision <= DIGITS_MAX)?;
    Some(ScalarValue::Decimal128(Some(value), precision.max(1), scale))
}

/// A literal from its text: a DECIMAL if it is a whole number, or else a DOUBLE.
#[derive(Debug, PartialEq, Eq, Hash)]
struct Number {
    signature: Signature,
}

impl Default for Number {
    fn default() -> Self {
        Self { signature: Signature::exact(vec![DataType::Utf8], Volatility::Immutable) }
    }
}

fn value(text: Option<&ScalarValue>) -> Result<ScalarValue> {
    let Some(ScalarValue::Utf8(Some(text))) = text else { return internal_err!("a number without its text") };
    let double = || text.parse().ok().map(|value| ScalarValue::Float64(Some(value)));
    match if text.contains('.') { double() } else { decimal(text) } {
        Some(value) => Ok(value),
        None => internal_err!("'{text}' is no number"),
    }
}

impl ScalarUDFImpl for Number {
    fn name(&self) -> &'static str {
        NUMBER
    }

    fn schema_name(&self, arguments: &[Expr]) -> Result<String> {
        match arguments {
            [Expr::Literal(ScalarValue::Utf8(Some(text)), _)] => Ok(text.clone()),
            _ => internal_err!("a number without its text"),
        }
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, _: &[DataType]) -> Result<DataType> {
        internal_err!("the type of a number follows from its text")
    }

    fn return_field_from_args(&self, arguments: ReturnFieldArgs<'_>) -> Result<FieldRef> {
        let data_type = value(arguments.scalar_arguments.first().copied().flatten())?.data_type();
        Ok(Arc::new(Field::new(self.name(), data_type, false)))
    }

    fn invoke_with_args(&self, call: ScalarFunctionArgs) -> Result<ColumnarValue> {
        match call.args.as_slice() {
            [ColumnarValue::Scalar(text)] => value(Some(text)).map(ColumnarValue::Scalar),
            _ => internal_err!("a number without its text"),
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test")]

    use super::*;

    #[test]
    fn a_literal_has_the_digits_that_it_is_written_with() {
        for (text, wanted) in [
            ("123456789012345678.91", Some((12_345_678_901_234_567_891, 20, 2))),
            ("-0.050", Some((-5, 2, 2))),
            ("7.", Some((7, 1, 0))),
            (".5", Some((5, 1, 1))),
            ("0", Some((0, 1, 0))),
            (
                "12345678901234567890123456789012345678",
                Some((12_345_678_901_234_567_890_123_456_789_012_345_678, 38, 0)),
            ),
            ("123456789012345678901234567890123456789", None),
            ("0.000000000000000000000000000000000000001", None),
        ] {
            let wanted = wanted.map(|(value, precision, scale)| ScalarValue::Decimal128(Some(value), precision, scale));
            assert_eq!(decimal(text), wanted, "{text}");
        }
    }
}
