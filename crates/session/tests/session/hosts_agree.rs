//! Generated clauses over generated rows: the dataflow, given the rows in any order that the watermark allows, cut and divided in any way, puts
//! out what the ad-hoc query over the same rows does.
//!
//! `HOST_CASES=100000 cargo test --release -p dipper-session --test session hosts` tries more; `HOST_SEED` begins elsewhere.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::Path;

use crate::database::Database;

/// A small generator of our own: a seed says everything.
struct Dice(u64);

impl Dice {
    fn roll(&mut self, sides: u64) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % sides
    }

    fn pick<T: Copy>(&mut self, items: &[T]) -> T {
        items[self.roll(items.len() as u64) as usize]
    }

    fn chance(&mut self, one_in: u64) -> bool {
        self.roll(one_in) == 0
    }
}

const QUANTIFIERS: [&str; 14] =
    ["*", "+", "?", "{2}", "{1,2}", "{,2}", "{2,}", "*?", "+?", "??", "{2}?", "{1,2}?", "{,2}?", "{2,}?"];

/// A pattern over A, B and C.
fn pattern(dice: &mut Dice, depth: u64, unmatched: bool) -> String {
    let part = |dice: &mut Dice| pattern(dice, depth - 1, unmatched);
    if depth == 0 || dice.chance(4) {
        return match dice.roll(24) {
            0 => "^".to_owned(),
            1 => "$".to_owned(),
            2 => "()".to_owned(),
            _ => dice.pick(&["A", "B", "C"]).to_owned(),
        };
    }
    match dice.roll(8) {
        0..=3 => {
            let parts: Vec<String> = (0..2 + dice.roll(2)).map(|_| part(dice)).collect();
            format!("({})", parts.join(" "))
        }
        4 => format!("({} | {})", part(dice), part(dice)),
        5 if !unmatched && dice.chance(2) => format!("{{- {} -}}", part(dice)),
        5 => format!("PERMUTE({}, {})", part(dice), part(dice)),
        _ => format!("({}){}", part(dice), dice.pick(&QUANTIFIERS)),
    }
}

/// A condition for `own`, which may read the rows of `other`.
fn condition(dice: &mut Dice, own: &str, other: &str) -> String {
    let of_row = dice.pick(&[
        "v < 4",
        "v % 2 = 1",
        "v >= PREV(v)",
        "v > PREV(v, 2)",
        "v <> NEXT(v)",
        "v IS NULL OR v > 1",
        "COALESCE(v, 0) <= COALESCE(PREV(v), 9)",
        "NEXT(v, 2) IS NOT NULL",
    ]);
    if dice.chance(2) {
        return of_row.to_owned();
    }
    let of_match = match dice.roll(12) {
        0 => format!("v >= FIRST({other}.v)"),
        1 => format!("LAST({own}.v, 1) IS NULL OR v > LAST({own}.v, 1)"),
        2 => format!("{other}.v IS NULL OR v <> {other}.v"),
        3 => "SUM(v) <= 14".to_owned(),
        4 => format!("COUNT({own}.*) <= 2"),
        5 => format!("AVG({other}.v) < 4 OR {other}.v IS NULL"),
        6 => "MATCH_NUMBER() % 2 = 1 OR v < 4".to_owned(),
        7 => format!("PREV(CLASSIFIER()) IS NULL OR PREV(CLASSIFIER()) = '{other}'"),
        8 => format!("MAX(v) - MIN({own}.v) < 6"),
        9 => format!("PREV(LAST({other}.v), 1) < 5 OR {other}.v IS NULL"),
        10 => format!("COUNT(*) FILTER (WHERE v > 2) < 3 AND {own}.id > FIRST(id, 1) - 9"),
        _ => format!("FIRST({own}.v) + v < 12"),
    };
    if dice.chance(2) { format!("({of_match}) AND {of_row}") } else { of_match }
}

/// A query over the table `events`.
fn query(dice: &mut Dice) -> String {
    let rows = dice.pick(&[
        "ONE ROW PER MATCH",
        "ONE ROW PER MATCH",
        "ALL ROWS PER MATCH",
        "ALL ROWS PER MATCH OMIT EMPTY MATCHES",
        "ALL ROWS PER MATCH WITH UNMATCHED ROWS",
    ]);
    let unmatched = rows.ends_with("UNMATCHED ROWS");
    let pattern = loop {
        let pattern = pattern(dice, 3, unmatched);
        if pattern.contains(['A', 'B', 'C']) {
            break pattern;
        }
    };
    let within = dice.chance(2).then(|| 2 + dice.roll(12));
    let inclusive = if dice.chance(2) { "INCLUSIVE " } else { "" };
    let timeouts = match within {
        Some(_) if !unmatched => dice.pick(&["", "", "SHOW TIMEOUT MATCHES", "ONLY TIMEOUT MATCHES"]),
        _ => "",
    };
    // PERMUTE has an A-free name but for the letters themselves.
    let names = pattern.replace("PERMUTE", "");
    let variables: Vec<&str> = ["A", "B", "C"].into_iter().filter(|name| names.contains(name)).collect();
    let mut sql = "SELECT * FROM events MATCH_RECOGNIZE (".to_owned();
    if !dice.chance(8) {
        sql += " PARTITION BY k";
    }
    sql += " ORDER BY ts, id\n  MEASURES MATCH_NUMBER() AS mn, FIRST(id) AS f, LAST(id) AS l, CLASSIFIER() AS c, COUNT(*) AS n";
    let one = dice.pick(&variables);
    let measures = [
        format!("SUM({one}.v) AS s"),
        format!("LAST({one}.v, 1) AS m"),
        "NEXT(id) AS ahead".to_owned(),
        "PREV(FIRST(v)) AS before".to_owned(),
        "FINAL LAST(v) AS final_v".to_owned(),
    ];
    for measure in measures {
        if dice.chance(3) {
            let _ = write!(sql, ", {measure}");
        }
    }
    let skip = match dice.roll(6) {
        0..=1 => "PAST LAST ROW".to_owned(),
        2..=3 => "TO NEXT ROW".to_owned(),
        4 => format!("TO FIRST {one}"),
        _ => format!("TO LAST {one}"),
    };
    let _ = write!(sql, "\n  {rows} {timeouts}\n  AFTER MATCH SKIP {skip}\n  PATTERN ({pattern})");
    if let Some(within) = within {
        let _ = write!(sql, " WITHIN {inclusive}INTERVAL '{within}' SECOND");
    }
    let mut defines = Vec::new();
    for own in &variables {
        if !dice.chance(6) {
            let other = dice.pick(&variables);
            defines.push(format!("{own} AS {}", condition(dice, own, other)));
        }
    }
    if !defines.is_empty() {
        let _ = write!(sql, "\n  DEFINE {}", defines.join(", "));
    }
    sql + ")"
}

/// Writes rows into some files, each in an order that a watermark `bound` seconds behind allows.
fn write_rows(dice: &mut Dice, directory: &Path, bound: u64) {
    let files = 1 + dice.roll(3) as usize;
    let mut rows: Vec<Vec<(u64, String)>> = vec![Vec::new(); files];
    let mut time = 0;
    for id in 0..dice.roll(40) {
        time += dice.roll(4);
        let value = if dice.chance(12) { String::new() } else { dice.roll(8).to_string() };
        let line =
            format!("{},1970-01-01 00:{:02}:{:02},{id},{value}\n", dice.pick(&["x", "y", "z"]), time / 60, time % 60);
        // Less than the bound: a row at the watermark is late.
        rows[dice.roll(files as u64) as usize].push((time + dice.roll(bound), line));
    }
    for (index, mut rows) in rows.into_iter().enumerate() {
        rows.sort_by_key(|(arrival, _)| *arrival);
        let lines: String = rows.into_iter().map(|(_, line)| line).collect();
        std::fs::write(directory.join(format!("{index}.csv")), lines).unwrap();
    }
}

/// The rows of each partition in order, or that it failed.
type Found = Result<BTreeMap<String, Vec<String>>, ()>;

async fn run(settings: &[(&str, &str)], table: &str, query: &str) -> (Found, String) {
    let mut database = Database::new(settings).unwrap();
    database.lines(table).await.unwrap();
    match database.lines(query).await {
        Ok(lines) => {
            let mut found: BTreeMap<String, Vec<String>> = BTreeMap::new();
            let by_key = query.contains("PARTITION BY");
            for line in lines {
                let key = if by_key { line[0].clone() } else { String::new() };
                found.entry(key).or_default().push(line.join(" "));
            }
            (Ok(found), String::new())
        }
        Err(error) => (Err(()), error.to_string()),
    }
}

#[test]
fn hosts_agree_on_generated_clauses() {
    let number = |name: &str, default: u64| {
        std::env::var(name).map_or(default, |text| text.parse().unwrap_or_else(|_| panic!("{name} is not a number")))
    };
    let (first, cases) = (number("HOST_SEED", 0), number("HOST_CASES", 300));
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    let (mut with_rows, mut failing) = (0, 0);
    for seed in first..first + cases {
        let mut dice = Dice(seed);
        let directory = tempfile::tempdir().unwrap();
        let bound = 1 + dice.roll(5);
        write_rows(&mut dice, directory.path(), bound);
        let table = format!(
            "CREATE TABLE events (k STRING, ts TIMESTAMP(3), id BIGINT, v BIGINT, \
             WATERMARK FOR ts AS ts - INTERVAL '{bound}' SECOND) \
             WITH ('connector' = 'filesystem', 'path' = '{}', 'format' = 'csv', 'csv.header' = 'false')",
            directory.path().display()
        );
        let query = query(&mut dice);
        let parallelism = (1 + dice.roll(4)).to_string();
        let batch = dice.pick(&["1", "3", "32768"]);
        let skip_errors = ("match.skip-error", "next-row");
        let streaming = [
            ("execution.runtime-mode", "streaming"),
            ("parallelism.default", parallelism.as_str()),
            ("execution.batch-size", batch),
            skip_errors,
        ];
        let (expected, why) = runtime.block_on(run(&[skip_errors], &table, &query));
        let (found, why_not) = runtime.block_on(run(&streaming, &table, &query));
        with_rows += u64::from(expected.as_ref().is_ok_and(|rows| !rows.is_empty()));
        failing += u64::from(expected.is_err());
        assert!(
            found == expected,
            "seed {seed}, parallelism {parallelism}, batches of {batch}\n{query}\nad hoc: {expected:#?} {why}\ndataflow: {found:#?} {why_not}"
        );
    }
    // The generator makes queries that find something, and few that are refused.
    assert!(with_rows * 3 > cases, "only {with_rows} of {cases} found anything");
    assert!(failing * 20 < cases, "{failing} of {cases} failed");
}
