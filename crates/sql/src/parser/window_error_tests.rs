//! What the parser says about windows with a row pattern, and where.

use super::error_tests::errors;

#[test]
fn windows_with_a_row_pattern_are_refused_part_by_part() {
    let texts = [
        "ORDER BY ts PATTERN (A)",
        "PATTERN (A)",
        "ORDER BY ts ROWS BETWEEN 1 PRECEDING AND CURRENT ROW PATTERN (A)",
        "ORDER BY ts ROWS UNBOUNDED PRECEDING PATTERN (A)",
        "ORDER BY ts RANGE BETWEEN CURRENT ROW AND UNBOUNDED FOLLOWING PATTERN (A)",
        "ORDER BY ts GROUPS BETWEEN CURRENT ROW AND UNBOUNDED FOLLOWING PATTERN (A)",
        "ORDER BY ts ROWS BETWEEN CURRENT ROW AND x FOLLOWING PATTERN (A)",
        "ORDER BY ts ROWS BETWEEN CURRENT ROW AND -1 FOLLOWING PATTERN (A)",
        "ORDER BY ts ROWS BETWEEN CURRENT ROW AND 1 PRECEDING PATTERN (A)",
        "ORDER BY ts ROWS BETWEEN CURRENT ROW AND UNBOUNDED FOLLOWING EXCLUDE TIES PATTERN (A)",
        "ORDER BY ts ROWS BETWEEN CURRENT ROW AND UNBOUNDED FOLLOWING ONE ROW PER MATCH PATTERN (A)",
        "ORDER BY ts ROWS BETWEEN CURRENT ROW AND UNBOUNDED FOLLOWING PATTERN (A) WITHIN INTERVAL '1' MINUTE",
        "ORDER BY ts ROWS BETWEEN CURRENT ROW AND UNBOUNDED FOLLOWING AFTER MATCH PATTERN (A)",
        "ORDER BY ts ROWS BETWEEN CURRENT ROW AND UNBOUNDED FOLLOWING SEEK INITIAL PATTERN (A)",
        "ORDER BY ts ROWS BETWEEN CURRENT ROW AND UNBOUNDED FOLLOWING PATTERN (A | )",
        "ORDER BY ts ROWS BETWEEN CURRENT ROW AND UNBOUNDED FOLLOWING PATTERN (A) DEFINE A",
        "ORDER BY ts ROWS BETWEEN CURRENT ROW AND UNBOUNDED FOLLOWING PATTERN (A) MEASURES A.x AS y",
        "PARTITION BY a AS b ORDER BY ts ROWS BETWEEN CURRENT ROW AND UNBOUNDED FOLLOWING PATTERN (A)",
    ]
    .map(|body| format!("SELECT m OVER w FROM t WINDOW w AS (\n{body})"));
    let out = errors(&texts.iter().map(String::as_str).collect::<Vec<_>>());
    let out = out.replace("SELECT m OVER w FROM t WINDOW w AS (\\n", "(");
    insta::assert_snapshot!(out, @r#"
    "(ORDER BY ts PATTERN (A))"
        2:13-2:20 Invalid: the frame of a window with a row pattern must be ROWS BETWEEN CURRENT ROW AND … (write ROWS BETWEEN CURRENT ROW AND UNBOUNDED FOLLOWING, or AND n FOLLOWING)
    "(PATTERN (A))"
        2:1-2:8 Invalid: the frame of a window with a row pattern must be ROWS BETWEEN CURRENT ROW AND … (write ROWS BETWEEN CURRENT ROW AND UNBOUNDED FOLLOWING, or AND n FOLLOWING)
    "(ORDER BY ts ROWS BETWEEN 1 PRECEDING AND CURRENT ROW PATTERN (A))"
        2:13-2:17 Invalid: the frame of a window with a row pattern must be ROWS BETWEEN CURRENT ROW AND … (write ROWS BETWEEN CURRENT ROW AND UNBOUNDED FOLLOWING, or AND n FOLLOWING)
    "(ORDER BY ts ROWS UNBOUNDED PRECEDING PATTERN (A))"
        2:13-2:17 Invalid: the frame of a window with a row pattern must be ROWS BETWEEN CURRENT ROW AND … (write ROWS BETWEEN CURRENT ROW AND UNBOUNDED FOLLOWING, or AND n FOLLOWING)
    "(ORDER BY ts RANGE BETWEEN CURRENT ROW AND UNBOUNDED FOLLOWING PATTERN (A))"
        2:13-2:18 Invalid: the frame of a window with a row pattern must be ROWS BETWEEN CURRENT ROW AND … (write ROWS BETWEEN CURRENT ROW AND UNBOUNDED FOLLOWING, or AND n FOLLOWING)
    "(ORDER BY ts GROUPS BETWEEN CURRENT ROW AND UNBOUNDED FOLLOWING PATTERN (A))"
        2:13-2:19 Invalid: the frame of a window with a row pattern must be ROWS BETWEEN CURRENT ROW AND … (write ROWS BETWEEN CURRENT ROW AND UNBOUNDED FOLLOWING, or AND n FOLLOWING)
    "(ORDER BY ts ROWS BETWEEN CURRENT ROW AND x FOLLOWING PATTERN (A))"
        2:42-2:43 Invalid: the length of the frame must be a whole number of rows
    "(ORDER BY ts ROWS BETWEEN CURRENT ROW AND -1 FOLLOWING PATTERN (A))"
        2:42-2:44 Invalid: the length of the frame must be a whole number of rows
    "(ORDER BY ts ROWS BETWEEN CURRENT ROW AND 1 PRECEDING PATTERN (A))"
        2:44-2:53 Invalid: expected FOLLOWING, found 'PRECEDING'
    "(ORDER BY ts ROWS BETWEEN CURRENT ROW AND UNBOUNDED FOLLOWING EXCLUDE TIES PATTERN (A))"
        2:13-2:69 Invalid: EXCLUDE cannot be used with a row pattern: a match has no gaps
    "(ORDER BY ts ROWS BETWEEN CURRENT ROW AND UNBOUNDED FOLLOWING ONE ROW PER MATCH PATTERN (A))"
        2:62-2:65 Invalid: ROWS PER MATCH cannot stand in a window: it belongs to MATCH_RECOGNIZE
    "(ORDER BY ts ROWS BETWEEN CURRENT ROW AND UNBOUNDED FOLLOWING PATTERN (A) WITHIN INTERVAL '1' MINUTE)"
        2:74-2:80 Invalid: WITHIN cannot stand in a window: it belongs to MATCH_RECOGNIZE
    "(ORDER BY ts ROWS BETWEEN CURRENT ROW AND UNBOUNDED FOLLOWING AFTER MATCH PATTERN (A))"
        2:74-2:81 Invalid: expected SKIP, found 'PATTERN'
    "(ORDER BY ts ROWS BETWEEN CURRENT ROW AND UNBOUNDED FOLLOWING SEEK INITIAL PATTERN (A))"
        2:67-2:74 Invalid: expected PATTERN, found 'INITIAL'
    "(ORDER BY ts ROWS BETWEEN CURRENT ROW AND UNBOUNDED FOLLOWING PATTERN (A | ))"
        2:75-2:76 Invalid: expected a variable, `(`, `^`, `$`, `{-` or PERMUTE, found the end of the pattern
    "(ORDER BY ts ROWS BETWEEN CURRENT ROW AND UNBOUNDED FOLLOWING PATTERN (A) DEFINE A)"
        2:82-2:83 Invalid: expected AS, found ')'
    "(ORDER BY ts ROWS BETWEEN CURRENT ROW AND UNBOUNDED FOLLOWING PATTERN (A) MEASURES A.x AS y)"
        2:74-2:82 Invalid: expected SUBSET, DEFINE or ')', found 'MEASURES'
    "(PARTITION BY a AS b ORDER BY ts ROWS BETWEEN CURRENT ROW AND UNBOUNDED FOLLOWING PATTERN (A))"
        2:16-2:18 Invalid: expected PARTITION BY, ORDER BY, MEASURES or ROWS BETWEEN, found 'AS'
    "#);
}

#[test]
fn a_measure_stands_alone_and_before_a_window_with_a_row_pattern() {
    insta::assert_snapshot!(errors(&[
        "SELECT t.m OVER w FROM t WINDOW w AS (ROWS BETWEEN CURRENT ROW AND 5 FOLLOWING PATTERN (A))",
        "SELECT m OVER (v ROWS BETWEEN CURRENT ROW AND 5 FOLLOWING PATTERN (A)) FROM t WINDOW v AS (ORDER BY ts)",
        "SELECT m OVER v FROM t WINDOW v AS (ORDER BY ts)",
        "SELECT __row_pattern_window_0_0 FROM t",
        "SELECT __measure(m) FROM t",
    ]), @r#"
    "SELECT t.m OVER w FROM t WINDOW w AS (ROWS BETWEEN CURRENT ROW AND 5 FOLLOWING PATTERN (A))"
        1:10-1:11 Invalid: a measure of a window belongs to no table (write m OVER … alone)
    "SELECT m OVER (v ROWS BETWEEN CURRENT ROW AND 5 FOLLOWING PATTERN (A)) FROM t WINDOW v AS (ORDER BY ts)"
        1:16-1:17 Invalid: expected PARTITION BY, ORDER BY, MEASURES or ROWS BETWEEN, found 'v'
    "SELECT m OVER v FROM t WINDOW v AS (ORDER BY ts)"
        1:15-1:16 Invalid: expected the end of the statement, found 'v'
    "SELECT __row_pattern_window_0_0 FROM t"
        1:8-1:32 Invalid: the name '__row_pattern_window_0_0' is reserved
    "SELECT __measure(m) FROM t"
        1:8-1:17 Invalid: the name '__measure' is reserved
    "#);
}
