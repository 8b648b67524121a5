//! Our own statements: everything but `CREATE TABLE`, which has its own file, and the queries inside.

use std::sync::Arc;

use dipper_types::{Error, Result, Span};
use sqlparser::tokenizer::{Location, Token, TokenWithSpan};

use super::cursor::{Cursor, starts_with_one_of};
use super::tokens::{closing, tokenize};
use super::{create_table, query};
use crate::ast::{AddColumns, CreateView, Drop, ExplainFormat, Insert, RelationKind, Statement};
use crate::source_text::{SourceText, position, span};

/// Statements of other systems that are refused by name.
const UNSUPPORTED: &[&str] = &[
    "ADD", "ANALYZE", "BEGIN", "CALL", "COMMIT", "COMPILE", "COPY", "DELETE", "GRANT", "LOAD", "MERGE", "REFRESH",
    "REMOVE", "REPLACE", "REVOKE", "ROLLBACK", "UNLOAD", "UPDATE", "UPSERT", "USE",
];

/// Parses one statement to its end.
pub(super) fn parse(cursor: &mut Cursor<'_>) -> Result<Statement> {
    let statement = parse_any(cursor)?;
    cursor.expect_end()?;
    Ok(statement)
}

fn parse_any(cursor: &mut Cursor<'_>) -> Result<Statement> {
    if query_follows(cursor.rest()) {
        return Ok(Statement::Query(Arc::new(query::parse_rest(cursor)?)));
    }
    if cursor.at_words(&["INSERT"]) {
        return Ok(Statement::Insert(Arc::new(parse_insert(cursor)?)));
    }
    if cursor.at_words(&["CREATE"]) {
        return parse_create(cursor);
    }
    if cursor.eat_words(&["DROP"]) {
        return parse_drop(cursor);
    }
    if cursor.eat_words(&["ALTER"]) {
        return parse_alter(cursor);
    }
    if cursor.eat_words(&["TRUNCATE"]) {
        cursor.expect_words(&["TABLE"])?;
        return Ok(Statement::Truncate(cursor.object_name("the table's name")?));
    }
    if cursor.eat_words(&["EXPLAIN"]) {
        return parse_explain(cursor);
    }
    if cursor.at_words(&["EXECUTE"]) {
        return parse_statement_set(cursor);
    }
    if cursor.eat_words(&["DESCRIBE"]) || cursor.eat_words(&["DESC"]) {
        return Ok(Statement::Describe(cursor.object_name("a table or a view")?));
    }
    if cursor.eat_words(&["SHOW"]) {
        return parse_show(cursor);
    }
    if cursor.eat_words(&["STOP"]) {
        cursor.expect_words(&["JOB"])?;
        let (id, span) = cursor.string("the job's id in single quotes")?;
        if cursor.at_words(&["WITH"]) {
            return Err(
                unsupported(cursor, "STOP JOB … WITH").with_hint("use dipper job stop, which takes a savepoint")
            );
        }
        return Ok(Statement::StopJob { id, span });
    }
    if cursor.eat_words(&["SET"]) {
        return parse_set(cursor);
    }
    if cursor.eat_words(&["RESET"]) {
        let key = if cursor.is_at_end() { None } else { Some(cursor.string("an option's name in single quotes")?) };
        return Ok(Statement::Reset(key));
    }
    if cursor.at_words(&["BEGIN", "STATEMENT", "SET"]) {
        return Err(unsupported(cursor, "BEGIN STATEMENT SET").with_hint("write EXECUTE STATEMENT SET BEGIN … END"));
    }
    if let Some(word) = UNSUPPORTED.iter().find(|word| cursor.at_words(&[word])) {
        return Err(unsupported(cursor, word));
    }
    Err(cursor.unexpected("a statement"))
}

fn unsupported(cursor: &Cursor<'_>, what: &str) -> Error {
    Error::unsupported(format!("{what} is not supported")).at(cursor.next_span())
}

fn query_follows(tokens: &[TokenWithSpan]) -> bool {
    starts_with_one_of(tokens, &["SELECT", "WITH", "VALUES"])
        || tokens.first().is_some_and(|token| token.token == Token::LParen)
}

/// Parses `INSERT INTO table [(columns)] query`.
fn parse_insert(cursor: &mut Cursor<'_>) -> Result<Insert> {
    let start = cursor.here();
    cursor.expect_words(&["INSERT"])?;
    if cursor.at_words(&["OVERWRITE"]) {
        return Err(unsupported(cursor, "INSERT OVERWRITE").with_hint("use INSERT INTO"));
    }
    cursor.expect_words(&["INTO"])?;
    let table = cursor.object_name("a table")?;
    if cursor.at_words(&["PARTITION"]) {
        return Err(
            unsupported(cursor, "INSERT INTO … PARTITION").with_hint("select the partition's value as a column")
        );
    }
    let columns = if cursor.at(&Token::LParen) && !query_follows(cursor.rest().get(1..).unwrap_or_default()) {
        cursor.names_in_parentheses("a column")?
    } else {
        Vec::new()
    };
    if !query_follows(cursor.rest()) {
        return Err(cursor.unexpected("a query or VALUES"));
    }
    let source = query::parse_rest(cursor)?;
    let span = cursor.since(start);
    Ok(Insert { table, columns, source, span })
}

fn parse_create(cursor: &mut Cursor<'_>) -> Result<Statement> {
    let start = cursor.next_span();
    cursor.expect_words(&["CREATE"])?;
    let or_replace = cursor.eat_words(&["OR", "REPLACE"]);
    let temporary = cursor.eat_words(&["TEMPORARY"]);
    if cursor.eat_words(&["TABLE"]) {
        if or_replace {
            let error = Error::unsupported("CREATE OR REPLACE TABLE is not supported");
            return Err(error.at(start).with_hint("use DROP TABLE IF EXISTS before CREATE TABLE"));
        }
        return Ok(Statement::CreateTable(Box::new(create_table::parse(cursor, temporary)?)));
    }
    if cursor.eat_words(&["VIEW"]) {
        return Ok(Statement::CreateView(Box::new(parse_view(cursor, or_replace, temporary)?)));
    }
    for what in ["CATALOG", "DATABASE", "FUNCTION", "MATERIALIZED", "MODEL", "SYSTEM", "SCHEMA", "INDEX"] {
        if cursor.at_words(&[what]) {
            return Err(unsupported(cursor, &format!("CREATE {what}")));
        }
    }
    Err(cursor.unexpected("TABLE or VIEW"))
}

fn parse_view(cursor: &mut Cursor<'_>, or_replace: bool, temporary: bool) -> Result<CreateView> {
    let if_not_exists = cursor.eat_words(&["IF", "NOT", "EXISTS"]);
    let name = cursor.object_name("the view's name")?;
    let columns = if cursor.at(&Token::LParen) { cursor.names_in_parentheses("a column")? } else { Vec::new() };
    let comment =
        if cursor.eat_words(&["COMMENT"]) { Some(cursor.string("the comment in single quotes")?.0) } else { None };
    cursor.expect_words(&["AS"])?;
    if !query_follows(cursor.rest()) {
        return Err(cursor.unexpected("a query"));
    }
    let query = query::parse_rest(cursor)?;
    let text = cursor.context().source.of(query.span).to_owned();
    Ok(CreateView { name, or_replace, if_not_exists, temporary, columns, comment, query, text })
}

fn parse_drop(cursor: &mut Cursor<'_>) -> Result<Statement> {
    cursor.eat_words(&["TEMPORARY"]);
    let kind = if cursor.eat_words(&["TABLE"]) {
        RelationKind::Table
    } else if cursor.eat_words(&["VIEW"]) {
        RelationKind::View
    } else {
        return Err(cursor.unexpected("TABLE or VIEW"));
    };
    let if_exists = cursor.eat_words(&["IF", "EXISTS"]);
    let name = cursor.object_name(if kind == RelationKind::Table { "the table's name" } else { "the view's name" })?;
    Ok(Statement::Drop(Drop { kind, if_exists, name }))
}

/// Parses what follows `ALTER`: `TABLE name ADD …`.
fn parse_alter(cursor: &mut Cursor<'_>) -> Result<Statement> {
    if !cursor.at_words(&["TABLE"]) {
        return Err(Error::unsupported("ALTER of anything but a table is not supported").at(cursor.next_span()));
    }
    cursor.expect_words(&["TABLE"])?;
    let table = cursor.object_name("the table's name")?;
    for what in ["ALTER", "DROP", "MODIFY", "RENAME", "RESET", "SET"] {
        if cursor.at_words(&[what]) {
            return Err(unsupported(cursor, &format!("ALTER TABLE … {what}"))
                .with_hint("columns can be added: ADD column type"));
        }
    }
    cursor.expect_words(&["ADD"])?;
    let parenthesised = cursor.at(&Token::LParen);
    if !parenthesised {
        cursor.eat_words(&["COLUMN"]);
    }
    let mut tokens = cursor.take_rest();
    if parenthesised {
        let closes = tokens.pop().is_some_and(|last| last.token == Token::RParen);
        tokens.remove(0);
        if !closes {
            return Err(cursor.unexpected("')'"));
        }
    }
    if tokens.is_empty() {
        return Err(cursor.unexpected("a column and its type"));
    }
    let span = tokens_span(&tokens);
    let columns = cursor.context().source.of(span).to_owned();
    Ok(Statement::AddColumns(AddColumns { table, columns, span }))
}

/// The `CREATE TABLE` statement with more columns at the end.
pub fn with_columns(create: &str, columns: &str) -> Result<String> {
    let source = SourceText::new(create);
    let tokens = tokenize(create)?;
    let open = tokens.iter().position(|token| token.token == Token::LParen);
    let close = open.and_then(|open| closing(&tokens, open)).and_then(|close| tokens.get(close));
    let close = close.ok_or_else(|| Error::internal("the definition of a table has no columns"))?;
    let (start, at) = (position(Location::new(1, 1)), position(close.span.start));
    // A comment at the end of a line would hide what follows it.
    let before = source.slice(start, at);
    Ok(format!(
        "{before}{}, {columns}{}",
        if before.contains("--") { "\n" } else { "" },
        source.slice(at, source.end())
    ))
}

/// Parses what follows `EXPLAIN`: `[PLAN FOR | (FORMAT {TEXT | JSON | DOT})] statement`.
fn parse_explain(cursor: &mut Cursor<'_>) -> Result<Statement> {
    let mut format = ExplainFormat::Text;
    let second = cursor.rest().get(1..).unwrap_or_default();
    if cursor.at(&Token::LParen) && !query_follows(second) {
        cursor.expect(&Token::LParen)?;
        for detail in ["ESTIMATED_COST", "CHANGELOG_MODE", "JSON_EXECUTION_PLAN", "PLAN_ADVICE"] {
            if cursor.at_words(&[detail]) {
                return Err(unsupported(cursor, detail).with_hint("use EXPLAIN (FORMAT TEXT), JSON or DOT"));
            }
        }
        cursor.expect_words(&["FORMAT"])?;
        format = parse_format(cursor)?;
        cursor.expect(&Token::RParen)?;
    } else if cursor.eat_words(&["FORMAT"]) {
        format = parse_format(cursor)?;
    } else {
        cursor.eat_words(&["PLAN", "FOR"]);
    }
    let statement = if query_follows(cursor.rest()) {
        Statement::Query(Arc::new(query::parse_rest(cursor)?))
    } else if cursor.at_words(&["INSERT"]) {
        Statement::Insert(Arc::new(parse_insert(cursor)?))
    } else if cursor.at_words(&["EXECUTE"]) || cursor.at_words(&["STATEMENT"]) {
        parse_statement_set(cursor)?
    } else {
        return Err(cursor.unexpected("a query, INSERT INTO or a statement set"));
    };
    Ok(Statement::Explain { format, statement: Box::new(statement) })
}

fn parse_format(cursor: &mut Cursor<'_>) -> Result<ExplainFormat> {
    for (word, format) in [("TEXT", ExplainFormat::Text), ("JSON", ExplainFormat::Json), ("DOT", ExplainFormat::Dot)] {
        if cursor.eat_words(&[word]) {
            return Ok(format);
        }
    }
    Err(cursor.unexpected("TEXT, JSON or DOT"))
}

/// Parses `[EXECUTE] STATEMENT SET BEGIN insert; … END`.
fn parse_statement_set(cursor: &mut Cursor<'_>) -> Result<Statement> {
    cursor.eat_words(&["EXECUTE"]);
    cursor.expect_words(&["STATEMENT", "SET", "BEGIN"])?;
    let mut inserts = Vec::new();
    while !cursor.eat_words(&["END"]) {
        if !cursor.at_words(&["INSERT"]) {
            return Err(cursor.unexpected("INSERT INTO or END"));
        }
        let (tokens, semicolon) = cursor.take_until_semicolon();
        let Some(end) = semicolon else {
            return Err(
                Error::invalid("expected ';' after this statement of the statement set").at(tokens_span(&tokens))
            );
        };
        let mut inner = Cursor::new(cursor.context(), tokens, end);
        inserts.push(parse_insert(&mut inner)?);
        inner.expect_end()?;
    }
    if inserts.is_empty() {
        let message = "a statement set needs at least one INSERT INTO";
        return Err(Error::invalid(message).at(cursor.last_span()));
    }
    Ok(Statement::StatementSet(inserts.into()))
}

fn tokens_span(tokens: &[TokenWithSpan]) -> Span {
    let first = tokens.first().map(|token| span(token.span));
    let last = tokens.last().map(|token| span(token.span));
    match (first, last) {
        (Some(first), Some(last)) => Span::new(first.start, last.end),
        _ => crate::source_text::character(dipper_types::Position { line: 1, column: 1 }),
    }
}

fn parse_show(cursor: &mut Cursor<'_>) -> Result<Statement> {
    for (word, statement) in [
        ("TABLES", Statement::ShowTables),
        ("VIEWS", Statement::ShowViews),
        ("FUNCTIONS", Statement::ShowFunctions),
        ("JOBS", Statement::ShowJobs),
    ] {
        if cursor.eat_words(&[word]) {
            return Ok(statement);
        }
    }
    if cursor.eat_words(&["CREATE", "TABLE"]) {
        return Ok(Statement::ShowCreate(RelationKind::Table, cursor.object_name("the table's name")?));
    }
    if cursor.eat_words(&["CREATE", "VIEW"]) {
        return Ok(Statement::ShowCreate(RelationKind::View, cursor.object_name("the view's name")?));
    }
    for what in ["CATALOGS", "COLUMNS", "CURRENT", "DATABASES", "FULL", "INDEXES", "JARS", "MODULES", "PARTITIONS"] {
        if cursor.at_words(&[what]) {
            return Err(unsupported(cursor, &format!("SHOW {what}")));
        }
    }
    Err(cursor.unexpected("TABLES, VIEWS, FUNCTIONS, JOBS, CREATE TABLE or CREATE VIEW"))
}

/// Parses what follows `SET`: nothing, or `'key' = 'value'`.
fn parse_set(cursor: &mut Cursor<'_>) -> Result<Statement> {
    const EXAMPLE: &str = "write SET 'key' = 'value', both in single quotes";
    if cursor.is_at_end() {
        return Ok(Statement::ShowSettings);
    }
    let (key, key_span) =
        cursor.string("an option's name in single quotes").map_err(|error| error.with_hint(EXAMPLE))?;
    cursor.expect(&Token::Eq)?;
    let (value, value_span) = cursor.string("a value in single quotes").map_err(|error| error.with_hint(EXAMPLE))?;
    Ok(Statement::Set { key, key_span, value, value_span })
}
