//! Where a text file has been read up to, and how to get back there.

use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom};

use super::compression::Compression;
use crate::format::TextPosition;

/// A stream of bytes to decode.
type Stream = Box<dyn Read + Send>;

impl TextPosition {
    /// The local file from here on, its header first.
    pub(super) fn open(self, path: &str, compression: Compression) -> io::Result<Stream> {
        let mut file = File::open(path)?;
        match compression {
            Compression::Auto | Compression::None if self.offset > 0 => {
                let length = file.metadata()?.len();
                if length < self.offset {
                    return Err(shorter(self.offset));
                }
                let mut header = Vec::new();
                file.by_ref().take(self.body).read_to_end(&mut header)?;
                file.seek(SeekFrom::Start(self.offset))?;
                Ok(Box::new(io::Cursor::new(header).chain(file)))
            }
            _ => self.skip(compression.decompress(Box::new(file))?),
        }
    }

    /// The bytes of a file from here on, its header first, out of all its bytes.
    pub(super) fn skip(self, mut file: Stream) -> io::Result<Stream> {
        if self.offset == 0 {
            return Ok(file);
        }
        let mut header = Vec::new();
        file.by_ref().take(self.body).read_to_end(&mut header)?;
        let between = self.offset.saturating_sub(self.body);
        if io::copy(&mut file.by_ref().take(between), &mut io::sink())? < between {
            return Err(shorter(self.offset));
        }
        Ok(Box::new(io::Cursor::new(header).chain(file)))
    }
}

/// Somebody has changed the file since the checkpoint.
fn shorter(offset: u64) -> io::Error {
    let message = format!("it has been read up to byte {offset} before, and is shorter now");
    io::Error::new(io::ErrorKind::InvalidData, message)
}
