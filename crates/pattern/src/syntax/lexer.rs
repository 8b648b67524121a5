//! The words of a row pattern. SQL's own lexers cannot be used: they read `B$` as one name and `{-` as two signs.

use std::fmt;
use std::ops::Range;

use super::SyntaxError;

/// One word.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) enum Token {
    /// A name, unquoted names in upper case.
    Name {
        name: String,
        quoted: bool,
    },
    /// Digits.
    Number(String),
    Open,
    Close,
    Bar,
    Star,
    Plus,
    Question,
    OpenBrace,
    CloseBrace,
    Comma,
    Caret,
    Dollar,
    OpenExclusion,
    CloseExclusion,
    End,
}

impl fmt::Display for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let sign = match self {
            Self::Name { name, .. } => return write!(f, "{name}"),
            Self::Number(digits) => return write!(f, "{digits}"),
            Self::End => return write!(f, "the end of the pattern"),
            Self::Open => "(",
            Self::Close => ")",
            Self::Bar => "|",
            Self::Star => "*",
            Self::Plus => "+",
            Self::Question => "?",
            Self::OpenBrace => "{",
            Self::CloseBrace => "}",
            Self::Comma => ",",
            Self::Caret => "^",
            Self::Dollar => "$",
            Self::OpenExclusion => "{-",
            Self::CloseExclusion => "-}",
        };
        write!(f, "`{sign}`")
    }
}

/// A word and where it stands.
#[derive(Clone, Debug)]
pub(super) struct Word {
    pub(super) token: Token,
    pub(super) span: Range<usize>,
}

/// Splits `text` into words; the last is [`Token::End`].
pub(super) fn lex(text: &str) -> Result<Vec<Word>, SyntaxError> {
    let mut lexer = Lexer { text, at: 0 };
    let mut words = Vec::new();
    loop {
        lexer.skip_blanks()?;
        let start = lexer.at;
        let token = lexer.token()?;
        let last = token == Token::End;
        words.push(Word { token, span: start..lexer.at });
        if last {
            return Ok(words);
        }
    }
}

struct Lexer<'a> {
    text: &'a str,
    at: usize,
}

impl Lexer<'_> {
    fn rest(&self) -> &str {
        self.text.get(self.at..).unwrap_or_default()
    }

    fn skip_blanks(&mut self) -> Result<(), SyntaxError> {
        loop {
            let rest = self.rest();
            let blank = rest.len() - rest.trim_start().len();
            let rest = rest.trim_start();
            let comment = if rest.starts_with("--") {
                rest.find('\n').unwrap_or(rest.len())
            } else if rest.starts_with("/*") {
                comment_length(rest).ok_or_else(|| {
                    let span = self.at + blank..self.text.len();
                    SyntaxError::new("this comment has no end: `*/` is missing", span)
                })?
            } else {
                0
            };
            self.at += blank + comment;
            if comment == 0 {
                return Ok(());
            }
        }
    }

    fn token(&mut self) -> Result<Token, SyntaxError> {
        let start = self.at;
        let rest = self.rest();
        let Some(first) = rest.chars().next() else { return Ok(Token::End) };
        for (sign, token) in [("{-", Token::OpenExclusion), ("-}", Token::CloseExclusion)] {
            if rest.starts_with(sign) {
                self.at += sign.len();
                return Ok(token);
            }
        }
        let token = match first {
            '(' => Token::Open,
            ')' => Token::Close,
            '|' => Token::Bar,
            '*' => Token::Star,
            '+' => Token::Plus,
            '?' => Token::Question,
            '{' => Token::OpenBrace,
            '}' => Token::CloseBrace,
            ',' => Token::Comma,
            '^' => Token::Caret,
            '$' => Token::Dollar,
            '"' | '`' => return self.quoted_name(first),
            c if c.is_ascii_digit() => {
                let length = rest.find(|c: char| !c.is_ascii_digit()).unwrap_or(rest.len());
                let digits = rest[..length].to_owned();
                self.at += length;
                return Ok(Token::Number(digits));
            }
            c if c.is_alphabetic() || c == '_' => {
                let length = rest.find(|c: char| !c.is_alphanumeric() && c != '_').unwrap_or(rest.len());
                let name = rest[..length].to_uppercase();
                self.at += length;
                return Ok(Token::Name { name, quoted: false });
            }
            other => {
                let span = start..start + other.len_utf8();
                return Err(SyntaxError::new(format!("`{other}` has no meaning in a row pattern"), span));
            }
        };
        self.at += 1;
        Ok(token)
    }

    fn quoted_name(&mut self, quote: char) -> Result<Token, SyntaxError> {
        let start = self.at;
        let mut name = String::new();
        let mut characters = self.rest().char_indices().skip(1).peekable();
        while let Some((offset, character)) = characters.next() {
            if character != quote {
                name.push(character);
            } else if characters.next_if(|&(_, next)| next == quote).is_some() {
                name.push(quote);
            } else {
                self.at = start + offset + 1;
                if name.is_empty() {
                    return Err(SyntaxError::new("a quoted name must not be empty", start..self.at));
                }
                return Ok(Token::Name { name, quoted: true });
            }
        }
        Err(SyntaxError::new(format!("this name has no end: `{quote}` is missing"), start..self.text.len()))
    }
}

/// The length of the comment that `text` begins with; such comments nest.
fn comment_length(text: &str) -> Option<usize> {
    let mut depth = 0_usize;
    let mut at = 0;
    while let Some(rest) = text.get(at..).filter(|rest| !rest.is_empty()) {
        if rest.starts_with("/*") {
            depth += 1;
            at += 2;
        } else if rest.starts_with("*/") {
            depth -= 1;
            at += 2;
            if depth == 0 {
                return Some(at);
            }
        } else {
            at += rest.chars().next().map_or(1, char::len_utf8);
        }
    }
    None
}
