//! Cursors: `DECLARE`, `FETCH` and `MOVE`.

use super::{Source, Sql};
use crate::failure::{Failure, Result};
use crate::lexer::Reader;

/// `DECLARE name CURSOR FOR query`.
#[derive(Debug, Clone)]
pub(crate) struct Declare {
    pub(crate) name: String,
    pub(crate) is_binary: bool,
    /// Whether it goes on when the transaction has ended.
    pub(crate) is_held: bool,
    pub(crate) sql: Sql,
}

impl Declare {
    /// What follows the first word.
    pub(super) fn parse(mut reader: Reader<'_>, source: Source<'_>) -> Result<Self> {
        let name = source.name(&mut reader)?;
        let mut is_binary = false;
        loop {
            if reader.word("BINARY") {
                is_binary = true;
            } else if reader.words("NO SCROLL") || reader.any_word(&["INSENSITIVE", "ASENSITIVE"]) {
            } else if reader.word("SCROLL") {
                return Err(Failure::unsupported("SCROLL is not supported: a cursor goes forward only"));
            } else {
                break;
            }
        }
        if !reader.word("CURSOR") {
            return Err(source.syntax_error(&reader));
        }
        let is_held = reader.words("WITH HOLD");
        reader.words("WITHOUT HOLD");
        if !reader.word("FOR") {
            return Err(source.syntax_error(&reader));
        }
        Ok(Self { name, is_binary, is_held, sql: source.query(&reader)? })
    }
}

/// `FETCH` and `MOVE`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Fetch {
    pub(crate) cursor: String,
    /// How many rows; nothing for all.
    pub(crate) count: Option<u64>,
    /// Whether they are only passed over.
    pub(crate) is_move: bool,
}

impl Fetch {
    /// What follows the first word.
    pub(super) fn parse(is_move: bool, mut reader: Reader<'_>, source: Source<'_>) -> Result<Self> {
        let count = count(&mut reader)?;
        reader.any_word(&["FROM", "IN"]);
        let cursor = source.name(&mut reader)?;
        source.end(&reader)?;
        Ok(Self { cursor, count, is_move })
    }
}

/// How many rows; one if it is not said.
fn count(reader: &mut Reader<'_>) -> Result<Option<u64>> {
    let backward = || Failure::unsupported("a cursor goes forward only");
    for word in ["PRIOR", "FIRST", "LAST", "ABSOLUTE", "RELATIVE", "BACKWARD"] {
        // A cursor may be called so.
        let mut ahead = *reader;
        if ahead.word(word) && !ahead.is_at_end() {
            return Err(backward().with_hint(format!("FETCH {word} is not supported")));
        }
    }
    let mut ahead = *reader;
    if ahead.any_word(&["FORWARD", "NEXT"]) && !ahead.is_at_end() {
        *reader = ahead;
    }
    let mut ahead = *reader;
    if ahead.word("ALL") && !ahead.is_at_end() {
        *reader = ahead;
        return Ok(None);
    }
    match reader.integer() {
        Some(number) => u64::try_from(number).map(Some).map_err(|_| backward()),
        None => Ok(Some(1)),
    }
}
