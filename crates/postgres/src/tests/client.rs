//! A client that sends and reads single messages.

use std::net::SocketAddr;

use bytes::{BufMut, BytesMut};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use crate::channel::Stream;
use tokio::net::TcpStream;

/// A message of the server: its type and its body.
pub(super) type Reply = (u8, Vec<u8>);

pub(super) struct Client {
    pub(super) stream: Box<dyn Stream>,
    out: BytesMut,
    /// What ends a statement from elsewhere: the number and the secret.
    pub(super) key: Vec<u8>,
}

impl Client {
    /// Only the socket.
    pub(super) async fn dial(address: SocketAddr) -> Self {
        Self::over(TcpStream::connect(address).await.unwrap())
    }

    /// Over a stream of its own.
    pub(super) fn over(stream: impl Stream + 'static) -> Self {
        let stream = Box::new(stream);
        Self { stream, out: BytesMut::new(), key: Vec::new() }
    }

    /// Logged in without a password.
    pub(super) async fn connect(address: SocketAddr) -> Self {
        let mut client = Self::dial(address).await;
        client.startup(b"user\0ada\0database\0dipper\0application_name\0test\0\0").await;
        let replies = client.until_ready().await;
        client.key = replies.iter().find(|(tag, _)| *tag == b'K').unwrap().1.clone();
        client
    }

    pub(super) async fn startup(&mut self, parameters: &[u8]) {
        let mut body = 196_608_u32.to_be_bytes().to_vec();
        body.extend(parameters);
        self.first(&body).await;
    }

    /// A message without a type.
    pub(super) async fn first(&mut self, body: &[u8]) {
        self.stream.write_u32(body.len() as u32 + 4).await.unwrap();
        self.stream.write_all(body).await.unwrap();
    }

    pub(super) fn message(&mut self, tag: u8, body: &[u8]) -> &mut Self {
        self.out.put_u8(tag);
        self.out.put_u32(body.len() as u32 + 4);
        self.out.put_slice(body);
        self
    }

    pub(super) fn parse(&mut self, name: &str, sql: &str, types: &[u32]) -> &mut Self {
        let mut body = format!("{name}\0{sql}\0").into_bytes();
        body.put_u16(types.len() as u16);
        for oid in types {
            body.put_u32(*oid);
        }
        self.message(b'P', &body)
    }

    /// With values as text, and results in this format.
    pub(super) fn bind(&mut self, portal: &str, statement: &str, values: &[Option<&str>], format: u16) -> &mut Self {
        let mut body = format!("{portal}\0{statement}\0").into_bytes();
        body.put_u16(0);
        body.put_u16(values.len() as u16);
        for value in values {
            body.put_i32(value.map_or(-1, |value| value.len() as i32));
            body.extend(value.unwrap_or_default().bytes());
        }
        body.put_u16(1);
        body.put_u16(format);
        self.message(b'B', &body)
    }

    pub(super) fn execute(&mut self, portal: &str, limit: u32) -> &mut Self {
        let mut body = format!("{portal}\0").into_bytes();
        body.put_u32(limit);
        self.message(b'E', &body)
    }

    pub(super) async fn send(&mut self) {
        let out = self.out.split();
        self.stream.write_all(&out).await.unwrap();
    }

    /// Sends what is there with a Sync, and reads all that comes.
    pub(super) async fn sync(&mut self) -> Vec<Reply> {
        self.message(b'S', b"").send().await;
        self.until_ready().await
    }

    /// Runs a text in the simple protocol.
    pub(super) async fn query(&mut self, sql: &str) -> Vec<Reply> {
        self.message(b'Q', format!("{sql}\0").as_bytes()).send().await;
        self.until_ready().await
    }

    /// The next message; nothing at the end.
    pub(super) async fn reply(&mut self) -> Option<Reply> {
        let tag = self.stream.read_u8().await.ok()?;
        let mut body = vec![0; self.stream.read_u32().await.ok()? as usize - 4];
        self.stream.read_exact(&mut body).await.ok()?;
        Some((tag, body))
    }

    pub(super) async fn until_ready(&mut self) -> Vec<Reply> {
        let mut replies = Vec::new();
        loop {
            let reply = self.reply().await.expect("the connection has ended");
            let is_ready = reply.0 == b'Z';
            replies.push(reply);
            if is_ready {
                return replies;
            }
        }
    }
}

/// The types of the messages, as a word.
pub(super) fn tags(replies: &[Reply]) -> String {
    replies.iter().map(|(tag, _)| char::from(*tag)).collect()
}

/// The rows, as text with a stroke between two values.
pub(super) fn rows(replies: &[Reply]) -> Vec<String> {
    let row = |(_, body): &Reply| {
        let (mut rest, mut values) = (&body[2..], Vec::new());
        while let [a, b, c, d, behind @ ..] = rest {
            let length = i32::from_be_bytes([*a, *b, *c, *d]);
            let (value, behind) = behind.split_at(usize::try_from(length).unwrap_or(0));
            values.push(if length < 0 { "NULL".to_owned() } else { String::from_utf8_lossy(value).into_owned() });
            rest = behind;
        }
        values.join("|")
    };
    replies.iter().filter(|(tag, _)| *tag == b'D').map(row).collect()
}

/// The tags of the commands that are complete.
pub(super) fn complete(replies: &[Reply]) -> Vec<String> {
    let tag = |(_, body): &Reply| String::from_utf8_lossy(&body[..body.len() - 1]).into_owned();
    replies.iter().filter(|(tag, _)| *tag == b'C').map(tag).collect()
}

/// A field of the first error or notice.
pub(super) fn field(replies: &[Reply], kind: u8, name: u8) -> Option<String> {
    let (_, body) = replies.iter().find(|(tag, _)| *tag == kind)?;
    let field = body.split(|byte| *byte == 0).find(|field| field.first() == Some(&name))?;
    Some(String::from_utf8_lossy(&field[1..]).into_owned())
}

/// The code of the first error.
pub(super) fn code(replies: &[Reply]) -> String {
    field(replies, b'E', b'C').unwrap_or_else(|| panic!("no error in {}", tags(replies)))
}

/// In which state the connection is ready.
pub(super) fn status(replies: &[Reply]) -> char {
    char::from(replies.last().unwrap().1[0])
}
