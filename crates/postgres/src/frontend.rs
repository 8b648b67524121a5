//! What a client sends, read from its bytes. Nothing that they hold can do more harm than an error.

use bytes::{Buf, Bytes};

use crate::failure::{Failure, Result};
use crate::sqlstate;

/// A statement or a portal.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Target {
    Statement,
    Portal,
}

/// A message of a client that is connected.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Message {
    Query(String),
    Parse {
        name: String,
        sql: String,
        types: Vec<u32>,
    },
    Bind(Bind),
    Describe(Target, String),
    Execute {
        portal: String,
        limit: u64,
    },
    Close(Target, String),
    Sync,
    Flush,
    Terminate,
    /// Of a COPY that never began, or has ended: nothing is to be done.
    CopyRest,
    FunctionCall,
}

/// The parameters of a statement, and how its results are wanted.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Bind {
    pub(crate) portal: String,
    pub(crate) statement: String,
    pub(crate) formats: Vec<i16>,
    pub(crate) values: Vec<Option<Bytes>>,
    pub(crate) result_formats: Vec<i16>,
}

impl Message {
    /// The message of this type with this body.
    pub(crate) fn decode(tag: u8, body: Bytes) -> Result<Self> {
        let mut body = Body(body);
        let message = match tag {
            b'Q' => Self::Query(body.text()?),
            b'P' => {
                let (name, sql) = (body.text()?, body.text()?);
                Self::Parse { name, sql, types: body.list(4, |body| body.u32())? }
            }
            b'B' => Self::Bind(Bind {
                portal: body.text()?,
                statement: body.text()?,
                formats: body.list(2, |body| body.i16())?,
                values: body.list(4, Body::value)?,
                result_formats: body.list(2, |body| body.i16())?,
            }),
            b'D' => Self::Describe(body.target()?, body.text()?),
            b'C' => Self::Close(body.target()?, body.text()?),
            // Zero and what is negative mean: all.
            b'E' => Self::Execute { portal: body.text()?, limit: body.i32()?.try_into().unwrap_or(0) },
            b'S' => Self::Sync,
            b'H' => Self::Flush,
            b'X' => Self::Terminate,
            b'd' | b'c' | b'f' => return Ok(Self::CopyRest),
            b'F' => return Ok(Self::FunctionCall),
            other => {
                let message = format!("invalid frontend message type {other}");
                return Err(Failure::fatal(sqlstate::PROTOCOL_VIOLATION, message));
            }
        };
        if body.0.has_remaining() { Err(invalid()) } else { Ok(message) }
    }

    /// Whether messages of this type belong to the extended protocol, where an error is followed by silence until Sync.
    pub(crate) fn is_extended(tag: u8) -> bool {
        matches!(tag, b'P' | b'B' | b'D' | b'E' | b'C' | b'H')
    }
}

/// The rest of a message's body.
pub(crate) struct Body(pub(crate) Bytes);

impl Body {
    /// A text that ends with a zero byte.
    pub(crate) fn text(&mut self) -> Result<String> {
        let end = self.0.iter().position(|byte| *byte == 0).ok_or_else(invalid)?;
        let bytes = self.0.split_to(end);
        self.0.advance(1);
        String::from_utf8(bytes.into()).map_err(|_| invalid_text())
    }

    pub(crate) fn u32(&mut self) -> Result<u32> {
        self.0.try_get_u32().map_err(|_| invalid())
    }

    pub(crate) fn i32(&mut self) -> Result<i32> {
        self.0.try_get_i32().map_err(|_| invalid())
    }

    fn i16(&mut self) -> Result<i16> {
        self.0.try_get_i16().map_err(|_| invalid())
    }

    /// As many items as a count says, of at least so many bytes each.
    fn list<T>(&mut self, bytes_min: usize, item: impl Fn(&mut Self) -> Result<T>) -> Result<Vec<T>> {
        let count = usize::from(self.0.try_get_u16().map_err(|_| invalid())?);
        if count * bytes_min > self.0.remaining() {
            return Err(invalid());
        }
        (0..count).map(|_| item(self)).collect()
    }

    /// Bytes behind their length; none if that is negative.
    pub(crate) fn value(&mut self) -> Result<Option<Bytes>> {
        let Ok(length) = usize::try_from(self.i32()?) else { return Ok(None) };
        if length > self.0.remaining() {
            return Err(invalid());
        }
        Ok(Some(self.0.split_to(length)))
    }

    fn target(&mut self) -> Result<Target> {
        match self.0.try_get_u8() {
            Ok(b'S') => Ok(Target::Statement),
            Ok(b'P') => Ok(Target::Portal),
            _ => Err(invalid()),
        }
    }
}

fn invalid() -> Failure {
    Failure::protocol("invalid message format")
}

/// What is not UTF-8.
pub(crate) fn invalid_text() -> Failure {
    Failure::new(sqlstate::INVALID_ENCODING, "invalid byte sequence for encoding \"UTF8\"")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn decode(tag: u8, body: &'static [u8]) -> Result<Message> {
        Message::decode(tag, Bytes::from_static(body))
    }

    #[test]
    fn messages_are_read() {
        assert_eq!(decode(b'Q', b"SELECT 1\0").unwrap(), Message::Query("SELECT 1".to_owned()));
        let parse = decode(b'P', b"a\0b\0\0\x01\0\0\0\x17").unwrap();
        assert_eq!(parse, Message::Parse { name: "a".to_owned(), sql: "b".to_owned(), types: vec![23] });
        let Message::Bind(bind) = decode(b'B', b"\0s\0\0\x01\0\x01\0\x02\0\0\0\x01x\xff\xff\xff\xff\0\0").unwrap()
        else {
            panic!("not a Bind")
        };
        assert_eq!((bind.formats, bind.values), (vec![1], vec![Some(Bytes::from_static(b"x")), None]));
        assert_eq!(decode(b'E', b"p\0\0\0\0\x05").unwrap(), Message::Execute { portal: "p".to_owned(), limit: 5 });
    }

    #[test]
    fn no_beginning_of_a_message_does_harm() {
        let bind = b"p\0s\0\0\x01\0\x01\0\x01\0\0\0\x02ab\0\x01\0\x01";
        for (tag, body) in
            [(b'B', &bind[..]), (b'P', b"a\0b\0\0\x01\0\0\0\x17"), (b'E', b"p\0\0\0\0\x05"), (b'D', b"Ss\0")]
        {
            assert!(Message::decode(tag, Bytes::copy_from_slice(body)).is_ok());
            for end in 0..body.len() {
                assert!(Message::decode(tag, Bytes::copy_from_slice(&body[..end])).is_err());
            }
        }
    }

    #[test]
    fn what_is_cut_off_or_too_long_is_an_error() {
        for (tag, body) in [
            (b'Q', &b"SELECT 1"[..]),
            (b'Q', b"a\0b"),
            (b'P', b"a\0b\0\xff\xff"),
            (b'B', b"\0\0\0\0\0\x01\0\0\0\x05a"),
            (b'B', b"\0\0\0\0\0\0\0\x05\0\0"),
            (b'D', b"Xa\0"),
            (b'E', b"a\0\0"),
            (b'S', b"?"),
        ] {
            assert_eq!(decode(tag, body).unwrap_err().code, sqlstate::PROTOCOL_VIOLATION, "{body:?}");
        }
        assert_eq!(decode(b'Q', b"\xff\0").unwrap_err().code, sqlstate::INVALID_ENCODING);
        assert!(decode(b'~', b"").unwrap_err().is_end());
    }
}
