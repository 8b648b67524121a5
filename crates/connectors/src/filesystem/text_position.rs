//! Where a text file has been read up to, and how to get back there.

use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom};

use dipper_operator_api::{Split, SplitPosition};
use dipper_types::{Error, Result};

use super::compression::Compression;
use crate::format::TextPosition;

/// A stream of bytes to decode.
type Stream = Box<dyn Read + Send>;

impl TextPosition {
    /// What a reader said as [`TextPosition::encode`].
    pub(super) fn decode(split: &Split, position: &SplitPosition) -> Result<Self> {
        serde_json::from_value(position.0.clone())
            .map_err(|error| Error::internal(format!("position of split '{}': {error}", split.id)))
    }

    /// For the checkpoint.
    pub(super) fn encode(self) -> SplitPosition {
        SplitPosition(serde_json::json!({ "offset": self.offset, "line": self.line, "body": self.body }))
    }

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
