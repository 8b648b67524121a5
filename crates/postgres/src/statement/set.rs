//! `SET` and `RESET` of the settings of PostgreSQL. Those of Dipper have their names in quotes.

use super::Source;
use super::transact::{Modes, modes};
use crate::failure::{Failure, Result};
use crate::lexer::{Kind, Reader};

/// A change of settings.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Set {
    /// Without a value: to what it was in the beginning.
    One {
        name: String,
        value: Option<String>,
        is_local: bool,
    },
    /// Of the transaction that is going on.
    Transaction(Modes),
    /// Of all transactions to come.
    Transactions(Modes),
    ResetAll,
}

impl Set {
    /// What follows the first word; nothing if it is for the session.
    pub(super) fn parse(word: &str, mut reader: Reader<'_>, source: Source<'_>) -> Result<Option<Self>> {
        // 'key', or nothing.
        if reader.peek().is_none_or(|token| token.kind == Kind::Text) {
            return Ok(None);
        }
        if word == "RESET" {
            return reset(reader, source).map(Some);
        }
        if reader.words("SESSION CHARACTERISTICS AS TRANSACTION") {
            return Ok(Some(Self::Transactions(modes(&mut reader, source)?)));
        }
        if reader.words("TRANSACTION SNAPSHOT") {
            return Err(Failure::unsupported("SET TRANSACTION SNAPSHOT is not supported"));
        }
        if reader.word("TRANSACTION") {
            return Ok(Some(Self::Transaction(modes(&mut reader, source)?)));
        }
        if reader.at_word("CONSTRAINTS") {
            return Err(Failure::unsupported("SET CONSTRAINTS is not supported: there are no constraints to defer"));
        }
        let is_local = reader.word("LOCAL");
        if !is_local && !reader.words("SESSION AUTHORIZATION") {
            reader.word("SESSION");
        } else if !is_local {
            return authorization(reader, source).map(Some);
        }
        if reader.word("ROLE") {
            return authorization(reader, source).map(Some);
        }
        let mut is_offset = false;
        let name = if reader.words("TIME ZONE") {
            // `SET TIME ZONE INTERVAL '+00:00' HOUR TO MINUTE`
            is_offset = reader.word("INTERVAL");
            "TimeZone".to_owned()
        } else if reader.word("NAMES") {
            "client_encoding".to_owned()
        } else {
            let name = reader.dotted_name().ok_or_else(|| source.syntax_error(&reader))?;
            if !reader.word("TO") && !reader.sign('=') {
                return Err(source.syntax_error(&reader));
            }
            name
        };
        let value = value(&mut reader, source)?;
        if is_offset {
            reader.words("HOUR TO MINUTE");
        }
        source.end(&reader)?;
        Ok(Some(Self::One { name, value, is_local }))
    }
}

fn reset(mut reader: Reader<'_>, source: Source<'_>) -> Result<Set> {
    if reader.word("ALL") {
        source.end(&reader)?;
        return Ok(Set::ResetAll);
    }
    let name = if reader.words("TIME ZONE") {
        "TimeZone".to_owned()
    } else if reader.words("SESSION AUTHORIZATION") || reader.word("ROLE") {
        // It is the user's own at all times.
        return Ok(Set::Transaction(Modes::new()));
    } else {
        reader.dotted_name().ok_or_else(|| source.syntax_error(&reader))?
    };
    source.end(&reader)?;
    Ok(Set::One { name, value: None, is_local: false })
}

/// Nobody acts as another; `NONE` and `DEFAULT` are nobody else.
fn authorization(mut reader: Reader<'_>, source: Source<'_>) -> Result<Set> {
    if reader.any_word(&["NONE", "DEFAULT"]) {
        source.end(&reader)?;
        return Ok(Set::Transaction(Modes::new()));
    }
    let failure = Failure::unsupported("acting as another user is not supported");
    Err(failure.with_hint("connect as that user"))
}

/// Values with commas between them; nothing for `DEFAULT`.
fn value(reader: &mut Reader<'_>, source: Source<'_>) -> Result<Option<String>> {
    if reader.word("DEFAULT") {
        return Ok(None);
    }
    let mut values = Vec::new();
    loop {
        let mut copy = *reader;
        let minus = if copy.sign('-') {
            *reader = copy;
            "-"
        } else {
            ""
        };
        let token = reader.peek().ok_or_else(|| source.syntax_error(reader))?;
        let value = match token.kind {
            Kind::Text => reader.text(),
            Kind::Quoted => reader.name(),
            Kind::Word | Kind::Number => reader.next().map(|token| reader.text_of(token).to_owned()),
            Kind::Sign => None,
        };
        values.push(format!("{minus}{}", value.ok_or_else(|| source.syntax_error(reader))?));
        if !reader.sign(',') {
            return Ok(Some(values.join(", ")));
        }
    }
}
