//! CLASSIFIER() of many rows: the names of variables as a column.

use arrow::array::{Array, ArrayRef, StringArray, UInt32Array};
use arrow::buffer::{NullBuffer, OffsetBuffer};
use arrow::compute::take;
use dipper_pattern::SymbolId;
use dipper_types::{Error, Result};
use std::sync::Arc;

/// Names up to this length are copied without a call.
const SHORT: usize = 16;

/// The names of a clause's variables.
#[derive(Debug)]
pub(super) struct Classifiers {
    names: StringArray,
    /// Each name with its length, if all are short.
    short: Option<Vec<([u8; SHORT], usize)>>,
}

impl Classifiers {
    /// Of variables by their symbols.
    pub(super) fn new(names: &[String]) -> Self {
        let short = |name: &String| {
            let mut bytes = [0; SHORT];
            bytes.get_mut(..name.len())?.copy_from_slice(name.as_bytes());
            Some((bytes, name.len()))
        };
        Self { names: StringArray::from_iter_values(names), short: names.iter().map(short).collect() }
    }

    /// How many variables there are.
    pub(super) fn count(&self) -> usize {
        self.names.len()
    }

    /// The name of a variable.
    pub(super) fn name(&self, symbol: SymbolId) -> &str {
        self.names.value(symbol.index())
    }

    /// The name of each variable; NULL where there is none.
    pub(super) fn column(&self, symbols: &[Option<SymbolId>]) -> Result<ArrayRef> {
        let Some(short) = &self.short else {
            let names: UInt32Array = symbols.iter().map(|symbol| Some(symbol.as_ref()?.index() as u32)).collect();
            return Ok(take(&self.names, &names, None)?);
        };
        let longest = short.iter().map(|(_, len)| *len).max().unwrap_or(0);
        if i32::try_from(longest.saturating_mul(symbols.len())).is_err() {
            return Err(Error::invalid(format!("CLASSIFIER() of {} rows at once is too long a column", symbols.len()))
                .with_hint("bound the match, with WITHIN for example, or shorten the names of the variables"));
        }
        let mut bytes = Vec::with_capacity(longest * symbols.len() + SHORT);
        let mut offsets = Vec::with_capacity(symbols.len() + 1);
        offsets.push(0);
        for symbol in symbols {
            if let Some(symbol) = symbol {
                let (name, len) = &short[symbol.index()];
                let end = bytes.len() + len;
                bytes.extend_from_slice(name);
                bytes.truncate(end);
            }
            offsets.push(bytes.len() as i32);
        }
        let nulls = symbols.contains(&None).then(|| symbols.iter().map(Option::is_some).collect::<NullBuffer>());
        Ok(Arc::new(StringArray::try_new(OffsetBuffer::new(offsets.into()), bytes.into(), nulls)?))
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test")]

    use arrow::array::AsArray;

    use super::*;

    #[test]
    fn short_names_and_long_ones_come_out_the_same() {
        let names = |last: &str| ["A", "", "größer", last].map(str::to_owned);
        let symbols =
            [Some(0), None, Some(3), Some(2), Some(1), Some(3)].map(|symbol: Option<u8>| symbol.map(SymbolId));
        for last in ["sixteen letters!", "more than sixteen"] {
            let column = Classifiers::new(&names(last)).column(&symbols).unwrap();
            let column: Vec<Option<&str>> = column.as_string::<i32>().iter().collect();
            assert_eq!(column, [Some("A"), None, Some(last), Some("größer"), Some(""), Some(last)]);
        }
        assert_eq!(Classifiers::new(&names("B")).column(&[]).unwrap().len(), 0);
    }
}
