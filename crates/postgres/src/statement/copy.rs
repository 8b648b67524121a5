//! `COPY … TO STDOUT`.

use super::{Source, Sql};
use crate::failure::{Failure, Result};
use crate::lexer::{Kind, Reader};
use crate::sqlstate;

/// Rows that are copied to the client.
#[derive(Debug, Clone)]
pub(crate) struct Copy {
    pub(crate) sql: Sql,
    pub(crate) format: CopyFormat,
}

/// How rows are copied.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum CopyFormat {
    Binary,
    Text(Layout),
    Csv { layout: Layout, quote: u8, escape: u8, quotes_all: bool },
}

/// The signs between values.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Layout {
    pub(crate) delimiter: u8,
    pub(crate) null: String,
    pub(crate) has_header: bool,
}

impl Copy {
    /// What follows the first word.
    pub(super) fn parse(mut reader: Reader<'_>, source: Source<'_>) -> Result<Self> {
        let is_old_binary = reader.word("BINARY");
        let sql = if reader.sign('(') { query(&mut reader, source)? } else { table(&mut reader, source)? };
        if reader.word("FROM") {
            let failure = Failure::unsupported("COPY FROM is not supported");
            return Err(failure.with_hint("INSERT INTO … VALUES, or a table with a connector, takes rows in"));
        }
        if !reader.word("TO") {
            return Err(source.syntax_error(&reader));
        }
        if !reader.word("STDOUT") {
            return Err(
                Failure::unsupported("COPY TO a file or a program is not supported").with_hint("COPY … TO STDOUT")
            );
        }
        let mut options = Options { format: is_old_binary.then(|| "binary".to_owned()), ..Options::default() };
        reader.word("WITH");
        if reader.sign('(') {
            options.read_list(&mut reader, source)?;
        } else {
            options.read_words(&mut reader, source)?;
        }
        source.end(&reader)?;
        Ok(Self { sql, format: options.format()? })
    }
}

/// The query in brackets.
fn query(reader: &mut Reader<'_>, source: Source<'_>) -> Result<Sql> {
    let start = reader.here();
    reader.read_to_closing().ok_or_else(|| source.syntax_error(reader))?;
    let text = source.text.get(start..reader.last_end() - 1).unwrap_or_default();
    let inner = Source { text, before: source.characters(start) };
    inner.query(&Reader::new(text))
}

/// A table, perhaps with the columns that are wanted.
fn table(reader: &mut Reader<'_>, source: Source<'_>) -> Result<Sql> {
    let start = reader.here();
    reader.dotted_name().ok_or_else(|| source.syntax_error(reader))?;
    let table = &source.text[start..reader.last_end()];
    let columns = if reader.sign('(') {
        let start = reader.last_end();
        reader.read_to_closing().ok_or_else(|| source.syntax_error(reader))?;
        &source.text[start..reader.last_end() - 1]
    } else {
        "*"
    };
    let select = format!("SELECT {columns} FROM ");
    // The table stands where it stood, as far as that goes.
    let before = source.characters(start).saturating_sub(select.chars().count());
    Ok(Sql::new(&format!("{select}{table}"), before))
}

/// The options as they are given.
#[derive(Default)]
struct Options {
    format: Option<String>,
    delimiter: Option<String>,
    null: Option<String>,
    header: bool,
    quote: Option<String>,
    escape: Option<String>,
    quotes_all: bool,
}

impl Options {
    /// `(FORMAT csv, HEADER true, …)`.
    fn read_list(&mut self, reader: &mut Reader<'_>, source: Source<'_>) -> Result<()> {
        loop {
            let name = source.name(reader)?;
            match name.as_str() {
                "force_quote" => self.force_quote(reader, source)?,
                "header" | "freeze" => {
                    let value = argument(reader).unwrap_or_else(|| "true".to_owned());
                    let value = match value.to_lowercase().as_str() {
                        "true" | "on" | "1" => true,
                        "false" | "off" | "0" => false,
                        _ => return Err(invalid(format!("{name} requires a Boolean value"))),
                    };
                    if name == "header" {
                        self.header = value;
                    }
                }
                _ => {
                    let value = argument(reader).ok_or_else(|| source.syntax_error(reader))?;
                    self.set(&name, value)?;
                }
            }
            if reader.sign(')') {
                return Ok(());
            }
            if !reader.sign(',') {
                return Err(source.syntax_error(reader));
            }
        }
    }

    /// `CSV HEADER DELIMITER AS ';'`, as it was written before version 9.
    fn read_words(&mut self, reader: &mut Reader<'_>, source: Source<'_>) -> Result<()> {
        while !reader.is_at_end() {
            if reader.any_word(&["BINARY"]) {
                self.format = Some("binary".to_owned());
            } else if reader.word("CSV") {
                self.format = Some("csv".to_owned());
            } else if reader.word("HEADER") {
                self.header = true;
            } else if reader.words("FORCE QUOTE") {
                self.force_quote(reader, source)?;
            } else {
                let name = source.name(reader)?;
                reader.word("AS");
                let value = reader.text().ok_or_else(|| source.syntax_error(reader))?;
                self.set(if name == "delimiters" { "delimiter" } else { &name }, value)?;
            }
        }
        Ok(())
    }

    fn force_quote(&mut self, reader: &mut Reader<'_>, source: Source<'_>) -> Result<()> {
        if reader.sign('*') {
            self.quotes_all = true;
            return Ok(());
        }
        let _ = source;
        Err(Failure::unsupported("FORCE_QUOTE of some columns is not supported").with_hint("FORCE_QUOTE *"))
    }

    fn set(&mut self, name: &str, value: String) -> Result<()> {
        let place = match name {
            "format" => &mut self.format,
            "delimiter" => &mut self.delimiter,
            "null" => &mut self.null,
            "quote" => &mut self.quote,
            "escape" => &mut self.escape,
            "encoding" if value.replace('-', "").eq_ignore_ascii_case("utf8") => return Ok(()),
            "encoding" => return Err(invalid(format!("encoding \"{value}\": clients and server speak UTF8"))),
            _ => return Err(Failure::syntax(format!("option \"{name}\" not recognized"))),
        };
        if place.replace(value).is_some() {
            return Err(Failure::syntax("conflicting or redundant options"));
        }
        Ok(())
    }

    /// What they mean together.
    fn format(self) -> Result<CopyFormat> {
        let format = self.format.as_deref().unwrap_or("text").to_lowercase();
        let is_csv = format == "csv";
        if !is_csv && (self.quote.is_some() || self.escape.is_some() || self.quotes_all) {
            return Err(Failure::unsupported("COPY QUOTE, ESCAPE and FORCE_QUOTE need the format csv"));
        }
        match format.as_str() {
            "binary" if self.delimiter.is_some() || self.null.is_some() || self.header => {
                return Err(Failure::syntax("cannot specify DELIMITER, NULL or HEADER in BINARY mode"));
            }
            "binary" => return Ok(CopyFormat::Binary),
            "text" | "csv" => {}
            _ => return Err(invalid(format!("COPY format \"{format}\" not recognized"))),
        }
        let single = |name: &str, value: Option<String>, default: u8| match value.as_deref().map(str::as_bytes) {
            None => Ok(default),
            Some([byte]) if byte.is_ascii() && !matches!(byte, b'\n' | b'\r' | 0) => Ok(*byte),
            Some(_) => Err(invalid(format!("COPY {name} must be a single one-byte character"))),
        };
        let delimiter = single("delimiter", self.delimiter, if is_csv { b',' } else { b'\t' })?;
        let null = self.null.unwrap_or_else(|| if is_csv { String::new() } else { "\\N".to_owned() });
        if null.contains(['\n', '\r']) || null.as_bytes().contains(&delimiter) {
            return Err(invalid("COPY null representation cannot use newline, carriage return or the delimiter"));
        }
        let layout = Layout { delimiter, null, has_header: self.header };
        if !is_csv {
            if delimiter.is_ascii_alphanumeric() || matches!(delimiter, b'\\' | b'.') {
                return Err(invalid("COPY delimiter cannot be a letter, a digit, a point or a backslash"));
            }
            return Ok(CopyFormat::Text(layout));
        }
        let quote = single("quote", self.quote, b'"')?;
        let escape = single("escape", self.escape, quote)?;
        if quote == delimiter || layout.null.as_bytes().contains(&quote) {
            return Err(invalid("COPY quote must be neither the delimiter nor in the null representation"));
        }
        Ok(CopyFormat::Csv { layout, quote, escape, quotes_all: self.quotes_all })
    }
}

/// What an option is given.
fn argument(reader: &mut Reader<'_>) -> Option<String> {
    match reader.peek()?.kind {
        Kind::Text => reader.text(),
        Kind::Word | Kind::Quoted => reader.name(),
        Kind::Number => reader.next().map(|token| reader.text_of(token).to_owned()),
        Kind::Sign => None,
    }
}

fn invalid(message: impl Into<String>) -> Failure {
    Failure::new(sqlstate::INVALID_PARAMETER_VALUE, message)
}
