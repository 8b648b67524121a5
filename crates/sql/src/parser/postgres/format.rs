//! Formats of times: Postgres's patterns (`YYYY-MM-DD`) as those of the functions that are here (`%Y-%m-%d`).

use dipper_types::{Error, Result};
use sqlparser::tokenizer::{Token, TokenWithSpan};

use super::super::tokens::is_word;
use crate::source_text::span;

/// Longer ones before those that they begin with.
const PATTERNS: [(&str, &str); 12] = [
    ("YYYY", "%Y"),
    ("HH24", "%H"),
    ("HH12", "%I"),
    ("HH", "%I"),
    ("MM", "%m"),
    ("DD", "%d"),
    ("MI", "%M"),
    ("SS", "%S"),
    ("MS", "%3f"),
    ("US", "%6f"),
    ("AM", "%p"),
    ("PM", "%p"),
];

/// The format in our patterns, if the token at `at` is one of Postgres's: the last argument of `TO_TIMESTAMP` or `TO_DATE`.
pub(super) fn of_call(tokens: &[TokenWithSpan], at: usize) -> Result<Option<Token>> {
    let Token::SingleQuotedString(format) = &tokens[at].token else { return Ok(None) };
    let is_postgres = ["YYYY", "HH24", "MI"].iter().any(|pattern| format.contains(pattern)) && !format.contains('%');
    let is_last = tokens.get(at + 1).is_some_and(|next| next.token == Token::RParen);
    if !is_postgres || !is_last || !calls_a_conversion(&tokens[..at]) {
        return Ok(None);
    }
    let (mut rest, mut ours) = (format.as_str(), String::new());
    while let Some(first) = rest.chars().next() {
        if let Some((pattern, own)) = PATTERNS.iter().find(|(pattern, _)| rest.starts_with(pattern)) {
            ours.push_str(own);
            rest = &rest[pattern.len()..];
        } else if first.is_alphanumeric() || first == '"' {
            let error = Error::unsupported(format!("'{first}' in the format '{format}' is not supported"));
            return Err(error.at(span(tokens[at].span)).with_hint("use YYYY, MM, DD, HH24, HH12, MI, SS, MS, US, AM"));
        } else {
            ours.push(first);
            rest = &rest[first.len_utf8()..];
        }
    }
    Ok(Some(Token::SingleQuotedString(ours)))
}

/// Whether the parenthesis that is open behind these tokens is that of such a call.
fn calls_a_conversion(before: &[TokenWithSpan]) -> bool {
    if before.last().is_none_or(|token| token.token != Token::Comma) {
        return false;
    }
    let mut depth = 0_usize;
    for (at, token) in before.iter().enumerate().rev() {
        match token.token {
            Token::RParen => depth += 1,
            Token::LParen if depth == 0 => {
                let name = at.checked_sub(1).and_then(|at| before.get(at));
                return name.is_some_and(|name| is_word(name, "TO_TIMESTAMP") || is_word(name, "TO_DATE"));
            }
            Token::LParen => depth -= 1,
            _ => {}
        }
    }
    false
}
