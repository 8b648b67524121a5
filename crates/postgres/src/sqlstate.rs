//! SQLSTATE: the codes that this server answers with, and which of them an error of ours is.

use dipper_types::{Error, ErrorKind};

pub(crate) const SUCCESS: &str = "00000";
pub(crate) const WARNING: &str = "01000";
pub(crate) const CONNECTION_FAILURE: &str = "08006";
pub(crate) const PROTOCOL_VIOLATION: &str = "08P01";
pub(crate) const FEATURE_NOT_SUPPORTED: &str = "0A000";
pub(crate) const NUMERIC_OUT_OF_RANGE: &str = "22003";
pub(crate) const DATETIME_OUT_OF_RANGE: &str = "22008";
pub(crate) const DIVISION_BY_ZERO: &str = "22012";
pub(crate) const INVALID_ENCODING: &str = "22021";
pub(crate) const INVALID_PARAMETER_VALUE: &str = "22023";
pub(crate) const INVALID_TEXT: &str = "22P02";
pub(crate) const INVALID_BINARY: &str = "22P03";
pub(crate) const INVALID_CURSOR_STATE: &str = "24000";
pub(crate) const ACTIVE_TRANSACTION: &str = "25001";
pub(crate) const READ_ONLY_TRANSACTION: &str = "25006";
pub(crate) const NO_ACTIVE_TRANSACTION: &str = "25P01";
pub(crate) const FAILED_TRANSACTION: &str = "25P02";
pub(crate) const IDLE_IN_TRANSACTION_TIMEOUT: &str = "25P03";
pub(crate) const IDLE_SESSION_TIMEOUT: &str = "57P05";
pub(crate) const UNDEFINED_STATEMENT: &str = "26000";
pub(crate) const INVALID_AUTHORIZATION: &str = "28000";
pub(crate) const INVALID_PASSWORD: &str = "28P01";
pub(crate) const UNDEFINED_CURSOR: &str = "34000";
pub(crate) const UNDEFINED_SAVEPOINT: &str = "3B001";
pub(crate) const UNDEFINED_DATABASE: &str = "3D000";
pub(crate) const WRONG_STATEMENT: &str = "42000";
pub(crate) const SYNTAX_ERROR: &str = "42601";
pub(crate) const UNDEFINED_COLUMN: &str = "42703";
pub(crate) const UNDEFINED_OBJECT: &str = "42704";
pub(crate) const DATATYPE_MISMATCH: &str = "42804";
pub(crate) const UNDEFINED_FUNCTION: &str = "42883";
pub(crate) const UNDEFINED_TABLE: &str = "42P01";
pub(crate) const DUPLICATE_CURSOR: &str = "42P03";
pub(crate) const DUPLICATE_STATEMENT: &str = "42P05";
pub(crate) const DUPLICATE_TABLE: &str = "42P07";
pub(crate) const OUT_OF_MEMORY: &str = "53200";
pub(crate) const TOO_MANY_CONNECTIONS: &str = "53300";
pub(crate) const LIMIT_EXCEEDED: &str = "53400";
pub(crate) const TOO_MANY_COLUMNS: &str = "54011";
pub(crate) const WRONG_STATE: &str = "55000";
pub(crate) const CANNOT_CHANGE_NOW: &str = "55P02";
pub(crate) const QUERY_CANCELED: &str = "57014";
pub(crate) const ADMIN_SHUTDOWN: &str = "57P01";
pub(crate) const IO_ERROR: &str = "58030";
pub(crate) const INTERNAL_ERROR: &str = "XX000";
pub(crate) const DATA_CORRUPTED: &str = "XX001";

/// What a message must have in it outside of quotes, all of it, to be of a code. The first that fits counts.
const BY_MESSAGE: &[(&[&str], &str)] = &[
    (&["memory", "exhausted"], OUT_OF_MEMORY),
    (&["not enough memory"], OUT_OF_MEMORY),
    (&["target lists can have"], TOO_MANY_COLUMNS),
    (&["table ", "already exists"], DUPLICATE_TABLE),
    (&["view ", "already exists"], DUPLICATE_TABLE),
    (&["unknown table function"], UNDEFINED_FUNCTION),
    (&["unknown function"], UNDEFINED_FUNCTION),
    (&["invalid function"], UNDEFINED_FUNCTION),
    (&["no function takes these arguments"], UNDEFINED_FUNCTION),
    (&["does not take a "], UNDEFINED_FUNCTION),
    (&["column ", "not found"], UNDEFINED_COLUMN),
    (&["no field named"], UNDEFINED_COLUMN),
    (&["unknown column"], UNDEFINED_COLUMN),
    (&["table ", "not found"], UNDEFINED_TABLE),
    (&["view ", "not found"], UNDEFINED_TABLE),
    (&["relation ", "does not exist"], UNDEFINED_TABLE),
    (&["table ", "does not exist"], UNDEFINED_TABLE),
    (&["unknown setting"], UNDEFINED_OBJECT),
    (&["divide by zero"], DIVISION_BY_ZERO),
    (&["division by zero"], DIVISION_BY_ZERO),
    (&["overflow"], NUMERIC_OUT_OF_RANGE),
    (&["out of range"], NUMERIC_OUT_OF_RANGE),
    (&["can't cast value", "to type"], NUMERIC_OUT_OF_RANGE),
    (&["cannot cast string"], INVALID_TEXT),
    (&["error parsing"], INVALID_TEXT),
    (&["invalid input syntax"], INVALID_TEXT),
    (&["cast error"], INVALID_TEXT),
    (&["expected ", "found"], SYNTAX_ERROR),
    (&["syntax error"], SYNTAX_ERROR),
    (&["unterminated"], SYNTAX_ERROR),
    (&["is not closed"], SYNTAX_ERROR),
    (&["closes nothing"], SYNTAX_ERROR),
    (&["incompatible types"], DATATYPE_MISMATCH),
    (&["cannot coerce"], DATATYPE_MISMATCH),
];

/// The code of an error of ours: what its message tells, or else what its kind does.
pub(crate) fn code_of(error: &Error) -> &'static str {
    let by_kind = match error.kind() {
        ErrorKind::Cancelled => return QUERY_CANCELED,
        ErrorKind::Unsupported => return FEATURE_NOT_SUPPORTED,
        ErrorKind::Invalid if error.span().is_some() => WRONG_STATEMENT,
        ErrorKind::Invalid => INVALID_PARAMETER_VALUE,
        ErrorKind::Unavailable => IO_ERROR,
        ErrorKind::Fenced => CANNOT_CHANGE_NOW,
        ErrorKind::Corrupt => DATA_CORRUPTED,
        _ => INTERNAL_ERROR,
    };
    let message = unquoted(&error.to_string()).to_lowercase();
    let known = BY_MESSAGE.iter().find(|(parts, _)| parts.iter().all(|part| message.contains(part)));
    known.map_or(by_kind, |(_, code)| code)
}

/// A message without what stands in quotes: names and values of the user's, which tell nothing. A quote within a word is an apostrophe.
fn unquoted(message: &str) -> String {
    let (mut rest, mut open, mut before) = (String::with_capacity(message.len()), None, ' ');
    let mut characters = message.chars().peekable();
    while let Some(character) = characters.next() {
        let begins = !before.is_alphanumeric();
        let ends = !characters.peek().is_some_and(|next| next.is_alphanumeric());
        match open {
            Some(quote) if quote == character && ends => open = None,
            None if matches!(character, '\'' | '"' | '`') && begins => open = Some(character),
            Some(_) => {}
            None => rest.push(character),
        }
        before = character;
    }
    rest
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_has_the_code_that_its_message_tells() {
        for (error, code) in [
            (Error::invalid("table 'x' not found"), UNDEFINED_TABLE),
            (Error::invalid("column 'x' not found"), UNDEFINED_COLUMN),
            (Error::invalid("unknown function 'f'"), UNDEFINED_FUNCTION),
            (Error::invalid("target lists can have at most 1664 entries"), TOO_MANY_COLUMNS),
            (Error::invalid("table 't' already exists"), DUPLICATE_TABLE),
            (Error::invalid("expected an expression, found ')'"), SYNTAX_ERROR),
            (Error::invalid("Divide by zero error"), DIVISION_BY_ZERO),
            (Error::invalid("Cannot cast string 'a' to value of Int32 type"), INVALID_TEXT),
            (Error::invalid("Cast error: Can't cast value 3000000001 to type Int32"), NUMERIC_OUT_OF_RANGE),
            (Error::unsupported("SELECT TOP is not supported"), FEATURE_NOT_SUPPORTED),
            (Error::cancelled(), QUERY_CANCELED),
            (Error::internal("a bug"), INTERNAL_ERROR),
            (Error::unavailable("nobody answers"), IO_ERROR),
        ] {
            assert_eq!(code_of(&error), code, "{error}");
        }
    }

    #[test]
    fn what_a_user_has_written_tells_no_code() {
        for (message, code) in [
            ("column 'overflow' not found", UNDEFINED_COLUMN),
            ("'division by zero' is no BIGINT", INVALID_PARAMETER_VALUE),
            ("the value \"table it's not found\" is too long", INVALID_PARAMETER_VALUE),
            ("'it's an overflow' is no DATE", INVALID_PARAMETER_VALUE),
            ("this '(' is not closed", SYNTAX_ERROR),
        ] {
            assert_eq!(code_of(&Error::invalid(message)), code, "{message}");
        }
    }
}
