//! `CREATE TABLE` in Flink's form: physical, metadata and computed columns, `WATERMARK FOR`, `PRIMARY KEY … NOT ENFORCED`
//! and `WITH ('key' = 'value')`. Whether names, types and options exist is the catalog's business.

use dipper_types::{Error, Result, Span};
use sqlparser::ast::{DataType, Ident, ObjectName, ObjectNamePart};
use sqlparser::tokenizer::Token;

use super::cursor::Cursor;
use crate::ast::{ColumnDef, ColumnKind, CreateTable, TableOption, WatermarkDef};

/// Parses what follows `CREATE [TEMPORARY] TABLE`.
pub(super) fn parse(cursor: &mut Cursor<'_>, temporary: bool) -> Result<CreateTable> {
    let if_not_exists = cursor.eat_words(&["IF", "NOT", "EXISTS"]);
    let name = cursor.object_name("the table's name")?;
    let mut table = CreateTable {
        name,
        temporary,
        if_not_exists,
        columns: Vec::new(),
        watermark: None,
        primary_key: Vec::new(),
        partitioned_by: Vec::new(),
        comment: None,
        options: Vec::new(),
    };
    refuse_copies(cursor)?;
    cursor.expect(&Token::LParen)?;
    cursor.list(|cursor| parse_element(cursor, &mut table))?;
    if !cursor.eat(&Token::RParen) {
        return Err(cursor.unexpected("',' or ')'"));
    }
    parse_tail(cursor, &mut table)?;
    Ok(table)
}

/// Refuses the forms that take their columns from elsewhere.
fn refuse_copies(cursor: &Cursor<'_>) -> Result<()> {
    for what in ["LIKE", "AS"] {
        if cursor.at_words(&[what]) {
            return Err(Error::unsupported(format!("CREATE TABLE … {what} is not supported yet"))
                .at(cursor.next_span())
                .with_hint("write the columns out"));
        }
    }
    Ok(())
}

fn parse_tail(cursor: &mut Cursor<'_>, table: &mut CreateTable) -> Result<()> {
    loop {
        let here = cursor.next_span();
        if cursor.eat_words(&["COMMENT"]) {
            given_once(table.comment.is_some(), "COMMENT", here)?;
            table.comment = Some(cursor.string("the comment in single quotes")?.0);
        } else if cursor.eat_words(&["PARTITIONED", "BY"]) {
            given_once(!table.partitioned_by.is_empty(), "PARTITIONED BY", here)?;
            table.partitioned_by = cursor.names_in_parentheses("a column")?;
        } else if cursor.eat_words(&["WITH"]) {
            given_once(!table.options.is_empty(), "WITH", here)?;
            table.options = parse_options(cursor)?;
        } else if cursor.at_words(&["DISTRIBUTED"]) {
            return Err(Error::unsupported("DISTRIBUTED BY is not supported").at(here));
        } else if cursor.is_at_end() {
            return Ok(());
        } else {
            refuse_copies(cursor)?;
            return Err(cursor.unexpected("COMMENT, PARTITIONED BY, WITH or the end of the statement"));
        }
    }
}

fn given_once(given: bool, what: &str, here: Span) -> Result<()> {
    if given { Err(Error::invalid(format!("{what} is given twice")).at(here)) } else { Ok(()) }
}

/// Parses one element of the list in parentheses.
fn parse_element(cursor: &mut Cursor<'_>, table: &mut CreateTable) -> Result<()> {
    let here = cursor.next_span();
    if cursor.at_words(&["WATERMARK", "FOR"]) {
        given_once(table.watermark.is_some(), "WATERMARK", here)?;
        table.watermark = Some(parse_watermark(cursor)?);
        return Ok(());
    }
    if cursor.at_words(&["CONSTRAINT"]) || cursor.at_words(&["PRIMARY", "KEY"]) {
        if cursor.eat_words(&["CONSTRAINT"]) {
            cursor.ident("the constraint's name")?;
            refuse_constraints(cursor)?;
        }
        let here = cursor.next_span();
        cursor.expect_words(&["PRIMARY", "KEY"])?;
        let columns = cursor.names_in_parentheses("a column")?;
        return set_primary_key(cursor, table, columns, here);
    }
    if cursor.at_words(&["UNIQUE"]) || cursor.at_words(&["FOREIGN", "KEY"]) || cursor.at_words(&["PERIOD", "FOR"]) {
        refuse_constraints(cursor)?;
    }
    parse_column(cursor, table)
}

fn refuse_constraints(cursor: &Cursor<'_>) -> Result<()> {
    for what in ["CHECK", "FOREIGN", "PERIOD", "REFERENCES", "UNIQUE"] {
        if cursor.at_words(&[what]) {
            let error = Error::unsupported(format!("the constraint {what} is not supported"));
            return Err(error.at(cursor.next_span()).with_hint("only PRIMARY KEY … NOT ENFORCED is"));
        }
    }
    Ok(())
}

fn set_primary_key(cursor: &mut Cursor<'_>, table: &mut CreateTable, columns: Vec<Ident>, here: Span) -> Result<()> {
    given_once(!table.primary_key.is_empty(), "PRIMARY KEY", here)?;
    if !cursor.eat_words(&["NOT", "ENFORCED"]) {
        return Err(Error::invalid("PRIMARY KEY must say NOT ENFORCED")
            .at(here)
            .with_hint("Dipper does not check that the data holds each key once"));
    }
    table.primary_key = columns;
    Ok(())
}

/// Parses `WATERMARK FOR column AS expr`.
fn parse_watermark(cursor: &mut Cursor<'_>) -> Result<WatermarkDef> {
    let start = cursor.here();
    cursor.expect_words(&["WATERMARK", "FOR"])?;
    let column = cursor.ident("the event-time column")?;
    if cursor.at(&Token::Period) {
        let error = Error::unsupported("a watermark on a field inside a column is not supported");
        return Err(error.at(cursor.next_span()).with_hint("add a computed column for the field"));
    }
    cursor.expect_words(&["AS"])?;
    let (expr, _) = cursor.expr()?;
    Ok(WatermarkDef { column, expr, span: cursor.since(start) })
}

/// Parses a column, with the primary key it may declare.
fn parse_column(cursor: &mut Cursor<'_>, table: &mut CreateTable) -> Result<()> {
    let start = cursor.here();
    let name = cursor.ident("a column, WATERMARK FOR or PRIMARY KEY")?;
    if cursor.eat_words(&["AS"]) {
        let kind = ColumnKind::Computed(Box::new(cursor.expr()?.0));
        let comment = parse_column_comment(cursor)?;
        table.columns.push(ColumnDef { name, kind, comment, span: cursor.since(start) });
        return Ok(());
    }
    let type_start = cursor.here();
    let data_type = parse_type(cursor)?;
    let type_span = cursor.since(type_start);
    let mut not_null = false;
    let mut metadata = None;
    let mut comment = None;
    loop {
        let here = cursor.next_span();
        if cursor.eat_words(&["NOT", "NULL"]) {
            not_null = true;
        } else if cursor.eat_words(&["NULL"]) {
            given_once(not_null, "NULL", here)?;
        } else if cursor.eat_words(&["METADATA"]) {
            given_once(metadata.is_some(), "METADATA", here)?;
            let key = if cursor.eat_words(&["FROM"]) {
                Some(cursor.string("the metadata key in single quotes")?.0)
            } else {
                None
            };
            metadata = Some((key, cursor.eat_words(&["VIRTUAL"])));
        } else if cursor.at_words(&["CONSTRAINT"]) || cursor.at_words(&["PRIMARY"]) {
            if cursor.eat_words(&["CONSTRAINT"]) {
                cursor.ident("the constraint's name")?;
            }
            cursor.expect_words(&["PRIMARY", "KEY"])?;
            set_primary_key(cursor, table, vec![name.clone()], here)?;
        } else if cursor.at_words(&["COMMENT"]) {
            given_once(comment.is_some(), "COMMENT", here)?;
            comment = parse_column_comment(cursor)?;
        } else {
            break;
        }
    }
    refuse_constraints(cursor)?;
    refuse_defaults(cursor)?;
    let kind = match metadata {
        Some((key, is_virtual)) => ColumnKind::Metadata { data_type, type_span, not_null, key, is_virtual },
        None => ColumnKind::Physical { data_type, type_span, not_null },
    };
    table.columns.push(ColumnDef { name, kind, comment, span: cursor.since(start) });
    Ok(())
}

fn refuse_defaults(cursor: &Cursor<'_>) -> Result<()> {
    for what in ["DEFAULT", "GENERATED", "AUTO_INCREMENT"] {
        if cursor.at_words(&[what]) {
            let error = Error::unsupported(format!("{what} in a column is not supported"));
            return Err(error.at(cursor.next_span()).with_hint("use a computed column: name AS expression"));
        }
    }
    Ok(())
}

fn parse_column_comment(cursor: &mut Cursor<'_>) -> Result<Option<String>> {
    if cursor.eat_words(&["COMMENT"]) {
        return Ok(Some(cursor.string("the comment in single quotes")?.0));
    }
    Ok(None)
}

/// Parses a type: `sqlparser`'s, and `TIMESTAMP[(p)] WITH LOCAL TIME ZONE`, which becomes `TIMESTAMP_LTZ[(p)]`.
fn parse_type(cursor: &mut Cursor<'_>) -> Result<DataType> {
    if !matches!(cursor.peek().token, Token::Word(_)) {
        return Err(cursor.unexpected("the column's type or AS"));
    }
    for what in ["ROW", "MULTISET", "RAW"] {
        if cursor.at_words(&[what]) {
            return Err(Error::unsupported(format!("the type {what} is not supported yet")).at(cursor.next_span()));
        }
    }
    if cursor.at_words(&["TIMESTAMP"]) {
        // In `TIMESTAMP (3) WITH LOCAL`, the precision takes three tokens.
        let with = if cursor.rest().get(1).is_some_and(|token| token.token == Token::LParen) { 4 } else { 1 };
        if super::tokens::are_words(cursor.rest(), with, &["WITH", "LOCAL"]) {
            let start = cursor.next_span();
            cursor.expect_words(&["TIMESTAMP"])?;
            let precision = cursor.sql(|parser| parser.parse_optional_precision())?;
            cursor.expect_words(&["WITH", "LOCAL", "TIME", "ZONE"])?;
            let name = Ident::with_span(super::cursor::token_span(start), "TIMESTAMP_LTZ");
            let modifiers = precision.iter().map(u64::to_string).collect();
            return Ok(DataType::Custom(ObjectName(vec![ObjectNamePart::Identifier(name)]), modifiers));
        }
    }
    cursor.sql(|parser| parser.parse_data_type())
}

/// Parses `('key' = 'value', …)`.
fn parse_options(cursor: &mut Cursor<'_>) -> Result<Vec<TableOption>> {
    const EXAMPLE: &str = "write 'key' = 'value', both in single quotes";
    cursor.expect(&Token::LParen)?;
    let mut options: Vec<TableOption> = Vec::new();
    cursor.list(|cursor| {
        let (key, key_span) = cursor.string("an option's name in single quotes").map_err(|e| e.with_hint(EXAMPLE))?;
        cursor.expect(&Token::Eq)?;
        let (value, value_span) = cursor.string("a value in single quotes").map_err(|e| e.with_hint(EXAMPLE))?;
        if options.iter().any(|option| option.key == key) {
            return Err(Error::invalid(format!("option '{key}' is given twice")).at(key_span));
        }
        options.push(TableOption { key, value, key_span, value_span });
        Ok(())
    })?;
    if !cursor.eat(&Token::RParen) {
        return Err(cursor.unexpected("',' or ')'"));
    }
    Ok(options)
}
