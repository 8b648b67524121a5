//! A run that is stored, lost and restored, again and again and at any parallelism, puts out what an undisturbed one does, and when it does.

use std::collections::BTreeMap;

use arrow::datatypes::DataType;
use arrow::record_batch::RecordBatch;
use datafusion::prelude::lit;
use dipper_graph::{FrameColumn, RowsPerMatch, Specialised, Target};
use dipper_pattern::{OnSkipError, Skip, Timeouts};
use dipper_types::{Error, Watermark};

use super::clause::{Clause, KEY, Row, W, next, prev, rows, text, time_type};
use super::dice::Dice;
use super::random::{HISTORIES, History, PATTERNS, by_key, clause};
use crate::MatchRecognizeOperator;
use crate::match_recognize::search::SearchLimits;
use crate::testing::{Event, TestJob};

/// Keys enough for several to share a key group.
const KEYS: [&str; 14] = ["a", "b", "c", "d", "e", "f", "g", "h", "i", "j", "k", "l", "m", "n"];

/// Further patterns: with anchors, which take other engines, with exclusions, and with empty matches.
const OTHERS: [&str; 7] = ["A+ $", "A B* $ | C", "^ A+ B | B C", "A {- B+ -} C", "A* B?", "(A | B)*? C", "A (B A)* C?"];

/// What is drawn of a clause.
#[derive(Debug, Clone)]
#[expect(clippy::struct_excessive_bools, reason = "independent choices")]
struct Draw {
    pattern: &'static str,
    history: History,
    skip: Skip,
    within: Option<(i64, bool)>,
    timeouts: Timeouts,
    rows_per_match: RowsPerMatch,
    looks_ahead: bool,
    measures_ahead: bool,
    holds: bool,
    is_partitioned: bool,
    is_ad_hoc: bool,
}

impl Draw {
    fn new(dice: &mut Dice) -> Self {
        let pattern = if dice.roll(3) == 0 { dice.pick(&OTHERS) } else { dice.pick(&PATTERNS) };
        let skips: &[Skip] = if pattern.contains('B') {
            let b = dipper_pattern::SymbolSet::of(&[Clause::new(pattern).symbol("B")]);
            &[Skip::PastLastRow, Skip::PastLastRow, Skip::ToNextRow, Skip::ToFirst(b), Skip::ToLast(b)]
        } else {
            &[Skip::PastLastRow, Skip::ToNextRow]
        };
        let rows_per_match: &[RowsPerMatch] = if pattern.contains("{-") {
            &[RowsPerMatch::One, RowsPerMatch::AllOmitEmpty]
        } else {
            &[RowsPerMatch::One, RowsPerMatch::One, RowsPerMatch::AllShowEmpty, RowsPerMatch::AllWithUnmatched]
        };
        let within = (dice.roll(2) == 0).then(|| (2 + dice.roll(12) as i64, dice.roll(2) == 0));
        let timeouts = if within.is_some() {
            dice.pick(&[Timeouts::Hide, Timeouts::Show, Timeouts::Only])
        } else {
            Timeouts::Hide
        };
        Self {
            pattern,
            history: dice.pick(&HISTORIES),
            skip: dice.pick(skips),
            within,
            timeouts,
            rows_per_match: dice.pick(rows_per_match),
            looks_ahead: dice.roll(4) == 0,
            measures_ahead: dice.roll(4) == 0,
            holds: dice.roll(4) == 0,
            is_partitioned: dice.roll(6) > 0,
            is_ad_hoc: dice.roll(12) == 0,
        }
    }

    fn clause(&self) -> Clause {
        let mut clause = clause(self.pattern, self.history).skip(self.skip);
        clause.spec.after_match.on_error = OnSkipError::NextRow;
        if let Some((span, inclusive)) = self.within {
            clause = clause.within(span, self.timeouts);
            clause.spec.within = clause.spec.within.map(|within| dipper_graph::WithinSpec { inclusive, ..within });
        }
        clause = clause.measure("number", DataType::Int64, |c| c.column(FrameColumn::MatchNumber, DataType::Int64));
        if self.looks_ahead {
            let define = clause.spec.defines.remove(0);
            let name = clause.spec.variables[define.symbol.index()].clone();
            clause = clause.define(&name, |c| c.v(next(1)).gt_eq(lit(1_i64)).and(c.v(Target::CURRENT).gt(lit(0_i64))));
        }
        if self.measures_ahead {
            clause = clause.measure("ahead", DataType::Int64, |c| c.v(next(2)));
        }
        if self.holds {
            clause = clause.measure("rowtime", time_type(), |c| c.column(FrameColumn::MatchRowtime, time_type()));
        }
        if self.rows_per_match != RowsPerMatch::One {
            clause = clause.all_rows(self.rows_per_match);
        }
        if !self.is_partitioned {
            clause.spec.partition_by.clear();
        }
        if self.is_ad_hoc { clause.ad_hoc() } else { clause }
    }
}

/// Makes the operator of a clause.
fn operator(clause: Clause) -> MatchRecognizeOperator {
    let spec = clause.finish();
    let specialised = Specialised::new(&spec).unwrap();
    MatchRecognizeOperator::of(&spec, specialised, SearchLimits::default()).unwrap()
}

/// Rows out of order within a bound, and watermarks behind it; some rows are late.
fn events(dice: &mut Dice, keys: &[&'static str]) -> Vec<Event> {
    let (bound, count) = (dice.roll(8) as i64, 30 + dice.roll(120) as i64);
    let ties = dice.roll(3) == 0;
    let mut arriving: Vec<(i64, Row<'_>)> = (0..count)
        .map(|time| {
            let late = if dice.roll(30) == 0 { 20 } else { 0 };
            let stamp = if ties { time / 3 } else { time };
            let key = dice.pick(keys);
            (time + late + dice.roll(bound as u64 + 1) as i64, (key, stamp, dice.roll(6) as i64, time))
        })
        .collect();
    arriving.sort_by_key(|(arrival, _)| *arrival);
    let arriving: Vec<Row<'_>> = arriving.into_iter().map(|(_, row)| row).collect();
    let (mut events, mut at, mut greatest, mut watermark) = (Vec::new(), 0, i64::MIN, i64::MIN);
    while at < arriving.len() {
        let end = arriving.len().min(at + 1 + dice.roll(9) as usize);
        events.push(Event::Rows(rows(&arriving[at..end])));
        greatest = arriving[at..end].iter().map(|row| row.1).max().unwrap().max(greatest);
        at = end;
        if dice.roll(2) == 0 && greatest - bound - 1 > watermark {
            watermark = greatest - bound - 1;
            events.push(Event::Watermark(watermark));
        }
    }
    events.push(Event::End);
    events
}

type Lines = BTreeMap<String, Vec<String>>;

fn lines(batches: &[arrow::record_batch::RecordBatch]) -> Lines {
    by_key(text(batches))
}

#[test]
fn a_run_that_is_restored_puts_out_what_an_undisturbed_one_does() {
    let mut restarts = 0;
    for seed in 0..80_u64 {
        let mut dice = Dice(seed);
        let draw = Draw::new(&mut dice);
        let keys: &[usize] = if draw.is_partitioned { &[KEY] } else { &[] };
        // Without partitions there is only one subtask.
        let most = if draw.is_partitioned { 4 } else { 1 };
        let names = dice.pick(&[&KEYS[..3], &KEYS]);
        let events = events(&mut dice, names);
        let mut undisturbed = TestJob::start(|| operator(draw.clause()), keys, 1);
        let expected = events.iter().map(|event| (lines(&undisturbed.feed(event)), undisturbed.watermark()));
        let expected: Vec<(Lines, Watermark)> = expected.collect();

        let mut job = TestJob::start(|| operator(draw.clause()), keys, 1 + dice.roll(most) as usize);
        restarts += job.disturb(&events, &mut dice, most, |at, found, watermark| {
            assert_eq!((lines(found), watermark), expected[at], "seed {seed}, event {at}: {draw:?}");
        });
    }
    assert!(restarts > 80, "{restarts}");
}

/// Rows of distinct keys at a time.
fn of_keys(keys: std::ops::Range<usize>, time: i64, v: i64) -> Event {
    let names: Vec<String> = keys.map(|key| format!("k{key}")).collect();
    Event::Rows(rows(&names.iter().map(|name| (name.as_str(), time, v, 0)).collect::<Vec<_>>()))
}

#[test]
fn a_snapshot_hands_over_what_has_changed_and_not_what_is_held() {
    // A: v is odd. C: v is small. Every partition has a match open once A has come.
    let make = || operator(clause("A+? C", History::Nothing));
    let mut job = TestJob::start(make, &[KEY], 1);
    job.feed(&of_keys(0..20_000, 10, 5));
    let first = ["buffer +20000 -0", "keys +20000 -0", "partitions +20000 -0"];
    assert_eq!(job.snapshot(), first);
    job.feed(&Event::Watermark(10));
    let released = ["buffer +0 -20000", "partitions +20000 -0", "rows +20000 -0"];
    assert_eq!(job.snapshot(), released);
    job.complete();
    assert_eq!(job.snapshot(), [""; 0], "nothing has changed");
    job.feed(&of_keys(7..9, 20, 5));
    job.feed(&of_keys(19_999..20_001, 20, 4));
    job.feed(&of_keys(5..6, 20, 1));
    job.feed(&Event::Watermark(20));
    // Two grow, one fails, one is new, and one ends with a match.
    assert_eq!(job.snapshot(), ["keys +1 -0", "partitions +5 -0", "rows +2 -2"]);
    job.complete();
    // A restored operator goes on with what changes.
    for parallelism in [1, 3, 1] {
        job.restart(parallelism);
        assert_eq!(job.snapshot(), [""; 0]);
        job.complete();
    }
    job.feed(&of_keys(7..8, 30, 1));
    job.feed(&Event::Watermark(30));
    assert_eq!(job.snapshot(), ["partitions +1 -0", "rows +0 -2"]);
    job.feed(&Event::End);
    assert_eq!(job.snapshot(), ["buffer", "keys", "partitions", "rows", "waiting"].map(|t| format!("{t} +0 -0")));
}

/// What becomes of what is stored of one clause, behind rows of these values, when it is restored by another.
fn restored_by_another(
    values: &[i64],
    before: impl Fn() -> Clause,
    after: impl Fn() -> Clause,
    see: impl FnOnce(&mut dyn FnMut(&Event) -> usize),
) -> Result<(), Error> {
    let changed = std::cell::Cell::new(false);
    let make = || operator(if changed.get() { after() } else { before() });
    let mut job = TestJob::start(make, &[KEY], 1);
    for (time, value) in (1..).zip(values) {
        job.feed(&of_keys(0..3, time * 10, *value));
        job.feed(&Event::Watermark(time * 10));
    }
    job.snapshot();
    job.complete();
    changed.set(true);
    job.try_restart(2)?;
    see(&mut |event| job.feed(event).iter().map(RecordBatch::num_rows).sum());
    Ok(())
}

fn refusal(values: &[i64], before: impl Fn() -> Clause, after: impl Fn() -> Clause) -> Error {
    restored_by_another(values, before, after, |_| ()).unwrap_err()
}

#[test]
fn a_query_that_reads_rows_that_were_not_kept_is_refused() {
    let reaching = |back| move || Clause::new("A").define("A", move |c| c.v(prev(back)).gt(lit(7_i64))).bounds();
    let error = refusal(&[1, 2, 3], reaching(1), reaching(2));
    insta::assert_snapshot!(error, @"rows that the query reads of a partition have not been kept");
    let ahead =
        || Clause::new("A").define("A", |c| c.v(next(1)).gt(lit(7_i64)).or(c.v(prev(1)).gt(lit(7_i64)))).bounds();
    let error = refusal(&[1, 2, 3], reaching(1), ahead);
    insta::assert_snapshot!(error, @"rows that the query reads of a partition have not been kept");
}

#[test]
fn matches_that_waited_for_a_row_come_out_where_no_measure_reads_it_any_more() {
    let reading = |target: Target| {
        move || {
            let clause = Clause::new("A").define("A", |c| c.v(Target::CURRENT).gt(lit(0_i64)));
            clause.measure("v", DataType::Int64, move |c| c.v(target)).bounds()
        }
    };
    let restored = restored_by_another(&[5], reading(next(1)), reading(Target::CURRENT), |feed| {
        assert_eq!(feed(&of_keys(0..3, 20, -1)) + feed(&Event::Watermark(20)), 3);
    });
    restored.unwrap();
}

#[test]
fn a_query_that_finds_other_matches_in_the_stored_rows_is_refused() {
    // Both clauses read the same columns.
    let error = refusal(&[5], || clause("A B+ C", History::Nothing), || clause("A", History::Nothing));
    insta::assert_snapshot!(error, @"the stored rows of a partition do not lead the search to where it stood");
    assert!(error.hint().unwrap().contains("the query has changed"));
}

#[test]
fn a_query_that_reads_other_columns_is_refused_by_their_names() {
    let before = || clause("A B+ C", History::Nothing);
    let after = || before().measure("w", DataType::Int64, |c| c.input(W, Target::CURRENT));
    insta::assert_snapshot!(refusal(&[5], before, after), @"table 'rows' of operator operator was stored with the columns (partition UInt32, row UInt64; input.ts Timestamp(µs), input.v Int64), and is expected with (partition UInt32, row UInt64; input.ts Timestamp(µs), input.v Int64, input.w Int64)");
}

#[test]
fn a_condition_that_failed_still_fails_when_it_is_asked_after_a_restore() {
    // 6 / v fails on the second row, but counts only once A+ goes on no more.
    let make = || {
        let clause = Clause::new("A+ C").define("A", |c| c.v(Target::CURRENT).gt_eq(lit(0_i64)));
        operator(clause.define("C", |c| (lit(6_i64) / c.v(Target::CURRENT)).gt(lit(1_i64))).bounds())
    };
    let mut job = TestJob::start(make, &[KEY], 1);
    job.feed(&of_keys(0..1, 10, 9));
    job.feed(&of_keys(0..1, 20, 0));
    job.feed(&Event::Watermark(20));
    job.snapshot();
    job.complete();
    for _ in 0..2 {
        job.feed(&of_keys(0..1, 30, -1));
        insta::allow_duplicates! {
            insta::assert_snapshot!(job.try_feed(&Event::Watermark(30)).unwrap_err(), @"DEFINE C: division by zero");
        }
        job.restart(1);
    }
}
