//! Puts calls in place of what `sqlparser` cannot read in a query: `MATCH_RECOGNIZE` clauses, row patterns in windows and window
//! table functions.
//!
//! A clause binds to the table factor just before it: what lies between it and the nearest `FROM`, `JOIN`, comma or open
//! parenthesis. So a clause may follow a clause, and the input may hold clauses of its own; both are rewritten by then.

use std::sync::Arc;

use dipper_types::{Error, Result};
use sqlparser::ast::{Ident, ObjectNamePart, TableFactor};
use sqlparser::tokenizer::{Span as TokenSpan, Token, TokenWithSpan};

use super::cursor::{Context, Cursor, starts_with_one_of};
use super::tokens::{closing, is_word};
use super::{match_recognize, window_pattern, window_tvf};
use crate::ast::{MATCH_RECOGNIZE, MatchRecognizeClause, RowPatternWindow};
use crate::source_text::span;

/// Words that cannot stand in a table factor outside its parentheses: the clause stands in the wrong place.
const NOT_IN_A_FACTOR: &[&str] = &[
    "EXCEPT",
    "GROUP",
    "HAVING",
    "INTERSECT",
    "LIMIT",
    "ON",
    "ORDER",
    "QUALIFY",
    "SELECT",
    "SET",
    "UNION",
    "USING",
    "VALUES",
    "WHERE",
    "WINDOW",
];

/// Rewrites one query, collecting its clauses.
pub(super) struct Rewriter<'a> {
    context: Context<'a>,
    clauses: Vec<Arc<MatchRecognizeClause>>,
    windows: Vec<Arc<RowPatternWindow>>,
    /// The names of the windows with a row pattern.
    window_names: Vec<Token>,
}

impl<'a> Rewriter<'a> {
    /// A rewriter without clauses yet.
    pub(super) fn new(context: Context<'a>) -> Self {
        Self { context, clauses: Vec::new(), windows: Vec::new(), window_names: Vec::new() }
    }

    /// The clauses, and the windows with a row pattern, by their index.
    pub(super) fn into_clauses(self) -> (Vec<Arc<MatchRecognizeClause>>, Vec<Arc<RowPatternWindow>>) {
        (self.clauses, self.windows)
    }

    /// Rewrites a query's tokens.
    pub(super) fn rewrite_query(&mut self, tokens: &[TokenWithSpan]) -> Result<Vec<TokenWithSpan>> {
        self.window_names = window_pattern::window_names(tokens);
        self.rewrite(tokens, false)
    }

    /// Rewrites tokens whose parentheses pair; in a clause's body its own `PATTERN (…)` stays as it is.
    fn rewrite(&mut self, tokens: &[TokenWithSpan], in_body: bool) -> Result<Vec<TokenWithSpan>> {
        let mut out: Vec<TokenWithSpan> = Vec::with_capacity(tokens.len());
        let mut depth = 0_usize;
        let mut at = 0;
        while let Some(token) = tokens.get(at) {
            if is_word(token, "MATCH_RECOGNIZE") && starts_with_one_of(&tokens[at + 1..], match_recognize::FIRST_WORDS)
            {
                let next = &tokens[at + 1];
                return Err(
                    Error::invalid(format!("expected '(' after MATCH_RECOGNIZE, found '{next}'")).at(span(next.span))
                );
            }
            let close = match tokens.get(at + 1) {
                Some(next) if next.token == Token::LParen => closing(tokens, at + 1),
                _ => None,
            };
            if let Some(close) = close {
                let inside = &tokens[at + 2..close];
                if is_word(token, "MATCH_RECOGNIZE") && !names_a_relation(&out) {
                    self.rewrite_clause(token, inside, &tokens[close], &mut out)?;
                    at = close + 1;
                    continue;
                }
                if let Some(window) = window_tvf::called(token, inside, in_from(&out))? {
                    let inside = self.rewrite(inside, false)?;
                    let call = window_tvf::rewrite(window, token, &inside, &tokens[close])?;
                    let wrapped = drop_table_wrapper(&mut out, tokens.get(close + 1));
                    out.extend(call);
                    at = close + 1 + usize::from(wrapped);
                    continue;
                }
                if is_word(token, "PATTERN") && in_body && depth == 0 {
                    out.extend_from_slice(&tokens[at..=close]);
                    at = close + 1;
                    continue;
                }
                let is_window =
                    is_word(token, "OVER") || (is_word(token, "AS") && window_pattern::is_named_window(&out, inside));
                if is_window && let Some(place) = window_pattern::pattern_in(inside) {
                    out.push(token.clone());
                    self.rewrite_window(&tokens[at + 1..=close], place, &mut out)?;
                    at = close + 1;
                    continue;
                }
            }
            match token.token {
                Token::LParen => depth += 1,
                Token::RParen => depth = depth.saturating_sub(1),
                Token::Word(_) if window_pattern::is_measure(&out, &tokens[at + 1..], &self.window_names) => {
                    if out.last().is_some_and(|before| before.token == Token::Period) {
                        let error = Error::invalid("a measure of a window belongs to no table").at(span(token.span));
                        return Err(error.with_hint(format!("write {token} OVER … alone")));
                    }
                    out.extend(window_pattern::measure(token));
                    at += 1;
                    continue;
                }
                _ => {}
            }
            out.push(token.clone());
            at += 1;
        }
        Ok(out)
    }

    /// Takes the table factor off the end of `out` and puts the call that stands for the clause there.
    fn rewrite_clause(
        &mut self,
        keyword: &TokenWithSpan,
        inside: &[TokenWithSpan],
        close: &TokenWithSpan,
        out: &mut Vec<TokenWithSpan>,
    ) -> Result<()> {
        let factor = out.split_off(factor_start(out, keyword)?);
        if factor.is_empty() {
            let error = Error::invalid("MATCH_RECOGNIZE needs an input table before it");
            return Err(error.at(span(keyword.span)).with_hint("write FROM table MATCH_RECOGNIZE (…)"));
        }
        let input_name = self.input_name(&factor, keyword)?;
        let body = self.rewrite(inside, true)?;
        let whole = TokenSpan::new(keyword.span.start, close.span.end);
        let cursor = Cursor::new(self.context, body, span(close.span));
        let clause = match_recognize::parse(cursor, span(whole), input_name)?;
        let index = self.clauses.len();
        self.clauses.push(Arc::new(clause));

        let place = keyword.span;
        out.push(word(MATCH_RECOGNIZE, place));
        out.push(sign(Token::LParen, place));
        out.push(sign(Token::Number(index.to_string(), false), place));
        out.push(sign(Token::Comma, place));
        out.extend(select_all_from(factor, place));
        out.push(sign(Token::RParen, close.span));
        Ok(())
    }

    /// Puts a mark in place of a window's specification, which stands in parentheses; `place` is that of its PATTERN.
    fn rewrite_window(
        &mut self,
        specification: &[TokenWithSpan],
        place: TokenSpan,
        out: &mut Vec<TokenWithSpan>,
    ) -> Result<()> {
        let [open, inside @ .., close] = specification else { return Ok(()) };
        let whole = TokenSpan::new(open.span.start, close.span.end);
        let body = self.rewrite(inside, true)?;
        let window = window_pattern::parse(Cursor::new(self.context, body, span(close.span)), span(whole))?;
        out.push(open.clone());
        out.extend(window_pattern::marker(self.windows.len(), place));
        out.push(close.clone());
        self.windows.push(Arc::new(window));
        Ok(())
    }

    /// Reads the table factor by itself: it must be exactly one, and its name is visible in the clause.
    fn input_name(&self, factor: &[TokenWithSpan], keyword: &TokenWithSpan) -> Result<Option<Ident>> {
        let mut cursor = Cursor::new(self.context, factor.to_vec(), span(keyword.span));
        let table = cursor.sql(|parser| parser.parse_table_factor())?;
        if !cursor.is_at_end() {
            return Err(cursor.unexpected("MATCH_RECOGNIZE right behind its input table"));
        }
        Ok(match table {
            TableFactor::Table { alias: Some(alias), .. }
            | TableFactor::Derived { alias: Some(alias), .. }
            | TableFactor::TableFunction { alias: Some(alias), .. }
            | TableFactor::Function { alias: Some(alias), .. }
            | TableFactor::UNNEST { alias: Some(alias), .. }
            | TableFactor::NestedJoin { alias: Some(alias), .. } => Some(alias.name),
            TableFactor::Table { name, args: None, .. } => match name.0.into_iter().next_back() {
                Some(ObjectNamePart::Identifier(name)) => Some(name),
                _ => None,
            },
            _ => None,
        })
    }
}

/// Whether the word before shows that `MATCH_RECOGNIZE (` only names something: a CTE, an alias, a qualified function.
fn names_a_relation(out: &[TokenWithSpan]) -> bool {
    out.last().is_some_and(|before| {
        before.token == Token::Period || ["WITH", "RECURSIVE", "AS"].iter().any(|word| is_word(before, word))
    })
}

/// Whether a table must follow.
fn in_from(out: &[TokenWithSpan]) -> bool {
    match out {
        [.., before] if ["FROM", "JOIN"].iter().any(|word| is_word(before, word)) => true,
        [.., table, open] => is_word(table, "TABLE") && open.token == Token::LParen,
        _ => false,
    }
}

/// Where the table factor at the end of `out` starts.
fn factor_start(out: &[TokenWithSpan], keyword: &TokenWithSpan) -> Result<usize> {
    let mut depth = 0_usize;
    for (i, token) in out.iter().enumerate().rev() {
        match token.token {
            Token::RParen | Token::RBracket | Token::RBrace => depth += 1,
            Token::LParen | Token::LBracket | Token::LBrace if depth == 0 => return Ok(i + 1),
            Token::LParen | Token::LBracket | Token::LBrace => depth -= 1,
            _ if depth > 0 => {}
            Token::Comma => return Ok(i + 1),
            _ if ["FROM", "JOIN", "APPLY"].iter().any(|word| is_word(token, word)) => return Ok(i + 1),
            _ if NOT_IN_A_FACTOR.iter().any(|word| is_word(token, word)) => break,
            _ => {}
        }
    }
    Err(Error::invalid("MATCH_RECOGNIZE must stand in FROM, right behind its input table")
        .at(span(keyword.span))
        .with_hint("put a join in parentheses: FROM (a JOIN b ON …) MATCH_RECOGNIZE (…)"))
}

/// Removes `TABLE (` from the end of `out` if `)` is what follows the call.
fn drop_table_wrapper(out: &mut Vec<TokenWithSpan>, next: Option<&TokenWithSpan>) -> bool {
    let [.., table, open] = out.as_slice() else { return false };
    let wrapped = is_word(table, "TABLE")
        && open.token == Token::LParen
        && next.is_some_and(|token| token.token == Token::RParen);
    if wrapped {
        out.truncate(out.len() - 2);
    }
    wrapped
}

/// `(SELECT * FROM factor)`.
pub(super) fn select_all_from(factor: Vec<TokenWithSpan>, place: TokenSpan) -> Vec<TokenWithSpan> {
    let mut tokens =
        vec![sign(Token::LParen, place), word("SELECT", place), sign(Token::Mul, place), word("FROM", place)];
    tokens.extend(factor);
    tokens.push(sign(Token::RParen, place));
    tokens
}

/// A word that the text does not have, at the place of the one it stands for.
pub(super) fn word(text: &str, place: TokenSpan) -> TokenWithSpan {
    TokenWithSpan::new(Token::make_word(text, None), place)
}

/// A sign that the text does not have, at the place of what it stands for.
pub(super) fn sign(token: Token, place: TokenSpan) -> TokenWithSpan {
    TokenWithSpan::new(token, place)
}
