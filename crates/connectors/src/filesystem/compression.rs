//! Compression of whole files, on reading and on writing.

use std::io::{self, Read, Write};
use std::sync::{Arc, Mutex, PoisonError};

use flate2::read::MultiGzDecoder;
use flate2::write::GzEncoder;

/// The `compression` option.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Compression {
    /// By the file's name on reading, none on writing.
    Auto,
    None,
    Gzip,
    Zstd,
}

impl Compression {
    pub(crate) const CHOICES: [(&'static str, Self); 4] =
        [("auto", Self::Auto), ("none", Self::None), ("gzip", Self::Gzip), ("zstd", Self::Zstd)];

    /// How the file of this name is compressed.
    pub(crate) fn of_file(self, name: &str) -> Self {
        let extension = name.rsplit_once('.').map_or("", |(_, extension)| extension);
        match self {
            Self::Auto if extension.eq_ignore_ascii_case("gz") => Self::Gzip,
            Self::Auto if extension.eq_ignore_ascii_case("zst") => Self::Zstd,
            Self::Auto => Self::None,
            other => other,
        }
    }

    /// The end of the names of files that are written.
    pub(crate) fn suffix(self) -> &'static str {
        match self {
            Self::Auto | Self::None => "",
            Self::Gzip => ".gz",
            Self::Zstd => ".zst",
        }
    }

    /// The file's content out of its bytes.
    pub(crate) fn decompress(self, read: Box<dyn Read + Send>) -> io::Result<Box<dyn Read + Send>> {
        Ok(match self {
            Self::Auto | Self::None => read,
            Self::Gzip => Box::new(MultiGzDecoder::new(io::BufReader::with_capacity(1 << 18, read))),
            Self::Zstd => Box::new(zstd::stream::read::Decoder::new(read)?),
        })
    }
}

/// Takes an encoder's bytes, compresses them, and keeps them until they are taken. Clones share the bytes: the encoder
/// owns one, whoever writes the file another.
#[derive(Clone)]
pub(crate) struct FileBytes(Arc<Mutex<Compressor>>);

enum Compressor {
    Plain(Vec<u8>),
    Gzip(GzEncoder<Vec<u8>>),
    Zstd(zstd::stream::write::Encoder<'static, Vec<u8>>),
}

impl FileBytes {
    pub(crate) fn new(compression: Compression) -> io::Result<Self> {
        let compressor = match compression {
            Compression::Auto | Compression::None => Compressor::Plain(Vec::new()),
            Compression::Gzip => Compressor::Gzip(GzEncoder::new(Vec::new(), flate2::Compression::default())),
            Compression::Zstd => Compressor::Zstd(zstd::stream::write::Encoder::new(Vec::new(), 0)?),
        };
        Ok(Self(Arc::new(Mutex::new(compressor))))
    }

    /// Takes the bytes if there are at least `least`.
    pub(crate) fn take(&self, least: usize) -> Option<Vec<u8>> {
        let mut compressor = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let bytes = match &mut *compressor {
            Compressor::Plain(bytes) => bytes,
            Compressor::Gzip(encoder) => encoder.get_mut(),
            Compressor::Zstd(encoder) => encoder.get_mut(),
        };
        (bytes.len() >= least).then(|| std::mem::take(bytes))
    }

    /// Ends the compressed stream and takes the last bytes.
    pub(crate) fn finish(&self) -> io::Result<Vec<u8>> {
        let mut compressor = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        match std::mem::replace(&mut *compressor, Compressor::Plain(Vec::new())) {
            Compressor::Plain(bytes) => Ok(bytes),
            Compressor::Gzip(encoder) => encoder.finish(),
            Compressor::Zstd(encoder) => encoder.finish(),
        }
    }
}

impl Write for FileBytes {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let mut compressor = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        match &mut *compressor {
            Compressor::Plain(buffer) => buffer.write(bytes),
            Compressor::Gzip(encoder) => encoder.write(bytes),
            Compressor::Zstd(encoder) => encoder.write(bytes),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
