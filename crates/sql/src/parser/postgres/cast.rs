//! `x::type` is Postgres's cast, and the types behind it mean what they mean there where that is something else than in standard SQL: `numeric`
//! without digits keeps them all, `time` has microseconds, and a text that begins with `\x` is bytes in hexadecimal.

use dipper_types::{Error, Result};
use sqlparser::tokenizer::{Token, TokenWithSpan};

use super::super::tokens::{is_word, tokenize};
use crate::source_text::span;

/// The tokens with such types spelt out. `is_decimal` says whether a parameter has as many digits as it needs.
pub(in crate::parser) fn spelt_out(
    tokens: Vec<TokenWithSpan>,
    is_decimal: impl Fn(&TokenWithSpan) -> bool,
) -> Result<Vec<TokenWithSpan>> {
    if !tokens.iter().any(|token| token.token == Token::DoubleColon || is_word(token, "bytea")) {
        return Ok(tokens);
    }
    let mut out: Vec<TokenWithSpan> = Vec::with_capacity(tokens.len());
    let mut tokens = tokens.into_iter().peekable();
    while let Some(token) = tokens.next() {
        // `CAST('\x00ff' AS bytea)`: only Postgres calls them so.
        if is_word(&token, "as") && tokens.peek().is_some_and(|next| is_word(next, "bytea")) {
            hexadecimal(&mut out)?;
        }
        let cast = token.token == Token::DoubleColon;
        let Some(name) = tokens.next_if(|next| cast && is_one_of(next, &["bytea", "decimal", "numeric", "time"]))
        else {
            out.push(token);
            continue;
        };
        let has_digits = tokens.peek().is_some_and(|next| next.token == Token::LParen);
        let spelt = if is_word(&name, "bytea") {
            hexadecimal(&mut out)?
        } else if has_digits {
            None
        } else if is_word(&name, "time") {
            // TIME WITH TIME ZONE stays what it is: refused.
            let zoned = tokens.peek().is_some_and(|next| is_one_of(next, &["with"]));
            (!zoned).then(|| "TIME(6)".to_owned())
        } else {
            match out.last().map(|operand| (&operand.token, is_decimal(operand))) {
                // It has the digits that it has.
                Some((Token::Placeholder(_), true)) => continue,
                Some((Token::Placeholder(_), false)) => Some("DECIMAL(38, 10)".to_owned()),
                Some((Token::SingleQuotedString(text) | Token::Number(text, _), _)) => digits_of(text),
                _ => {
                    let error = Error::unsupported("a cast to numeric without digits").at(span(name.span));
                    return Err(error.with_hint("say how many: numeric(38, 10)"));
                }
            }
        };
        match spelt {
            Some(spelt) if spelt.is_empty() => {}
            Some(spelt) => {
                out.push(token);
                let parts = tokenize(&spelt)?.into_iter();
                out.extend(parts.map(|part| TokenWithSpan { token: part.token, span: name.span }));
            }
            None => out.extend([token, name]),
        }
    }
    Ok(out)
}

fn is_one_of(token: &TokenWithSpan, words: &[&str]) -> bool {
    words.iter().any(|word| is_word(token, word))
}

/// Makes bytes of a text with `\x` that is cast to `bytea`: the cast is gone then, which the empty text says.
fn hexadecimal(out: &mut [TokenWithSpan]) -> Result<Option<String>> {
    let Some(operand) = out.last_mut() else { return Ok(None) };
    let (Token::SingleQuotedString(text) | Token::EscapedStringLiteral(text)) = &operand.token else { return Ok(None) };
    let Some(hex) = text.strip_prefix("\\x") else {
        if text.contains('\\') {
            let error = Error::unsupported("bytes with escapes").at(span(operand.span));
            return Err(error.with_hint("write them in hexadecimal: '\\x00ff'::bytea"));
        }
        return Ok(None);
    };
    if hex.len() % 2 == 1 || !hex.bytes().all(|digit| digit.is_ascii_hexdigit()) {
        return Err(Error::invalid(format!("invalid hexadecimal digits: '{text}'")).at(span(operand.span)));
    }
    operand.token = Token::HexStringLiteral(hex.to_owned());
    Ok(Some(String::new()))
}

/// The type with as many digits as a number is written with.
fn digits_of(text: &str) -> Option<String> {
    let digits = text.trim().trim_start_matches(['-', '+']);
    let (whole, behind) = digits.split_once('.').unwrap_or((digits, ""));
    let is_plain = whole.bytes().chain(behind.bytes()).all(|digit| digit.is_ascii_digit());
    let precision = (whole.len() + behind.len()).max(1);
    (is_plain && precision <= 38).then(|| format!("DECIMAL({precision}, {})", behind.len()))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test")]
    use super::*;

    fn spelt(sql: &str) -> Result<String> {
        let tokens = spelt_out(tokenize(sql)?, |token| token.token == Token::Placeholder("$1".to_owned()))?;
        Ok(tokens.iter().map(|token| token.to_string()).collect::<Vec<_>>().join(" "))
    }

    #[test]
    fn types_mean_what_they_mean_in_postgres() {
        for (sql, wanted) in [
            ("'-12.750'::numeric", "'-12.750' :: DECIMAL ( 5 , 3 )"),
            ("7::numeric", "7 :: DECIMAL ( 1 , 0 )"),
            ("$1::numeric, $2::numeric", "$1 , $2 :: DECIMAL ( 38 , 10 )"),
            ("x::numeric(5, 2)", "x :: numeric ( 5 , 2 )"),
            ("'1:2:3.4'::time", "'1:2:3.4' :: TIME ( 6 )"),
            ("'\\x00fF'::bytea", "X'00fF'"),
            ("'abc'::bytea", "'abc' :: bytea"),
            ("a::text", "a :: text"),
            ("CAST('\\x00' AS bytea)", "CAST ( X'00' AS bytea )"),
            ("CAST(a AS numeric)", "CAST ( a AS numeric )"),
        ] {
            assert_eq!(spelt(sql).unwrap(), wanted, "{sql}");
        }
    }

    #[test]
    fn what_would_be_something_else_is_refused() {
        assert_eq!(spelt("x::numeric").unwrap_err().to_string(), "a cast to numeric without digits");
        assert_eq!(spelt("'\\x0'::bytea").unwrap_err().to_string(), "invalid hexadecimal digits: '\\x0'");
        assert_eq!(spelt("'\\000'::bytea").unwrap_err().to_string(), "bytes with escapes");
    }
}
