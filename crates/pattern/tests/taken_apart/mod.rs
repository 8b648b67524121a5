//! Random patterns whose conditions look at the match so far: a program taken apart by position, over letters, must find what the
//! reference finds when it is told the labels.

use std::sync::Arc;

use dipper_pattern::reference::{Ending, find_all};
use dipper_pattern::{
    Answer, BacktrackMatcher, CompileLimits, Conditions, Match, MatchError, Navigation, Path, Place, Program,
    SearchOptions, Skip, SymbolId, SymbolSet, ThreadMatcher,
};
use proptest::prelude::*;

use super::engines::Case;
use super::{case, config};

const SYMBOLS: u8 = 3;
const DISTANCE_MAX: u32 = 2;

/// What a condition says about the row that a navigation reaches; its own row must have the variable in its letter besides.
#[derive(Clone, Copy, Debug)]
struct Demand {
    navigation: Navigation,
    /// The row reached must have one of these in its letter.
    any_of: SymbolSet,
    if_unmapped: bool,
    if_unknown: bool,
}

impl Demand {
    fn holds(&self, case: &Case, row: usize, answer: Answer) -> bool {
        match answer {
            Answer::Unmapped => self.if_unmapped,
            Answer::Unknown => self.if_unknown,
            Answer::Back(distance) => {
                // Where the search does not ask, there may be no such row.
                let reached = row.checked_sub(distance as usize).map(|row| case.rows[row].letter);
                reached.is_some_and(|letter| !letter.intersection(self.any_of).is_empty())
            }
        }
    }

    /// Where the navigation leads on a path.
    fn answer(&self, labels: &[SymbolId]) -> Answer {
        let mapped = |symbols: SymbolSet| (0..labels.len()).filter(move |row| symbols.contains(labels[*row]));
        let row = match self.navigation {
            Navigation::First { symbols, offset } => mapped(symbols).nth(offset as usize),
            Navigation::Last { symbols, offset } => mapped(symbols).rev().nth(offset as usize),
        };
        match row.map(|row| (labels.len() - 1 - row) as u32) {
            None => Answer::Unmapped,
            Some(distance) if distance <= DISTANCE_MAX => Answer::Back(distance),
            Some(_) => Answer::Unknown,
        }
    }
}

fn demand() -> impl Strategy<Value = Demand> {
    let set = || (1_u64..1 << SYMBOLS).prop_map(SymbolSet);
    let navigation = (any::<bool>(), set(), 0..u64::from(DISTANCE_MAX)).prop_map(|(first, symbols, offset)| {
        if first { Navigation::First { symbols, offset } } else { Navigation::Last { symbols, offset } }
    });
    (navigation, set(), any::<bool>(), any::<bool>()).prop_map(|(navigation, any_of, if_unmapped, if_unknown)| Demand {
        navigation,
        any_of,
        if_unmapped,
        if_unknown,
    })
}

fn demands() -> impl Strategy<Value = Vec<Vec<Demand>>> {
    prop::collection::vec(prop::collection::vec(demand(), 0..3), usize::from(SYMBOLS))
}

/// The clause with a symbol for each place.
struct Apart<'a> {
    case: &'a Case,
    demands: &'a [Vec<Demand>],
    program: Arc<Program>,
    options: SearchOptions,
    /// By new symbol.
    places: Vec<Place>,
}

impl<'a> Apart<'a> {
    /// `None` if there are more places than symbols.
    fn new(case: &'a Case, demands: &'a [Vec<Demand>]) -> Option<Self> {
        let navigations: Vec<Vec<Navigation>> =
            demands.iter().map(|demands| demands.iter().map(|demand| demand.navigation).collect()).collect();
        let whole = Program::compile(&case.pattern, CompileLimits::default()).unwrap();
        let split = whole.split(&navigations, DISTANCE_MAX)?;
        let mut places: Vec<Place> = Vec::new();
        let mut symbols = Vec::new();
        for place in split.places() {
            let same = |known: &Place| (known.symbol, &known.answers) == (place.symbol, &place.answers);
            let symbol = places.iter().position(same).unwrap_or_else(|| {
                places.push(place.clone());
                places.len() - 1
            });
            symbols.push(SymbolId(u8::try_from(symbol).ok()?));
        }
        if places.len() > dipper_pattern::MAX_SYMBOLS {
            return None;
        }
        let of = |set: SymbolSet| {
            let members = (0..places.len()).filter(|new| set.contains(places[*new].symbol));
            members.map(|new| SymbolId(new as u8)).collect()
        };
        let skip = match case.options.skip {
            Skip::ToFirst(set) => Skip::ToFirst(of(set)),
            Skip::ToLast(set) => Skip::ToLast(of(set)),
            other => other,
        };
        let options = SearchOptions { skip, step_budget: None, ..case.options.clone() };
        Some(Self { case, demands, program: Arc::new(split.program(&symbols)), options, places })
    }

    fn holds(&self, symbol: SymbolId, row: usize) -> bool {
        let place = &self.places[symbol.index()];
        let demands = &self.demands[place.symbol.index()];
        self.case.rows[row].letter.contains(place.symbol)
            && demands.iter().zip(&place.answers).all(|(demand, answer)| demand.holds(self.case, row, *answer))
    }

    fn restored(&self, found: &[Match]) -> Vec<Match> {
        let restored = |found: &Match| {
            let symbols = found.symbols.iter().map(|symbol| self.places[symbol.index()].symbol).collect();
            Match { symbols, ..found.clone() }
        };
        found.iter().map(restored).collect()
    }

    fn outcome<E>(&self, result: Result<(), MatchError<E>>, found: &[Match]) -> Result<Vec<Match>, String> {
        result.map(|()| self.restored(found)).map_err(|error| error.to_string())
    }

    fn threads(&self, mut see: impl FnMut(usize, &Result<Vec<Match>, String>)) -> Result<Vec<Match>, String> {
        let matcher = ThreadMatcher::new(Arc::clone(&self.program), self.options.clone());
        let (mut runs, mut out) = (matcher.start(), Vec::new());
        for (index, row) in self.case.rows.iter().enumerate() {
            let symbols = (0..self.places.len()).map(|symbol| SymbolId(symbol as u8));
            let letter = symbols.filter(|symbol| self.holds(*symbol, index)).collect();
            let mut pushed = matcher.push(&mut runs, letter, row.time, &mut out);
            if let (Ok(()), Some(time)) = (&pushed, row.expire) {
                pushed = matcher.expire(&mut runs, time, &mut out);
            }
            let outcome = self.outcome(pushed, &out);
            see(index, &outcome);
            outcome?;
        }
        let finished = matcher.finish(&mut runs, &mut out);
        self.outcome(finished, &out)
    }

    fn backtrack(&self) -> Result<Vec<Match>, String> {
        let matcher = BacktrackMatcher::new(Arc::clone(&self.program), self.options.clone());
        let (mut runs, mut out) = (matcher.start(), Vec::new());
        let mut conditions = Asked(self);
        for row in &self.case.rows {
            let mut pushed = matcher.push(&mut runs, row.time, &mut conditions, &mut out);
            if let (Ok(()), Some(time)) = (&pushed, row.expire) {
                pushed = matcher.expire(&mut runs, time, &mut conditions, &mut out);
            }
            self.outcome(pushed, &out)?;
        }
        let finished = matcher.finish(&mut runs, &mut conditions, &mut out);
        self.outcome(finished, &out)
    }
}

/// Answers by place, and checks that places tell the truth about the path.
struct Asked<'a>(&'a Apart<'a>);

impl Conditions for Asked<'_> {
    type Error = std::convert::Infallible;

    fn holds(&mut self, symbol: SymbolId, row: u64, path: &Path<'_>) -> Result<bool, Self::Error> {
        let places = &self.0.places;
        let labels: Vec<SymbolId> = path.labels().iter().map(|label| places[label.index()].symbol).collect();
        let place = &places[symbol.index()];
        for (demand, answer) in self.0.demands[place.symbol.index()].iter().zip(&place.answers) {
            assert_eq!(demand.answer(&labels), *answer);
        }
        Ok(self.0.holds(symbol, row as usize))
    }
}

fn reference(case: &Case, demands: &[Vec<Demand>], rows: usize, ending: Ending) -> Result<Vec<Match>, String> {
    let times: Vec<i64> = case.rows.iter().map(|row| row.time).collect();
    let holds = |symbol: SymbolId, row: usize, labels: &[SymbolId], _, _| {
        let demands = &demands[symbol.index()];
        let holds = case.rows[row].letter.contains(symbol)
            && demands.iter().all(|demand| demand.holds(case, row, demand.answer(labels)));
        Ok::<_, std::convert::Infallible>(holds)
    };
    find_all(&case.pattern, rows, Some(&times), &case.options, ending, holds).map_err(|error| match error {
        // Its variables are those of the program that was searched.
        MatchError::Skip { .. } | MatchError::StepBudget { .. } => error.to_string(),
        other => panic!("{other}"),
    })
}

proptest! {
    #![proptest_config(config())]

    #[test]
    fn a_program_taken_apart_finds_what_the_reference_finds(
        case in case(SYMBOLS, 3, false),
        demands in demands(),
    ) {
        let expected = reference(&case, &demands, case.rows.len(), Ending::Ended);
        if expected.as_ref().is_err_and(|error| error.contains("steps")) {
            return Ok(());
        }
        let Some(apart) = Apart::new(&case, &demands) else { return Ok(()) };
        let unbudgeted = Case { options: SearchOptions { step_budget: None, ..case.options.clone() }, ..case.clone() };
        let threads = apart.threads(|row, found| {
            let known = reference(&unbudgeted, &demands, row + 1, unbudgeted.ending(row));
            assert_eq!(*found, known, "after row {row}");
        });
        prop_assert_eq!(&threads, &expected, "threads");
        prop_assert_eq!(&apart.backtrack(), &expected, "backtracking");
    }
}
