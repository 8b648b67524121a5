//! What goes to standard output and what to standard error.

use insta::assert_snapshot;

use crate::harness::Workspace;

const QUERY: &str = "SELECT * FROM (VALUES (1, 'a', 1.5), (2, NULL, 2.25)) AS t(n, c, x) ORDER BY n;";

#[test]
fn a_table_has_aligned_columns_and_a_count() {
    let ran = Workspace::new().run_with_input(&["run", "-"], QUERY);
    assert_eq!(ran.code, 0, "{}", ran.stderr);
    assert_snapshot!(ran.stdout, @"
     n | c    |    x
    ---+------+------
     1 | a    |  1.5
     2 | NULL | 2.25
    (2 rows)
    ");
}

#[test]
fn json_has_one_object_per_row_and_nothing_else_on_standard_output() {
    let ran = Workspace::new().run_with_input(&["run", "-", "--output", "json"], QUERY);
    assert_eq!(ran.code, 0, "{}", ran.stderr);
    assert_snapshot!(ran.stdout, @r#"
    {"n":1,"c":"a","x":1.5}
    {"n":2,"c":null,"x":2.25}
    "#);
}

#[test]
fn csv_has_a_header_and_tells_null_from_empty() {
    let ran = Workspace::new().run_with_input(&["run", "-", "--output", "csv"], QUERY);
    assert_eq!(ran.code, 0, "{}", ran.stderr);
    assert_snapshot!(ran.stdout, @"
    n,c,x
    1,a,1.5
    2,,2.25
    ");
}

#[test]
fn quiet_says_nothing_but_the_rows() {
    let ran = Workspace::new().run_with_input(&["-q", "run", "-", "-o", "csv"], QUERY);
    assert_eq!((ran.code, ran.stderr.as_str()), (0, ""));
}

#[test]
fn colours_come_only_when_asked_for_or_on_a_terminal() {
    let workspace = Workspace::new();
    let plain = workspace.run_with_input(&["run", "-"], "SELEKT 1;");
    assert!(!plain.stderr.contains('\u{1b}'), "{}", plain.stderr);
    let colored = workspace.run_with_input(&["--color", "always", "run", "-"], "SELEKT 1;");
    assert!(colored.stderr.contains('\u{1b}'), "{}", colored.stderr);
}

#[test]
fn help_lists_the_exit_codes() {
    let ran = Workspace::new().run(&["--help"]);
    assert_eq!(ran.code, 0);
    for code in ["  0 ", "  1 ", "  2 ", "  3 ", "  130 "] {
        assert!(ran.stdout.contains(code), "{}", ran.stdout);
    }
}

#[test]
fn a_column_of_nulls_is_empty_in_csv() {
    let ran = Workspace::new().run_with_input(&["run", "-", "-o", "csv"], "SELECT NULL AS a, 1 AS b;");
    assert_eq!((ran.code, ran.stdout.as_str()), (0, "a,b\n,1\n"), "{}", ran.stderr);
}
