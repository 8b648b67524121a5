//! What some clients say that says nothing here: the places of all rows in a table, and that texts are ordered by their bytes. Blanks take its place,
//! so that everything else stays where it was. Texts between dollars are written as others are.

use std::borrow::Cow;

use crate::lexer::{Kind, Reader};

/// The last place that there can be in a table of PostgreSQL.
const LAST: &str = "'(4294967295,0)'";

/// The text without a condition that all rows fulfil, `ctid BETWEEN '(0,0)'::tid AND '(4294967295,0)'::tid`. A condition that names a part stays, and
/// is an error later.
pub(super) fn without_positions(text: &str) -> Cow<'_, str> {
    if !text.contains(LAST) {
        return Cow::Borrowed(text);
    }
    let mut reader = Reader::new(text);
    let mut last = None;
    while let Some(token) = reader.peek() {
        let before = reader;
        if let Some(end) = condition(&mut reader) {
            let mut behind = reader;
            let previous = last.map(|token| before.text_of(token).to_ascii_uppercase());
            // One AND goes with it, or the WHERE that has nothing else.
            let (start, end) = match (last, previous.as_deref()) {
                _ if behind.word("AND") => (token.start, behind.last_end()),
                (Some(last), Some("AND" | "WHERE")) => (last.start, end),
                _ => return Cow::Borrowed(text),
            };
            let mut without = String::with_capacity(text.len());
            without.push_str(&text[..start]);
            push_blanks(&text[start..end], &mut without);
            return Cow::Owned(without + &text[end..]);
        }
        reader = before;
        last = reader.next();
    }
    Cow::Borrowed(text)
}

/// The text without `COLLATE "C"` and its like, which is the order that texts have.
pub(super) fn without_collations(text: &str) -> Cow<'_, str> {
    const COLLATE: &str = "COLLATE";
    if !text.as_bytes().windows(COLLATE.len()).any(|word| word.eq_ignore_ascii_case(COLLATE.as_bytes())) {
        return Cow::Borrowed(text);
    }
    let (mut reader, mut without, mut copied) = (Reader::new(text), String::with_capacity(text.len()), 0);
    while let Some(token) = reader.peek() {
        let mut ahead = reader;
        let is_by_bytes = ahead.word(COLLATE)
            && ahead.dotted_name().is_some_and(|name| {
                matches!(name.strip_prefix("pg_catalog.").unwrap_or(&name), "C" | "POSIX" | "ucs_basic" | "default")
            });
        if is_by_bytes {
            without.push_str(&text[copied..token.start]);
            copied = ahead.last_end();
            push_blanks(&text[token.start..copied], &mut without);
            reader = ahead;
        } else {
            reader.next();
        }
    }
    Cow::Owned(without + &text[copied..])
}

/// The text with `'…'` in place of `$$…$$` and `$tag$…$tag$`, which Dipper's SQL does not know: a dollar is the end of a partition in its patterns.
/// Blanks fill up what has become shorter.
pub(super) fn without_dollars(text: &str) -> Cow<'_, str> {
    if !text.contains('$') {
        return Cow::Borrowed(text);
    }
    let (mut reader, mut without, mut copied) = (Reader::new(text), String::with_capacity(text.len()), 0);
    while let Some(token) = reader.peek() {
        if let Some(said) = between_dollars(reader.text_of(token)).filter(|_| token.kind == Kind::Text) {
            without.push_str(&text[copied..token.start]);
            let quoted = format!("'{}'", said.replace('\'', "''"));
            let shorter = (token.end - token.start).saturating_sub(quoted.len());
            without.extend([quoted, " ".repeat(shorter)]);
            copied = token.end;
        }
        reader.next();
    }
    Cow::Owned(without + &text[copied..])
}

/// What stands between the dollars, if they are closed.
fn between_dollars(text: &str) -> Option<&str> {
    let tag = &text[..text.strip_prefix('$')?.find('$')? + 2];
    text.strip_prefix(tag)?.strip_suffix(tag)
}

/// As many blanks as there are characters; lines end where they ended.
fn push_blanks(text: &str, out: &mut String) {
    out.extend(text.chars().map(|character| if character == '\n' { '\n' } else { ' ' }));
}

/// Reads the condition, and gives where it ends.
fn condition(reader: &mut Reader<'_>) -> Option<usize> {
    let cast = |reader: &mut Reader<'_>, place: &str| {
        let token = reader.next().filter(|token| token.kind == Kind::Text && reader.text_of(*token) == place);
        token.filter(|_| reader.sign(':') && reader.sign(':') && reader.word("tid")).map(|_| ())
    };
    let starts = reader.words("ctid BETWEEN");
    starts.then_some(())?;
    cast(reader, "'(0,0)'")?;
    reader.word("AND").then_some(())?;
    cast(reader, LAST)?;
    Some(reader.last_end())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_condition_on_all_places_is_left_out() {
        let all = "ctid BETWEEN '(0,0)'::tid AND '(4294967295,0)'::tid";
        let words = |text: &str| text.split_whitespace().collect::<Vec<_>>().join(" ");
        for (text, left) in [
            (format!("SELECT \"a\" FROM t WHERE {all}"), "SELECT \"a\" FROM t"),
            (format!("SELECT a FROM t WHERE {all} AND (a > 1)"), "SELECT a FROM t WHERE (a > 1)"),
            (format!("SELECT a FROM t WHERE a > 1 AND {all} LIMIT 1"), "SELECT a FROM t WHERE a > 1 LIMIT 1"),
        ] {
            let without = without_positions(&text);
            assert_eq!((words(&without).as_str(), without.chars().count()), (left, text.chars().count()));
        }
    }

    #[test]
    fn an_order_by_bytes_is_left_out() {
        let text = "SELECT a COLLATE \"C\", 'COLLATE \"C\"' FROM t ORDER BY b collate pg_catalog.\"default\"";
        assert_eq!(without_collations(text).trim_end(), "SELECT a            , 'COLLATE \"C\"' FROM t ORDER BY b");
        assert_eq!(without_collations("SELECT a COLLATE \"de_DE\""), "SELECT a COLLATE \"de_DE\"");
    }

    #[test]
    fn a_text_between_dollars_is_one_in_quotes() {
        for (text, plain) in [
            ("SELECT $$a;b$$, 1", "SELECT 'a;b'  , 1"),
            ("SELECT $x$it's $$ $x$, $1", "SELECT 'it''s $$ '   , $1"),
            ("SELECT '$$a$$', $1, $$never closed", "SELECT '$$a$$', $1, $$never closed"),
            ("SELECT * FROM t MATCH_RECOGNIZE (PATTERN (^ A B$ | $) DEFINE A AS x = $1)", ""),
        ] {
            assert_eq!(without_dollars(text), if plain.is_empty() { text } else { plain });
        }
    }

    #[test]
    fn a_condition_on_some_places_stays() {
        let text = "SELECT a FROM t WHERE ctid BETWEEN '(5,0)'::tid AND '(4294967295,0)'::tid";
        assert_eq!(without_positions(text), text);
    }
}
