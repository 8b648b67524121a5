//! Partial evaluation by position: conditions that look at the match so far become conditions on rows at a fixed distance, where the
//! place in the pattern tells the distance.
//!
//! What most people write is of class R once one knows where in the pattern the row stands: in `A B`, `A.amount` in B's condition
//! is `PREV(amount)`. [`dipper_pattern`] takes the program apart by what is known of the match at each place; here the conditions
//! are folded with it, and each different result becomes a symbol of its own. If any condition still needs the match so far,
//! everything stays as it was. The result depends on the clause alone, so that all who ask for it get the same.

mod fold;
mod null_rejection;

use dipper_pattern::{Answer, CompileLimits, MAX_SYMBOLS, Navigation, Program, Skip, Split, SymbolId, SymbolSet};
use dipper_types::{Error, Result};

use self::fold::Fold;
use crate::{ConditionClass, Define, FrameColumn, FrameExpr, Logical, MatchRecognizeSpec};

/// How far back navigations are followed, one after the other: the least that suffices keeps the program small.
const DISTANCES: [u32; 6] = [1, 2, 4, 8, 16, 32];

/// A clause as it is searched for: its program, and conditions for the program's symbols, each of which stands for a variable.
#[derive(Debug, Clone)]
pub struct Specialised {
    /// The automaton.
    pub program: Program,
    /// The conditions; a symbol without one is always true.
    pub defines: Vec<Define>,
    /// The variable that each of the program's symbols stands for, in the order of the variables.
    pub originals: Vec<SymbolId>,
}

impl Specialised {
    /// Folds the conditions of a clause if that makes all of them class R. Fails if the pattern is too large.
    pub fn new(spec: &MatchRecognizeSpec) -> Result<Self> {
        let whole = Self::unfolded(spec)?;
        if !is_worth_trying(&spec.defines) {
            return Ok(whole);
        }
        let navigations: Vec<Vec<Navigation>> = (0..spec.variables.len()).map(|symbol| asked(spec, symbol)).collect();
        for distance_max in DISTANCES {
            let Some(split) = whole.program.split(&navigations, distance_max) else { break };
            // What folding meets with an error may still be evaluated as it is written.
            if let Ok(Some(folded)) = Self::folded(spec, &split, &navigations) {
                return Ok(folded);
            }
        }
        Ok(whole)
    }

    /// The clause as it is written. Fails if the pattern is too large.
    pub fn unfolded(spec: &MatchRecognizeSpec) -> Result<Self> {
        let program = Program::compile(&spec.pattern, CompileLimits::default());
        Ok(Self {
            program: program.map_err(|error| Error::invalid(error.to_string()))?,
            defines: spec.defines.clone(),
            originals: (0..spec.variables.len()).map(|index| SymbolId(index as u8)).collect(),
        })
    }

    /// The variable that a symbol of the program stands for.
    pub fn original(&self, symbol: SymbolId) -> SymbolId {
        self.originals.get(symbol.index()).copied().unwrap_or(symbol)
    }

    /// The skip in the program's symbols.
    pub fn skip(&self, skip: Skip) -> Skip {
        let symbols_of = |variables: SymbolSet| {
            let symbols = (0..self.originals.len()).map(|index| SymbolId(index as u8));
            symbols.filter(|symbol| variables.contains(self.original(*symbol))).collect()
        };
        match skip {
            Skip::ToFirst(variables) => Skip::ToFirst(symbols_of(variables)),
            Skip::ToLast(variables) => Skip::ToLast(symbols_of(variables)),
            Skip::PastLastRow | Skip::ToNextRow => skip,
        }
    }

    /// The clause with its conditions folded; `None` if one of them is not of class R, or if there are too many.
    fn folded(spec: &MatchRecognizeSpec, split: &Split, navigations: &[Vec<Navigation>]) -> Result<Option<Self>> {
        let fold = Fold::new(spec, navigations);
        // Where something is unknown folding fails, if it does: better at once than after all the other places.
        for place in split.places().iter().filter(|place| place.answers.contains(&Answer::Unknown)) {
            if let Some(define) = spec.defines.iter().find(|define| define.symbol == place.symbol) {
                let condition = fold.condition(define, place)?;
                if (Define { symbol: define.symbol, condition }).class() != ConditionClass::R {
                    return Ok(None);
                }
            }
        }
        let mut symbols = vec![SymbolId(0); split.places().len()];
        let (mut defines, mut originals): (Vec<Define>, Vec<SymbolId>) = (Vec::new(), Vec::new());
        for (variable, define) in defined_or_not(spec) {
            let mut conditions: Vec<(Option<FrameExpr>, SymbolId)> = Vec::new();
            for (place, symbol) in split.places().iter().zip(&mut symbols) {
                if place.symbol != variable {
                    continue;
                }
                let condition = define.map(|define| fold.condition(define, place)).transpose()?;
                if let Some((_, known)) = conditions.iter().find(|(known, _)| *known == condition) {
                    *symbol = *known;
                    continue;
                }
                if originals.len() == MAX_SYMBOLS {
                    return Ok(None);
                }
                *symbol = SymbolId(originals.len() as u8);
                originals.push(variable);
                if let Some(condition) = condition.clone() {
                    let define = Define { symbol: *symbol, condition };
                    if define.class() != ConditionClass::R {
                        return Ok(None);
                    }
                    defines.push(define);
                }
                conditions.push((condition, *symbol));
            }
        }
        Ok(Some(Self { program: split.program(&symbols), defines, originals }))
    }
}

/// Whether some condition needs the match so far, and none needs of it what no place can tell.
fn is_worth_trying(defines: &[Define]) -> bool {
    let foldable = |column: &FrameColumn| {
        matches!(column, FrameColumn::Input { .. } | FrameColumn::Exists { .. } | FrameColumn::Classifier { .. })
    };
    defines.iter().any(|define| define.class() != ConditionClass::R)
        && defines.iter().flat_map(|define| &define.condition.frame.columns).all(foldable)
}

/// Each variable with its condition.
fn defined_or_not(spec: &MatchRecognizeSpec) -> impl Iterator<Item = (SymbolId, Option<&Define>)> {
    (0..spec.variables.len()).map(|index| {
        let symbol = SymbolId(index as u8);
        (symbol, spec.defines.iter().find(|define| define.symbol == symbol))
    })
}

/// The rows of the match that a variable's condition asks for.
fn asked(spec: &MatchRecognizeSpec, symbol: usize) -> Vec<Navigation> {
    let of_symbol = spec.defines.iter().filter(|define| define.symbol.index() == symbol);
    let mut found = Vec::new();
    for column in of_symbol.flat_map(|define| &define.condition.frame.columns) {
        if let Some(navigation) = column.target().and_then(|target| navigation(&target.logical))
            && !found.contains(&navigation)
        {
            found.push(navigation);
        }
    }
    found
}

fn navigation(logical: &Logical) -> Option<Navigation> {
    match *logical {
        Logical::Current => None,
        Logical::First { symbols, offset, .. } => Some(Navigation::First { symbols, offset }),
        Logical::Last { symbols, offset, .. } => Some(Navigation::Last { symbols, offset }),
    }
}

#[cfg(test)]
mod tests;
