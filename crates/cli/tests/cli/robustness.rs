//! Statements that are too much: too deep, or a panic inside. The process survives and says so.

use std::fmt::Write;

use crate::harness::{Ran, Workspace};

fn run(sql: &str, mode: &str) -> Ran {
    let mode = format!("execution.runtime-mode={mode}");
    Workspace::new().run_with_input(&["run", "-", "-o", "csv", "--set", &mode], sql)
}

#[test]
fn deep_statements_run_or_are_refused_and_never_overflow_the_stack() {
    let views = (1..=35).fold("CREATE VIEW v0 AS SELECT 1 AS n;".to_owned(), |mut sql, view| {
        write!(sql, "CREATE VIEW v{view} AS SELECT n + 1 AS n FROM v{};", view - 1).unwrap();
        sql
    });
    let ctes = (1..1_000).map(|cte| format!("c{cte} AS (SELECT {cte} AS n)")).collect::<Vec<_>>().join(", ");
    let chained = (1..1_000).fold("c0 AS (SELECT 1 AS n)".to_owned(), |mut sql, cte| {
        write!(sql, ", c{cte} AS (SELECT n FROM c{})", cte - 1).unwrap();
        sql
    });
    let statements = [
        format!("{views} SELECT * FROM v35;"),
        format!("SELECT {} AS n;", vec!["1"; 2_400].join("+")),
        format!("SELECT {} AS n;", vec!["1"; 400].join("+")),
        format!("{};", vec!["SELECT 1 AS n"; 499].join(" UNION ALL ")),
        format!("WITH {ctes} SELECT * FROM c999;"),
        format!("WITH {chained} SELECT * FROM c999;"),
    ];
    for sql in &statements {
        for mode in ["automatic", "streaming"] {
            let ran = run(sql, mode);
            let start: String = sql.chars().take(60).collect();
            assert!(matches!(ran.code, 0 | 3), "{start}… in mode {mode}: exit code {}\n{}", ran.code, ran.stderr);
        }
    }
}

#[test]
fn nested_data_is_an_error_and_not_a_crash() {
    for mode in ["automatic", "streaming"] {
        let workspace = Workspace::new();
        workspace.file("deep.json", &format!("{{\"n\":{}1{}}}\n", "[".repeat(100_000), "]".repeat(100_000)));
        let array = format!("{}INT{}", "ARRAY<".repeat(40), ">".repeat(40));
        let with = "WITH ('connector' = 'filesystem', 'path' = 'deep.json', 'format' = 'json')";
        workspace.file("job.sql", &format!("CREATE TABLE t (n {array}) {with}; SELECT * FROM t;"));
        let ran = workspace.run(&["run", "job.sql", "--set", &format!("execution.runtime-mode={mode}")]);
        assert!(matches!(ran.code, 1 | 3), "{}", ran.failure());
    }
}

#[test]
fn arithmetic_fails_on_overflow_in_both_hosts() {
    let values = "(VALUES (CAST(1 AS BIGINT)), (9223372036854775807)) AS t(a)";
    for query in [format!("SELECT a + 1 AS b FROM {values};"), format!("SELECT a FROM {values} WHERE a * 2 > 0;")] {
        for mode in ["batch", "streaming"] {
            let ran = run(&query, mode);
            assert_eq!(ran.code, 1, "{query} in mode {mode}: {}", ran.failure());
            assert!(ran.stderr.contains("arithmetic overflow"), "{query} in mode {mode}: {}", ran.stderr);
        }
    }
    let ran = run(&format!("SELECT MAX(a - -1) AS b FROM {values};"), "batch");
    assert!(ran.stderr.contains("arithmetic overflow"), "{}", ran.failure());
}
