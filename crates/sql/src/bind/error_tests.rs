//! What is refused, with its place and remedy.
#![allow(clippy::unwrap_used, reason = "a test")]

use crate::test_catalog::{TestSession, shown};

/// A clause over `ticks` (bounded).
fn over_ticks(body: &str) -> String {
    format!("SELECT * FROM ticks MATCH_RECOGNIZE (\n{body}\n)")
}

/// A clause over `feed` (unbounded).
fn over_feed(body: &str) -> String {
    format!("SELECT * FROM feed MATCH_RECOGNIZE (\n{body}\n)")
}

fn refusal(sql: &str) -> String {
    match TestSession::new().run(sql) {
        Ok(_) => "accepted".to_owned(),
        Err(error) => shown(&error),
    }
}

fn check(cases: &[(&str, &str)], statement: impl Fn(&str) -> String) {
    let wrong: Vec<String> = cases
        .iter()
        .filter_map(|(body, expected)| {
            let found = refusal(&statement(body));
            (found != *expected).then(|| format!("{body}\n  found    {found}\n  expected {expected}"))
        })
        .collect();
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn clauses_that_break_a_rule_are_refused_with_their_place() {
    check(&CLAUSES, over_ticks);
}

#[test]
fn clauses_that_a_stream_cannot_answer_are_refused_with_their_place() {
    check(&STREAMS, over_feed);
}

#[test]
fn statements_that_make_no_sense_are_refused_with_their_place() {
    check(&STATEMENTS, str::to_owned);
}

#[test]
fn what_plan_nodes_have_no_place_for_is_found_in_the_text() {
    check(&PLACES, str::to_owned);
}

#[rustfmt::skip]
const CLAUSES: [(&str, &str); 102] = [
    ("ORDER BY ts MEASURES C.price AS p PATTERN (A)", "2:22 MEASURES names C, which is not a variable of the pattern (the pattern has A)"),
    ("ORDER BY ts MEASURES ticks.price AS p PATTERN (A)", "2:22 'ticks' is the input's name, which only PARTITION BY and ORDER BY know (write the column alone, or with a variable of the pattern)"),
    ("ORDER BY ts MEASURES DWN.price AS p PATTERN (A DOWN)", "2:22 MEASURES names DWN, which is not a variable of the pattern (did you mean DOWN?)"),
    ("ORDER BY ts MEASURES A.nope AS p PATTERN (A)", "2:24 column 'nope' not found (did you mean note?)"),
    ("ORDER BY ts MEASURES A.prise AS p PATTERN (A)", "2:24 column 'prise' not found (did you mean price?)"),
    ("ORDER BY ts MEASURES nope AS p PATTERN (A)", "2:22 column 'nope' not found (did you mean note?)"),
    ("ORDER BY ts MEASURES COUNT(A) AS p PATTERN (A)", "2:28 A is a variable, not a column (write A.column, or COUNT(A.*) to count its rows)"),
    ("ORDER BY ts MEASURES COUNT(C.*) AS p PATTERN (A)", "2:28 COUNT names C, which is not a variable of the pattern (the pattern has A)"),
    ("ORDER BY ts MEASURES CLASSIFIER(C) AS p PATTERN (A)", "2:33 CLASSIFIER names C, which is not a variable of the pattern (the pattern has A)"),
    ("ORDER BY ts MEASURES CLASSIFIER(1) AS p PATTERN (A)", "2:22 CLASSIFIER takes one variable or nothing"),
    ("ORDER BY ts MEASURES A.price AS p PATTERN (A) DEFINE B AS true", "2:54 DEFINE is for B, which is not a variable of the pattern (the pattern has A)"),
    ("ORDER BY ts MEASURES A.price AS p PATTERN (A B) SUBSET U = (A, B) DEFINE U AS true", "2:74 DEFINE for the SUBSET U (define its members)"),
    ("ORDER BY ts MEASURES A.price AS p PATTERN (A) DEFINE A AS true, a AS false", "2:65 A is defined twice (the pattern names it at line 2, column 44)"),
    ("ORDER BY ts MEASURES A.price AS p PATTERN (A) DEFINE A AS A.price", "2:59 the condition of A is of type DOUBLE, not BOOLEAN"),
    ("ORDER BY ts MEASURES A.price AS p PATTERN (A) DEFINE A AS price + 1", "2:59 the condition of A is of type DOUBLE, not BOOLEAN"),
    ("ORDER BY ts MEASURES A.price AS p PATTERN (A) DEFINE A AS C.price > 1", "2:59 DEFINE names C, which is not a variable of the pattern (the pattern has A)"),
    ("ORDER BY ts MEASURES A.price AS p PATTERN (A) DEFINE A AS A.symbol > 1 + note.x", "2:74 DEFINE names NOTE, which is not a variable of the pattern (the pattern has A)"),
    ("ORDER BY ts MEASURES A.price AS p PATTERN (A) DEFINE A AS A.price > INTERVAL '1' MINUTE", "2:59 cannot infer common argument type for comparison operation DOUBLE > INTERVAL"),
    ("ORDER BY ts MEASURES A.price AS p PATTERN (A B) SUBSET A = (B)", "2:56 SUBSET A has the name of a variable of the pattern"),
    ("ORDER BY ts MEASURES A.price AS p PATTERN (A B) SUBSET U = (A, C)", "2:64 SUBSET names C, which is not a variable of the pattern (the pattern has A, B)"),
    ("ORDER BY ts MEASURES A.price AS p PATTERN (A B) SUBSET U = (A), V = (U)", "2:70 SUBSET V has the SUBSET U as a member (name the variables themselves)"),
    ("ORDER BY ts MEASURES A.price AS p PATTERN (A B) SUBSET U = (A), U = (B)", "2:65 SUBSET U is defined twice"),
    ("ORDER BY ts MEASURES A.price AS p PATTERN (A B) SUBSET U = (U)", "2:61 SUBSET U has the SUBSET U as a member (name the variables themselves)"),
    ("ORDER BY ts MEASURES PREV(PREV(A.price)) AS p PATTERN (A)", "2:27 PREV over PREV (add the offsets up in one call: PREV(x, 2))"),
    ("ORDER BY ts MEASURES NEXT(PREV(A.price)) AS p PATTERN (A)", "2:27 NEXT over PREV (add the offsets up in one call: PREV(x, 2))"),
    ("ORDER BY ts MEASURES FIRST(LAST(A.price)) AS p PATTERN (A)", "2:28 FIRST over LAST (only PREV and NEXT nest, around FIRST or LAST)"),
    ("ORDER BY ts MEASURES LAST(PREV(A.price)) AS p PATTERN (A)", "2:27 LAST over PREV (only PREV and NEXT nest, around FIRST or LAST)"),
    ("ORDER BY ts MEASURES PREV(1 + LAST(A.price)) AS p PATTERN (A)", "2:31 LAST inside another navigation's expression (only PREV and NEXT nest, directly around FIRST or LAST: PREV(LAST(A.x + A.y, 2), 3))"),
    ("ORDER BY ts MEASURES PREV(A.price, -1) AS p PATTERN (A)", "2:37 the offset of PREV must not be negative"),
    ("ORDER BY ts MEASURES PREV(A.price, volume) AS p PATTERN (A)", "2:36 the offset of PREV must be a constant whole number"),
    ("ORDER BY ts MEASURES LAST(A.price, 1.5) AS p PATTERN (A)", "2:36 the offset of LAST must be a constant whole number"),
    ("ORDER BY ts MEASURES LAST(A.price, 'x') AS p PATTERN (A)", "2:36 the offset of LAST must be a constant whole number"),
    ("ORDER BY ts MEASURES PREV(A.price, 10000000) AS p PATTERN (A)", "2:22 PREV over more than 1000000 rows is not supported"),
    ("ORDER BY ts MEASURES LAST(A.price, 1, 2) AS p PATTERN (A)", "2:22 LAST takes an expression and, perhaps, an offset"),
    ("ORDER BY ts MEASURES LAST() AS p PATTERN (A)", "2:22 LAST takes an expression and, perhaps, an offset"),
    ("ORDER BY ts MEASURES LAST(1) AS p PATTERN (A)", "2:27 LAST of an expression that reads no column (a navigation reads a column of the row it reaches)"),
    ("ORDER BY ts MEASURES PREV(MATCH_NUMBER()) AS p PATTERN (A)", "2:27 PREV of an expression that reads no column (a navigation reads a column of the row it reaches)"),
    ("ORDER BY ts MEASURES LAST(A.price + B.price) AS p PATTERN (A B)", "2:37 LAST mixes columns of A and columns of B (one call reads the rows of one variable: give all its columns the same one)"),
    ("ORDER BY ts MEASURES LAST(A.price + price) AS p PATTERN (A B)", "2:37 LAST mixes columns of A and columns without a variable (one call reads the rows of one variable: give all its columns the same one)"),
    ("ORDER BY ts MEASURES PREV(A.price + CLASSIFIER(B)) AS p PATTERN (A B)", "2:37 PREV mixes columns of A and columns of B (one call reads the rows of one variable: give all its columns the same one)"),
    ("ORDER BY ts MEASURES LAST(DISTINCT A.price) AS p PATTERN (A)", "2:22 LAST takes no DISTINCT, FILTER, ORDER BY or treatment of NULLs"),
    ("ORDER BY ts MEASURES LAST(SUM(A.price)) AS p PATTERN (A)", "2:27 the aggregate SUM cannot stand inside a navigation"),
    ("ORDER BY ts MEASURES SUM(A.price + B.price) AS p PATTERN (A B)", "2:36 SUM mixes columns of A and columns of B (one call reads the rows of one variable: give all its columns the same one)"),
    ("ORDER BY ts MEASURES SUM(A.price) FILTER (WHERE B.price > 1) AS p PATTERN (A B)", "2:49 SUM mixes columns of A and columns of B (one call reads the rows of one variable: give all its columns the same one)"),
    ("ORDER BY ts MEASURES SUM(A.price + price) AS p PATTERN (A B)", "2:36 SUM mixes columns of A and columns without a variable (one call reads the rows of one variable: give all its columns the same one)"),
    ("ORDER BY ts MEASURES SUM(AVG(A.price)) AS p PATTERN (A)", "2:26 the aggregate AVG cannot stand inside an aggregate"),
    ("ORDER BY ts MEASURES SUM(PREV(A.price)) AS p PATTERN (A)", "2:26 PREV cannot stand inside an aggregate"),
    ("ORDER BY ts MEASURES SUM(A.*) AS p PATTERN (A)", "2:22 SUM(A.*): only COUNT takes *"),
    ("ORDER BY ts MEASURES COUNT(DISTINCT A.*) AS p PATTERN (A)", "2:22 COUNT(DISTINCT A.*) is not defined (name the columns whose values are to be counted)"),
    ("ORDER BY ts MEASURES SUM(A.symbol) AS p PATTERN (A)", "2:22 SUM does not take a STRING"),
    ("ORDER BY ts MEASURES A.price AS p PATTERN (A) DEFINE A AS COUNT(DISTINCT price) > 1", "2:59 COUNT with DISTINCT is not supported in DEFINE yet (COUNT, SUM, AVG, MIN and MAX are, with FILTER; MEASURES takes every aggregate)"),
    ("ORDER BY ts MEASURES A.price AS p PATTERN (A) DEFINE A AS MEDIAN(price) > 1", "2:59 the aggregate MEDIAN is not supported in DEFINE yet (COUNT, SUM, AVG, MIN and MAX are, with FILTER; MEASURES takes every aggregate)"),
    ("ORDER BY ts MEASURES A.price AS p PATTERN (A) DEFINE A AS COUNT(CLASSIFIER()) > 1", "2:65 CLASSIFIER in an aggregate in DEFINE is not supported yet"),
    ("ORDER BY ts MEASURES A.price AS p PATTERN (A) DEFINE A AS FINAL LAST(A.price) > 1", "2:59 FINAL cannot stand in DEFINE: the match is not finished there"),
    ("ORDER BY ts MEASURES A.price AS p PATTERN (A) DEFINE A AS PREV(FINAL LAST(A.price)) > 1", "2:64 FINAL cannot stand in DEFINE: the match is not finished there"),
    ("ORDER BY ts MEASURES RUNNING PREV(A.price) AS p PATTERN (A)", "2:22 RUNNING has no meaning on PREV (it stands before FIRST, LAST, an aggregate or a column)"),
    ("ORDER BY ts MEASURES FINAL ABS(A.price) AS p PATTERN (A)", "2:22 FINAL has no meaning on ABS (it stands before FIRST, LAST, an aggregate or a column)"),
    ("ORDER BY ts MEASURES SUM(FINAL LAST(A.price)) AS p PATTERN (A)", "2:26 FINAL cannot stand inside an aggregate's argument"),
    ("ORDER BY ts MEASURES MATCH_PROCTIME() AS p PATTERN (A)", "2:22 MATCH_PROCTIME() is not supported yet (use MATCH_ROWTIME())"),
    ("ORDER BY ts MEASURES A.price AS p PATTERN (A) DEFINE A AS MATCH_STATUS() = 'COMPLETE'", "2:59 MATCH_STATUS() cannot stand in DEFINE: the match is not finished there"),
    ("ORDER BY price MEASURES MATCH_ROWTIME() AS p PATTERN (A)", "2:25 MATCH_ROWTIME() needs an ORDER BY that begins with a time column, ascending"),
    ("ORDER BY ts MEASURES MATCH_ROWTIME(price) AS p PATTERN (A)", "2:22 MATCH_ROWTIME takes the leading ORDER BY column or nothing"),
    ("ORDER BY ts MEASURES MATCH_NUMBER(1) AS p PATTERN (A)", "2:22 MATCH_NUMBER() takes no argument"),
    ("PARTITION BY MATCH_NUMBER() ORDER BY ts MEASURES A.price AS p PATTERN (A)", "2:14 MATCH_NUMBER cannot stand in PARTITION BY: there is no match yet"),
    ("ORDER BY PREV(ts) MEASURES A.price AS p PATTERN (A)", "2:10 PREV cannot stand in ORDER BY: there is no match yet"),
    ("ORDER BY ts MEASURES (SELECT 1) AS p PATTERN (A)", "2:23 a subquery in MEASURES is not supported yet"),
    ("ORDER BY ts MEASURES A.price AS p PATTERN (A) DEFINE A AS EXISTS (SELECT 1)", "2:67 a subquery in DEFINE is not supported yet"),
    ("ORDER BY ts MEASURES A.price AS p PATTERN (A) DEFINE A AS price IN (SELECT v FROM plain)", "2:59 a subquery in DEFINE is not supported yet"),
    ("ORDER BY ts MEASURES ROW_NUMBER() OVER () AS p PATTERN (A)", "2:22 a window function cannot stand in MEASURES"),
    ("ORDER BY ts MEASURES A.price AS p PATTERN (A) DEFINE A AS random() > 0.5", "2:59 RANDOM() cannot stand in DEFINE: it gives another value each time (use the event time of the rows)"),
    ("ORDER BY ts MEASURES A.price AS p PATTERN (A) DEFINE A AS ts > now()", "2:59 NOW() cannot stand in DEFINE: it gives another value each time (use the event time of the rows)"),
    ("ORDER BY ts MEASURES foo(A.price) AS p PATTERN (A)", "2:22 unknown function 'foo' (SHOW FUNCTIONS lists the functions)"),
    ("ORDER BY ts MEASURES A.price AS p, A.price AS P PATTERN (A)", "2:47 measure 'p' has the name of another measure (give it another name)"),
    ("PARTITION BY symbol ORDER BY ts MEASURES A.price AS symbol PATTERN (A)", "2:53 measure 'symbol' has the name of a partition or ORDER BY column (give it another name)"),
    ("ORDER BY ts MEASURES A.price AS price ALL ROWS PER MATCH PATTERN (A)", "2:33 measure 'price' has the name of an input column, which ALL ROWS puts out too (give one of them another name)"),
    ("ORDER BY ts PATTERN (A)", "1:21 ONE ROW PER MATCH with neither PARTITION BY nor MEASURES has no columns to put out (add MEASURES, or ALL ROWS PER MATCH)"),
    ("ORDER BY ts MEASURES ABS(A.symbol) AS p PATTERN (A)", "2:22 function 'abs' expects Numeric but received STRING"),
    ("ORDER BY ts MEASURES UPPER(A.symbol, 2) AS p PATTERN (A)", "2:22 function 'upper' expects 1 arguments but received 2"),
    ("ORDER BY ts MEASURES (x -> x + 1) AS p PATTERN (A)", "2:23 column 'x' not found (the input has symbol, ts, price, volume, note)"),
    ("ORDER BY ts MEASURES A.price.x AS p PATTERN (A)", "2:22 cannot access field at argument 1: type DOUBLE is not Struct, Map, or Null"),
    ("ORDER BY ts MEASURES A.price[1] AS p PATTERN (A)", "2:22 array_element does not support type DOUBLE"),
    ("ORDER BY ts MEASURES CAST(A.symbol AS NOPE) AS p PATTERN (A)", "2:22 unsupported SQL type NOPE"),
    ("ORDER BY ts MEASURES COUNT(A.nope) AS p PATTERN (A)", "2:30 column 'nope' not found (did you mean note?)"),
    ("ORDER BY ts MEASURES NTH_VALUE(A.price) AS p PATTERN (A)", "2:22 the function 'nth_value' expected 2 arguments but received 1"),
    ("ORDER BY ts MEASURES unnest(ARRAY[1]) AS p PATTERN (A)", "2:22 UNNEST cannot stand here"),
    ("ORDER BY ts MEASURES db.A.price AS p PATTERN (A)", "2:22 MEASURES names DB, which is not a variable of the pattern (the pattern has A)"),
    ("PARTITION BY symbol, symbol ORDER BY ts PATTERN (A)", "2:22 PARTITION BY names 'symbol' twice"),
    ("PARTITION BY nope ORDER BY ts PATTERN (A)", "2:14 column 'nope' not found (did you mean ticks.note?)"),
    ("PARTITION BY symbol ORDER BY nope PATTERN (A)", "2:30 column 'nope' not found (did you mean ticks.note?)"),
    ("PARTITION BY symbol ORDER BY 1 PATTERN (A)", "2:30 ORDER BY in MATCH_RECOGNIZE takes columns, not their positions"),
    ("PARTITION BY COUNT(*) ORDER BY ts PATTERN (A)", "2:14 an aggregate cannot stand here"),
    ("PARTITION BY symbol ORDER BY ts AFTER MATCH SKIP TO C PATTERN (A)", "2:53 AFTER MATCH SKIP goes to C, which is not a variable of the pattern (the pattern has A)"),
    ("PARTITION BY symbol ORDER BY ts ONE ROW PER MATCH SHOW TIMEOUT MATCHES PATTERN (A B)", "2:51 TIMEOUT MATCHES needs WITHIN: nothing times out without it (PATTERN (…) WITHIN INTERVAL '30' MINUTE)"),
    ("PARTITION BY symbol ORDER BY ts PATTERN (A B) WITHIN INTERVAL '1' MONTH", "2:47 WITHIN may not have months or years: they are not all of one length"),
    ("PARTITION BY symbol ORDER BY ts PATTERN (A B) WITHIN INTERVAL '0' SECOND", "2:47 WITHIN must be positive"),
    ("PARTITION BY symbol ORDER BY ts PATTERN (A B) WITHIN INTERVAL '-1' SECOND", "2:47 WITHIN must be positive"),
    ("PARTITION BY symbol ORDER BY price PATTERN (A B) WITHIN INTERVAL '1' SECOND", "2:50 WITHIN needs an ORDER BY that begins with a time column, ascending ('price' is of type DOUBLE)"),
    ("PARTITION BY symbol ORDER BY ts DESC PATTERN (A B) WITHIN INTERVAL '1' SECOND", "2:52 WITHIN needs an ORDER BY that begins with a time column, ascending (the ORDER BY is descending)"),
    ("PARTITION BY symbol PATTERN (A B) WITHIN INTERVAL '1' SECOND", "2:35 WITHIN needs an ORDER BY that begins with a time column, ascending (add ORDER BY)"),
    ("PARTITION BY symbol ORDER BY ts ALL ROWS PER MATCH WITH UNMATCHED ROWS PATTERN (A {- B -})", "2:83 {- -} cannot be used with WITH UNMATCHED ROWS (its rows are neither matched rows to put out nor unmatched ones)"),
    ("PARTITION BY symbol ORDER BY ts PATTERN (PERMUTE(A, B, C, D, E, F, G, H, I, J, K, L, M, N, O, P, Q))", "2:42 the pattern needs 1245185 states, more than the 100000 allowed: use smaller bounds or a shorter PERMUTE"),
    ("PARTITION BY symbol ORDER BY ts PATTERN (V0 V1 V2 V3 V4 V5 V6 V7 V8 V9 V10 V11 V12 V13 V14 V15 V16 V17 V18 V19 V20 V21 V22 V23 V24 V25 V26 V27 V28 V29 V30 V31 V32 V33 V34 V35 V36 V37 V38 V39 V40 V41 V42 V43 V44 V45 V46 V47 V48 V49 V50 V51 V52 V53 V54 V55 V56 V57 V58 V59 V60 V61 V62 V63 V64)", "2:288 a pattern has at most 64 variables: V64 is one too many"),
];

#[rustfmt::skip]
const STREAMS: [(&str, &str); 7] = [
    ("PARTITION BY symbol PATTERN (A)", "1:20 MATCH_RECOGNIZE over unbounded input needs an ORDER BY (begin with ORDER BY ts)"),
    ("PARTITION BY symbol ORDER BY ts DESC PATTERN (A)", "2:30 ORDER BY over unbounded input must begin with a time attribute, ascending: 'ts' is descending (begin with ORDER BY ts)"),
    ("PARTITION BY symbol ORDER BY price, ts PATTERN (A)", "2:30 ORDER BY over unbounded input must begin with a time attribute, ascending: 'price' is of type DOUBLE (begin with ORDER BY ts)"),
    ("PARTITION BY symbol ORDER BY arrived PATTERN (A)", "2:30 ORDER BY over unbounded input must begin with a time attribute, ascending: 'arrived' is not a time attribute (begin with ORDER BY ts)"),
    ("PARTITION BY symbol ORDER BY ts + INTERVAL '1' SECOND PATTERN (A)", "2:30 ORDER BY over unbounded input must begin with a time attribute, ascending: 'ts + INTERVAL '1' SECOND' is not a time attribute (begin with ORDER BY ts)"),
    ("PARTITION BY symbol ORDER BY ts PATTERN (A B$)", "2:45 $ cannot hold: a partition of an unbounded input never ends"),
    ("PARTITION BY symbol ORDER BY ts MEASURES now() AS p PATTERN (A)", "2:42 NOW() cannot stand in MEASURES: it gives another value each time (use the event time of the rows)"),
];

#[rustfmt::skip]
const STATEMENTS: [(&str, &str); 72] = [
    ("CREATE TABLE t (a INT, A STRING) WITH ('connector' = 'x')", "1:24 column 'a' is defined twice (unquoted names are the same in any case)"),
    ("CREATE TABLE t (a INT)", "1:14 table t has no 'connector' option: tables that Dipper stores itself are not supported yet (say where the rows are: WITH ('connector' = 'filesystem', …))"),
    ("CREATE TABLE t (a INT, WATERMARK FOR b AS b) WITH ('connector' = 'x')", "1:38 watermark on unknown column 'b'"),
    ("CREATE TABLE t (ts STRING, WATERMARK FOR ts AS ts) WITH ('connector' = 'x')", "1:42 watermark on column 'ts' of type STRING: it must be a TIMESTAMP (declare it TIMESTAMP(3), or add a computed column, such as event_time AS TO_TIMESTAMP(ts))"),
    ("CREATE TABLE t (ts TIMESTAMP(3), WATERMARK FOR ts AS 1) WITH ('connector' = 'x')", "1:54 the watermark is of type BIGINT: it must be a TIMESTAMP (for instance: ts - INTERVAL '5' SECOND)"),
    ("CREATE TABLE t (ts TIMESTAMP(3), WATERMARK FOR ts AS tz - INTERVAL '5' SECOND) WITH ('connector' = 'x')", "1:54 watermark: column 'tz' not found (did you mean ts?)"),
    ("CREATE TABLE t (a INT, b AS c + 1) WITH ('connector' = 'x')", "1:29 computed column 'b': column 'c' not found"),
    ("CREATE TABLE t (a INT, b AS c, c AS b) WITH ('connector' = 'x')", "1:24 computed columns depend on each other: 'b', 'c'"),
    ("CREATE TABLE t (a INT, b AS random()) WITH ('connector' = 'x')", "1:29 computed column 'b': RANDOM() gives another value each time: a column's value must not change"),
    ("CREATE TABLE t (a INT, b AS PROCTIME()) WITH ('connector' = 'x')", "1:29 computed column 'b': PROCTIME(): processing time is not supported yet (use event time: WATERMARK FOR a timestamp column)"),
    ("CREATE TABLE t (a INT, b AS SUM(a)) WITH ('connector' = 'x')", "1:29 computed column 'b': an aggregate cannot stand here"),
    ("CREATE TABLE t (a INT, b AS (SELECT 1)) WITH ('connector' = 'x')", "1:30 computed column 'b': a subquery cannot stand here"),
    ("CREATE TABLE t (a INT, PRIMARY KEY (b) NOT ENFORCED) WITH ('connector' = 'x')", "1:37 primary key: 'b' is not a column"),
    ("CREATE TABLE t (a INT, PRIMARY KEY (a, a) NOT ENFORCED) WITH ('connector' = 'x')", "1:40 primary key: 'a' is named twice"),
    ("CREATE TABLE t (a DECIMAL(40, 2)) WITH ('connector' = 'x')", "1:19 DECIMAL(40, 2): 1 to 38 digits, of them 0 to all behind the point"),
    ("CREATE TABLE t (a TIMESTAMP(12)) WITH ('connector' = 'x')", "1:19 precision 12 of a time: it goes from 0 to 9"),
    ("CREATE TABLE t (a JSON) WITH ('connector' = 'x')", "1:19 the type JSON is not supported"),
    ("CREATE TABLE t (a INT) PARTITIONED BY (a) WITH ('connector' = 'x')", "1:40 PARTITIONED BY is not supported yet"),
    ("CREATE TABLE t (a INT) WITH ('connector' = 'x', 'scan.watermark.idle-timeout' = '5 s')", "1:49 option 'scan.watermark.idle-timeout' without a WATERMARK (add WATERMARK FOR column AS expression)"),
    ("CREATE TABLE t (ts TIMESTAMP(3), WATERMARK FOR ts AS ts) WITH ('connector' = 'x', 'scan.watermark.idle-timeout' = 'soon')", "1:115 option 'scan.watermark.idle-timeout': 'soon' is no duration (write '500 ms', '5 s', '1 min' or '2 h')"),
    ("CREATE TABLE t (ts TIMESTAMP(3), WATERMARK FOR ts AS ts) WITH ('connector' = 'x', 'scan.watermark.alignment.group' = 'g')", "1:83 option 'scan.watermark.alignment.group' is not supported yet"),
    ("CREATE TABLE ticks (a INT) WITH ('connector' = 'x')", "1:14 table 'ticks' already exists (drop it first, or say IF NOT EXISTS)"),
    ("DROP TABLE nope", "1:12 table 'nope' not found (SHOW TABLES lists the tables)"),
    ("DROP VIEW ticks", "1:11 'ticks' is a table, not a view (use DROP TABLE)"),
    ("CREATE VIEW v (a) AS SELECT k, v FROM plain", "1:16 the view names 1 columns, but its query has 2"),
    ("CREATE VIEW v AS SELECT nope FROM plain", "1:25 column 'nope' not found"),
    ("CREATE VIEW v AS SELECT k FROM plain; CREATE OR REPLACE VIEW v AS SELECT k FROM v; SELECT * FROM v", "1:81 view 'v' refers to itself"),
    ("SELECT * FROM tick", "1:15 table 'tick' not found (did you mean 'ticks'?)"),
    ("SELECT * FROM db.ticks", "1:15 'db.ticks': there are no catalogs and databases yet: use the table's own name alone"),
    ("SELECT nope FROM ticks", "1:8 column 'nope' not found (did you mean ticks.note?)"),
    ("SELECT t.nope FROM ticks AS t", "1:8 column 'nope' not found in 't' (did you mean t.note?)"),
    ("SELECT symbol FROM ticks, feed", "1:8 column 'symbol' is ambiguous (did you mean ticks.symbol?)"),
    ("SELECT prce FROM ticks", "1:8 column 'prce' not found (did you mean ticks.price?)"),
    ("SELECT coutn(price) FROM ticks", "1:8 unknown function 'coutn' (did you mean count?)"),
    ("SELECT price + symbol FROM ticks", "1:8 cannot coerce arithmetic expression DOUBLE + STRING to valid types"),
    ("SELECT\n  CLASSIFIER()\nFROM ticks", "2:3 CLASSIFIER stands outside of MATCH_RECOGNIZE (it belongs in MEASURES or DEFINE of MATCH_RECOGNIZE (…))"),
    ("SELECT RUNNING LAST(price) FROM ticks", "1:8 RUNNING stands outside of MATCH_RECOGNIZE (it belongs in MEASURES or DEFINE of MATCH_RECOGNIZE (…))"),
    ("SELECT * FROM ticks FOR SYSTEM_TIME AS OF ts", "1:21 FOR SYSTEM_TIME AS OF is not supported (join the table as it is, without FOR SYSTEM_TIME)"),
    ("INSERT INTO sink SELECT symbol FROM ticks", "1:18 the query has 1 columns, but 3 go into 'sink' (they are symbol, n, at_time)"),
    ("INSERT INTO sink (symbol, nope) SELECT symbol, 1 FROM ticks", "1:27 INSERT INTO 'sink': column 'nope' does not exist"),
    ("INSERT INTO sink (symbol, symbol) SELECT symbol, 1 FROM ticks", "1:27 INSERT INTO 'sink': column 'symbol' is named twice"),
    ("INSERT INTO sink (symbol) SELECT symbol FROM ticks", "1:19 column 'n' of 'sink' is NOT NULL and gets no value"),
    ("INSERT INTO sink SELECT symbol, price, ts FROM ticks", "1:18 column 'n' of 'sink' is of type BIGINT, and the query gives DOUBLE (CAST(price AS BIGINT))"),
    ("INSERT INTO sink SELECT volume, volume, volume FROM ticks", "1:18 column 'symbol' of 'sink' is of type STRING, and the query gives INT (CAST(volume AS STRING))"),
    ("INSERT INTO nope SELECT symbol FROM ticks", "1:13 table 'nope' not found (SHOW TABLES lists the tables)"),
    ("INSERT INTO sink SELECT symbol, 1, ts FROM ticks ORDER BY ts", "1:59 ORDER BY is not supported in a dataflow yet (the input is bounded: SET 'execution.runtime-mode' = 'batch')"),
    ("INSERT INTO sink SELECT symbol, 1, ts FROM ticks LIMIT 5", "1:56 LIMIT is not supported in a dataflow yet (the input is bounded: SET 'execution.runtime-mode' = 'batch')"),
    ("INSERT INTO sink SELECT DISTINCT symbol, 1, ts FROM ticks", "1:18 DISTINCT or UNION without ALL is not supported in a dataflow yet (the input is bounded: SET 'execution.runtime-mode' = 'batch')"),
    ("INSERT INTO sink SELECT a.symbol, 1, a.ts FROM ticks a JOIN ticks b ON a.ts = b.ts", "1:61 a join is not supported in a dataflow yet (the input is bounded: SET 'execution.runtime-mode' = 'batch')"),
    ("INSERT INTO sink SELECT symbol, count(*), max(ts) FROM feed GROUP BY symbol", "1:70 GROUP BY without a window is not supported in a dataflow yet (group by a window: TABLE(TUMBLE(TABLE t, DESCRIPTOR(ts), INTERVAL '1' MINUTE)))"),
    ("INSERT INTO sink SELECT symbol, row_number() OVER (ORDER BY ts), ts FROM feed", "1:33 a window function is not supported in a dataflow yet (write the rows into a table and query that)"),
    ("INSERT INTO sink SELECT symbol, 1, ts FROM feed WHERE price > (SELECT max(v) FROM plain)", "1:64 a subquery in an expression is not supported in a dataflow yet (put the value in as a constant, or write the rows into a table and query that in batch mode)"),
    ("SELECT now() FROM feed", "1:8 NOW() in a query over unbounded input is not supported (use the event time of the rows)"),
    ("SELECT * FROM TABLE(TUMBLE(TABLE feed, DESCRIPTOR(arrived), INTERVAL '1' MINUTE))", "1:51 'arrived' is not a time attribute, and the input is unbounded (use the column that has the WATERMARK)"),
    ("SELECT * FROM TABLE(TUMBLE(TABLE feed, DESCRIPTOR(price), INTERVAL '1' MINUTE))", "1:51 the time column 'price' is of type DOUBLE: it must be a TIMESTAMP"),
    ("SELECT * FROM TABLE(TUMBLE(TABLE feed, DESCRIPTOR(nope), INTERVAL '1' MINUTE))", "1:51 column 'nope' not found"),
    ("SELECT * FROM TABLE(TUMBLE(TABLE feed, DESCRIPTOR(ts), INTERVAL '1' MONTH))", "1:65 a window's length may not have months or years: they are not all of one length"),
    ("SELECT * FROM TABLE(TUMBLE(TABLE feed, DESCRIPTOR(ts), INTERVAL '0' SECOND))", "1:65 the size of a window must be positive"),
    ("SELECT * FROM TABLE(HOP(TABLE feed, DESCRIPTOR(ts), INTERVAL '40' SECOND, INTERVAL '1' MINUTE))", "1:84 the size of a HOP window must be a multiple of its slide"),
    ("SELECT symbol, window_start, count(*) FROM TABLE(TUMBLE(TABLE feed, DESCRIPTOR(ts), INTERVAL '1' MINUTE)) GROUP BY symbol, window_start", "1:1 GROUP BY names the window, but not its window_end (add window_end)"),
    ("SELECT * FROM TABLE(generate_series(1, 3))", "1:21 TABLE(…) around anything but TUMBLE and HOP is not supported"),
    ("SELECT * FROM ticks PIVOT (SUM(price) FOR symbol IN ('a'))", "1:15 this form of a table in FROM is not supported"),
    ("SELECT symbol COLLATE x FROM ticks", "1:8 this form of SQL is not supported"),
    ("SET 'parallelism.defalt' = '4'", "- unknown setting 'parallelism.defalt' (did you mean 'parallelism.default'?)"),
    ("SET 'parallelism.default' = 'many'", "- setting 'parallelism.default': 'many' is no number from 1 to 1024"),
    ("SET 'execution.runtime-mode' = 'fast'", "- setting 'execution.runtime-mode': unknown value 'fast' (it is one of 'automatic', 'streaming', 'batch')"),
    ("SET 'execution.checkpointing.interval' = '10 s'", "- setting 'execution.checkpointing.interval' is not supported yet (leave it out)"),
    ("SET 'parallelism.default' = '200'; INSERT INTO sink SELECT symbol, 1, ts FROM feed", "- parallelism 200 is more than the 128 key groups of the job (SET 'pipeline.max-parallelism' to at least as much)"),
    ("SELECT * FROM feed, LATERAL (SELECT * FROM ticks WHERE ticks.symbol = feed.symbol) MATCH_RECOGNIZE (ORDER BY ts MEASURES A.price AS p PATTERN (A))", "1:84 the input refers to an outer query"),
    ("SELECT * FROM (ticks a JOIN ticks b ON a.ts = b.ts) MATCH_RECOGNIZE (ORDER BY a.ts MEASURES X.price AS p PATTERN (X))", "1:95 the input has more than one column 'price' (rename one of them in a subquery)"),
    ("SELECT * FROM (ticks a JOIN ticks b ON a.ts = b.ts) MATCH_RECOGNIZE (ORDER BY a.ts ALL ROWS PER MATCH PATTERN (X))", "1:53 ALL ROWS puts out two columns 'symbol' (give one of them another name)"),
    ("SELECT * FROM (ticks a JOIN ticks b ON a.ts = b.ts) MATCH_RECOGNIZE (ORDER BY ts MEASURES X.note AS p PATTERN (X))", "1:93 the input has more than one column 'note' (rename one of them in a subquery)"),
];

#[rustfmt::skip]
const PLACES: [(&str, &str); 60] = [
    ("CREATE TABLE t (ts TIMESTAMP(3), WATERMARK FOR ts AS ts + INTERVAL '1' HOUR) WITH ('connector'='x')", "1:54 the watermark is ahead of 'ts': each row would be late when it comes (subtract the time that rows may be late: ts - INTERVAL '5' SECOND)"),
    ("CREATE TABLE t (ts TIMESTAMP(3), WATERMARK FOR ts AS ts - INTERVAL '-1' SECOND) WITH ('connector'='x')", "1:54 the watermark is ahead of 'ts': each row would be late when it comes (subtract the time that rows may be late: ts - INTERVAL '5' SECOND)"),
    ("CREATE TABLE t (ts TIMESTAMP(3), WATERMARK FOR ts AS INTERVAL '1' MONTH + ts) WITH ('connector'='x')", "1:63 the watermark is ahead of 'ts': each row would be late when it comes (subtract the time that rows may be late: ts - INTERVAL '5' SECOND)"),
    ("CREATE TABLE t (ts TIMESTAMP(9), WATERMARK FOR ts AS ts - INTERVAL '3' MONTH + INTERVAL '60' DAY) WITH ('connector'='x')", "accepted"),
    ("CREATE TABLE t (ts TIMESTAMP_LTZ(3), WATERMARK FOR ts AS ts + INTERVAL '3' MONTH - INTERVAL '91' DAY) WITH ('connector'='x')", "1:58 the watermark is ahead of 'ts': each row would be late when it comes (subtract the time that rows may be late: ts - INTERVAL '5' SECOND)"),
    ("CREATE VIEW v AS SELECT * FROM ticks; CREATE VIEW w AS SELECT * FROM v; CREATE OR REPLACE VIEW v AS SELECT * FROM w", "1:115 view 'v' refers to itself"),
    ("CREATE VIEW v AS SELECT * FROM ticks; CREATE OR REPLACE VIEW v AS WITH v AS (SELECT 1 AS x) SELECT * FROM v; SELECT * FROM v", "accepted"),
    ("SELECT k, k FROM plain", "1:11 the query has two columns 'k' (name one of them: AS another_name)"),
    ("SELECT CAST(symbol AS INT), symbol FROM ticks", "1:29 the query has two columns 'symbol' (name one of them: AS another_name)"),
    ("SELECT a.symbol, b.symbol, a.price, A.price FROM ticks a, ticks b", "1:37 the query has two columns 'price' (name one of them: AS another_name)"),
    ("SELECT *, k FROM plain", "1:11 the query has two columns 'k' (name one of them: AS another_name)"),
    ("INSERT INTO plain SELECT k, k FROM plain", "accepted"),
    ("INSERT INTO plain SELECT k, v FROM plain UNION ALL SELECT k, k FROM plain", "accepted"),
    ("INSERT INTO sink SELECT symbol, CAST(symbol AS BIGINT), ts FROM ticks", "accepted"),
    ("INSERT INTO sink SELECT CAST(symbol AS STRING), volume AS symbol, ts AS symbol FROM ticks", "accepted"),
    ("INSERT INTO sink SELECT symbol, price, price FROM ticks", "1:18 column 'n' of 'sink' is of type BIGINT, and the query gives DOUBLE (CAST(price AS BIGINT))"),
    ("INSERT INTO plain SELECT * FROM (SELECT k, k FROM plain)", "1:44 the query has two columns 'k' (name one of them: AS another_name)"),
    ("CREATE TABLE t (s VARCHAR(3)) WITH ('connector'='x')", "1:19 the length in VARCHAR(3) is not supported (use STRING, which has no limit)"),
    ("CREATE TABLE t (s CHAR(3)) WITH ('connector'='x')", "1:19 the length in CHAR(3) is not supported (use STRING, which has no limit)"),
    ("CREATE TABLE t (s VARBINARY(3)) WITH ('connector'='x')", "1:19 the length in VARBINARY(3) is not supported (use BYTES, which has no limit)"),
    ("CREATE TABLE t (s BINARY(3)) WITH ('connector'='x')", "1:19 the length in BINARY(3) is not supported (use BYTES, which has no limit)"),
    ("SELECT CAST(symbol AS VARCHAR(2)) FROM ticks", "1:13 the length in VARCHAR(2) is not supported (use STRING, which has no limit)"),
    ("SELECT symbol FROM ticks UNION SELECT symbol FROM feed", "1:32 DISTINCT or UNION without ALL is not supported in a dataflow yet (group by a window: TABLE(TUMBLE(TABLE t, DESCRIPTOR(ts), INTERVAL '1' MINUTE)))"),
    ("SET 'execution.runtime-mode' = 'streaming'; SELECT * FROM (SELECT * FROM feed ORDER BY price LIMIT 3) x", "1:100 LIMIT is not supported in a dataflow yet (write the rows into a table and query that)"),
    ("SET 'execution.runtime-mode' = 'streaming'; SELECT k FROM plain INTERSECT SELECT k FROM plain", "1:75 a join is not supported in a dataflow yet (the input is bounded: SET 'execution.runtime-mode' = 'batch')"),
    ("SET 'execution.runtime-mode' = 'streaming'; SELECT * FROM ticks, plain", "1:66 a join is not supported in a dataflow yet (the input is bounded: SET 'execution.runtime-mode' = 'batch')"),
    ("SET 'execution.runtime-mode' = 'streaming'; SELECT count(*) FROM ticks", "1:52 GROUP BY without a window is not supported in a dataflow yet (the input is bounded: SET 'execution.runtime-mode' = 'batch')"),
    ("SET 'execution.runtime-mode' = 'streaming'; SELECT * FROM plain WHERE EXISTS (SELECT 1 FROM plain p WHERE p.k = plain.k)", "1:79 a subquery in an expression is not supported in a dataflow yet (the input is bounded: SET 'execution.runtime-mode' = 'batch')"),
    ("SET 'execution.runtime-mode' = 'streaming'; SELECT symbol, count(*) FROM (SELECT symbol, window_start, window_end, count(*) AS c FROM TABLE(TUMBLE(TABLE ticks, DESCRIPTOR(ts), INTERVAL '1' MINUTE)) GROUP BY symbol, window_start, window_end) GROUP BY symbol", "1:251 GROUP BY without a window is not supported in a dataflow yet (the input is bounded: SET 'execution.runtime-mode' = 'batch')"),
    ("CREATE VIEW v AS SELECT * FROM feed ORDER BY price LIMIT 2; SELECT * FROM v", "1:61 LIMIT is not supported in a dataflow yet (write the rows into a table and query that)"),
    ("SELECT sum('x')", "1:8 SUM does not take a STRING"),
    ("SELECT regexp_like('a', '(')", "1:1 the regular expression '(': unclosed group"),
    ("SELECT CAST('x' AS INT)", "1:13 cannot cast string 'x' to value of INT type"),
    ("SELECT symbol, abs(symbol) FROM ticks", "1:16 no function takes these arguments: abs(STRING)"),
    ("SELECT 'x' + 1", "1:8 cannot coerce arithmetic expression STRING + BIGINT to valid types"),
    ("VALUES (1, 2), (3)", "1:16 inconsistent data length across values list: got 1 values in row 1 but expected 2"),
    ("SELECT symbol FROM ticks HAVING price > 1", "1:33 HAVING clause references: ticks.price > 1 must appear in the GROUP BY clause or be used in an aggregate function"),
    ("SELECT symbol FROM ticks WHERE price", "1:32 cannot create filter with non-boolean predicate 'ticks.price' returning DOUBLE"),
    ("SELECT symbol FROM ticks ORDER BY 7", "1:35 order by column out of bounds, specified: 7, max: 1"),
    ("SELECT symbol FROM ticks GROUP BY 9", "1:35 cannot find column with position 9 in SELECT clause. Valid columns: 1 to 1"),
    ("SELECT substr('x') FROM ticks", "1:15 substring without for/from is not valid"),
    ("SELECT interval '1 x'", "1:17 invalid input syntax for type interval: \"1 x\""),
    ("SELECT * FROM ticks WHERE symbol LIKE 5", "1:27 there isn't a common type to coerce STRING and BIGINT in LIKE expression"),
    ("SELECT frobnicate(1)", "1:8 unknown function 'frobnicate' (SHOW FUNCTIONS lists the functions)"),
    ("SELECT PREV(price) FROM ticks", "1:8 PREV stands outside of MATCH_RECOGNIZE (it belongs in MEASURES or DEFINE of MATCH_RECOGNIZE (…))"),
    ("SELECT MATCH_NUMBER() FROM ticks", "1:8 MATCH_NUMBER stands outside of MATCH_RECOGNIZE (it belongs in MEASURES or DEFINE of MATCH_RECOGNIZE (…))"),
    ("SELECT FINAL(price) FROM ticks", "1:8 FINAL stands outside of MATCH_RECOGNIZE (it belongs in MEASURES or DEFINE of MATCH_RECOGNIZE (…))"),
    ("SELECT lag(price) FROM ticks", "1:8 LAG needs OVER (…)"),
    ("SELECT frob FROM frob(1)", "1:1 unknown table function 'frob' (TUMBLE and HOP are supported)"),
    ("CREATE TABLE t (a INT) WITH ('conector' = 'filesystem')", "1:30 unknown option 'conector' (did you mean 'connector'?)"),
    ("SELECT * FROM TABLE(TUMBEL(TABLE ticks, DESCRIPTOR(ts), INTERVAL '1' MINUTE))", "1:21 there is no window 'TUMBEL' (did you mean TUMBLE?)"),
    ("SELECT * FROM TUMBLE()", "1:15 TUMBLE has no arguments (write TUMBLE(TABLE t, DESCRIPTOR(time_column), size [, offset]))"),
    ("SELECT * FROM TABLE(TUMBLE(ticks, ts, INTERVAL '1' MINUTE))", "1:28 expected TABLE and a table's name (write TUMBLE(TABLE t, DESCRIPTOR(time_column), size [, offset]))"),
    ("SELECT TOP 3 1", "1:1 SELECT TOP is not supported (write ORDER BY … LIMIT n at the end)"),
    ("SELECT * FROM ticks JOIN plain FOR SYSTEM_TIME AS OF ticks.ts AS p ON volume = p.k", "1:32 FOR SYSTEM_TIME AS OF is not supported (join the table as it is, without FOR SYSTEM_TIME)"),
    ("SELECT * FROM ticks MATCH_RECOGNIZE (ORDER BY ts MEASURES A.price AS p PATTERN () DEFINE A AS true)", "1:81 the pattern is empty: write PATTERN (()) for the pattern without rows"),
    ("CREATE TABLE t (s VARCHAR(2147483647), b VARBINARY(2147483647)) WITH ('connector'='x')", "accepted"),
    ("SELECT upper(descriptor) FROM (SELECT symbol AS descriptor FROM ticks)", "accepted"),
    ("INSERT INTO plain SELECT *, v FROM (SELECT k FROM plain), (SELECT v FROM plain)", "1:19 the query has 3 columns, but 2 go into 'plain' (they are k, v)"),
    ("INSERT INTO plain SELECT k, k FROM plain GROUP BY k", "1:51 GROUP BY without a window is not supported in a dataflow yet (the input is bounded: SET 'execution.runtime-mode' = 'batch')"),
];
