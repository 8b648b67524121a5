//! What the parser says about broken text, and where: each case is a text and, indented, the answer.

#![allow(clippy::unwrap_used, reason = "a test")]

use std::fmt::Write as _;

use super::parse_script;

/// The texts with their errors: first and last place, kind, message, hint.
pub(super) fn errors(texts: &[&str]) -> String {
    let mut out = String::new();
    for text in texts {
        let Err(error) = parse_script(text) else {
            let _ = writeln!(out, "{text:?}\n    no error");
            continue;
        };
        let place = error.span().map_or_else(
            || "nowhere".to_owned(),
            |s| format!("{}:{}-{}:{}", s.start.line, s.start.column, s.end.line, s.end.column),
        );
        let hint = error.hint().map(|hint| format!(" ({hint})")).unwrap_or_default();
        let _ = writeln!(out, "{text:?}\n    {place} {:?}: {error}{hint}", error.kind());
    }
    out
}

/// The same for bodies of `MATCH_RECOGNIZE (…)`; columns count from the text's start, 34 before the body.
fn clause_errors(bodies: &[&str]) -> String {
    let texts: Vec<String> = bodies.iter().map(|body| format!("SELECT * FROM t MATCH_RECOGNIZE (\n{body})")).collect();
    let out = errors(&texts.iter().map(String::as_str).collect::<Vec<_>>());
    out.replace("SELECT * FROM t MATCH_RECOGNIZE (\\n", "(")
}

#[test]
fn errors_of_the_text_itself_point_at_their_start() {
    insta::assert_snapshot!(errors(&[
        "SELECT 'abc",
        "SELECT 1;\nSELECT \"abc FROM t",
        "SELECT `abc FROM t",
        "SELECT 1 /* open",
        "SELECT (1 + 2",
        "SELECT 1)",
        "SELECT f(1, (2, 3) FROM t WHERE a[1) = 2",
        "SELECT /*+ OPTIONS('a'='b') */ 1",
        "SELECT * FROM __tumble((SELECT 1), ts)",
        "SELECT \"__match_recognize\" FROM t",
        "SELECT \\ 1",
    ]), @r#"
    "SELECT 'abc"
        1:8-1:9 Invalid: this string is not closed: a ' is missing
    "SELECT 1;\nSELECT \"abc FROM t"
        2:8-2:9 Invalid: this quoted name is not closed
    "SELECT `abc FROM t"
        1:8-1:9 Invalid: this quoted name is not closed
    "SELECT 1 /* open"
        1:10-1:11 Invalid: this comment is not closed: */ is missing
    "SELECT (1 + 2"
        1:8-1:9 Invalid: this '(' is not closed
    "SELECT 1)"
        1:9-1:10 Invalid: this ')' closes nothing
    "SELECT f(1, (2, 3) FROM t WHERE a[1) = 2"
        1:34-1:35 Invalid: this '[' is not closed: found ')' first
    "SELECT /*+ OPTIONS('a'='b') */ 1"
        1:8-1:31 Unsupported: hints are not supported yet (remove the '+' to make it a comment)
    "SELECT * FROM __tumble((SELECT 1), ts)"
        1:15-1:23 Invalid: the name '__tumble' is reserved
    "SELECT \"__match_recognize\" FROM t"
        1:8-1:27 Invalid: the name '__match_recognize' is reserved
    "SELECT \\ 1"
        1:8-1:9 Invalid: expected an expression, found '\'
    "#);
}

#[test]
fn errors_of_statements_say_what_was_expected() {
    insta::assert_snapshot!(errors(&[
        "SELEC 1",
        "42",
        "UPDATE t SET a = 1",
        "ALTER TABLE t DROP c",
        "USE CATALOG c",
        "CREATE DATABASE d",
        "CREATE INDEX i ON t (a)",
        "CREATE TABEL t (a INT)",
        "CREATE OR REPLACE TABLE t (a INT)",
        "DROP SINK t",
        "DROP TABLE",
        "DROP TABLE t CASCADE",
        "SHOW CATALOGS",
        "SHOW TABLE t",
        "DESCRIBE",
        "DESCRIBE 'x'",
        "SET a = 'b'",
        "SET 'a' = 4",
        "SET 'a' 'b'",
        "RESET a",
        "EXPLAIN",
        "EXPLAIN (FORMAT XML) SELECT 1",
        "EXPLAIN CHANGELOG_MODE SELECT 1",
        "EXPLAIN (ESTIMATED_COST) SELECT 1",
        "EXPLAIN CREATE TABLE t (a INT)",
        "INSERT t SELECT 1",
        "INSERT INTO t",
        "INSERT INTO t (a, ) SELECT 1",
        "INSERT OVERWRITE t SELECT 1",
        "INSERT INTO t PARTITION (a = 1) SELECT 1",
        "EXECUTE STATEMENT SET BEGIN END",
        "EXECUTE STATEMENT SET BEGIN SELECT 1; END",
        "EXECUTE STATEMENT SET BEGIN INSERT INTO a SELECT 1; INSERT INTO b SELECT 2",
        "EXECUTE STATEMENT SET BEGIN INSERT INTO a SELECT 1 END",
        "BEGIN STATEMENT SET; INSERT INTO a SELECT 1; END",
        "CREATE VIEW v SELECT 1",
        "CREATE VIEW v AS TABLE t",
        "SELECT 1\nSELECT 2",
        "SELECT 1; SELECT FROM t",
    ]), @r#"
    "SELEC 1"
        1:1-1:6 Invalid: expected a statement, found 'SELEC'
    "42"
        1:1-1:3 Invalid: expected a statement, found '42'
    "UPDATE t SET a = 1"
        1:1-1:7 Unsupported: UPDATE is not supported
    "ALTER TABLE t DROP c"
        1:15-1:19 Unsupported: ALTER TABLE … DROP is not supported (columns can be added: ADD column type)
    "USE CATALOG c"
        1:1-1:4 Unsupported: USE is not supported
    "CREATE DATABASE d"
        1:8-1:16 Unsupported: CREATE DATABASE is not supported
    "CREATE INDEX i ON t (a)"
        1:8-1:13 Unsupported: CREATE INDEX is not supported
    "CREATE TABEL t (a INT)"
        1:8-1:13 Invalid: expected TABLE or VIEW, found 'TABEL'
    "CREATE OR REPLACE TABLE t (a INT)"
        1:1-1:7 Unsupported: CREATE OR REPLACE TABLE is not supported (use DROP TABLE IF EXISTS before CREATE TABLE)
    "DROP SINK t"
        1:6-1:10 Invalid: expected TABLE or VIEW, found 'SINK'
    "DROP TABLE"
        1:11-1:12 Invalid: expected the table's name, found the end of the statement
    "DROP TABLE t CASCADE"
        1:14-1:21 Invalid: expected the end of the statement, found 'CASCADE'
    "SHOW CATALOGS"
        1:6-1:14 Unsupported: SHOW CATALOGS is not supported
    "SHOW TABLE t"
        1:6-1:11 Invalid: expected TABLES, VIEWS, FUNCTIONS, JOBS, CREATE TABLE or CREATE VIEW, found 'TABLE'
    "DESCRIBE"
        1:9-1:10 Invalid: expected a table or a view, found the end of the statement
    "DESCRIBE 'x'"
        1:10-1:13 Invalid: expected a table or a view, found 'x'
    "SET a = 'b'"
        1:5-1:6 Invalid: expected an option's name in single quotes, found 'a' (write SET 'key' = 'value', both in single quotes)
    "SET 'a' = 4"
        1:11-1:12 Invalid: expected a value in single quotes, found '4' (write SET 'key' = 'value', both in single quotes)
    "SET 'a' 'b'"
        1:9-1:12 Invalid: expected '=', found 'b'
    "RESET a"
        1:7-1:8 Invalid: expected an option's name in single quotes, found 'a'
    "EXPLAIN"
        1:8-1:9 Invalid: expected a query, INSERT INTO or a statement set, found the end of the statement
    "EXPLAIN (FORMAT XML) SELECT 1"
        1:17-1:20 Invalid: expected TEXT, JSON or DOT, found 'XML'
    "EXPLAIN CHANGELOG_MODE SELECT 1"
        1:9-1:23 Invalid: expected a query, INSERT INTO or a statement set, found 'CHANGELOG_MODE'
    "EXPLAIN (ESTIMATED_COST) SELECT 1"
        1:10-1:24 Unsupported: ESTIMATED_COST is not supported (use EXPLAIN (FORMAT TEXT), JSON or DOT)
    "EXPLAIN CREATE TABLE t (a INT)"
        1:9-1:15 Invalid: expected a query, INSERT INTO or a statement set, found 'CREATE'
    "INSERT t SELECT 1"
        1:8-1:9 Invalid: expected INTO, found 't'
    "INSERT INTO t"
        1:14-1:15 Invalid: expected a query or VALUES, found the end of the statement
    "INSERT INTO t (a, ) SELECT 1"
        1:19-1:20 Invalid: expected a column, found ')'
    "INSERT OVERWRITE t SELECT 1"
        1:8-1:17 Unsupported: INSERT OVERWRITE is not supported (use INSERT INTO)
    "INSERT INTO t PARTITION (a = 1) SELECT 1"
        1:15-1:24 Unsupported: INSERT INTO … PARTITION is not supported (select the partition's value as a column)
    "EXECUTE STATEMENT SET BEGIN END"
        1:29-1:32 Invalid: a statement set needs at least one INSERT INTO
    "EXECUTE STATEMENT SET BEGIN SELECT 1; END"
        1:29-1:35 Invalid: expected INSERT INTO or END, found 'SELECT'
    "EXECUTE STATEMENT SET BEGIN INSERT INTO a SELECT 1; INSERT INTO b SELECT 2"
        1:53-1:75 Invalid: expected ';' after this statement of the statement set
    "EXECUTE STATEMENT SET BEGIN INSERT INTO a SELECT 1 END"
        1:29-1:55 Invalid: expected ';' after this statement of the statement set
    "BEGIN STATEMENT SET; INSERT INTO a SELECT 1; END"
        1:1-1:6 Unsupported: BEGIN STATEMENT SET is not supported (write EXECUTE STATEMENT SET BEGIN … END)
    "CREATE VIEW v SELECT 1"
        1:15-1:21 Invalid: expected AS, found 'SELECT'
    "CREATE VIEW v AS TABLE t"
        1:18-1:23 Invalid: expected a query, found 'TABLE'
    "SELECT 1\nSELECT 2"
        2:1-2:7 Invalid: expected the end of the statement, found 'SELECT'
    "SELECT 1; SELECT FROM t"
        1:18-1:22 Invalid: expected an expression, found 'FROM'
    "#);
}

#[test]
fn errors_of_create_table_name_the_part() {
    insta::assert_snapshot!(errors(&[
        "CREATE TABLE t",
        "CREATE TABLE t ()",
        "CREATE TABLE t (a)",
        "CREATE TABLE t (a INT b INT)",
        "CREATE TABLE t (a INT,)",
        "CREATE TABLE t (a INT",
        "CREATE TABLE t (a INT) STORED AS ORC",
        "CREATE TABLE t (a INT) WITH ('a' = 'b', 'a' = 'c')",
        "CREATE TABLE t (a INT) WITH (a = 'b')",
        "CREATE TABLE t (a INT) WITH ('a' = 5)",
        "CREATE TABLE t (a INT) WITH ('a' = 'b' 'c' = 'd')",
        "CREATE TABLE t (a INT) WITH ('a' = 'b') WITH ('c' = 'd')",
        "CREATE TABLE t LIKE u",
        "CREATE TABLE t (a INT) LIKE u",
        "CREATE TABLE t AS SELECT 1",
        "CREATE TABLE t (a INT, PRIMARY KEY (a))",
        "CREATE TABLE t (a INT PRIMARY KEY)",
        "CREATE TABLE t (a INT PRIMARY KEY NOT ENFORCED, PRIMARY KEY (a) NOT ENFORCED)",
        "CREATE TABLE t (a INT UNIQUE)",
        "CREATE TABLE t (a INT DEFAULT 5)",
        "CREATE TABLE t (a INT, CONSTRAINT c CHECK (a > 1))",
        "CREATE TABLE t (a ROW<x INT>)",
        "CREATE TABLE t (a TIMESTAMP(x))",
        "CREATE TABLE t (a ARRAY<INT)",
        "CREATE TABLE t (ts TIMESTAMP(3), WATERMARK FOR ts)",
        "CREATE TABLE t (ts TIMESTAMP(3), WATERMARK ts AS ts)",
        "CREATE TABLE t (ts TIMESTAMP(3), WATERMARK FOR a.ts AS ts)",
        "CREATE TABLE t (ts TIMESTAMP(3), WATERMARK FOR ts AS ts - INTERVAL, b INT)",
        "CREATE TABLE t (ts TIMESTAMP(3), WATERMARK FOR ts AS ts, WATERMARK FOR ts AS ts)",
        "CREATE TABLE t (c AS )",
        "CREATE TABLE t (c INT METADATA FROM key)",
        "CREATE TABLE t (c INT COMMENT x)",
    ]), @r#"
    "CREATE TABLE t"
        1:15-1:16 Invalid: expected '(', found the end of the statement
    "CREATE TABLE t ()"
        1:17-1:18 Invalid: expected a column, WATERMARK FOR or PRIMARY KEY, found ')'
    "CREATE TABLE t (a)"
        1:18-1:19 Invalid: expected the column's type or AS, found ')'
    "CREATE TABLE t (a INT b INT)"
        1:23-1:24 Invalid: expected ',' or ')', found 'b'
    "CREATE TABLE t (a INT,)"
        1:23-1:24 Invalid: expected a column, WATERMARK FOR or PRIMARY KEY, found ')'
    "CREATE TABLE t (a INT"
        1:16-1:17 Invalid: this '(' is not closed
    "CREATE TABLE t (a INT) STORED AS ORC"
        1:24-1:30 Invalid: expected COMMENT, PARTITIONED BY, WITH or the end of the statement, found 'STORED'
    "CREATE TABLE t (a INT) WITH ('a' = 'b', 'a' = 'c')"
        1:41-1:44 Invalid: option 'a' is given twice
    "CREATE TABLE t (a INT) WITH (a = 'b')"
        1:30-1:31 Invalid: expected an option's name in single quotes, found 'a' (write 'key' = 'value', both in single quotes)
    "CREATE TABLE t (a INT) WITH ('a' = 5)"
        1:36-1:37 Invalid: expected a value in single quotes, found '5' (write 'key' = 'value', both in single quotes)
    "CREATE TABLE t (a INT) WITH ('a' = 'b' 'c' = 'd')"
        1:40-1:43 Invalid: expected ',' or ')', found 'c'
    "CREATE TABLE t (a INT) WITH ('a' = 'b') WITH ('c' = 'd')"
        1:41-1:45 Invalid: WITH is given twice
    "CREATE TABLE t LIKE u"
        1:16-1:20 Unsupported: CREATE TABLE … LIKE is not supported yet (write the columns out)
    "CREATE TABLE t (a INT) LIKE u"
        1:24-1:28 Unsupported: CREATE TABLE … LIKE is not supported yet (write the columns out)
    "CREATE TABLE t AS SELECT 1"
        1:16-1:18 Unsupported: CREATE TABLE … AS is not supported yet (write the columns out)
    "CREATE TABLE t (a INT, PRIMARY KEY (a))"
        1:24-1:31 Invalid: PRIMARY KEY must say NOT ENFORCED (Dipper does not check that the data holds each key once)
    "CREATE TABLE t (a INT PRIMARY KEY)"
        1:23-1:30 Invalid: PRIMARY KEY must say NOT ENFORCED (Dipper does not check that the data holds each key once)
    "CREATE TABLE t (a INT PRIMARY KEY NOT ENFORCED, PRIMARY KEY (a) NOT ENFORCED)"
        1:49-1:56 Invalid: PRIMARY KEY is given twice
    "CREATE TABLE t (a INT UNIQUE)"
        1:23-1:29 Unsupported: the constraint UNIQUE is not supported (only PRIMARY KEY … NOT ENFORCED is)
    "CREATE TABLE t (a INT DEFAULT 5)"
        1:23-1:30 Unsupported: DEFAULT in a column is not supported (use a computed column: name AS expression)
    "CREATE TABLE t (a INT, CONSTRAINT c CHECK (a > 1))"
        1:37-1:42 Unsupported: the constraint CHECK is not supported (only PRIMARY KEY … NOT ENFORCED is)
    "CREATE TABLE t (a ROW<x INT>)"
        1:19-1:22 Unsupported: the type ROW is not supported yet
    "CREATE TABLE t (a TIMESTAMP(x))"
        1:29-1:30 Invalid: expected literal int, found 'x'
    "CREATE TABLE t (a ARRAY<INT)"
        1:28-1:29 Invalid: expected '>', found ')'
    "CREATE TABLE t (ts TIMESTAMP(3), WATERMARK FOR ts)"
        1:50-1:51 Invalid: expected AS, found ')'
    "CREATE TABLE t (ts TIMESTAMP(3), WATERMARK ts AS ts)"
        1:47-1:49 Invalid: expected ',' or ')', found 'AS'
    "CREATE TABLE t (ts TIMESTAMP(3), WATERMARK FOR a.ts AS ts)"
        1:49-1:50 Unsupported: a watermark on a field inside a column is not supported (add a computed column for the field)
    "CREATE TABLE t (ts TIMESTAMP(3), WATERMARK FOR ts AS ts - INTERVAL, b INT)"
        1:67-1:68 Invalid: expected an expression, found ','
    "CREATE TABLE t (ts TIMESTAMP(3), WATERMARK FOR ts AS ts, WATERMARK FOR ts AS ts)"
        1:58-1:67 Invalid: WATERMARK is given twice
    "CREATE TABLE t (c AS )"
        1:22-1:23 Invalid: expected an expression, found ')'
    "CREATE TABLE t (c INT METADATA FROM key)"
        1:37-1:40 Invalid: expected the metadata key in single quotes, found 'key'
    "CREATE TABLE t (c INT COMMENT x)"
        1:31-1:32 Invalid: expected the comment in single quotes, found 'x'
    "#);
}

#[test]
fn errors_of_queries_are_sqlparsers_with_the_place_moved_out_of_the_text() {
    insta::assert_snapshot!(errors(&[
        "SELECT a b c FROM t",
        "SELECT a,\n  FROM t",
        "SELECT * FROM t WHERE",
        "SELECT * FROM t WHERE a = ",
        "SELECT * FROM t GROUP a",
        "SELECT CAST(a INT) FROM t",
        "SELECT CASE WHEN a THEN 1 FROM t",
        "SELECT * FROM (SELECT 1",
        "SELECT * FROM a JOIN b ON",
        "\t\u{e9}\u{e9} SELECT",
        "SELECT '\u{65e5}\u{672c}' \u{e9} \u{e9}",
        "SELECT *\r\nFROM t\r\nWHERE >",
        "SELECT * FROM t FOR UPDATE",
        "WITH x AS (DELETE FROM t) SELECT 1",
        "SELECT * FROM TABLE(TUMBLE(TABLE t, ts, INTERVAL '1' MINUTE))",
        "SELECT * FROM TABLE(TUMBLE(TABLE t, DESCRIPTOR(a, b), INTERVAL '1' MINUTE))",
        "SELECT * FROM TABLE(TUMBLE(TABLE t, DESCRIPTOR(ts)))",
        "SELECT * FROM TABLE(TUMBLE(TABLE t, DESCRIPTOR(ts), 1, 2, 3))",
        "SELECT * FROM TABLE(TUMBLE(t, DESCRIPTOR(ts), 1))",
        "SELECT * FROM TABLE(TUMBLE(TABLE 5, DESCRIPTOR(ts), 1))",
        "SELECT * FROM TABLE(TUMBLE(TABLE t PARTITION BY a, DESCRIPTOR(ts), 1))",
        "SELECT * FROM TABLE(TUMBLE(DATA => TABLE t, COL => DESCRIPTOR(ts), SIZE => 1))",
        "SELECT * FROM TABLE(TUMBLE(DATA => TABLE t, DATA => TABLE t, SIZE => 1))",
        "SELECT * FROM TABLE(TUMBLE(TABLE t, TIMECOL => DESCRIPTOR(ts), SIZE => 1))",
        "SELECT * FROM TABLE(TUMBLE(TABLE t, DESCRIPTOR(ts), ))",
        "SELECT * FROM TABLE(TUMBLE(TABLE t, DESCRIPTOR(ts), INTERVAL '1' MINUTE +))",
        "SELECT TUMBLE(TABLE t, DESCRIPTOR(ts), 1) FROM t",
        "SELECT * FROM TABLE(CUMULATE(TABLE t, DESCRIPTOR(ts), 1, 2))",
        "SELECT * FROM SESSION(TABLE t, DESCRIPTOR(ts), 1)",
        "SELECT * FROM HOP(TABLE t, DESCRIPTOR(ts), 1)",
    ]), @r#"
    "SELECT a b c FROM t"
        1:12-1:13 Invalid: expected the end of the statement, found 'c'
    "SELECT a,\n  FROM t"
        2:3-2:7 Invalid: expected an expression, found 'FROM'
    "SELECT * FROM t WHERE"
        1:22-1:23 Invalid: expected an expression, found the end of the statement
    "SELECT * FROM t WHERE a = "
        1:26-1:27 Invalid: expected an expression, found the end of the statement
    "SELECT * FROM t GROUP a"
        1:17-1:22 Invalid: expected the end of the statement, found 'GROUP'
    "SELECT CAST(a INT) FROM t"
        1:15-1:18 Invalid: expected AS, found 'INT'
    "SELECT CASE WHEN a THEN 1 FROM t"
        1:27-1:31 Invalid: expected END, found 'FROM'
    "SELECT * FROM (SELECT 1"
        1:15-1:16 Invalid: this '(' is not closed
    "SELECT * FROM a JOIN b ON"
        1:26-1:27 Invalid: expected an expression, found the end of the statement
    "\téé SELECT"
        1:2-1:4 Invalid: expected a statement, found 'éé'
    "SELECT '日本' é é"
        1:15-1:16 Invalid: expected the end of the statement, found 'é'
    "SELECT *\r\nFROM t\r\nWHERE >"
        3:7-3:8 Invalid: expected an expression, found '>'
    "SELECT * FROM t FOR UPDATE"
        1:1-1:16 Unsupported: FOR UPDATE or FOR SHARE is not supported
    "WITH x AS (DELETE FROM t) SELECT 1"
        1:12-1:25 Unsupported: DELETE inside a query is not supported
    "SELECT * FROM TABLE(TUMBLE(TABLE t, ts, INTERVAL '1' MINUTE))"
        1:37-1:39 Invalid: expected DESCRIPTOR and one column in parentheses (write TUMBLE(TABLE t, DESCRIPTOR(time_column), size [, offset]))
    "SELECT * FROM TABLE(TUMBLE(TABLE t, DESCRIPTOR(a, b), INTERVAL '1' MINUTE))"
        1:37-1:47 Invalid: expected DESCRIPTOR and one column in parentheses (write TUMBLE(TABLE t, DESCRIPTOR(time_column), size [, offset]))
    "SELECT * FROM TABLE(TUMBLE(TABLE t, DESCRIPTOR(ts)))"
        1:21-1:27 Invalid: argument SIZE of TUMBLE is missing (write TUMBLE(TABLE t, DESCRIPTOR(time_column), size [, offset]))
    "SELECT * FROM TABLE(TUMBLE(TABLE t, DESCRIPTOR(ts), 1, 2, 3))"
        1:59-1:60 Invalid: TUMBLE has too many arguments (write TUMBLE(TABLE t, DESCRIPTOR(time_column), size [, offset]))
    "SELECT * FROM TABLE(TUMBLE(t, DESCRIPTOR(ts), 1))"
        1:28-1:29 Invalid: expected TABLE and a table's name (write TUMBLE(TABLE t, DESCRIPTOR(time_column), size [, offset]))
    "SELECT * FROM TABLE(TUMBLE(TABLE 5, DESCRIPTOR(ts), 1))"
        1:28-1:33 Invalid: expected TABLE and a table's name (write TUMBLE(TABLE t, DESCRIPTOR(time_column), size [, offset]))
    "SELECT * FROM TABLE(TUMBLE(TABLE t PARTITION BY a, DESCRIPTOR(ts), 1))"
        1:36-1:45 Unsupported: PARTITION BY in TUMBLE is not supported (put the key into GROUP BY)
    "SELECT * FROM TABLE(TUMBLE(DATA => TABLE t, COL => DESCRIPTOR(ts), SIZE => 1))"
        1:45-1:48 Invalid: TUMBLE has no argument COL (write TUMBLE(TABLE t, DESCRIPTOR(time_column), size [, offset]))
    "SELECT * FROM TABLE(TUMBLE(DATA => TABLE t, DATA => TABLE t, SIZE => 1))"
        1:45-1:49 Invalid: argument DATA of TUMBLE is given twice (write TUMBLE(TABLE t, DESCRIPTOR(time_column), size [, offset]))
    "SELECT * FROM TABLE(TUMBLE(TABLE t, TIMECOL => DESCRIPTOR(ts), SIZE => 1))"
        1:37-1:44 Invalid: arguments by name and by position cannot be mixed (write TUMBLE(TABLE t, DESCRIPTOR(time_column), size [, offset]))
    "SELECT * FROM TABLE(TUMBLE(TABLE t, DESCRIPTOR(ts), ))"
        1:21-1:27 Invalid: argument SIZE of TUMBLE is empty (write TUMBLE(TABLE t, DESCRIPTOR(time_column), size [, offset]))
    "SELECT * FROM TABLE(TUMBLE(TABLE t, DESCRIPTOR(ts), INTERVAL '1' MINUTE +))"
        1:74-1:75 Invalid: expected an expression, found ')'
    "SELECT TUMBLE(TABLE t, DESCRIPTOR(ts), 1) FROM t"
        1:8-1:14 Invalid: TUMBLE can only stand in FROM
    "SELECT * FROM TABLE(CUMULATE(TABLE t, DESCRIPTOR(ts), 1, 2))"
        1:21-1:29 Unsupported: the window CUMULATE is not supported yet (TUMBLE and HOP are; MATCH_RECOGNIZE can find sessions)
    "SELECT * FROM SESSION(TABLE t, DESCRIPTOR(ts), 1)"
        1:15-1:22 Unsupported: the window SESSION is not supported yet (TUMBLE and HOP are; MATCH_RECOGNIZE can find sessions)
    "SELECT * FROM HOP(TABLE t, DESCRIPTOR(ts), 1)"
        1:15-1:18 Invalid: argument SIZE of HOP is missing (write HOP(TABLE t, DESCRIPTOR(time_column), slide, size [, offset]))
    "#);
}

#[test]
fn errors_around_a_clause_say_where_it_belongs() {
    insta::assert_snapshot!(errors(&[
        "SELECT * FROM MATCH_RECOGNIZE (PATTERN (A))",
        "SELECT MATCH_RECOGNIZE (PATTERN (A)) FROM t",
        "SELECT x, t MATCH_RECOGNIZE (PATTERN (A))",
        "SELECT * FROM a JOIN b ON a.x = b.x MATCH_RECOGNIZE (PATTERN (A))",
        "SELECT * FROM t WHERE a MATCH_RECOGNIZE (PATTERN (A))",
        "SELECT * FROM t AS a b MATCH_RECOGNIZE (PATTERN (A))",
        "SELECT * FROM (SELECT FROM) MATCH_RECOGNIZE (PATTERN (A))",
        "SELECT * FROM t MATCH_RECOGNIZE PATTERN (A)",
        "SELECT * FROM t MATCH_RECOGNIZE",
        "SELECT * FROM t MATCH_RECOGNIZE (PATTERN (A)",
        "SELECT * FROM t MATCH_RECOGNIZE (PATTERN (A DEFINE A AS true)",
        "SELECT * FROM t MATCH_RECOGNIZE (PATTERN (A B SUBSET U = (A, B) DEFINE A AS true)",
        "SELECT * FROM t MATCH_RECOGNIZE ()",
        "SELECT * FROM t MATCH_RECOGNIZE (PATTERN (A)) AS m n",
        "SELECT * FROM t MATCH_RECOGNIZE (PATTERN (A)) WHERE",
        "SELECT * FROM t MATCH_RECOGNIZE (PATTERN (A) DEFINE A AS x IN (SELECT y FROM u MATCH_RECOGNIZE (DEFINE B AS true)))",
    ]), @r#"
    "SELECT * FROM MATCH_RECOGNIZE (PATTERN (A))"
        1:15-1:30 Invalid: MATCH_RECOGNIZE needs an input table before it (write FROM table MATCH_RECOGNIZE (…))
    "SELECT MATCH_RECOGNIZE (PATTERN (A)) FROM t"
        1:8-1:23 Invalid: MATCH_RECOGNIZE must stand in FROM, right behind its input table (put a join in parentheses: FROM (a JOIN b ON …) MATCH_RECOGNIZE (…))
    "SELECT x, t MATCH_RECOGNIZE (PATTERN (A))"
        1:13-1:28 Invalid: MATCH_RECOGNIZE can only stand in FROM
    "SELECT * FROM a JOIN b ON a.x = b.x MATCH_RECOGNIZE (PATTERN (A))"
        1:37-1:52 Invalid: MATCH_RECOGNIZE must stand in FROM, right behind its input table (put a join in parentheses: FROM (a JOIN b ON …) MATCH_RECOGNIZE (…))
    "SELECT * FROM t WHERE a MATCH_RECOGNIZE (PATTERN (A))"
        1:25-1:40 Invalid: MATCH_RECOGNIZE must stand in FROM, right behind its input table (put a join in parentheses: FROM (a JOIN b ON …) MATCH_RECOGNIZE (…))
    "SELECT * FROM t AS a b MATCH_RECOGNIZE (PATTERN (A))"
        1:22-1:23 Invalid: expected MATCH_RECOGNIZE right behind its input table, found 'b'
    "SELECT * FROM (SELECT FROM) MATCH_RECOGNIZE (PATTERN (A))"
        1:23-1:27 Invalid: expected ')', found 'FROM'
    "SELECT * FROM t MATCH_RECOGNIZE PATTERN (A)"
        1:33-1:40 Invalid: expected '(' after MATCH_RECOGNIZE, found 'PATTERN'
    "SELECT * FROM t MATCH_RECOGNIZE"
        1:17-1:32 Invalid: expected the end of the statement, found 'MATCH_RECOGNIZE'
    "SELECT * FROM t MATCH_RECOGNIZE (PATTERN (A)"
        1:33-1:34 Invalid: this '(' is not closed
    "SELECT * FROM t MATCH_RECOGNIZE (PATTERN (A DEFINE A AS true)"
        1:42-1:43 Invalid: the '(' of PATTERN is not closed
    "SELECT * FROM t MATCH_RECOGNIZE (PATTERN (A B SUBSET U = (A, B) DEFINE A AS true)"
        1:42-1:43 Invalid: the '(' of PATTERN is not closed
    "SELECT * FROM t MATCH_RECOGNIZE ()"
        1:34-1:35 Invalid: MATCH_RECOGNIZE needs a PATTERN
    "SELECT * FROM t MATCH_RECOGNIZE (PATTERN (A)) AS m n"
        1:52-1:53 Invalid: expected the end of the statement, found 'n'
    "SELECT * FROM t MATCH_RECOGNIZE (PATTERN (A)) WHERE"
        1:52-1:53 Invalid: expected an expression, found the end of the statement
    "SELECT * FROM t MATCH_RECOGNIZE (PATTERN (A) DEFINE A AS x IN (SELECT y FROM u MATCH_RECOGNIZE (DEFINE B AS true)))"
        1:113-1:114 Invalid: MATCH_RECOGNIZE needs a PATTERN
    "#);
}

#[test]
fn errors_inside_a_clause_name_the_part() {
    insta::assert_snapshot!(clause_errors(&[
        "PARTITION symbol PATTERN (A)",
        "PARTITION BY PATTERN (A)",
        "PARTITION BY a ORDER ts PATTERN (A)",
        "PARTITION BY a b PATTERN (A)",
        "ORDER BY ts PARTITION BY a PATTERN (A)",
        "ORDER BY ts ORDER BY ts PATTERN (A)",
        "ORDER BY ts ASCENDING PATTERN (A)",
        "MEASURES PATTERN (A)",
        "MEASURES A.x PATTERN (A)",
        "MEASURES A.x ONE ROW PER MATCH PATTERN (A)",
        "MEASURES A.x AS PATTERN (A)",
        "MEASURES A.x AS y, PATTERN (A)",
        "MEASURES A.x AS y A.z AS w PATTERN (A)",
        "MEASURES FINAL RUNNING LAST(x) AS y PATTERN (A)",
        "ONE ROW PATTERN (A)",
        "ALL ROWS PER MATCHES PATTERN (A)",
        "ALL ROWS PER MATCH WITH UNMATCHED PATTERN (A)",
        "ALL ROWS PER MATCH SHOW MATCHES PATTERN (A)",
        "ONE ROW PER MATCH SHOW EMPTY MATCHES PATTERN (A)",
        "ONE ROW PER MATCH ALL ROWS PER MATCH PATTERN (A)",
        "AFTER MATCH PATTERN (A)",
        "AFTER MATCH SKIP PATTERN (A)",
        "AFTER MATCH SKIP PAST ROW PATTERN (A)",
        "AFTER MATCH SKIP TO (A) PATTERN (A)",
        "PATTERN A+",
        "PATTERN (A) PATTERN (B)",
        "PATTERN (A) MEASURES A.x AS y",
        "PATTERN (A) ALL ROWS PER MATCH",
        "PATTERN (A) WITHIN DEFINE A AS true",
        "PATTERN (A) WITHIN INTERVAL DEFINE A AS true",
        "PATTERN (A) DEFINE A AS true WITHIN INTERVAL '1' HOUR",
        "PATTERN (A) SUBSET U = (A) WITHIN INTERVAL '1' HOUR",
        "PATTERN (A) SUBSET U (A)",
        "PATTERN (A) SUBSET U = A",
        "PATTERN (A) SUBSET U = ()",
        "PATTERN (A) DEFINE",
        "PATTERN (A) DEFINE A",
        "PATTERN (A) DEFINE A AS",
        "PATTERN (A) DEFINE A x > 1",
        "PATTERN (A) DEFINE A AS x > 1 B AS x > 2",
        "PATTERN (A) DEFINE A AS x > 1, SUBSET U = (A)",
        "PATTERN (A) DEFINE A AS x >\n\t ) + 1",
        "DEFINE A AS true",
        "MEASURES A.x AS y DEFINE A AS true",
        "PARTITION BY a",
        "nonsense",
    ]), @r#"
    "(PARTITION symbol PATTERN (A))"
        2:11-2:17 Invalid: expected BY, found 'symbol'
    "(PARTITION BY PATTERN (A))"
        2:14-2:21 Invalid: expected a column or an expression, found 'PATTERN'
    "(PARTITION BY a ORDER ts PATTERN (A))"
        2:22-2:24 Invalid: expected BY, found 'ts'
    "(PARTITION BY a b PATTERN (A))"
        2:16-2:17 Invalid: expected ',', ORDER BY, MEASURES, ROWS PER MATCH, TIMEOUT MATCHES, AFTER MATCH SKIP, PATTERN, SUBSET or DEFINE, found 'b'
    "(ORDER BY ts PARTITION BY a PATTERN (A))"
        2:13-2:22 Invalid: PARTITION BY must come before ORDER BY
    "(ORDER BY ts ORDER BY ts PATTERN (A))"
        2:13-2:18 Invalid: ORDER BY is given twice
    "(ORDER BY ts ASCENDING PATTERN (A))"
        2:13-2:22 Invalid: expected ',', MEASURES, ROWS PER MATCH, TIMEOUT MATCHES, AFTER MATCH SKIP, PATTERN, SUBSET or DEFINE, found 'ASCENDING'
    "(MEASURES PATTERN (A))"
        2:10-2:17 Invalid: expected a measure, found 'PATTERN'
    "(MEASURES A.x PATTERN (A))"
        2:14-2:21 Invalid: expected AS and the measure's name, found 'PATTERN'
    "(MEASURES A.x ONE ROW PER MATCH PATTERN (A))"
        2:14-2:17 Invalid: expected AS and the measure's name, found 'ONE'
    "(MEASURES A.x AS PATTERN (A))"
        2:17-2:24 Invalid: expected the measure's name, found 'PATTERN'
    "(MEASURES A.x AS y, PATTERN (A))"
        2:20-2:27 Invalid: expected a measure, found 'PATTERN'
    "(MEASURES A.x AS y A.z AS w PATTERN (A))"
        2:19-2:20 Invalid: expected ',', ROWS PER MATCH, TIMEOUT MATCHES, AFTER MATCH SKIP, PATTERN, SUBSET or DEFINE, found 'A'
    "(MEASURES FINAL RUNNING LAST(x) AS y PATTERN (A))"
        2:16-2:23 Invalid: expected a navigation or an aggregate, found 'RUNNING'
    "(ONE ROW PATTERN (A))"
        2:9-2:16 Invalid: expected PER, found 'PATTERN'
    "(ALL ROWS PER MATCHES PATTERN (A))"
        2:14-2:21 Invalid: expected MATCH, found 'MATCHES'
    "(ALL ROWS PER MATCH WITH UNMATCHED PATTERN (A))"
        2:35-2:42 Invalid: expected ROWS, found 'PATTERN'
    "(ALL ROWS PER MATCH SHOW MATCHES PATTERN (A))"
        2:25-2:32 Invalid: expected EMPTY MATCHES or TIMEOUT MATCHES, found 'MATCHES'
    "(ONE ROW PER MATCH SHOW EMPTY MATCHES PATTERN (A))"
        2:24-2:29 Invalid: expected TIMEOUT, found 'EMPTY'
    "(ONE ROW PER MATCH ALL ROWS PER MATCH PATTERN (A))"
        2:19-2:22 Invalid: ROWS PER MATCH is given twice
    "(AFTER MATCH PATTERN (A))"
        2:13-2:20 Invalid: expected SKIP, found 'PATTERN'
    "(AFTER MATCH SKIP PATTERN (A))"
        2:18-2:25 Invalid: expected PAST LAST ROW or TO, found 'PATTERN'
    "(AFTER MATCH SKIP PAST ROW PATTERN (A))"
        2:23-2:26 Invalid: expected LAST, found 'ROW'
    "(AFTER MATCH SKIP TO (A) PATTERN (A))"
        2:21-2:22 Invalid: expected NEXT ROW, FIRST, LAST or a pattern variable, found '('
    "(PATTERN A+)"
        2:9-2:10 Invalid: expected '(', found 'A'
    "(PATTERN (A) PATTERN (B))"
        2:13-2:20 Invalid: PATTERN is given twice
    "(PATTERN (A) MEASURES A.x AS y)"
        2:13-2:21 Invalid: MEASURES must come before PATTERN
    "(PATTERN (A) ALL ROWS PER MATCH)"
        2:13-2:16 Invalid: ROWS PER MATCH must come before PATTERN
    "(PATTERN (A) WITHIN DEFINE A AS true)"
        2:20-2:26 Invalid: expected an interval, found 'DEFINE'
    "(PATTERN (A) WITHIN INTERVAL DEFINE A AS true)"
        2:29-2:35 Invalid: expected the interval's length in single quotes, found 'DEFINE'
    "(PATTERN (A) DEFINE A AS true WITHIN INTERVAL '1' HOUR)"
        2:30-2:36 Invalid: WITHIN must come before DEFINE
    "(PATTERN (A) SUBSET U = (A) WITHIN INTERVAL '1' HOUR)"
        2:28-2:34 Invalid: WITHIN must come before SUBSET
    "(PATTERN (A) SUBSET U (A))"
        2:22-2:23 Invalid: expected '=', found '('
    "(PATTERN (A) SUBSET U = A)"
        2:24-2:25 Invalid: expected '(', found 'A'
    "(PATTERN (A) SUBSET U = ())"
        2:25-2:26 Invalid: expected a pattern variable, found ')'
    "(PATTERN (A) DEFINE)"
        2:19-2:20 Invalid: expected a pattern variable, found ')'
    "(PATTERN (A) DEFINE A)"
        2:21-2:22 Invalid: expected AS, found ')'
    "(PATTERN (A) DEFINE A AS)"
        2:24-2:25 Invalid: expected an expression, found ')'
    "(PATTERN (A) DEFINE A x > 1)"
        2:22-2:23 Invalid: expected AS, found 'x'
    "(PATTERN (A) DEFINE A AS x > 1 B AS x > 2)"
        2:31-2:32 Invalid: expected ',' or ')', found 'B'
    "(PATTERN (A) DEFINE A AS x > 1, SUBSET U = (A))"
        2:39-2:40 Invalid: expected AS, found 'U'
    "(PATTERN (A) DEFINE A AS x >\n\t ) + 1)"
        3:8-3:9 Invalid: this ')' closes nothing
    "(DEFINE A AS true)"
        2:17-2:18 Invalid: MATCH_RECOGNIZE needs a PATTERN
    "(MEASURES A.x AS y DEFINE A AS true)"
        2:35-2:36 Invalid: MATCH_RECOGNIZE needs a PATTERN
    "(PARTITION BY a)"
        2:15-2:16 Invalid: MATCH_RECOGNIZE needs a PATTERN
    "(nonsense)"
        2:1-2:9 Invalid: expected PARTITION BY, ORDER BY, MEASURES, ROWS PER MATCH, TIMEOUT MATCHES, AFTER MATCH SKIP, PATTERN, SUBSET or DEFINE, found 'nonsense'
    "#);
}

#[test]
fn errors_inside_a_pattern_point_into_it() {
    insta::assert_snapshot!(clause_errors(&[
        "PATTERN (A | )",
        "PATTERN (A**)",
        "PATTERN (A{3,2})",
        "PATTERN (A{,0})",
        "PATTERN (A{0,0}?)",
        "PATTERN (A{2147483648})",
        "PATTERN (A{1,99999999999999999999})",
        "PATTERN (A B\n  {0} C)",
        "PATTERN (A /* x */ ? ? ?)",
        "PATTERN (\u{65e5} 'x')",
        "PATTERN ({- A)",
        "PATTERN (PERMUTE(A))",
        "PATTERN ((A) | (B ()",
    ]), @r#"
    "(PATTERN (A | ))"
        2:14-2:15 Invalid: expected a variable, `(`, `^`, `$`, `{-` or PERMUTE, found the end of the pattern
    "(PATTERN (A**))"
        2:12-2:13 Invalid: a quantifier cannot follow a quantifier: put parentheses around what is repeated
    "(PATTERN (A{3,2}))"
        2:11-2:16 Invalid: the lower bound 3 is greater than the upper bound 2: write {2,3}
    "(PATTERN (A{,0}))"
        2:11-2:15 Invalid: a pattern cannot be repeated zero times: leave it out
    "(PATTERN (A{0,0}?))"
        2:11-2:16 Invalid: a pattern cannot be repeated zero times: leave it out
    "(PATTERN (A{2147483648}))"
        2:12-2:22 Invalid: a quantifier's bound is at most 2147483647: 2147483648 is too large
    "(PATTERN (A{1,99999999999999999999}))"
        2:14-2:34 Invalid: a quantifier's bound is at most 2147483647: 99999999999999999999 is too large
    "(PATTERN (A B\n  {0} C))"
        3:3-3:6 Invalid: a pattern cannot be repeated zero times: leave it out
    "(PATTERN (A /* x */ ? ? ?))"
        2:24-2:25 Invalid: a quantifier cannot follow a quantifier: put parentheses around what is repeated
    "(PATTERN (日 'x'))"
        2:12-2:13 Invalid: `'` has no meaning in a row pattern
    "(PATTERN ({- A))"
        2:10-2:11 Invalid: this '{' is not closed: found ')' first
    "(PATTERN (PERMUTE(A)))"
        no error
    "(PATTERN ((A) | (B ())"
        2:9-2:10 Invalid: this '(' is not closed
    "#);
}
