//! A SELECT with row patterns in windows, made a SELECT over a table function: the function adds to each row of FROM and WHERE what is asked
//! of the window, as columns, and these take the place of `m OVER w` and `SUM(x) OVER w`.
//!
//! ```text
//! SELECT m OVER w, SUM(x) OVER w FROM t WHERE c WINDOW w AS (…)
//! SELECT measure AS m, function AS "SUM(x)" FROM __row_pattern_window((SELECT *, x AS argument FROM t WHERE c), i, …)
//! ```
//!
//! An aggregate's arguments are computed below the window, where all of SQL may stand in them.

use std::borrow::Cow;
use std::ops::ControlFlow;
use std::sync::Arc;

use dipper_types::{Error, Result};
use sqlparser::ast::{
    ExcludeSelectItem, Expr, Function, FunctionArg, FunctionArgExpr, FunctionArgumentClause, FunctionArguments,
    GroupByExpr, Ident, NamedWindowDefinition, NamedWindowExpr, ObjectName, OrderBy, OrderByKind, Query as SqlQuery,
    Select, SelectItem, SetExpr, Spanned, TableFactor, TableWithJoins, Value, VisitMut, VisitorMut,
    WildcardAdditionalOptions, WindowSpec, WindowType, visit_expressions, visit_expressions_mut,
};

use super::context::is_aggregate;
use super::own_expressions;
use super::reference::{arguments, function_name};
use super::rewrite::quoted;
use crate::ast::{MEASURE, Query, ROW_PATTERN_WINDOW, RowPatternWindow};
use crate::catalog::{column_name, nearest};
use crate::source_text::span;

/// The most such windows in one SELECT: a plan is as deep as they are many.
const WINDOWS_MAX: usize = 16;

/// A window with a row pattern and the aggregates over it.
#[derive(Debug)]
pub(super) struct WindowUse {
    /// Its specification.
    pub(super) window: Arc<RowPatternWindow>,
    /// The aggregates, without OVER.
    pub(super) functions: Vec<Function>,
}

impl WindowUse {
    /// The column of a measure of window `window`, or, behind those, of an aggregate over it.
    pub(super) fn column(window: usize, index: usize) -> String {
        format!("{ROW_PATTERN_WINDOW}_{window}_{index}")
    }
}

/// Expands every SELECT of a query that has such windows.
pub(super) fn expand(query: &Query) -> Result<(Cow<'_, SqlQuery>, Vec<WindowUse>)> {
    if query.windows.is_empty() {
        return Ok((Cow::Borrowed(&query.query), Vec::new()));
    }
    let unused = |window: &Arc<RowPatternWindow>| WindowUse { window: Arc::clone(window), functions: Vec::new() };
    let mut expansion = Expansion { windows: query.windows.iter().map(unused).collect() };
    let mut expanded = query.query.as_ref().clone();
    if let ControlFlow::Break(error) = expanded.visit(&mut expansion) {
        return Err(*error);
    }
    refuse_the_rest(&expanded)?;
    Ok((Cow::Owned(expanded), expansion.windows))
}

/// What is left stands where no row pattern in a window can.
fn refuse_the_rest(query: &SqlQuery) -> Result<()> {
    let found = visit_expressions(query, |expr| match expr {
        Expr::Function(call) if [MEASURE, ROW_PATTERN_WINDOW].contains(&function_name(call).as_str()) => {
            ControlFlow::Break(span(expr.span()))
        }
        _ => ControlFlow::Continue(()),
    });
    match found {
        ControlFlow::Break(place) => {
            Err(Error::invalid("a row pattern in a window can only be used in SELECT and in its ORDER BY")
                .at(place)
                .with_hint("select it in a subquery"))
        }
        ControlFlow::Continue(()) => Ok(()),
    }
}

/// The walk over a query, inner queries first.
struct Expansion {
    windows: Vec<WindowUse>,
}

impl VisitorMut for Expansion {
    type Break = Box<Error>;

    fn post_visit_query(&mut self, query: &mut SqlQuery) -> ControlFlow<Self::Break> {
        match self.body(&mut query.body, query.order_by.as_mut()) {
            Ok(()) => ControlFlow::Continue(()),
            Err(error) => ControlFlow::Break(Box::new(error)),
        }
    }
}

impl Expansion {
    fn body(&mut self, body: &mut SetExpr, order_by: Option<&mut OrderBy>) -> Result<()> {
        match body {
            SetExpr::Select(select) => self.select(select, order_by),
            SetExpr::SetOperation { left, right, .. } => {
                self.body(left, None)?;
                self.body(right, None)
            }
            _ => Ok(()),
        }
    }

    fn select(&mut self, select: &mut Select, order_by: Option<&mut OrderBy>) -> Result<()> {
        let named = take_named_windows(&mut select.named_window)?;
        let used = named.iter().map(|(_, window)| *window).collect();
        let mut calls = Calls { windows: &mut self.windows, named, used, arguments: Vec::new() };
        for item in &mut select.projection {
            calls.replace_in_item(item)?;
        }
        if let Some(order_by) = order_by
            && let OrderByKind::Expressions(keys) = &mut order_by.kind
        {
            for key in keys {
                calls.replace(&mut key.expr)?;
            }
        }
        let Calls { used, arguments, .. } = calls;
        if used.is_empty() {
            return Ok(());
        }
        if let Some(window) = used.get(WINDOWS_MAX) {
            let message = format!("more than {WINDOWS_MAX} windows with a row pattern in one SELECT");
            return Err(Error::unsupported(message)
                .at(self.windows[*window].window.clause.span)
                .with_hint("name a window that several columns share: WINDOW w AS (…)"));
        }
        let first = &self.windows[used[0]].window;
        refuse_beside(select).map_err(|error| error.at(first.clause.span).with_hint("put the window in a subquery"))?;
        let hidden = self.hidden_columns(&used, &arguments);
        Self::put_below(select, &used, arguments);
        for item in &mut select.projection {
            if let SelectItem::Wildcard(options) = item {
                exclude(options, &hidden);
            }
        }
        Ok(())
    }

    /// The columns that no `*` shows.
    fn hidden_columns(&self, used: &[usize], arguments: &[(Ident, Expr)]) -> Vec<Ident> {
        let added = used.iter().flat_map(|window| {
            let WindowUse { window: clause, functions } = &self.windows[*window];
            let count = clause.clause.measures.len() + functions.len();
            (0..count).map(|index| Ident::with_quote('"', WindowUse::column(*window, index)))
        });
        added.chain(arguments.iter().map(|(name, _)| name.clone())).collect()
    }

    /// Moves FROM and WHERE below the windows' table function.
    fn put_below(select: &mut Select, used: &[usize], arguments: Vec<(Ident, Expr)>) {
        let mut below = select.clone();
        (below.distinct, below.named_window) = (None, Vec::new());
        let all = SelectItem::Wildcard(WildcardAdditionalOptions::default());
        let arguments = arguments.into_iter().map(|(alias, expr)| SelectItem::ExprWithAlias { expr, alias });
        below.projection = std::iter::once(all).chain(arguments).collect();
        select.selection = None;
        select.from = vec![TableWithJoins { relation: table_function(used, below), joins: Vec::new() }];
    }
}

/// The table function of some windows over a SELECT.
fn table_function(windows: &[usize], input: Select) -> TableFactor {
    let query = SqlQuery {
        with: None,
        body: Box::new(SetExpr::Select(Box::new(input))),
        order_by: None,
        limit_clause: None,
        fetch: None,
        locks: Vec::new(),
        for_clause: None,
        settings: None,
        format_clause: None,
        pipe_operators: Vec::new(),
    };
    let indices = windows.iter().map(|window| Expr::value(Value::Number(window.to_string(), false)));
    let args = std::iter::once(Expr::Subquery(Box::new(query))).chain(indices);
    TableFactor::Function {
        lateral: false,
        name: ObjectName::from(vec![Ident::new(ROW_PATTERN_WINDOW)]),
        args: args.map(|expr| FunctionArg::Unnamed(FunctionArgExpr::Expr(expr))).collect(),
        with_ordinality: false,
        alias: None,
    }
}

/// Takes the windows with a row pattern out of a WINDOW clause: their names and numbers.
fn take_named_windows(windows: &mut Vec<NamedWindowDefinition>) -> Result<Vec<(String, usize)>> {
    let mut named: Vec<(String, usize)> = Vec::new();
    let mut others = Vec::new();
    for definition in std::mem::take(windows) {
        let NamedWindowDefinition(name, window) = &definition;
        if named.iter().any(|(known, _)| *known == column_name(name)) {
            return Err(Error::invalid(format!("the window '{}' is defined twice", name.value)).at(span(name.span)));
        }
        match window {
            NamedWindowExpr::WindowSpec(specification) => match marked(specification) {
                Some(window) => named.push((column_name(name), window)),
                None => others.push(definition),
            },
            NamedWindowExpr::NamedWindow(_) => others.push(definition),
        }
    }
    for NamedWindowDefinition(_, definition) in &others {
        if let NamedWindowExpr::NamedWindow(base) = definition
            && named.iter().any(|(known, _)| *known == column_name(base))
        {
            return Err(built_on(base));
        }
    }
    *windows = others;
    Ok(named)
}

fn built_on(base: &Ident) -> Error {
    Error::unsupported(format!("a window built on '{}', which has a row pattern, is not supported", base.value))
        .at(span(base.span))
        .with_hint(format!("write OVER {} without parentheses, or the whole specification", base.value))
}

/// The number of the window whose mark a specification holds.
fn marked(specification: &WindowSpec) -> Option<usize> {
    let [Expr::Function(mark)] = specification.partition_by.as_slice() else { return None };
    let [FunctionArg::Unnamed(FunctionArgExpr::Expr(index))] = arguments(mark) else { return None };
    (function_name(mark) == ROW_PATTERN_WINDOW).then(|| index.to_string().parse().ok())?
}

/// Refuses what is computed before windows are, and QUALIFY, which chooses among their rows.
fn refuse_beside(select: &Select) -> Result<()> {
    let grouped = match &select.group_by {
        GroupByExpr::All(_) => true,
        GroupByExpr::Expressions(keys, modifiers) => !keys.is_empty() || !modifiers.is_empty(),
    };
    let mut is_plain_aggregate = |expr: &Expr| match expr {
        Expr::Function(call) if call.over.is_none() && is_aggregate(&function_name(call)) => ControlFlow::Break(()),
        _ => ControlFlow::Continue(()),
    };
    let what = if grouped {
        "GROUP BY"
    } else if select.having.is_some() {
        "HAVING"
    } else if select.qualify.is_some() {
        "QUALIFY"
    } else if own_expressions::visit(&select.projection, &mut is_plain_aggregate).is_break() {
        "an aggregate without OVER"
    } else if select.from.is_empty() {
        return Err(Error::invalid("a row pattern in a window needs FROM"));
    } else {
        return Ok(());
    };
    Err(Error::unsupported(format!("{what} beside a row pattern in a window is not supported")))
}

/// Leaves columns out of a `*`.
fn exclude(options: &mut WildcardAdditionalOptions, columns: &[Ident]) {
    let mut excluded = match options.opt_exclude.take() {
        None => Vec::new(),
        Some(ExcludeSelectItem::Single(column)) => vec![column],
        Some(ExcludeSelectItem::Multiple(columns)) => columns,
    };
    excluded.extend(columns.iter().map(|column| ObjectName::from(vec![column.clone()])));
    options.opt_exclude = Some(ExcludeSelectItem::Multiple(excluded));
}

/// The calls over windows with a row pattern in one SELECT.
struct Calls<'a> {
    windows: &'a mut [WindowUse],
    named: Vec<(String, usize)>,
    /// In the order of their first appearance.
    used: Vec<usize>,
    /// What is computed below the windows.
    arguments: Vec<(Ident, Expr)>,
}

impl Calls<'_> {
    /// Replaces the calls of a column, which keeps its name.
    fn replace_in_item(&mut self, item: &mut SelectItem) -> Result<()> {
        match item {
            SelectItem::UnnamedExpr(expr) => {
                let name = plain_name(expr);
                if self.replace(expr)? {
                    *item = SelectItem::ExprWithAlias { expr: expr.clone(), alias: Ident::with_quote('"', name) };
                }
                Ok(())
            }
            SelectItem::ExprWithAlias { expr, .. } => self.replace(expr).map(drop),
            _ => Ok(()),
        }
    }

    /// Puts columns in place of the calls in an expression, if there are any.
    fn replace(&mut self, expr: &mut Expr) -> Result<bool> {
        let mut replaced = false;
        let walked = own_expressions::visit_mut(expr, &mut |part| {
            let Expr::Function(call) = part else { return ControlFlow::Continue(()) };
            match self.column_for(call) {
                Ok(None) => {}
                Ok(Some(column)) => {
                    *part = column;
                    replaced = true;
                }
                Err(error) => return ControlFlow::Break(error.at(span(part.span()))),
            }
            ControlFlow::Continue(())
        });
        match walked {
            ControlFlow::Break(error) => Err(error),
            ControlFlow::Continue(()) => Ok(replaced),
        }
    }

    /// The window that a call is over, if it has a row pattern.
    fn window_of(&self, call: &Function) -> Option<usize> {
        match call.over.as_ref()? {
            WindowType::NamedWindow(name) => {
                let name = column_name(name);
                self.named.iter().find(|(known, _)| *known == name).map(|(_, window)| *window)
            }
            WindowType::WindowSpec(specification) => marked(specification),
        }
    }

    fn column_for(&mut self, call: &Function) -> Result<Option<Expr>> {
        let Some(window) = self.window_of(call) else { return Ok(None) };
        if !self.used.contains(&window) {
            self.used.push(window);
        }
        let index = match measure_name(call) {
            Some(name) => self.measure(window, name)?,
            None => self.function(window, call)?,
        };
        Ok(Some(quoted(&WindowUse::column(window, index), call.name.span())))
    }

    fn measure(&self, window: usize, name: &Ident) -> Result<usize> {
        let wanted = column_name(name);
        let names: Vec<String> =
            self.windows[window].window.clause.measures.iter().map(|measure| column_name(&measure.name)).collect();
        names.iter().position(|known| *known == wanted).ok_or_else(|| {
            let error = Error::invalid(format!("the window has no measure '{wanted}'"));
            match nearest(&wanted, names.iter().map(String::as_str)) {
                Some(meant) => error.with_hint(format!("did you mean {meant}?")),
                None if names.is_empty() => error.with_hint("it has no MEASURES"),
                None => error.with_hint(format!("it has {}", names.join(", "))),
            }
        })
    }

    fn function(&mut self, window: usize, call: &Function) -> Result<usize> {
        let name = function_name(call);
        if !is_aggregate(&name) {
            return Err(Error::unsupported(format!(
                "{} over a window with a row pattern is not supported",
                name.to_uppercase()
            ))
            .with_hint("measures and aggregates are"));
        }
        let mut call = call.clone();
        call.over = None;
        self.lower_arguments(&mut call)?;
        let WindowUse { window, functions } = &mut self.windows[window];
        functions.push(call);
        Ok(window.clause.measures.len() + functions.len() - 1)
    }

    /// Has what a call reads computed below the windows.
    fn lower_arguments(&mut self, call: &mut Function) -> Result<()> {
        if let FunctionArguments::List(list) = &mut call.args {
            for argument in &mut list.args {
                match argument {
                    FunctionArg::Unnamed(FunctionArgExpr::Expr(expr)) => self.lower(expr)?,
                    FunctionArg::Unnamed(FunctionArgExpr::QualifiedWildcard(name)) => {
                        let error = Error::unsupported(format!("{name}.* over a window is not supported"));
                        return Err(error.with_hint("write COUNT(*); COUNT(variable.*) can be a measure"));
                    }
                    _ => {}
                }
            }
            for clause in &mut list.clauses {
                if let FunctionArgumentClause::OrderBy(keys) = clause {
                    keys.iter_mut().try_for_each(|key| self.lower(&mut key.expr))?;
                }
            }
        }
        call.within_group.iter_mut().try_for_each(|key| self.lower(&mut key.expr))?;
        call.filter.iter_mut().try_for_each(|filter| self.lower(filter))
    }

    fn lower(&mut self, expr: &mut Expr) -> Result<()> {
        // Some aggregates ask for constants.
        if matches!(expr, Expr::Value(_)) {
            return Ok(());
        }
        let mut is_of_a_window = |part: &Expr| match part {
            Expr::Identifier(name) if name.value.starts_with(ROW_PATTERN_WINDOW) => ControlFlow::Break(()),
            Expr::Function(call) if call.over.is_some() => ControlFlow::Break(()),
            _ => ControlFlow::Continue(()),
        };
        if own_expressions::visit(expr, &mut is_of_a_window).is_break() {
            return Err(Error::invalid("a window function inside a window function").at(span(expr.span())));
        }
        let window = self.used.last().copied().unwrap_or_default();
        let name = format!("{ROW_PATTERN_WINDOW}_{window}_argument_{}", self.arguments.len());
        let column = quoted(&name, expr.span());
        self.arguments.push((Ident::with_quote('"', name), std::mem::replace(expr, column)));
        Ok(())
    }
}

/// The name in `m OVER w`.
fn measure_name(call: &Function) -> Option<&Ident> {
    match (function_name(call).as_str(), arguments(call)) {
        (MEASURE, [FunctionArg::Unnamed(FunctionArgExpr::Expr(Expr::Identifier(name)))]) => Some(name),
        _ => None,
    }
}

/// The name of a column that has no other: the measure's, or the expression as people would write it, without the text of windows with a row
/// pattern.
pub(super) fn plain_name(expr: &Expr) -> String {
    let mut plain = expr.clone();
    let _ = visit_expressions_mut(&mut plain, |part| {
        if let Expr::Function(call) = part {
            if let Some(name) = measure_name(call) {
                *part = Expr::Identifier(name.clone());
            } else if matches!(&call.over, Some(WindowType::WindowSpec(specification)) if marked(specification).is_some())
            {
                call.over = None;
            }
        }
        ControlFlow::<()>::Continue(())
    });
    match &plain {
        Expr::Identifier(name) => column_name(name),
        _ => plain.to_string(),
    }
}
