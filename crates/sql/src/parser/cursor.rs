//! A place in a statement's tokens: the words and signs our own grammar asks for, `sqlparser`'s grammar where it serves,
//! and every error with its place.

use dipper_types::{Error, Position, Result, Span};
use sqlparser::ast::{Expr, Ident, ObjectName};
use sqlparser::parser::{Parser, ParserError};
use sqlparser::tokenizer::{Location, Span as TokenSpan, Token, TokenWithSpan};

use super::miscomputed;
use super::tokens::{are_words, is_word, lower_first};
use crate::dialect::DipperDialect;
use crate::source_text::{SourceText, character, position, span};

/// What all cursors of one statement share.
#[derive(Clone, Copy)]
pub(super) struct Context<'a> {
    pub(super) source: &'a SourceText<'a>,
    pub(super) dialect: &'a DipperDialect,
}

/// A stretch of tokens with its end, read from left to right.
pub(super) struct Cursor<'a> {
    context: Context<'a>,
    tokens: Vec<TokenWithSpan>,
    parser: Parser<'a>,
}

impl<'a> Cursor<'a> {
    /// Reads `tokens`; errors about their end point at `end`.
    pub(super) fn new(context: Context<'a>, mut tokens: Vec<TokenWithSpan>, end: Span) -> Self {
        // An explicit end has a place, the parser's own has none.
        tokens.push(TokenWithSpan::new(Token::EOF, token_span(end)));
        let parser = Parser::new(context.dialect).with_tokens_with_locations(tokens.clone());
        Self { context, tokens, parser }
    }

    /// What the cursors of the statement share.
    pub(super) fn context(&self) -> Context<'a> {
        self.context
    }

    /// The next token.
    pub(super) fn peek(&self) -> &TokenWithSpan {
        self.parser.peek_token_ref()
    }

    /// The tokens not yet read, without the end.
    pub(super) fn rest(&self) -> &[TokenWithSpan] {
        let end = self.tokens.len() - 1;
        &self.tokens[self.parser.index().min(end)..end]
    }

    /// The place of the end.
    pub(super) fn end(&self) -> Span {
        self.tokens.last().map_or_else(|| character(self.context.source.end()), |token| span(token.span))
    }

    /// Whether everything is read.
    pub(super) fn is_at_end(&self) -> bool {
        self.peek().token == Token::EOF
    }

    /// Where the next token starts.
    pub(super) fn here(&self) -> Position {
        position(self.peek().span.start)
    }

    /// The next token's span.
    pub(super) fn next_span(&self) -> Span {
        span(self.peek().span)
    }

    /// From `start` to the end of the last token read.
    pub(super) fn since(&self, start: Position) -> Span {
        Span::new(start, position(self.parser.get_current_token().span.end))
    }

    /// Whether the next token is this sign.
    pub(super) fn at(&self, sign: &Token) -> bool {
        self.peek().token == *sign
    }

    /// Whether the next tokens are these words.
    pub(super) fn at_words(&self, words: &[&str]) -> bool {
        are_words(self.rest(), 0, words)
    }

    fn advance(&mut self, tokens: usize) {
        for _ in 0..tokens {
            self.parser.advance_token();
        }
    }

    /// Reads these words if they are next.
    pub(super) fn eat_words(&mut self, words: &[&str]) -> bool {
        let found = self.at_words(words);
        if found {
            self.advance(words.len());
        }
        found
    }

    /// Reads this sign if it is next.
    pub(super) fn eat(&mut self, sign: &Token) -> bool {
        self.parser.consume_token(sign)
    }

    /// Reads these words, one after the other.
    pub(super) fn expect_words(&mut self, words: &[&str]) -> Result<()> {
        for word in words {
            if !self.eat_words(&[word]) {
                return Err(self.unexpected(word));
            }
        }
        Ok(())
    }

    /// Reads this sign.
    pub(super) fn expect(&mut self, sign: &Token) -> Result<()> {
        if self.eat(sign) { Ok(()) } else { Err(self.unexpected(&format!("'{sign}'"))) }
    }

    /// Reads a list separated by commas.
    pub(super) fn list<T>(&mut self, mut item: impl FnMut(&mut Self) -> Result<T>) -> Result<Vec<T>> {
        let mut items = vec![item(self)?];
        while self.eat(&Token::Comma) {
            items.push(item(self)?);
        }
        Ok(items)
    }

    /// Reads `(name, …)`.
    pub(super) fn names_in_parentheses(&mut self, what: &str) -> Result<Vec<Ident>> {
        self.expect(&Token::LParen)?;
        let names = self.list(|cursor| cursor.ident(what))?;
        if !self.eat(&Token::RParen) {
            return Err(self.unexpected("',' or ')'"));
        }
        Ok(names)
    }

    /// Skips to behind the parenthesis that closes the one just read, and gives the place of what lies between.
    pub(super) fn skip_parentheses(&mut self, open: Span) -> Result<Span> {
        let mut depth = 1_usize;
        loop {
            match self.peek().token {
                Token::LParen => depth += 1,
                Token::RParen => depth -= 1,
                Token::EOF => return Err(Error::invalid("this '(' is not closed").at(open)),
                _ => {}
            }
            if depth == 0 {
                let between = Span::new(open.end, self.here());
                self.parser.advance_token();
                return Ok(between);
            }
            self.parser.advance_token();
        }
    }

    /// Reads to behind the next semicolon: the tokens before it, and its place unless there is none.
    pub(super) fn take_until_semicolon(&mut self) -> (Vec<TokenWithSpan>, Option<Span>) {
        let rest = self.rest();
        let length = rest.iter().position(|token| token.token == Token::SemiColon).unwrap_or(rest.len());
        let taken = rest[..length].to_vec();
        let semicolon = rest.get(length).map(|token| span(token.span));
        self.advance(taken.len() + usize::from(semicolon.is_some()));
        (taken, semicolon)
    }

    /// Reads everything that is left.
    pub(super) fn take_rest(&mut self) -> Vec<TokenWithSpan> {
        let taken = self.rest().to_vec();
        self.advance(taken.len());
        taken
    }

    /// The span of the last token read.
    pub(super) fn last_span(&self) -> Span {
        span(self.parser.get_current_token().span)
    }

    /// Reads a name.
    pub(super) fn ident(&mut self, what: &str) -> Result<Ident> {
        match &self.peek().token {
            Token::Word(_) => self.sql(|parser| parser.parse_identifier()),
            _ => Err(self.unexpected(what)),
        }
    }

    /// Reads a name that may be qualified.
    pub(super) fn object_name(&mut self, what: &str) -> Result<ObjectName> {
        match &self.peek().token {
            Token::Word(_) => self.sql(|parser| parser.parse_object_name(false)),
            _ => Err(self.unexpected(what)),
        }
    }

    /// Reads a string in single quotes.
    pub(super) fn string(&mut self, what: &str) -> Result<(String, Span)> {
        let place = self.next_span();
        match &self.peek().token {
            Token::SingleQuotedString(text) => {
                let text = text.clone();
                self.parser.advance_token();
                Ok((text, place))
            }
            _ => Err(self.unexpected(what)),
        }
    }

    /// Reads an expression and its place.
    pub(super) fn expr(&mut self) -> Result<(Expr, Span)> {
        let start = self.here();
        let expr = self.sql(|parser| parser.parse_expr())?;
        let place = self.since(start);
        miscomputed::check(&expr, place)?;
        Ok((expr, place))
    }

    /// Reads by `sqlparser`'s grammar.
    pub(super) fn sql<T>(&mut self, read: impl FnOnce(&mut Parser<'a>) -> Result<T, ParserError>) -> Result<T> {
        let start = self.next_span();
        read(&mut self.parser).map_err(|error| self.lift(error, start))
    }

    /// An error saying that something else stands here.
    pub(super) fn unexpected(&self, expected: &str) -> Error {
        let token = self.peek();
        Error::invalid(format!("expected {expected}, found {}", self.found(token))).at(span(token.span))
    }

    /// An error unless everything is read.
    pub(super) fn expect_end(&self) -> Result<()> {
        if self.is_at_end() { Ok(()) } else { Err(self.unexpected("the end of the statement")) }
    }

    fn found(&self, token: &TokenWithSpan) -> String {
        let text = self.context.source.of(span(token.span));
        match &token.token {
            Token::EOF if text != ")" => "the end of the statement".to_owned(),
            Token::SingleQuotedString(_) => shortened(text),
            _ => format!("'{}'", shortened(text)),
        }
    }

    /// Turns an error of `sqlparser`, which has its place in its text, into ours.
    fn lift(&self, error: ParserError, start: Span) -> Error {
        let message = match error {
            ParserError::ParserError(message) | ParserError::TokenizerError(message) => message,
            ParserError::RecursionLimitExceeded if self.context.dialect.is_exhausted() => {
                return Error::invalid("this statement is too complex to parse").at(start);
            }
            ParserError::RecursionLimitExceeded => {
                return Error::invalid("this is nested too deeply").at(start);
            }
        };
        let (text, index) = match split_place(&message) {
            Some((text, at)) => (text, self.tokens.iter().position(|token| token.span.start == at)),
            None => (message.as_str(), Some(self.parser.index())),
        };
        let expectation = text.strip_prefix("Expected: ").or_else(|| text.strip_prefix("Expected "));
        let expectation = expectation.and_then(|text| text.rsplit_once(", found: "));
        let Some((expected, found)) = expectation else {
            let place = index.and_then(|index| self.tokens.get(index)).map_or(start, |token| span(token.span));
            return Error::invalid(lower_first(text)).at(place);
        };
        // Some of its errors name a token and give the place of the next.
        let named = |index: &usize| self.tokens.get(*index).is_some_and(|token| token.to_string() == found);
        let index = index.map(|index| index.checked_sub(1).filter(|_| !named(&index)).filter(named).unwrap_or(index));
        let token = index.and_then(|index| self.tokens.get(index));
        let quote = expected.chars().all(|c| c.is_ascii_punctuation());
        let expected = if quote { format!("'{expected}'") } else { expected.to_owned() };
        let found = token.map_or_else(|| format!("'{found}'"), |token| self.found(token));
        Error::invalid(format!("expected {expected}, found {found}")).at(token.map_or(start, |token| span(token.span)))
    }
}

/// Splits the place off the text of an error of `sqlparser`.
fn split_place(message: &str) -> Option<(&str, Location)> {
    let (text, place) = message.rsplit_once(" at Line: ")?;
    let (line, column) = place.split_once(", Column: ")?;
    Some((text, Location::new(line.trim().parse().ok()?, column.trim().parse().ok()?)))
}

/// The first forty characters.
fn shortened(text: &str) -> String {
    match text.char_indices().nth(40) {
        Some((at, _)) => format!("{}…", &text[..at]),
        None => text.to_owned(),
    }
}

/// A place of ours as the tokenizer's.
pub(super) fn token_span(place: Span) -> TokenSpan {
    let location = |at: Position| Location::new(at.line, at.column);
    TokenSpan::new(location(place.start), location(place.end))
}

/// Whether the tokens begin with one of these words.
pub(super) fn starts_with_one_of(tokens: &[TokenWithSpan], words: &[&str]) -> bool {
    tokens.first().is_some_and(|token| words.iter().any(|word| is_word(token, word)))
}
