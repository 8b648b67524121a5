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
