//! A whole script: its statements one by one, and whether the text of an interactive shell ends one.

use dipper_types::{Result, Span};
use sqlparser::tokenizer::{Token, TokenWithSpan};

use super::cursor::{Context, Cursor};
use super::parameter::{is_decimal, with_literals};
use super::postgres::{spelt_out, understood};
use super::statement;
use super::tokens::{check_nesting, is_unterminated, is_word, opens_statement_set, split, tokenize};
use crate::ast::Parsed;
use crate::dialect::DipperDialect;
use crate::source_text::{SourceText, character, position};

/// Parses the statements of a script, which are separated by semicolons.
///
/// The first mistake ends it: an error with its line and column. Nothing is resolved yet.
///
/// ```
/// let script = dipper_sql::parse_script("SET 'a' = 'b'; SELECT 1 -- done").unwrap();
/// assert_eq!(script[1].text, "SELECT 1");
/// ```
pub fn parse_script(sql: &str) -> Result<Vec<Parsed>> {
    parse_script_with(sql, &[])
}

/// Parses a script in which literals take the place of parameters: `literals[n - 1]` is the SQL text of `$n`. A parameter without one stays, and
/// only a query can be bound with it.
///
/// ```
/// let script = dipper_sql::parse_script_with("SELECT $1", &[Some("'a'".to_owned())]).unwrap();
/// assert_eq!(script[0].text, "SELECT $1");
/// ```
pub fn parse_script_with(sql: &str, literals: &[Option<String>]) -> Result<Vec<Parsed>> {
    let source = SourceText::new(sql);
    let tokens = spelt_out(understood(&tokenize(sql)?)?, |token| is_decimal(token, literals))?;
    let tokens = with_literals(tokens, literals)?;
    split(&tokens).into_iter().map(|(statement, semicolon)| parse_statement(&source, statement, semicolon)).collect()
}

fn parse_statement(
    source: &SourceText<'_>,
    tokens: &[TokenWithSpan],
    semicolon: Option<&TokenWithSpan>,
) -> Result<Parsed> {
    check_nesting(tokens)?;
    let dialect = DipperDialect::for_tokens(tokens);
    let context = Context { source, dialect: &dialect };
    let (start, end) = match (tokens.first(), tokens.last()) {
        (Some(first), Some(last)) => (position(first.span.start), position(last.span.end)),
        _ => (source.end(), source.end()),
    };
    let end_place = semicolon.map_or_else(|| character(end), |token| crate::source_text::span(token.span));
    let mut cursor = Cursor::new(context, tokens.to_vec(), end_place);
    let statement = statement::parse(&mut cursor)?;
    let span = Span::new(start, end);
    Ok(Parsed { statement, text: source.of(span).to_owned(), span })
}

/// Whether the text of an interactive shell is complete: it ends with a semicolon that ends a statement. A text that no
/// continuation can mend is complete too, so that its error is shown.
///
/// ```
/// assert!(dipper_sql::is_complete("SELECT ';';"));
/// assert!(!dipper_sql::is_complete("SELECT 1 -- ;"));
/// ```
pub fn is_complete(sql: &str) -> bool {
    let Ok(tokens) = tokenize(sql) else { return !is_unterminated(sql) };
    let Some(last) = tokens.last() else { return false };
    if last.token != Token::SemiColon {
        return false;
    }
    let Some((statement, _)) = split(&tokens).pop() else { return true };
    let open = statement.iter().fold(0_i64, |depth, token| match token.token {
        Token::LParen => depth + 1,
        Token::RParen => depth - 1,
        _ => depth,
    });
    let set_ended = statement.last().is_some_and(|token| is_word(token, "END"));
    open <= 0 && (!opens_statement_set(statement) || set_ended)
}
