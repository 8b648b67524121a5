//! Parameters: from a client's bytes to values.

mod array;
mod binary;
mod kind;
mod number;
mod text;

pub(crate) use kind::{data_type, named};

use arrow::datatypes::DataType;
use bytes::Bytes;
use datafusion::common::ScalarValue;
use kind::kind;

use crate::encode::Format;
use crate::failure::{Failure, Result, invalid_value};
use crate::frontend::invalid_text;
use crate::sqlstate;

/// How the bytes of a parameter are to be read.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Reading<'a> {
    pub(crate) format: Format,
    /// The type by which the client knows the parameter.
    pub(crate) oid: u32,
    /// The type that the statement takes.
    pub(crate) target: &'a DataType,
}

/// The value of these bytes.
pub(crate) fn value(bytes: Option<&Bytes>, reading: Reading<'_>) -> Result<ScalarValue> {
    let Reading { format, oid, target } = reading;
    let Some(bytes) = bytes else {
        return ScalarValue::try_from(target).map_err(|_| not_a_parameter(target));
    };
    let value = match (format, kind(oid)) {
        (Format::Text, _) => {
            let text = std::str::from_utf8(bytes).map_err(|_| invalid_text())?;
            if text.contains('\0') {
                return Err(invalid_text());
            }
            text::value(text, target)?
        }
        (Format::Binary, Some(kind)) => binary::value(bytes, kind, target)?,
        (Format::Binary, None) => {
            let failure = Failure::unsupported(format!("a binary parameter of the type with the oid {oid}"));
            return Err(failure.with_hint("send it as text"));
        }
    };
    cast(value, target)
}

/// A type in which a number keeps all its digits, if the one that its parameter has by default is too narrow.
pub(crate) fn roomy_type(bytes: Option<&Bytes>, reading: Reading<'_>) -> Option<DataType> {
    if reading.oid != kind::NUMERIC_OID || *reading.target != DataType::Decimal128(kind::NUMERIC.0, kind::NUMERIC.1) {
        return None;
    }
    match reading.format {
        Format::Text => number::roomy(std::str::from_utf8(bytes?).ok()?.trim()),
        Format::Binary => number::roomy(&binary::digits(&mut bytes?.clone()).ok()?),
    }
}

/// The value as one of this type: exactly, or not at all.
pub(crate) fn cast(value: ScalarValue, target: &DataType) -> Result<ScalarValue> {
    if value.data_type() == *target {
        return Ok(value);
    }
    let cast = value.cast_to(target).map_err(|_| invalid_value(&value, target))?;
    // A cast that goes wrong leaves nothing.
    if cast.is_null() && !value.is_null() {
        return Err(Failure::new(sqlstate::NUMERIC_OUT_OF_RANGE, format!("{value} is out of range for {target}")));
    }
    Ok(cast)
}

fn not_a_parameter(target: &DataType) -> Failure {
    Failure::unsupported(format!("a parameter of type {target}"))
}

#[cfg(test)]
mod tests;
