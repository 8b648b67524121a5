//! Any bytes as stored state, as they are and behind right checksums: an error or what they say; no panic, and no memory that only a header
//! asks for. Sections behind a wrong checksum are refused.
#![no_main]

use std::alloc::{GlobalAlloc, Layout, System};

use dipper_state::Compression;
use dipper_state::fuzzing::{
    decode_manifest, decode_state_file, manifest_text, seal_manifest, seal_state_file, state_file,
};
use libfuzzer_sys::fuzz_target;

/// What a few kilobytes may take at once.
const ALLOCATION_BYTES_MAX: usize = 64 << 20;

struct Bounded;

// SAFETY: it is the system's allocator, or nothing.
unsafe impl GlobalAlloc for Bounded {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        // Whoever gets nothing aborts, which is what a fuzzer looks for.
        if layout.size() > ALLOCATION_BYTES_MAX { std::ptr::null_mut() } else { unsafe { System.alloc(layout) } }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        unsafe { System.dealloc(pointer, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Bounded = Bounded;

/// Changes bytes as the input says: what, where, by how much, and with which byte.
fn edited(bytes: &[u8], edits: &[u8]) -> Vec<u8> {
    let mut edited = bytes.to_vec();
    for edit in edits.chunks_exact(5) {
        let at = usize::from(u16::from_le_bytes([edit[1], edit[2]])) % (edited.len() + 1);
        let end = (at + usize::from(edit[3] % 16)).min(edited.len());
        match edit[0] % 4 {
            0 if at < edited.len() => edited[at] = edit[4],
            1 => edited.insert(at, edit[4]),
            2 => drop(edited.drain(at..end)),
            // A piece once more, somewhere else.
            3 => {
                let piece = edited[at..end].to_vec();
                let to = usize::from(edit[4]) * 8 % (edited.len() + 1);
                edited.splice(to..to, piece);
            }
            _ => {}
        }
    }
    edited
}

fuzz_target!(|input: &[u8]| {
    let [how, rest @ ..] = input else { return };
    let compression = if how & 128 == 0 { Compression::None } else { Compression::Zstd };
    let sample = || state_file(compression).expect("a sample");
    match how % 7 {
        0 => {
            let _ = decode_state_file(rest);
            let _ = decode_manifest(rest);
        }
        1 => {
            let end = rest.iter().position(|byte| *byte == 0).unwrap_or(rest.len());
            let (header, sections) = rest.split_at(end);
            let _ = decode_state_file(&seal_state_file(header, sections.get(1..).unwrap_or_default()));
        }
        2 => {
            if let Ok(text) = std::str::from_utf8(rest) {
                manifest(text);
            }
        }
        3 => {
            let (header, sections) = sample();
            let _ = decode_state_file(&seal_state_file(&edited(&header, rest), &sections));
        }
        4 => {
            let text = manifest_text().expect("a sample");
            if let Ok(text) = String::from_utf8(edited(text.as_bytes(), rest)) {
                manifest(&text);
            }
        }
        5 => {
            let (header, sections) = sample();
            let changed = edited(&sections, rest);
            let decoded = decode_state_file(&seal_state_file(&header, &changed));
            assert_eq!(decoded.is_ok(), changed == sections, "{decoded:?}");
        }
        _ => {
            let (header, sections) = sample();
            let whole = seal_state_file(&header, &sections);
            let changed = edited(&whole, rest);
            assert_eq!(decode_state_file(&changed).is_ok(), changed == whole);
            // There may be more white space around the text that the checksum covers.
            let whole = seal_manifest(&manifest_text().expect("a sample"));
            if let Ok(read) = decode_manifest(&edited(&whole, rest)) {
                assert_eq!(read, decode_manifest(&whole).expect("a sample"));
            }
        }
    }
});

/// What is read comes back from the bytes that it is written as; the last digits of fractions in lists, which nobody stores, need not.
fn manifest(text: &str) {
    if let Ok(manifest) = decode_manifest(&seal_manifest(text)) {
        let again = decode_manifest(&manifest.encode().expect("it was read from text"));
        let again = again.expect("it was written just now");
        assert_eq!((again.number, again.epoch, &again.query), (manifest.number, manifest.epoch, &manifest.query));
        assert_eq!(again.files(), manifest.files());
    }
}
