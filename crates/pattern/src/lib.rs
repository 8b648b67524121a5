//! Row pattern matching for anyone who has rows and a pattern: the automata behind `MATCH_RECOGNIZE`.
//!
//! A *row pattern* is a regular expression whose letters are conditions on rows. This crate reads patterns, compiles them
//! and finds their matches in the rows of one partition, in the order of preference of SQL:2016, row by row as they come.
//! It knows neither SQL nor Arrow nor any clock: conditions are answered by the caller.
//!
//! # From text to program
//!
//! [`parse`] reads the text of a pattern into a [`Pattern`], in which variables are numbers; [`Program::compile`] makes an
//! automaton of it, which is immutable and shared by all partitions.
//!
//! ```
//! use std::sync::Arc;
//! use dipper_pattern::{CompileLimits, Program, parse};
//!
//! let parsed = parse("start down+ up+")?;
//! assert_eq!(parsed.names(), ["START", "DOWN", "UP"]);
//! let program = Arc::new(Program::compile(&parsed.pattern, CompileLimits::default())?);
//! assert_eq!(program.states().len(), 6);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! # Engines, one result
//!
//! | conditions look at | engine | the caller gives | cost per row |
//! | --- | --- | --- | --- |
//! | the row and rows at a fixed distance | [`DfaMatcher`] | a [`Letter`] per row: the variables whose conditions hold | one look into a table, however long matches run |
//! | the same, where the automaton has outgrown its memory | [`ThreadMatcher`] | the same | bounded by the program |
//! | the match so far as well | [`BacktrackMatcher`] | [`Conditions`], asked one at a time with the [`Path`] | unbounded: [`SearchOptions::step_budget`] |
//!
//! All are resumable: rows are pushed as they come, and matches are reported as soon as no preferred alternative can
//! change them. What a partition must remember is in [`DfaRuns`], [`ThreadRuns`] or [`BacktrackRuns`], which are plain data.
//!
//! ```
//! # use std::sync::Arc;
//! # use dipper_pattern::{CompileLimits, Program, parse};
//! use dipper_pattern::{DfaMatcher, Rows, SearchOptions, SymbolId, SymbolSet, Timeouts, Within};
//!
//! // In the cart and not bought within 30 minutes.
//! let parsed = parse("cart other* buy")?;
//! let program = Arc::new(Program::compile(&parsed.pattern, CompileLimits::default())?);
//! let options = SearchOptions {
//!     within: Some(Within { span: 30, inclusive: false }),
//!     timeouts: Timeouts::Only,
//!     ..SearchOptions::default()
//! };
//! let matcher = DfaMatcher::new(program, options);
//! let [cart, other, buy] = [0, 1, 2].map(|index| SymbolSet::of(&[SymbolId(index)]));
//!
//! let (mut runs, mut out) = (matcher.start(), Vec::new());
//! let rows = Rows { letters: &[cart, other, buy, cart, other], poison: &[], times: &[0, 5, 20, 40, 41] };
//! matcher.push(&mut runs, rows, &mut out)?;
//! assert_eq!(matcher.next_deadline(&runs), Some(70));
//! matcher.expire(&mut runs, 70, &mut out)?; // the watermark alone tells
//! assert_eq!((out.len(), out[0].start, out[0].symbols.len(), out[0].deadline), (1, 3, 2, Some(70)));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! ## Why the automaton is linear
//!
//! The search for the next match is kept as a list of ways of matching, in order of preference. What a row does to such a list depends on
//! the list and on the row's letter alone. So lists are the states of a deterministic automaton, made when they are first met; the rows' transitions are
//! all that is remembered of a match, and a pass over them from the last row to the first reads the variable of each row off them.
//!
//! - Without WITHIN, and when the search goes on past a match's last row, all starts share one list: of two ways that stand in the
//!   same place the earlier start's is preferred for ever, so the later one's is dropped.
//! - With WITHIN a later start can outlive an earlier one, and under SKIP TO NEXT ROW each start has a match of its own. There each start has
//!   its list, but starts that have come to the same list go on as one, so that a row costs what there are different lists.
//!   Deadlines ascend with the starts, so time ends the first start first, and nothing but the first start needs to be looked at.
//! - SKIP TO a variable follows the same way: every row's match is known by the time it is asked for, so nothing is searched again.
//!
//! Conditions that look at the match so far often look at rows whose distance follows from the place in the pattern:
//! [`Program::split`] finds out, so that the first engine can do what seems to need the second.
//!
//! # What is right
//!
//! [`mod@reference`] says: a recursion over the tree that shares nothing with compiler and engines but the skipping. A corpus
//! and generated cases hold the engines to it; counted steps, not time, hold the automaton to its cost.

mod ast;
mod backtrack;
mod compile;
mod dfa;
mod letter;
mod matched;
mod options;
mod program;
pub mod reference;
mod resume;
mod split;
mod syntax;
mod threads;

pub use ast::{Edge, Pattern};
pub use backtrack::{BacktrackMatcher, BacktrackRuns, Conditions, Path};
pub use compile::{CompileError, CompileLimits};
pub use dfa::{DfaMatcher, DfaRuns, Rows};
pub use letter::{Letter, MAX_SYMBOLS, SymbolId, SymbolSet};
pub use matched::{Excluded, Labels, Match, MatchError, SkipFault, Status};
pub use options::{OnSkipError, SearchOptions, Skip, Timeouts, Within};
pub use program::{Program, State, StateId};
pub use resume::resume;
pub use split::{Answer, Navigation, Place, RowBefore, Split};
pub use syntax::{Name, ParsedPattern, SyntaxError, parse};
pub use threads::{ThreadMatcher, ThreadRuns};
