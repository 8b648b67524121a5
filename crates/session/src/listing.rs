//! Rows that the session makes itself: what SHOW, DESCRIBE and SET answer.

use std::sync::Arc;

use arrow::array::{ArrayRef, StringArray};
use arrow::datatypes::{DataType, Field, Schema};
use arrow::record_batch::RecordBatch;
use dipper_types::Result;
use futures::{StreamExt, stream};

use crate::{Outcome, Rows};

/// Rows of text under these columns.
pub(crate) fn listing<const N: usize>(names: [&str; N], rows: &[[Option<String>; N]]) -> Result<Outcome> {
    let fields: Vec<Field> = names.iter().map(|name| Field::new(*name, DataType::Utf8, true)).collect();
    let schema = Arc::new(Schema::new(fields));
    let column = |index: usize| {
        let texts: StringArray = rows.iter().map(|row| row[index].as_deref()).collect();
        Arc::new(texts) as ArrayRef
    };
    let batch = RecordBatch::try_new(Arc::clone(&schema), (0..N).map(column).collect())?;
    let batches = if rows.is_empty() { Vec::new() } else { vec![Ok(batch)] };
    Ok(Outcome::Rows(Rows { schema, stream: stream::iter(batches).boxed(), job: None }))
}
