//! What the parser makes of sound text, shown as compact lines.

#![allow(clippy::unwrap_used, reason = "a test")]

use std::fmt::Write as _;
use std::sync::Arc;

use sqlparser::ast::Ident;

use super::{is_complete, parse_script};
use crate::ast::{
    ColumnKind, CreateTable, MatchRecognizeClause, Query, RowsPerMatchAst, SkipAst, Statement, TimeoutsAst,
};

fn one(sql: &str) -> Statement {
    let mut script = parse_script(sql).unwrap_or_else(|error| panic!("{error} at {:?} in {sql}", error.span()));
    assert_eq!(script.len(), 1, "{sql}");
    script.remove(0).statement
}

fn query(sql: &str) -> Query {
    match one(sql) {
        Statement::Query(query) => Arc::unwrap_or_clone(query),
        other => panic!("{other:?}"),
    }
}

fn show(sql: &str) -> String {
    let mut out = String::new();
    for parsed in parse_script(sql).unwrap_or_else(|error| panic!("{error} at {:?} in {sql}", error.span())) {
        show_statement(&parsed.statement, &mut out);
    }
    out.trim_end().to_owned()
}

fn show_statement(statement: &Statement, out: &mut String) {
    match statement {
        Statement::Query(query) => show_query(query, out),
        Statement::CreateTable(table) => show_table(table, out),
        Statement::CreateView(view) => {
            let _ = writeln!(
                out,
                "view {} replace={} if-not-exists={} temporary={} columns=[{}] comment={:?} text={:?}",
                view.name,
                view.or_replace,
                view.if_not_exists,
                view.temporary,
                names(&view.columns),
                view.comment,
                view.text
            );
            show_query(&view.query, out);
        }
        Statement::Insert(insert) => {
            let _ = writeln!(out, "insert {} [{}]", insert.table, names(&insert.columns));
            show_query(&insert.source, out);
        }
        Statement::StatementSet(inserts) => {
            let _ = writeln!(out, "set of {}", inserts.len());
            for insert in inserts.iter() {
                show_statement(&Statement::Insert(Arc::new(insert.clone())), out);
            }
        }
        Statement::Explain { format, statement } => {
            let _ = write!(out, "explain {format:?}: ");
            show_statement(statement, out);
        }
        Statement::Set { key, value, .. } => {
            let _ = writeln!(out, "set {key} = {value}");
        }
        Statement::Reset(key) => {
            let _ = writeln!(out, "reset {:?}", key.as_ref().map(|(key, _)| key));
        }
        Statement::Drop(drop) => {
            let _ = writeln!(out, "drop {:?} {} if-exists={}", drop.kind, drop.name, drop.if_exists);
        }
        Statement::Describe(name) => {
            let _ = writeln!(out, "describe {name}");
        }
        Statement::ShowCreate(kind, name) => {
            let _ = writeln!(out, "show create {kind:?} {name}");
        }
        simple => {
            let _ = writeln!(out, "{simple:?}");
        }
    }
}

fn names(names: &[Ident]) -> String {
    names.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")
}

fn show_query(query: &Query, out: &mut String) {
    let _ = writeln!(out, "{}", query.query);
    for (i, clause) in query.clauses.iter().enumerate() {
        let _ = writeln!(out, "  clause {i}: {}", show_clause(clause));
    }
}

fn show_table(table: &CreateTable, out: &mut String) {
    let _ = writeln!(
        out,
        "table {} temporary={} if-not-exists={} comment={:?} key=[{}] partitioned=[{}]",
        table.name,
        table.temporary,
        table.if_not_exists,
        table.comment,
        names(&table.primary_key),
        names(&table.partitioned_by)
    );
    for column in &table.columns {
        let kind = match &column.kind {
            ColumnKind::Physical { data_type, not_null, .. } => format!("{data_type} not-null={not_null}"),
            ColumnKind::Metadata { data_type, key, is_virtual, .. } => {
                format!("{data_type} metadata={key:?} virtual={is_virtual}")
            }
            ColumnKind::Computed(expr) => format!("= {expr}"),
        };
        let comment = column.comment.as_ref().map(|comment| format!(" -- {comment}")).unwrap_or_default();
        let _ = writeln!(out, "  {} {kind}{comment}", column.name);
    }
    if let Some(watermark) = &table.watermark {
        let _ = writeln!(out, "  watermark {} = {}", watermark.column, watermark.expr);
    }
    for option in &table.options {
        let _ = writeln!(out, "  '{}' = '{}'", option.key, option.value);
    }
}

fn show_clause(clause: &MatchRecognizeClause) -> String {
    let mut parts = Vec::new();
    let mut list = |name: &str, items: Vec<String>| {
        if !items.is_empty() {
            parts.push(format!("{name} {}", items.join(", ")));
        }
    };
    list("input", clause.input_name.iter().map(ToString::to_string).collect());
    let partition = clause.partition_by.iter().map(|item| match &item.alias {
        Some(alias) => format!("{} as {alias}", item.expr),
        None => item.expr.to_string(),
    });
    list("partition", partition.collect());
    list("order", clause.order_by.iter().map(ToString::to_string).collect());
    list("measures", clause.measures.iter().map(|item| format!("{} as {}", item.expr, item.name)).collect());
    if clause.rows_per_match != RowsPerMatchAst::One {
        list("rows", vec![format!("{:?}", clause.rows_per_match).split('(').next().unwrap().to_owned()]);
    }
    if clause.timeouts != TimeoutsAst::Hide {
        list("timeouts", vec![format!("{:?}", clause.timeouts)]);
    }
    list("after", clause.after_match.iter().map(|after| show_skip(&after.skip)).collect());
    list("pattern", vec![format!("({})", clause.pattern.text)]);
    list(
        "within",
        clause.within.iter().map(|within| format!("{} inclusive={}", within.expr, within.inclusive)).collect(),
    );
    list("subset", clause.subsets.iter().map(|item| format!("{} = ({})", item.name, names(&item.members))).collect());
    list("define", clause.defines.iter().map(|item| format!("{} as {}", item.variable, item.condition)).collect());
    parts.join(" | ")
}

fn show_skip(skip: &SkipAst) -> String {
    match skip {
        SkipAst::PastLastRow => "past last row".to_owned(),
        SkipAst::ToNextRow => "to next row".to_owned(),
        SkipAst::ToFirst(name) => format!("to first {name}"),
        SkipAst::ToLast(name) => format!("to last {name}"),
    }
}

#[test]
fn flinks_create_table_is_read_in_full() {
    let sql = "
        CREATE TEMPORARY TABLE IF NOT EXISTS `my db`.orders (
            id BIGINT NOT NULL COMMENT 'the key',
            \"user\" STRING, price DECIMAL(10, 2) NULL, tags ARRAY<STRING>, m MAP<STRING, INT>,
            event_time TIMESTAMP(3) METADATA FROM 'timestamp' VIRTUAL,
            offset BIGINT METADATA VIRTUAL,
            headers BYTES METADATA,
            ltz TIMESTAMP_LTZ(3), ltz2 TIMESTAMP(3) WITH LOCAL TIME ZONE, ltz3 TIMESTAMP WITH LOCAL TIME ZONE,
            d DOUBLE PRECISION, b BOOLEAN, t TIME(0), dt DATE, v VARCHAR(20), -- a ( comment
            cost AS price * 2 COMMENT 'doubled',
            ts AS TO_TIMESTAMP(ltz),
            watermark INT,
            WATERMARK FOR ts AS ts - INTERVAL '5' SECOND,
            CONSTRAINT pk PRIMARY KEY (id, `user`) NOT ENFORCED
        ) COMMENT 'it''s all' PARTITIONED BY (dt) WITH ('connector' = 'filesystem', 'path' = '/x;y')";
    insta::assert_snapshot!(show(sql), @r#"
    table `my db`.orders temporary=true if-not-exists=true comment=Some("it's all") key=[id, `user`] partitioned=[dt]
      id BIGINT not-null=true -- the key
      "user" STRING not-null=false
      price DECIMAL(10,2) not-null=false
      tags ARRAY<STRING> not-null=false
      m Map(STRING, INT) not-null=false
      event_time TIMESTAMP(3) metadata=Some("timestamp") virtual=true
      offset BIGINT metadata=None virtual=true
      headers BYTES metadata=None virtual=false
      ltz TIMESTAMP_LTZ(3) not-null=false
      ltz2 TIMESTAMP_LTZ(3) not-null=false
      ltz3 TIMESTAMP_LTZ not-null=false
      d DOUBLE PRECISION not-null=false
      b BOOLEAN not-null=false
      t TIME(0) not-null=false
      dt DATE not-null=false
      v VARCHAR(20) not-null=false
      cost = price * 2 -- doubled
      ts = TO_TIMESTAMP(ltz)
      watermark INT not-null=false
      watermark ts = ts - INTERVAL '5' SECOND
      'connector' = 'filesystem'
      'path' = '/x;y'
    "#);
    insta::assert_snapshot!(show("create table t (a int primary key not enforced)"), @r#"
    table t temporary=false if-not-exists=false comment=None key=[a] partitioned=[]
      a INT not-null=false
    "#);
}

#[test]
fn statements_other_than_queries_are_read() {
    let sql = "
        SET 'parallelism.default' = '4'; SET; set 'a'='it''s'; RESET; RESET 'a';;
        DROP TABLE IF EXISTS a.b; DROP TEMPORARY VIEW v; DESCRIBE t; desc \"T\"; SHOW TABLES; show views; SHOW FUNCTIONS;
        SHOW CREATE TABLE t; SHOW CREATE VIEW v;
        CREATE OR REPLACE TEMPORARY VIEW v (a, b) COMMENT 'c' AS SELECT 1,  2 -- two
        ;
        CREATE VIEW IF NOT EXISTS v AS (VALUES (1));
        INSERT INTO sink SELECT * FROM t; INSERT INTO sink (a, `b c`) VALUES (1, 2); INSERT INTO sink (SELECT 1);
        EXPLAIN SELECT 1; EXPLAIN PLAN FOR INSERT INTO s SELECT 1; EXPLAIN (FORMAT JSON) SELECT 1; EXPLAIN (SELECT 1);
        EXPLAIN FORMAT DOT VALUES (1);
        EXECUTE STATEMENT SET BEGIN INSERT INTO a SELECT CASE WHEN x THEN 1 END; INSERT INTO b SELECT 2; END;
        EXPLAIN (FORMAT DOT) STATEMENT SET BEGIN INSERT INTO a SELECT 1; END";
    insta::assert_snapshot!(show(sql), @r#"
    set parallelism.default = 4
    ShowSettings
    set a = it's
    reset None
    reset Some("a")
    drop Table a.b if-exists=true
    drop View v if-exists=false
    describe t
    describe "T"
    ShowTables
    ShowViews
    ShowFunctions
    show create Table t
    show create View v
    view v replace=true if-not-exists=false temporary=true columns=[a, b] comment=Some("c") text="SELECT 1,  2"
    SELECT 1, 2
    view v replace=false if-not-exists=true temporary=false columns=[] comment=None text="(VALUES (1))"
    (VALUES (1))
    insert sink []
    SELECT * FROM t
    insert sink [a, `b c`]
    VALUES (1, 2)
    insert sink []
    (SELECT 1)
    explain Text: SELECT 1
    explain Text: insert s []
    SELECT 1
    explain Json: SELECT 1
    explain Text: (SELECT 1)
    explain Dot: VALUES (1)
    set of 2
    insert a []
    SELECT CASE WHEN x THEN 1 END
    insert b []
    SELECT 2
    explain Dot: set of 1
    insert a []
    SELECT 1
    "#);
}

#[test]
fn every_part_of_the_clause_is_read() {
    let sql = "
        SELECT * FROM ticks MATCH_RECOGNIZE (
            PARTITION BY symbol, price / 10 AS bucket
            ORDER BY ts, seq DESC NULLS LAST
            MEASURES A.price AS first_price, FINAL LAST(B.price, 1) last_price, RUNNING COUNT(B.*) + 1 AS n,
                     FINAL B.price * 2 AS twice, CLASSIFIER() AS \"Var\", MATCH_NUMBER() AS mn
            ALL ROWS PER MATCH SHOW EMPTY MATCHES
            ONLY TIMEOUT MATCHES
            AFTER MATCH SKIP TO FIRST B
            PATTERN (A B+ /* ) */ C*? -- (
                     $) WITHIN INCLUSIVE INTERVAL '30' MINUTE
            SUBSET U = (A, B), V = (C)
            DEFINE B AS B.price > PREV(B.price) AND AVG(U.price) < 10, C AS C.price IN (1, 2)
        ) AS m (x, y) WHERE n > 1";
    insta::assert_snapshot!(show(sql), @r#"
    SELECT * FROM __match_recognize(0, (SELECT * FROM ticks)) AS m (x, y) WHERE n > 1
      clause 0: input ticks | partition symbol, price / 10 as bucket | order ts, seq DESC NULLS LAST | measures A.price as first_price, __final(LAST(B.price, 1)) as last_price, __running(COUNT(B.*)) + 1 as n, __final(B.price) * 2 as twice, CLASSIFIER() as "Var", MATCH_NUMBER() as mn | rows AllShowEmpty | timeouts Only | after to first B | pattern (A B+ /* ) */ C*? -- (
                         $) | within INTERVAL '30' MINUTE inclusive=true | subset U = (A, B), V = (C) | define B as B.price > PREV(B.price) AND AVG(U.price) < 10, C as C.price IN (1, 2)
    "#);
}

#[test]
fn every_option_of_the_clause_is_read() {
    let rows = [
        "",
        "ONE ROW PER MATCH",
        "one row per match show timeout matches",
        "ALL ROWS PER MATCH",
        "ALL ROWS PER MATCH SHOW TIMEOUT MATCHES",
        "ALL ROWS PER MATCH OMIT EMPTY MATCHES ONLY TIMEOUT MATCHES",
        "ALL ROWS PER MATCH WITH UNMATCHED ROWS",
        "SHOW TIMEOUT MATCHES",
        "AFTER MATCH SKIP PAST LAST ROW",
        "AFTER MATCH SKIP TO NEXT ROW",
        "AFTER MATCH SKIP TO LAST A",
        "AFTER MATCH SKIP TO A",
        "AFTER MATCH SKIP TO \"first\"",
        "AFTER MATCH SKIP TO FIRST",
        "AFTER MATCH SKIP TO NEXT",
    ];
    let mut out = String::new();
    for option in rows {
        let query = query(&format!("SELECT * FROM t MATCH_RECOGNIZE ({option} PATTERN (A))"));
        let _ = writeln!(out, "{}", show_clause(&query.clauses[0]));
    }
    insta::assert_snapshot!(out, @r#"
    input t | pattern (A)
    input t | pattern (A)
    input t | timeouts Show | pattern (A)
    input t | rows AllShowEmpty | pattern (A)
    input t | rows AllShowEmpty | timeouts Show | pattern (A)
    input t | rows AllOmitEmpty | timeouts Only | pattern (A)
    input t | rows AllWithUnmatched | pattern (A)
    input t | timeouts Show | pattern (A)
    input t | after past last row | pattern (A)
    input t | after to next row | pattern (A)
    input t | after to last A | pattern (A)
    input t | after to last A | pattern (A)
    input t | after to last "first" | pattern (A)
    input t | after to last FIRST | pattern (A)
    input t | after to last NEXT | pattern (A)
    "#);
    let within = |text: &str| {
        let query = query(&format!("SELECT * FROM t MATCH_RECOGNIZE (PATTERN (A) WITHIN {text} DEFINE A AS true)"));
        query.clauses[0].within.as_ref().unwrap().expr.to_string()
    };
    assert_eq!(within("INTERVAL '1:30' MINUTE TO SECOND"), "INTERVAL '1 MINUTE 30 SECOND'");
    assert_eq!(within("INTERVAL '10' SECOND"), "INTERVAL '10' SECOND");
    assert_eq!(within("INTERVAL '2 days'"), "INTERVAL '2 days'");
}

#[test]
fn a_clause_takes_any_input() {
    let clause = "MATCH_RECOGNIZE (PATTERN (A))";
    let mut out = String::new();
    for from in [
        format!("t {clause}"),
        format!("cat.db.t {clause} m"),
        format!("t AS x {clause} AS m (a, b)"),
        format!("t x (c, d) {clause} m"),
        format!("(SELECT * FROM t WHERE a IN (1, 2)) {clause}"),
        format!("(SELECT a, b FROM t) AS s (x, y) {clause} m"),
        format!("(VALUES (1, 'a'), (2, 'b')) v (id, s) {clause}"),
        format!("(a JOIN b ON a.x = b.x) {clause} m"),
        format!("a, b {clause} m, c"),
        format!("a LEFT JOIN b {clause} m ON a.x = m.x"),
        format!("generate_series(1, 3) g (n) {clause}"),
        format!("UNNEST(ARRAY[1, 2]) u (n) {clause}"),
        format!("LATERAL (SELECT 1) l {clause}"),
        format!("TABLE(TUMBLE(TABLE t, DESCRIPTOR(ts), INTERVAL '1' MINUTE)) w {clause} m"),
        format!("t {clause} {clause} m"),
        format!("t {clause} x {clause} y {clause} z"),
        format!("(SELECT * FROM t {clause} m) {clause}"),
        format!("(t {clause} m JOIN u {clause} n ON m.a = n.a) {clause}"),
        format!("`a\"b` \"MATCH_RECOGNIZE\" {clause}"),
        format!("match_recognize {clause}"),
    ] {
        show_query(&query(&format!("SELECT * FROM {from}")), &mut out);
    }
    insta::assert_snapshot!(out, @r#"
    SELECT * FROM __match_recognize(0, (SELECT * FROM t))
      clause 0: input t | pattern (A)
    SELECT * FROM __match_recognize(0, (SELECT * FROM cat.db.t)) m
      clause 0: input t | pattern (A)
    SELECT * FROM __match_recognize(0, (SELECT * FROM t AS x)) AS m (a, b)
      clause 0: input x | pattern (A)
    SELECT * FROM __match_recognize(0, (SELECT * FROM t x (c, d))) m
      clause 0: input x | pattern (A)
    SELECT * FROM __match_recognize(0, (SELECT * FROM (SELECT * FROM t WHERE a IN (1, 2))))
      clause 0: pattern (A)
    SELECT * FROM __match_recognize(0, (SELECT * FROM (SELECT a, b FROM t) AS s (x, y))) m
      clause 0: input s | pattern (A)
    SELECT * FROM __match_recognize(0, (SELECT * FROM (VALUES (1, 'a'), (2, 'b')) v (id, s)))
      clause 0: input v | pattern (A)
    SELECT * FROM __match_recognize(0, (SELECT * FROM (a JOIN b ON a.x = b.x))) m
      clause 0: pattern (A)
    SELECT * FROM a, __match_recognize(0, (SELECT * FROM b)) m, c
      clause 0: input b | pattern (A)
    SELECT * FROM a LEFT JOIN __match_recognize(0, (SELECT * FROM b)) m ON a.x = m.x
      clause 0: input b | pattern (A)
    SELECT * FROM __match_recognize(0, (SELECT * FROM generate_series(1, 3) g (n)))
      clause 0: input g | pattern (A)
    SELECT * FROM __match_recognize(0, (SELECT * FROM UNNEST(ARRAY[1, 2]) u (n)))
      clause 0: input u | pattern (A)
    SELECT * FROM __match_recognize(0, (SELECT * FROM LATERAL (SELECT 1) l))
      clause 0: input l | pattern (A)
    SELECT * FROM __match_recognize(0, (SELECT * FROM __tumble((SELECT * FROM t), ts, INTERVAL '1' MINUTE) w)) m
      clause 0: input w | pattern (A)
    SELECT * FROM __match_recognize(1, (SELECT * FROM __match_recognize(0, (SELECT * FROM t)))) m
      clause 0: input t | pattern (A)
      clause 1: pattern (A)
    SELECT * FROM __match_recognize(2, (SELECT * FROM __match_recognize(1, (SELECT * FROM __match_recognize(0, (SELECT * FROM t)) x)) y)) z
      clause 0: input t | pattern (A)
      clause 1: input x | pattern (A)
      clause 2: input y | pattern (A)
    SELECT * FROM __match_recognize(1, (SELECT * FROM (SELECT * FROM __match_recognize(0, (SELECT * FROM t)) m)))
      clause 0: input t | pattern (A)
      clause 1: pattern (A)
    SELECT * FROM __match_recognize(2, (SELECT * FROM (__match_recognize(0, (SELECT * FROM t)) m JOIN __match_recognize(1, (SELECT * FROM u)) n ON m.a = n.a)))
      clause 0: input t | pattern (A)
      clause 1: input u | pattern (A)
      clause 2: pattern (A)
    SELECT * FROM __match_recognize(0, (SELECT * FROM `a"b` "MATCH_RECOGNIZE"))
      clause 0: input "MATCH_RECOGNIZE" | pattern (A)
    SELECT * FROM __match_recognize(0, (SELECT * FROM match_recognize))
      clause 0: input match_recognize | pattern (A)
    "#);
}

#[test]
fn a_clause_stands_wherever_a_query_does() {
    let clause = "t MATCH_RECOGNIZE (PATTERN (A))";
    let mut out = String::new();
    for sql in [
        format!("WITH w AS (SELECT * FROM {clause}) SELECT * FROM w"),
        format!("SELECT a FROM {clause} UNION ALL SELECT b FROM {clause}"),
        format!("SELECT (SELECT count(*) FROM {clause} x) AS n WHERE EXISTS (SELECT * FROM {clause})"),
        "SELECT * FROM t MATCH_RECOGNIZE (PATTERN (A) DEFINE A AS x IN (SELECT y FROM u MATCH_RECOGNIZE (PATTERN (B))))"
            .to_owned(),
        "WITH match_recognize (a) AS (SELECT 1) SELECT match_recognize FROM match_recognize".to_owned(),
        "SELECT t.match_recognize, pattern, running, final, define AS measures FROM t AS within WHERE final IN (1)"
            .to_owned(),
    ] {
        show_query(&query(&sql), &mut out);
    }
    insta::assert_snapshot!(out, @r#"
    WITH w AS (SELECT * FROM __match_recognize(0, (SELECT * FROM t))) SELECT * FROM w
      clause 0: input t | pattern (A)
    SELECT a FROM __match_recognize(0, (SELECT * FROM t)) UNION ALL SELECT b FROM __match_recognize(1, (SELECT * FROM t))
      clause 0: input t | pattern (A)
      clause 1: input t | pattern (A)
    SELECT (SELECT count(*) FROM __match_recognize(0, (SELECT * FROM t)) x) AS n WHERE EXISTS (SELECT * FROM __match_recognize(1, (SELECT * FROM t)))
      clause 0: input t | pattern (A)
      clause 1: input t | pattern (A)
    SELECT * FROM __match_recognize(1, (SELECT * FROM t))
      clause 0: input u | pattern (B)
      clause 1: input t | pattern (A) | define A as x IN (SELECT y FROM __match_recognize(0, (SELECT * FROM u)))
    WITH match_recognize (a) AS (SELECT 1) SELECT match_recognize FROM match_recognize
    SELECT t.match_recognize, pattern, running, final, define AS measures FROM t AS within WHERE final IN (1)
    "#);
}

#[test]
fn window_table_functions_become_calls_with_a_subquery() {
    let mut out = String::new();
    for from in [
        "TABLE(TUMBLE(TABLE t, DESCRIPTOR(ts), INTERVAL '1' MINUTE))",
        "TUMBLE(TABLE db.t, DESCRIPTOR(`t s`), INTERVAL '1' MINUTE, INTERVAL '5' SECOND) AS w",
        "table(hop(table t, descriptor(ts), interval '1' minute, interval '5' minute)) h",
        "TABLE(TUMBLE(DATA => TABLE t, TIMECOL => DESCRIPTOR(ts), SIZE => INTERVAL '1' HOUR))",
        "HOP(SIZE => INTERVAL '4' HOUR, SLIDE => INTERVAL '1' HOUR, DATA => TABLE t, TIMECOL => DESCRIPTOR(ts))",
        "TUMBLE((SELECT a, ts FROM t), DESCRIPTOR(ts), INTERVAL '1' DAY)",
        "TUMBLE(TABLE (SELECT a, ts FROM t WHERE f(a, b) = 1), DESCRIPTOR(ts), INTERVAL '1' DAY)",
        "a JOIN TABLE(TUMBLE(TABLE t, DESCRIPTOR(ts), INTERVAL '1' DAY)) w ON a.x = w.x",
        "TUMBLE((SELECT * FROM t MATCH_RECOGNIZE (PATTERN (A))), DESCRIPTOR(ts), INTERVAL '1' DAY)",
        "TUMBLE(TABLE tumble, DESCRIPTOR(ts), INTERVAL '1' DAY)",
    ] {
        show_query(&query(&format!("SELECT * FROM {from}")), &mut out);
    }
    insta::assert_snapshot!(out, @r#"
    SELECT * FROM __tumble((SELECT * FROM t), ts, INTERVAL '1' MINUTE)
    SELECT * FROM __tumble((SELECT * FROM db.t), `t s`, INTERVAL '1' MINUTE, INTERVAL '5' SECOND) AS w
    SELECT * FROM __hop((SELECT * FROM t), ts, INTERVAL '1' MINUTE, INTERVAL '5' MINUTE) h
    SELECT * FROM __tumble((SELECT * FROM t), ts, INTERVAL '1' HOUR)
    SELECT * FROM __hop((SELECT * FROM t), ts, INTERVAL '1' HOUR, INTERVAL '4' HOUR)
    SELECT * FROM __tumble((SELECT a, ts FROM t), ts, INTERVAL '1' DAY)
    SELECT * FROM __tumble((SELECT a, ts FROM t WHERE f(a, b) = 1), ts, INTERVAL '1' DAY)
    SELECT * FROM a JOIN __tumble((SELECT * FROM t), ts, INTERVAL '1' DAY) w ON a.x = w.x
    SELECT * FROM __tumble((SELECT * FROM __match_recognize(0, (SELECT * FROM t))), ts, INTERVAL '1' DAY)
      clause 0: input t | pattern (A)
    SELECT * FROM __tumble((SELECT * FROM tumble), ts, INTERVAL '1' DAY)
    "#);
}

#[test]
fn running_and_final_bind_to_the_next_call_only() {
    let measure = |text: &str| {
        let sql = format!("SELECT * FROM t MATCH_RECOGNIZE (MEASURES {text} AS m PATTERN (A))");
        query(&sql).clauses[0].measures[0].expr.to_string()
    };
    assert_eq!(measure("FINAL LAST(A.x) + 1"), "__final(LAST(A.x)) + 1");
    assert_eq!(measure("- running sum(A.x) * final A.y"), "-__running(sum(A.x)) * __final(A.y)");
    assert_eq!(
        measure("coalesce(FINAL LAST(\"a\".x), RUNNING \"f\"(1))"),
        "coalesce(__final(LAST(\"a\".x)), __running(\"f\"(1)))"
    );
    assert_eq!(measure("final + running"), "final + running");
    assert_eq!(measure("final IN (1) AND running.x = 1"), "final IN (1) AND running.x = 1");
    assert_eq!(measure("\"final\"(x)"), "\"final\"(x)");
    assert_eq!(measure("FINAL COUNT(A.*) FILTER (WHERE A.x > 1)"), "__final(COUNT(A.*) FILTER (WHERE A.x > 1))");
}

#[test]
fn places_in_a_pattern_are_those_of_the_script() {
    let sql = "-- é\r\nSELECT * FROM t\r\n\tMATCH_RECOGNIZE (PATTERN (日 \"b\r\nc\" D) DEFINE D AS true)";
    let query = query(sql);
    let clause = &query.clauses[0];
    let places: Vec<String> = clause
        .pattern
        .variable_spans
        .iter()
        .map(|s| format!("{}:{}-{}:{}", s.start.line, s.start.column, s.end.line, s.end.column))
        .collect();
    assert_eq!(places, ["3:28-3:29", "3:30-4:3", "4:4-4:5"]);
    assert_eq!((clause.span.start.line, clause.span.start.column), (3, 2));
    assert_eq!((clause.defines[0].span.start.line, clause.defines[0].span.start.column), (4, 19));
    assert_eq!(clause.defines[0].variable.span.start.column, 14);
}

#[test]
fn each_statement_keeps_its_own_text() {
    let script = parse_script("-- one\n SELECT 1 /* x; */ ; \n\n INSERT INTO t SELECT ';' -- end\n;").unwrap();
    let texts: Vec<&str> = script.iter().map(|parsed| parsed.text.as_str()).collect();
    assert_eq!(texts, ["SELECT 1", "INSERT INTO t SELECT ';'"]);
    assert_eq!((script[1].span.start.line, script[1].span.start.column), (4, 2));
    assert!(parse_script(" ;; -- nothing\n").unwrap().is_empty());
}

#[test]
fn a_shell_line_is_complete_when_its_semicolon_ends_a_statement() {
    for complete in [
        "SELECT 1;",
        "SELECT ';' ; -- and a comment",
        "a; b;",
        "SELECT 1)) ;",
        "SELECT '1' ~ \"x;\";",
        "EXECUTE STATEMENT SET BEGIN INSERT INTO a SELECT 1; END;",
        "EXPLAIN STATEMENT SET BEGIN INSERT INTO a SELECT CASE WHEN a THEN 1 END; END;",
        ";",
    ] {
        assert!(is_complete(complete), "{complete}");
    }
    for incomplete in [
        "",
        "  -- nothing",
        "SELECT 1",
        "SELECT ';",
        "SELECT \";",
        "SELECT `;",
        "SELECT 1 -- ;",
        "SELECT 1 /* ;",
        "SELECT 1 /* /* */ ;",
        "SELECT (1;",
        "a; b",
        "EXECUTE STATEMENT SET BEGIN INSERT INTO a SELECT 1;",
        "EXECUTE STATEMENT SET BEGIN INSERT INTO a SELECT CASE WHEN a THEN 1 END;",
    ] {
        assert!(!is_complete(incomplete), "{incomplete}");
    }
}

#[test]
fn user_is_a_column() {
    let query = query("SELECT user, t.user, count(user) FROM t WHERE user = 'x' GROUP BY user");
    let sqlparser::ast::SetExpr::Select(select) = *query.query.body else { panic!() };
    assert!(matches!(
        select.projection[0],
        sqlparser::ast::SelectItem::UnnamedExpr(sqlparser::ast::Expr::Identifier(_))
    ));
}
