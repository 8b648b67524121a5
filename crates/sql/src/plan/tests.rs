//! Dataflow graphs of statements.
#![allow(clippy::unwrap_used, reason = "a test")]

use dipper_graph::{JobGraph, OperatorSpec, Partitioning};

use crate::ast::Statement;
use crate::parse_script;
use crate::test_catalog::{TestSession, shown};

/// The graph of the last statement.
fn graph_in(session: &mut TestSession, sql: &str) -> JobGraph {
    let mut graph = None;
    for parsed in parse_script(sql).unwrap() {
        match &parsed.statement {
            Statement::Query(query) => {
                let plan = session.planner().logical(query).unwrap();
                graph = Some(session.planner().collect(query, &plan, "test").unwrap());
            }
            Statement::Insert(insert) => {
                let (plan, table) = session.planner().insert_plan(insert).unwrap();
                graph = Some(session.planner().insert(insert, &plan, &table, "test").unwrap());
            }
            _ => drop(session.run(&parsed.text).unwrap()),
        }
    }
    graph.unwrap()
}

fn graph(sql: &str) -> JobGraph {
    graph_in(&mut TestSession::new(), sql)
}

fn text(sql: &str) -> String {
    graph(sql).to_text()
}

#[test]
fn a_pattern_is_keyed_by_its_partition_and_chained_to_its_sink() {
    insta::assert_snapshot!(text(
        "SET 'parallelism.default' = '4';
         INSERT INTO sink SELECT symbol, n, t FROM feed MATCH_RECOGNIZE (PARTITION BY symbol ORDER BY ts
           MEASURES COUNT(*) AS n, MATCH_ROWTIME() AS t PATTERN (A B+) DEFINE B AS price < PREV(price)) WHERE n > 3"
    ), @"
    task 1 (parallelism 4)
      Source: feed    datagen (symbol, ts, price), watermark ts - INTERVAL '2' SECOND, unbounded
    task 2 (parallelism 4) <- task 1 HASH[symbol]
      MatchRecognize  partition by symbol, order by ts, ONE ROW PER MATCH, SKIP PAST LAST ROW, PATTERN (A B+)
      Calc            symbol, n, t AS at_time where n > 3
      Sink: sink      print
    ");
}

#[test]
fn a_pattern_without_partitions_runs_in_one_subtask() {
    insta::assert_snapshot!(text(
        "SET 'parallelism.default' = '4';
         SELECT * FROM feed MATCH_RECOGNIZE (ORDER BY ts MEASURES COUNT(*) AS n PATTERN (A B+) DEFINE B AS price < PREV(price))"
    ), @"
    task 1 (parallelism 4)
      Source: feed    datagen (ts, price), watermark ts - INTERVAL '2' SECOND, unbounded
    task 2 (parallelism 1) <- task 1 REBALANCE
      MatchRecognize  order by ts, ONE ROW PER MATCH, SKIP PAST LAST ROW, PATTERN (A B+)
      Collect
    ");
}

#[test]
fn filters_on_partition_columns_and_projections_reach_the_source() {
    insta::assert_snapshot!(text(
        "SELECT s FROM (SELECT symbol AS s, ts, price * 2 AS p, arrived FROM feed) MATCH_RECOGNIZE (PARTITION BY s ORDER BY ts
           MEASURES LAST(p) AS last_p PATTERN (A)) WHERE s LIKE 'A%' AND last_p > 1"
    ), @"
    task 1 (parallelism 1)
      Source: feed    datagen (symbol, ts, price), watermark ts - INTERVAL '2' SECOND, unbounded
      Calc            symbol AS s, ts, price * 2.0 AS p where symbol LIKE 'A%'
    task 2 (parallelism 1) <- task 1 HASH[s]
      MatchRecognize  partition by s, order by ts, ONE ROW PER MATCH, SKIP PAST LAST ROW, PATTERN (A)
      Calc            s where last_p > 1.0
      Collect
    ");
}

#[test]
fn windows_group_by_their_keys_and_feed_patterns() {
    insta::assert_snapshot!(text(
        "SET 'parallelism.default' = '2';
         CREATE VIEW minutes AS SELECT UPPER(symbol) AS s, window_time AS w, AVG(price + 1) AS mean, COUNT(DISTINCT arrived) AS n
           FROM TABLE(HOP(TABLE feed, DESCRIPTOR(ts), INTERVAL '30' SECOND, INTERVAL '1' MINUTE))
           GROUP BY window_start, window_end, window_time, UPPER(symbol) HAVING COUNT(*) > 1;
         SELECT * FROM minutes MATCH_RECOGNIZE (PARTITION BY s ORDER BY w MEASURES LAST(w) AS w2 PATTERN (A B) DEFINE B AS mean > PREV(mean))"
    ), @"
    task 1 (parallelism 2)
      Source: feed     datagen (symbol, ts, price), watermark ts - INTERVAL '2' SECOND, unbounded
      WindowTvf: HOP   HOP(ts, slide 30 s, size 1 min)
      Calc             symbol, price, window_start, window_end, window_time
      Calc             symbol, price, window_start, window_end, window_time, upper(symbol) AS group key 1
    task 2 (parallelism 2) <- task 1 HASH[group key 1]
      WindowAggregate  avg(price + 1.0) AS avg(feed.price + Int64(1)), count(1) AS count(Int64(1)) by window_start, window_end, window_time, upper(feed.symbol)
      Calc             window_time, upper(feed.symbol), avg(feed.price + Int64(1)), count(Int64(1))
      Calc             upper(feed.symbol) AS s, window_time AS w, avg(feed.price + Int64(1)) AS mean where count(Int64(1)) > 1
    task 3 (parallelism 2) <- task 2 HASH[s]
      MatchRecognize   partition by s, order by w, ONE ROW PER MATCH, SKIP PAST LAST ROW, PATTERN (A B)
      Collect
    ");
}

#[test]
fn a_window_without_other_keys_is_grouped_in_one_subtask() {
    insta::assert_snapshot!(text(
        "SET 'parallelism.default' = '2';
         SELECT window_end, COUNT(*) AS n FROM TABLE(TUMBLE(TABLE feed, DESCRIPTOR(ts), INTERVAL '1' MINUTE)) GROUP BY window_start, window_end"
    ), @"
    task 1 (parallelism 2)
      Source: feed       datagen (ts), watermark ts - INTERVAL '2' SECOND, unbounded
      WindowTvf: TUMBLE  TUMBLE(ts, size 1 min)
      Calc               window_start, window_end
    task 2 (parallelism 1) <- task 1 REBALANCE
      WindowAggregate    count(1) AS count(Int64(1)) by window_start, window_end
      Calc               window_end, count(Int64(1)) AS n
      Collect
    ");
}

#[test]
fn unions_values_and_literals_have_nodes_of_their_own() {
    insta::assert_snapshot!(text(
        "SET 'parallelism.default' = '2'; SET 'execution.runtime-mode' = 'streaming';
         SELECT k, v FROM plain UNION ALL SELECT v, k FROM plain WHERE k > 1 UNION ALL VALUES (1, 2), (3, 4) UNION ALL SELECT 5, 6"
    ), @"
    task 1 (parallelism 2)
      Source: plain  filesystem (k, v), bounded
      Calc           CAST(k AS BIGINT) AS k, v
    task 2 (parallelism 2)
      Source: plain  filesystem (k, v), bounded
      Calc           v AS k, CAST(k AS BIGINT) AS v where k > 1
    task 3 (parallelism 1)
      Values         2 rows
      Calc           column1 AS k, column2 AS v
    task 4 (parallelism 1)
      Values         1 row
      Calc           5 AS k, 6 AS v
    task 5 (parallelism 2) <- task 1 FORWARD, task 2 FORWARD, task 3 REBALANCE, task 4 REBALANCE
      Union
      Collect
    ");
    insta::assert_snapshot!(text("SELECT k FROM plain WHERE 1 = 2"), @"
    task 1 (parallelism 1)
      Values   0 rows
      Collect
    ");
}

#[test]
fn an_insert_takes_columns_by_position_and_converts_them() {
    insta::assert_snapshot!(text("INSERT INTO sink (n, symbol) SELECT volume, note FROM ticks"), @"
    task 1 (parallelism 1)
      Source: ticks  filesystem (volume, note), watermark ts - INTERVAL '2' SECOND, bounded
      Calc           note AS symbol, CAST(volume AS BIGINT) AS n, NULL AS at_time
      Sink: sink     print
    ");
    insta::assert_snapshot!(text("INSERT INTO sink VALUES ('a', 1, NULL)"), @"
    task 1 (parallelism 1)
      Values      1 row
      Calc        column1 AS symbol, column2 AS n, CAST(column3 AS TIMESTAMP) AS at_time
      Sink: sink  print
    ");
}

#[test]
fn an_insert_may_name_a_column_twice() {
    insta::assert_snapshot!(text(
        "CREATE TABLE twice (a INT, b INT, c INT, d INT) WITH ('connector' = 'print');
         INSERT INTO twice SELECT k, 0, k, 0 FROM plain"
    ), @"
    task 1 (parallelism 1)
      Source: plain  filesystem (k), bounded
      Calc           k AS a, 0 AS b, k AS c, 0 AS d
      Sink: twice    print
    ");
}

#[test]
fn rows_can_be_counted_without_reading_a_column() {
    insta::assert_snapshot!(text(
        "SELECT 1 AS one, n FROM ticks MATCH_RECOGNIZE (MEASURES COUNT(*) AS n PATTERN (A+))"
    ), @"
    task 1 (parallelism 1)
      Source: ticks   filesystem (symbol), watermark ts - INTERVAL '2' SECOND, bounded
      MatchRecognize  ONE ROW PER MATCH, SKIP PAST LAST ROW, PATTERN (A+)
      Calc            1 AS one, n
      Collect
    ");
    insta::assert_snapshot!(text("SELECT 1 AS one FROM plain"), @"
    task 1 (parallelism 1)
      Source: plain  filesystem (k), bounded
      Calc           1 AS one
      Collect
    ");
}

#[test]
fn every_example_is_planned() {
    let directory = concat!(env!("CARGO_MANIFEST_DIR"), "/../../sql-examples");
    let mut examples = 0;
    for entry in std::fs::read_dir(directory).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_some_and(|extension| extension == "sql") {
            let text = TestSession::empty().run(&std::fs::read_to_string(&path).unwrap());
            assert!(text.is_ok(), "{}: {}", path.display(), shown(&text.unwrap_err()));
            examples += 1;
        }
    }
    assert!(examples > 0);
}

#[test]
fn computed_columns_and_metadata_are_the_sources_and_virtual_ones_are_not_written() {
    let sql =
        "CREATE TABLE io (a INT, doubled AS a * 2, path STRING METADATA FROM 'file.path' VIRTUAL, b STRING METADATA,
                 quadrupled AS doubled * 2) WITH ('connector' = 'filesystem', 'path' = 'x');
               INSERT INTO io SELECT quadrupled + 1, path FROM io";
    insta::assert_snapshot!(text(sql), @"
    task 1 (parallelism 1)
      Source: io  filesystem (path, doubled * 2 AS quadrupled), bounded
      Calc        CAST((quadrupled + 1) AS INTEGER) AS a, path AS b
      Sink: io    filesystem
    ");
    let graph = graph(sql);
    let OperatorSpec::Source(source) = &graph.nodes[0].spec else { panic!("no source") };
    assert_eq!(
        source.computed.iter().map(|column| column.name.as_str()).collect::<Vec<_>>(),
        ["doubled", "quadrupled"]
    );
    assert_eq!(source.table.metadata, [(1, "file.path".to_owned()), (2, "b".to_owned())]);
    let Some(OperatorSpec::Sink(sink)) = graph.nodes.last().map(|node| &node.spec) else { panic!("no sink") };
    assert_eq!(sink.table.columns.fields().iter().map(|field| field.name().as_str()).collect::<Vec<_>>(), ["a", "b"]);
    assert_eq!(sink.table.metadata, [(1, "b".to_owned())]);
}

#[test]
fn settings_shape_the_job() {
    let graph = graph(
        "SET 'pipeline.name' = 'mine'; SET 'pipeline.max-parallelism' = '64'; SET 'execution.batch-size' = '7';
         SET 'parallelism.default' = '3'; SELECT k FROM plain",
    );
    assert_eq!((graph.name.as_str(), graph.key_groups, graph.batch_rows), ("mine", 64, 7));
    assert!(graph.nodes.iter().all(|node| node.parallelism == 3));
    assert!(graph.edges.iter().all(|edge| edge.partitioning == Partitioning::Forward));
}

const CLAUSE: &str = "MATCH_RECOGNIZE (PARTITION BY symbol ORDER BY ts MEASURES COUNT(*) AS n, AVG(A.price) AS mean,
    FIRST(A.price + 1) AS f PATTERN (A B+) DEFINE B AS price < PREV(price) AND price < AVG(A.price))";

#[test]
fn operator_ids_survive_edits_around_the_operator() {
    let id = |sql: &str| {
        let graph = graph(sql);
        let node = graph.nodes.iter().find(|node| matches!(node.spec, OperatorSpec::MatchRecognize(_))).unwrap();
        node.id.clone()
    };
    let plain = id(&format!("SELECT * FROM feed {CLAUSE}"));
    assert_eq!(plain, id(&format!("SELECT n + 1 AS m FROM (SELECT * FROM feed WHERE price > 0) {CLAUSE} WHERE n > 2")));
    assert_ne!(plain, id(&format!("SELECT * FROM ticks {CLAUSE}")));
}

#[test]
fn operators_alike_have_different_ids() {
    let graph = graph("SELECT k FROM plain WHERE k > 1 UNION ALL SELECT k FROM plain WHERE k < 0");
    let mut ids: Vec<_> = graph.nodes.iter().map(|node| node.id.clone()).collect();
    ids.sort();
    ids.dedup();
    assert_eq!(ids.len(), graph.nodes.len());
}

#[test]
fn a_graph_survives_serialisation() {
    let graph = graph(&format!("SELECT UPPER(symbol) AS s, mean FROM feed {CLAUSE}"));
    let text = serde_json::to_string(&graph).unwrap();
    let back: JobGraph = serde_json::from_str(&text).unwrap();
    assert_eq!(back.to_text(), graph.to_text());
    assert_eq!(serde_json::to_string(&back).unwrap(), text);
}
