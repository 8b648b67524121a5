//! Parameters as drivers write them: `?` becomes `$1`, `$2`, ….
//!
//! A `?` in a string, a quoted name or a comment is none, and neither is the quantifier of a row pattern: in `PATTERN (A B?)` of a
//! `MATCH_RECOGNIZE` every `?` belongs to the pattern.

use datafusion::sql::sqlparser::tokenizer::{Location, Token, TokenWithSpan};
use dipper_session::tokenize;
use dipper_types::{Error, Position, Span};

/// A statement with numbered parameters.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Numbered {
    /// Its text.
    pub(crate) sql: String,
    /// Whether there are any parameters.
    pub(crate) has_parameters: bool,
}

/// The statement with numbered parameters. What cannot be read as tokens stays as it is: the parser says what is wrong with it.
pub(crate) fn numbered(sql: &str) -> Result<Numbered, Error> {
    let unchanged = |has_parameters| Ok(Numbered { sql: sql.to_owned(), has_parameters });
    let Ok(tokens) = tokenize(sql) else { return unchanged(false) };
    let (mut marks, mut numbers) = (Vec::new(), None);
    let mut patterns = Patterns::default();
    for TokenWithSpan { token, span } in &tokens {
        let in_pattern = patterns.contain(token);
        match token {
            Token::Placeholder(name) if name == "?" && !in_pattern => marks.push(span.start),
            Token::Placeholder(name) if name.starts_with('$') && name.len() > 1 && !in_pattern => {
                numbers = Some(span.start);
            }
            Token::Placeholder(name) if name.starts_with('?') && name.len() > 1 && !in_pattern => {
                let error = Error::unsupported(format!("parameters are not written '{name}'")).at(place(span.start));
                return Err(error.with_hint("write ?, or $1"));
            }
            _ => {}
        }
    }
    match (marks.first(), numbers) {
        (Some(_), Some(number)) => {
            Err(Error::invalid("a statement has parameters either as ? or as $1, not both").at(place(number)))
        }
        (Some(_), None) => Ok(Numbered { sql: replaced(sql, &marks), has_parameters: true }),
        (None, numbers) => unchanged(numbers.is_some()),
    }
}

/// Where row patterns stand, token by token.
#[derive(Default)]
struct Patterns {
    /// How many parentheses are open.
    depth: usize,
    /// The depths inside the parentheses of the clauses that are open.
    clauses: Vec<usize>,
    /// The depth inside the parentheses of the pattern, if one is open.
    pattern: Option<usize>,
    /// The word before this token.
    word: String,
}

impl Patterns {
    /// Takes the next token; whether it belongs to a row pattern.
    fn contain(&mut self, token: &Token) -> bool {
        match token {
            Token::LParen => {
                self.depth += 1;
                if self.word.eq_ignore_ascii_case("match_recognize") {
                    self.clauses.push(self.depth);
                } else if self.word.eq_ignore_ascii_case("pattern") && self.clauses.last() == Some(&(self.depth - 1)) {
                    self.pattern.get_or_insert(self.depth);
                }
            }
            Token::RParen => {
                if self.pattern == Some(self.depth) {
                    self.pattern = None;
                }
                if self.clauses.last() == Some(&self.depth) {
                    self.clauses.pop();
                }
                self.depth = self.depth.saturating_sub(1);
            }
            _ => {}
        }
        self.word.clear();
        if let Token::Word(word) = token
            && word.quote_style.is_none()
        {
            self.word.push_str(&word.value);
        }
        self.pattern.is_some()
    }
}

/// The text with numbers at these places, which come in order.
fn replaced(sql: &str, marks: &[Location]) -> String {
    let mut text = String::with_capacity(sql.len() + 2 * marks.len());
    let (mut line, mut column, mut number) = (1, 1, 0);
    for character in sql.chars() {
        if marks.get(number).is_some_and(|mark| (mark.line, mark.column) == (line, column)) {
            number += 1;
            text.push('$');
            text.push_str(&number.to_string());
        } else {
            text.push(character);
        }
        (line, column) = if character == '\n' { (line + 1, 1) } else { (line, column + 1) };
    }
    text
}

fn place(start: Location) -> Span {
    let position = |column| Position { line: start.line, column };
    Span::new(position(start.column), position(start.column + 1))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn marks_become_numbers() {
        for (from, to) in [
            ("SELECT ?, a + ?\nFROM t WHERE b = ?", "SELECT $1, a + $2\nFROM t WHERE b = $3"),
            (
                "SELECT 'é?', \"?\", `?` -- ?\n, /* ? /* ? */ ? */ ?",
                "SELECT 'é?', \"?\", `?` -- ?\n, /* ? /* ? */ ? */ $1",
            ),
            ("SELECT 'it''s ?', E'\\'?', ?", "SELECT 'it''s ?', E'\\'?', $1"),
            ("SELECT $1 + $2", "SELECT $1 + $2"),
            ("INSERT INTO t VALUES (?,?)", "INSERT INTO t VALUES ($1,$2)"),
            ("SELECT pattern(?) FROM t", "SELECT pattern($1) FROM t"),
            ("SELECT 'never closed ?", "SELECT 'never closed ?"),
        ] {
            let numbered = numbered(from).unwrap();
            assert_eq!((numbered.sql.as_str(), numbered.has_parameters), (to, to.contains('$')));
        }
    }

    #[test]
    fn quantifiers_of_row_patterns_stay() {
        let sql = "SELECT * FROM t MATCH_RECOGNIZE (ORDER BY ts MEASURES LAST(a.x) + ? AS y PATTERN (^ a?? (b? c)*? $) \
                   DEFINE a AS x > ?, b AS (x < (SELECT pattern(?) FROM u))) WHERE y = ?";
        let to = "SELECT * FROM t MATCH_RECOGNIZE (ORDER BY ts MEASURES LAST(a.x) + $1 AS y PATTERN (^ a?? (b? c)*? $) \
                  DEFINE a AS x > $2, b AS (x < (SELECT pattern($3) FROM u))) WHERE y = $4";
        assert_eq!(numbered(sql).unwrap().sql, to);
    }

    #[test]
    fn a_mix_is_refused() {
        assert!(numbered("SELECT ?, $1").is_err());
        assert!(numbered("SELECT ?1").is_err());
    }
}
