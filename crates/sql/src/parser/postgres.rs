//! Ways of writing that Postgres's clients have: each becomes what the rest of the parser knows, token by token.

mod cast;
mod format;

use dipper_types::Result;
use sqlparser::tokenizer::{Token, TokenWithSpan};

pub(super) use cast::spelt_out;

use super::tokens::{are_words, is_word};

/// Collations by the bytes of a text, which is how texts are compared here.
const BYTEWISE: [&str; 4] = ["C", "POSIX", "default", "ucs_basic"];

/// The tokens without collations that change nothing, with `LIMIT` for `FETCH FIRST`, and with formats of times in our language.
pub(super) fn understood(tokens: &[TokenWithSpan]) -> Result<Vec<TokenWithSpan>> {
    let mut out: Vec<TokenWithSpan> = Vec::with_capacity(tokens.len());
    let mut at = 0;
    while let Some(token) = tokens.get(at) {
        let rest = &tokens[at..];
        if let Some(length) = collation(rest) {
            at += length;
        } else if let Some((count, length)) = fetch(rest) {
            let limit = Token::make_keyword("LIMIT");
            out.extend([
                TokenWithSpan { token: limit, span: token.span },
                TokenWithSpan { token: count, span: token.span },
            ]);
            at += length;
        } else {
            let format = format::of_call(tokens, at)?;
            out.push(TokenWithSpan { token: format.unwrap_or_else(|| token.token.clone()), span: token.span });
            at += 1;
        }
    }
    Ok(out)
}

/// How long a collation by bytes is, if one begins here.
fn collation(tokens: &[TokenWithSpan]) -> Option<usize> {
    if !is_word(tokens.first()?, "COLLATE") {
        return None;
    }
    let qualified = are_words(tokens, 1, &["pg_catalog"]) && tokens.get(2)?.token == Token::Period;
    let at = if qualified { 3 } else { 1 };
    let Token::Word(name) = &tokens.get(at)?.token else { return None };
    let is_known = name.quote_style.is_some() || qualified;
    (is_known && BYTEWISE.contains(&name.value.as_str())).then_some(at + 1)
}

/// The number of rows of `FETCH {FIRST | NEXT} [n] {ROW | ROWS} ONLY`, and how many tokens that is.
fn fetch(tokens: &[TokenWithSpan]) -> Option<(Token, usize)> {
    if !are_words(tokens, 0, &["FETCH", "FIRST"]) && !are_words(tokens, 0, &["FETCH", "NEXT"]) {
        return None;
    }
    let ends = |at| are_words(tokens, at, &["ROW", "ONLY"]) || are_words(tokens, at, &["ROWS", "ONLY"]);
    if ends(2) {
        return Some((Token::Number("1".to_owned(), false), 4));
    }
    let count = &tokens.get(2)?.token;
    (matches!(count, Token::Number(..) | Token::Placeholder(_)) && ends(3)).then(|| (count.clone(), 5))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test")]
    use super::super::tokens::tokenize;
    use super::*;

    #[test]
    fn what_clients_write_becomes_what_is_known() {
        for (sql, wanted) in [
            ("a = 'x' COLLATE \"C\" AND b", "a = 'x' AND b"),
            ("a COLLATE pg_catalog.default", "a"),
            ("a COLLATE de_DE", "a COLLATE de_DE"),
            ("FROM t OFFSET 2 ROWS FETCH NEXT 3 ROWS ONLY", "FROM t OFFSET 2 ROWS LIMIT 3"),
            ("FROM t FETCH FIRST ROW ONLY", "FROM t LIMIT 1"),
            ("TO_TIMESTAMP('x', 'YYYY-MM-DD HH24:MI:SS.US')", "TO_TIMESTAMP ( 'x' , '%Y-%m-%d %H:%M:%S.%6f' )"),
            ("to_date(concat(a, 'YYYY'), 'DD.MM.YYYY')", "to_date ( concat ( a , 'YYYY' ) , '%d.%m.%Y' )"),
            ("TO_TIMESTAMP('x', '%Y')", "TO_TIMESTAMP ( 'x' , '%Y' )"),
            ("to_char(ts, 'Dy DD Mon YY \"at\" FMHH12:MI am')", "to_char ( ts , '%a %d %b %y at %-I:%M %P' )"),
            ("to_char(f(a, b), 'DDD')", "to_char ( f ( a , b ) , '%j' )"),
            ("to_char(ts, 'yyyy-mm-dd hh24:mi:ss')", "to_char ( ts , '%Y-%m-%d %H:%M:%S' )"),
            ("to_char(ts, '%Y')", "to_char ( ts , '%Y' )"),
        ] {
            let tokens = understood(&tokenize(sql).unwrap()).unwrap();
            assert_eq!(tokens.iter().map(|token| token.to_string()).collect::<Vec<_>>().join(" "), wanted);
        }
        for (sql, element, format) in [
            ("to_date(a, 'YYYY-Q')", "Q", "YYYY-Q"),
            ("to_char(a, '999.9')", "999", "999.9"),
            ("to_char(a, 'DD Month')", "Month", "DD Month"),
            ("to_char(a, 'SSSS')", "SSSS", "SSSS"),
            ("to_date(a, 'DD Mon YYYY')", "Mon", "DD Mon YYYY"),
        ] {
            let refused = understood(&tokenize(sql).unwrap()).unwrap_err();
            assert_eq!(refused.to_string(), format!("'{element}' in the format '{format}' is not supported"));
            assert!(refused.span().is_some(), "{sql}");
        }
    }
}
