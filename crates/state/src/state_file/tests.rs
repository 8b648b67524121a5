//! Files as bytes: what is written comes back, and nothing else does.

use std::sync::Arc;

use arrow::array::{
    ArrayRef, AsArray, BinaryArray, BooleanArray, Decimal128Array, DictionaryArray, Int64Array, ListArray,
    StringViewArray, UInt8Array, UInt16Array,
};
use arrow::compute::concat_batches;
use arrow::datatypes::{Int64Type, UInt8Type};
use arrow::record_batch::RecordBatch;
use dipper_types::{ErrorKind, Result};
use proptest::prelude::*;

use super::*;
use crate::fuzzing::identity;

fn batch(groups: &[u16], keys: &[i64]) -> RecordBatch {
    let groups: ArrayRef = Arc::new(UInt16Array::from(groups.to_vec()));
    let keys: ArrayRef = Arc::new(Int64Array::from(keys.to_vec()));
    RecordBatch::try_from_iter([("key_group", groups), ("key", keys)]).unwrap()
}

fn encoded(contents: &Contents, compression: Compression) -> Vec<u8> {
    let mut files = encode(&identity(), contents, compression).unwrap();
    assert_eq!(files.len(), 1);
    files.remove(0).bytes.to_vec()
}

/// Verifies and decodes a whole file.
fn decoded(bytes: &[u8]) -> Result<Contents> {
    let verified = verify("f", bytes)?;
    let mut contents = Contents::default();
    for section in &verified.header.sections {
        let place = verified.place(section);
        let bytes = &bytes[place.start as usize..place.end as usize];
        let batches = decode_section("f", section, verified.header.compression, bytes)?;
        match section.kind {
            SectionKind::Rows => contents.rows.extend(batches),
            SectionKind::Deletes => contents.deletes.extend(batches),
        }
    }
    Ok(contents)
}

fn keys(batches: &[RecordBatch]) -> Vec<i64> {
    let values = |batch: &RecordBatch| batch.column(1).as_primitive::<Int64Type>().values().to_vec();
    batches.iter().flat_map(values).collect()
}

fn sample() -> Contents {
    Contents { rows: vec![batch(&[5, 1, 5], &[50, 10, 51]), batch(&[1], &[11])], deletes: vec![batch(&[9], &[90])] }
}

#[test]
fn rows_come_back_by_key_group_in_their_order() {
    for compression in [Compression::None, Compression::Zstd] {
        let contents = decoded(&encoded(&sample(), compression)).unwrap();
        assert_eq!(keys(&contents.rows), [10, 11, 50, 51]);
        assert_eq!(keys(&contents.deletes), [90]);
    }
}

#[test]
fn nothing_makes_no_file() {
    assert!(encode(&identity(), &Contents::default(), Compression::None).unwrap().is_empty());
    let empty = Contents { rows: vec![batch(&[], &[])], deletes: vec![batch(&[], &[])] };
    assert!(encode(&identity(), &empty, Compression::None).unwrap().is_empty());
}

#[test]
fn columns_of_every_shape_come_back() {
    let groups: ArrayRef = Arc::new(UInt16Array::from(vec![0, 1, 2]));
    let lists = [Some(vec![Some(1), None]), None, Some(vec![])];
    let columns: Vec<(&str, ArrayRef)> = vec![
        ("key_group", groups),
        ("decimal", Arc::new(Decimal128Array::from(vec![Some(1), None, Some(-3)]))),
        ("view", Arc::new(StringViewArray::from(vec![Some("a text that is longer than twelve"), None, Some("c")]))),
        ("list", Arc::new(ListArray::from_iter_primitive::<Int64Type, _, _>(lists))),
        ("binary", Arc::new(BinaryArray::from_opt_vec(vec![Some(b"x"), None, Some(b"")]))),
        ("boolean", Arc::new(BooleanArray::from(vec![Some(true), None, Some(false)]))),
    ];
    let rows = RecordBatch::try_from_iter_with_nullable(columns.into_iter().map(|(name, column)| (name, column, true)));
    let rows = rows.unwrap();
    // A slice carries the buffers of the whole, and must not take them along.
    let contents = Contents { rows: vec![rows.slice(1, 2), rows.slice(0, 1)], deletes: Vec::new() };
    let decoded = decoded(&encoded(&contents, Compression::None)).unwrap();
    assert_eq!(concat_batches(&rows.schema(), &decoded.rows).unwrap(), rows);
}

#[test]
fn a_slice_of_long_views_is_stored_without_the_rest() {
    let long = "x".repeat(1 << 20);
    let texts: ArrayRef = Arc::new(StringViewArray::from(vec![long.as_str(), "a text that is longer than twelve"]));
    let groups: ArrayRef = Arc::new(UInt16Array::from(vec![0, 0]));
    let rows = RecordBatch::try_from_iter([("key_group", groups), ("text", texts)]).unwrap();
    let contents = Contents { rows: vec![rows.slice(1, 1)], deletes: Vec::new() };
    assert!(encoded(&contents, Compression::None).len() < 3000);
}

#[test]
fn dictionaries_of_several_batches_are_joined_once() {
    let batch = |value: bool| {
        let groups: ArrayRef = Arc::new(UInt16Array::from_iter_values((0..1280).map(|row| row % 128)));
        let keys = UInt8Array::from_iter_values((0..1280_u16).map(|row| u8::from(row % 3 == 0)));
        let values = DictionaryArray::new(keys, Arc::new(BooleanArray::from(vec![value, !value])));
        RecordBatch::try_from_iter([("key_group", groups), ("value", Arc::new(values) as ArrayRef)]).unwrap()
    };
    let contents = Contents { rows: vec![batch(true), batch(false)], deletes: Vec::new() };
    let decoded = decoded(&encoded(&contents, Compression::None)).unwrap();
    assert_eq!(decoded.rows.iter().map(RecordBatch::num_rows).sum::<usize>(), 2560);
    let values = decoded.rows[0].column(1).as_dictionary::<UInt8Type>();
    assert!(values.values().len() <= 4, "{} values", values.values().len());
    let first = |row: usize| values.values().as_boolean().value(values.key(row).unwrap());
    // Group 0 holds rows 0, 128, 256, … of the first batch, then those of the second, of which every third has the other value.
    assert_eq!((0..4).map(first).collect::<Vec<_>>(), [false, true, true, false]);
}

#[test]
fn many_rows_make_sections_and_files_that_cover_them() {
    let count = 7_000_000_i64;
    let groups: Vec<u16> = (0..count).map(|key| (key % 128) as u16).collect();
    let contents = Contents { rows: vec![batch(&groups, &(0..count).collect::<Vec<_>>())], deletes: Vec::new() };
    let files = encode(&identity(), &contents, Compression::None).unwrap();
    assert_eq!(files.len(), 2, "{:?}", files.iter().map(|file| file.bytes.len()).collect::<Vec<_>>());
    assert_eq!(files.iter().map(|file| file.rows).sum::<u64>(), count as u64);
    assert!(files[0].key_groups.end <= files[1].key_groups.start + 1);
    for file in files {
        let header = verify("f", &file.bytes).unwrap().header;
        assert!(header.sections.iter().all(|section| section.raw_bytes < 3 << 19), "{:?}", header.sections);
        assert!(header.sections.is_sorted_by_key(|section| section.key_groups.start));
    }
}

#[test]
fn a_flipped_bit_anywhere_is_found() {
    for compression in [Compression::None, Compression::Zstd] {
        let bytes = encoded(&sample(), compression);
        for at in 0..bytes.len() {
            for bit in 0..8 {
                let mut flipped = bytes.clone();
                flipped[at] ^= 1 << bit;
                let error = decoded(&flipped).unwrap_err();
                assert_eq!(error.kind(), ErrorKind::Corrupt, "byte {at}: {error}");
                assert!(error.to_string().contains("'f'"), "{error}");
                assert_eq!(error.hint(), Some("restore an older checkpoint"));
            }
        }
    }
}

#[test]
fn a_file_cut_short_or_grown_is_found() {
    let bytes = encoded(&sample(), Compression::Zstd);
    for length in 0..bytes.len() {
        assert_eq!(decoded(&bytes[..length]).unwrap_err().kind(), ErrorKind::Corrupt, "{length} bytes");
    }
    let longer = [bytes.as_slice(), &[0]].concat();
    assert_eq!(decoded(&longer).unwrap_err().kind(), ErrorKind::Corrupt);
}

#[test]
fn another_format_version_is_refused_by_name() {
    let mut bytes = encoded(&sample(), Compression::None);
    bytes[8] = 3;
    let length = u32::from_le_bytes(bytes[12..16].try_into().unwrap()) as usize;
    let checksum = crate::checksum::Checksum::of_parts(&[&bytes[..16], &bytes[24..24 + length]]);
    bytes[16..24].copy_from_slice(&checksum.0.to_le_bytes());
    let error = decoded(&bytes).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Invalid);
    assert_eq!(error.to_string(), "state file 'f' has format version 3, this build reads 2");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    #[test]
    fn arbitrary_bytes_are_refused_without_panic(mut bytes in prop::collection::vec(any::<u8>(), 0..200), magic: bool) {
        if magic {
            bytes.splice(0..0, *b"DIPSTATE\x02\0\0\0");
        }
        prop_assert!(decoded(&bytes).is_err());
    }

    #[test]
    fn mutated_files_are_refused_without_panic(
        changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..6),
        cut in any::<prop::sample::Index>(),
        zstd: bool,
    ) {
        let bytes = encoded(&sample(), if zstd { Compression::Zstd } else { Compression::None });
        let mut mutated = bytes.clone();
        for (at, byte) in changes {
            let at = at.index(mutated.len());
            mutated[at] = byte;
        }
        mutated.truncate(cut.index(2 * bytes.len()) + 1);
        prop_assert_eq!(decoded(&mutated).is_ok(), mutated == bytes);
    }
}
