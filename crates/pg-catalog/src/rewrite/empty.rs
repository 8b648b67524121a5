//! A query over a relation that never has rows (there are no triggers, no policies, no foreign keys' targets) has none either, whatever else
//! it says. So it need not be planned: clients say there what DataFusion has no words for.

use std::ops::ControlFlow;

use sqlparser::ast::{
    BinaryOperator, DataType, Expr, GroupByExpr, JoinOperator, Query, Select, SelectItem, SetExpr, TableFactor,
    TableWithJoins, UnaryOperator, Value, VisitorMut,
};

use super::{boolean, last, null, quoted, sql_type, subquery};
use crate::functions;
use crate::tables::{self, Definition};

/// The names of the common table expressions above, which are no system relations.
#[derive(Default)]
pub(super) struct Emptied(Vec<String>);

impl VisitorMut for Emptied {
    type Break = ();

    fn pre_visit_query(&mut self, query: &mut Query) -> ControlFlow<()> {
        if let Some(with) = &query.with {
            self.0.extend(with.cte_tables.iter().map(|table| table.alias.name.value.to_lowercase()));
        }
        if let SetExpr::Select(select) = query.body.as_mut()
            && self.empty(select)
        {
            query.order_by = None;
            query.limit_clause = None;
        }
        ControlFlow::Continue(())
    }

    fn pre_visit_select(&mut self, select: &mut Select) -> ControlFlow<()> {
        self.empty(select);
        ControlFlow::Continue(())
    }

    fn post_visit_expr(&mut self, expr: &mut Expr) -> ControlFlow<()> {
        match expr {
            Expr::Exists { subquery, negated } if is_emptied(subquery) => *expr = boolean(*negated),
            Expr::InSubquery { subquery, negated, .. } if is_emptied(subquery) => *expr = boolean(*negated),
            Expr::Subquery(query) if is_emptied(query) => {
                let data_type = match query.body.as_ref() {
                    SetExpr::Select(select) => select.projection.first().and_then(item_type),
                    _ => None,
                };
                *expr = null(data_type.unwrap_or(DataType::Text));
            }
            _ => {}
        }
        ControlFlow::Continue(())
    }
}

impl Emptied {
    /// Replaces a query without rows by one of the same columns that reads nothing. Says whether it did.
    fn empty(&self, select: &mut Select) -> bool {
        let groups = !matches!(&select.group_by, GroupByExpr::Expressions(groups, _) if groups.is_empty());
        if !select.from.iter().any(|from| self.is_empty(from)) || (!groups && subquery::aggregates(select)) {
            return false;
        }
        let scope = Scope::of(select);
        let mut projection = Vec::new();
        for item in &select.projection {
            match item {
                SelectItem::UnnamedExpr(expr) => {
                    let name = match expr {
                        Expr::Identifier(ident) => ident.clone(),
                        Expr::CompoundIdentifier(idents) => {
                            idents.last().cloned().unwrap_or_else(|| quoted("?column?"))
                        }
                        _ => quoted("?column?"),
                    };
                    projection.push(SelectItem::ExprWithAlias { expr: null(scope.data_type(expr)), alias: name });
                }
                SelectItem::ExprWithAlias { expr, alias } => {
                    projection
                        .push(SelectItem::ExprWithAlias { expr: null(scope.data_type(expr)), alias: alias.clone() });
                }
                SelectItem::Wildcard(_) if scope.is_known => {
                    let fields = scope.relations.iter().flat_map(|(_, definition)| definition.columns.fields().iter());
                    projection.extend(fields.map(|field| SelectItem::ExprWithAlias {
                        expr: null(sql_type(field.data_type())),
                        alias: quoted(field.name()),
                    }));
                }
                _ => return false,
            }
        }
        select.projection = projection;
        select.from = Vec::new();
        select.selection = Some(boolean(false));
        select.group_by = GroupByExpr::Expressions(Vec::new(), Vec::new());
        select.having = None;
        select.distinct = None;
        select.named_window = Vec::new();
        true
    }

    /// Whether joined relations have no row together.
    fn is_empty(&self, from: &TableWithJoins) -> bool {
        from.joins.iter().fold(self.is_factor_empty(&from.relation), |left, join| {
            let right = || self.is_factor_empty(&join.relation);
            match &join.join_operator {
                JoinOperator::Left(_) | JoinOperator::LeftOuter(_) => left,
                JoinOperator::Right(_) | JoinOperator::RightOuter(_) => right(),
                JoinOperator::FullOuter(_) => left && right(),
                JoinOperator::Join(_) | JoinOperator::Inner(_) | JoinOperator::CrossJoin(_) => left || right(),
                _ => false,
            }
        })
    }

    fn is_factor_empty(&self, factor: &TableFactor) -> bool {
        match factor {
            TableFactor::Table { name, args: None, .. } => {
                let is_common = last(name).is_some_and(|name| self.0.contains(&name.to_lowercase()));
                !is_common && definition(name).is_some_and(Definition::is_never_filled)
            }
            TableFactor::NestedJoin { table_with_joins, .. } => self.is_empty(table_with_joins),
            TableFactor::Derived { subquery, .. } => match subquery.body.as_ref() {
                SetExpr::Select(select) => {
                    let groups = !matches!(&select.group_by, GroupByExpr::Expressions(groups, _) if groups.is_empty());
                    select.from.iter().any(|from| self.is_empty(from)) && (groups || !subquery::aggregates(select))
                }
                _ => false,
            },
            _ => false,
        }
    }
}

/// The system relation of a name.
pub(super) fn definition(name: &sqlparser::ast::ObjectName) -> Option<&'static Definition> {
    let parts: Vec<_> = name.0.iter().filter_map(|part| part.as_ident()).map(super::name::folded).collect();
    match parts.as_slice() {
        [name] => tables::find(None, name),
        [.., schema, name] => tables::find(Some(schema), name),
        [] => None,
    }
}

/// Whether a query is one that was replaced.
fn is_emptied(query: &Query) -> bool {
    match query.body.as_ref() {
        SetExpr::Select(select) => {
            let is_false =
                |selection: &Expr| matches!(selection, Expr::Value(value) if value.value == Value::Boolean(false));
            select.from.is_empty() && select.selection.as_ref().is_some_and(is_false)
        }
        _ => false,
    }
}

fn item_type(item: &SelectItem) -> Option<DataType> {
    match item {
        SelectItem::ExprWithAlias { expr: Expr::Cast { data_type, .. }, .. } => Some(data_type.clone()),
        _ => None,
    }
}

/// The relations a query reads, by the names it calls them.
struct Scope {
    relations: Vec<(String, &'static Definition)>,
    /// Whether all of them are system relations.
    is_known: bool,
}

impl Scope {
    fn of(select: &Select) -> Self {
        let mut scope = Self { relations: Vec::new(), is_known: true };
        for from in &select.from {
            scope.add(&from.relation);
            from.joins.iter().for_each(|join| scope.add(&join.relation));
        }
        scope
    }

    fn add(&mut self, factor: &TableFactor) {
        match factor {
            TableFactor::Table { name, alias, .. } => match definition(name) {
                Some(definition) => {
                    let called = alias
                        .as_ref()
                        .map_or_else(|| definition.name.clone(), |alias| super::name::folded(&alias.name));
                    self.relations.push((called, definition));
                }
                None => self.is_known = false,
            },
            _ => self.is_known = false,
        }
    }

    /// The type of an expression, as far as it shows; otherwise text.
    fn data_type(&self, expr: &Expr) -> DataType {
        match expr {
            Expr::Nested(inner) | Expr::Collate { expr: inner, .. } => self.data_type(inner),
            Expr::Identifier(ident) => self.column(None, &super::name::folded(ident)),
            Expr::CompoundIdentifier(idents) => match idents.as_slice() {
                [.., relation, column] => {
                    self.column(Some(&super::name::folded(relation)), &super::name::folded(column))
                }
                _ => DataType::Text,
            },
            Expr::Cast { data_type: DataType::Custom(name, _), .. } => match last(name) {
                Some("oid") => DataType::Integer(None),
                Some("int2" | "int4" | "int8") => DataType::BigInt(None),
                Some("bool") => DataType::Boolean,
                _ => DataType::Text,
            },
            Expr::Cast {
                data_type: known @ (DataType::Boolean | DataType::Integer(_) | DataType::Int(_) | DataType::BigInt(_)),
                ..
            } => known.clone(),
            Expr::Value(value) => match &value.value {
                Value::Number(..) => DataType::BigInt(None),
                Value::Boolean(_) => DataType::Boolean,
                _ => DataType::Text,
            },
            Expr::IsNull(_)
            | Expr::IsNotNull(_)
            | Expr::IsTrue(_)
            | Expr::IsNotTrue(_)
            | Expr::IsFalse(_)
            | Expr::IsNotFalse(_)
            | Expr::Exists { .. }
            | Expr::InList { .. }
            | Expr::InSubquery { .. }
            | Expr::AnyOp { .. }
            | Expr::AllOp { .. }
            | Expr::Like { .. }
            | Expr::ILike { .. }
            | Expr::Between { .. }
            | Expr::UnaryOp { op: UnaryOperator::Not, .. } => DataType::Boolean,
            Expr::BinaryOp { op, left, .. } => match op {
                BinaryOperator::Plus | BinaryOperator::Minus | BinaryOperator::Multiply | BinaryOperator::Divide => {
                    self.data_type(left)
                }
                BinaryOperator::StringConcat => DataType::Text,
                _ => DataType::Boolean,
            },
            Expr::Case { conditions, .. } => {
                conditions.first().map_or(DataType::Text, |case| self.data_type(&case.result))
            }
            Expr::Function(function) => {
                last(&function.name).map_or(DataType::Text, |name| match name.to_lowercase().as_str() {
                    "count" | "row_number" | "generate_subscripts" | "generate_series" => DataType::BigInt(None),
                    name => {
                        let found = functions::all().find(|function| function.name == name);
                        found.map_or(DataType::Text, |function| sql_type(&function.data_type()))
                    }
                })
            }
            _ => DataType::Text,
        }
    }

    fn column(&self, relation: Option<&str>, column: &str) -> DataType {
        let found = self
            .relations
            .iter()
            .filter(|(name, _)| relation.is_none_or(|relation| relation == name))
            .find_map(|(_, definition)| definition.columns.field_with_name(column).ok());
        found.map_or(DataType::Text, |field| sql_type(field.data_type()))
    }
}
