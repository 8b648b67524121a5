//! Dipper's words and signs for `sqlparser`: Flink-like, and close to the generic dialect that DataFusion plans.
//!
//! It leaves out what the generic dialect takes from products nobody moves here from, so that such text is an error at
//! its place instead of a clause that the planner overlooks. Our own statements are the [parser](crate::parser)'s.

use std::any::TypeId;
use std::cell::Cell;

use sqlparser::ast::{Expr, Function, FunctionArg, FunctionArgExpr, FunctionArgumentList, FunctionArguments, Ident};
use sqlparser::ast::{ObjectName, ObjectNamePart, UnaryOperator, Value};
use sqlparser::dialect::{Dialect, GenericDialect};
use sqlparser::keywords::{self, Keyword};
use sqlparser::parser::{Parser, ParserError};
use sqlparser::tokenizer::{Span, Token, TokenWithSpan};

use crate::ast::{AT_TIME_ZONE, DIGITS_MAX, FINAL, NUMBER, RUNNING};
use crate::interval::with_units_inside;

/// Expressions begun per token before the parser gives up. `sqlparser` goes back and tries again at many places, which
/// takes exponential time on some broken, deeply nested text; sound text begins about two per token.
const STEPS_PER_TOKEN: u64 = 50;
/// What a short text may take in any case.
const STEPS_MIN: u64 = 20_000;

/// The digits of the least BIGINT, of which there is no positive one.
const LEAST_BIGINT: &str = "9223372036854775808";

/// Words that may stand behind a column named `running` or `final` and before a parenthesis.
const NOT_A_FUNCTION: &[&str] = &[
    "AND",
    "AS",
    "AT",
    "BETWEEN",
    "BY",
    "COLLATE",
    "DEFINE",
    "DIV",
    "ELSE",
    "END",
    "EXCEPT",
    "FILTER",
    "FROM",
    "GROUP",
    "HAVING",
    "ILIKE",
    "IN",
    "INTERSECT",
    "IS",
    "JOIN",
    "LIKE",
    "LIMIT",
    "MEASURES",
    "NOT",
    "NULLS",
    "ON",
    "OR",
    "ORDER",
    "OVER",
    "OVERLAPS",
    "PATTERN",
    "REGEXP",
    "RLIKE",
    "SIMILAR",
    "THEN",
    "UNION",
    "USING",
    "WHEN",
    "WHERE",
    "WITHIN",
    "XOR",
];

/// The dialect. One value serves one statement, because it counts the parser's steps.
#[derive(Debug)]
pub(crate) struct DipperDialect {
    steps_left: Cell<u64>,
    /// Whether a table may be read as it was. The words for it are names of columns and aliases everywhere else.
    versions: bool,
}

impl DipperDialect {
    /// The dialect for a statement of these tokens.
    pub(crate) fn for_tokens(tokens: &[TokenWithSpan]) -> Self {
        let is = |token: &TokenWithSpan, keyword| matches!(&token.token, Token::Word(word) if word.keyword == keyword);
        let is_version = |words: &[TokenWithSpan]| {
            let what = [Keyword::SYSTEM_TIME, Keyword::VERSION, Keyword::TIMESTAMP];
            what.iter().any(|what| is(&words[0], *what)) && is(&words[1], Keyword::AS) && is(&words[2], Keyword::OF)
        };
        let steps = (tokens.len() as u64).saturating_mul(STEPS_PER_TOKEN).saturating_add(STEPS_MIN);
        Self { steps_left: Cell::new(steps), versions: tokens.windows(3).any(is_version) }
    }

    /// Whether the parser has given up on the statement.
    pub(crate) fn is_exhausted(&self) -> bool {
        self.steps_left.get() == 0
    }
}

/// Whether a token is `RUNNING` or `FINAL`: the function that stands for it.
fn semantics(token: &Token) -> Option<&'static str> {
    match token {
        Token::Word(word) if word.keyword == Keyword::FINAL => Some(FINAL),
        Token::Word(word) if word.quote_style.is_none() && word.value.eq_ignore_ascii_case("RUNNING") => Some(RUNNING),
        _ => None,
    }
}

/// The prefix word that opens `RUNNING f(…)`, `FINAL f(…)`, `FINAL variable.column` or `FINAL column AS …`, as the function that stands for it.
fn semantics_prefix(parser: &Parser) -> Option<&'static str> {
    let function = semantics(&parser.peek_nth_token_ref(0).token)?;
    // `FINAL RUNNING f(…)` is taken as well, to be refused.
    let doubled = usize::from(semantics(&parser.peek_nth_token_ref(1).token).is_some());
    if doubled == 1 && !matches!(parser.peek_nth_token_ref(2).token, Token::Word(_)) {
        return None;
    }
    let Token::Word(next) = &parser.peek_nth_token_ref(1).token else { return None };
    if next.quote_style.is_none() && NOT_A_FUNCTION.iter().any(|word| next.value.eq_ignore_ascii_case(word)) {
        return None;
    }
    opens_an_operand(&parser.peek_nth_token_ref(2 + doubled).token).then_some(function)
}

/// Whether a word followed by this token is an operand: a call, a qualified column, or a column that no alias can be.
/// `FINAL v,` stays the column `final` under the name `v`.
fn opens_an_operand(behind: &Token) -> bool {
    match behind {
        Token::Word(word) => word.keyword == Keyword::AS,
        Token::LParen | Token::Period | Token::StringConcat => true,
        other => {
            matches!(other, Token::Plus | Token::Minus | Token::Mul | Token::Div | Token::Mod)
                || matches!(other, Token::Lt | Token::Gt | Token::Eq | Token::Neq | Token::LtEq | Token::GtEq)
        }
    }
}

/// Whether the word `user` stands here without a call. It is a column everywhere in event data, and there is no function
/// of that name; the generic dialect takes it for one.
fn is_user_column(parser: &Parser) -> bool {
    matches!(&parser.peek_nth_token_ref(0).token, Token::Word(word) if word.keyword == Keyword::USER)
        && parser.peek_nth_token_ref(1).token != Token::LParen
}

/// Whether `INTERVAL '…'` stands here.
fn opens_an_interval(parser: &Parser) -> bool {
    matches!(&parser.peek_nth_token_ref(0).token, Token::Word(word) if word.keyword == Keyword::INTERVAL)
        && matches!(parser.peek_nth_token_ref(1).token, Token::SingleQuotedString(_))
}

/// Parses what follows `IS DISTINCT FROM`, which holds looser than arithmetic and comparisons, and tighter than NOT, AND and OR: `sqlparser` takes
/// all of `b AND c` for it.
fn parse_distinct(parser: &mut Parser, left: &Expr, precedence: u8) -> Option<Result<Expr, ParserError>> {
    let is_distinct = parser.parse_keywords(&[Keyword::IS, Keyword::DISTINCT, Keyword::FROM]);
    if !is_distinct && !parser.parse_keywords(&[Keyword::IS, Keyword::NOT, Keyword::DISTINCT, Keyword::FROM]) {
        return None;
    }
    let node = if is_distinct { Expr::IsDistinctFrom } else { Expr::IsNotDistinctFrom };
    Some(parser.parse_subexpr(precedence).map(|right| node(Box::new(left.clone()), Box::new(right))))
}

/// Parses `AT TIME ZONE 'zone'` behind a time: a call of ours.
fn parse_time_zone(parser: &mut Parser, left: &Expr, precedence: u8) -> Option<Result<Expr, ParserError>> {
    let place = parser.peek_token_ref().span;
    if !parser.parse_keywords(&[Keyword::AT, Keyword::TIME, Keyword::ZONE]) {
        return None;
    }
    Some(parser.parse_subexpr(precedence).map(|zone| call(AT_TIME_ZONE, vec![left.clone(), zone], place)))
}

/// Parses an interval, of one unit or several.
fn parse_interval(parser: &mut Parser) -> Result<Expr, ParserError> {
    parser.advance_token();
    let place = parser.peek_token_ref().span.start;
    match parser.parse_interval()? {
        Expr::Interval(interval) => with_units_inside(interval)
            .map(Expr::Interval)
            .map_err(|message| ParserError::ParserError(format!("{message}{place}"))),
        other => Ok(other),
    }
}

/// Parses the call or the column behind `RUNNING` or `FINAL`.
fn parse_semantics(parser: &mut Parser, function: &str) -> Result<Expr, ParserError> {
    let prefix = parser.next_token();
    if semantics(&parser.peek_token_ref().token).is_some() {
        return parser.expected("a navigation or an aggregate", parser.peek_token());
    }
    let operand = parser.parse_prefix()?;
    let operand = parser.parse_compound_expr(operand, Vec::new())?;
    Ok(call(function, vec![operand], prefix.span))
}

/// What a number of more digits than its type keeps is parsed as: a call that has its text, or the negative number that there is no positive one of.
fn parse_long_number(parser: &mut Parser) -> Option<Result<Expr, ParserError>> {
    let number = |token: &Token| if let Token::Number(text, _) = token { Some(text.clone()) } else { None };
    let first = &parser.peek_nth_token_ref(0).token;
    if *first == Token::Minus && number(&parser.peek_nth_token_ref(1).token)? == LEAST_BIGINT {
        parser.advance_token();
        let positive = parser.parse_value().map(|value| Box::new(Expr::Value(value)));
        return Some(positive.map(|expr| Expr::UnaryOp { op: UnaryOperator::Minus, expr }));
    }
    let text = number(first)?;
    if !is_long(&text) {
        return None;
    }
    let place = parser.next_token().span;
    let is_whole = !text.contains('.');
    if is_whole && text.trim_start_matches('0').len() > usize::from(DIGITS_MAX) {
        let message = format!("a number has at most {DIGITS_MAX} digits{}", place.start);
        return Some(Err(ParserError::ParserError(message)));
    }
    Some(Ok(call(NUMBER, vec![Expr::Value(Value::SingleQuotedString(text).with_span(place))], place)))
}

/// Whether a BIGINT or a DOUBLE, as which it would be read, does not keep all digits of a number. One with an exponent says itself that it is not exact.
fn is_long(number: &str) -> bool {
    if !number.bytes().all(|digit| digit.is_ascii_digit() || digit == b'.') {
        return false;
    }
    if !number.contains('.') {
        return number.parse::<i64>().is_err();
    }
    let digits = number.bytes().filter(u8::is_ascii_digit).skip_while(|digit| *digit == b'0').count();
    digits > f64::DIGITS as usize
}

/// A call at the place of what it stands for.
fn call(function: &str, arguments: Vec<Expr>, place: Span) -> Expr {
    Expr::Function(Function {
        name: ObjectName(vec![ObjectNamePart::Identifier(Ident::with_span(place, function))]),
        uses_odbc_syntax: false,
        parameters: FunctionArguments::None,
        args: FunctionArguments::List(FunctionArgumentList {
            duplicate_treatment: None,
            args: arguments.into_iter().map(FunctionArgExpr::Expr).map(FunctionArg::Unnamed).collect(),
            clauses: Vec::new(),
        }),
        filter: None,
        null_treatment: None,
        over: None,
        within_group: Vec::new(),
    })
}

impl Dialect for DipperDialect {
    fn dialect(&self) -> TypeId {
        TypeId::of::<GenericDialect>()
    }

    fn is_delimited_identifier_start(&self, character: char) -> bool {
        character == '"' || character == '`'
    }

    fn is_identifier_start(&self, character: char) -> bool {
        character.is_alphabetic() || character == '_'
    }

    fn is_identifier_part(&self, character: char) -> bool {
        character.is_alphanumeric() || character == '_' || character == '$'
    }

    fn parse_prefix(&self, parser: &mut Parser) -> Option<Result<Expr, ParserError>> {
        self.steps_left.set(self.steps_left.get().saturating_sub(1));
        if self.is_exhausted() {
            return Some(Err(ParserError::RecursionLimitExceeded));
        }
        if is_user_column(parser) {
            let column = parser.parse_identifier().map(Expr::Identifier);
            return Some(column);
        }
        if opens_an_interval(parser) {
            return Some(parse_interval(parser));
        }
        if let Some(number) = parse_long_number(parser) {
            return Some(number);
        }
        semantics_prefix(parser).map(|function| parse_semantics(parser, function))
    }

    fn parse_infix(&self, parser: &mut Parser, left: &Expr, precedence: u8) -> Option<Result<Expr, ParserError>> {
        parse_distinct(parser, left, precedence).or_else(|| parse_time_zone(parser, left, precedence))
    }

    fn is_reserved_for_identifier(&self, keyword: Keyword) -> bool {
        // The last three are never a function's name: a mistake inside them is then reported where it is.
        keywords::RESERVED_FOR_IDENTIFIER.contains(&keyword)
            || matches!(keyword, Keyword::CASE | Keyword::CAST | Keyword::NOT)
    }

    // `$` is the end of the partition in patterns, so it must never open a dollar-quoted string.
    fn supports_table_versioning(&self) -> bool {
        self.versions
    }

    fn supports_dollar_placeholder(&self) -> bool {
        true
    }

    fn supports_nested_comments(&self) -> bool {
        true
    }

    fn supports_unicode_string_literal(&self) -> bool {
        true
    }

    fn supports_string_escape_constant(&self) -> bool {
        true
    }

    fn supports_group_by_expr(&self) -> bool {
        true
    }

    fn supports_filter_during_aggregation(&self) -> bool {
        true
    }

    fn supports_window_clause_named_window_reference(&self) -> bool {
        true
    }

    fn supports_window_function_null_treatment_arg(&self) -> bool {
        true
    }

    fn supports_left_associative_joins_without_parens(&self) -> bool {
        true
    }

    fn supports_parens_around_table_factor(&self) -> bool {
        true
    }

    fn supports_values_as_table_factor(&self) -> bool {
        true
    }

    fn supports_select_wildcard_except(&self) -> bool {
        true
    }

    fn supports_select_wildcard_exclude(&self) -> bool {
        true
    }

    fn supports_select_wildcard_replace(&self) -> bool {
        true
    }

    fn supports_select_wildcard_rename(&self) -> bool {
        true
    }

    fn supports_array_typedef_with_brackets(&self) -> bool {
        true
    }

    fn supports_map_literal_with_angle_brackets(&self) -> bool {
        true
    }

    fn allow_extract_custom(&self) -> bool {
        true
    }

    fn allow_extract_single_quotes(&self) -> bool {
        true
    }

    fn supports_comma_separated_trim(&self) -> bool {
        true
    }

    fn supports_bitwise_shift_operators(&self) -> bool {
        true
    }

    fn supports_order_by_all(&self) -> bool {
        false
    }
}
