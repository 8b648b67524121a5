//! Bytes: as they are, or as text with hexadecimal digits or escapes.

use arrow::array::ArrayAccessor;
use bytes::{BufMut, BytesMut};

use super::{Format, Style, Write};

const HEXADECIMAL: &[u8; 16] = b"0123456789abcdef";

pub(super) fn bytes<A>(array: A, format: Format, style: &Style) -> Write
where
    A: Send + Sync + 'static,
    for<'a> &'a A: ArrayAccessor<Item = &'a [u8]>,
{
    let put = match format {
        Format::Binary => |bytes: &[u8], out: &mut BytesMut| out.put_slice(bytes),
        Format::Text if style.escapes_bytes => escaped,
        Format::Text => hexadecimal,
    };
    Box::new(move |row, out| {
        put((&array).value(row), out);
        Ok(())
    })
}

fn hexadecimal(bytes: &[u8], out: &mut BytesMut) {
    out.reserve(2 + 2 * bytes.len());
    out.put_slice(b"\\x");
    for byte in bytes {
        out.put_u8(HEXADECIMAL[usize::from(byte >> 4)]);
        out.put_u8(HEXADECIMAL[usize::from(byte & 15)]);
    }
}

fn escaped(bytes: &[u8], out: &mut BytesMut) {
    for byte in bytes {
        match byte {
            b'\\' => out.put_slice(b"\\\\"),
            b' '..=b'~' => out.put_u8(*byte),
            _ => out.put_slice(format!("\\{byte:03o}").as_bytes()),
        }
    }
}
