//! Parameters: `$1`, `$2`, … are tokens, and a literal takes the place of one before anything is parsed. So they may stand wherever a literal may.

use dipper_types::{Error, Result};
use sqlparser::tokenizer::{Token, TokenWithSpan};

use super::tokens::tokenize;
use crate::source_text::span;

/// The largest number of a parameter, as in Postgres.
const PARAMETERS_MAX: usize = 65_535;

/// The largest `n` of a parameter `$n` in a script; 0 if there is none.
///
/// ```
/// assert_eq!(dipper_sql::parameter_count("SELECT $2, '$3' -- $4").unwrap(), 2);
/// ```
pub fn parameter_count(sql: &str) -> Result<usize> {
    let mut count = 0;
    for token in tokenize(sql)? {
        count = count.max(number(&token)?.unwrap_or(0));
    }
    Ok(count)
}

/// The tokens, those of a literal in the place of each parameter that has one.
pub(super) fn with_literals(tokens: Vec<TokenWithSpan>, literals: &[Option<String>]) -> Result<Vec<TokenWithSpan>> {
    if literals.is_empty() {
        return Ok(tokens);
    }
    let mut replaced = Vec::with_capacity(tokens.len());
    for token in tokens {
        match number(&token)?.and_then(|number| literals.get(number - 1)?.as_deref()) {
            // An error in the literal is one at the parameter.
            Some(literal) => {
                let literal = tokenize(literal)?.into_iter();
                replaced.extend(literal.map(|part| TokenWithSpan { token: part.token, span: token.span }));
            }
            None => replaced.push(token),
        }
    }
    Ok(replaced)
}

/// Whether a token is a parameter whose literal is a decimal number of so many digits.
pub(super) fn is_decimal(token: &TokenWithSpan, literals: &[Option<String>]) -> bool {
    let literal = number(token).ok().flatten().and_then(|number| literals.get(number - 1)?.as_deref());
    let typed = literal.filter(|literal| literal.starts_with("CAST(")).and_then(|literal| literal.rsplit_once(" AS "));
    typed.is_some_and(|(_, data_type)| data_type.starts_with("DECIMAL("))
}

fn number(token: &TokenWithSpan) -> Result<Option<usize>> {
    let Token::Placeholder(name) = &token.token else { return Ok(None) };
    let number = name.strip_prefix('$').and_then(|digits| digits.parse::<usize>().ok());
    let number = number.filter(|number| (1..=PARAMETERS_MAX).contains(number));
    number.map(Some).ok_or_else(|| {
        let error = Error::invalid(format!("'{name}' is no parameter")).at(span(token.span));
        error.with_hint("parameters are $1, $2, …")
    })
}
