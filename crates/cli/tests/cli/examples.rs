//! The files of `sql-examples`: each gives what `sql-examples/expected` says, whatever the host, the parallelism and the size of
//! batches. `UPDATE_EXAMPLES=1` writes what came out, for a review by eye.

use std::path::{Path, PathBuf};
use std::process::Command;

/// Host, parallelism, batch size.
const VARIANTS: [(&str, &str, &str); 5] = [
    ("streaming", "1", "32768"),
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

fn scripts() -> Vec<PathBuf> {
    let mut scripts: Vec<PathBuf> =
        std::fs::read_dir(root().join("sql-examples")).unwrap().map(|entry| entry.unwrap().path()).collect();
    scripts.retain(|path| path.extension().is_some_and(|extension| extension == "sql"));
    scripts.sort();
    assert!(scripts.len() >= 10, "examples are missing: {scripts:?}");
    scripts
}

fn name(script: &Path) -> &str {
    script.file_stem().unwrap().to_str().unwrap()
}

/// What a file of `expected` holds, after it has been rewritten if that is wanted.
fn expected(file: &str, found: impl FnOnce() -> String) -> String {
    let path = root().join("sql-examples/expected").join(file);
    if std::env::var_os("UPDATE_EXAMPLES").is_some() {
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(&path, found()).unwrap();
    }
    std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{file}: {error}"))
}

fn plan(script: &Path, format: &str) -> String {
    let path = script.strip_prefix(root()).unwrap();
    let output = Command::new(env!("CARGO_BIN_EXE_dipper"))
        .current_dir(root())
        .args(["explain", "--format", format])
        .arg(path)
        .output()
        .unwrap();
    assert!(output.status.success(), "{}: {}", script.display(), String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

#[test]
fn every_example_has_its_expected_plan() {
    for script in &scripts() {
        let (name, plan) = (name(script), plan(script, "text"));
        assert_eq!(plan, expected(&format!("{name}.explain.txt"), || plan.clone()), "{name}");
    }
}

#[test]
fn the_plan_of_an_example_is_pinned_as_json_and_as_a_graph_too() {
    let script = root().join("sql-examples/v_shape.sql");
    for (format, file) in [("json", "v_shape.explain.json"), ("dot", "v_shape.explain.dot")] {
        let plan = plan(&script, format);
        assert_eq!(plan, expected(file, || plan.clone()), "{format}");
    }
}

#[test]
fn the_v_shapes_are_those_that_python_finds() {
    let columns = ["symbol", "start_ts", "bottom_ts", "end_ts", "falls", "rises"];
    let text = rows(&root().join("sql-examples/v_shape.sql"), VARIANTS[0]);
    let mut lines = text.lines().map(|line| line.split(',').collect::<Vec<_>>());
    let header = lines.next().unwrap();
    let places = columns.map(|column| header.iter().position(|name| *name == column).unwrap());
    let mut found: Vec<String> = lines.map(|line| places.map(|place| line[place]).join(",")).collect();
    found.sort_unstable();
    let mut python = Command::new("python3");
    python.current_dir(root()).args(["tests/v_shape.py", "sql-examples/data/ticks.csv"]);
    let output = python.output().expect("python3 is installed by tests/run");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let wanted: Vec<String> = String::from_utf8(output.stdout).unwrap().lines().map(str::to_owned).collect();
    assert!(wanted.len() > 50, "{wanted:?}");
    assert_eq!(found, wanted);
}

#[test]
fn every_example_gives_its_expected_rows_in_every_variant() {
    for script in &scripts() {
        let name = name(script);
        let expected = expected(&format!("{name}.csv"), || rows(script, VARIANTS[0]));
        assert!(expected.lines().count() > 1, "{name} finds nothing");
        for variant in VARIANTS {
            assert_eq!(rows(script, variant), expected, "{name} with {variant:?}");
        }
    }
}
