//! Tests of the rendering, and of a graph's way through JSON.
#![allow(clippy::unwrap_used, reason = "a test")]

use std::collections::BTreeMap;
use std::sync::Arc;

use arrow::datatypes::{DataType, Field, SchemaRef, TimeUnit};
use datafusion::functions_aggregate::expr_fn::{array_agg, avg, count_distinct};
use datafusion::logical_expr::{ExprFunctionExt as _, cast, col, lit};
use datafusion::prelude::{case, upper};
use datafusion::scalar::ScalarValue;
use dipper_pattern::{OnSkipError, Pattern, SymbolId};
use dipper_types::OperatorId;

use super::*;
use crate::{
    AfterMatch, AggregateCall, AggregateFunction, BoundExpr, CalcSpec, ComputedColumn, Define, Frame, FrameColumn,
    FrameExpr, Logical, Measure, OrderKey, Semantics, SinkSpec, Target, ValuesSpec, WatermarkSpec, WindowAggregateSpec,
    WindowTvfSpec, WithinSpec,
};

fn schema(columns: &[(&str, DataType)]) -> SchemaRef {
    Arc::new(Schema::new(columns.iter().map(|(name, kind)| Field::new(*name, kind.clone(), true)).collect::<Vec<_>>()))
}

const TIME: DataType = DataType::Timestamp(TimeUnit::Microsecond, None);

fn table(name: &str, columns: &SchemaRef) -> TableSpec {
    let options = BTreeMap::from([("connector".to_owned(), "filesystem".to_owned())]);
    TableSpec { name: name.to_owned(), columns: Arc::clone(columns), metadata: Vec::new(), options }
}

fn node(id: &str, name: &str, parallelism: usize, spec: OperatorSpec, output_schema: &SchemaRef) -> Node {
    let output_schema = Arc::clone(output_schema);
    Node { id: OperatorId(id.to_owned()), name: name.to_owned(), parallelism, spec, output_schema }
}

fn interval(text_ns: i64) -> datafusion::logical_expr::Expr {
    lit(ScalarValue::IntervalMonthDayNano(Some(arrow::datatypes::IntervalMonthDayNanoType::make_value(0, 0, text_ns))))
}

fn pattern_spec(input: &SchemaRef, output: &SchemaRef) -> MatchRecognizeSpec {
    let all = SymbolSet::of(&[SymbolId(0), SymbolId(1)]);
    let previous = Target { logical: Logical::Current, shift: -1 };
    let condition = FrameExpr {
        frame: Frame {
            columns: vec![
                FrameColumn::Input { column: 2, target: Target::CURRENT },
                FrameColumn::Input { column: 2, target: previous },
            ],
            schema: schema(&[("price", DataType::Float64), ("PREV(price)", DataType::Float64)]),
        },
        expr: BoundExpr(col("price").lt(col("\"PREV(price)\""))),
        data_type: DataType::Boolean,
    };
    let call = AggregateCall { call: BoundExpr(avg(col("price"))), symbols: all, semantics: Semantics::Final };
    let measure = FrameExpr {
        frame: Frame {
            columns: vec![FrameColumn::Aggregate(call), FrameColumn::MatchNumber],
            schema: schema(&[("AVG(price)", DataType::Float64), ("MATCH_NUMBER()", DataType::UInt64)]),
        },
        expr: BoundExpr(col("\"AVG(price)\"")),
        data_type: DataType::Float64,
    };
    MatchRecognizeSpec {
        input_schema: Arc::clone(input),
        output_schema: Arc::clone(output),
        partition_by: vec![1],
        order_by: vec![OrderKey { column: 0, descending: false, nulls_first: false }],
        event_time: Some(0),
        remaining: Vec::new(),
        pattern: Pattern::Concat(vec![Pattern::Symbol(SymbolId(0)), Pattern::Symbol(SymbolId(1))]),
        variables: vec!["STRT".to_owned(), "DOWN".to_owned()],
        defines: vec![Define { symbol: SymbolId(1), condition }],
        measures: vec![Measure { name: "mean".to_owned(), value: measure }],
        rows_per_match: RowsPerMatch::One,
        after_match: AfterMatch { skip: Skip::ToLast(SymbolSet::of(&[SymbolId(1)])), on_error: OnSkipError::NextRow },
        within: Some(WithinSpec { span_us: 5_400_000_000, inclusive: true }),
        timeouts: Timeouts::Show,
    }
}

/// A graph with a node of every kind.
fn every_kind() -> JobGraph {
    let ticks = schema(&[("ts", TIME), ("symbol", DataType::Utf8), ("price", DataType::Float64)]);
    let matched = schema(&[("symbol", DataType::Utf8), ("mean", DataType::Float64)]);
    let mut graph = JobGraph::new("v \"shape\"");
    let source = graph.add(node(
        "source-1",
        "Source: ticks",
        2,
        OperatorSpec::Source(SourceSpec {
            table: table("ticks", &schema(&[("ts", TIME), ("symbol", DataType::Utf8), ("cents", DataType::Int64)])),
            computed: vec![ComputedColumn {
                name: "price".to_owned(),
                expr: BoundExpr((cast(col("cents"), DataType::Float64) + lit(1.0)) / lit(100.0)),
            }],
            watermark: Some(WatermarkSpec {
                column: "ts".to_owned(),
                expr: BoundExpr(col("ts") - interval(2_000_000_000)),
                idle_timeout_ms: Some(60_000),
            }),
            output: vec!["ts".to_owned(), "symbol".to_owned(), "price".to_owned()],
            unbounded: true,
        }),
        &ticks,
    ));
    let calc = graph.add(node(
        "calc-1",
        "Calc",
        2,
        OperatorSpec::Calc(CalcSpec {
            filter: Some(BoundExpr(col("price").gt(lit(0.5)).and(col("symbol").like(lit("A%"))))),
            projection: Some(vec![
                NamedExpr { name: "ts".to_owned(), expr: BoundExpr(col("ts")) },
                NamedExpr { name: "symbol".to_owned(), expr: BoundExpr(upper(col("symbol"))) },
                NamedExpr {
                    name: "price".to_owned(),
                    expr: BoundExpr(case(col("symbol")).when(lit("X"), lit(1.0)).otherwise(col("price")).unwrap()),
                },
            ]),
        }),
        &ticks,
    ));
    let values = graph.add(node(
        "values-1",
        "Values",
        1,
        OperatorSpec::Values(ValuesSpec {
            rows: vec![vec![
                BoundExpr(lit(ScalarValue::TimestampMicrosecond(Some(0), None))),
                BoundExpr(lit("A")),
                BoundExpr(lit(1.0)),
            ]],
        }),
        &ticks,
    ));
    let union = graph.add(node("union-1", "Union", 2, OperatorSpec::Union, &ticks));
    let matches = pattern_spec(&ticks, &matched);
    let pattern =
        graph.add(node("match-1", "MatchRecognize", 4, OperatorSpec::MatchRecognize(Box::new(matches)), &matched));
    let sink = graph.add(node(
        "sink-1",
        "Sink: found",
        4,
        OperatorSpec::Sink(SinkSpec { table: table("found", &matched) }),
        &matched,
    ));
    graph.connect(source, calc, 0, Partitioning::Forward);
    graph.connect(calc, union, 0, Partitioning::Forward);
    graph.connect(values, union, 1, Partitioning::Rebalance);
    graph.connect(union, pattern, 0, Partitioning::Hash { columns: vec![1] });
    graph.connect(pattern, sink, 0, Partitioning::Forward);
    windows(&mut graph, union, &ticks);
    graph
}

/// A second branch behind `input`: windows, aggregates, and the rows to the client.
fn windows(graph: &mut JobGraph, input: NodeId, ticks: &SchemaRef) {
    let mut fields = ticks.fields().to_vec();
    fields.extend(["window_start", "window_end", "window_time"].map(|name| Arc::new(Field::new(name, TIME, false))));
    let windowed: SchemaRef = Arc::new(Schema::new(fields));
    let hop = WindowKind::Hop { slide_us: 30_000_000, size_us: 60_000_000, offset_us: 1_500 };
    let tvf = OperatorSpec::WindowTvf(WindowTvfSpec { time_column: 0, kind: hop });
    let window = graph.add(node("window-1", "WindowTvf", 2, tvf, &windowed));
    let grouped = schema(&[
        ("symbol", DataType::Utf8),
        ("window_end", TIME),
        ("kinds", DataType::Int64),
        ("prices", DataType::List(Arc::new(Field::new_list_field(DataType::Float64, true)))),
    ]);
    let ordered = array_agg(col("price"))
        .order_by(vec![col("ts").sort(true, false)])
        .filter(col("price").is_not_null())
        .build()
        .unwrap();
    let spec = WindowAggregateSpec {
        group_by: vec![1, 4],
        window_end: 4,
        keys: vec![1],
        aggregates: vec![
            AggregateFunction { name: "kinds".to_owned(), expr: BoundExpr(count_distinct(col("symbol"))) },
            AggregateFunction { name: "prices".to_owned(), expr: BoundExpr(ordered) },
        ],
    };
    let aggregate = graph.add(node("aggregate-1", "WindowAggregate", 4, OperatorSpec::WindowAggregate(spec), &grouped));
    let collect = graph.add(node("collect-1", "Collect", 1, OperatorSpec::Collect, &grouped));
    graph.connect(input, window, 0, Partitioning::Forward);
    graph.connect(window, aggregate, 0, Partitioning::Hash { columns: vec![1] });
    graph.connect(aggregate, collect, 0, Partitioning::Rebalance);
}

#[test]
fn the_text_shows_tasks_nodes_and_exchanges() {
    insta::assert_snapshot!(every_kind().to_text(), @r"
    task 1 (parallelism 2)
      Source: ticks    filesystem (ts, symbol, (CAST(cents AS DOUBLE) + 1.0) / 100.0 AS price), watermark ts - INTERVAL '2' SECOND, idle after 1 min, unbounded
      Calc             ts, upper(symbol) AS symbol, CASE symbol WHEN 'X' THEN 1.0 ELSE price END AS price where price > 0.5 AND symbol LIKE 'A%'
    task 2 (parallelism 1)
      Values           1 row
    task 3 (parallelism 2) <- task 1 FORWARD, task 2 REBALANCE
      Union
    task 4 (parallelism 4) <- task 3 HASH[symbol]
      MatchRecognize   partition by symbol, order by ts, ONE ROW PER MATCH SHOW TIMEOUT MATCHES, SKIP TO LAST DOWN, PATTERN (STRT DOWN) WITHIN INCLUSIVE 90 min
      Sink: found      filesystem
    task 5 (parallelism 2) <- task 3 FORWARD
      WindowTvf        HOP(ts, slide 30 s, size 1 min, offset 1500 us)
    task 6 (parallelism 4) <- task 5 HASH[symbol]
      WindowAggregate  count(DISTINCT symbol) AS kinds, array_agg(price) FILTER (WHERE price IS NOT NULL) ORDER BY [ts ASC NULLS LAST] AS prices by symbol, window_end
    task 7 (parallelism 1) <- task 6 REBALANCE
      Collect
    ");
}

#[test]
fn dot_quotes_what_needs_it() {
    insta::assert_snapshot!(every_kind().to_dot(), @r#"
    digraph "v \"shape\"" {
      rankdir=TB;
      node [shape=box, fontname="monospace"];
      subgraph cluster_0 {
        label="task 1 (parallelism 2)";
        n0 [label="Source: ticks\nfilesystem (ts, symbol, (CAST(cents AS DOUBLE) + 1.0) / 100.0 AS price), watermark ts - INTERVAL '2' SECOND, idle after 1 min, unbounded"];
        n1 [label="Calc\nts, upper(symbol) AS symbol, CASE symbol WHEN 'X' THEN 1.0 ELSE price END AS price where price > 0.5 AND symbol LIKE 'A%'"];
      }
      subgraph cluster_1 {
        label="task 2 (parallelism 1)";
        n2 [label="Values\n1 row"];
      }
      subgraph cluster_2 {
        label="task 3 (parallelism 2)";
        n3 [label="Union"];
      }
      subgraph cluster_3 {
        label="task 4 (parallelism 4)";
        n4 [label="MatchRecognize\npartition by symbol, order by ts, ONE ROW PER MATCH SHOW TIMEOUT MATCHES, SKIP TO LAST DOWN, PATTERN (STRT DOWN) WITHIN INCLUSIVE 90 min"];
        n5 [label="Sink: found\nfilesystem"];
      }
      subgraph cluster_4 {
        label="task 5 (parallelism 2)";
        n6 [label="WindowTvf\nHOP(ts, slide 30 s, size 1 min, offset 1500 us)"];
      }
      subgraph cluster_5 {
        label="task 6 (parallelism 4)";
        n7 [label="WindowAggregate\ncount(DISTINCT symbol) AS kinds, array_agg(price) FILTER (WHERE price IS NOT NULL) ORDER BY [ts ASC NULLS LAST] AS prices by symbol, window_end"];
      }
      subgraph cluster_6 {
        label="task 7 (parallelism 1)";
        n8 [label="Collect"];
      }
      n0 -> n1 [label="FORWARD"];
      n1 -> n3 [label="FORWARD"];
      n2 -> n3 [label="REBALANCE"];
      n3 -> n4 [label="HASH[symbol]"];
      n4 -> n5 [label="FORWARD"];
      n3 -> n6 [label="FORWARD"];
      n6 -> n7 [label="HASH[symbol]"];
      n7 -> n8 [label="REBALANCE"];
    }
    "#);
}

#[test]
fn json_lists_nodes_and_edges() {
    let graph = every_kind().to_json();
    assert_eq!(graph["nodes"].as_array().unwrap().len(), 9);
    insta::assert_snapshot!(serde_json::to_string_pretty(&graph["nodes"][7]).unwrap(), @r#"
    {
      "id": "aggregate-1",
      "name": "WindowAggregate",
      "kind": "WindowAggregate",
      "task": 6,
      "parallelism": 4,
      "details": "count(DISTINCT symbol) AS kinds, array_agg(price) FILTER (WHERE price IS NOT NULL) ORDER BY [ts ASC NULLS LAST] AS prices by symbol, window_end",
      "columns": [
        {
          "name": "symbol",
          "type": "Utf8",
          "nullable": true
        },
        {
          "name": "window_end",
          "type": "Timestamp(µs)",
          "nullable": true
        },
        {
          "name": "kinds",
          "type": "Int64",
          "nullable": true
        },
        {
          "name": "prices",
          "type": "List(Float64)",
          "nullable": true
        }
      ]
    }
    "#);
    insta::assert_snapshot!(graph["edges"][3], @r#"{"from":"union-1","to":"match-1","port":0,"partitioning":"HASH[symbol]"}"#);
}

#[test]
fn a_graph_survives_its_way_through_json() {
    let graph = every_kind();
    let text = serde_json::to_string(&graph).unwrap();
    let back: JobGraph = serde_json::from_str(&text).unwrap();
    // Specs have no equality: that their debug text agrees, expressions in full included, is as strong.
    assert_eq!(format!("{back:#?}"), format!("{graph:#?}"));
    assert_eq!(serde_json::to_string(&back).unwrap(), text);
}

#[test]
fn an_expression_reads_as_sql_with_its_parentheses_and_without_needless_ones() {
    let expressions = [
        ((col("a") + col("b")) * lit(3), "(a + b) * 3"),
        (col("a") + col("b") * lit(3), "a + b * 3"),
        (col("ts") - interval(5_000_000_000), "ts - INTERVAL '5' SECOND"),
        (col("ts") - interval(-1_500_000_000), "ts - INTERVAL '-1.5' SECOND"),
        (col("ts") - interval(600_000_000_000), "ts - INTERVAL '10' MINUTE"),
        (col("ts") - interval(90_000_000_000), "ts - INTERVAL '1 MINS 30.000000000 SECS'"),
        (col("name").eq(lit("it's")), "name = 'it''s'"),
        (col("a").is_null().or(cast(col("a"), DataType::Int64).gt(lit(1_i64))), "a IS NULL OR CAST(a AS BIGINT) > 1"),
    ];
    for (expr, text) in expressions {
        assert_eq!(BoundExpr(expr).to_string(), text);
    }
}
