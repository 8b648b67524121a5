//! Every query runs, and finds something unless it is there to find nothing.

use std::collections::BTreeSet;

use super::*;

/// Enough rows for the rarest match, and few enough for a debug build.
const ROWS: u64 = 5_000;

#[test]
fn names_are_distinct_and_begin_with_the_level() {
    let names: Vec<&str> = all().map(|query| query.name).collect();
    assert_eq!(names.iter().collect::<BTreeSet<_>>().len(), names.len());
    for query in all() {
        let level = match query.work {
            Work::Matcher(_) => "matcher/",
            Work::Operator(_) => "operator/",
            Work::Csv(_) => "csv/",
        };
        assert!(query.name.starts_with(level), "{}", query.name);
    }
}

#[test]
fn every_query_runs_and_all_but_a_few_find_something() {
    let found_nothing = |query: &Query| {
        let pass = query.pass(ROWS.min(query.rows / 40)).unwrap_or_else(|error| panic!("{}: {error:#}", query.name));
        pass.matches == 0
    };
    let names: Vec<&str> = all().filter(found_nothing).map(|query| query.name).collect();
    // Those that never match, and those whose matches take more rows than a test has.
    let expected = [
        "matcher/a-b/100000",
        "matcher/a-b-a/runs-1000000",
        "matcher/never",
        "matcher/nested-plus",
        "matcher/optional-4000",
        "operator/never",
        "operator/nested-plus",
        "operator/optional-4000",
        "operator/keys-100000",
        "operator/keys-100000-busy",
        "operator/keys-5000000",
    ];
    assert_eq!(names, expected);
}

#[test]
fn the_same_rows_are_made_again() {
    let query = named("operator/average").unwrap();
    let found = |pass: Pass| (pass.rows, pass.matches, pass.rows_out);
    assert_eq!(found(query.pass(ROWS).unwrap()), found(query.pass(ROWS).unwrap()));
}
