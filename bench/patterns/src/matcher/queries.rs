//! The queries of the matcher. All conditions are of class R: they are letters.

use dipper_pattern::{Skip, SymbolSet};

use super::{Letters, MatcherQuery};
use crate::layout::Layout;
use crate::query::{Query, Work};

const MILLION: u64 = 1_000_000;

const fn query(name: &'static str, rows: u64, pattern: &'static str, letters: Letters, layout: Layout) -> Query {
    skipping(name, rows, pattern, letters, layout, Skip::PastLastRow)
}

const fn skipping(
    name: &'static str,
    rows: u64,
    pattern: &'static str,
    letters: Letters,
    layout: Layout,
    skip: Skip,
) -> Query {
    Query { name, rows, work: Work::Matcher(MatcherQuery { pattern, letters, layout, skip }) }
}

/// The second and the third variable.
const UNION: SymbolSet = SymbolSet(0b110);

pub(crate) const QUERIES: &[Query] = &[
    query("matcher/a-b/one", MILLION, "A B", Letters::Chance(&[50, 50]), Layout::One),
    query("matcher/a-b/of-100", MILLION, "A B", Letters::Chance(&[50, 50]), Layout::Blocks(100)),
    query("matcher/a-b/1000", MILLION, "A B", Letters::Chance(&[50, 50]), Layout::Turns(1_000)),
    query("matcher/a-b/100000", MILLION, "A B", Letters::Chance(&[1, 50]), Layout::Turns(100_000)),
    query("matcher/a-b-a/one", MILLION, "A+ B+ A+", Letters::Chance(&[50, 50]), Layout::One),
    query("matcher/a-b-a/1000", MILLION, "A+ B+ A+", Letters::Chance(&[50, 50]), Layout::Turns(1_000)),
    // No cliff: the same work, whatever the length of the runs.
    query("matcher/a-b-a/runs-10", 4 * MILLION, "A+ B+ A+", Letters::Turns(2, 10), Layout::One),
    query("matcher/a-b-a/runs-1000", 4 * MILLION, "A+ B+ A+", Letters::Turns(2, 1_000), Layout::One),
    query("matcher/a-b-a/runs-1000000", 4 * MILLION, "A+ B+ A+", Letters::Turns(2, MILLION), Layout::One),
    query("matcher/lead/runs-10", 4 * MILLION, "A B+", Letters::Lead(10), Layout::One),
    query("matcher/lead/runs-1000", 4 * MILLION, "A B+", Letters::Lead(1_000), Layout::One),
    query("matcher/lead/runs-1000000", 4 * MILLION, "A B+", Letters::Lead(MILLION), Layout::One),
    skipping("matcher/lead-next-row/runs-10", 4 * MILLION, "A B+", Letters::Lead(10), Layout::One, Skip::ToNextRow),
    skipping(
        "matcher/lead-next-row/runs-1000",
        4 * MILLION,
        "A B+",
        Letters::Lead(1_000),
        Layout::One,
        Skip::ToNextRow,
    ),
    skipping(
        "matcher/lead-next-row/runs-1000000",
        4 * MILLION,
        "A B+",
        Letters::Lead(MILLION),
        Layout::One,
        Skip::ToNextRow,
    ),
    query("matcher/never", 100_000, "A+ B+ C+ X", Letters::Chance(&[100, 100, 100, 0]), Layout::One),
    query("matcher/nested-plus", 2 * MILLION, "(A+)+ B", Letters::Chance(&[100, 0]), Layout::One),
    query("matcher/optional-4000", 4_000, "(A{0,1}){4000} A{4000}", Letters::Chance(&[100]), Layout::One),
    query("matcher/a-b2/1-percent", MILLION, "A B{2}", Letters::Chance(&[1, 50]), Layout::One),
    query("matcher/a-b2/25-percent", MILLION, "A B{2}", Letters::Chance(&[25, 50]), Layout::One),
    query("matcher/a-b2/99-percent", MILLION, "A B{2}", Letters::Chance(&[99, 50]), Layout::One),
    query("matcher/streak", MILLION, "S UP{3,}", Letters::Chance(&[100, 50]), Layout::Turns(1_000)),
    query("matcher/funnel-3", MILLION, "A X*? B X*? C", Letters::Chance(&[30, 100, 30, 30]), Layout::Blocks(10)),
    query("matcher/v-shape/one", MILLION, "S DOWN+ UP+ F", Letters::Chance(&[100, 50, 50, 100]), Layout::One),
    query("matcher/v-shape/1000", MILLION, "S DOWN+ UP+ F", Letters::Chance(&[100, 50, 50, 100]), Layout::Turns(1_000)),
    skipping("matcher/skip-next-row", MILLION, "A B{2}", Letters::Chance(&[50, 50]), Layout::One, Skip::ToNextRow),
    skipping(
        "matcher/skip-union",
        MILLION,
        "A B C D",
        Letters::Chance(&[80, 80, 80, 80]),
        Layout::One,
        Skip::ToLast(UNION),
    ),
];
