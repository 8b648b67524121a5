//! Holds the list of allowed dependencies between our crates: an edge that is not listed here is a decision to take.

use std::collections::BTreeSet;
use std::path::Path;

/// Each crate and the crates of ours that it may use. A crate uses only crates that stand above it.
const ALLOWED: &[(&str, &[&str])] = &[
    ("allocator", &[]),
    ("types", &[]),
    ("pattern", &[]),
    ("checkpoint", &["types"]),
    ("state", &["types"]),
    ("tables", &["types", "state"]),
    ("graph", &["types", "pattern"]),
    ("sql", &["types", "pattern", "graph"]),
    ("operator-api", &["types", "state"]),
    ("operators", &["types", "state", "pattern", "graph", "operator-api"]),
    ("connectors", &["types", "operator-api", "state", "tables"]),
    ("runtime", &["types", "checkpoint", "state", "graph", "operator-api", "operators", "connectors"]),
    (
        "session",
        &[
            "types",
            "pattern",
            "checkpoint",
            "state",
            "tables",
            "graph",
            "sql",
            "operator-api",
            "operators",
            "connectors",
            "runtime",
        ],
    ),
    ("pg-catalog", &["types", "graph"]),
    ("postgres", &["types", "session", "pg-catalog"]),
    ("flight-sql", &["types", "session"]),
    ("cluster", &["types", "checkpoint", "state", "graph", "operator-api", "runtime", "session"]),
    ("cli", &["allocator", "types", "session", "postgres", "flight-sql", "cluster"]),
];

#[test]
fn crates_depend_only_on_what_the_architecture_allows() {
    let crates = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
    let mut found = BTreeSet::new();
    for entry in std::fs::read_dir(crates).unwrap() {
        let manifest = entry.unwrap().path().join("Cargo.toml");
        let manifest: toml::Table = std::fs::read_to_string(manifest).unwrap().parse().unwrap();
        let name = own(manifest["package"]["name"].as_str().unwrap()).unwrap().to_owned();
        let allowed = ALLOWED.iter().find(|(known, _)| *known == name);
        let (_, allowed) = allowed.unwrap_or_else(|| panic!("crate {name} has no place in the architecture yet"));
        for dependency in manifest["dependencies"].as_table().unwrap().keys().filter_map(|name| own(name)) {
            assert!(allowed.contains(&dependency), "{name} must not depend on {dependency}");
        }
        found.insert(name);
    }
    assert_eq!(found.len(), ALLOWED.len(), "a crate of the list is gone: {found:?}");
}

#[test]
fn the_list_of_allowed_dependencies_has_no_back_edge() {
    for (index, (name, allowed)) in ALLOWED.iter().enumerate() {
        for dependency in *allowed {
            let above = ALLOWED[..index].iter().any(|(known, _)| known == dependency);
            assert!(above, "{name} may use {dependency}, which stands below it");
        }
    }
}

fn own(package: &str) -> Option<&str> {
    package.strip_prefix("dipper-")
}
