//! Hostile and damaged text: an error with a place, in bounded time and on a small stack.

#![allow(clippy::unwrap_used, reason = "a test")]

use super::{is_complete, parse_script};

#[test]
fn deep_or_long_text_is_an_error_and_not_a_crash() {
    let deep = |open: &str, close: &str, n: usize| format!("SELECT {}1{}", open.repeat(n), close.repeat(n));
    let clauses = |n: usize| format!("SELECT * FROM t {}", "MATCH_RECOGNIZE (PATTERN (A)) ".repeat(n));
    for sql in [
        deep("(", ")", 40_000),
        deep("-", "", 40_000),
        deep("NOT ", "", 40_000),
        deep("f(", ")", 90),
        deep("floor(", "", 90),
        deep("floor(", ")", 90).replace('1', "?+"),
        deep("CASE WHEN ", "", 10_000),
        deep("CAST(", " AS INT)", 99),
        deep("FINAL a.", "", 10_000),
        format!("SELECT {}1", "FINAL ".repeat(10_000)),
        format!("SELECT 1{}", " + 1".repeat(100_000)),
        format!("SELECT CAST(1 AS {}INT{})", "ARRAY<".repeat(10_000), ">".repeat(10_000)),
        format!("SELECT 1{}", " UNION ALL SELECT 1, 2".repeat(10_000)),
        format!("SELECT * FROM {}t{}", "(".repeat(99), ")".repeat(99)),
        clauses(60),
        format!("SELECT {}", "SELECT ".repeat(1_000)),
    ] {
        let error = parse_script(&sql).unwrap_err();
        assert!(error.span().is_some(), "{error}");
    }
    parse_script(&format!("SELECT 1{}", " + 1".repeat(2_000))).unwrap();
    parse_script(&format!("INSERT INTO t VALUES (1, 'x'){}", ", (1, 'x')".repeat(20_000))).unwrap();
    parse_script(&clauses(3)).unwrap();
}

#[test]
fn damaged_text_is_an_error_with_a_place_and_never_a_panic() {
    let script = "
        CREATE TABLE t (id INT, ts TIMESTAMP(3) WITH LOCAL TIME ZONE, x AS id + 1, WATERMARK FOR ts AS ts - INTERVAL '5' SECOND,
            PRIMARY KEY (id) NOT ENFORCED) COMMENT 'c' WITH ('connector' = 'filesystem');
        EXPLAIN (FORMAT JSON) EXECUTE STATEMENT SET BEGIN INSERT INTO s (a, b) SELECT CASE WHEN a THEN 1 END FROM t; END;
        SELECT m.*, TUMBLE_START(w) FROM (SELECT * FROM TABLE(TUMBLE(DATA => TABLE t, TIMECOL => DESCRIPTOR(ts), SIZE => INTERVAL '1' DAY))) AS w
          MATCH_RECOGNIZE (PARTITION BY user AS u ORDER BY ts DESC NULLS LAST MEASURES FINAL LAST(A.x, 1) AS y, \"q\".z w
            ALL ROWS PER MATCH OMIT EMPTY MATCHES SHOW TIMEOUT MATCHES AFTER MATCH SKIP TO LAST A
            PATTERN (^ A+? (B | C){2,3} {- D -} PERMUTE(E, F)* $) WITHIN INTERVAL '30' MINUTE SUBSET U = (A, B)
            DEFINE A AS price > PREV(A.price) AND f(x -> x) IS NOT NULL, B AS a[1] = 'é') AS m (a, b)
          MATCH_RECOGNIZE (PATTERN (Z)) ORDER BY 1 LIMIT 5";
    check_damaged(&script.replace("f(x -> x)", "f(x)"));
}

#[test]
fn damaged_windows_are_errors_with_a_place_and_never_a_panic() {
    check_damaged(
        "SELECT m OVER w, SUM(x) OVER (ROWS BETWEEN CURRENT ROW AND 2 FOLLOWING SEEK PATTERN (B)) FROM t
         WINDOW w AS (PARTITION BY a, b ORDER BY ts MEASURES LAST(A.x) AS m ROWS BETWEEN CURRENT ROW AND
         UNBOUNDED FOLLOWING AFTER MATCH SKIP TO A PATTERN (A+ B) SUBSET U = (A, B) DEFINE A AS x > 1)",
    );
}

/// Parses a script as it is, and cut, with characters missing, and with others put in.
fn check_damaged(script: &str) {
    parse_script(script).unwrap_or_else(|error| panic!("{error} {:?}", error.span()));
    let check = |text: &str| {
        let lines = text.lines().count() as u64 + 1;
        let _ = is_complete(text);
        if let Err(error) = parse_script(text) {
            let span = error.span().unwrap_or_else(|| panic!("no place: {error} in {text}"));
            assert!(
                span.start.line >= 1 && span.end.line <= lines && span.start <= span.end,
                "{span:?} {error} in {text}"
            );
            assert!(!error.to_string().contains("at Line"), "{error}");
        }
    };
    let characters: Vec<char> = script.chars().collect();
    let at = |i: usize| characters[..i].iter().collect::<String>();
    let from = |i: usize| characters[i.min(characters.len())..].iter().collect::<String>();
    for i in 0..characters.len() {
        check(&at(i));
        check(&from(i));
        if i % 3 == 0 {
            check(&format!("{}{}", at(i), from(i + 1)));
            for inserted in ["(", ")", ",", "'", "{", " FROM ", "$", " MATCH_RECOGNIZE (", " FINAL ", "\u{1F600}", ";"]
            {
                check(&format!("{}{inserted}{}", at(i), from(i)));
            }
        }
    }
}
