//! Statements about transactions.

use super::Source;
use crate::failure::{Failure, Result};
use crate::lexer::Reader;

/// Settings of a transaction, as `(name, value)`.
pub(crate) type Modes = Vec<(&'static str, &'static str)>;

/// A statement about a transaction.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Transact {
    Begin(Modes),
    Commit,
    RollBack,
    Save(String),
    Release(String),
    RollBackTo(String),
}

impl Transact {
    /// What follows the first word.
    pub(super) fn parse(word: &str, mut reader: Reader<'_>, source: Source<'_>) -> Result<Self> {
        let transact = match word {
            "SAVEPOINT" => Self::Save(source.name(&mut reader)?),
            "RELEASE" => {
                reader.word("SAVEPOINT");
                Self::Release(source.name(&mut reader)?)
            }
            "BEGIN" | "START" => {
                let has_noun = reader.any_word(&["TRANSACTION", "WORK"]);
                if word == "START" && !has_noun {
                    return Err(source.syntax_error(&reader));
                }
                Self::Begin(modes(&mut reader, source)?)
            }
            _ => {
                if reader.word("PREPARED") || reader.words("TRANSACTION PREPARED") {
                    return Err(Failure::unsupported("prepared transactions are not supported"));
                }
                reader.any_word(&["TRANSACTION", "WORK"]);
                if matches!(word, "ROLLBACK") && reader.word("TO") {
                    reader.word("SAVEPOINT");
                    Self::RollBackTo(source.name(&mut reader)?)
                } else {
                    if reader.word("AND") && !reader.word("NO") {
                        return Err(
                            Failure::unsupported("AND CHAIN is not supported").with_hint("BEGIN another transaction")
                        );
                    }
                    reader.word("CHAIN");
                    if matches!(word, "COMMIT" | "END") { Self::Commit } else { Self::RollBack }
                }
            }
        };
        source.end(&reader)?;
        Ok(transact)
    }

    /// Whether it ends a transaction that has failed, or a part of it.
    pub(crate) fn is_way_out(&self) -> bool {
        matches!(self, Self::Commit | Self::RollBack | Self::RollBackTo(_))
    }
}

/// `ISOLATION LEVEL …`, `READ ONLY` and so on, with or without commas.
pub(super) fn modes(reader: &mut Reader<'_>, source: Source<'_>) -> Result<Modes> {
    const MODES: &[(&str, &str, &str)] = &[
        ("ISOLATION LEVEL SERIALIZABLE", "transaction_isolation", "serializable"),
        ("ISOLATION LEVEL REPEATABLE READ", "transaction_isolation", "repeatable read"),
        ("ISOLATION LEVEL READ COMMITTED", "transaction_isolation", "read committed"),
        ("ISOLATION LEVEL READ UNCOMMITTED", "transaction_isolation", "read uncommitted"),
        ("READ ONLY", "transaction_read_only", "on"),
        ("READ WRITE", "transaction_read_only", "off"),
        ("NOT DEFERRABLE", "transaction_deferrable", "off"),
        ("DEFERRABLE", "transaction_deferrable", "on"),
    ];
    let mut modes = Modes::new();
    while !reader.is_at_end() {
        let Some((_, name, value)) = MODES.iter().find(|(words, ..)| reader.words(words)) else {
            return Err(source.syntax_error(reader));
        };
        modes.push((name, value));
        reader.sign(',');
    }
    Ok(modes)
}
