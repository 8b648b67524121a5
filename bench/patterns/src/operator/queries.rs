//! The queries of the operator, over the columns `k`, `ts`, `v` (0 to 99) and `ms` (`ts` as a number).

use super::OperatorQuery;
use super::rows::Data;
use crate::layout::Layout;
use crate::query::{Query, Work};

const MILLION: u64 = 1_000_000;

/// As many as a source makes by default.
const BATCH_ROWS: usize = 32_768;

const fn query(name: &'static str, rows: u64, layout: Layout, clause: &'static str) -> Query {
    on(name, rows, Data::Numbers { layout, step_ms: 10 }, BATCH_ROWS, clause)
}

const fn on(name: &'static str, rows: u64, data: Data, batch_rows: usize, clause: &'static str) -> Query {
    Query { name, rows, work: Work::Operator(OperatorQuery { clause, data, batch_rows }) }
}

const A_B: &str = "
    MEASURES A.v AS a, B.v AS b
    PATTERN (A B)
    DEFINE A AS A.v < 50, B AS B.v >= 50";

const A_B_A: &str = "
    MEASURES CLASSIFIER() AS variable
    ALL ROWS PER MATCH
    PATTERN (A+ B+ A+)
    DEFINE A AS A.v < 50, B AS B.v >= 50";

/// Few rows begin a match.
const RARE: &str = "
    MEASURES A.v AS a, B.v AS b
    PATTERN (A B)
    DEFINE A AS A.v < 1, B AS B.v >= 50";

const V_SHAPE: &str = "
    MEASURES FIRST(STRT.ts) AS started, LAST(DOWN.v) AS bottom, LAST(UP.ts) AS ended, COUNT(DOWN.*) AS falls
    PATTERN (STRT DOWN+ UP+ FIN)
    DEFINE DOWN AS DOWN.v < PREV(DOWN.v), UP AS UP.v > PREV(UP.v)";

const GROWING: &str = "
    MEASURES COUNT(*) AS length
    PATTERN (A B+)
    DEFINE A AS A.ms = 0, B AS B.v >= 0";

const GROWING_DATA: Data = Data::Numbers { layout: Layout::One, step_ms: 10 };

pub(crate) const QUERIES: &[Query] = &[
    query("operator/a-b/one", MILLION, Layout::One, A_B),
    query("operator/a-b/of-100", MILLION, Layout::Blocks(100), A_B),
    query("operator/a-b/1000", MILLION, Layout::Turns(1_000), A_B),
    query("operator/a-b-a/one", MILLION, Layout::One, A_B_A),
    query("operator/a-b-a/1000", MILLION, Layout::Turns(1_000), A_B_A),
    // Class H by its text, class R by position: LAST(A.v) is the row before.
    query(
        "operator/history/foldable",
        MILLION,
        Layout::One,
        "MEASURES A.v AS a, B.v AS b PATTERN (A B) DEFINE A AS A.v < 50, B AS B.v > LAST(A.v)",
    ),
    // Class H for good: A is any number of rows away.
    query(
        "operator/history/distant",
        MILLION,
        Layout::One,
        "MEASURES A.v AS a, B.v AS b PATTERN (A C* B)
         DEFINE A AS A.v < 90, C AS C.v <= LAST(A.v), B AS B.v > LAST(A.v)",
    ),
    query(
        "operator/never",
        100_000,
        Layout::One,
        "MEASURES X.v AS x PATTERN (A+ B+ C+ X) DEFINE A AS A.v >= 0, B AS B.v >= 0, C AS C.v >= 0, X AS X.v < 0",
    ),
    query(
        "operator/nested-plus",
        2 * MILLION,
        Layout::One,
        "MEASURES B.v AS b PATTERN ((A+)+ B) DEFINE A AS A.v >= 0, B AS B.v < 0",
    ),
    query(
        "operator/optional-4000",
        4_000,
        Layout::One,
        "MEASURES COUNT(*) AS length PATTERN ((A{0,1}){4000} A{4000}) DEFINE A AS A.v >= 0",
    ),
    query(
        "operator/a-b2/1-percent",
        MILLION,
        Layout::One,
        "MEASURES A.v AS a PATTERN (A B{2}) DEFINE A AS A.v < 1, B AS B.v < 50",
    ),
    query(
        "operator/a-b2/25-percent",
        MILLION,
        Layout::One,
        "MEASURES A.v AS a PATTERN (A B{2}) DEFINE A AS A.v < 25, B AS B.v < 50",
    ),
    query(
        "operator/a-b2/99-percent",
        MILLION,
        Layout::One,
        "MEASURES A.v AS a PATTERN (A B{2}) DEFINE A AS A.v < 99, B AS B.v < 50",
    ),
    // A thousand keys, a row of each every ten seconds on average.
    on(
        "operator/sessions",
        MILLION,
        Data::Numbers { layout: Layout::Drawn(1_000), step_ms: 10 },
        BATCH_ROWS,
        "MEASURES FIRST(ts) AS started, LAST(ts) AS ended, COUNT(*) AS events
         PATTERN (A B*)
         DEFINE B AS B.ts < PREV(B.ts) + INTERVAL '30' SECOND",
    ),
    query(
        "operator/streak",
        MILLION,
        Layout::Turns(1_000),
        "MEASURES S.v AS lowest, LAST(UP.v) AS highest PATTERN (S UP{3,}) DEFINE UP AS UP.v > PREV(UP.v)",
    ),
    query(
        "operator/funnel-2",
        MILLION,
        Layout::Blocks(10),
        "MEASURES A.ts AS a, B.ts AS b PATTERN (A X*? B) DEFINE A AS A.v < 30, B AS B.v BETWEEN 30 AND 59",
    ),
    query(
        "operator/funnel-3",
        MILLION,
        Layout::Blocks(10),
        "MEASURES A.ts AS a, B.ts AS b, C.ts AS c PATTERN (A X*? B X*? C)
         DEFINE A AS A.v < 30, B AS B.v BETWEEN 30 AND 59, C AS C.v >= 60",
    ),
    query(
        "operator/average",
        MILLION,
        Layout::Turns(1_000),
        "MEASURES AVG(A.v) AS mean, COUNT(A.*) AS length PATTERN (A+ B) DEFINE A AS AVG(A.v) < 50",
    ),
    query(
        "operator/bins",
        MILLION,
        Layout::Blocks(100),
        "MEASURES SUM(X.v) AS filled ALL ROWS PER MATCH PATTERN ((X | {- R -})+) DEFINE X AS SUM(X.v) <= 20",
    ),
    query(
        "operator/ranges",
        MILLION,
        Layout::One,
        "MEASURES FIRST(ms) AS low, MAX(ms + v / 4) AS high
         PATTERN (A* B)
         DEFINE A AS MAX(A.ms + A.v / 4) >= NEXT(A.ms)",
    ),
    query(
        "operator/skip-next-row",
        MILLION,
        Layout::One,
        "MEASURES A.v AS a AFTER MATCH SKIP TO NEXT ROW PATTERN (A B{2}) DEFINE A AS A.v < 50, B AS B.v < 50",
    ),
    query(
        "operator/skip-union",
        MILLION,
        Layout::One,
        "MEASURES A.v AS a AFTER MATCH SKIP TO LAST U PATTERN (A B C D) SUBSET U = (B, C)
         DEFINE A AS A.v < 80, B AS B.v < 80, C AS C.v < 80, D AS D.v < 80",
    ),
    query("operator/keys-100000", 5 * MILLION, Layout::Turns(100_000), RARE),
    query("operator/keys-100000-busy", 5 * MILLION, Layout::Turns(100_000), A_B),
    query("operator/keys-5000000", 10 * MILLION, Layout::Turns(5_000_000), RARE),
    on(
        "operator/time-outs",
        2 * MILLION,
        Data::Carts,
        BATCH_ROWS,
        "MEASURES FIRST(cart.ts) AS added, COUNT(*) AS events
         ONE ROW PER MATCH ONLY TIMEOUT MATCHES
         PATTERN (cart other* buy) WITHIN INTERVAL '30' MINUTE
         DEFINE cart AS cart.v = 0, other AS other.v = 2, buy AS buy.v = 1",
    ),
    query("operator/v-shape/one", MILLION, Layout::One, V_SHAPE),
    query("operator/v-shape/1000", MILLION, Layout::Turns(1_000), V_SHAPE),
    // One match that grows to the end, row by row and by whole batches.
    on("operator/growing/row-by-row", 100_000, GROWING_DATA, 1, GROWING),
    on("operator/growing/by-batches", 100_000, GROWING_DATA, BATCH_ROWS, GROWING),
];
