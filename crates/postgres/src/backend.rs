//! What the server says, written as bytes.

use bytes::{BufMut, BytesMut};

use crate::encode::{Format, Shown};
use crate::failure::{Failure, Severity};

/// What a message may be long, an error say; PostgreSQL's own library takes no more.
const TEXT_BYTES_MAX: usize = 20_000;

/// Where a connection stands when it is ready.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Status {
    Idle,
    InBlock,
    InFailedBlock,
}

/// A message: its type, its length, its body.
pub(crate) fn message(out: &mut BytesMut, tag: u8, body: impl FnOnce(&mut BytesMut)) {
    out.put_u8(tag);
    with_length(out, true, body);
}

/// What `body` writes, behind its length; whether that counts itself.
pub(crate) fn with_length(out: &mut BytesMut, counts_itself: bool, body: impl FnOnce(&mut BytesMut)) {
    let start = out.len();
    out.put_i32(0);
    body(out);
    let length = out.len() - start - if counts_itself { 0 } else { 4 };
    out[start..start + 4].copy_from_slice(&(length as i32).to_be_bytes());
}

/// A message without a body.
pub(crate) fn bare(out: &mut BytesMut, tag: u8) {
    message(out, tag, |_| {});
}

fn text(out: &mut BytesMut, text: &str) {
    // A zero byte would end it.
    out.extend(text.bytes().filter(|byte| *byte != 0));
    out.put_u8(0);
}

pub(crate) fn authentication_ok(out: &mut BytesMut) {
    message(out, b'R', |out| out.put_i32(0));
}

pub(crate) fn authentication_mechanisms(out: &mut BytesMut, mechanisms: &[&str]) {
    message(out, b'R', |out| {
        out.put_i32(10);
        for mechanism in mechanisms {
            text(out, mechanism);
        }
        out.put_u8(0);
    });
}

pub(crate) fn authentication_continue(out: &mut BytesMut, data: &[u8]) {
    message(out, b'R', |out| {
        out.put_i32(11);
        out.put_slice(data);
    });
}

pub(crate) fn authentication_final(out: &mut BytesMut, data: &[u8]) {
    message(out, b'R', |out| {
        out.put_i32(12);
        out.put_slice(data);
    });
}

pub(crate) fn negotiate_version(out: &mut BytesMut, minor: u32, unknown_options: &[String]) {
    message(out, b'v', |out| {
        out.put_u32(minor);
        out.put_u32(unknown_options.len() as u32);
        for option in unknown_options {
            text(out, option);
        }
    });
}

pub(crate) fn parameter_status(out: &mut BytesMut, name: &str, value: &str) {
    message(out, b'S', |out| {
        text(out, name);
        text(out, value);
    });
}

pub(crate) fn backend_key(out: &mut BytesMut, process_id: i32, secret: [u8; 4]) {
    message(out, b'K', |out| {
        out.put_i32(process_id);
        out.put_slice(&secret);
    });
}

pub(crate) fn ready(out: &mut BytesMut, status: Status) {
    let status = match status {
        Status::Idle => b'I',
        Status::InBlock => b'T',
        Status::InFailedBlock => b'E',
    };
    message(out, b'Z', |out| out.put_u8(status));
}

/// The columns of a result, and in which format each comes.
pub(crate) fn row_description(out: &mut BytesMut, columns: &[Shown], format: impl Fn(usize) -> Format) {
    message(out, b'T', |out| {
        out.put_u16(columns.len() as u16);
        for (index, column) in columns.iter().enumerate() {
            text(out, &column.name);
            // The table, and the column there: not told.
            out.put_i32(0);
            out.put_i16(0);
            out.put_u32(column.oid);
            out.put_i16(column.size);
            out.put_i32(column.modifier);
            out.put_i16(format(index) as i16);
        }
    });
}

pub(crate) fn parameter_description(out: &mut BytesMut, oids: &[u32]) {
    message(out, b't', |out| {
        out.put_u16(oids.len() as u16);
        for oid in oids {
            out.put_u32(*oid);
        }
    });
}

pub(crate) fn complete(out: &mut BytesMut, tag: &str) {
    message(out, b'C', |out| text(out, tag));
}

pub(crate) fn copy_out(out: &mut BytesMut, format: Format, columns: usize) {
    message(out, b'H', |out| {
        out.put_i8(format as i8);
        out.put_u16(columns as u16);
        (0..columns).for_each(|_| out.put_i16(format as i16));
    });
}

pub(crate) fn empty_query(out: &mut BytesMut) {
    bare(out, b'I');
}

pub(crate) fn no_data(out: &mut BytesMut) {
    bare(out, b'n');
}

pub(crate) fn parse_complete(out: &mut BytesMut) {
    bare(out, b'1');
}

pub(crate) fn bind_complete(out: &mut BytesMut) {
    bare(out, b'2');
}

pub(crate) fn close_complete(out: &mut BytesMut) {
    bare(out, b'3');
}

pub(crate) fn portal_suspended(out: &mut BytesMut) {
    bare(out, b's');
}

pub(crate) fn copy_done(out: &mut BytesMut) {
    bare(out, b'c');
}

/// An error or a notice.
pub(crate) fn failure(out: &mut BytesMut, failure: &Failure) {
    let is_error = !matches!(failure.severity, Severity::Notice | Severity::Warning);
    message(out, if is_error { b'E' } else { b'N' }, |out| {
        let mut field = |name: u8, value: &str| {
            out.put_u8(name);
            text(out, short(value));
        };
        field(b'S', failure.severity.name());
        field(b'V', failure.severity.name());
        field(b'C', failure.code);
        field(b'M', &failure.message);
        if let Some(hint) = &failure.hint {
            field(b'H', hint);
        }
        if let Some(position) = failure.position {
            field(b'P', &position.to_string());
        }
        if let Some(routine) = failure.routine {
            field(b'R', routine);
        }
        out.put_u8(0);
    });
}

/// The beginning of a text that is too long.
fn short(text: &str) -> &str {
    &text[..text.floor_char_boundary(TEXT_BYTES_MAX)]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_is_written_with_its_fields() {
        let mut out = BytesMut::new();
        failure(&mut out, &Failure::syntax("no\0").with_hint("so").at(7));
        assert_eq!(&out[..], b"E\0\0\0\x25SERROR\0VERROR\0C42601\0Mno\0Hso\0P7\0\0".as_slice());
    }

    #[test]
    fn a_message_that_is_too_long_is_cut_between_characters() {
        let mut out = BytesMut::new();
        failure(&mut out, &Failure::syntax("ß".repeat(20_000)));
        assert!(out.len() < TEXT_BYTES_MAX + 100 && std::str::from_utf8(&out[5..]).is_ok());
    }

    #[test]
    fn short_messages_have_their_bytes() {
        let mut out = BytesMut::new();
        ready(&mut out, Status::InBlock);
        complete(&mut out, "SELECT 1");
        backend_key(&mut out, 1, [1, 2, 3, 4]);
        assert_eq!(&out[..], b"Z\0\0\0\x05TC\0\0\0\x0dSELECT 1\0K\0\0\0\x0c\0\0\0\x01\x01\x02\x03\x04".as_slice());
    }
}
