//! A right checksum in front of what nobody has written: an error, or what it says; never a panic, nor memory for what is not there.

use dipper_types::ErrorKind;
use proptest::prelude::*;

use super::*;

const BOTH: [Compression; 2] = [Compression::None, Compression::Zstd];

#[test]
fn what_is_sealed_again_unchanged_is_read() {
    for compression in BOTH {
        let (header, sections) = state_file(compression).unwrap();
        assert_eq!(decode_state_file(&seal_state_file(&header, &sections)).unwrap(), 4);
    }
    let text = manifest_text().unwrap();
    assert_eq!(decode_manifest(&seal_manifest(&text)).unwrap().number, 42);
}

#[test]
fn a_length_that_a_header_merely_claims_takes_no_memory() {
    for compression in BOTH {
        for claimed in ["0", "1", "1099511627776", "9223372036854775807", "18446744073709551615"] {
            let (header, sections) = state_file(compression).unwrap();
            let header = String::from_utf8(header).unwrap();
            let (before, after) = header.split_once("\"raw_bytes\":").unwrap();
            let after = after.trim_start_matches(|digit: char| digit.is_ascii_digit());
            let header = format!("{before}\"raw_bytes\":{claimed}{after}");
            let error = decode_state_file(&seal_state_file(header.as_bytes(), &sections)).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Corrupt, "{claimed}: {error}");
        }
    }
}

#[test]
fn numbers_of_a_manifest_at_their_limits_overflow_nothing() {
    let number = u64::MAX.to_string();
    let text = manifest_text().unwrap();
    for field in ["epoch", "number", "bytes", "header_bytes", "rows", "deletes", "open_from", "duration_ms", "attempt"]
    {
        let key = format!("\"{field}\":");
        let mut parts = text.split(&key);
        let mut changed = parts.next().unwrap().to_owned();
        for part in parts {
            let rest = part.trim_start_matches(|digit: char| digit.is_ascii_digit());
            let value = if rest.len() == part.len() { "" } else { &number };
            changed.extend([key.as_str(), value, rest]);
        }
        assert_ne!(changed, text, "{field}");
        assert!(decode_manifest(&seal_manifest(&changed)).is_ok(), "{field}");
    }
}

/// Puts bytes in place of others.
fn changed(bytes: &[u8], changes: &[(prop::sample::Index, Vec<u8>)]) -> Vec<u8> {
    let mut changed = bytes.to_vec();
    for (at, new) in changes {
        let at = at.index(changed.len());
        let end = (at + new.len().min(1)).min(changed.len());
        changed.splice(at..end, new.iter().copied());
    }
    changed
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    #[test]
    fn mutated_text_behind_a_right_checksum_is_read_or_refused_without_panic(
        changes in prop::collection::vec((any::<prop::sample::Index>(), prop::collection::vec(b' '..b'~', 0..4)), 1..4),
        zstd: bool,
    ) {
        let (header, sections) = state_file(BOTH[usize::from(zstd)]).unwrap();
        let _ = decode_state_file(&seal_state_file(&changed(&header, &changes), &sections));
        let text = changed(manifest_text().unwrap().as_bytes(), &changes);
        let _ = decode_manifest(&seal_manifest(&String::from_utf8(text).unwrap()));
    }

    #[test]
    fn mutated_sections_are_refused_whatever_seals_the_header(
        changes in prop::collection::vec((any::<prop::sample::Index>(), prop::collection::vec(any::<u8>(), 0..4)), 1..4),
        zstd: bool,
    ) {
        let (header, sections) = state_file(BOTH[usize::from(zstd)]).unwrap();
        let mutated = changed(&sections, &changes);
        prop_assert_eq!(decode_state_file(&seal_state_file(&header, &mutated)).is_ok(), mutated == sections);
    }
}
