//! From text to tokens with places: comments dropped, statements split, and text refused that would exhaust the parser.

use dipper_types::{Error, Result, Span};
use sqlparser::tokenizer::{Location, Token, TokenWithSpan, Tokenizer, TokenizerError, Whitespace};

use crate::ast::{FINAL, HOP, MATCH_RECOGNIZE, MEASURE, NUMBER, ROW_PATTERN_WINDOW, RUNNING, TUMBLE};
use crate::dialect::DipperDialect;
use crate::source_text::{character, position, span};

/// Parentheses and brackets inside each other.
const NESTING_MAX: usize = 100;
/// `ARRAY<ARRAY<…` inside each other.
const TYPE_NESTING_MAX: usize = 16;
/// `UNION`, `EXCEPT` and `INTERSECT` in one statement: each makes the tree one deeper.
const SET_OPERATIONS_MAX: usize = 500;
/// Tokens between two commas or parentheses: a long chain of operators is a tree as deep as it is long.
const CHAIN_MAX: usize = 5_000;

/// The tokens of a script, without white space and comments.
pub fn tokenize(sql: &str) -> Result<Vec<TokenWithSpan>> {
    let dialect = DipperDialect::for_tokens(&[]);
    let mut all = Vec::new();
    if let Err(error) = Tokenizer::new(&dialect, sql).tokenize_with_location_into_buf(&mut all) {
        return Err(lexical_error(&error, all.last().map(|token| token.span.end)));
    }
    let mut tokens = Vec::with_capacity(all.len() / 2);
    for token in all {
        match &token.token {
            Token::Whitespace(Whitespace::MultiLineComment(text)) if text.starts_with('+') => {
                return Err(Error::unsupported("hints are not supported yet")
                    .at(span(token.span))
                    .with_hint("remove the '+' to make it a comment"));
            }
            Token::Whitespace(_) => {}
            Token::Word(word) if is_internal(&word.value) => {
                let message = format!("the name '{}' is reserved", word.value);
                return Err(Error::invalid(message).at(span(token.span)));
            }
            _ => tokens.push(token),
        }
    }
    Ok(tokens)
}

/// The names that stand for our clauses in `sqlparser`'s tree: a user's text may not forge them.
fn is_internal(name: &str) -> bool {
    let names = [MATCH_RECOGNIZE, TUMBLE, HOP, RUNNING, FINAL, MEASURE, NUMBER];
    names.iter().any(|internal| name.eq_ignore_ascii_case(internal))
        // The columns of such a window have names that begin so.
        || name.get(..ROW_PATTERN_WINDOW.len()).is_some_and(|start| start.eq_ignore_ascii_case(ROW_PATTERN_WINDOW))
}

/// Whether an error of the tokenizer only means that more text must follow.
pub(super) fn is_unterminated(sql: &str) -> bool {
    let dialect = DipperDialect::for_tokens(&[]);
    Tokenizer::new(&dialect, sql).tokenize().is_err_and(|error| {
        ["Unterminated", "Unexpected EOF", "Expected close delimiter"]
            .iter()
            .any(|start| error.message.starts_with(start))
    })
}

/// `start` is where the text begins that is no token, unless it is the very first.
fn lexical_error(error: &TokenizerError, start: Option<Location>) -> Error {
    let mut at = error.location;
    let message = if error.message.starts_with("Unterminated") {
        "this string is not closed: a ' is missing".to_owned()
    } else if error.message.starts_with("Expected close delimiter") {
        "this quoted name is not closed".to_owned()
    } else if error.message.starts_with("Unexpected EOF while in a multi-line comment") {
        at = start.unwrap_or(Location::new(1, 1));
        "this comment is not closed: */ is missing".to_owned()
    } else {
        lower_first(error.message.trim_end_matches('.'))
    };
    Error::invalid(message).at(character(position(at)))
}

/// The message with a small first letter.
pub(super) fn lower_first(message: &str) -> String {
    let mut characters = message.chars();
    characters.next().map_or_else(String::new, |first| first.to_lowercase().chain(characters).collect())
}

/// Whether a token is this word, unquoted, in any case.
pub(super) fn is_word(token: &TokenWithSpan, word: &str) -> bool {
    matches!(&token.token, Token::Word(w) if w.quote_style.is_none() && w.value.eq_ignore_ascii_case(word))
}

/// Whether the tokens from `at` on begin with these words.
pub(super) fn are_words(tokens: &[TokenWithSpan], at: usize, words: &[&str]) -> bool {
    words.iter().enumerate().all(|(i, word)| tokens.get(at + i).is_some_and(|token| is_word(token, word)))
}

/// Splits a script at its semicolons: each statement's tokens with the semicolon behind them, if there is one. A
/// statement set keeps the semicolons inside it. Empty statements vanish.
pub(super) fn split(tokens: &[TokenWithSpan]) -> Vec<(&[TokenWithSpan], Option<&TokenWithSpan>)> {
    let mut statements = Vec::new();
    let mut start = 0;
    while start < tokens.len() {
        let end = statement_end(tokens, start);
        if end > start {
            statements.push((&tokens[start..end], tokens.get(end)));
        }
        start = end + 1;
    }
    statements
}

/// The index of the semicolon that ends the statement, or the number of tokens.
fn statement_end(tokens: &[TokenWithSpan], start: usize) -> usize {
    let mut semicolons = (start..tokens.len()).filter(|&i| tokens[i].token == Token::SemiColon);
    let end = if opens_statement_set(&tokens[start..]) {
        // The END of a CASE follows neither a semicolon nor BEGIN.
        semicolons.find(|&i| {
            let before = &tokens[i - 2];
            is_word(&tokens[i - 1], "END") && (before.token == Token::SemiColon || is_word(before, "BEGIN"))
        })
    } else {
        semicolons.next()
    };
    end.unwrap_or(tokens.len())
}

/// Whether the statement is a statement set, explained or not.
pub(super) fn opens_statement_set(tokens: &[TokenWithSpan]) -> bool {
    let mut at = 0;
    if are_words(tokens, at, &["EXPLAIN"]) {
        at += 1;
        if are_words(tokens, at, &["PLAN", "FOR"]) {
            at += 2;
        } else if tokens.get(at).is_some_and(|token| token.token == Token::LParen) {
            at = tokens.iter().position(|token| token.token == Token::RParen).map_or(at, |close| close + 1);
        }
    }
    if are_words(tokens, at, &["EXECUTE"]) {
        at += 1;
    }
    are_words(tokens, at, &["STATEMENT", "SET"])
}

/// The index of the parenthesis that closes the one at `open`.
pub(super) fn closing(tokens: &[TokenWithSpan], open: usize) -> Option<usize> {
    let mut depth = 0_usize;
    for (i, token) in tokens.iter().enumerate().skip(open) {
        match token.token {
            Token::LParen => depth += 1,
            Token::RParen => {
                depth = depth.saturating_sub(1);
                if depth == 0 {
                    return Some(i);
                }
            }
            _ => {}
        }
    }
    None
}

/// An open parenthesis, bracket or brace.
struct Open {
    sign: Token,
    place: Span,
    clause: bool,
    pattern: bool,
    chain: usize,
}

/// Checks that parentheses pair and that nothing is nested or chained too deeply.
pub(super) fn check_nesting(tokens: &[TokenWithSpan]) -> Result<()> {
    let mut open: Vec<Open> = Vec::new();
    let mut chain = 0_usize;
    let mut types = 0_usize;
    let mut set_operations = 0_usize;
    for (i, token) in tokens.iter().enumerate() {
        let place = span(token.span);
        chain += 1;
        if chain > CHAIN_MAX {
            return Err(Error::invalid("this expression is too long").at(place));
        }
        match &token.token {
            Token::LParen | Token::LBracket | Token::LBrace => {
                if open.len() >= NESTING_MAX {
                    let message = format!("parentheses are nested more than {NESTING_MAX} deep");
                    return Err(Error::invalid(message).at(place));
                }
                let in_clause = open.last().is_some_and(|outer| outer.clause);
                let pattern = in_clause && i > 0 && is_word(&tokens[i - 1], "PATTERN");
                let clause = i > 0 && is_word(&tokens[i - 1], "MATCH_RECOGNIZE");
                open.push(Open { sign: token.token.clone(), place, clause, pattern, chain });
                chain = 0;
            }
            Token::RParen | Token::RBracket | Token::RBrace => {
                let Some(opened) = open.pop() else {
                    return Err(Error::invalid(format!("this '{token}' closes nothing")).at(place));
                };
                if closes(&opened.sign) != token.token {
                    let message = format!("this '{}' is not closed: found '{token}' first", opened.sign);
                    return Err(Error::invalid(message).at(opened.place));
                }
                chain = opened.chain;
            }
            Token::Comma | Token::SemiColon => chain = 0,
            Token::Lt if i > 0 && is_type_constructor(&tokens[i - 1]) => {
                types += 1;
                if types > TYPE_NESTING_MAX {
                    let message = format!("types are nested more than {TYPE_NESTING_MAX} deep");
                    return Err(Error::invalid(message).at(place));
                }
            }
            Token::Gt => types = types.saturating_sub(1),
            Token::ShiftRight => types = types.saturating_sub(2),
            Token::Word(_) if ["UNION", "EXCEPT", "INTERSECT"].iter().any(|word| is_word(token, word)) => {
                set_operations += 1;
                if set_operations > SET_OPERATIONS_MAX {
                    let message = format!("more than {SET_OPERATIONS_MAX} set operations in one statement");
                    return Err(Error::invalid(message).at(place));
                }
            }
            // Neither can stand in a pattern, so its parenthesis was forgotten.
            Token::Word(_) | Token::Eq if token.token == Token::Eq || is_word(token, "AS") => {
                if let Some(opened) = open.last().filter(|opened| opened.pattern) {
                    return Err(Error::invalid("the '(' of PATTERN is not closed").at(opened.place));
                }
            }
            _ => {}
        }
    }
    match open.last() {
        Some(opened) => Err(Error::invalid(format!("this '{}' is not closed", opened.sign)).at(opened.place)),
        None => Ok(()),
    }
}

fn closes(sign: &Token) -> Token {
    match sign {
        Token::LBracket => Token::RBracket,
        Token::LBrace => Token::RBrace,
        _ => Token::RParen,
    }
}

fn is_type_constructor(token: &TokenWithSpan) -> bool {
    ["ARRAY", "MAP", "ROW", "STRUCT", "MULTISET"].iter().any(|word| is_word(token, word))
}
