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
//! # Two engines, one result
//!
//! | conditions look at | engine | the caller gives | cost per row |
//! | --- | --- | --- | --- |
//! | the row and rows at a fixed distance | [`ThreadMatcher`] | a [`Letter`]: the variables whose conditions hold | bounded by the program |
//! | the match so far as well | [`BacktrackMatcher`] | [`Conditions`], asked one at a time with the [`Path`] | unbounded: [`SearchOptions::step_budget`] |
//!
//! Both are resumable: each row is pushed as it comes, and matches are reported as soon as no preferred alternative can
//! change them. What a partition must remember is in [`ThreadRuns`] or [`BacktrackRuns`], which are plain data.
//!
//! ```
//! # use std::sync::Arc;
//! # use dipper_pattern::{CompileLimits, Program, parse};
//! use dipper_pattern::{SearchOptions, SymbolId, SymbolSet, ThreadMatcher, Timeouts, Within};
//!
//! // In the cart and not bought within 30 minutes.
//! let parsed = parse("cart other* buy")?;
//! let program = Arc::new(Program::compile(&parsed.pattern, CompileLimits::default())?);
//! let options = SearchOptions {
//!     within: Some(Within { span: 30, inclusive: false }),
//!     timeouts: Timeouts::Only,
//!     ..SearchOptions::default()
//! };
//! let matcher = ThreadMatcher::new(program, options);
//! let [cart, other, buy] = [0, 1, 2].map(|index| SymbolSet::of(&[SymbolId(index)]));
//!
//! let (mut runs, mut out) = (matcher.start(), Vec::new());
//! for (letter, minute) in [(cart, 0), (other, 5), (buy, 20), (cart, 40), (other, 41)] {
//!     matcher.push(&mut runs, letter, minute, &mut out)?;
//! }
//! assert_eq!(runs.next_deadline(), Some(70));
//! matcher.expire(&mut runs, 70, &mut out)?; // the watermark alone tells
//! assert_eq!((out.len(), out[0].start, out[0].symbols.len(), out[0].deadline), (1, 3, 2, Some(70)));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! # What is right
//!
//! [`mod@reference`] says: a recursion over the tree that shares nothing with compiler and engines but the skipping. A corpus
//! and generated cases hold the engines to it.

mod ast;
mod backtrack;
mod compile;
mod letter;
mod matched;
mod options;
mod program;
pub mod reference;
mod resume;
mod syntax;
mod threads;

pub use ast::{Edge, Pattern};
pub use backtrack::{BacktrackMatcher, BacktrackRuns, Conditions, Path};
pub use compile::{CompileError, CompileLimits};
pub use letter::{Letter, MAX_SYMBOLS, SymbolId, SymbolSet};
pub use matched::{Excluded, Match, MatchError, SkipFault, Status};
pub use options::{OnSkipError, SearchOptions, Skip, Timeouts, Within};
pub use program::{Program, State, StateId};
pub use resume::resume;
pub use syntax::{Name, ParsedPattern, SyntaxError, parse};
pub use threads::{ThreadMatcher, ThreadRuns};
