//! Reads a file in large blocks, one block ahead of whoever decodes them, on threads that may block.

use std::io::{self, Read};

use bytes::Bytes;
use dipper_types::{Error, Result};
use futures::StreamExt;
use futures::stream::BoxStream;
use tokio::runtime::Handle;
use tokio::task::JoinHandle;

/// The size of a block.
const BLOCK_BYTES: usize = 1 << 20;

type Stream = Box<dyn Read + Send>;

/// A read under way: it gives the stream back with what it read.
type Reading = JoinHandle<io::Result<(Stream, Vec<u8>)>>;

/// The blocks of a file in order. One read is always under way, on no thread of its own between reads.
pub(crate) struct Blocks {
    runtime: Handle,
    /// `None` at the end of the file and after an error.
    reading: Option<Reading>,
}

impl Blocks {
    /// Opens the file by `open`, which may block, and begins to read.
    pub(crate) fn new(open: impl FnOnce() -> io::Result<Stream> + Send + 'static) -> Result<Self> {
        let runtime =
            Handle::try_current().map_err(|_| Error::internal("a file is opened outside of the I/O runtime"))?;
        let reading = runtime.spawn_blocking(move || open().and_then(read_block));
        Ok(Self { runtime, reading: Some(reading) })
    }

    /// The next block, `None` at the end. May be dropped while it waits.
    pub(crate) async fn next(&mut self) -> io::Result<Option<Vec<u8>>> {
        let Some(reading) = &mut self.reading else { return Ok(None) };
        let read = reading.await;
        self.reading = None;
        let (stream, block) = read.map_err(io::Error::other)??;
        if block.is_empty() {
            return Ok(None);
        }
        self.reading = Some(self.runtime.spawn_blocking(move || read_block(stream)));
        Ok(Some(block))
    }
}

fn read_block(mut stream: Stream) -> io::Result<(Stream, Vec<u8>)> {
    let mut block = Vec::with_capacity(BLOCK_BYTES);
    stream.by_ref().take(BLOCK_BYTES as u64).read_to_end(&mut block)?;
    Ok((stream, block))
}

/// The bytes of an object as a blocking stream. Only for threads that may block.
pub(crate) struct ObjectBytes {
    runtime: Handle,
    stream: BoxStream<'static, object_store::Result<Bytes>>,
    current: Bytes,
}

impl ObjectBytes {
    pub(crate) fn new(stream: BoxStream<'static, object_store::Result<Bytes>>) -> Result<Self> {
        let runtime =
            Handle::try_current().map_err(|_| Error::internal("an object is opened outside of the I/O runtime"))?;
        Ok(Self { runtime, stream, current: Bytes::new() })
    }
}

impl Read for ObjectBytes {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        while self.current.is_empty() {
            match self.runtime.block_on(self.stream.next()) {
                None => return Ok(0),
                Some(Ok(bytes)) => self.current = bytes,
                Some(Err(error)) => return Err(io::Error::other(error)),
            }
        }
        let len = buffer.len().min(self.current.len());
        buffer[..len].copy_from_slice(&self.current.split_to(len));
        Ok(len)
    }
}
