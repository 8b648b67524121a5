//! Names the columns as Postgres does: `count` and not `count(*)`, `?column?` for what has no name. Columns of one name are kept apart for
//! DataFusion and get their name back in the result.

use std::collections::{HashMap, HashSet};
use std::ops::ControlFlow;

use sqlparser::ast::{
    AccessExpr, DataType, Expr, Ident, ObjectName, Query, Select, SelectItem, SetExpr, TrimWhereField, Visit, VisitMut,
    Visitor, VisitorMut,
};

use super::{last, quoted, selects};

/// The names that were changed to keep columns apart: what they are in the plan, and what they are to the client.
#[derive(Debug, Clone, Default)]
pub(crate) struct Names(HashMap<String, String>);

impl Names {
    /// What the client calls a column.
    pub(crate) fn of_client<'a>(&'a self, name: &'a str) -> &'a str {
        self.0.get(name).map_or(name, String::as_str)
    }
}

pub(super) fn name_columns(query: &mut Query) -> Names {
    let mut naming = Naming { names: Names::default(), is_outermost: true };
    let _ = query.visit(&mut naming);
    naming.names
}

struct Naming {
    names: Names,
    /// Whether this is the query around all others.
    is_outermost: bool,
}

impl VisitorMut for Naming {
    type Break = ();

    fn pre_visit_query(&mut self, query: &mut Query) -> ControlFlow<()> {
        selects(&mut query.body, &mut |select| self.name(select));
        self.is_outermost = false;
        ControlFlow::Continue(())
    }
}

impl Naming {
    fn name(&mut self, select: &mut Select) {
        let is_wild = |item: &SelectItem| matches!(item, SelectItem::Wildcard(_) | SelectItem::QualifiedWildcard(..));
        let has_wildcard = select.projection.iter().any(is_wild);
        // Beside rows of an array an expression must not be called as a column that is read.
        let has_rows = self.is_outermost && select.projection.iter().any(makes_rows);
        let mut taken = HashSet::new();
        for item in &mut select.projection {
            let is_aliased = matches!(item, SelectItem::ExprWithAlias { .. });
            let (expr, name, is_plain) = match item {
                SelectItem::UnnamedExpr(expr) => {
                    let is_plain = matches!(expr, Expr::Identifier(_) | Expr::CompoundIdentifier(_));
                    let name = column_name(expr).map_or_else(|| "?column?".to_owned(), |(name, _)| name);
                    (expr, name, is_plain)
                }
                SelectItem::ExprWithAlias { expr, alias } => (expr, folded(alias), false),
                _ => continue,
            };
            let is_apart = taken.insert(name.clone());
            if is_apart && is_plain && !has_wildcard {
                continue;
            }
            let mut alias = name.clone();
            if !is_apart || (is_plain && has_wildcard) || (has_rows && !is_plain && !is_aliased) {
                alias = format!("{name}:{}", self.names.0.len());
                self.names.0.insert(alias.clone(), name);
            }
            *item = SelectItem::ExprWithAlias { expr: expr.clone(), alias: quoted(&alias) };
        }
    }
}

/// Whether a column makes rows of an array.
fn makes_rows(item: &SelectItem) -> bool {
    struct Rows;
    impl Visitor for Rows {
        type Break = ();

        fn pre_visit_expr(&mut self, expr: &Expr) -> ControlFlow<()> {
            let makes_rows =
                |name: &str| matches!(name, "unnest" | "generate_series" | "generate_subscripts" | "_pg_expandarray");
            match expr {
                Expr::Function(function)
                    if last(&function.name).is_some_and(|name| makes_rows(&name.to_lowercase())) =>
                {
                    ControlFlow::Break(())
                }
                _ => ControlFlow::Continue(()),
            }
        }
    }
    match item {
        SelectItem::UnnamedExpr(expr) | SelectItem::ExprWithAlias { expr, .. } => expr.visit(&mut Rows).is_break(),
        _ => false,
    }
}

/// A name as it is stored: unquoted it is folded to lower case.
pub(crate) fn folded(ident: &Ident) -> String {
    if ident.quote_style.is_some() { ident.value.clone() } else { ident.value.to_lowercase() }
}

/// The name Postgres gives a column, and whether it is better than that of a cast around it.
fn column_name(expr: &Expr) -> Option<(String, bool)> {
    let strong = |name: &str| Some((name.to_owned(), true));
    match expr {
        Expr::Identifier(ident) => Some((folded(ident), true)),
        Expr::CompoundIdentifier(idents) => idents.last().map(|ident| (folded(ident), true)),
        Expr::Nested(expr) | Expr::Collate { expr, .. } => column_name(expr),
        Expr::Function(function) => last(&function.name).map(|name| (name.to_lowercase(), true)),
        Expr::Cast { expr, data_type, .. } => {
            let inner = column_name(expr);
            inner.filter(|(_, is_strong)| *is_strong).or_else(|| Some((type_name(data_type), false)))
        }
        Expr::TypedString(typed) => Some((type_name(&typed.data_type), false)),
        Expr::Case { else_result, .. } => {
            let inner = else_result.as_deref().and_then(column_name);
            inner.filter(|(_, is_strong)| *is_strong).or_else(|| Some(("case".to_owned(), false)))
        }
        Expr::Exists { .. } => strong("exists"),
        Expr::Array(_) => strong("array"),
        Expr::Tuple(_) => strong("row"),
        Expr::Extract { .. } => strong("extract"),
        Expr::Position { .. } => strong("position"),
        Expr::Substring { .. } => strong("substring"),
        Expr::Overlay { .. } => strong("overlay"),
        Expr::AtTimeZone { .. } => strong("timezone"),
        Expr::Trim { trim_where, .. } => strong(match trim_where {
            Some(TrimWhereField::Leading) => "ltrim",
            Some(TrimWhereField::Trailing) => "rtrim",
            _ => "btrim",
        }),
        Expr::Subquery(query) => first_column(&query.body),
        Expr::CompoundFieldAccess { root, access_chain } => match access_chain.last() {
            Some(AccessExpr::Dot(Expr::Identifier(field))) => Some((folded(field), true)),
            _ => column_name(root),
        },
        _ => None,
    }
}

fn first_column(body: &SetExpr) -> Option<(String, bool)> {
    match body {
        SetExpr::Select(select) => match select.projection.first()? {
            SelectItem::UnnamedExpr(expr) => column_name(expr),
            SelectItem::ExprWithAlias { alias, .. } => Some((folded(alias), true)),
            _ => None,
        },
        SetExpr::Query(query) => first_column(&query.body),
        SetExpr::SetOperation { left, .. } => first_column(left),
        _ => None,
    }
}

/// What `pg_type` calls a type.
fn type_name(data_type: &DataType) -> String {
    let named = |name: &ObjectName| last(name).unwrap_or_default().to_lowercase();
    match data_type {
        DataType::Custom(name, _) => named(name),
        DataType::Array(_) => "array".to_owned(),
        other => {
            let name = other.to_string();
            let found = crate::types::parse_type(&name).and_then(crate::types::name_of);
            found.map_or_else(|| name.to_lowercase(), str::to_owned)
        }
    }
}
