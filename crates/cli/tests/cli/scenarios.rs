//! The files of `sql-examples` against `tests/scenarios.py`, which computes each from its meaning alone.
//! It needs `python3`, with nothing but its standard library.

use std::path::{Path, PathBuf};
use std::process::Command;

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

fn lines(command: &mut Command) -> Vec<String> {
    let output = command.current_dir(root()).output().unwrap_or_else(|error| panic!("{command:?}: {error}"));
    assert!(output.status.success(), "{command:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap().lines().map(str::to_owned).collect()
}

/// Equal text, or numbers that differ only by the order in which something was summed.
fn agree(found: &str, expected: &str) -> bool {
    found == expected
        || match (found.parse::<f64>(), expected.parse::<f64>()) {
            (Ok(found), Ok(expected)) => (found - expected).abs() <= 1e-9 * found.abs().max(expected.abs()),
            _ => false,
        }
}

#[test]
fn every_example_finds_what_an_independent_computation_finds() {
    let mut names: Vec<String> = std::fs::read_dir(root().join("sql-examples"))
        .unwrap()
        .filter_map(|entry| Some(entry.unwrap().file_name().to_str()?.strip_suffix(".sql")?.to_owned()))
        .collect();
    names.sort();
    assert!(names.len() >= 10, "examples are missing: {names:?}");
    for name in &names {
        let expected = lines(Command::new("python3").args(["tests/scenarios.py", name]));
        let mut found = lines(
            Command::new(env!("CARGO_BIN_EXE_dipper"))
                .args(["--quiet", "run", "--output", "csv"])
                .arg(format!("sql-examples/{name}.sql")),
        );
        found.remove(0);
        found.sort_unstable();
        assert!(!expected.is_empty(), "{name} finds nothing");
        assert_eq!(found.len(), expected.len(), "{name}: number of rows");
        for (found, expected) in found.iter().zip(&expected) {
            let same_width = found.split(',').count() == expected.split(',').count();
            let same_cells = found.split(',').zip(expected.split(',')).all(|(found, expected)| agree(found, expected));
            assert!(same_width && same_cells, "{name}: found {found}, expected {expected}");
        }
    }
}
