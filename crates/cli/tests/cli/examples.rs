//! Every file of `sql-examples/`: its rows at any parallelism and batch size, and its EXPLAIN. `UPDATE_EXPECTED=1` rewrites the
//! expectations from the run at parallelism 1; read the difference before you commit it.

use std::path::{Path, PathBuf};
use std::process::Command;

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

fn examples() -> Vec<String> {
    let mut names: Vec<String> = std::fs::read_dir(root().join("sql-examples"))
        .unwrap()
        .filter_map(|entry| entry.unwrap().file_name().to_str().unwrap().strip_suffix(".sql").map(str::to_owned))
        .collect();
    names.sort();
    assert_eq!(names.len(), 10, "the scenarios that must always work");
    names
}

/// Standard output of `dipper ARGS…`, run from the root of the repository; it must succeed.
fn dipper(args: &[&str]) -> String {
    let output = Command::new(env!("CARGO_BIN_EXE_dipper")).current_dir(root()).args(args).output().unwrap();
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "dipper {args:?} failed: {stderr}");
    assert!(!stderr.contains("late"), "the examples' data keeps to its watermark: {stderr}");
    String::from_utf8(output.stdout).unwrap()
}

/// The header, then the rows sorted: across partitions order is unspecified.
fn sorted_rows(csv: &str) -> String {
    let mut lines: Vec<&str> = csv.lines().collect();
    lines[1..].sort_unstable();
    lines.join("\n") + "\n"
}

fn expect(file: &str, actual: &str) {
    let path = root().join("sql-examples/expected").join(file);
    if std::env::var_os("UPDATE_EXPECTED").is_some() {
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(&path, actual).unwrap();
    }
    let expected = std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    assert_eq!(actual, expected, "{file}");
}

#[test]
fn every_example_gives_the_same_rows_at_any_parallelism_and_batch_size() {
    for name in examples() {
        let sql = format!("sql-examples/{name}.sql");
        let run = |parallelism: &str, batch_size: &str| {
            let batch_size = format!("execution.batch-size={batch_size}");
            let args = ["run", &sql, "--output", "csv", "--parallelism", parallelism, "--set", &batch_size];
            sorted_rows(&dipper(&args))
        };
        let rows = run("1", "8192");
        assert!(rows.lines().count() > 1, "{name} finds nothing");
        expect(&format!("{name}.csv"), &rows);
        for (parallelism, batch_size) in [("1", "7"), ("4", "8192"), ("4", "7"), ("4", "1"), ("2", "1000")] {
            assert_eq!(run(parallelism, batch_size), rows, "{name} at parallelism {parallelism}, batches of {batch_size}");
        }
    }
}

#[test]
fn every_example_is_explained() {
    for name in examples() {
        expect(&format!("{name}.explain.txt"), &dipper(&["explain", &format!("sql-examples/{name}.sql")]));
    }
}

#[test]
fn the_v_shapes_are_those_of_an_independent_computation() {
    let python = Command::new("python3").current_dir(root()).args(["tests/v_shape.py", "sql-examples/data/ticks.csv"]).output();
    let python = python.expect("python3, which tests/run installs");
    assert!(python.status.success(), "{}", String::from_utf8_lossy(&python.stderr));

    let csv = dipper(&["run", "sql-examples/v_shape.sql", "--output", "csv", "--parallelism", "4"]);
    let mut rows = csv.lines();
    let header: Vec<&str> = rows.next().unwrap().split(',').collect();
    let place = |name: &str| header.iter().position(|column| *column == name).unwrap();
    let columns = ["symbol", "start_ts", "bottom_ts", "end_ts", "falls", "rises"].map(place);
    let mut ours: Vec<String> = rows
        .map(|row| {
            let fields: Vec<&str> = row.split(',').collect();
            columns.map(|column| fields[column].replace('T', " ")).join(",")
        })
        .collect();
    ours.sort_unstable();
    assert_eq!(ours.join("\n"), String::from_utf8(python.stdout).unwrap().trim_end());
}
