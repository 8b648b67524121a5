//! What EXPLAIN says.
#![allow(clippy::unwrap_used, reason = "a test")]

use crate::test_catalog::TestSession;

fn explain(sql: &str) -> String {
    TestSession::new().run(sql).unwrap()
}

/// From the line of this text on.
fn from(text: &str, start: &str) -> String {
    text[text.find(start).unwrap()..].to_owned()
}

#[test]
fn an_insert_shows_plan_graph_patterns_and_delivery() {
    insta::assert_snapshot!(explain(
        "EXPLAIN INSERT INTO sink SELECT symbol, n, t FROM feed MATCH_RECOGNIZE (PARTITION BY symbol ORDER BY ts
           MEASURES COUNT(*) AS n, MATCH_ROWTIME() AS t PATTERN (STRT DOWN+ UP+) WITHIN INTERVAL '1' HOUR
           DEFINE DOWN AS price < PREV(price), UP AS price > PREV(price))"
    ), @"
    == INSERT INTO sink ==
    host: dataflow over unbounded input

    logical plan
      Projection: symbol, n, t AS at_time
        MatchRecognize: partition_by=[symbol] order_by=[ts] pattern=(STRT DOWN+ UP+) define=[DOWN AS price < PREV(price), UP AS price > PREV(price)] measures=[COUNT(*) AS n, MATCH_ROWTIME() AS t] rows=one
          Projection: feed.symbol AS symbol, feed.ts AS ts, feed.price AS price
            TableScan: feed projection=[symbol, ts, price]

    dataflow
      task 1 (parallelism 1)
        Source: feed    datagen (symbol, ts, price), watermark ts - INTERVAL '2' SECOND, unbounded
      task 2 (parallelism 1) <- task 1 HASH[symbol]
        MatchRecognize  partition by symbol, order by ts, ONE ROW PER MATCH, SKIP PAST LAST ROW, PATTERN (STRT DOWN+ UP+) WITHIN 1 h
        Calc            symbol, n, t AS at_time
        Sink: sink      print

    pattern 1
      STRT DOWN+ UP+
      conditions
        STRT  R  true  -- not defined
        DOWN  R  price < PREV(price)  -- reads the row and the one before
        UP    R  price > PREV(price)  -- reads the row and the one before
      engine: automaton: every condition is of class R, so it is evaluated ahead for whole batches, and no row is looked at twice
      within: a match lasts less than 1 h
      state: bounded: the rows of a partition of the last 1 h of event time; one small record for each key ever seen
      a match is final
        when the watermark has passed its rows, and no preferred match is possible any more
        its greedy end waits for a row that ends it, or for WITHIN to run out
      automaton
        0  STRT -> 1
        1  DOWN -> 2
        2  prefer 1, 3
        3  UP -> 4
        4  prefer 3, 5
        5  match

    delivery
      sink: at least once: rows are printed as they come
    ");
}

#[test]
fn a_pattern_that_nothing_bounds_says_so() {
    let text = explain(
        "EXPLAIN SELECT * FROM feed MATCH_RECOGNIZE (ORDER BY ts MEASURES 1 AS one PATTERN (A (B | C)*? D)
           DEFINE B AS price > A.price, C AS NEXT(price, 2) > 1, D AS MATCH_NUMBER() > 1)",
    );
    insta::assert_snapshot!(from(&text, "pattern 1"), @"
    pattern 1
      A (B | C)*? D
      conditions
        A  R  true  -- not defined
        B  H  price > LAST(A.price)  -- reads the match so far: LAST(A.price)
        C  R  NEXT(price, 2) > 1.0  -- reads the row and up to 2 behind
        D  S  MATCH_NUMBER() > 1  -- reads the match's number
      engine: backtracking: the condition of B depends on the match so far, so it is tested while searching
      state: NOT bounded: nothing bounds how many rows a match of (A (B | C)*? D) may take: add WITHIN
      a match is final
        when the watermark has passed its rows, and no preferred match is possible any more
        NEXT waits for 2 more rows of the partition
      automaton
        0  A -> 1
        1  prefer 2, 4
        2  D -> 3
        3  match
        4  prefer 5, 6
        5  B -> 1
        6  C -> 1

    delivery
      to the client: rows are handed out as they come
    ");
}

#[test]
fn conditions_are_shown_as_what_they_come_to_where_they_stand() {
    let conditions = |pattern: &str, define: &str| {
        let text = explain(&format!(
            "EXPLAIN SELECT * FROM ticks MATCH_RECOGNIZE (ORDER BY ts MEASURES 1 AS one PATTERN ({pattern}) DEFINE {define})"
        ));
        from(&text, "pattern 1")
    };
    let v_shape = conditions(
        "STRT DOWN+ UP+",
        "DOWN AS (LAST(DOWN.price, 1) IS NULL AND DOWN.price < STRT.price) OR DOWN.price < LAST(DOWN.price, 1),
         UP AS (LAST(UP.price, 1) IS NULL AND UP.price > LAST(DOWN.price)) OR UP.price > LAST(UP.price, 1)",
    );
    insta::assert_snapshot!(v_shape, @"
    pattern 1
      STRT DOWN+ UP+
      conditions
        STRT  R  true  -- not defined
        DOWN  R  price < PREV(price)  -- reads the row and the one before; written LAST(DOWN.price, 1) IS NULL AND price < LAST(STRT.price) OR price < LAST(DOWN.price, 1)
        UP    R  price > PREV(price)  -- reads the row and the one before; written LAST(UP.price, 1) IS NULL AND price > LAST(DOWN.price) OR price > LAST(UP.price, 1)
      engine: automaton: every condition is of class R at its place in the pattern, so it is evaluated ahead for whole batches, and no row is looked at twice
      state: bounded by the input alone: a match takes any number of rows
      a match is final
        at the end of the input, which is put in order then
      automaton
        0  STRT -> 1
        1  DOWN -> 2
        2  prefer 1, 3
        3  UP -> 4
        4  prefer 3, 5
        5  match
    ");
    let positions = conditions("A B_1 B{2}", "B AS price > 10 * A.price");
    insta::assert_snapshot!(positions, @"
    pattern 1
      A B_1 B{2}
      conditions
        A     R  true  -- not defined
        B_1   R  true  -- not defined
        B_1_  R  price > 10.0 * PREV(price, 2)  -- reads the row and up to 2 before; written price > 10.0 * LAST(A.price)
        B_2   R  price > 10.0 * PREV(price, 3)  -- reads the row and up to 3 before; written price > 10.0 * LAST(A.price)
      engine: automaton: every condition is of class R at its place in the pattern, so it is evaluated ahead for whole batches, and no row is looked at twice
      state: bounded: 4 rows at most in an open match
      a match is final
        at the end of the input, which is put in order then
      automaton
        0  A -> 1
        1  B_1 -> 2
        2  B_1_ -> 3
        3  B_2 -> 4
        4  match
    ");
}

#[test]
fn a_bounded_query_is_a_batch() {
    insta::assert_snapshot!(explain(
        "EXPLAIN SELECT * FROM ticks MATCH_RECOGNIZE (ORDER BY ts MEASURES 1 AS one ALL ROWS PER MATCH WITH UNMATCHED ROWS
           PATTERN (A{2,3} ^ PERMUTE(A, B)?)) ORDER BY ts LIMIT 3"
    ), @"
    host: batch: all rows at once

    logical plan
      Sort: ts ASC NULLS LAST, fetch=3
        MatchRecognize: order_by=[ts] pattern=(A{2,3} ^ PERMUTE(A, B)?) measures=[1 AS one] rows=all, with unmatched
          Projection: ticks.symbol AS symbol, ticks.ts AS ts, ticks.price AS price, ticks.volume AS volume, ticks.note AS note
            TableScan: ticks projection=[symbol, ts, price, volume, note]

    pattern 1
      A{2,3} ^ PERMUTE(A, B)?
      conditions
        A  R  true  -- not defined
        B  R  true  -- not defined
      engine: automaton: every condition is of class R, so it is evaluated ahead for whole batches, and no row is looked at twice
      state: bounded: 5 rows at most in an open match
      a match is final
        at the end of the input, which is put in order then
        a row of no match goes out when every match that could hold it is decided
      automaton
         0  A -> 1
         1  A -> 2
         2  prefer 3, 4
         3  A -> 4
         4  ^ -> 5
         5  prefer 6, 9
         6  prefer 7, 10
         7  A -> 8
         8  B -> 9
         9  match
        10  B -> 11
        11  A -> 9
    ");
}

#[test]
fn json_and_dot_are_for_programs() {
    let sql = "SELECT symbol FROM feed MATCH_RECOGNIZE (PARTITION BY symbol ORDER BY ts PATTERN (A B) WITHIN INTERVAL '1' SECOND)";
    let json: serde_json::Value = serde_json::from_str(&explain(&format!("EXPLAIN (FORMAT JSON) {sql}"))).unwrap();
    assert_eq!(json["host"], "dataflow over unbounded input");
    assert_eq!(json["patterns"][0]["pattern"], "A B");
    assert_eq!(json["patterns"][0]["engine"], "automaton");
    assert_eq!(json["dataflow"]["nodes"][0]["kind"], "Source");
    let dot = explain(&format!("EXPLAIN (FORMAT DOT) {sql}"));
    assert_eq!(dot.matches("digraph").count(), 2, "{dot}");
}

#[test]
fn the_end_of_the_partition_under_within_is_left_to_threads() {
    let text = explain(
        "EXPLAIN SELECT * FROM ticks MATCH_RECOGNIZE (ORDER BY ts MEASURES A.price AS p PATTERN (A B* $) WITHIN INTERVAL '1' SECOND)",
    );
    let engine = text.lines().find(|line| line.trim_start().starts_with("engine:")).unwrap();
    assert!(engine.trim().starts_with("engine: threads: "), "{engine}");
}

#[test]
fn a_statement_set_explains_each_insert() {
    let text = explain(
        "EXPLAIN EXECUTE STATEMENT SET BEGIN INSERT INTO sink SELECT symbol, 1, ts FROM ticks;
           INSERT INTO sink SELECT symbol, 2, ts FROM feed; END",
    );
    assert_eq!(text.matches("== INSERT INTO sink ==").count(), 2, "{text}");
}

#[test]
fn a_condition_on_the_number_of_the_match_is_not_said_to_read_the_match_so_far() {
    let text = explain(
        "EXPLAIN SELECT * FROM ticks MATCH_RECOGNIZE (ORDER BY ts MEASURES A.price AS p PATTERN (A) DEFINE A AS MATCH_NUMBER() < 3)",
    );
    let engine = text.lines().find(|line| line.trim_start().starts_with("engine:")).unwrap();
    assert_eq!(
        engine.trim(),
        "engine: backtracking: the condition of A reads the number of the match, so it is tested while searching"
    );
}

#[test]
fn subqueries_of_a_clause_are_shown_and_not_run() {
    let text = explain(
        "EXPLAIN SELECT * FROM feed MATCH_RECOGNIZE (ORDER BY ts MEASURES (SELECT MAX(v) FROM plain) AS m PATTERN (A)
           DEFINE A AS price > (SELECT v / 0 FROM plain) AND symbol NOT IN (SELECT note FROM ticks) AND EXISTS (SELECT * FROM plain WHERE k = 1))",
    );
    let end = text.find("dataflow\n").unwrap();
    insta::assert_snapshot!(from(&text[..end], "logical plan"), @"
    logical plan
      MatchRecognize: order_by=[ts] pattern=(A) define=[A AS price > (SELECT CAST((plain.v / 0) AS DOUBLE) FROM plain) AND symbol NOT IN (SELECT ticks.note FROM ticks) AND EXISTS (SELECT plain.k, plain.v FROM plain WHERE plain.k = 1)] measures=[(SELECT max(plain.v) FROM plain) AS m] rows=one
        Projection: feed.symbol AS symbol, feed.ts AS ts, feed.price AS price
          TableScan: feed projection=[symbol, ts, price]

    subquery 1, run once before
      Projection: CAST(plain.v / Int64(0) AS Float64)
        Limit: skip=0, fetch=2
          TableScan: plain projection=[v], fetch=2

    subquery 2, run once before
      Limit: skip=0, fetch=100001
        Aggregate: groupBy=[[ticks.note]], aggr=[[]]
          TableScan: ticks projection=[note]

    subquery 3, run once before
      Limit: skip=0, fetch=1
        Filter: plain.k = Int32(1)
          TableScan: plain projection=[k, v]

    subquery 4, run once before
      Limit: skip=0, fetch=2
        Aggregate: groupBy=[[]], aggr=[[max(plain.v)]]
          TableScan: plain projection=[v]
    ");
}
