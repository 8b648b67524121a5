//! The text of a script and its coordinates: slices by line and column, and our spans from the tokenizer's.

use dipper_types::{Position, Span};
use sqlparser::tokenizer::{Location, Span as TokenSpan};

/// A script's text with the byte offset of each line.
#[derive(Debug)]
pub(crate) struct SourceText<'a> {
    text: &'a str,
    lines: Vec<usize>,
}

impl<'a> SourceText<'a> {
    /// Finds the lines of a text.
    pub(crate) fn new(text: &'a str) -> Self {
        let lines = std::iter::once(0).chain(text.match_indices('\n').map(|(at, _)| at + 1)).collect();
        Self { text, lines }
    }

    /// The text between two places; empty when they are not in it.
    pub(crate) fn slice(&self, start: Position, end: Position) -> &'a str {
        self.text.get(self.offset(start)..self.offset(end)).unwrap_or_default()
    }

    /// The text of a span.
    pub(crate) fn of(&self, span: Span) -> &'a str {
        self.slice(span.start, span.end)
    }

    /// The byte offset of a place; the text's end when it lies behind it.
    fn offset(&self, position: Position) -> usize {
        let line = usize::try_from(position.line).unwrap_or(usize::MAX).saturating_sub(1);
        let Some(&start) = self.lines.get(line) else { return self.text.len() };
        let characters = usize::try_from(position.column).unwrap_or(usize::MAX).saturating_sub(1);
        let rest = &self.text[start..];
        rest.char_indices().nth(characters).map_or(self.text.len(), |(at, _)| start + at)
    }

    /// The place one past the last character.
    pub(crate) fn end(&self) -> Position {
        let last = self.lines.last().copied().unwrap_or(0);
        Position { line: self.lines.len() as u64, column: self.text[last..].chars().count() as u64 + 1 }
    }
}

/// A tokenizer's place as ours.
pub(crate) fn position(location: Location) -> Position {
    Position { line: location.line.max(1), column: location.column.max(1) }
}

/// A tokenizer's span as ours.
pub(crate) fn span(span: TokenSpan) -> Span {
    Span::new(position(span.start), position(span.end))
}

/// The span of one character.
pub(crate) fn character(at: Position) -> Span {
    Span::new(at, Position { line: at.line, column: at.column + 1 })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(line: u64, column: u64) -> Position {
        Position { line, column }
    }

    #[test]
    fn columns_count_characters_not_bytes() {
        let source = SourceText::new("é日 x\r\n\tend");
        assert_eq!(source.slice(at(1, 4), at(1, 5)), "x");
        assert_eq!(source.slice(at(1, 1), at(1, 3)), "é日");
        assert_eq!(source.slice(at(2, 2), at(2, 5)), "end");
        assert_eq!(source.end(), at(2, 5));
    }

    #[test]
    fn a_place_outside_the_text_gives_nothing() {
        let source = SourceText::new("a");
        assert_eq!(source.slice(at(9, 9), at(10, 1)), "");
        assert_eq!(source.slice(at(1, 2), at(1, 1)), "");
        assert_eq!(SourceText::new("").end(), at(1, 1));
    }
}
