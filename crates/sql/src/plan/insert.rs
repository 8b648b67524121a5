//! INSERT: the query's columns in the sink's order and types.

use arrow::datatypes::{DataType, FieldRef};
use datafusion::common::ScalarValue;
use datafusion::logical_expr::{Expr, LogicalPlan, LogicalPlanBuilder, cast, lit};
use dipper_types::{Error, Result, Span};
use sqlparser::ast::{
    CastKind, DataType as SqlType, Expr as SqlExpr, Ident, SelectItem, SetExpr, UnaryOperator, Value,
};
use sqlparser::parser::Parser;

use crate::ast::{Insert, NUMBER, Query};
use crate::bind::{analyse, duplicate_columns, function_name, plan_error};
use crate::catalog::{Table, column_name, sql_type_name};
use crate::dialect::DipperDialect;
use crate::source_text::span;

/// The query with other names for the columns that would have the same: an insert goes by position, and DataFusion wants
/// them distinct.
pub(super) fn with_distinct_names(source: &Query) -> Query {
    let mut source = source.clone();
    name_apart(source.query.body.as_mut());
    source
}

/// Gives each text and each parameter in the VALUES of an insert the type of the column that it goes into, as Postgres does, and each number that goes
/// into a DECIMAL its digits. What is not written as a literal keeps its type.
pub(super) fn type_literals(source: &mut Query, insert: &Insert, table: &Table) -> Result<()> {
    let (sink, targets) = (table.written(), target_columns(insert, table)?);
    let wanted = |column: usize| targets.get(column).map(|target| sink.columns.field(*target).data_type());
    match source.query.body.as_mut() {
        SetExpr::Values(values) => {
            for row in &mut values.rows {
                for (column, value) in row.content.iter_mut().enumerate() {
                    match wanted(column) {
                        Some(DataType::Utf8 | DataType::Binary) | None => {}
                        Some(wanted) if is_open(value) || is_exact(value, wanted) => cast_literal(value, wanted)?,
                        Some(_) => {}
                    }
                }
            }
        }
        SetExpr::Select(select) => {
            for (column, item) in select.projection.iter_mut().enumerate() {
                let (SelectItem::UnnamedExpr(value) | SelectItem::ExprWithAlias { expr: value, .. }) = item else {
                    break;
                };
                if let Some(wanted) = wanted(column).filter(|wanted| is_exact(value, wanted)) {
                    cast_literal(value, wanted)?;
                }
            }
        }
        _ => {}
    }
    Ok(())
}

fn is_open(value: &SqlExpr) -> bool {
    let SqlExpr::Value(literal) = value else { return false };
    matches!(literal.value, Value::SingleQuotedString(_) | Value::Placeholder(_))
}

/// Whether this is a number for a DECIMAL.
fn is_exact(value: &SqlExpr, wanted: &DataType) -> bool {
    let is_number = match value {
        SqlExpr::UnaryOp { op: UnaryOperator::Minus | UnaryOperator::Plus, expr } => return is_exact(expr, wanted),
        SqlExpr::Value(literal) => matches!(literal.value, Value::Number(..)),
        SqlExpr::Function(function) => function_name(function) == NUMBER,
        _ => false,
    };
    is_number && wanted.is_decimal()
}

fn cast_literal(value: &mut SqlExpr, wanted: &DataType) -> Result<()> {
    let data_type = sql_type(wanted)?;
    let expr = Box::new(std::mem::replace(value, SqlExpr::Value(Value::Null.into())));
    *value = SqlExpr::Cast { kind: CastKind::Cast, expr, data_type, array: false, format: None };
    Ok(())
}

/// A type as the parser leaves it.
fn sql_type(data_type: &DataType) -> Result<SqlType> {
    let name = sql_type_name(data_type);
    let parsed = Parser::new(&DipperDialect::for_tokens(&[]))
        .try_with_sql(&name)
        .and_then(|mut parser| parser.parse_data_type());
    parsed.map_err(|error| Error::internal(format!("the type {name} is not understood: {error}")))
}

fn name_apart(body: &mut SetExpr) {
    match body {
        SetExpr::Select(select) => {
            let duplicates = duplicate_columns(select);
            for (position, name) in duplicates {
                let item = &mut select.projection[position];
                if let SelectItem::UnnamedExpr(expr) | SelectItem::ExprWithAlias { expr, .. } = item {
                    let alias = Ident::with_quote('"', format!("{name}{APART}{position}"));
                    *item = SelectItem::ExprWithAlias { expr: expr.clone(), alias };
                }
            }
        }
        SetExpr::SetOperation { left, right, .. } => {
            name_apart(left);
            name_apart(right);
        }
        SetExpr::Query(query) => name_apart(&mut query.body),
        _ => {}
    }
}

/// Between a name that another column has and the number that sets it apart: a sign that nobody types.
const APART: char = '\u{1f}';

/// What the user calls a column that may have been named apart.
pub fn own_name(name: &str) -> &str {
    match name.rsplit_once(APART) {
        Some((own, number)) if number.bytes().all(|digit| digit.is_ascii_digit()) => own,
        _ => name,
    }
}

/// Brings a bound query into the shape of the sink.
pub(super) fn bind(insert: &Insert, source: LogicalPlan, table: &Table) -> Result<LogicalPlan> {
    let sink = table.written();
    let targets = target_columns(insert, table)?;
    let found = source.schema().fields().len();
    if found != targets.len() {
        let (name, expected) = (table.name(), targets.len());
        let names: Vec<&str> = targets.iter().map(|index| sink.columns.field(*index).name().as_str()).collect();
        return Err(Error::invalid(format!("the query has {found} columns, but {expected} go into '{name}'"))
            .at(insert.source.span)
            .with_hint(format!("they are {}", names.join(", "))));
    }
    let columns = source.schema().columns();
    let mut exprs = Vec::new();
    for (index, field) in sink.columns.fields().iter().enumerate() {
        let expr = match targets.iter().position(|target| *target == index) {
            Some(at) => {
                let given = source.schema().field(at);
                converted(Expr::Column(columns[at].clone()), given, field, table, insert.source.span)?
            }
            None if field.is_nullable() => null_of(field.data_type())?,
            None => {
                return Err(Error::invalid(format!(
                    "column '{}' of '{}' is NOT NULL and gets no value",
                    field.name(),
                    table.name()
                ))
                .at(span(insert.columns.last().map_or(sqlparser::tokenizer::Span::empty(), |column| column.span))));
            }
        };
        exprs.push(expr.alias(field.name()));
    }
    let plan =
        LogicalPlanBuilder::from(source).project(exprs).and_then(LogicalPlanBuilder::build).map_err(plan_error)?;
    analyse(plan)
}

/// The sink's columns (as it is written) that the insert names.
fn target_columns(insert: &Insert, table: &Table) -> Result<Vec<usize>> {
    let sink = table.written();
    if insert.columns.is_empty() {
        return Ok((0..sink.columns.fields().len()).collect());
    }
    let mut targets: Vec<usize> = Vec::new();
    for ident in &insert.columns {
        let name = column_name(ident);
        let problem = match sink.columns.index_of(&name) {
            Ok(index) if targets.contains(&index) => "is named twice",
            Ok(index) => {
                targets.push(index);
                continue;
            }
            Err(_) if table.computed.iter().any(|column| column.name == name) => "is computed and cannot be written",
            Err(_) if table.schema.index_of(&name).is_ok() => "is virtual and cannot be written",
            Err(_) => "does not exist",
        };
        let table = table.name();
        return Err(Error::invalid(format!("INSERT INTO '{table}': column '{name}' {problem}")).at(span(ident.span)));
    }
    Ok(targets)
}

fn null_of(data_type: &DataType) -> Result<Expr> {
    ScalarValue::try_from(data_type).map(lit).map_err(plan_error)
}

/// A column in the sink's type.
fn converted(expr: Expr, given: &FieldRef, wanted: &FieldRef, table: &Table, here: Span) -> Result<Expr> {
    if given.data_type() == wanted.data_type() {
        return Ok(expr);
    }
    if is_implicit(given.data_type(), wanted.data_type()) {
        return Ok(cast(expr, wanted.data_type().clone()));
    }
    let (from, to) = (sql_type_name(given.data_type()), sql_type_name(wanted.data_type()));
    let name = wanted.name();
    Err(Error::invalid(format!("column '{name}' of '{}' is of type {to}, and the query gives {from}", table.name()))
        .at(here)
        .with_hint(format!("CAST({} AS {to})", own_name(given.name()))))
}

/// Conversions that an insert does by itself. A number that does not fit is an error when it comes.
fn is_implicit(from: &DataType, to: &DataType) -> bool {
    use DataType::{Date32, Dictionary, Null, Timestamp};
    let is_decimal = |t: &DataType| matches!(t, DataType::Decimal128(..) | DataType::Decimal256(..));
    let is_number = |t: &DataType| t.is_integer() || t.is_floating() || is_decimal(t);
    let is_text = |t: &DataType| matches!(t, DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View);
    let is_bytes = |t: &DataType| matches!(t, DataType::Binary | DataType::LargeBinary | DataType::BinaryView);
    match (from, to) {
        (Null, _)
        | (Timestamp(..) | Date32, Timestamp(..))
        | (DataType::Time32(_) | DataType::Time64(_), DataType::Time32(_) | DataType::Time64(_)) => true,
        (Dictionary(_, value), _) => value.as_ref() == to || is_implicit(value, to),
        _ if is_text(from) || is_bytes(from) => is_text(from) && is_text(to) || is_bytes(from) && is_bytes(to),
        _ if from.is_integer() => is_number(to),
        _ => (from.is_floating() || is_decimal(from)) && is_number(to) && !to.is_integer(),
    }
}
