//! From the text of a row pattern to its tree. Which variables have conditions, and where a pattern may stand, is the binder's.

mod lexer;
#[cfg(test)]
mod tests;

use std::ops::Range;

use lexer::{Token, Word, lex};

use crate::{Edge, MAX_SYMBOLS, Pattern, SymbolId};

/// How deep parentheses, exclusions and PERMUTE may nest.
const NESTING_MAX: usize = 128;
/// The greatest bound of a quantifier.
const BOUND_MAX: u32 = i32::MAX as u32;

/// A row pattern variable as written.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Name {
    /// The name: upper case unless it was quoted.
    pub name: String,
    /// Where it first appears, as byte offsets in the pattern's text.
    pub span: Range<usize>,
}

/// A pattern with what the binder needs for its errors.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ParsedPattern {
    /// The tree.
    pub pattern: Pattern,
    /// The variables in order of first appearance: index = [`crate::SymbolId`].
    pub variables: Vec<Name>,
    /// Where each `PERMUTE(…)` stands.
    pub permutes: Vec<Range<usize>>,
    /// Where each `{- … -}` stands.
    pub exclusions: Vec<Range<usize>>,
    /// Where each `^` and `$` stands.
    pub anchors: Vec<(Edge, Range<usize>)>,
}

impl ParsedPattern {
    /// The variables' names, as [`Pattern::display`] and [`crate::Program::to_dot`] want them.
    pub fn names(&self) -> Vec<String> {
        self.variables.iter().map(|variable| variable.name.clone()).collect()
    }
}

/// A text that is not a row pattern.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[error("{message}")]
pub struct SyntaxError {
    /// What is wrong, and what was expected.
    pub message: String,
    /// Where, as byte offsets in the pattern's text.
    pub span: Range<usize>,
}

impl SyntaxError {
    fn new(message: impl Into<String>, span: Range<usize>) -> Self {
        Self { message: message.into(), span }
    }
}

/// Reads a row pattern: what stands between the parentheses of `PATTERN (…)`.
///
/// ```
/// use dipper_pattern::parse;
/// let parsed = parse("start down+ /* then */ up{2,5}?")?;
/// assert_eq!(parsed.names(), ["START", "DOWN", "UP"]);
/// assert_eq!(parse("a{5,2}").unwrap_err().span, 1..6);
/// # Ok::<(), dipper_pattern::SyntaxError>(())
/// ```
pub fn parse(text: &str) -> Result<ParsedPattern, SyntaxError> {
    let words = lex(text)?;
    let mut parser = Parser { words: words.iter(), depth: 0, parsed: ParsedPattern::new() };
    if parser.peek().token == Token::End {
        return Err(SyntaxError::new(
            "the pattern is empty: write PATTERN (()) for the pattern without rows",
            0..text.len(),
        ));
    }
    let pattern = parser.alternation()?;
    let word = parser.peek();
    match word.token {
        Token::End => Ok(ParsedPattern { pattern, ..parser.parsed }),
        Token::Close => Err(SyntaxError::new("this `)` closes nothing", word.span.clone())),
        Token::CloseExclusion => Err(SyntaxError::new("this `-}` closes nothing", word.span.clone())),
        Token::Comma => Err(SyntaxError::new(
            "a comma stands between patterns only inside PERMUTE(…): variables in sequence are separated by blanks",
            word.span.clone(),
        )),
        _ => Err(parser.unexpected("a variable, `(`, `|` or the end of the pattern")),
    }
}

impl ParsedPattern {
    fn new() -> Self {
        Self {
            pattern: Pattern::Empty,
            variables: Vec::new(),
            permutes: Vec::new(),
            exclusions: Vec::new(),
            anchors: Vec::new(),
        }
    }
}

/// Recursive descent, one function for each level of the grammar.
struct Parser<'a> {
    words: std::slice::Iter<'a, Word>,
    depth: usize,
    parsed: ParsedPattern,
}

/// What every word list ends with; a parser at the end stays there.
const END: &Word = &Word { token: Token::End, span: 0..0 };

impl<'a> Parser<'a> {
    fn peek(&self) -> &'a Word {
        self.words.as_slice().first().unwrap_or(END)
    }

    fn next(&mut self) -> &'a Word {
        self.words.next().unwrap_or(END)
    }

    fn take(&mut self, token: &Token) -> bool {
        let found = self.peek().token == *token;
        if found {
            self.next();
        }
        found
    }

    fn unexpected(&self, expected: &str) -> SyntaxError {
        let word = self.peek();
        SyntaxError::new(format!("expected {expected}, found {}", word.token), word.span.clone())
    }

    fn alternation(&mut self) -> Result<Pattern, SyntaxError> {
        let first = self.sequence()?;
        if self.peek().token != Token::Bar {
            return Ok(first);
        }
        let mut branches = vec![first];
        while self.take(&Token::Bar) {
            branches.push(self.sequence()?);
        }
        Ok(Pattern::Alternate(branches))
    }

    fn sequence(&mut self) -> Result<Pattern, SyntaxError> {
        let mut parts = Vec::new();
        while let Some(part) = self.quantified()? {
            parts.push(part);
        }
        match parts.len() {
            0 => Err(self.nothing_here()),
            1 => Ok(parts.remove(0)),
            _ => Ok(Pattern::Concat(parts)),
        }
    }

    fn nothing_here(&self) -> SyntaxError {
        let word = self.peek();
        match word.token {
            Token::Bar | Token::Close | Token::Comma | Token::CloseExclusion => SyntaxError::new(
                format!("a pattern is missing before {}: write () for the pattern without rows", word.token),
                word.span.clone(),
            ),
            Token::Star | Token::Plus | Token::Question | Token::OpenBrace => {
                SyntaxError::new(format!("the quantifier {} has no pattern before it", word.token), word.span.clone())
            }
            _ => self.unexpected("a variable, `(`, `^`, `$`, `{-` or PERMUTE"),
        }
    }

    fn quantified(&mut self) -> Result<Option<Pattern>, SyntaxError> {
        let Some(pattern) = self.primary()? else { return Ok(None) };
        let Some((min, max)) = self.quantifier()? else { return Ok(Some(pattern)) };
        let greedy = !self.take(&Token::Question);
        let word = self.peek();
        if matches!(word.token, Token::Star | Token::Plus | Token::Question | Token::OpenBrace) {
            return Err(SyntaxError::new(
                "a quantifier cannot follow a quantifier: put parentheses around what is repeated",
                word.span.clone(),
            ));
        }
        Ok(Some(Pattern::Repeat { pattern: Box::new(pattern), min, max, greedy }))
    }

    fn primary(&mut self) -> Result<Option<Pattern>, SyntaxError> {
        let word = self.peek();
        let pattern = match &word.token {
            Token::Name { name, quoted } => {
                self.next();
                if !quoted && name == "PERMUTE" && self.peek().token == Token::Open {
                    self.permute(word)?
                } else {
                    Pattern::Symbol(self.symbol(name, &word.span)?)
                }
            }
            Token::Caret | Token::Dollar => {
                self.next();
                let edge = if word.token == Token::Caret { Edge::Start } else { Edge::End };
                self.parsed.anchors.push((edge, word.span.clone()));
                Pattern::Anchor(edge)
            }
            Token::Open => {
                self.next();
                if self.take(&Token::Close) {
                    return Ok(Some(Pattern::Empty));
                }
                let inner = self.nested(word, Self::alternation)?;
                self.close(word, &Token::Close)?;
                inner
            }
            Token::OpenExclusion => {
                self.next();
                if matches!(self.peek().token, Token::Number(_)) {
                    return Err(SyntaxError::new("a quantifier's bound cannot be negative", word.span.clone()));
                }
                let inner = self.nested(word, Self::alternation)?;
                let end = self.close(word, &Token::CloseExclusion)?;
                self.parsed.exclusions.push(word.span.start..end);
                Pattern::Exclude(Box::new(inner))
            }
            _ => return Ok(None),
        };
        Ok(Some(pattern))
    }

    fn permute(&mut self, keyword: &Word) -> Result<Pattern, SyntaxError> {
        let open = self.next();
        if self.peek().token == Token::Close {
            return Err(SyntaxError::new("PERMUTE needs at least one pattern", keyword.span.clone()));
        }
        let parts = self.nested(keyword, |parser| {
            let mut parts = vec![parser.alternation()?];
            while parser.take(&Token::Comma) {
                parts.push(parser.alternation()?);
            }
            Ok(parts)
        })?;
        let end = self.close(open, &Token::Close)?;
        self.parsed.permutes.push(keyword.span.start..end);
        Ok(Pattern::Permute(parts))
    }

    fn nested<T>(
        &mut self,
        opening: &Word,
        inner: impl FnOnce(&mut Self) -> Result<T, SyntaxError>,
    ) -> Result<T, SyntaxError> {
        if self.depth == NESTING_MAX {
            let message = format!("the pattern nests deeper than {NESTING_MAX} levels");
            return Err(SyntaxError::new(message, opening.span.clone()));
        }
        self.depth += 1;
        let result = inner(self);
        self.depth -= 1;
        result
    }

    /// Takes the closing sign and gives the offset behind it.
    fn close(&mut self, opening: &Word, closing: &Token) -> Result<usize, SyntaxError> {
        let word = self.peek();
        if word.token == *closing {
            self.next();
            return Ok(word.span.end);
        }
        if word.token == Token::End {
            let message = format!("{} is not closed: {closing} is missing", opening.token);
            return Err(SyntaxError::new(message, opening.span.clone()));
        }
        Err(self.unexpected(&format!("a variable, `(`, `|` or {closing}")))
    }

    fn symbol(&mut self, name: &str, span: &Range<usize>) -> Result<SymbolId, SyntaxError> {
        let variables = &mut self.parsed.variables;
        let index = variables.iter().position(|variable| variable.name == name).unwrap_or(variables.len());
        if index == MAX_SYMBOLS {
            let message = format!("a pattern has at most {MAX_SYMBOLS} variables: {name} is one too many");
            return Err(SyntaxError::new(message, span.clone()));
        }
        if index == variables.len() {
            variables.push(Name { name: name.to_owned(), span: span.clone() });
        }
        Ok(SymbolId(index as u8))
    }

    fn quantifier(&mut self) -> Result<Option<(u32, Option<u32>)>, SyntaxError> {
        let opening = self.peek();
        let bounds = match opening.token {
            Token::Star => (0, None),
            Token::Plus => (1, None),
            Token::Question => (0, Some(1)),
            Token::OpenBrace => {
                self.next();
                return self.bounds(opening.span.start).map(Some);
            }
            _ => return Ok(None),
        };
        self.next();
        Ok(Some(bounds))
    }

    /// The rest of `{n}`, `{n,}`, `{,m}`, `{n,m}`, `{,}`.
    fn bounds(&mut self, start: usize) -> Result<(u32, Option<u32>), SyntaxError> {
        let min = self.bound()?;
        let (min, max) = if self.take(&Token::Comma) {
            (min.unwrap_or(0), self.bound()?)
        } else if let Some(count) = min {
            (count, Some(count))
        } else {
            return Err(self.unexpected("a number or a comma"));
        };
        let closing = self.peek();
        if closing.token != Token::CloseBrace {
            return Err(self.unexpected("`}`"));
        }
        self.next();
        let span = start..closing.span.end;
        match max {
            Some(0) => Err(SyntaxError::new("a pattern cannot be repeated zero times: leave it out", span)),
            Some(max) if min > max => Err(SyntaxError::new(
                format!("the lower bound {min} is greater than the upper bound {max}: write {{{max},{min}}}"),
                span,
            )),
            _ => Ok((min, max)),
        }
    }

    fn bound(&mut self) -> Result<Option<u32>, SyntaxError> {
        let word = self.peek();
        let Token::Number(digits) = &word.token else { return Ok(None) };
        self.next();
        match digits.parse() {
            Ok(bound) if bound <= BOUND_MAX => Ok(Some(bound)),
            _ => Err(SyntaxError::new(
                format!("a quantifier's bound is at most {BOUND_MAX}: {digits} is too large"),
                word.span.clone(),
            )),
        }
    }
}
