//! Row patterns in windows: what a SELECT becomes, and what is refused, with its place and remedy.
#![allow(clippy::unwrap_used, reason = "a test")]

use std::fmt::Write as _;

use crate::test_catalog::{TestSession, shown};

/// The window, without its parentheses, of a SELECT over `ticks`.
const PLAIN: &str = "PARTITION BY symbol ORDER BY ts MEASURES LAST(up.price) AS peak
  ROWS BETWEEN CURRENT ROW AND UNBOUNDED FOLLOWING PATTERN (strt up+) DEFINE up AS price > PREV(price)";

fn refusals(statements: &[String]) -> String {
    let mut out = String::new();
    for sql in statements {
        let answer = match TestSession::new().run(sql) {
            Ok(_) => "accepted".to_owned(),
            Err(error) => shown(&error),
        };
        let _ = writeln!(out, "{}\n    {answer}", sql.replace(PLAIN, "…"));
    }
    out
}

#[test]
fn a_window_becomes_a_node_above_from_and_where() {
    let plan = TestSession::new().logical(&format!(
        "SELECT t.symbol, peak OVER w, SUM(t.price * 2) FILTER (WHERE volume > 1) OVER w AS s
         FROM ticks AS t WHERE t.note IS NULL WINDOW w AS ({PLAIN})"
    ));
    insta::assert_snapshot!(plan.display_indent(), @r#"
    Projection: t.symbol, __row_pattern_window_0_0 AS peak, __row_pattern_window_0_1 AS s
      RowPatternWindow: partition_by=[symbol] order_by=[ts] following=unbounded pattern=(STRT UP+) define=[UP AS price > PREV(price)] measures=[LAST(UP.price), SUM("__row_pattern_window_0_argument_0") FILTER (WHERE "__row_pattern_window_0_argument_1")]
        Projection: t.symbol AS symbol, t.ts AS ts, t.price AS price, t.volume AS volume, t.note AS note, __row_pattern_window_0_argument_0 AS __row_pattern_window_0_argument_0, __row_pattern_window_0_argument_1 AS __row_pattern_window_0_argument_1
          Projection: t.symbol, t.ts, t.price, t.volume, t.note, t.price * CAST(Int64(2) AS Float64) AS __row_pattern_window_0_argument_0, CAST(t.volume AS Int64) > Int64(1) AS __row_pattern_window_0_argument_1
            Filter: t.note IS NULL
              SubqueryAlias: t
                TableScan: ticks
    "#);
    let explained = TestSession::new()
        .run(
            "EXPLAIN SELECT *, COUNT(*) OVER (ORDER BY price DESC ROWS BETWEEN CURRENT ROW AND 5 FOLLOWING SEEK
             PATTERN (a b)) FROM ticks",
        )
        .unwrap();
    insta::assert_snapshot!(explained, @r"
    host: batch: all rows at once

    logical plan
      Projection: ticks.symbol, ticks.ts, ticks.price, ticks.volume, ticks.note, __row_pattern_window_0_0 AS COUNT(*)
        RowPatternWindow: order_by=[price DESC] following=5 seek pattern=(A B) measures=[COUNT(*)]
          Projection: ticks.symbol AS symbol, ticks.ts AS ts, ticks.price AS price, ticks.volume AS volume, ticks.note AS note
            TableScan: ticks projection=[symbol, ts, price, volume, note]
    ");
}

#[test]
fn selects_that_a_window_cannot_stand_in_are_refused_with_their_place() {
    let select = |items: &str, rest: &str| format!("SELECT {items} FROM ticks {rest} WINDOW w AS ({PLAIN})");
    insta::assert_snapshot!(refusals(&[
        select("pek OVER w", ""),
        select("bottom OVER w", ""),
        select("ROW_NUMBER() OVER w", ""),
        select("LAG(price) OVER w", ""),
        select("SUM(SUM(price) OVER w) OVER w", ""),
        select("SUM(symbol) OVER w", ""),
        select("SUM(nope) OVER w", ""),
        select("COUNT(up.*) OVER w", ""),
        select("peak OVER w, COUNT(*)", ""),
        select("symbol, peak OVER w", "GROUP BY symbol"),
        select("peak OVER w", "HAVING true"),
        select("symbol", "WHERE peak OVER w > 1"),
        select("peak OVER w, 1 + peak OVER w AS peak", ""),
        select("peak OVER (w)", ""),
        format!("SELECT price FROM ticks WINDOW w AS ({PLAIN}), v AS (w)"),
        format!("SELECT SUM(price) OVER (w) FROM ticks WINDOW w AS ({PLAIN})"),
        format!("SELECT peak OVER w FROM ticks WINDOW w AS ({PLAIN}) QUALIFY peak OVER w > 1"),
        format!("SELECT peak OVER ({PLAIN})"),
        format!("SELECT peak OVER w FROM ticks WINDOW w AS ({PLAIN}), w AS (ORDER BY ts)"),
        format!("SELECT peak OVER w FROM ticks WINDOW w AS ({PLAIN}), W AS ({PLAIN})"),
    ]), @r"
    SELECT pek OVER w FROM ticks  WINDOW w AS (…)
        1:8 the window has no measure 'pek' (did you mean peak?)
    SELECT bottom OVER w FROM ticks  WINDOW w AS (…)
        1:8 the window has no measure 'bottom' (it has peak)
    SELECT ROW_NUMBER() OVER w FROM ticks  WINDOW w AS (…)
        1:8 ROW_NUMBER over a window with a row pattern is not supported (measures and aggregates are)
    SELECT LAG(price) OVER w FROM ticks  WINDOW w AS (…)
        1:8 LAG over a window with a row pattern is not supported (measures and aggregates are)
    SELECT SUM(SUM(price) OVER w) OVER w FROM ticks  WINDOW w AS (…)
        1:12 a window function inside a window function
    SELECT SUM(symbol) OVER w FROM ticks  WINDOW w AS (…)
        1:8 SUM does not take a STRING
    SELECT SUM(nope) OVER w FROM ticks  WINDOW w AS (…)
        1:12 column 'nope' not found (did you mean ticks.note?)
    SELECT COUNT(up.*) OVER w FROM ticks  WINDOW w AS (…)
        1:8 up.* over a window is not supported (write COUNT(*); COUNT(variable.*) can be a measure)
    SELECT peak OVER w, COUNT(*) FROM ticks  WINDOW w AS (…)
        1:54 an aggregate without OVER beside a row pattern in a window is not supported (put the window in a subquery)
    SELECT symbol, peak OVER w FROM ticks GROUP BY symbol WINDOW w AS (…)
        1:67 GROUP BY beside a row pattern in a window is not supported (put the window in a subquery)
    SELECT peak OVER w FROM ticks HAVING true WINDOW w AS (…)
        1:55 HAVING beside a row pattern in a window is not supported (put the window in a subquery)
    SELECT symbol FROM ticks WHERE peak OVER w > 1 WINDOW w AS (…)
        1:32 a row pattern in a window can only be used in SELECT and in its ORDER BY (select it in a subquery)
    SELECT peak OVER w, 1 + peak OVER w AS peak FROM ticks  WINDOW w AS (…)
        1:21 the query has two columns 'peak' (name one of them: AS another_name)
    SELECT peak OVER (w) FROM ticks  WINDOW w AS (…)
        1:19 a window built on 'w' is not supported (write OVER w without parentheses, or the whole specification)
    SELECT price FROM ticks WINDOW w AS (…), v AS (w)
        2:112 a window built on 'w' is not supported (write OVER w without parentheses, or the whole specification)
    SELECT SUM(price) OVER (w) FROM ticks WINDOW w AS (…)
        1:25 a window built on 'w' is not supported (write OVER w without parentheses, or the whole specification)
    SELECT peak OVER w FROM ticks WINDOW w AS (…) QUALIFY peak OVER w > 1
        1:43 QUALIFY beside a row pattern in a window is not supported (put the window in a subquery)
    SELECT peak OVER (…)
        1:18 a row pattern in a window needs FROM (put the window in a subquery)
    SELECT peak OVER w FROM ticks WINDOW w AS (…), w AS (ORDER BY ts)
        2:106 the window 'w' is defined twice
    SELECT peak OVER w FROM ticks WINDOW w AS (…), W AS (…)
        2:106 the window 'W' is defined twice
    ");
}

#[test]
fn windows_that_break_a_rule_are_refused_with_their_place() {
    let window = |parts: &str| {
        let frame = "ROWS BETWEEN CURRENT ROW AND UNBOUNDED FOLLOWING";
        format!("SELECT COUNT(*) OVER (\n{}) FROM ticks", parts.replace('@', frame))
    };
    insta::assert_snapshot!(refusals(&[
        window("@ PATTERN (^ A)"),
        window("@ PATTERN (A $)"),
        window("MEASURES MATCH_NUMBER() AS n @ PATTERN (A)"),
        window("@ PATTERN (A) DEFINE A AS MATCH_NUMBER() = 1"),
        window("MEASURES MATCH_ROWTIME() AS n @ PATTERN (A)"),
        window("MEASURES MATCH_STATUS() AS n @ PATTERN (A)"),
        window("MEASURES nope AS n @ PATTERN (A)"),
        window("MEASURES ticks.price AS n @ PATTERN (A)"),
        window("@ PATTERN (A) DEFINE B AS true"),
        window("@ PATTERN (A) DEFINE A AS price"),
        window("@ PATTERN (A) DEFINE A AS FINAL LAST(price) > 1"),
        window("PARTITION BY nope @ PATTERN (A)"),
        window("ORDER BY ticks.nope @ PATTERN (A)"),
        window("@ AFTER MATCH SKIP TO B PATTERN (A)"),
        window("@ PATTERN (A{0})"),
        window("@ PATTERN ((A{1000}){1000})"),
    ]), @r"
    SELECT COUNT(*) OVER (
    ROWS BETWEEN CURRENT ROW AND UNBOUNDED FOLLOWING PATTERN (^ A)) FROM ticks
        2:59 ^ and $ cannot stand in the pattern of a window (a match starts at the current row anyway, unless the window says SEEK)
    SELECT COUNT(*) OVER (
    ROWS BETWEEN CURRENT ROW AND UNBOUNDED FOLLOWING PATTERN (A $)) FROM ticks
        2:61 ^ and $ cannot stand in the pattern of a window (a match starts at the current row anyway, unless the window says SEEK)
    SELECT COUNT(*) OVER (
    MEASURES MATCH_NUMBER() AS n ROWS BETWEEN CURRENT ROW AND UNBOUNDED FOLLOWING PATTERN (A)) FROM ticks
        2:10 MATCH_NUMBER() cannot stand in a window: it belongs to MATCH_RECOGNIZE
    SELECT COUNT(*) OVER (
    ROWS BETWEEN CURRENT ROW AND UNBOUNDED FOLLOWING PATTERN (A) DEFINE A AS MATCH_NUMBER() = 1) FROM ticks
        2:74 MATCH_NUMBER() cannot stand in a window: it belongs to MATCH_RECOGNIZE
    SELECT COUNT(*) OVER (
    MEASURES MATCH_ROWTIME() AS n ROWS BETWEEN CURRENT ROW AND UNBOUNDED FOLLOWING PATTERN (A)) FROM ticks
        2:10 MATCH_ROWTIME() cannot stand in a window: it belongs to MATCH_RECOGNIZE
    SELECT COUNT(*) OVER (
    MEASURES MATCH_STATUS() AS n ROWS BETWEEN CURRENT ROW AND UNBOUNDED FOLLOWING PATTERN (A)) FROM ticks
        2:10 MATCH_STATUS() cannot stand in a window: it belongs to MATCH_RECOGNIZE
    SELECT COUNT(*) OVER (
    MEASURES nope AS n ROWS BETWEEN CURRENT ROW AND UNBOUNDED FOLLOWING PATTERN (A)) FROM ticks
        2:10 column 'nope' not found (did you mean note?)
    SELECT COUNT(*) OVER (
    MEASURES ticks.price AS n ROWS BETWEEN CURRENT ROW AND UNBOUNDED FOLLOWING PATTERN (A)) FROM ticks
        2:10 MEASURES names TICKS, which is not a variable of the pattern (the pattern has A)
    SELECT COUNT(*) OVER (
    ROWS BETWEEN CURRENT ROW AND UNBOUNDED FOLLOWING PATTERN (A) DEFINE B AS true) FROM ticks
        2:69 DEFINE is for B, which is not a variable of the pattern (the pattern has A)
    SELECT COUNT(*) OVER (
    ROWS BETWEEN CURRENT ROW AND UNBOUNDED FOLLOWING PATTERN (A) DEFINE A AS price) FROM ticks
        2:74 the condition of A is of type DOUBLE, not BOOLEAN
    SELECT COUNT(*) OVER (
    ROWS BETWEEN CURRENT ROW AND UNBOUNDED FOLLOWING PATTERN (A) DEFINE A AS FINAL LAST(price) > 1) FROM ticks
        2:74 FINAL cannot stand in DEFINE: the match is not finished there
    SELECT COUNT(*) OVER (
    PARTITION BY nope ROWS BETWEEN CURRENT ROW AND UNBOUNDED FOLLOWING PATTERN (A)) FROM ticks
        2:14 column 'nope' not found (did you mean ticks.note?)
    SELECT COUNT(*) OVER (
    ORDER BY ticks.nope ROWS BETWEEN CURRENT ROW AND UNBOUNDED FOLLOWING PATTERN (A)) FROM ticks
        2:10 column 'nope' not found in 'ticks' (did you mean ticks.note?)
    SELECT COUNT(*) OVER (
    ROWS BETWEEN CURRENT ROW AND UNBOUNDED FOLLOWING AFTER MATCH SKIP TO B PATTERN (A)) FROM ticks
        2:70 AFTER MATCH SKIP goes to B, which is not a variable of the pattern (the pattern has A)
    SELECT COUNT(*) OVER (
    ROWS BETWEEN CURRENT ROW AND UNBOUNDED FOLLOWING PATTERN (A{0})) FROM ticks
        2:60 a pattern cannot be repeated zero times: leave it out
    SELECT COUNT(*) OVER (
    ROWS BETWEEN CURRENT ROW AND UNBOUNDED FOLLOWING PATTERN ((A{1000}){1000})) FROM ticks
        2:59 the pattern needs 1000001 states, more than the 100000 allowed: use smaller bounds or a shorter PERMUTE
    ");
}

#[test]
fn a_dataflow_refuses_a_row_pattern_in_a_window_by_name_and_place() {
    let frame = "ROWS BETWEEN CURRENT ROW AND UNBOUNDED FOLLOWING";
    insta::assert_snapshot!(refusals(&[
        format!("SELECT symbol, COUNT(*) OVER (ORDER BY ts {frame} PATTERN (A)) FROM feed"),
        format!("SET 'execution.runtime-mode' = 'streaming'; SELECT symbol, peak OVER w FROM ticks WINDOW w AS ({PLAIN})"),
        format!("INSERT INTO sink SELECT symbol, COUNT(*) OVER w, ts FROM ticks WINDOW w AS ({PLAIN})"),
        format!(
            "SET 'execution.runtime-mode' = 'batch';
             INSERT INTO sink SELECT symbol, COUNT(*) OVER w, ts FROM ticks WINDOW w AS ({PLAIN})"
        ),
    ]), @r"
    SELECT symbol, COUNT(*) OVER (ORDER BY ts ROWS BETWEEN CURRENT ROW AND UNBOUNDED FOLLOWING PATTERN (A)) FROM feed
        1:30 a row pattern in a window over unbounded input is not supported yet (use MATCH_RECOGNIZE, or write the rows into a table and query that)
    SET 'execution.runtime-mode' = 'streaming'; SELECT symbol, peak OVER w FROM ticks WINDOW w AS (…)
        2:52 a row pattern in a window is not supported in a dataflow yet (the input is bounded: SET 'execution.runtime-mode' = 'batch')
    INSERT INTO sink SELECT symbol, COUNT(*) OVER w, ts FROM ticks WINDOW w AS (…)
        2:52 a row pattern in a window is not supported in a dataflow yet (the input is bounded: SET 'execution.runtime-mode' = 'batch')
    SET 'execution.runtime-mode' = 'batch';
                 INSERT INTO sink SELECT symbol, COUNT(*) OVER w, ts FROM ticks WINDOW w AS (…)
        accepted
    ");
}

#[test]
fn more_windows_than_a_plan_can_hold_are_refused_and_not_a_crash() {
    let frame = "ROWS BETWEEN CURRENT ROW AND UNBOUNDED FOLLOWING";
    let select = |windows: usize| {
        let calls = (0..windows).map(|index| format!("COUNT(*) OVER ({frame} PATTERN (A)) AS c{index}"));
        format!("SELECT {} FROM plain", calls.collect::<Vec<_>>().join(", "))
    };
    TestSession::new().run(&select(16)).unwrap();
    let error = TestSession::new().run(&select(17)).unwrap_err();
    assert_eq!(error.to_string(), "more than 16 windows with a row pattern in one SELECT");
}
