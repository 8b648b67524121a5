//! Row patterns in windows: `OVER (… PATTERN (…) …)` and `WINDOW w AS (… PATTERN (…) …)`, and the measures of such a window, `m OVER w`.
//!
//! What the parts mean is the binder's business; those that `MATCH_RECOGNIZE` has too are read as they are there.

use dipper_types::{Error, Result, Span};
use sqlparser::tokenizer::{Span as TokenSpan, Token, TokenWithSpan};

use super::cursor::{Cursor, starts_with_one_of};
use super::match_recognize::{parse_after_match, parse_define, parse_expr, parse_measure, parse_pattern, parse_subset};
use super::rewrite::{sign, word};
use super::tokens::{are_words, closing, is_word};
use crate::ast::{
    MEASURE, MatchRecognizeClause, PartitionItem, ROW_PATTERN_WINDOW, RowPatternWindow, RowsPerMatchAst, TimeoutsAst,
};

/// What the frame of such a window must be.
const FRAME: &str = "ROWS BETWEEN CURRENT ROW AND UNBOUNDED FOLLOWING, or AND n FOLLOWING";
/// Words that can open a window's specification and no query.
const FIRST_WORDS: &[&str] =
    &["PARTITION", "ORDER", "MEASURES", "ROWS", "RANGE", "GROUPS", "AFTER", "INITIAL", "SEEK", "PATTERN"];
/// Words before `pattern (…)` that make it the call of a function.
const BEFORE_A_CALL: &[&str] =
    &["AND", "BETWEEN", "BY", "CASE", "ELSE", "IN", "LIKE", "NOT", "OR", "SELECT", "THEN", "WHEN"];

/// The place of `PATTERN` in a window's specification; `None` if it has no row pattern.
pub(super) fn pattern_in(specification: &[TokenWithSpan]) -> Option<TokenSpan> {
    let mut depth = 0_usize;
    for (at, token) in specification.iter().enumerate() {
        match token.token {
            Token::LParen => depth += 1,
            Token::RParen => depth = depth.saturating_sub(1),
            _ if depth > 0 || !is_word(token, "PATTERN") => {}
            _ => {
                let opens = specification.get(at + 1).is_some_and(|next| next.token == Token::LParen);
                let before = at.checked_sub(1).map(|before| &specification[before]);
                let behind_a_part = before.is_none_or(|before| match before.token {
                    Token::Word(_) => !starts_with_one_of(std::slice::from_ref(before), BEFORE_A_CALL),
                    Token::RParen | Token::Number(..) | Token::SingleQuotedString(_) => true,
                    _ => false,
                });
                if opens && behind_a_part {
                    return Some(token.span);
                }
            }
        }
    }
    None
}

/// Whether the parenthesis behind `AS`, with `before` in front of it, holds a window with a row pattern.
pub(super) fn is_named_window(before: &[TokenWithSpan], specification: &[TokenWithSpan]) -> bool {
    let [.., opening, name] = before else { return false };
    let named = matches!(name.token, Token::Word(_)) && (is_word(opening, "WINDOW") || opening.token == Token::Comma);
    named && starts_with_one_of(specification, FIRST_WORDS) && pattern_in(specification).is_some()
}

/// The names of all windows with a row pattern, wherever in the query they are defined.
pub(super) fn window_names(tokens: &[TokenWithSpan]) -> Vec<Token> {
    let mut names = Vec::new();
    for at in 1..tokens.len() {
        if is_word(&tokens[at], "AS")
            && tokens.get(at + 1).is_some_and(|next| next.token == Token::LParen)
            && let Some(close) = closing(tokens, at + 1)
            && is_named_window(&tokens[..at], &tokens[at + 2..close])
        {
            names.push(tokens[at - 1].token.clone());
        }
    }
    names
}

/// Whether a word between `before` and `rest` is a measure of a window with a row pattern.
pub(super) fn is_measure(before: &[TokenWithSpan], rest: &[TokenWithSpan], windows: &[Token]) -> bool {
    let ends_a_call = before.last().is_some_and(|word| is_word(word, "IGNORE") || is_word(word, "RESPECT"));
    if ends_a_call || !are_words(rest, 0, &["OVER"]) {
        return false;
    }
    match rest.get(1) {
        Some(open) if open.token == Token::LParen => closing(rest, 1).is_some_and(|close| match &rest[2..close] {
            // Refused later, by name.
            [name] => is_one_of(&name.token, windows),
            specification => pattern_in(specification).is_some(),
        }),
        Some(name) => is_one_of(&name.token, windows),
        None => false,
    }
}

/// Whether a word is one of these names.
fn is_one_of(word: &Token, names: &[Token]) -> bool {
    let Token::Word(word) = word else { return false };
    names.iter().any(|name| match name {
        Token::Word(name) if name.quote_style.is_none() && word.quote_style.is_none() => {
            name.value.eq_ignore_ascii_case(&word.value)
        }
        Token::Word(name) => name.value == word.value,
        _ => false,
    })
}

/// The call that stands for a measure.
pub(super) fn measure(name: &TokenWithSpan) -> [TokenWithSpan; 4] {
    [word(MEASURE, name.span), sign(Token::LParen, name.span), name.clone(), sign(Token::RParen, name.span)]
}

/// What stands for the specification of window `index` between its parentheses.
pub(super) fn marker(index: usize, place: TokenSpan) -> [TokenWithSpan; 6] {
    [
        word("PARTITION", place),
        word("BY", place),
        word(ROW_PATTERN_WINDOW, place),
        sign(Token::LParen, place),
        sign(Token::Number(index.to_string(), false), place),
        sign(Token::RParen, place),
    ]
}

/// Parses the tokens between a window's parentheses.
pub(super) fn parse(mut cursor: Cursor<'_>, span: Span) -> Result<RowPatternWindow> {
    let cursor = &mut cursor;
    let mut partition_by = Vec::new();
    if cursor.eat_words(&["PARTITION"]) {
        cursor.expect_words(&["BY"])?;
        partition_by = cursor.list(parse_partition_item)?;
    }
    let mut order_by = Vec::new();
    if cursor.eat_words(&["ORDER"]) {
        cursor.expect_words(&["BY"])?;
        order_by = cursor.list(|cursor| cursor.sql(|parser| parser.parse_order_by_expr()))?;
    }
    let measures = if cursor.eat_words(&["MEASURES"]) { cursor.list(parse_measure)? } else { Vec::new() };
    let following = parse_frame(cursor)?;
    refuse_parts_of_a_table(cursor)?;
    let after_match = if cursor.at_words(&["AFTER"]) { Some(parse_after_match(cursor)?) } else { None };
    let seek = cursor.eat_words(&["SEEK"]);
    if !seek {
        cursor.eat_words(&["INITIAL"]);
    }
    if !cursor.at_words(&["PATTERN"]) {
        return Err(cursor.unexpected(if after_match.is_some() { "INITIAL, SEEK or PATTERN" } else { "PATTERN" }));
    }
    let pattern = parse_pattern(cursor)?;
    refuse_parts_of_a_table(cursor)?;
    let subsets = if cursor.eat_words(&["SUBSET"]) { cursor.list(parse_subset)? } else { Vec::new() };
    let defines = if cursor.eat_words(&["DEFINE"]) { cursor.list(parse_define)? } else { Vec::new() };
    if !cursor.is_at_end() {
        let expected = if defines.is_empty() { "SUBSET, DEFINE or ')'" } else { "',' or ')'" };
        return Err(cursor.unexpected(expected));
    }
    let clause = MatchRecognizeClause {
        span,
        input_name: None,
        partition_by,
        order_by,
        measures,
        rows_per_match: RowsPerMatchAst::One,
        timeouts: TimeoutsAst::Hide,
        timeouts_span: None,
        after_match,
        pattern,
        within: None,
        subsets,
        defines,
    };
    Ok(RowPatternWindow { clause, following, seek })
}

fn parse_partition_item(cursor: &mut Cursor<'_>) -> Result<PartitionItem> {
    let (expr, span) = parse_expr(cursor, "a column or an expression")?;
    let text = cursor.context().source.of(span).to_owned();
    Ok(PartitionItem { expr, alias: None, span, text })
}

/// Reads the frame: how many rows it has behind the current one.
fn parse_frame(cursor: &mut Cursor<'_>) -> Result<Option<u64>> {
    let start = cursor.here();
    if !cursor.eat_words(&["ROWS", "BETWEEN", "CURRENT", "ROW", "AND"]) {
        let place = cursor.next_span();
        let is_a_frame = ["ROWS", "RANGE", "GROUPS"].iter().any(|word| cursor.at_words(&[word]));
        return Err(if is_a_frame || cursor.at_words(&["PATTERN"]) || cursor.at_words(&["AFTER"]) {
            Error::invalid("the frame of a window with a row pattern must be ROWS BETWEEN CURRENT ROW AND …")
                .at(place)
                .with_hint(format!("write {FRAME}"))
        } else {
            cursor.unexpected("PARTITION BY, ORDER BY, MEASURES or ROWS BETWEEN")
        });
    }
    let following = if cursor.eat_words(&["UNBOUNDED"]) {
        cursor.expect_words(&["FOLLOWING"])?;
        None
    } else if cursor.eat_words(&["CURRENT"]) {
        cursor.expect_words(&["ROW"])?;
        Some(0)
    } else {
        let (bound, place) = parse_expr(cursor, "UNBOUNDED FOLLOWING, n FOLLOWING or CURRENT ROW")?;
        cursor.expect_words(&["FOLLOWING"])?;
        let rows = bound
            .to_string()
            .parse()
            .map_err(|_| Error::invalid("the length of the frame must be a whole number of rows").at(place))?;
        Some(rows)
    };
    if cursor.at_words(&["EXCLUDE"]) {
        return Err(Error::invalid("EXCLUDE cannot be used with a row pattern: a match has no gaps")
            .at(Span::new(start, cursor.next_span().end)));
    }
    Ok(following)
}

/// Refuses what only `MATCH_RECOGNIZE` has.
fn refuse_parts_of_a_table(cursor: &Cursor<'_>) -> Result<()> {
    const PARTS: [(&[&str], &str); 5] = [
        (&["ONE", "ROW"], "ROWS PER MATCH"),
        (&["ALL", "ROWS"], "ROWS PER MATCH"),
        (&["SHOW"], "TIMEOUT MATCHES"),
        (&["ONLY"], "TIMEOUT MATCHES"),
        (&["WITHIN"], "WITHIN"),
    ];
    match PARTS.iter().find(|(words, _)| cursor.at_words(words)) {
        Some((_, part)) => {
            Err(Error::invalid(format!("{part} cannot stand in a window: it belongs to MATCH_RECOGNIZE"))
                .at(cursor.next_span()))
        }
        None => Ok(()),
    }
}
