//! The body of `MATCH_RECOGNIZE (…)`: its parts in their order. What the names in it mean is the binder's business; the
//! pattern's own text goes to `dipper-pattern`.

use dipper_types::{Error, Result, Span};
use sqlparser::ast::{Expr, Ident};
use sqlparser::tokenizer::Token;

use super::cursor::Cursor;
use super::tokens::are_words;
use crate::ast::{
    AfterMatchAst, DefineItem, MatchRecognizeClause, MeasureItem, PartitionItem, PatternAst, RowsPerMatchAst, SkipAst,
    SubsetItem, TimeoutsAst, WithinAst,
};
use crate::source_text::character;

/// Words that can only open the clause's body.
pub(super) const FIRST_WORDS: &[&str] = &["PARTITION", "MEASURES", "PATTERN", "DEFINE"];

/// The parts of the clause, in the order in which they must stand.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Part {
    PartitionBy,
    OrderBy,
    Measures,
    RowsPerMatch,
    Timeouts,
    AfterMatch,
    Pattern,
    Within,
    Subset,
    Define,
}

impl Part {
    const ALL: [Self; 10] = [
        Self::PartitionBy,
        Self::OrderBy,
        Self::Measures,
        Self::RowsPerMatch,
        Self::Timeouts,
        Self::AfterMatch,
        Self::Pattern,
        Self::Within,
        Self::Subset,
        Self::Define,
    ];

    fn name(self) -> &'static str {
        match self {
            Self::PartitionBy => "PARTITION BY",
            Self::OrderBy => "ORDER BY",
            Self::Measures => "MEASURES",
            Self::RowsPerMatch => "ROWS PER MATCH",
            Self::Timeouts => "TIMEOUT MATCHES",
            Self::AfterMatch => "AFTER MATCH SKIP",
            Self::Pattern => "PATTERN",
            Self::Within => "WITHIN",
            Self::Subset => "SUBSET",
            Self::Define => "DEFINE",
        }
    }

    /// The words that open it.
    fn openings(self) -> &'static [&'static [&'static str]] {
        match self {
            Self::PartitionBy => &[&["PARTITION"]],
            Self::OrderBy => &[&["ORDER"]],
            Self::Measures => &[&["MEASURES"]],
            Self::RowsPerMatch => &[&["ONE", "ROW"], &["ALL", "ROWS"]],
            Self::Timeouts => &[&["SHOW"], &["ONLY"]],
            Self::AfterMatch => &[&["AFTER", "MATCH"]],
            Self::Pattern => &[&["PATTERN"]],
            Self::Within => &[&["WITHIN"]],
            Self::Subset => &[&["SUBSET"]],
            Self::Define => &[&["DEFINE"]],
        }
    }

    fn at(cursor: &Cursor<'_>) -> Option<Self> {
        Self::ALL.into_iter().find(|part| part.openings().iter().any(|words| cursor.at_words(words)))
    }

    /// Whether a part opens here although its first word could name a column.
    fn certainly_at(cursor: &Cursor<'_>) -> bool {
        let rest = cursor.rest();
        let certain: [&[&str]; 5] =
            [&["PARTITION", "BY"], &["ORDER", "BY"], &["ONE", "ROW"], &["ALL", "ROWS"], &["AFTER", "MATCH"]];
        certain.iter().any(|words| cursor.at_words(words))
            || (cursor.at_words(&["PATTERN"]) && rest.get(1).is_some_and(|token| token.token == Token::LParen))
            || (cursor.at_words(&["DEFINE"]) && are_words(rest, 2, &["AS"]))
    }
}

/// What has been read of the clause.
#[derive(Default)]
struct Parts {
    partition_by: Vec<PartitionItem>,
    order_by: Vec<sqlparser::ast::OrderByExpr>,
    measures: Vec<MeasureItem>,
    rows_per_match: Option<RowsPerMatchAst>,
    timeouts: Option<(TimeoutsAst, Span)>,
    after_match: Option<AfterMatchAst>,
    pattern: Option<PatternAst>,
    within: Option<WithinAst>,
    subsets: Vec<SubsetItem>,
    defines: Vec<DefineItem>,
}

/// Parses the tokens between the clause's parentheses.
pub(super) fn parse(mut cursor: Cursor<'_>, span: Span, input_name: Option<Ident>) -> Result<MatchRecognizeClause> {
    let mut parts = Parts::default();
    let mut seen: Vec<Part> = Vec::new();
    while let Some(part) = Part::at(&cursor) {
        check_order(part, &seen, cursor.next_span())?;
        seen.push(part);
        parse_part(part, &mut cursor, &mut parts)?;
    }
    if !cursor.is_at_end() {
        return Err(cursor.unexpected(&expected_after(&seen)));
    }
    let Some(pattern) = parts.pattern else {
        return Err(Error::invalid("MATCH_RECOGNIZE needs a PATTERN").at(cursor.end()));
    };
    Ok(MatchRecognizeClause {
        span,
        input_name,
        partition_by: parts.partition_by,
        order_by: parts.order_by,
        measures: parts.measures,
        rows_per_match: parts.rows_per_match.unwrap_or(RowsPerMatchAst::One),
        timeouts: parts.timeouts.map_or(TimeoutsAst::Hide, |(timeouts, _)| timeouts),
        timeouts_span: parts.timeouts.map(|(_, span)| span),
        after_match: parts.after_match,
        pattern,
        within: parts.within,
        subsets: parts.subsets,
        defines: parts.defines,
    })
}

fn check_order(part: Part, seen: &[Part], here: Span) -> Result<()> {
    if seen.contains(&part) {
        return Err(Error::invalid(format!("{} is given twice", part.name())).at(here));
    }
    if let Some(last) = seen.iter().find(|last| **last > part) {
        let message = format!("{} must come before {}", part.name(), last.name());
        return Err(Error::invalid(message).at(here));
    }
    if part == Part::Within && seen.last() != Some(&Part::Pattern) {
        return Err(Error::invalid("WITHIN must follow PATTERN").at(here));
    }
    Ok(())
}

/// What may follow the parts read, for the error about something else.
fn expected_after(seen: &[Part]) -> String {
    let last = seen.last().copied();
    let list = [Part::PartitionBy, Part::OrderBy, Part::Measures, Part::Subset, Part::Define];
    let comma = last.is_some_and(|last| list.contains(&last));
    let mut expected: Vec<&str> = if comma { vec!["','"] } else { Vec::new() };
    let following = Part::ALL.into_iter().filter(|part| last.is_none_or(|last| *part > last));
    // WITHIN follows nothing but PATTERN.
    expected.extend(following.filter(|part| *part != Part::Within || last == Some(Part::Pattern)).map(Part::name));
    if seen.contains(&Part::Pattern) {
        expected.push("')'");
    }
    match expected.split_last() {
        Some((only, [])) => (*only).to_owned(),
        Some((final_one, others)) => format!("{} or {final_one}", others.join(", ")),
        None => "')'".to_owned(),
    }
}

fn parse_part(part: Part, cursor: &mut Cursor<'_>, parts: &mut Parts) -> Result<()> {
    match part {
        Part::PartitionBy => {
            cursor.expect_words(&["PARTITION", "BY"])?;
            parts.partition_by = cursor.list(parse_partition_item)?;
        }
        Part::OrderBy => {
            cursor.expect_words(&["ORDER", "BY"])?;
            parts.order_by = cursor.list(|cursor| cursor.sql(|parser| parser.parse_order_by_expr()))?;
        }
        Part::Measures => {
            cursor.expect_words(&["MEASURES"])?;
            parts.measures = cursor.list(parse_measure)?;
        }
        Part::RowsPerMatch => parts.rows_per_match = Some(parse_rows_per_match(cursor)?),
        Part::Timeouts => parts.timeouts = Some(parse_timeouts(cursor)?),
        Part::AfterMatch => parts.after_match = Some(parse_after_match(cursor)?),
        Part::Pattern => parts.pattern = Some(parse_pattern(cursor)?),
        Part::Within => parts.within = Some(parse_within(cursor)?),
        Part::Subset => {
            cursor.expect_words(&["SUBSET"])?;
            parts.subsets = cursor.list(parse_subset)?;
        }
        Part::Define => {
            cursor.expect_words(&["DEFINE"])?;
            parts.defines = cursor.list(parse_define)?;
        }
    }
    Ok(())
}

/// Reads an expression, unless the next part opens here.
pub(super) fn parse_expr(cursor: &mut Cursor<'_>, what: &str) -> Result<(Expr, Span)> {
    if Part::certainly_at(cursor) { Err(cursor.unexpected(what)) } else { cursor.expr() }
}

fn parse_partition_item(cursor: &mut Cursor<'_>) -> Result<PartitionItem> {
    let (expr, span) = parse_expr(cursor, "a column or an expression")?;
    let text = cursor.context().source.of(span).to_owned();
    let alias = if cursor.eat_words(&["AS"]) { Some(cursor.ident("the column's name")?) } else { None };
    Ok(PartitionItem { expr, alias, span, text })
}

pub(super) fn parse_measure(cursor: &mut Cursor<'_>) -> Result<MeasureItem> {
    let (expr, span) = parse_expr(cursor, "a measure")?;
    let named = cursor.eat_words(&["AS"]);
    if !named && (Part::at(cursor).is_some() || !matches!(cursor.peek().token, Token::Word(_))) {
        return Err(cursor.unexpected("AS and the measure's name"));
    }
    if Part::certainly_at(cursor) {
        return Err(cursor.unexpected("the measure's name"));
    }
    let name = cursor.ident("the measure's name")?;
    Ok(MeasureItem { expr, name, span })
}

fn parse_rows_per_match(cursor: &mut Cursor<'_>) -> Result<RowsPerMatchAst> {
    if cursor.eat_words(&["ONE"]) {
        cursor.expect_words(&["ROW", "PER", "MATCH"])?;
        return Ok(RowsPerMatchAst::One);
    }
    cursor.expect_words(&["ALL", "ROWS", "PER", "MATCH"])?;
    if cursor.eat_words(&["SHOW", "EMPTY"]) {
        cursor.expect_words(&["MATCHES"])?;
    } else if cursor.at_words(&["SHOW"]) && !cursor.at_words(&["SHOW", "TIMEOUT"]) {
        cursor.expect_words(&["SHOW"])?;
        return Err(cursor.unexpected("EMPTY MATCHES or TIMEOUT MATCHES"));
    } else if cursor.eat_words(&["OMIT"]) {
        cursor.expect_words(&["EMPTY", "MATCHES"])?;
        return Ok(RowsPerMatchAst::AllOmitEmpty);
    } else if cursor.eat_words(&["WITH"]) {
        cursor.expect_words(&["UNMATCHED", "ROWS"])?;
        return Ok(RowsPerMatchAst::AllWithUnmatched);
    }
    Ok(RowsPerMatchAst::AllShowEmpty)
}

fn parse_timeouts(cursor: &mut Cursor<'_>) -> Result<(TimeoutsAst, Span)> {
    let start = cursor.here();
    let timeouts = if cursor.eat_words(&["ONLY"]) {
        TimeoutsAst::Only
    } else {
        cursor.expect_words(&["SHOW"])?;
        TimeoutsAst::Show
    };
    cursor.expect_words(&["TIMEOUT", "MATCHES"])?;
    Ok((timeouts, cursor.since(start)))
}

pub(super) fn parse_after_match(cursor: &mut Cursor<'_>) -> Result<AfterMatchAst> {
    let start = cursor.here();
    cursor.expect_words(&["AFTER", "MATCH", "SKIP"])?;
    let skip = if cursor.eat_words(&["PAST"]) {
        cursor.expect_words(&["LAST", "ROW"])?;
        SkipAst::PastLastRow
    } else if cursor.eat_words(&["TO"]) {
        parse_skip_target(cursor)?
    } else {
        return Err(cursor.unexpected("PAST LAST ROW or TO"));
    };
    Ok(AfterMatchAst { skip, span: cursor.since(start) })
}

fn parse_skip_target(cursor: &mut Cursor<'_>) -> Result<SkipAst> {
    const EXPECTED: &str = "NEXT ROW, FIRST, LAST or a pattern variable";
    if cursor.eat_words(&["NEXT", "ROW"]) {
        return Ok(SkipAst::ToNextRow);
    }
    // A variable may itself be called FIRST or LAST: then the next part follows it.
    let rest = cursor.rest();
    let another = rest.get(1).is_some_and(|token| matches!(token.token, Token::Word(_)));
    let before_pattern =
        are_words(rest, 1, &["PATTERN"]) && rest.get(2).is_some_and(|next| next.token == Token::LParen);
    if another && !before_pattern {
        if cursor.eat_words(&["FIRST"]) {
            return Ok(SkipAst::ToFirst(cursor.ident("a pattern variable")?));
        }
        if cursor.eat_words(&["LAST"]) {
            return Ok(SkipAst::ToLast(cursor.ident("a pattern variable")?));
        }
    }
    Ok(SkipAst::ToLast(cursor.ident(EXPECTED)?))
}

pub(super) fn parse_pattern(cursor: &mut Cursor<'_>) -> Result<PatternAst> {
    cursor.expect_words(&["PATTERN"])?;
    let open = cursor.next_span();
    cursor.expect(&Token::LParen)?;
    let span = cursor.skip_parentheses(open)?;
    let text = cursor.context().source.of(span).to_owned();
    match dipper_pattern::parse(&text) {
        Ok(parsed) => {
            let variables: Vec<_> = parsed.variables.iter().map(|name| name.span.clone()).collect();
            let mut pattern = PatternAst { parsed, text, span, variable_spans: Vec::new() };
            pattern.variable_spans = variables.iter().map(|range| pattern.place(range)).collect();
            Ok(pattern)
        }
        Err(error) => {
            let place = crate::ast::place_in(&text, span.start, &error.span);
            let place = if place.start == place.end { character(place.start) } else { place };
            Err(Error::invalid(error.message).at(place))
        }
    }
}

fn parse_within(cursor: &mut Cursor<'_>) -> Result<WithinAst> {
    let start = cursor.here();
    cursor.expect_words(&["WITHIN"])?;
    let inclusive = cursor.eat_words(&["INCLUSIVE"]);
    if cursor.at_words(&["INTERVAL"]) && cursor.rest().get(1).is_none_or(|next| matches!(next.token, Token::Word(_))) {
        cursor.expect_words(&["INTERVAL"])?;
        return Err(cursor.unexpected("the interval's length in single quotes"));
    }
    let (expr, _) = parse_expr(cursor, "an interval")?;
    Ok(WithinAst { expr, inclusive, span: cursor.since(start) })
}

pub(super) fn parse_subset(cursor: &mut Cursor<'_>) -> Result<SubsetItem> {
    let name = cursor.ident("the subset's name")?;
    cursor.expect(&Token::Eq)?;
    let members = cursor.names_in_parentheses("a pattern variable")?;
    Ok(SubsetItem { name, members })
}

pub(super) fn parse_define(cursor: &mut Cursor<'_>) -> Result<DefineItem> {
    let variable = cursor.ident("a pattern variable")?;
    cursor.expect_words(&["AS"])?;
    let (condition, span) = parse_expr(cursor, "a condition")?;
    Ok(DefineItem { variable, condition, span })
}
