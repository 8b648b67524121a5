//! Structures and maps, which are JSON for a client.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, StringArray, StringBuilder};
use arrow::datatypes::Field;
use arrow::json::writer::{EncoderOptions, make_encoder};
use dipper_types::Error;

use crate::failure::Result;

/// The column as texts.
pub(super) fn documents(array: &ArrayRef) -> Result<StringArray> {
    let options = EncoderOptions::default().with_explicit_nulls(true);
    let field = Arc::new(Field::new("value", array.data_type().clone(), true));
    let mut encoder = make_encoder(&field, array, &options).map_err(Error::from)?;
    let mut texts = StringBuilder::with_capacity(array.len(), 0);
    let mut text = Vec::new();
    for row in 0..array.len() {
        if array.is_null(row) {
            texts.append_null();
            continue;
        }
        text.clear();
        encoder.encode(row, &mut text);
        texts.append_value(String::from_utf8_lossy(&text));
    }
    Ok(texts.finish())
}
