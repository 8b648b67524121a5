//! The session over the statements of `tests/sql`: each file is a sqllogictest script. `UPDATE_SLT=1` writes what came out into
//! the files, for a review by eye.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test")]

mod clients;
mod database;
mod hosts_agree;
mod kept_tables;
mod planning;
mod prepared;

use std::path::{Path, PathBuf};

use database::Database;
use sqllogictest::{Runner, default_column_validator, default_normalizer, default_validator};

/// Settings, as key and value.
type Settings = &'static [(&'static str, &'static str)];

/// Nothing set: queries over bounded inputs are ad hoc.
const AD_HOC: Settings = &[];

/// The same query over the same rows gives the same result in both hosts, however the rows are cut and divided.
const HOSTS: &[Settings] = &[
    AD_HOC,
    &[("execution.runtime-mode", "batch"), ("execution.batch-size", "1")],
    &[("execution.runtime-mode", "streaming")],
    &[("execution.runtime-mode", "streaming"), ("parallelism.default", "4"), ("execution.batch-size", "1")],
    &[("execution.runtime-mode", "streaming"), ("parallelism.default", "3"), ("execution.batch-size", "7")],
];

#[test]
fn statements_do_what_the_files_say() {
    check("statements", &[AD_HOC]);
}

#[test]
fn ad_hoc_queries_give_what_the_files_say() {
    check("adhoc", &[AD_HOC]);
}

#[test]
fn tables_that_dipper_keeps_do_what_the_files_say() {
    check("tables", HOSTS);
}

#[test]
fn patterns_and_windows_give_the_same_in_both_hosts() {
    check("both", HOSTS);
}

#[test]
fn the_rules_of_row_patterns_hold_in_both_hosts() {
    check("patterns", HOSTS);
}

fn check(directory: &str, variants: &[Settings]) {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/sql").join(directory);
    let mut files: Vec<PathBuf> = std::fs::read_dir(directory).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.retain(|file| file.extension().is_some_and(|extension| extension == "slt"));
    files.sort();
    assert!(!files.is_empty(), "no files");
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    if std::env::var_os("UPDATE_SLT").is_some() {
        for file in &files {
            runtime.block_on(update(file, variants[0]));
        }
        return;
    }
    let mut failures = Vec::new();
    for file in &files {
        for settings in variants {
            let mut runner = Runner::new(|| async { Database::new(settings) });
            if let Err(error) = runtime.block_on(runner.run_file_async(file)) {
                failures.push(format!("with {settings:?}:\n{error}"));
            }
        }
    }
    assert!(failures.is_empty(), "{} failures\n\n{}", failures.len(), failures.join("\n\n"));
}

async fn update(file: &Path, settings: Settings) {
    let mut runner = Runner::new(|| async { Database::new(settings) });
    runner.update_test_file(file, " ", default_validator, default_normalizer, default_column_validator).await.unwrap();
}
