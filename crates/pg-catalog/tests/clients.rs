//! Every query that was recorded of a client answers.
#![allow(clippy::unwrap_used, reason = "a test")]

mod system;

use std::path::Path;

use dipper_pg_catalog::{SystemCatalog, is_about_system};
use system::{catalog, rows};

/// A query that was recorded, and its parameters.
struct Recorded {
    sql: String,
    parameters: Vec<String>,
}

/// Reads a file of queries, each ended by a line with nothing but `;`. In braces stands what the identifier is of.
async fn read(catalog: &SystemCatalog, path: &Path) -> Vec<Recorded> {
    let mut text = std::fs::read_to_string(path).unwrap();
    for name in ["orders", "orders_pkey", "Sales Lines", "Sales Lines_pkey", "clicks", "amounts"] {
        let oid = rows(catalog, &format!("SELECT oid FROM pg_class WHERE relname = '{name}'"), &[]).await.unwrap();
        let oid = oid.lines().nth(3).unwrap().trim_matches(['|', ' ']).to_owned();
        text = text.replace(&format!("{{{name}}}"), &oid);
    }
    let recorded = text.split("\n;\n").filter(|part| !part.trim().is_empty()).map(|part| {
        let (parameters, sql) = match part.strip_prefix("-- parameters: ") {
            Some(rest) => rest.split_once('\n').unwrap(),
            None => ("", part),
        };
        let values = parameters.split(", $").filter(|one| !one.is_empty());
        let values = values.map(|one| one.split_once(" = ").unwrap().1.trim_matches('\'').to_owned());
        Recorded { sql: sql.to_owned(), parameters: values.collect() }
    });
    recorded.collect()
}

#[tokio::test]
async fn every_recorded_query_answers() {
    let catalog = catalog();
    // One file alone, to look into it.
    let only = std::env::var("QUERIES").ok();
    let mut failures = Vec::new();
    let mut files: Vec<_> = std::fs::read_dir(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/queries"))
        .unwrap()
        .map(|file| file.unwrap().path())
        .collect();
    files.sort();
    let mut count = 0;
    for file in files {
        let name = file.file_stem().unwrap().to_str().unwrap().to_owned();
        if only.as_ref().is_some_and(|only| *only != name) {
            continue;
        }
        for (index, recorded) in read(&catalog, &file).await.into_iter().enumerate() {
            count += 1;
            if !is_about_system(&recorded.sql) {
                failures.push(format!("{name} {index}: is not taken for one about the system\n{}", recorded.sql));
            }
            if let Err(error) = rows(&catalog, &recorded.sql, &recorded.parameters).await {
                failures.push(format!("{name} {index}: {error}\n{}", recorded.sql));
            }
        }
    }
    assert!(failures.is_empty(), "{} of {count} fail\n\n{}", failures.len(), failures.join("\n\n"));
}
