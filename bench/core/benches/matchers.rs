//! Letters to matches, over patterns of class R. For whole queries see `bench/patterns`.
#![allow(missing_docs, clippy::expect_used, reason = "a benchmark: criterion's macro makes the public items")]

use std::sync::Arc;

use criterion::{BatchSize, Criterion, Throughput, criterion_group, criterion_main};
use dipper_pattern::{
    CompileLimits, DfaMatcher, Letter, Match, Program, Rows, SearchOptions, Skip, SymbolId, SymbolSet, parse,
};

const ROWS: u64 = 100_000;

/// A name, a pattern, how many percent of the rows satisfy each variable, and the skip.
type Case = (&'static str, &'static str, &'static [u64], Skip);

const CASES: [Case; 8] = [
    ("a-b", "A B", &[50, 50], Skip::PastLastRow),
    ("a-b-a", "A+ B+ A+", &[50, 50], Skip::PastLastRow),
    ("v-shape", "S DOWN+ UP+ F", &[100, 50, 50, 100], Skip::PastLastRow),
    ("streak", "S UP{3,}", &[100, 50], Skip::PastLastRow),
    ("rare", "A B{2}", &[1, 50], Skip::PastLastRow),
    ("never", "A+ B+ C+ X", &[100, 100, 100, 0], Skip::PastLastRow),
    ("next-row", "A B{2}", &[50, 50], Skip::ToNextRow),
    ("union", "A B C D", &[80, 80, 80, 80], Skip::ToLast(SymbolSet(0b110))),
];

/// The same letters at every run: each variable holds by itself, in its percentage of the rows.
fn letters(percents: &[u64]) -> Vec<Letter> {
    let mut state = 1_u64;
    let mut draw = || {
        // Knuth's linear congruential generator; its high bits are random enough.
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 33) % 100
    };
    let mut letter = || {
        let holds = |(symbol, percent): (usize, &u64)| (draw() < *percent).then_some(SymbolId(symbol as u8));
        percents.iter().enumerate().filter_map(holds).collect()
    };
    (0..ROWS).map(|_| letter()).collect()
}

/// Searches one partition from its first row to its end.
fn search(matcher: &DfaMatcher, letters: &[Letter], mut found: Vec<Match>) -> Vec<Match> {
    let mut runs = matcher.start();
    let rows = Rows { letters, poison: &[], times: &[] };
    matcher.push(&mut runs, rows, &mut found).expect("letters never fail");
    matcher.finish(&mut runs, &mut found).expect("letters never fail");
    found
}

fn matchers(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("matchers");
    group.throughput(Throughput::Elements(ROWS)).sample_size(20);
    for (name, pattern, percents, skip) in CASES {
        let parsed = parse(pattern).expect("the pattern is right");
        let program = Program::compile(&parsed.pattern, CompileLimits::default()).expect("the pattern is small");
        let options = SearchOptions { skip, ..SearchOptions::default() };
        let matcher = DfaMatcher::new(Arc::new(program), options);
        let letters = letters(percents);
        group.bench_function(name, |bencher| {
            bencher.iter_batched(Vec::new, |found| search(&matcher, &letters, found), BatchSize::LargeInput);
        });
    }
    group.finish();
}

criterion_group!(benches, matchers);
criterion_main!(benches);
