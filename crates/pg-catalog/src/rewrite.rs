//! Small rules that turn the SQL of Postgres clients into what DataFusion plans. Each says in its file what it is for.

mod array;
mod call;
mod cast;
mod empty;
mod hidden;
mod lateral;
mod name;
mod operator;
mod relation;
mod subquery;
mod substitute;

use std::ops::ControlFlow;

use arrow::datatypes::{DataType as ArrowType, TimeUnit};
use dipper_types::{Error, Result};
use sqlparser::ast::{
    ArrayElemTypeDef, CastKind, DataType, ExactNumberInfo, Expr, Function, FunctionArg, FunctionArgExpr,
    FunctionArgumentList, FunctionArguments, Ident, ObjectName, Query, Select, SetExpr, Statement, TableFactor,
    TimezoneInfo, Value, VisitMut, VisitorMut,
};
use sqlparser::dialect::PostgreSqlDialect;
use sqlparser::parser::Parser;

pub(crate) use name::{Names, folded};

/// Parses the one statement a text holds.
pub(crate) fn parse(sql: &str) -> Result<Statement> {
    let mut statements = Parser::parse_sql(&PostgreSqlDialect {}, sql).map_err(|error| {
        Error::invalid(format!("syntax error: {}", error.to_string().trim_start_matches("sql parser error: ")))
    })?;
    match (statements.pop(), statements.is_empty()) {
        (Some(statement), true) => Ok(statement),
        (None, _) => Err(Error::invalid("there is no statement")),
        (Some(_), false) => Err(Error::invalid("there is more than one statement").with_hint("send them one by one")),
    }
}

/// Rewrites a query, and says how its columns are called.
pub(crate) fn rewrite(query: &mut Query) -> Names {
    let names = name::name_columns(query);
    let _ = query.visit(&mut empty::Emptied::default());
    let _ = query.visit(&mut Accesses);
    let _ = query.visit(&mut Relations);
    let _ = query.visit(&mut Expressions);
    cast::print_columns(query);
    names
}

/// Makes `i.indkey[0]` an element of the column `i.indkey`: it is read as one of a field of `i`.
struct Accesses;

impl VisitorMut for Accesses {
    type Break = ();

    fn post_visit_expr(&mut self, expr: &mut Expr) -> ControlFlow<()> {
        array::of_column(expr);
        ControlFlow::Continue(())
    }
}

/// The rules about what is read from.
struct Relations;

impl VisitorMut for Relations {
    type Break = ();

    fn pre_visit_select(&mut self, select: &mut Select) -> ControlFlow<()> {
        hidden::rewrite(select);
        ControlFlow::Continue(())
    }

    fn pre_visit_table_factor(&mut self, factor: &mut TableFactor) -> ControlFlow<()> {
        relation::rewrite(factor);
        ControlFlow::Continue(())
    }

    fn pre_visit_query(&mut self, query: &mut Query) -> ControlFlow<()> {
        relation::rewrite_fetch(query);
        lateral::rewrite(query);
        ControlFlow::Continue(())
    }
}

/// The rules about expressions, from the innermost outwards.
struct Expressions;

impl VisitorMut for Expressions {
    type Break = ();

    fn post_visit_expr(&mut self, expr: &mut Expr) -> ControlFlow<()> {
        operator::rewrite(expr);
        call::rewrite(expr);
        cast::rewrite(expr);
        array::rewrite(expr);
        subquery::rewrite(expr);
        ControlFlow::Continue(())
    }
}

/// A call of a function.
fn call(name: &str, arguments: Vec<Expr>) -> Expr {
    let args = arguments.into_iter().map(|argument| FunctionArg::Unnamed(FunctionArgExpr::Expr(argument))).collect();
    Expr::Function(Function {
        name: ObjectName::from(vec![Ident::new(name)]),
        uses_odbc_syntax: false,
        parameters: FunctionArguments::None,
        args: FunctionArguments::List(FunctionArgumentList { duplicate_treatment: None, args, clauses: Vec::new() }),
        filter: None,
        null_treatment: None,
        over: None,
        within_group: Vec::new(),
    })
}

/// The name of a call, and its arguments where they are plain expressions.
fn called(expr: &Expr) -> Option<(&str, Vec<&Expr>)> {
    let Expr::Function(function) = expr else {
        return None;
    };
    let name = last(&function.name)?;
    let FunctionArguments::List(list) = &function.args else {
        return Some((name, Vec::new()));
    };
    let arguments = list.args.iter().map(|argument| match argument {
        FunctionArg::Unnamed(FunctionArgExpr::Expr(expr)) => Some(expr),
        _ => None,
    });
    Some((name, arguments.collect::<Option<_>>()?))
}

/// The last part of a name.
pub(crate) fn last(name: &ObjectName) -> Option<&str> {
    name.0.last()?.as_ident().map(|ident| ident.value.as_str())
}

fn text(text: &str) -> Expr {
    Expr::value(Value::SingleQuotedString(text.to_owned()))
}

fn number(number: i64) -> Expr {
    Expr::value(Value::Number(number.to_string(), false))
}

fn boolean(value: bool) -> Expr {
    Expr::value(Value::Boolean(value))
}

/// A null of a type.
fn null(data_type: DataType) -> Expr {
    cast_to(Expr::value(Value::Null), data_type)
}

fn cast_to(expr: Expr, data_type: DataType) -> Expr {
    Expr::Cast { kind: CastKind::Cast, expr: Box::new(expr), data_type, array: false, format: None }
}

/// An identifier that stands as it is.
fn quoted(name: &str) -> Ident {
    Ident::with_quote('"', name)
}

/// The queries at the leaves of a query: itself, or the branches of its set operations.
fn selects(body: &mut SetExpr, visit: &mut impl FnMut(&mut Select)) {
    match body {
        SetExpr::Select(select) => visit(select),
        SetExpr::Query(query) => selects(&mut query.body, visit),
        SetExpr::SetOperation { left, right, .. } => {
            selects(left, visit);
            selects(right, visit);
        }
        _ => {}
    }
}

/// How an Arrow type is written in SQL; what has no counterpart there is a text.
pub(crate) fn sql_type(data_type: &ArrowType) -> DataType {
    match data_type {
        ArrowType::Boolean => DataType::Boolean,
        ArrowType::Int8 | ArrowType::UInt8 | ArrowType::Int16 => DataType::SmallInt(None),
        ArrowType::UInt16 | ArrowType::Int32 => DataType::Integer(None),
        ArrowType::UInt32 | ArrowType::Int64 | ArrowType::UInt64 => DataType::BigInt(None),
        ArrowType::Float16 | ArrowType::Float32 => DataType::Real,
        ArrowType::Float64 => DataType::DoublePrecision,
        ArrowType::Decimal32(..) | ArrowType::Decimal64(..) | ArrowType::Decimal128(..) | ArrowType::Decimal256(..) => {
            DataType::Numeric(ExactNumberInfo::PrecisionAndScale(38, 10))
        }
        ArrowType::Binary | ArrowType::LargeBinary | ArrowType::BinaryView => DataType::Bytea,
        ArrowType::Date32 | ArrowType::Date64 => DataType::Date,
        ArrowType::Timestamp(
            TimeUnit::Second | TimeUnit::Millisecond | TimeUnit::Microsecond | TimeUnit::Nanosecond,
            zone,
        ) => {
            let zone = if zone.is_some() { TimezoneInfo::WithTimeZone } else { TimezoneInfo::None };
            DataType::Timestamp(None, zone)
        }
        ArrowType::List(item) | ArrowType::LargeList(item) => {
            DataType::Array(ArrayElemTypeDef::SquareBracket(Box::new(sql_type(item.data_type())), None))
        }
        _ => DataType::Text,
    }
}
