//! SQL as a row of tokens: just enough to tell statements apart and to read those that are the server's own.
//!
//! It never fails. What is not closed goes on to the end of the text; whoever the statement is for complains.

/// What a token is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// A name or a keyword.
    Word,
    /// A name in double quotes.
    Quoted,
    /// A text in quotes or between dollars.
    Text,
    /// A number.
    Number,
    /// Any other character.
    Sign,
}

/// A token and where it stands, in bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Token {
    pub(crate) kind: Kind,
    pub(crate) start: usize,
    pub(crate) end: usize,
}

/// The first token of `sql` from the byte `from` on, which is none within a token.
pub(crate) fn token(sql: &str, from: usize) -> Option<Token> {
    let start = skip_blanks(sql, from);
    let rest = sql.get(start..)?;
    let mut characters = rest.chars();
    let first = characters.next()?;
    let (kind, length) = match first {
        '\'' => (Kind::Text, quoted(rest, '\'', false)),
        'E' | 'e' if characters.as_str().starts_with('\'') => (Kind::Text, 1 + quoted(&rest[1..], '\'', true)),
        '"' => (Kind::Quoted, quoted(rest, '"', false)),
        // A name of SQL dialects other than that of PostgreSQL.
        '`' => (Kind::Quoted, quoted(rest, '`', false)),
        '$' => match dollar_quoted(rest) {
            Some(length) => (Kind::Text, length),
            None => (Kind::Sign, 1),
        },
        '0'..='9' => (Kind::Number, number(rest)),
        '.' if characters.as_str().starts_with(|next: char| next.is_ascii_digit()) => (Kind::Number, number(rest)),
        first if is_word_start(first) => {
            (Kind::Word, rest.find(|next: char| !is_word_part(next)).unwrap_or(rest.len()))
        }
        other => (Kind::Sign, other.len_utf8()),
    };
    Some(Token { kind, start, end: start + length })
}

fn is_word_start(character: char) -> bool {
    character == '_' || character.is_alphabetic()
}

fn is_word_part(character: char) -> bool {
    matches!(character, '_' | '$') || character.is_alphanumeric()
}

/// The first byte from `from` on that is neither blank nor in a comment.
fn skip_blanks(sql: &str, mut from: usize) -> usize {
    loop {
        let rest = &sql[from..];
        let trimmed = rest.trim_start();
        from += rest.len() - trimmed.len();
        if trimmed.starts_with("--") {
            from += trimmed.find('\n').unwrap_or(trimmed.len());
        } else if trimmed.starts_with("/*") {
            from += comment(trimmed);
        } else {
            return from;
        }
    }
}

/// The length of a comment, which may have others in it.
fn comment(text: &str) -> usize {
    let (mut depth, mut at) = (0_usize, 0);
    while let Some(found) = text[at..].find(['/', '*']) {
        at += found;
        if text[at..].starts_with("/*") {
            depth += 1;
            at += 2;
        } else if text[at..].starts_with("*/") {
            depth -= 1;
            at += 2;
            if depth == 0 {
                return at;
            }
        } else {
            at += 1;
        }
    }
    text.len()
}

/// The length of what stands in quotes. Two of them within are one that does not close.
fn quoted(text: &str, quote: char, has_escapes: bool) -> usize {
    let mut characters = text.char_indices().skip(1).peekable();
    while let Some((at, character)) = characters.next() {
        if character == '\\' && has_escapes {
            characters.next();
        } else if character == quote {
            match characters.peek() {
                Some((_, next)) if *next == quote => drop(characters.next()),
                _ => return at + 1,
            }
        }
    }
    text.len()
}

/// The length of `$tag$…$tag$`, if the text begins with such.
fn dollar_quoted(text: &str) -> Option<usize> {
    let tag_end = 1 + text[1..].find(|character: char| character == '$' || !is_word_part(character))?;
    let is_tag = text[tag_end..].starts_with('$') && !text[1..].starts_with(|first: char| first.is_ascii_digit());
    let tag = is_tag.then(|| &text[..=tag_end])?;
    let body = &text[tag.len()..];
    Some(body.find(tag).map_or(text.len(), |end| tag.len() + end + tag.len()))
}

fn number(text: &str) -> usize {
    let bytes = text.as_bytes();
    let mut end = 0;
    while let Some(byte) = bytes.get(end) {
        let is_exponent_sign = matches!(byte, b'+' | b'-') && matches!(bytes[end - 1], b'e' | b'E');
        if !(byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'_') || is_exponent_sign) {
            break;
        }
        end += 1;
    }
    end
}

/// Reads tokens one after the other. A copy reads on its own.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Reader<'a> {
    sql: &'a str,
    at: usize,
}

impl<'a> Reader<'a> {
    /// From the beginning.
    pub(crate) fn new(sql: &'a str) -> Self {
        Self { sql, at: 0 }
    }

    /// The next token.
    pub(crate) fn peek(&self) -> Option<Token> {
        token(self.sql, self.at)
    }

    /// Reads the next token.
    pub(crate) fn next(&mut self) -> Option<Token> {
        let token = self.peek()?;
        self.at = token.end;
        Some(token)
    }

    /// The text of a token.
    pub(crate) fn text_of(&self, token: Token) -> &'a str {
        &self.sql[token.start..token.end]
    }

    /// Where the next token starts, in bytes; the end if there is none.
    pub(crate) fn here(&self) -> usize {
        self.peek().map_or(self.sql.len(), |token| token.start)
    }

    /// Where the last token ended.
    pub(crate) fn last_end(&self) -> usize {
        self.at
    }

    /// What has not been read.
    pub(crate) fn rest(&self) -> &'a str {
        &self.sql[self.here()..]
    }

    /// Whether everything is read.
    pub(crate) fn is_at_end(&self) -> bool {
        self.peek().is_none()
    }

    /// Whether this keyword comes next.
    pub(crate) fn at_word(&self, word: &str) -> bool {
        self.peek().is_some_and(|token| token.kind == Kind::Word && self.text_of(token).eq_ignore_ascii_case(word))
    }

    /// Reads this keyword, if it comes next.
    pub(crate) fn word(&mut self, word: &str) -> bool {
        let is_next = self.at_word(word);
        if is_next {
            self.next();
        }
        is_next
    }

    /// Reads these keywords, if all of them come next.
    pub(crate) fn words(&mut self, words: &str) -> bool {
        let mut reader = *self;
        let are_next = words.split(' ').all(|word| reader.word(word));
        if are_next {
            *self = reader;
        }
        are_next
    }

    /// Reads one of these keywords, if one comes next.
    pub(crate) fn any_word(&mut self, words: &[&str]) -> bool {
        words.iter().any(|word| self.word(word))
    }

    /// Reads this character, if it comes next.
    pub(crate) fn sign(&mut self, sign: char) -> bool {
        let is_next =
            self.peek().is_some_and(|token| token.kind == Kind::Sign && self.text_of(token).starts_with(sign));
        if is_next {
            self.next();
        }
        is_next
    }

    /// Reads a name: in lower case, unless it stands in quotes.
    pub(crate) fn name(&mut self) -> Option<String> {
        let token = self.peek()?;
        let text = self.text_of(token);
        let name = match token.kind {
            Kind::Word => text.to_lowercase(),
            Kind::Quoted => unquoted(text),
            _ => return None,
        };
        self.next();
        Some(name)
    }

    /// Reads names with points between them.
    pub(crate) fn dotted_name(&mut self) -> Option<String> {
        let mut name = self.name()?;
        while self.sign('.') {
            name = format!("{name}.{}", self.name()?);
        }
        Some(name)
    }

    /// Reads a text in quotes and gives what it says.
    pub(crate) fn text(&mut self) -> Option<String> {
        let token = self.peek().filter(|token| token.kind == Kind::Text)?;
        let text = self.text_of(token);
        let said = match text.chars().next()? {
            '\'' => unquoted(text),
            '$' => text.splitn(3, '$').nth(2)?.rsplitn(3, '$').nth(2)?.to_owned(),
            _ => unescaped(&unquoted(&text[1..])),
        };
        self.next();
        Some(said)
    }

    /// Reads a whole number, perhaps with a sign before it.
    pub(crate) fn integer(&mut self) -> Option<i64> {
        let mut reader = *self;
        let minus = if reader.sign('-') {
            "-"
        } else {
            reader.sign('+');
            ""
        };
        let token = reader.next().filter(|token| token.kind == Kind::Number)?;
        let number = format!("{minus}{}", reader.text_of(token)).parse().ok()?;
        *self = reader;
        Some(number)
    }

    /// Reads up to the sign that closes what an opening one has begun.
    pub(crate) fn read_to_closing(&mut self) -> Option<()> {
        let mut depth = 1_usize;
        while depth > 0 {
            let token = self.next()?;
            match self.text_of(token) {
                "(" if token.kind == Kind::Sign => depth += 1,
                ")" if token.kind == Kind::Sign => depth -= 1,
                _ => {}
            }
        }
        Some(())
    }
}

/// What stands in the quotes.
fn unquoted(text: &str) -> String {
    let Some(quote) = text.chars().next() else { return String::new() };
    let inner = text.strip_prefix(quote).unwrap_or(text);
    let inner = inner.strip_suffix(quote).unwrap_or(inner);
    inner.replace(&format!("{quote}{quote}"), &quote.to_string())
}

/// The text with what its backslashes mean.
fn unescaped(text: &str) -> String {
    let (mut said, mut characters) = (String::with_capacity(text.len()), text.chars());
    while let Some(character) = characters.next() {
        if character != '\\' {
            said.push(character);
            continue;
        }
        match characters.next() {
            Some('n') => said.push('\n'),
            Some('r') => said.push('\r'),
            Some('t') => said.push('\t'),
            Some('b') => said.push('\u{8}'),
            Some('f') => said.push('\u{c}'),
            Some(other) => said.push(other),
            None => {}
        }
    }
    said
}

/// The statements of a script, without their semicolons: where each begins and ends, in bytes.
pub(crate) fn statements(sql: &str) -> Vec<(usize, usize)> {
    let mut statements = Vec::new();
    let (mut reader, mut start, mut end) = (Reader::new(sql), None, 0);
    let mut is_set = false;
    let mut depth = 0_usize;
    while let Some(token) = reader.peek() {
        let begins = start.is_none();
        if begins {
            // In a statement set, semicolons stand between BEGIN and END.
            is_set = reader.clone().words("EXECUTE STATEMENT SET");
            depth = 0;
        }
        reader.next();
        let text = reader.text_of(token);
        if token.kind == Kind::Sign && text == ";" && !(is_set && depth > 0) {
            if let Some(start) = start.take() {
                statements.push((start, end));
            }
            continue;
        }
        if is_set && token.kind == Kind::Word {
            // An END may also close a CASE.
            if text.eq_ignore_ascii_case("BEGIN") || text.eq_ignore_ascii_case("CASE") {
                depth += 1;
            } else if text.eq_ignore_ascii_case("END") {
                depth = depth.saturating_sub(1);
            }
        }
        start.get_or_insert(token.start);
        end = token.end;
    }
    statements.extend(start.map(|start| (start, end)));
    statements
}

#[cfg(test)]
mod tests {
    use super::*;

    fn split(sql: &str) -> Vec<&str> {
        statements(sql).into_iter().map(|(start, end)| &sql[start..end]).collect()
    }

    #[test]
    fn statements_end_at_semicolons_that_are_not_in_quotes() {
        assert_eq!(split(" SELECT ';' ; -- a;b\n SELECT \";\"/* ; /* ; */ ; */ ;; "), ["SELECT ';'", "SELECT \";\""]);
        assert_eq!(
            split("SELECT $$;$$, $a$ ; $b$ ; $a$; SELECT E'\\';'"),
            ["SELECT $$;$$, $a$ ; $b$ ; $a$", "SELECT E'\\';'"]
        );
        assert_eq!(split("SELECT 'a'';b';x"), ["SELECT 'a'';b'", "x"]);
        assert_eq!(split(" -- nothing\n ;"), [""; 0]);
    }

    #[test]
    fn a_statement_set_is_one_statement() {
        let set =
            "EXECUTE STATEMENT SET BEGIN INSERT INTO a SELECT CASE WHEN x THEN 1 END; INSERT INTO b SELECT 2; END";
        assert_eq!(split(&format!("{set}; SELECT 1")), [set, "SELECT 1"]);
        assert_eq!(split("BEGIN; SELECT 1; END"), ["BEGIN", "SELECT 1", "END"]);
    }

    #[test]
    fn a_dollar_of_a_pattern_is_no_quote() {
        let sql = "SELECT * FROM t MATCH_RECOGNIZE (PATTERN (^ A B$ | $) DEFINE A AS x = $1); SELECT $2";
        assert_eq!(split(sql).len(), 2);
    }

    #[test]
    fn what_is_not_closed_goes_on_to_the_end() {
        for sql in ["SELECT 'a;", "SELECT \"a;", "SELECT /* a;", "SELECT $$a;", "SELECT E'\\"] {
            assert_eq!(split(sql).len(), 1, "{sql}");
        }
    }

    #[test]
    fn names_texts_and_numbers_are_read() {
        let mut reader = Reader::new("Foo \"B\"\"ar\" 'it''s' E'a\\nb' $x$d$x$ -5 a.b");
        assert_eq!((reader.name().as_deref(), reader.name().as_deref()), (Some("foo"), Some("B\"ar")));
        let texts = [reader.text(), reader.text(), reader.text()].map(Option::unwrap_or_default);
        assert_eq!(texts, ["it's", "a\nb", "d"]);
        assert_eq!((reader.integer(), reader.dotted_name().as_deref()), (Some(-5), Some("a.b")));
        assert!(reader.is_at_end());
    }
}
