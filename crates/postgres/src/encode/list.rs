//! Lists, which are arrays for a client: `{1,NULL,"a b"}`, or their dimensions and items.

use std::ops::Range;
use std::sync::Arc;

use arrow::array::{
    Array, ArrayRef, AsArray, GenericListArray, Int64Builder, ListBuilder, OffsetSizeTrait, StringArray,
};
use arrow::buffer::NullBuffer;
use arrow::compute::cast;
use arrow::datatypes::{DataType, Field};
use bytes::{BufMut, BytesMut};
use dipper_pg_catalog::pg_type_of;
use dipper_types::Error;

use super::column::{Column, column};
use super::shown::{is_vector, item_oid};
use super::{Format, Style, Write};
use crate::failure::{Failure, Result};

/// More dimensions PostgreSQL does not have.
const DIMENSIONS_MAX: usize = 6;

pub(super) fn lists(array: &ArrayRef, field: &Field, format: Format, style: &Style) -> Result<Write> {
    let items = Items::of(array, format, style)?;
    let (oid, is_vector) = (item_oid(field), is_vector(field));
    Ok(match format {
        Format::Text => Box::new(move |row, out| items.text(row, out)),
        Format::Binary => Box::new(move |row, out| items.binary(row, oid, u32::from(!is_vector), out)),
    })
}

/// A vector of a catalog, whose text has blanks between its numbers, in binary.
pub(super) fn vectors(texts: &StringArray, field: &Field, style: &Style) -> Result<Write> {
    let mut numbers = ListBuilder::new(Int64Builder::new());
    for text in texts {
        let text = text.unwrap_or_default().split_ascii_whitespace();
        let parsed = text.map(|number| number.parse().map(Some)).collect::<Result<Vec<_>, _>>();
        numbers.append_value(parsed.map_err(|error| Error::internal(format!("no vector: {error}")))?);
    }
    let width = if pg_type_of(field).name == "int2vector" { DataType::Int16 } else { DataType::Int32 };
    let list = DataType::List(Arc::new(Field::new_list_field(width, true)));
    let numbers = cast(&numbers.finish(), &list).map_err(Error::from)?;
    lists(&numbers, field, Format::Binary, style)
}

/// What stands in lists: values, or lists again.
enum Items {
    Values(Column),
    Lists { nulls: Option<NullBuffer>, ranges: Box<dyn Fn(usize) -> Range<usize> + Send + Sync>, items: Box<Items> },
}

impl Items {
    fn of(array: &ArrayRef, format: Format, style: &Style) -> Result<Self> {
        match array.data_type() {
            DataType::List(_) => Self::of_list(array.as_list::<i32>(), format, style),
            DataType::LargeList(_) => Self::of_list(array.as_list::<i64>(), format, style),
            DataType::FixedSizeList(item, _) | DataType::ListView(item) => {
                let list = cast(array, &DataType::List(Arc::clone(item))).map_err(Error::from)?;
                Self::of_list(list.as_list::<i32>(), format, style)
            }
            DataType::LargeListView(item) => {
                let list = cast(array, &DataType::LargeList(Arc::clone(item))).map_err(Error::from)?;
                Self::of_list(list.as_list::<i64>(), format, style)
            }
            other => Ok(Self::Values(column(array, &Field::new("item", other.clone(), true), format, style)?)),
        }
    }

    fn of_list<O: OffsetSizeTrait>(list: &GenericListArray<O>, format: Format, style: &Style) -> Result<Self> {
        let offsets = list.offsets().clone();
        let ranges = move |row: usize| offsets[row].as_usize()..offsets[row + 1].as_usize();
        let items = Box::new(Self::of(list.values(), format, style)?);
        Ok(Self::Lists { nulls: list.logical_nulls(), ranges: Box::new(ranges), items })
    }

    fn is_null(&self, row: usize) -> bool {
        match self {
            Self::Values(column) => column.is_null(row),
            Self::Lists { nulls, .. } => nulls.as_ref().is_some_and(|nulls| nulls.is_null(row)),
        }
    }

    fn text(&self, row: usize, out: &mut BytesMut) -> Result<()> {
        let Self::Lists { ranges, items, .. } = self else { return Ok(()) };
        out.put_u8(b'{');
        let mut text = BytesMut::new();
        for (index, item) in ranges(row).enumerate() {
            if index > 0 {
                out.put_u8(b',');
            }
            if items.is_null(item) {
                out.put_slice(b"NULL");
                continue;
            }
            match items.as_ref() {
                Self::Values(values) => {
                    text.clear();
                    values.write(item, &mut text)?;
                    quoted(&text, out);
                }
                lists @ Self::Lists { .. } => lists.text(item, out)?,
            }
        }
        out.put_u8(b'}');
        Ok(())
    }

    /// With the number of the first item.
    fn binary(&self, row: usize, oid: u32, first: u32, out: &mut BytesMut) -> Result<()> {
        let mut dimensions = Vec::new();
        self.dimensions(row, 0, &mut dimensions)?;
        if dimensions.contains(&0) {
            dimensions.clear();
        }
        out.put_u32(dimensions.len() as u32);
        out.put_u32(u32::from(self.has_nulls(row)));
        out.put_u32(oid);
        for length in &dimensions {
            out.put_u32(*length as u32);
            out.put_u32(first);
        }
        if dimensions.is_empty() { Ok(()) } else { self.items(row, out) }
    }

    /// How long the lists are, from the outermost to the innermost: lists beside each other must be of the same length.
    fn dimensions(&self, row: usize, depth: usize, dimensions: &mut Vec<usize>) -> Result<()> {
        let Self::Lists { ranges, items, .. } = self else { return Ok(()) };
        let range = ranges(row);
        match dimensions.get(depth) {
            None if depth == DIMENSIONS_MAX => {
                return Err(Failure::unsupported(format!("more than {DIMENSIONS_MAX} lists in each other")));
            }
            None => dimensions.push(range.len()),
            Some(length) if *length == range.len() => {}
            Some(_) => return Err(uneven()),
        }
        if let Self::Lists { .. } = items.as_ref() {
            for item in range {
                if items.is_null(item) {
                    return Err(uneven());
                }
                items.dimensions(item, depth + 1, dimensions)?;
            }
        }
        Ok(())
    }

    fn has_nulls(&self, row: usize) -> bool {
        let Self::Lists { ranges, items, .. } = self else { return false };
        ranges(row).any(|item| items.is_null(item) || items.has_nulls(item))
    }

    fn items(&self, row: usize, out: &mut BytesMut) -> Result<()> {
        let Self::Lists { ranges, items, .. } = self else { return Ok(()) };
        for item in ranges(row) {
            match items.as_ref() {
                Self::Values(values) => values.write_field(item, out)?,
                lists @ Self::Lists { .. } => lists.items(item, out)?,
            }
        }
        Ok(())
    }
}

fn uneven() -> Failure {
    let failure = Failure::unsupported("lists of different lengths in a list cannot be sent in binary");
    failure.with_hint("ask for the result in text")
}

/// An item, in quotes if it would be read as something else without.
fn quoted(text: &[u8], out: &mut BytesMut) {
    let special =
        |byte: &u8| matches!(byte, b'{' | b'}' | b',' | b'"' | b'\\' | b' ' | b'\t' | b'\n' | b'\r' | 0x0b | 0x0c);
    if !text.is_empty() && !text.eq_ignore_ascii_case(b"NULL") && !text.iter().any(special) {
        return out.put_slice(text);
    }
    out.put_u8(b'"');
    for byte in text {
        if matches!(byte, b'"' | b'\\') {
            out.put_u8(b'\\');
        }
        out.put_u8(*byte);
    }
    out.put_u8(b'"');
}
