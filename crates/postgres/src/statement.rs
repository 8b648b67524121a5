//! Which statement a text is: one of the protocol's own, one about the system, or one of Dipper's SQL.

mod copy;
mod cursor;
mod prepare;
mod set;
mod superfluous;
mod transact;

pub(crate) use copy::{Copy, CopyFormat, Layout};
pub(crate) use cursor::{Declare, Fetch};
pub(crate) use prepare::Prepare;
pub(crate) use set::Set;
pub(crate) use transact::Transact;

use dipper_pg_catalog::is_about_system;

use crate::failure::{Failure, Result};
use crate::lexer::Reader;

/// SQL for the session or for the catalog, and where it stands.
#[derive(Debug, Clone)]
pub(crate) struct Sql {
    pub(crate) text: String,
    /// How many characters of what the client has sent stand before it.
    pub(crate) before: usize,
    /// Whether it is about the system.
    pub(crate) is_system: bool,
}

impl Sql {
    fn new(text: &str, before: usize) -> Self {
        let text = superfluous::without_dollars(text);
        let text = superfluous::without_positions(&text);
        let is_system = is_query(&text) && is_about_system(&text);
        let text = if is_system { text.into_owned() } else { superfluous::without_collations(&text).into_owned() };
        Self { text, before, is_system }
    }

    /// Its first word, in upper case.
    pub(crate) fn verb(&self) -> String {
        Reader::new(&self.text).name().unwrap_or_default().to_uppercase()
    }
}

/// A statement.
#[derive(Debug, Clone)]
pub(crate) enum Statement {
    Empty,
    /// For the session or the catalog.
    Sql(Sql),
    Transact(Transact),
    Set(Set),
    /// A setting; without a name all of them.
    Show(Option<String>),
    Prepare(Prepare),
    /// A prepared statement and its arguments as text, with where they stand.
    Execute {
        name: String,
        arguments: Option<Sql>,
    },
    /// A prepared statement; without a name all of them.
    Deallocate(Option<String>),
    /// Everything that the connection holds, or a part that there is none of.
    Discard {
        everything: bool,
    },
    Declare(Declare),
    Fetch(Fetch),
    /// A cursor; without a name all of them.
    CloseCursor(Option<String>),
    Copy(Copy),
    /// `UNLISTEN`: nobody listens.
    Unlisten,
}

impl Statement {
    /// The statement of a text, before which so many characters stand in what the client has sent. `is_setting` knows the settings that can be
    /// shown.
    pub(crate) fn parse(text: &str, before: usize, is_setting: impl Fn(&str) -> bool) -> Result<Self> {
        let source = Source { text, before };
        let mut reader = Reader::new(text);
        let Some(first) = reader.peek() else { return Ok(Self::Empty) };
        let start = reader;
        let word = reader.text_of(first).to_ascii_uppercase();
        reader.next();
        let own = match word.as_str() {
            "BEGIN" | "START" | "COMMIT" | "END" | "ROLLBACK" | "ABORT" | "SAVEPOINT" | "RELEASE" => {
                Some(Self::Transact(Transact::parse(&word, reader, source)?))
            }
            "SET" | "RESET" => Set::parse(&word, reader, source)?.map(Self::Set),
            "SHOW" => show(reader, is_setting),
            "PREPARE" => Some(Self::Prepare(Prepare::parse(reader, source)?)),
            "EXECUTE" if !reader.at_word("STATEMENT") => Some(prepare::execute(reader, source)?),
            "DEALLOCATE" => Some(prepare::deallocate(reader, source)?),
            "DISCARD" => Some(discard(reader, source)?),
            "DECLARE" => Some(Self::Declare(Declare::parse(reader, source)?)),
            "FETCH" | "MOVE" => Some(Self::Fetch(Fetch::parse(word == "MOVE", reader, source)?)),
            "CLOSE" => Some(Self::CloseCursor(name_or_all(reader, source)?)),
            "COPY" => Some(Self::Copy(Copy::parse(reader, source)?)),
            "UNLISTEN" => Some(Self::Unlisten),
            "LISTEN" | "NOTIFY" => {
                return Err(Failure::unsupported(format!(
                    "{word} is not supported: this server sends no notifications"
                )));
            }
            "LOCK" => {
                return Err(Failure::unsupported(
                    "LOCK is not supported: a reader sees one state of a table and needs none",
                ));
            }
            _ => None,
        };
        Ok(own.unwrap_or_else(|| Self::Sql(Sql::new(start.rest(), source.characters(start.here())))))
    }
}

/// The text of a statement in what the client has sent.
#[derive(Debug, Clone, Copy)]
struct Source<'a> {
    text: &'a str,
    before: usize,
}

impl Source<'_> {
    /// How many characters stand before a byte.
    fn characters(&self, byte: usize) -> usize {
        self.before + self.text[..byte].chars().count()
    }

    /// The error about what comes next.
    fn syntax_error(&self, reader: &Reader<'_>) -> Failure {
        let message = match reader.peek() {
            Some(token) => format!("syntax error at or near \"{}\"", reader.text_of(token)),
            None => "syntax error at end of input".to_owned(),
        };
        Failure::syntax(message).at(self.characters(reader.here()) + 1)
    }

    /// Nothing may follow.
    fn end(&self, reader: &Reader<'_>) -> Result<()> {
        if reader.is_at_end() { Ok(()) } else { Err(self.syntax_error(reader)) }
    }

    /// A name must follow.
    fn name(&self, reader: &mut Reader<'_>) -> Result<String> {
        reader.name().ok_or_else(|| self.syntax_error(reader))
    }

    /// A query must follow, up to the end.
    fn query(&self, reader: &Reader<'_>) -> Result<Sql> {
        if !is_query(reader.rest()) {
            return Err(self.syntax_error(reader));
        }
        Ok(Sql::new(reader.rest(), self.characters(reader.here())))
    }
}

/// Whether a text begins as a query does.
fn is_query(text: &str) -> bool {
    let mut reader = Reader::new(text);
    while reader.sign('(') {}
    reader.any_word(&["SELECT", "WITH", "VALUES", "TABLE"])
}

/// What is shown is a setting; anything else is for the session.
fn show(mut reader: Reader<'_>, is_setting: impl Fn(&str) -> bool) -> Option<Statement> {
    let name = if reader.words("TRANSACTION ISOLATION LEVEL") {
        "transaction_isolation".to_owned()
    } else if reader.words("TIME ZONE") {
        "timezone".to_owned()
    } else if reader.words("SESSION AUTHORIZATION") {
        "session_authorization".to_owned()
    } else {
        reader.dotted_name()?
    };
    if !reader.is_at_end() {
        return None;
    }
    match name.as_str() {
        "all" => Some(Statement::Show(None)),
        name if is_setting(name) => Some(Statement::Show(Some(name.to_owned()))),
        _ => None,
    }
}

fn discard(mut reader: Reader<'_>, source: Source<'_>) -> Result<Statement> {
    let everything = reader.word("ALL");
    if !everything && !reader.any_word(&["PLANS", "SEQUENCES", "TEMPORARY", "TEMP"]) {
        return Err(source.syntax_error(&reader));
    }
    source.end(&reader)?;
    Ok(Statement::Discard { everything })
}

/// A name, or `ALL` for none.
fn name_or_all(mut reader: Reader<'_>, source: Source<'_>) -> Result<Option<String>> {
    let name = if reader.word("ALL") { None } else { Some(source.name(&mut reader)?) };
    source.end(&reader)?;
    Ok(name)
}

#[cfg(test)]
mod tests;
