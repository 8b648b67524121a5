//! Where a search goes on after a match: the one piece of the semantics that all matchers share.

use crate::{Match, MatchError, OnSkipError, SearchOptions, Skip, SkipFault};

/// The row at which to look for the next match. Marks the match where `SKIP TO variable` is not possible and need not be.
///
/// The matchers do so themselves; this is for a caller that looks for single matches.
pub fn resume<E>(found: &mut Match, options: &SearchOptions) -> Result<u64, MatchError<E>> {
    if found.is_empty() {
        return Ok(found.start + 1);
    }
    let (to, mapped) = match options.skip {
        Skip::PastLastRow => return Ok(found.end()),
        Skip::ToNextRow => return Ok(found.start + 1),
        Skip::ToFirst(to) => (to, found.symbols.iter().position(|symbol| to.contains(*symbol))),
        Skip::ToLast(to) => (to, found.symbols.iter().rposition(|symbol| to.contains(*symbol))),
    };
    let fault = match mapped {
        Some(0) => SkipFault::FirstRow,
        Some(index) => return Ok(found.start + index as u64),
        None => SkipFault::NotMapped,
    };
    match options.on_skip_error {
        OnSkipError::Fail => Err(MatchError::Skip { number: found.number, start: found.start, to, fault }),
        OnSkipError::NextRow => {
            found.skip_failed = true;
            Ok(found.start + 1)
        }
    }
}
