//! Any text as a script, alone and inside a clause: an error with a place, or statements; never a panic.
#![no_main]

use dipper_sql::parse_script;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|input: &[u8]| {
    let Ok(text) = std::str::from_utf8(input) else { return };
    for sql in [text.to_owned(), format!("SELECT * FROM t MATCH_RECOGNIZE ({text})")] {
        if let Err(error) = parse_script(&sql) {
            let span = error.span().unwrap_or_else(|| panic!("no place: {error}"));
            assert!(span.start <= span.end, "{span:?} {error}");
        }
    }
});
