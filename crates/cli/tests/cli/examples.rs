//! The files of `sql-examples`: each gives what `sql-examples/expected` says, whatever the host, the parallelism and the size of
//! batches. `UPDATE_EXAMPLES=1` writes what came out, for a review by eye.

use std::path::{Path, PathBuf};
use std::process::Command;

/// Host, parallelism, batch size.
const VARIANTS: [(&str, &str, &str); 5] = [
    ("streaming", "1", "8192"),
    ("streaming", "1", "1"),
    ("streaming", "4", "7"),
    ("streaming", "4", "1000"),
    ("batch", "1", "100"),
];

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

/// The header, then the rows sorted: their order across partitions is free.
fn rows(script: &Path, (mode, parallelism, batch_size): (&str, &str, &str)) -> String {
    let output = Command::new(env!("CARGO_BIN_EXE_dipper"))
        .current_dir(root())
        .args(["--quiet", "run", "--output", "csv", "--parallelism", parallelism])
        .args([
            "--set",
            &format!("execution.runtime-mode={mode}"),
            "--set",
            &format!("execution.batch-size={batch_size}"),
        ])
        .arg(script)
        .output()
        .unwrap();
    assert!(output.status.success(), "{}: {}", script.display(), String::from_utf8_lossy(&output.stderr));
    let text = String::from_utf8(output.stdout).unwrap();
    let mut lines: Vec<&str> = text.lines().collect();
    lines[1..].sort_unstable();
    lines.join("\n") + "\n"
}

#[test]
fn every_example_gives_its_expected_rows_in_every_variant() {
    let mut scripts: Vec<PathBuf> =
        std::fs::read_dir(root().join("sql-examples")).unwrap().map(|entry| entry.unwrap().path()).collect();
    scripts.retain(|path| path.extension().is_some_and(|extension| extension == "sql"));
    scripts.sort();
    assert!(scripts.len() >= 10, "examples are missing: {scripts:?}");
    for script in &scripts {
        let name = script.file_stem().unwrap().to_str().unwrap();
        let expected = root().join("sql-examples/expected").join(format!("{name}.csv"));
        if std::env::var_os("UPDATE_EXAMPLES").is_some() {
            std::fs::create_dir_all(expected.parent().unwrap()).unwrap();
            std::fs::write(&expected, rows(script, VARIANTS[0])).unwrap();
        }
        let expected = std::fs::read_to_string(&expected).unwrap();
        assert!(expected.lines().count() > 1, "{name} finds nothing");
        for variant in VARIANTS {
            assert_eq!(rows(script, variant), expected, "{name} with {variant:?}");
        }
    }
}
