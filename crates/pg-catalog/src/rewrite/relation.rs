//! What is read from: functions that return rows become queries, and `FETCH FIRST` a limit.

use sqlparser::ast::{
    Expr, Fetch, FunctionArg, FunctionArgExpr, Ident, LimitClause, ObjectName, Query, SelectItem, SetExpr, TableAlias,
    TableFactor,
};

use super::{call, last, number, quoted};

/// Functions that DataFusion reads from itself.
const READ_FROM: &[&str] = &["pg_get_keywords"];

/// A function that is read from.
pub(super) struct Source {
    pub(super) name: String,
    pub(super) arguments: Vec<Expr>,
    pub(super) with_ordinality: bool,
    pub(super) alias: Option<TableAlias>,
}

impl Source {
    pub(super) fn of(factor: &TableFactor) -> Option<Self> {
        let plain = |args: &[FunctionArg]| {
            let plain = |arg: &FunctionArg| match arg {
                FunctionArg::Unnamed(FunctionArgExpr::Expr(expr)) => Some(expr.clone()),
                _ => None,
            };
            args.iter().map(plain).collect::<Option<Vec<_>>>()
        };
        let (name, arguments, with_ordinality, alias) = match factor {
            TableFactor::Table { name, args: Some(args), with_ordinality, alias, .. } => {
                (last(name)?.to_lowercase(), plain(&args.args)?, *with_ordinality, alias)
            }
            TableFactor::Function { name, args, with_ordinality, alias, .. } => {
                (last(name)?.to_lowercase(), plain(args)?, *with_ordinality, alias)
            }
            TableFactor::UNNEST { array_exprs, with_ordinality, alias, .. } => {
                ("unnest".to_owned(), array_exprs.clone(), *with_ordinality, alias)
            }
            _ => return None,
        };
        Some(Self { name, arguments, with_ordinality, alias: alias.clone() })
    }

    /// What the rows are called.
    pub(super) fn name(&self) -> Ident {
        self.alias.as_ref().map_or_else(|| quoted(&self.name), |alias| alias.name.clone())
    }

    /// What a column of the rows is called: as the alias says; the first as the rows.
    pub(super) fn column(&self, index: usize, otherwise: &str) -> Ident {
        let named = self.alias.as_ref().and_then(|alias| alias.columns.get(index));
        match named {
            Some(column) => column.name.clone(),
            None if index == 0 && otherwise.is_empty() => self.name(),
            None => quoted(otherwise),
        }
    }
}

pub(super) fn rewrite(factor: &mut TableFactor) {
    let Some(source) = Source::of(factor) else {
        return;
    };
    if READ_FROM.contains(&source.name.as_str()) {
        if let TableFactor::Table { name, .. } = factor {
            *name = ObjectName::from(vec![Ident::new(&source.name)]);
        }
        return;
    }
    let mut columns = Vec::new();
    match (source.name.as_str(), source.arguments.as_slice()) {
        ("_pg_expandarray", [array]) => {
            columns.push((call("unnest", vec![array.clone()]), source.column(0, "x")));
            columns.push((
                call("unnest", vec![call("array_subscripts", vec![array.clone(), number(1)])]),
                source.column(1, "n"),
            ));
        }
        (name, arguments) => {
            columns.push((call(name, arguments.to_vec()), source.column(0, "")));
            if let (true, Some(array)) = (source.with_ordinality, arguments.first()) {
                let positions = if name == "unnest" { array.clone() } else { call("series", arguments.to_vec()) };
                let positions = call("unnest", vec![call("array_subscripts", vec![positions, number(1)])]);
                columns.push((positions, source.column(1, "ordinality")));
            }
        }
    }
    let alias = TableAlias { explicit: true, name: source.name(), columns: Vec::new(), at: None };
    if let Some(subquery) = query(columns) {
        *factor =
            TableFactor::Derived { lateral: false, subquery: Box::new(subquery), alias: Some(alias), sample: None };
    }
}

/// A query of these columns that reads from nothing.
pub(super) fn query(columns: Vec<(Expr, Ident)>) -> Option<Query> {
    let sqlparser::ast::Statement::Query(mut query) = super::parse("SELECT 1").ok()? else {
        return None;
    };
    if let SetExpr::Select(select) = query.body.as_mut() {
        select.projection =
            columns.into_iter().map(|(expr, alias)| SelectItem::ExprWithAlias { expr, alias }).collect();
    }
    Some(*query)
}

/// `FETCH FIRST n ROWS ONLY` is a limit.
pub(super) fn rewrite_fetch(query: &mut Query) {
    if let Some(Fetch { with_ties: false, percent: false, quantity }) = &query.fetch {
        let limit = Some(quantity.clone().unwrap_or_else(|| number(1)));
        let offset = match &query.limit_clause {
            Some(LimitClause::LimitOffset { limit: None, offset, .. }) => offset.clone(),
            _ => None,
        };
        query.limit_clause = Some(LimitClause::LimitOffset { limit, offset, limit_by: Vec::new() });
        query.fetch = None;
    }
}
