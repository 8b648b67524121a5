//! Parquet: read column by column over ranges of an object, written through the Arrow writer.

mod encoder;
mod object_file;
mod reader;

use dipper_types::Result;
use parquet::basic::{Compression, ZstdLevel};

use crate::options::TableOptions;

pub(crate) use encoder::ParquetEncoder;
pub(crate) use object_file::ObjectFile;
pub(crate) use reader::ParquetReader;

/// The `parquet.…` options of a table.
#[derive(Debug, Clone)]
pub(crate) struct ParquetOptions {
    pub(crate) compression: Compression,
}

impl ParquetOptions {
    pub(crate) fn take(options: &mut TableOptions) -> Result<Self> {
        let zstd = Compression::ZSTD(ZstdLevel::default());
        let choices = [
            ("zstd", zstd),
            ("snappy", Compression::SNAPPY),
            ("lz4", Compression::LZ4_RAW),
            ("gzip", Compression::GZIP(parquet::basic::GzipLevel::default())),
            ("none", Compression::UNCOMPRESSED),
            ("uncompressed", Compression::UNCOMPRESSED),
        ];
        let compression = options.take_choice("parquet.compression", &choices)?.unwrap_or(zstd);
        Ok(Self { compression })
    }
}
