//! Errors as people want them: what, where in their SQL, how to mend it.

use std::ops::Range;

use annotate_snippets::{AnnotationKind, Group, Level, Renderer, Snippet};
use dipper_types::{Error, ErrorKind, Position, Span};

use crate::script::Script;

/// The error with its place in the script, styled for a terminal.
pub(crate) fn error_text(error: &Error, script: Option<&Script>) -> String {
    let title = error.to_string();
    let mut group = Group::with_title(Level::ERROR.primary_title(&title));
    let place = script
        .filter(|script| script.written)
        .and_then(|script| Some((script, byte_range(&script.text, error.span()?)?)));
    if let Some((script, range)) = place {
        let annotation = AnnotationKind::Primary.span(range);
        group = group.element(Snippet::source(&*script.text).path(&*script.name).annotation(annotation));
    }
    if let Some(hint) = error.hint() {
        group = group.element(Level::HELP.message(hint));
    }
    if error.kind() == ErrorKind::Internal {
        group =
            group.element(Level::NOTE.message("this is a bug in dipper: please report it with the SQL that led here"));
    }
    let mut text = Renderer::styled().render(&[group]);
    text.push('\n');
    text
}

/// A warning, styled for a terminal.
pub(crate) fn warning_text(message: &str) -> String {
    let mut text = Renderer::styled().render(&[Group::with_title(Level::WARNING.primary_title(message))]);
    text.push('\n');
    text
}

/// The bytes of a span, as far as its first line goes; `None` if it lies outside the text.
fn byte_range(text: &str, span: Span) -> Option<Range<usize>> {
    let start = offset(text, span.start)?;
    let line_end = text[start..].find(['\n', '\r']).map_or(text.len(), |at| start + at);
    let end = offset(text, span.end).unwrap_or(line_end).clamp(start, line_end);
    // A caret needs something to stand under.
    let one = text[start..].chars().next().map_or(0, char::len_utf8);
    Some(start..end.max(start + one))
}

fn offset(text: &str, position: Position) -> Option<usize> {
    let line_index = usize::try_from(position.line).ok()?.checked_sub(1)?;
    let start = match line_index {
        0 => 0,
        _ => text.match_indices('\n').nth(line_index - 1)?.0 + 1,
    };
    let line = text[start..].split('\n').next().unwrap_or_default();
    let characters = usize::try_from(position.column).ok()?.checked_sub(1)?;
    let within = line.char_indices().map(|(at, _)| at).chain([line.len()]).nth(characters);
    Some(start + within.unwrap_or(line.len()))
}

#[cfg(test)]
mod tests {
    use insta::assert_snapshot;

    use super::*;

    fn shown(error: &Error, text: &str) -> String {
        let text = error_text(error, Some(&Script::new("job.sql", text)));
        String::from_utf8(anstream_stripped(&text)).unwrap()
    }

    fn anstream_stripped(text: &str) -> Vec<u8> {
        use std::io::Write;
        let mut out = anstream::StripStream::new(Vec::new());
        out.write_all(text.as_bytes()).unwrap();
        out.into_inner()
    }

    fn span(start: (u64, u64), end: (u64, u64)) -> Span {
        let position = |(line, column)| Position { line, column };
        Span::new(position(start), position(end))
    }

    #[test]
    fn an_error_shows_the_line_and_a_caret_under_the_place() {
        let error =
            Error::invalid("unknown column 'prize'").at(span((2, 8), (2, 13))).with_hint("did you mean 'price'?");
        assert_snapshot!(shown(&error, "SELECT\n  é AS prize\nFROM t;\n"), @"
        error: unknown column 'prize'
         --> job.sql:2:8
          |
        2 |   é AS prize
          |        ^^^^^
          |
          = help: did you mean 'price'?
        ");
    }

    #[test]
    fn a_place_of_several_lines_is_shown_by_its_first() {
        let error = Error::invalid("no").at(span((1, 3), (3, 1)));
        assert_snapshot!(shown(&error, "ab cde\r\nfg\nh"), @"
        error: no
         --> job.sql:1:3
          |
        1 | ab cde
          |   ^^^^
        ");
    }

    #[test]
    fn the_end_of_the_text_can_be_the_place() {
        let error = Error::invalid("expected ')'").at(span((1, 4), (1, 4)));
        assert_snapshot!(shown(&error, "a ("), @"
        error: expected ')'
         --> job.sql:1:4
          |
        1 | a (
          |    ^
        ");
    }

    #[test]
    fn a_place_outside_the_text_is_left_out() {
        let error = Error::internal("lost").at(span((9, 1), (9, 2)));
        assert_snapshot!(shown(&error, "a"), @"
        error: lost
         |
         = note: this is a bug in dipper: please report it with the SQL that led here
        ");
    }
}
