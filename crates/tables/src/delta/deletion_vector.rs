//! Deletion vectors: which rows of a file are deleted, as a set of row numbers, in the log itself or in a file of several.

use std::sync::Arc;

use bytes::Bytes;
use dipper_state::Directory;
use dipper_types::{Error, ErrorKind, Result};
use roaring::RoaringTreemap;
use serde::{Deserialize, Serialize};
use tokio::sync::OnceCell;
use uuid::Uuid;

use crate::data_file::gone;

/// Begins every vector.
const MAGIC: u32 = 1_681_511_377;

/// Begins every file of vectors.
const FILE_VERSION: u8 = 1;

/// A larger vector does not go into the log.
const INLINE_BYTES: usize = 1024;

/// Where a vector is, as the log says it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Descriptor {
    storage_type: String,
    path_or_inline_dv: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    offset: Option<i32>,
    size_in_bytes: i32,
    cardinality: i64,
}

impl Descriptor {
    /// Tells vectors of a file apart.
    pub(crate) fn id(&self) -> String {
        let offset = self.offset.map(|offset| format!("@{offset}")).unwrap_or_default();
        format!("{}{}{offset}", self.storage_type, self.path_or_inline_dv)
    }

    /// The file that holds it, in the table's directory; none if the log itself does.
    pub(crate) fn file(&self) -> Result<Option<String>> {
        match self.storage_type.as_str() {
            "i" => Ok(None),
            // A prefix of any length, then the number of the file in 20 characters.
            "u" if self.path_or_inline_dv.is_ascii() && self.path_or_inline_dv.len() >= 20 => {
                let (prefix, number) = self.path_or_inline_dv.split_at(self.path_or_inline_dv.len() - 20);
                let number = z85_decode(number).and_then(|bytes| Uuid::from_slice(&bytes).ok());
                let number = number.ok_or_else(|| corrupt("its file has no number"))?;
                let folder = if prefix.is_empty() { String::new() } else { format!("{prefix}/") };
                Ok(Some(format!("{folder}deletion_vector_{number}.bin")))
            }
            "p" => Err(Error::unsupported("a deletion vector has an absolute path")
                .with_hint("such tables are made by copying another one without its files; copy the files as well")),
            other => Err(corrupt(&format!("it is stored as '{other}'"))),
        }
    }
}

/// Which rows of a data file are deleted. The rows are read when they are asked for, once.
#[derive(Debug, Clone)]
pub struct DeletionVector {
    descriptor: Descriptor,
    rows: OnceCell<Arc<RoaringTreemap>>,
}

impl DeletionVector {
    pub(crate) fn new(descriptor: Descriptor) -> Self {
        Self { descriptor, rows: OnceCell::new() }
    }

    /// With the rows, which are known.
    pub(crate) fn with_rows(descriptor: Descriptor, rows: Arc<RoaringTreemap>) -> Self {
        Self { descriptor, rows: OnceCell::new_with(Some(rows)) }
    }

    pub(crate) fn descriptor(&self) -> &Descriptor {
        &self.descriptor
    }

    pub(crate) fn id(&self) -> String {
        self.descriptor.id()
    }

    /// How many rows are deleted.
    pub fn cardinality(&self) -> u64 {
        self.descriptor.cardinality.max(0).unsigned_abs()
    }

    /// The numbers of the deleted rows, from zero; `directory` is the table's.
    pub async fn rows(&self, directory: &Directory) -> Result<Arc<RoaringTreemap>> {
        let read = self.rows.get_or_try_init(|| async { self.read(directory).await.map(Arc::new) }).await;
        read.cloned().map_err(|error| error.context(format!("table '{}'", directory.url())))
    }

    async fn read(&self, directory: &Directory) -> Result<RoaringTreemap> {
        let bytes = self.descriptor.size_in_bytes.max(0).unsigned_abs() as usize;
        let Some(file) = self.descriptor.file()? else {
            let mut blob = z85_decode(&self.descriptor.path_or_inline_dv).ok_or_else(|| corrupt("it is no Z85"))?;
            blob.truncate(bytes);
            return from_blob(&blob);
        };
        let start = u64::from(self.descriptor.offset.unwrap_or(1).max(0).unsigned_abs());
        let framed = start..start + bytes as u64 + 8;
        let read = directory.get_ranges(&file, std::slice::from_ref(&framed)).await?;
        let framed = read.and_then(|mut read| read.pop()).ok_or_else(|| gone(&file))?;
        let about = |error: Error| error.context(format!("file '{file}'"));
        if framed.len() != bytes + 8 || framed[..4] != (bytes as u32).to_be_bytes() {
            return Err(about(corrupt("its length is another one")));
        }
        let (blob, checksum) = framed[4..].split_at(bytes);
        if *checksum != crc32fast::hash(blob).to_be_bytes() {
            return Err(about(corrupt("its checksum does not match")));
        }
        from_blob(blob).map_err(about)
    }
}

/// Vectors that are being written: small ones into the log, the others into one file.
pub(crate) struct VectorWriter {
    number: Uuid,
    file: Vec<u8>,
}

impl VectorWriter {
    pub(crate) fn new() -> Self {
        Self { number: Uuid::new_v4(), file: vec![FILE_VERSION] }
    }

    pub(crate) fn write(&mut self, rows: &RoaringTreemap) -> Result<Descriptor> {
        let blob = to_blob(rows)?;
        let inline = blob.len() <= INLINE_BYTES;
        let descriptor = Descriptor {
            storage_type: if inline { "i" } else { "u" }.to_owned(),
            path_or_inline_dv: z85_encode(if inline { &blob } else { self.number.as_bytes() }),
            offset: (!inline).then_some(self.file.len() as i32),
            size_in_bytes: blob.len() as i32,
            cardinality: rows.len() as i64,
        };
        if !inline {
            if i32::try_from(self.file.len() + blob.len() + 8).is_err() {
                return Err(
                    Error::invalid("one commit deletes too many rows").with_hint("delete them in several steps")
                );
            }
            self.file.extend((blob.len() as u32).to_be_bytes());
            self.file.extend(&blob);
            self.file.extend(crc32fast::hash(&blob).to_be_bytes());
        }
        Ok(descriptor)
    }

    /// The file that is to be stored before the commit, if there is one.
    pub(crate) fn finish(self) -> Option<(String, Bytes)> {
        let name = format!("deletion_vector_{}.bin", self.number);
        (self.file.len() > 1).then(|| (name, Bytes::from(self.file)))
    }
}

fn to_blob(rows: &RoaringTreemap) -> Result<Vec<u8>> {
    let mut blob = Vec::with_capacity(4 + rows.serialized_size());
    blob.extend(MAGIC.to_le_bytes());
    rows.serialize_into(&mut blob).map_err(|error| Error::internal(format!("a deletion vector: {error}")))?;
    Ok(blob)
}

fn from_blob(blob: &[u8]) -> Result<RoaringTreemap> {
    let rows = blob.strip_prefix(&MAGIC.to_le_bytes()).ok_or_else(|| corrupt("it does not begin like one"))?;
    RoaringTreemap::deserialize_from(rows).map_err(|error| corrupt(&error.to_string()))
}

fn corrupt(what: &str) -> Error {
    Error::new(ErrorKind::Corrupt, format!("a deletion vector cannot be read: {what}"))
}

/// The alphabet of ZeroMQ's base 85 (RFC 32/Z85).
const Z85: &[u8; 85] = b"0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ.-:+=^!/*?&<>()[]{}@%$#";

/// Pads with zeros to a multiple of four.
fn z85_encode(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(bytes.len().div_ceil(4) * 5);
    for chunk in bytes.chunks(4) {
        let mut word = [0; 4];
        word[..chunk.len()].copy_from_slice(chunk);
        let word = u32::from_be_bytes(word);
        for place in [52_200_625, 614_125, 7225, 85, 1] {
            text.push(Z85[(word / place % 85) as usize].into());
        }
    }
    text
}

fn z85_decode(text: &str) -> Option<Vec<u8>> {
    if !text.len().is_multiple_of(5) {
        return None;
    }
    let mut bytes = Vec::with_capacity(text.len() / 5 * 4);
    for chunk in text.as_bytes().chunks(5) {
        let mut word = 0_u64;
        for digit in chunk {
            word = word * 85 + Z85.iter().position(|known| known == digit)? as u64;
        }
        bytes.extend(u32::try_from(word).ok()?.to_be_bytes());
    }
    Some(bytes)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    #[test]
    fn z85_is_that_of_its_specification() {
        let bytes = [0x86, 0x4f, 0xd2, 0x6f, 0xb5, 0x59, 0xf7, 0x5b];
        assert_eq!(z85_encode(&bytes), "HelloWorld");
        assert_eq!(z85_decode("HelloWorld").unwrap(), bytes);
        assert_eq!(z85_decode("Hell"), None);
        assert_eq!(z85_decode("#####"), None);
    }

    #[test]
    fn the_file_of_a_vector_is_that_of_the_protocols_example() {
        let descriptor = Descriptor {
            storage_type: "u".to_owned(),
            path_or_inline_dv: "ab^-aqEH.-t@S}K{vb[*k^".to_owned(),
            offset: Some(4),
            size_in_bytes: 40,
            cardinality: 6,
        };
        let file = descriptor.file().unwrap().unwrap();
        assert_eq!(file, "ab/deletion_vector_d2c639aa-8816-431a-aaf6-d3fe2512ff61.bin");
        assert_eq!(descriptor.id(), "uab^-aqEH.-t@S}K{vb[*k^@4");
    }

    #[tokio::test]
    async fn small_vectors_are_in_the_log_and_large_ones_share_a_file() {
        let directory = Directory::open("memory://", &BTreeMap::new()).unwrap();
        let sets = [
            (0..3).collect::<RoaringTreemap>(),
            (0..40_000).step_by(3).collect(),
            [1, 1 << 33].into_iter().collect(),
            (7..90_000).step_by(5).collect(),
        ];
        let mut writer = VectorWriter::new();
        let descriptors: Vec<Descriptor> = sets.iter().map(|rows| writer.write(rows).unwrap()).collect();
        let (name, bytes) = writer.finish().unwrap();
        directory.put(&name, &bytes).await.unwrap();
        let stored = |index: usize| descriptors[index].file().unwrap();
        assert_eq!([stored(0), stored(1), stored(2), stored(3)], [None, Some(name.clone()), None, Some(name.clone())]);
        for (descriptor, rows) in descriptors.iter().zip(&sets) {
            let vector = DeletionVector::new(descriptor.clone());
            assert_eq!(*vector.rows(&directory).await.unwrap(), *rows);
            assert_eq!(vector.cardinality(), rows.len());
        }

        let mut damaged = bytes.to_vec();
        damaged[20] ^= 1;
        directory.put(&name, &damaged.into()).await.unwrap();
        let error = DeletionVector::new(descriptors[1].clone()).rows(&directory).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Corrupt);
        assert!(error.to_string().contains("its checksum does not match"), "{error}");
    }
}
