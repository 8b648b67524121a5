//! The same rows in any arrival order within the bound, cut into any batches, with any watermarks, give what the reference
//! matcher finds in the sorted rows.

use std::collections::BTreeMap;

use arrow::datatypes::DataType;
use datafusion::functions_aggregate::expr_fn::{avg, count, count_distinct, max, min, sum};
use datafusion::logical_expr::ExprFunctionExt;
use datafusion::prelude::{cast, ident, lit};
use dipper_graph::{FrameColumn, Semantics, Target};
use dipper_pattern::{Skip, Timeouts, Within, reference};

use super::clause::{Clause, Row, next, prev, rows, time_type};
use super::dice::Dice;

pub(super) const PATTERNS: [&str; 8] =
    ["A B", "A+ B", "A B+ C", "A (B | C)* A", "A+? C", "(A B?)+ C", "PERMUTE(A, B, C)", "A {2,4} B*"];

/// What the conditions look at beside the row and its neighbour.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum History {
    Nothing,
    /// Always true, but only the search can tell.
    First,
    /// The sum so far, and that of B's rows, are bounded.
    Sums,
    /// Bounds on other aggregates, some of them DataFusion's alone, and a row that is not far below the first.
    Others,
}

pub(super) const HISTORIES: [History; 4] = [History::Nothing, History::First, History::Sums, History::Others];

const SUM_MAX: i64 = 14;
const SUM_OF_B_MAX: i64 = 6;

/// A: v is odd. B: v is not less than the value before. C: v is small.
pub(super) fn clause(pattern: &str, history: History) -> Clause {
    let mut clause = Clause::new(pattern);
    let has_b = clause.spec.variables.iter().any(|variable| variable == "B");
    for name in clause.spec.variables.clone() {
        clause = clause.define(&name, |c| {
            let v = c.v(Target::CURRENT);
            let condition = match name.as_str() {
                "A" => (v % lit(2_i64)).eq(lit(1_i64)),
                "B" => v.gt_eq(c.v(prev(1))),
                _ => v.lt(lit(3_i64)),
            };
            match history {
                History::Nothing => condition,
                History::First => {
                    let first = c.first("*");
                    condition.and(c.v(first).gt_eq(lit(0_i64)))
                }
                History::Sums => {
                    let mut sum = |names| c.aggregate(sum(ident("v")), names, Semantics::Running, DataType::Int64);
                    let all = sum("*").lt_eq(lit(SUM_MAX));
                    if has_b {
                        condition.and(all).and(sum("B").lt_eq(lit(SUM_OF_B_MAX)).is_not_false())
                    } else {
                        condition.and(all)
                    }
                }
                History::Others => {
                    let first = c.first("*");
                    let first = c.v(first);
                    let mut aggregate = |call, data_type| c.aggregate(call, "*", Semantics::Running, data_type);
                    let average = aggregate(avg(cast(ident("v"), DataType::Float64)), DataType::Float64);
                    let spread =
                        aggregate(max(ident("v")), DataType::Int64) - aggregate(min(ident("v")), DataType::Int64);
                    let large = count(ident("v")).filter(ident("v").gt(lit(3_i64))).build().unwrap();
                    let large = aggregate(large, DataType::Int64);
                    let values = aggregate(count_distinct(ident("v")), DataType::Int64);
                    let bounded = average.lt_eq(lit(3.25)).and(spread.lt_eq(lit(4_i64))).and(large.lt_eq(lit(2_i64)));
                    condition
                        .and(bounded)
                        .and(values.lt_eq(lit(4_i64)))
                        .and(c.v(Target::CURRENT).gt_eq(first - lit(2_i64)))
                }
            }
        });
    }
    clause.bounds().measure("class", DataType::Utf8, |c| c.classifier(Target::CURRENT))
}

fn expected(clause: &Clause, history: History, rows: &[Row<'_>]) -> BTreeMap<String, Vec<String>> {
    let mut partitions: BTreeMap<&str, Vec<(i64, i64)>> = BTreeMap::new();
    let mut sorted = rows.to_vec();
    sorted.sort_by_key(|row| row.1);
    for row in &sorted {
        partitions.entry(row.0).or_default().push((row.1, row.2));
    }
    let spec = &clause.spec;
    let options = dipper_pattern::SearchOptions {
        skip: spec.after_match.skip,
        within: spec.within.map(|within| Within { span: within.span_us, inclusive: within.inclusive }),
        timeouts: spec.timeouts,
        ..Default::default()
    };
    let mut out = BTreeMap::new();
    for (key, rows) in partitions {
        let times: Vec<i64> = rows.iter().map(|row| row.0).collect();
        let name = |symbol: dipper_pattern::SymbolId| spec.variables[symbol.index()].as_str();
        let holds = |symbol, row: usize, labels: &[dipper_pattern::SymbolId], start: usize, _| {
            let v = rows[row].1;
            let condition = match name(symbol) {
                "A" => v % 2 == 1,
                "B" => row > 0 && v >= rows[row - 1].1,
                _ => v < 3,
            };
            let path = || labels.iter().zip(&rows[start..]).map(|(label, row)| (name(*label), row.1));
            let sum: i64 = path().map(|(_, v)| v).sum();
            let of_b: i64 = path().filter(|(name, _)| *name == "B").map(|(_, v)| v).sum();
            let values: Vec<i64> = path().map(|(_, v)| v).collect();
            let bounded = match history {
                History::Nothing | History::First => true,
                History::Sums => sum <= SUM_MAX && of_b <= SUM_OF_B_MAX,
                History::Others => {
                    let (least, greatest) = (values.iter().min().unwrap(), values.iter().max().unwrap());
                    let distinct: std::collections::BTreeSet<&i64> = values.iter().collect();
                    sum as f64 / values.len() as f64 <= 3.25
                        && greatest - least <= 4
                        && values.iter().filter(|v| **v > 3).count() <= 2
                        && distinct.len() <= 4
                        && v >= values[0] - 2
                }
            };
            Ok::<_, std::convert::Infallible>(condition && bounded)
        };
        let ending = reference::Ending::Ended;
        let matches = reference::find_all(&spec.pattern, rows.len(), Some(&times), &options, ending, holds).unwrap();
        let second = |time: i64| if time == 0 { "00".to_owned() } else { format!("00.{time:06}") };
        let line = |found: &dipper_pattern::Match| {
            let (first, last) = (times[found.start as usize], times[found.end() as usize - 1]);
            let class = &spec.variables[found.symbols.last().unwrap().index()];
            format!("{key} {} {} {class}", second(first), second(last))
        };
        out.insert(key.to_owned(), matches.iter().map(line).collect());
    }
    out
}

pub(super) fn by_key(lines: Vec<String>) -> BTreeMap<String, Vec<String>> {
    let mut out: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for line in lines {
        out.entry(line.split(' ').next().unwrap().to_owned()).or_default().push(line);
    }
    out
}

#[test]
fn any_arrival_gives_what_the_reference_finds_in_the_sorted_rows() {
    for seed in 0..400_u64 {
        let mut dice = Dice(seed);
        let pattern = PATTERNS[dice.roll(PATTERNS.len() as u64) as usize];
        let history = dice.pick(&HISTORIES);
        let timeouts = [Timeouts::Hide, Timeouts::Show, Timeouts::Only][dice.roll(3) as usize];
        let skip = [Skip::PastLastRow, Skip::ToNextRow][dice.roll(2) as usize];
        let within = (dice.roll(2) == 0).then(|| 2 + dice.roll(12) as i64);
        let make = || {
            let clause = clause(pattern, history).skip(skip);
            match within {
                Some(span) => clause.within(span, timeouts),
                None => clause,
            }
        };
        let keys = ["a", "b", "c"];
        let bound = dice.roll(6) as i64;
        let count = 20 + dice.roll(60);
        // Distinct times: ties would depend on the order of arrival.
        let mut arriving: Vec<(i64, Row<'_>)> = (0..count as i64)
            .map(|time| {
                (time + dice.roll(bound as u64 + 1) as i64, (keys[dice.roll(3) as usize], time, dice.roll(6) as i64, 0))
            })
            .collect();
        arriving.sort_by_key(|(arrival, _)| *arrival);
        let arriving: Vec<Row<'_>> = arriving.into_iter().map(|(_, row)| row).collect();

        let mut expected = expected(&make(), history, &arriving);
        expected.retain(|_, lines| !lines.is_empty());
        let mut run = make().open().unwrap();
        let (mut lines, mut at, mut greatest, mut watermark) = (Vec::new(), 0, i64::MIN, i64::MIN);
        while at < arriving.len() {
            let end = arriving.len().min(at + 1 + dice.roll(9) as usize);
            run.push(rows(&arriving[at..end]));
            greatest = arriving[at..end].iter().map(|row| row.1).max().unwrap().max(greatest);
            at = end;
            if dice.roll(2) == 0 && greatest - bound - 1 > watermark {
                watermark = greatest - bound - 1;
                lines.extend(run.watermark(watermark).into_iter().filter(|line| !line.starts_with('w')));
            }
        }
        lines.extend(run.end());
        assert_eq!(by_key(lines), expected, "seed {seed}: {pattern} {history:?} {skip:?} {within:?} {timeouts:?}");
        assert_eq!(run.metric(|m| &m.late_rows), 0, "seed {seed}");
        assert_eq!(by_key(make().ad_hoc().run(rows(&arriving))), expected, "seed {seed}, ad hoc");
    }
}

#[test]
fn no_match_is_late_by_its_row_time_when_it_comes_out() {
    let micros = |text: &str| text.split_once('.').map_or(0, |(_, fraction)| fraction.parse::<i64>().unwrap());
    let mut seen = 0;
    for seed in 0..200_u64 {
        let mut dice = Dice(seed);
        let pattern = PATTERNS[dice.roll(PATTERNS.len() as u64) as usize];
        let history = dice.pick(&HISTORIES);
        let mut clause = clause(pattern, history)
            .skip([Skip::PastLastRow, Skip::ToNextRow][dice.roll(2) as usize])
            .measure("rowtime", time_type(), |c| c.column(FrameColumn::MatchRowtime, time_type()));
        if dice.roll(2) == 0 {
            clause = clause.within(2 + dice.roll(12) as i64, Timeouts::Show);
        }
        if dice.roll(3) == 0 {
            clause = clause.measure("ahead", DataType::Int64, |c| c.v(next(2)));
            clause.spec.measures.rotate_right(1);
        }
        let mut run = clause.open().unwrap();
        let (mut time, mut promised) = (0, i64::MIN);
        for _ in 0..60 {
            time += 1 + dice.roll(3) as i64;
            run.push(rows(&[(["a", "b"][dice.roll(2) as usize], time, dice.roll(6) as i64, 0)]));
            for line in run.watermark(time) {
                if let Some(watermark) = line.strip_prefix('w') {
                    promised = watermark.parse().unwrap();
                } else {
                    let rowtime = micros(line.rsplit(' ').next().unwrap());
                    assert!(rowtime > promised, "seed {seed}: {line} after {promised}");
                    seen += 1;
                }
            }
            assert!(promised <= time, "seed {seed}");
        }
    }
    assert!(seen > 1000, "{seen}");
}
