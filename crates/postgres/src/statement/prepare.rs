//! Prepared statements in SQL.

use super::{Source, Sql, Statement, name_or_all};
use crate::failure::{Failure, Result};
use crate::lexer::Reader;
use crate::parameter::named;
use crate::sqlstate;

/// `PREPARE name (types) AS statement`.
#[derive(Debug, Clone)]
pub(crate) struct Prepare {
    pub(crate) name: String,
    /// The parameters' types, as far as they are given.
    pub(crate) types: Vec<u32>,
    pub(crate) sql: Sql,
}

impl Prepare {
    /// What follows the first word.
    pub(super) fn parse(mut reader: Reader<'_>, source: Source<'_>) -> Result<Self> {
        if reader.at_word("TRANSACTION") {
            return Err(Failure::unsupported("prepared transactions are not supported"));
        }
        let name = source.name(&mut reader)?;
        let types = if reader.sign('(') { types(&mut reader, source)? } else { Vec::new() };
        if !reader.word("AS") || reader.is_at_end() {
            return Err(source.syntax_error(&reader));
        }
        let sql = Sql::new(reader.rest(), source.characters(reader.here()));
        Ok(Self { name, types, sql })
    }
}

/// Types up to a bracket, with commas between them.
fn types(reader: &mut Reader<'_>, source: Source<'_>) -> Result<Vec<u32>> {
    let mut types = Vec::new();
    loop {
        let mut words = vec![reader.dotted_name().ok_or_else(|| source.syntax_error(reader))?];
        loop {
            if reader.sign('(') {
                reader.read_to_closing().ok_or_else(|| source.syntax_error(reader))?;
            } else if reader.sign('[') {
                reader.integer();
                if !reader.sign(']') {
                    return Err(source.syntax_error(reader));
                }
                if let Some(last) = words.last_mut().filter(|last| !last.ends_with("[]")) {
                    last.push_str("[]");
                }
            } else if let Some(word) = reader.name() {
                words.push(word);
            } else {
                break;
            }
        }
        let name = words.join(" ");
        let oid = named(&name)
            .ok_or_else(|| Failure::new(sqlstate::UNDEFINED_OBJECT, format!("type \"{name}\" does not exist")))?;
        types.push(oid);
        if reader.sign(')') {
            return Ok(types);
        }
        if !reader.sign(',') {
            return Err(source.syntax_error(reader));
        }
    }
}

/// What makes a query of arguments.
const SELECT: &str = "SELECT ";

/// `EXECUTE name (arguments)`: what gives the arguments is a query.
pub(super) fn execute(mut reader: Reader<'_>, source: Source<'_>) -> Result<Statement> {
    let name = source.name(&mut reader)?;
    let opening = reader;
    if !reader.sign('(') {
        source.end(&reader)?;
        return Ok(Statement::Execute { name, arguments: None });
    }
    let start = reader.last_end();
    reader.read_to_closing().ok_or_else(|| source.syntax_error(&reader))?;
    let end = reader.last_end() - 1;
    source.end(&reader)?;
    let expressions = &source.text[start..end];
    if expressions.trim().is_empty() {
        return Ok(Statement::Execute { name, arguments: None });
    }
    let before = source.characters(opening.here() + 1).saturating_sub(SELECT.len());
    let arguments = Some(Sql::new(&format!("{SELECT}{expressions}"), before));
    Ok(Statement::Execute { name, arguments })
}

/// `DEALLOCATE [PREPARE] name | ALL`.
pub(super) fn deallocate(mut reader: Reader<'_>, source: Source<'_>) -> Result<Statement> {
    reader.word("PREPARE");
    name_or_all(reader, source).map(Statement::Deallocate)
}
