//! `dipper sql`, with statements from the command line or a pipe.

use insta::assert_snapshot;

use crate::harness::Workspace;

#[test]
fn statements_of_the_command_line_share_a_session() {
    let workspace = Workspace::new();
    workspace.file("views.sql", "CREATE VIEW one AS SELECT 1 AS n;");
    let ran = workspace.run(&[
        "sql",
        "-o",
        "csv",
        "-f",
        "views.sql",
        "-c",
        "CREATE VIEW two AS SELECT n + 1 AS m FROM one",
        "-c",
        "SELECT * FROM two",
    ]);
    assert_eq!((ran.code, ran.stdout.as_str()), (0, "m\n2\n"), "{}", ran.stderr);
}

#[test]
fn a_pipe_can_be_typed_into_line_by_line() {
    let input =
        "CREATE VIEW v AS\n  SELECT 'x;y' AS c, -- not the end;\n  2 AS n;\n\\d v\nSELECT * FROM v;\n\\q\nSELECT 3;\n";
    let ran = Workspace::new().run_with_input(&["sql"], input);
    assert_eq!(ran.code, 0, "{}", ran.stderr);
    assert_snapshot!(ran.stdout, @"
     name | type   | null | key | extras | watermark
    ------+--------+------+-----+--------+-----------
     c    | STRING | yes  |     |        |
     n    | BIGINT | yes  |     |        |
    (2 rows)
     c   | n
    -----+---
     x;y | 2
    (1 row)
    ");
}

#[test]
fn a_pipe_ends_at_the_first_error() {
    let ran = Workspace::new().run_with_input(&["sql"], "SELECT 1 AS a;\nSELECT nothing;\nSELECT 2 AS b;\n");
    assert_snapshot!(ran.failure(), @"
    exit code 3
     a
    ---
     1
    (1 row)
    error: column 'nothing' not found
     --> <input>:1:8
      |
    1 | SELECT nothing;
      |        ^^^^^^^
    ");
}

#[test]
fn an_unknown_command_is_an_error() {
    assert_snapshot!(Workspace::new().run_with_input(&["sql"], "\\zap\n").failure(), @r"
    exit code 2
    error: unknown command '\zap'
     |
     = help: \? lists the commands
    ");
}

#[test]
fn the_last_statement_of_a_pipe_needs_no_semicolon_and_no_line_end() {
    for input in ["SELECT 7 AS n", "SELECT 7 AS n\n", "SELECT 7\nAS n -- seven"] {
        let ran = Workspace::new().run_with_input(&["sql", "-o", "csv"], input);
        assert_eq!((ran.code, ran.stdout.as_str()), (0, "n\n7\n"), "{input}: {}", ran.stderr);
    }
}

#[test]
fn a_text_or_comment_that_is_open_at_the_end_of_a_pipe_is_an_error() {
    for input in ["SELECT 'seven", "SELECT 'seven;\nSELECT 1;\n", "SELECT 1 /* seven", "SELECT \"seven;"] {
        let ran = Workspace::new().run_with_input(&["sql"], input);
        assert_eq!((ran.code, ran.stdout.as_str()), (3, ""), "{input}: {}", ran.failure());
        assert!(ran.stderr.starts_with("error: "), "{input}: {}", ran.failure());
    }
}

#[test]
fn the_error_of_a_command_has_no_place_in_a_text_that_nobody_typed() {
    let ran = Workspace::new().run_with_input(&["sql"], "\\d nope\n");
    assert_eq!(ran.code, 3, "{}", ran.failure());
    assert!(ran.stderr.contains("'nope'") && !ran.stderr.contains("-->"), "{}", ran.stderr);
}
