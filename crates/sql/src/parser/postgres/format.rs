//! Formats of times: Postgres's patterns (`YYYY-MM-DD`) as those of the functions that are here (`%Y-%m-%d`).

use dipper_types::{Error, Result};
use sqlparser::tokenizer::{Token, TokenWithSpan};

use super::super::tokens::is_word;
use crate::source_text::span;

/// What can be read and written.
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

/// What can only be written. Names that Postgres pads with spaces are known with `FM`, which takes them away.
const WRITTEN: [(&str, &str); 15] = [
    ("FMMonth", "%B"),
    ("FMMM", "%-m"),
    ("FMDay", "%A"),
    ("FMDD", "%-d"),
    ("FMHH24", "%-H"),
    ("FMHH12", "%-I"),
    ("IYYY", "%G"),
    ("IW", "%V"),
    ("ID", "%u"),
    ("DDD", "%j"),
    ("Mon", "%b"),
    ("Dy", "%a"),
    ("YY", "%y"),
    ("am", "%P"),
    ("pm", "%P"),
];

/// Elements of Postgres that are not known, but begin as others do.
const REFUSED: [&str; 2] = ["Month", "SSSS"];

/// What is done with a format.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Use {
    Read,
    Write,
}

/// The format in our patterns, if the token at `at` is one of Postgres's: the last argument of `TO_TIMESTAMP`, `TO_DATE` or `TO_CHAR`.
pub(super) fn of_call(tokens: &[TokenWithSpan], at: usize) -> Result<Option<Token>> {
    let Token::SingleQuotedString(format) = &tokens[at].token else { return Ok(None) };
    let is_last = tokens.get(at + 1).is_some_and(|next| next.token == Token::RParen);
    if format.contains('%') || !is_last {
        return Ok(None);
    }
    let Some(purpose) = conversion(&tokens[..at]) else { return Ok(None) };
    // To write it, a format without a pattern of ours would say nothing.
    let is_postgres = ["YYYY", "HH24", "MI"].iter().any(|pattern| format.contains(pattern));
    if purpose == Use::Read && !is_postgres {
        return Ok(None);
    }
    let ours = translated(format, purpose).map_err(|element| {
        let error = Error::unsupported(format!("'{element}' in the format '{format}' is not supported"));
        error.at(span(tokens[at].span)).with_hint("use YYYY, MM, DD, HH24, HH12, MI, SS, MS, US, AM")
    })?;
    Ok(Some(Token::SingleQuotedString(ours)))
}

/// The format in our patterns, or what in it is not known.
fn translated(format: &str, purpose: Use) -> std::result::Result<String, String> {
    let (mut rest, mut ours) = (format, String::new());
    while let Some(first) = rest.chars().next() {
        let refused = REFUSED.iter().find(|element| purpose == Use::Write && rest.starts_with(**element));
        let written = WRITTEN.iter().filter(|_| purpose == Use::Write);
        // The longest.
        let known = written.chain(&PATTERNS).filter(|(pattern, _)| begins(rest, pattern, purpose));
        let known = known.max_by_key(|(pattern, _)| pattern.len());
        if let Some(element) = refused {
            return Err((*element).to_owned());
        } else if let Some((pattern, own)) = known {
            ours.push_str(own);
            rest = &rest[pattern.len()..];
        } else if let Some((text, behind)) = quoted(rest).filter(|_| purpose == Use::Write) {
            ours.push_str(text);
            rest = behind;
        } else if first.is_alphanumeric() || first == '"' {
            let end = rest.find(|character: char| !character.is_alphanumeric()).unwrap_or(rest.len());
            return Err(rest[..end.max(1)].to_owned());
        } else {
            ours.push(first);
            rest = &rest[first.len_utf8()..];
        }
    }
    Ok(ours)
}

/// Whether a format begins with a pattern. The case tells only how names and halves of the day are written.
fn begins(format: &str, pattern: &str, purpose: Use) -> bool {
    let is_number = purpose == Use::Write && !pattern.ends_with("AM") && !pattern.ends_with("PM");
    let is_number = is_number && !pattern.bytes().any(|letter| letter.is_ascii_lowercase());
    match format.get(..pattern.len()) {
        Some(start) if is_number => start.eq_ignore_ascii_case(pattern),
        start => start == Some(pattern),
    }
}

/// A text in double quotes, which stands for itself, and what follows it.
fn quoted(format: &str) -> Option<(&str, &str)> {
    format.strip_prefix('"')?.split_once('"')
}

/// What the call does whose parenthesis is open behind these tokens, if it is one of those with a format.
fn conversion(before: &[TokenWithSpan]) -> Option<Use> {
    if before.last().is_none_or(|token| token.token != Token::Comma) {
        return None;
    }
    let mut depth = 0_usize;
    for (at, token) in before.iter().enumerate().rev() {
        match token.token {
            Token::RParen => depth += 1,
            Token::LParen if depth == 0 => {
                let name = before.get(at.checked_sub(1)?)?;
                let reads = is_word(name, "TO_TIMESTAMP") || is_word(name, "TO_DATE");
                let writes = is_word(name, "TO_CHAR");
                return if reads { Some(Use::Read) } else { writes.then_some(Use::Write) };
            }
            Token::LParen => depth -= 1,
            _ => {}
        }
    }
    None
}
