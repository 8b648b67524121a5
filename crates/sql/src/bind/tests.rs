//! Bound clauses: what becomes of navigation, aggregates and names.
#![allow(clippy::unwrap_used, reason = "a test")]

use std::fmt::Write as _;
use std::sync::Arc;

use datafusion::common::tree_node::{TreeNode, TreeNodeRecursion};
use datafusion::logical_expr::LogicalPlan;
use dipper_graph::{FrameColumn, FrameExpr, Logical, MatchRecognizeSpec, Semantics, Target};

use crate::catalog::sql_type_name;
use crate::logical::{ColumnRole, MatchRecognizeNode, column_roles, is_unbounded};
use crate::test_catalog::{TestSession, shown};

/// The outermost clause of a query.
fn clause(sql: &str) -> Arc<MatchRecognizeSpec> {
    let plan = TestSession::new().logical(sql);
    let mut found = None;
    plan.apply(|node| {
        if let LogicalPlan::Extension(extension) = node
            && let Some(clause) = extension.node.as_any().downcast_ref::<MatchRecognizeNode>()
        {
            found = Some(Arc::clone(&clause.spec));
            return Ok(TreeNodeRecursion::Stop);
        }
        Ok(TreeNodeRecursion::Continue)
    })
    .unwrap();
    found.unwrap()
}

fn target(target: Target) -> String {
    let semantics = |semantics| if semantics == Semantics::Final { "final" } else { "running" };
    let logical = match target.logical {
        Logical::Current => "current".to_owned(),
        Logical::First { symbols, offset, semantics: kind } => format!("first{symbols:?}+{offset} {}", semantics(kind)),
        Logical::Last { symbols, offset, semantics: kind } => format!("last{symbols:?}-{offset} {}", semantics(kind)),
    };
    if target.shift == 0 { logical } else { format!("{logical} shift {}", target.shift) }
}

fn expression(expr: &FrameExpr) -> String {
    let mut text = format!("{} : {}", expr.expr, sql_type_name(&expr.data_type));
    for (column, field) in expr.frame.columns.iter().zip(expr.frame.schema.fields()) {
        let what = match column {
            FrameColumn::Input { column, target: at } => format!("input {column} at {}", target(*at)),
            FrameColumn::Exists { target: at } => format!("exists {}", target(*at)),
            FrameColumn::Classifier { target: at } => format!("classifier of {}", target(*at)),
            FrameColumn::Aggregate(call) => format!("{} over {:?} {:?}", call.call, call.symbols, call.semantics),
            other => format!("{other:?}"),
        };
        write!(text, "\n    {}: {} = {what}", field.name(), sql_type_name(field.data_type())).unwrap();
    }
    text
}

/// Conditions and measures of the clause over `ticks`.
fn expressions(body: &str) -> String {
    let spec = clause(&format!("SELECT * FROM ticks MATCH_RECOGNIZE ({body})"));
    let mut text = String::new();
    for define in &spec.defines {
        let name = &spec.variables[define.symbol.index()];
        writeln!(text, "{name} {:?}: {}", define.class(), expression(&define.condition)).unwrap();
    }
    for measure in &spec.measures {
        writeln!(text, "{}: {}", measure.name, expression(&measure.value)).unwrap();
    }
    text
}

/// What goes in and out of the clause.
fn columns(sql: &str) -> String {
    let spec = clause(sql);
    let names = |schema: &arrow::datatypes::Schema| {
        let field =
            |field: &arrow::datatypes::FieldRef| format!("{} {}", field.name(), sql_type_name(field.data_type()));
        schema.fields().iter().map(field).collect::<Vec<_>>().join(", ")
    };
    format!(
        "in: {}\nout: {}\npartition {:?}, order {:?}, event time {:?}, remaining {:?}\n{:?}, {:?}, {:?}, {:?}",
        names(&spec.input_schema),
        names(&spec.output_schema),
        spec.partition_by,
        spec.order_by.iter().map(|key| (key.column, key.descending, key.nulls_first)).collect::<Vec<_>>(),
        spec.event_time,
        spec.remaining,
        spec.rows_per_match,
        spec.after_match,
        spec.within,
        spec.timeouts,
    )
}

#[test]
fn in_a_condition_the_row_under_test_is_the_last_of_its_own_variable() {
    insta::assert_snapshot!(expressions(
        "ORDER BY ts MEASURES 1 AS one PATTERN (A B) SUBSET U = (A, B)
         DEFINE B AS B.price > price AND LAST(B.price) > LAST(price) AND U.price > 0 AND LAST(B.price, 1) > 0 AND A.price > 0"
    ), @"
    B H: price > price AND price > 0.0 AND LAST(B.price, 1) > 0.0 AND LAST(A.price) > 0.0 : BOOLEAN
        price: DOUBLE = input 1 at current
        LAST(B.price, 1): DOUBLE = input 1 at last{1}-1 running
        LAST(A.price): DOUBLE = input 1 at last{0}-0 running
    one: 1 : BIGINT
    ");
}

#[test]
fn prev_and_next_are_fixed_distances_in_the_variables_own_condition() {
    insta::assert_snapshot!(expressions(
        "ORDER BY ts MEASURES 1 AS one PATTERN (A B)
         DEFINE B AS price < PREV(price) AND NEXT(B.price, 2) > PREV(LAST(B.price), 0), A AS PREV(A.price) > NEXT(B.price)"
    ), @"
    A H: PREV(price) > NEXT(LAST(B.price)) : BOOLEAN
        PREV(price): DOUBLE = input 1 at current shift -1
        NEXT(LAST(B.price)): DOUBLE = input 1 at last{1}-0 running shift 1
    B R: price < PREV(price) AND price < NEXT(price, 2) : BOOLEAN
        price: DOUBLE = input 1 at current
        PREV(price): DOUBLE = input 1 at current shift -1
        NEXT(price, 2): DOUBLE = input 1 at current shift 2
    one: 1 : BIGINT
    ");
}

#[test]
fn navigation_over_an_expression_goes_down_to_its_columns() {
    insta::assert_snapshot!(expressions(
        "ORDER BY ts MEASURES PREV(LAST(A.price + A.volume, 2), 3) AS m, LAST(COALESCE(A.price, 0)) AS c, FIRST((A.note)) AS n
         PATTERN (A B) DEFINE B AS PREV(price + 1) > 0"
    ), @"
    B R: CASE WHEN EXISTS(PREV(*)) THEN (PREV(price) + 1.0) END > 0.0 : BOOLEAN
        PREV(price): DOUBLE = input 1 at current shift -1
        EXISTS(PREV(*)): BOOLEAN = exists current shift -1
    m: CASE WHEN EXISTS(PREV(LAST(A.*, 2), 3)) THEN (PREV(LAST(A.price, 2), 3) + CAST(PREV(LAST(A.volume, 2), 3) AS DOUBLE)) END : DOUBLE
        PREV(LAST(A.price, 2), 3): DOUBLE = input 1 at last{0}-2 final shift -3
        PREV(LAST(A.volume, 2), 3): INT = input 2 at last{0}-2 final shift -3
        EXISTS(PREV(LAST(A.*, 2), 3)): BOOLEAN = exists last{0}-2 final shift -3
    c: CASE WHEN EXISTS(LAST(A.*)) THEN CASE WHEN LAST(A.price) IS NOT NULL THEN LAST(A.price) ELSE 0.0 END END : DOUBLE
        LAST(A.price): DOUBLE = input 1 at last{0}-0 final
        EXISTS(LAST(A.*)): BOOLEAN = exists last{0}-0 final
    n: FIRST(A.note) : STRING
        FIRST(A.note): STRING = input 3 at first{0}+0 final
    ");
}

#[test]
fn one_row_per_match_reads_everything_from_the_last_row() {
    insta::assert_snapshot!(expressions(
        "ORDER BY ts MEASURES price AS bare, A.price AS last_a, RUNNING FIRST(A.price) AS first_a, FINAL COUNT(A.*) AS n,
           CLASSIFIER() AS c, CLASSIFIER(A) AS ca, MATCH_NUMBER() AS mn, MATCH_STATUS() AS st, MATCH_ROWTIME() AS rt
         PATTERN (A B)"
    ), @"
    bare: LAST(price) : DOUBLE
        LAST(price): DOUBLE = input 1 at last{0, 1}-0 final
    last_a: LAST(A.price) : DOUBLE
        LAST(A.price): DOUBLE = input 1 at last{0}-0 final
    first_a: FIRST(A.price) : DOUBLE
        FIRST(A.price): DOUBLE = input 1 at first{0}+0 final
    n: COUNT(A.*) : BIGINT
        COUNT(A.*): BIGINT = count(1) over {0} Final
    c: CLASSIFIER() : STRING
        CLASSIFIER(): STRING = classifier of last{0, 1}-0 final
    ca: CLASSIFIER(A) : STRING
        CLASSIFIER(A): STRING = classifier of last{0}-0 final
    mn: MATCH_NUMBER() : BIGINT
        MATCH_NUMBER(): BIGINT = MatchNumber
    st: MATCH_STATUS() : STRING
        MATCH_STATUS(): STRING = MatchStatus
    rt: MATCH_ROWTIME() : TIMESTAMP(3)
        MATCH_ROWTIME(): TIMESTAMP(3) = MatchRowtime
    ");
}

#[test]
fn all_rows_per_match_is_running_unless_it_says_final() {
    insta::assert_snapshot!(expressions(
        "ORDER BY ts MEASURES B.price AS running_b, FINAL B.price AS final_b, PREV(FINAL LAST(B.price)) AS prev_final,
           SUM(volume) AS so_far, FINAL SUM(volume) AS total, NEXT(CLASSIFIER()) AS next_c
         ALL ROWS PER MATCH PATTERN (A B)"
    ), @"
    running_b: LAST(B.price) : DOUBLE
        LAST(B.price): DOUBLE = input 2 at last{1}-0 running
    final_b: FINAL LAST(B.price) : DOUBLE
        FINAL LAST(B.price): DOUBLE = input 2 at last{1}-0 final
    prev_final: PREV(FINAL LAST(B.price)) : DOUBLE
        PREV(FINAL LAST(B.price)): DOUBLE = input 2 at last{1}-0 final shift -1
    so_far: SUM(volume) : BIGINT
        SUM(volume): BIGINT = sum(CAST(volume AS BIGINT)) over {0, 1} Running
    total: FINAL SUM(volume) : BIGINT
        FINAL SUM(volume): BIGINT = sum(CAST(volume AS BIGINT)) over {0, 1} Final
    next_c: NEXT(LAST(CLASSIFIER())) : STRING
        NEXT(LAST(CLASSIFIER())): STRING = classifier of last{0, 1}-0 running shift 1
    ");
}

#[test]
fn aggregates_keep_their_distinct_filter_and_order() {
    insta::assert_snapshot!(expressions(
        "ORDER BY ts MEASURES COUNT(*) AS all_rows, COUNT(A.*) AS a_rows, COUNT(DISTINCT A.note) AS notes,
           SUM(A.price) FILTER (WHERE A.volume > 1) AS s, STRING_AGG(CLASSIFIER(), ',' ORDER BY ts) AS letters,
           COUNT(note) + COUNT(*) AS two, ARRAY_AGG(A.price)[1] AS first_price
         PATTERN (A B) DEFINE B AS AVG(A.price) < B.price AND COUNT(*) FILTER (WHERE price > 1) < 3"
    ), @"
    B H: price > AVG(A.price) AND COUNT(*) FILTER (WHERE price > 1) < 3 : BOOLEAN
        AVG(A.price): DOUBLE = avg(price) over {0} Running
        price: DOUBLE = input 1 at current
        COUNT(*) FILTER (WHERE price > 1): BIGINT = count(1) FILTER (WHERE (price > CAST(1 AS DOUBLE))) over {0, 1} Running
    all_rows: COUNT(*) : BIGINT
        COUNT(*): BIGINT = count(1) over {0, 1} Final
    a_rows: COUNT(A.*) : BIGINT
        COUNT(A.*): BIGINT = count(1) over {0} Final
    notes: COUNT(DISTINCT A.note) : BIGINT
        COUNT(DISTINCT A.note): BIGINT = count(DISTINCT note) over {0} Final
    s: SUM(A.price) FILTER (WHERE A.volume > 1) : DOUBLE
        SUM(A.price) FILTER (WHERE A.volume > 1): DOUBLE = sum(price) FILTER (WHERE (CAST(volume AS BIGINT) > 1)) over {0} Final
    letters: STRING_AGG(CLASSIFIER(), ',' ORDER BY ts) : STRING
        STRING_AGG(CLASSIFIER(), ',' ORDER BY ts): STRING = string_agg(classifier(), ,) ORDER BY [ts ASC NULLS LAST] over {0, 1} Final
    two: COUNT(note) + COUNT(*) : BIGINT
        COUNT(note): BIGINT = count(note) over {0, 1} Final
        COUNT(*): BIGINT = count(1) over {0, 1} Final
    first_price: ARRAY_AGG(A.price)[1] : DOUBLE
        ARRAY_AGG(A.price): ARRAY<DOUBLE> = array_agg(price) over {0} Final
    ");
}

#[test]
fn a_variable_wins_over_a_column_and_its_case_does_not_matter() {
    insta::assert_snapshot!(expressions(
        r#"ORDER BY ts MEASURES COUNT(note) AS n, COUNT(NOTE.*) AS r, Note.PRICE AS p, "Low".price AS q
           PATTERN (note "Low") DEFINE NOTE AS note.price > 1 AND CLASSIFIER() = 'NOTE', "Low" AS CLASSIFIER(NOTE) = CLASSIFIER()"#
    ), @"
    NOTE R: price > 1.0 : BOOLEAN
        price: DOUBLE = input 1 at current
    Low H: CLASSIFIER(NOTE) = 'Low' : BOOLEAN
        CLASSIFIER(NOTE): STRING = classifier of last{0}-0 running
    n: COUNT(note) : BIGINT
        COUNT(note): BIGINT = count(note) over {0, 1} Final
    r: COUNT(NOTE.*) : BIGINT
        COUNT(NOTE.*): BIGINT = count(1) over {0} Final
    p: LAST(NOTE.price) : DOUBLE
        LAST(NOTE.price): DOUBLE = input 1 at last{0}-0 final
    q: LAST(Low.price) : DOUBLE
        LAST(Low.price): DOUBLE = input 1 at last{1}-0 final
    ");
}

#[test]
fn only_columns_that_the_clause_reads_go_in() {
    insta::assert_snapshot!(columns(
        "SELECT * FROM ticks MATCH_RECOGNIZE (PARTITION BY symbol ORDER BY ts MEASURES SUM(A.volume) AS v PATTERN (A B)
         DEFINE B AS price > 1)"
    ), @"
    in: symbol STRING, ts TIMESTAMP(3), price DOUBLE, volume INT
    out: symbol STRING, v BIGINT
    partition [0], order [(1, false, false)], event time Some(1), remaining []
    One, AfterMatch { skip: PastLastRow, on_error: Fail }, None, Hide
    ");
}

#[test]
fn all_rows_put_out_partition_order_measures_and_the_rest() {
    insta::assert_snapshot!(columns(
        "SELECT * FROM ticks AS t MATCH_RECOGNIZE (PARTITION BY t.note, UPPER(symbol) AS s, volume / 10
           ORDER BY ts DESC NULLS LAST, price, volume * 2 MEASURES CLASSIFIER() AS c
         ALL ROWS PER MATCH OMIT EMPTY MATCHES AFTER MATCH SKIP TO NEXT ROW PATTERN (A B))"
    ), @"
    in: symbol STRING, ts TIMESTAMP(3), price DOUBLE, volume INT, note STRING, s STRING, volume / 10 BIGINT, volume * 2 BIGINT
    out: note STRING, s STRING, volume / 10 BIGINT, ts TIMESTAMP(3), price DOUBLE, volume * 2 BIGINT, c STRING, symbol STRING, volume INT
    partition [4, 5, 6], order [(1, true, false), (2, false, false), (7, false, false)], event time None, remaining [0, 3]
    AllOmitEmpty, AfterMatch { skip: ToNextRow, on_error: Fail }, None, Hide
    ");
}

#[test]
fn a_stream_is_released_by_event_time_and_does_not_fail_on_a_skip() {
    insta::assert_snapshot!(columns(
        "SELECT * FROM feed MATCH_RECOGNIZE (PARTITION BY symbol ORDER BY ts, price
         ONE ROW PER MATCH SHOW TIMEOUT MATCHES AFTER MATCH SKIP TO FIRST U
         PATTERN (A B C) WITHIN INCLUSIVE INTERVAL '1' DAY SUBSET U = (B, C))"
    ), @"
    in: symbol STRING, ts TIMESTAMP(3), price DOUBLE
    out: symbol STRING
    partition [0], order [(1, false, false), (2, false, false)], event time Some(1), remaining []
    One, AfterMatch { skip: ToFirst({1, 2}), on_error: NextRow }, Some(WithinSpec { span_us: 86400000000, inclusive: true }), Show
    ");
}

#[test]
fn a_condition_of_null_is_a_boolean_and_constants_fold() {
    insta::assert_snapshot!(expressions(
        "ORDER BY ts MEASURES 1 + 1 AS two PATTERN (A B C)
         DEFINE A AS NULL, B AS price > 10 * 10 OR 1 = 2, C AS ts >= TIMESTAMP '2024-01-01 00:00:00'"
    ), @"
    A R: CAST(NULL AS BOOL) : BOOLEAN
    B R: price > 100.0 : BOOLEAN
        price: DOUBLE = input 1 at current
    C R: ts >= CAST('2024-01-01 00:00:00' AS TIMESTAMP) : BOOLEAN
        ts: TIMESTAMP(3) = input 0 at current
    two: 2 : BIGINT
    ");
}

#[test]
fn a_failing_constant_stays_where_it_fails_only_when_tested() {
    insta::assert_snapshot!(expressions("ORDER BY ts MEASURES 1 AS one PATTERN (A) DEFINE A AS volume > 1 / 0"), @"
    A R: CAST(volume AS BIGINT) > 1 / 0 : BOOLEAN
        volume: INT = input 1 at current
    one: 1 : BIGINT
    ");
}

#[test]
fn clauses_nest_and_views_expand() {
    let mut session = TestSession::new();
    session
        .run(
            "CREATE VIEW falls (s, started, ended) AS SELECT * FROM feed MATCH_RECOGNIZE (PARTITION BY symbol ORDER BY ts
               MEASURES FIRST(ts) AS f, MATCH_ROWTIME() AS l PATTERN (A B+) DEFINE B AS price < PREV(price))",
        )
        .unwrap();
    let plan = session.logical(
        "SELECT * FROM falls MATCH_RECOGNIZE (PARTITION BY s ORDER BY ended MEASURES MATCH_ROWTIME() AS t PATTERN (X Y)) AS n",
    );
    assert!(is_unbounded(&plan));
    assert_eq!(column_roles(&plan), [ColumnRole::Plain, ColumnRole::EventTime]);
    let wrong = session
        .run("SELECT * FROM falls MATCH_RECOGNIZE (ORDER BY started MEASURES X.s AS s PATTERN (X))")
        .unwrap_err();
    assert!(shown(&wrong).contains("'started' is not a time attribute"), "{}", shown(&wrong));
}

#[test]
fn time_attributes_go_through_renaming_filters_unions_and_windows() {
    use ColumnRole::{EventTime, Plain, WindowEnd, WindowStart, WindowTime};
    let session = TestSession::new();
    let roles = |sql: &str| column_roles(&session.logical(sql));
    assert_eq!(roles("SELECT ts AS t, arrived FROM (SELECT * FROM feed WHERE price > 1) AS f"), [EventTime, Plain]);
    assert_eq!(roles("SELECT CAST(ts AS TIMESTAMP(6)) AS t FROM feed"), [Plain]);
    assert_eq!(roles("SELECT ts FROM feed UNION ALL SELECT ts FROM feed"), [EventTime]);
    assert_eq!(roles("SELECT ts FROM feed UNION ALL SELECT arrived FROM feed"), [Plain]);
    let window = "TABLE(TUMBLE(TABLE feed, DESCRIPTOR(ts), INTERVAL '1' MINUTE))";
    assert_eq!(
        roles(&format!("SELECT window_end, window_start, window_time, price FROM {window}")),
        [WindowEnd, WindowStart, WindowTime, Plain]
    );
    assert_eq!(
        roles(&format!(
            "SELECT window_time, MAX(ts) AS m FROM {window} GROUP BY window_start, window_end, window_time"
        )),
        [WindowTime, Plain]
    );
    assert_eq!(roles(&format!("SELECT window_time FROM {window} GROUP BY window_time")), [Plain]);
}

/// A chain of `terms` operands.
fn chain(operand: &str, operator: &str, terms: usize) -> String {
    vec![operand; terms].join(operator)
}

#[test]
fn a_chain_that_is_not_too_long_is_bound() {
    let condition = chain("price <> PREV(price)", " AND ", 190);
    let text = expressions(&format!(
        "ORDER BY ts MEASURES {} AS sum PATTERN (A) DEFINE A AS {condition}",
        chain("A.price", " + ", 190)
    ));
    assert!(text.starts_with("A R: "));
}

#[test]
fn a_chain_that_would_overflow_a_stack_is_refused_wherever_it_stands() {
    let long = |terms| chain("price", " + ", terms);
    for terms in [210, 450, 900, 1_800] {
        let sum = long(terms);
        for sql in [
            format!("SELECT {sum} AS x FROM ticks"),
            format!("SELECT 1 AS one FROM ticks WHERE {sum} > 1"),
            format!("INSERT INTO sink SELECT symbol, {sum}, ts FROM ticks"),
            format!("CREATE VIEW v AS SELECT {sum} AS x FROM ticks"),
            format!("CREATE TABLE t (price INT, x AS {sum}) WITH ('connector' = 'x')"),
            format!("SELECT * FROM ticks MATCH_RECOGNIZE (ORDER BY ts MEASURES {sum} AS x PATTERN (A))"),
            format!(
                "SELECT * FROM ticks MATCH_RECOGNIZE (ORDER BY ts MEASURES 1 AS x PATTERN (A) DEFINE A AS {sum} > 1)"
            ),
            format!("SELECT * FROM ticks MATCH_RECOGNIZE (PARTITION BY {sum} AS x ORDER BY ts PATTERN (A))"),
            format!("SELECT * FROM ticks MATCH_RECOGNIZE (ORDER BY {sum} MEASURES 1 AS x PATTERN (A))"),
        ] {
            let error = TestSession::new().run(&sql).unwrap_err();
            assert!(error.to_string().contains("operators deep"), "{}", shown(&error));
            assert!(error.span().is_some());
        }
    }
}

#[test]
fn views_that_add_up_to_a_deep_expression_are_refused() {
    let mut session = TestSession::new();
    session.run("CREATE VIEW v0 AS SELECT price AS x FROM ticks").unwrap();
    let mut refused = None;
    for number in 1..10 {
        let sum = format!("x + {}", chain("1", " + ", 150));
        let created = session.run(&format!("CREATE VIEW v{number} AS SELECT {sum} AS x FROM v{}", number - 1));
        if let Err(error) = created {
            refused = Some((number, error.to_string()));
            break;
        }
        session.run(&format!("EXPLAIN SELECT x FROM v{number} WHERE x > 1")).unwrap();
    }
    let (number, message) = refused.unwrap();
    assert_eq!(number, 3, "{message}");
    assert!(message.contains("add up to more than"), "{message}");
}

#[test]
fn views_in_each_other_have_an_end() {
    let mut session = TestSession::new();
    session.run("CREATE VIEW v0 AS SELECT price AS x FROM ticks").unwrap();
    let create = |number: usize| format!("CREATE VIEW v{number} AS SELECT x FROM v{}", number - 1);
    let first_refused = (1..100).find(|number| session.run(&create(*number)).is_err());
    assert_eq!(first_refused, Some(64));
    session.run("SET 'execution.runtime-mode' = 'streaming'; SELECT x FROM v63 WHERE x > 1").unwrap();
    session.settings.reset(None).unwrap();
    session.run("SELECT x FROM v63 WHERE x > 1").unwrap();
}
