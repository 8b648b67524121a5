//! Flink's window table functions: `TUMBLE(TABLE t, DESCRIPTOR(ts), size)` and `HOP(…)`, by position or by name.
//!
//! The table becomes a subquery and the descriptor its column, because `sqlparser` knows neither; the planner takes the
//! call up again.

use dipper_types::{Error, Result, Span};
use sqlparser::tokenizer::{Token, TokenWithSpan};

use super::rewrite::{select_all_from, sign, word};
use super::tokens::{closing, is_word};
use crate::ast::{HOP, TUMBLE};
use crate::catalog::nearest;
use crate::source_text::span;

/// A window table function.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Window {
    /// Windows side by side.
    Tumble,
    /// Windows that overlap.
    Hop,
}

impl Window {
    fn name(self) -> &'static str {
        match self {
            Self::Tumble => "TUMBLE",
            Self::Hop => "HOP",
        }
    }

    /// The parameters in order; the last is optional.
    fn parameters(self) -> &'static [&'static str] {
        match self {
            Self::Tumble => &["DATA", "TIMECOL", "SIZE", "OFFSET"],
            Self::Hop => &["DATA", "TIMECOL", "SLIDE", "SIZE", "OFFSET"],
        }
    }

    fn usage(self) -> &'static str {
        match self {
            Self::Tumble => "write TUMBLE(TABLE t, DESCRIPTOR(time_column), size [, offset])",
            Self::Hop => "write HOP(TABLE t, DESCRIPTOR(time_column), slide, size [, offset])",
        }
    }
}

/// Which window table function a call of `name` with these arguments is; functions of the same name are not taken.
/// In FROM, where a table must follow, their names are theirs alone.
pub(super) fn called(name: &TokenWithSpan, arguments: &[TokenWithSpan], in_from: bool) -> Result<Option<Window>> {
    let takes_a_table = match arguments {
        [first, second, ..] if matches!(first.token, Token::Word(_)) && second.token == Token::RArrow => true,
        [first, ..] => is_word(first, "TABLE") || mentions_descriptor(arguments),
        [] => false,
    };
    let is_window = ["TUMBLE", "HOP", "CUMULATE", "SESSION"].iter().any(|window| is_word(name, window));
    let is_meant = takes_a_table || (in_from && is_window);
    if !is_meant {
        return Ok(None);
    }
    if is_word(name, "TUMBLE") {
        return Ok(Some(Window::Tumble));
    }
    if is_word(name, "HOP") {
        return Ok(Some(Window::Hop));
    }
    for unsupported in ["CUMULATE", "SESSION"] {
        if is_word(name, unsupported) {
            let error = Error::unsupported(format!("the window {unsupported} is not supported yet"));
            return Err(error.at(span(name.span)).with_hint("TUMBLE and HOP are; MATCH_RECOGNIZE can find sessions"));
        }
    }
    // A column may be called `descriptor` as well.
    let is_descriptor = |argument: &&[TokenWithSpan]| match argument {
        [word, open, ..] => is_word(word, "DESCRIPTOR") && open.token == Token::LParen,
        _ => false,
    };
    if split_arguments(arguments).iter().any(is_descriptor) {
        let error = Error::invalid(format!("there is no window '{name}'")).at(span(name.span));
        return Err(match nearest(&name.to_string().to_uppercase(), ["TUMBLE", "HOP"]) {
            Some(meant) => error.with_hint(format!("did you mean {meant}?")),
            None => error.with_hint("TUMBLE and HOP are supported"),
        });
    }
    Ok(None)
}

fn mentions_descriptor(tokens: &[TokenWithSpan]) -> bool {
    tokens.iter().any(|token| is_word(token, "DESCRIPTOR"))
}

/// The tokens of the call that stands for `name(arguments)`.
pub(super) fn rewrite(
    window: Window,
    name: &TokenWithSpan,
    arguments: &[TokenWithSpan],
    close: &TokenWithSpan,
) -> Result<Vec<TokenWithSpan>> {
    let place = span(name.span);
    if arguments.is_empty() {
        return Err(wrong(window, format!("{} has no arguments", window.name()), place));
    }
    let arguments = by_position(window, split_arguments(arguments), place)?;
    let function = match window {
        Window::Tumble => TUMBLE,
        Window::Hop => HOP,
    };
    let mut out = vec![word(function, name.span), sign(Token::LParen, name.span)];
    for (parameter, argument) in window.parameters().iter().zip(arguments) {
        let Some(argument) = argument else { continue };
        match *parameter {
            "DATA" => out.extend(input(window, argument, place)?),
            "TIMECOL" => {
                out.push(sign(Token::Comma, name.span));
                out.push(time_column(window, argument, place)?);
            }
            _ => {
                out.push(sign(Token::Comma, name.span));
                out.extend_from_slice(argument);
            }
        }
    }
    out.push(sign(Token::RParen, close.span));
    Ok(out)
}

/// Splits arguments at the commas that stand outside all parentheses.
fn split_arguments(tokens: &[TokenWithSpan]) -> Vec<&[TokenWithSpan]> {
    let mut depth = 0_usize;
    tokens
        .split(|token| {
            match token.token {
                Token::LParen | Token::LBracket | Token::LBrace => depth += 1,
                Token::RParen | Token::RBracket | Token::RBrace => depth = depth.saturating_sub(1),
                _ => {}
            }
            depth == 0 && token.token == Token::Comma
        })
        .collect()
}

/// Puts named arguments in the order of the parameters, and checks the number.
fn by_position(window: Window, arguments: Vec<&[TokenWithSpan]>, place: Span) -> Result<Vec<Option<&[TokenWithSpan]>>> {
    let parameters = window.parameters();
    let mut ordered: Vec<Option<&[TokenWithSpan]>> = vec![None; parameters.len()];
    let mut positional = 0;
    for argument in arguments {
        let (slot, value) = match argument {
            [name, arrow, value @ ..] if arrow.token == Token::RArrow => {
                let Some(slot) = parameters.iter().position(|parameter| is_word(name, parameter)) else {
                    let message = format!("{} has no argument {name}", window.name());
                    return Err(wrong(window, message, span(name.span)));
                };
                if positional > 0 {
                    let message = "arguments by name and by position cannot be mixed".to_owned();
                    return Err(wrong(window, message, span(name.span)));
                }
                (slot, value)
            }
            value => {
                positional += 1;
                (positional - 1, value)
            }
        };
        let here = argument.first().map_or(place, |token| span(token.span));
        let Some(free) = ordered.get_mut(slot) else {
            return Err(wrong(window, format!("{} has too many arguments", window.name()), here));
        };
        if free.is_some() {
            let message = format!("argument {} of {} is given twice", parameters[slot], window.name());
            return Err(wrong(window, message, here));
        }
        if value.is_empty() {
            return Err(wrong(window, format!("argument {} of {} is empty", parameters[slot], window.name()), here));
        }
        *free = Some(value);
    }
    let required = parameters.len() - 1;
    if let Some(missing) = ordered[..required].iter().position(Option::is_none) {
        let message = format!("argument {} of {} is missing", parameters[missing], window.name());
        return Err(wrong(window, message, place));
    }
    Ok(ordered)
}

fn wrong(window: Window, message: String, place: Span) -> Error {
    Error::invalid(message).at(place).with_hint(window.usage())
}

/// The subquery for `TABLE t`, `TABLE (query)` or `(query)`.
fn input(window: Window, argument: &[TokenWithSpan], place: Span) -> Result<Vec<TokenWithSpan>> {
    let here = argument.first().map_or(place, |token| span(token.span));
    let refuse = || wrong(window, "expected TABLE and a table's name".to_owned(), here);
    let (is_table, relation) = match argument {
        [first, rest @ ..] if is_word(first, "TABLE") => (true, rest),
        all => (false, all),
    };
    let Some(first) = relation.first() else { return Err(refuse()) };
    if first.token == Token::LParen {
        let whole = closing(relation, 0) == Some(relation.len() - 1);
        return if whole { Ok(relation.to_vec()) } else { Err(refuse()) };
    }
    if let Some(partition) = relation.iter().find(|token| is_word(token, "PARTITION")) {
        let error = Error::unsupported(format!("PARTITION BY in {} is not supported", window.name()));
        return Err(error.at(span(partition.span)).with_hint("put the key into GROUP BY"));
    }
    let is_name = relation.iter().enumerate().all(|(i, token)| match token.token {
        Token::Word(_) => i % 2 == 0,
        Token::Period => i % 2 == 1,
        _ => false,
    });
    if !is_table || !is_name || relation.len() % 2 == 0 {
        return Err(refuse());
    }
    Ok(select_all_from(relation.to_vec(), first.span))
}

/// The column in `DESCRIPTOR(column)`.
fn time_column(window: Window, argument: &[TokenWithSpan], place: Span) -> Result<TokenWithSpan> {
    match argument {
        [descriptor, open, column, close]
            if is_word(descriptor, "DESCRIPTOR")
                && open.token == Token::LParen
                && matches!(column.token, Token::Word(_))
                && close.token == Token::RParen =>
        {
            Ok(column.clone())
        }
        _ => {
            let here = argument.first().map_or(place, |token| span(token.span));
            Err(wrong(window, "expected DESCRIPTOR and one column in parentheses".to_owned(), here))
        }
    }
}
