//! The bytes between a client and the server: messages in, a buffer out.

use bytes::{Buf, Bytes, BytesMut};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, ReadHalf, WriteHalf};

use crate::failure::{Failure, Result};
use crate::sqlstate;

/// What is read ahead while a statement runs.
const AHEAD_BYTES_MAX: usize = 256 * 1024;

/// From how many bytes on what is written is sent.
const SEND_BYTES: usize = 64 * 1024;

/// How much of a buffer is kept when it is empty again.
const KEPT_BYTES_MAX: usize = 4 * SEND_BYTES;

/// A connection's stream of bytes, encrypted or not.
pub(crate) trait Stream: AsyncRead + AsyncWrite + Send + Unpin {}

impl<S: AsyncRead + AsyncWrite + Send + Unpin> Stream for S {}

/// Both directions of a connection.
pub(crate) struct Channel {
    reader: ReadHalf<Box<dyn Stream>>,
    writer: WriteHalf<Box<dyn Stream>>,
    inbound: BytesMut,
    /// What has been written and not yet sent.
    pub(crate) out: BytesMut,
}

impl Channel {
    /// Over this stream.
    pub(crate) fn new(stream: Box<dyn Stream>) -> Self {
        let (reader, writer) = tokio::io::split(stream);
        Self { reader, writer, inbound: BytesMut::new(), out: BytesMut::new() }
    }

    /// The stream again. There must be nothing that it has read and nobody has taken: what comes unencrypted is not
    /// part of what is encrypted.
    pub(crate) fn into_stream(self) -> Result<Box<dyn Stream>> {
        if !self.inbound.is_empty() {
            let message = "received unencrypted data after SSL request";
            return Err(Failure::fatal(sqlstate::PROTOCOL_VIOLATION, message));
        }
        Ok(self.reader.unsplit(self.writer))
    }

    /// The next message: its type and its body; nothing at the end. It can be given up and asked for again.
    pub(crate) async fn message(&mut self, bytes_max: usize) -> Result<Option<(u8, Bytes)>> {
        loop {
            if self.inbound.len() >= 5 {
                let length = length(&self.inbound[1..5], bytes_max)?;
                if self.inbound.len() > length {
                    let mut message = self.inbound.split_to(length + 1).freeze();
                    let tag = message[0];
                    message.advance(5);
                    return Ok(Some((tag, message)));
                }
            }
            if !self.read().await? {
                return Ok(None);
            }
        }
    }

    /// The first message of a connection, which has no type; nothing if the client goes without a word.
    pub(crate) async fn first_message(&mut self, bytes_max: usize) -> Result<Option<Bytes>> {
        loop {
            if self.inbound.len() >= 4 {
                let length = length(&self.inbound[..4], bytes_max)?;
                if self.inbound.len() >= length {
                    let mut message = self.inbound.split_to(length).freeze();
                    message.advance(4);
                    return Ok(Some(message));
                }
            }
            if !self.read().await? {
                return Ok(None);
            }
        }
    }

    /// Reads a bit; whether there was something.
    async fn read(&mut self) -> Result<bool> {
        if self.inbound.is_empty() && self.inbound.capacity() > KEPT_BYTES_MAX {
            self.inbound = BytesMut::new();
        }
        self.inbound.reserve(8 * 1024);
        Ok(self.reader.read_buf(&mut self.inbound).await? > 0)
    }

    /// Waits until the client has gone. What it sends meanwhile is kept, up to a limit.
    pub(crate) async fn gone(&mut self) {
        while self.inbound.len() < AHEAD_BYTES_MAX {
            if !matches!(self.read().await, Ok(true)) {
                return;
            }
        }
        std::future::pending::<()>().await;
    }

    /// Whether enough is written to be sent.
    pub(crate) fn is_full(&self) -> bool {
        self.out.len() >= SEND_BYTES
    }

    /// Sends what is written. It waits for a client that reads slowly.
    pub(crate) async fn flush(&mut self) -> Result<()> {
        if !self.out.is_empty() {
            self.writer.write_all(&self.out).await?;
            self.out.clear();
            if self.out.capacity() > KEPT_BYTES_MAX {
                self.out = BytesMut::new();
            }
        }
        Ok(self.writer.flush().await?)
    }

    /// Sends what is written, and says that nothing will follow.
    pub(crate) async fn close(&mut self) -> Result<()> {
        self.flush().await?;
        Ok(self.writer.shutdown().await?)
    }
}

/// A message's length, which counts itself.
fn length(bytes: &[u8], bytes_max: usize) -> Result<usize> {
    let length = bytes.first_chunk().map_or(0, |bytes| u32::from_be_bytes(*bytes)) as usize;
    if (4..=bytes_max).contains(&length) {
        Ok(length)
    } else {
        Err(Failure::fatal(sqlstate::PROTOCOL_VIOLATION, "invalid message length"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn messages_come_as_they_were_sent_however_the_bytes_arrive() {
        let (mut client, server) = tokio::io::duplex(3);
        let mut channel = Channel::new(Box::new(server));
        let client = tokio::spawn(async move { client.write_all(b"Q\0\0\0\x06a\0S\0\0\0\x04Q\0\0").await });
        assert_eq!(channel.message(100).await.unwrap(), Some((b'Q', Bytes::from_static(b"a\0"))));
        assert_eq!(channel.message(100).await.unwrap(), Some((b'S', Bytes::new())));
        assert_eq!(channel.message(100).await.unwrap(), None);
        client.await.unwrap().unwrap();
    }

    #[tokio::test]
    async fn a_length_that_cannot_be_ends_the_connection() {
        for bytes in [&b"Q\0\0\0\x03"[..], b"Q\x7f\xff\xff\xff", b"Q\xff\xff\xff\xff"] {
            let (mut client, server) = tokio::io::duplex(100);
            client.write_all(bytes).await.unwrap();
            assert!(Channel::new(Box::new(server)).message(1000).await.unwrap_err().is_end());
        }
    }
}
