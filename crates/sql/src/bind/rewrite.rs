//! Rewrites a DEFINE condition or a measure into a plain scalar expression: whatever reads the match becomes a column of a
//! [frame](dipper_graph::Frame), and what remains is DataFusion's to plan.

use std::ops::ControlFlow;

use arrow::datatypes::{DataType, TimeUnit};
use datafusion::logical_expr::planner::RelationPlannerContext;
use dipper_graph::{FrameBuilder, FrameColumn, Logical, Semantics, Target, shifted_text};
use dipper_pattern::SymbolId;
use dipper_types::{Error, Result, Span};
use sqlparser::ast::{AccessExpr, Expr, Function, Ident, Query, Spanned, Value, VisitMut, VisitorMut};

use super::context::is_aggregate;
use super::input::Input;
use super::reference::{arguments, classifier_argument, function_name};
use super::variables::{Variable, Variables};
use crate::ast::{FINAL, RUNNING};
use crate::catalog::column_name;
use crate::source_text::span;

/// Which part of the clause an expression stands in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Part {
    /// The condition of a variable.
    Define(SymbolId),
    /// A measure of ONE ROW PER MATCH.
    MeasureOfMatch,
    /// A measure of ALL ROWS PER MATCH.
    MeasureOfRow,
}

/// What the expressions of a clause may read.
#[derive(Debug)]
pub(super) struct Scope<'a> {
    pub(super) input: &'a Input,
    pub(super) variables: &'a Variables,
    pub(super) part: Part,
    /// The leading ORDER BY column, if it is a time and ascending.
    pub(super) row_time: Option<usize>,
    /// The input's name, which is visible in PARTITION BY and ORDER BY only.
    pub(super) input_name: Option<&'a Ident>,
}

/// The end of the match that a logical navigation counts from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum End {
    First,
    Last,
}

impl Scope<'_> {
    /// The part of the clause.
    pub(super) fn part_name(&self) -> &'static str {
        match self.part {
            Part::Define(_) => "DEFINE",
            Part::MeasureOfMatch | Part::MeasureOfRow => "MEASURES",
        }
    }

    /// RUNNING or FINAL for a call without a prefix.
    pub(super) fn default_semantics(&self) -> Semantics {
        match self.part {
            Part::MeasureOfMatch => Semantics::Final,
            Part::Define(_) | Part::MeasureOfRow => Semantics::Running,
        }
    }

    /// What a prefix means here: for ONE ROW both read from the last row.
    pub(super) fn semantics(&self, prefix: Option<Semantics>) -> Semantics {
        match (self.part, prefix) {
            (Part::MeasureOfMatch, _) | (_, None) => self.default_semantics(),
            (_, Some(semantics)) => semantics,
        }
    }

    /// The row that a logical navigation reaches.
    pub(super) fn target(&self, end: End, variable: &Variable, offset: u64, semantics: Semantics) -> Target {
        let symbols = variable.symbols;
        let logical = match (end, self.part) {
            // The row under test already belongs to the variable that is being defined.
            (End::Last, Part::Define(symbol)) if offset == 0 && symbols.contains(symbol) => Logical::Current,
            (End::First, _) => Logical::First { symbols, offset, semantics },
            (End::Last, _) => Logical::Last { symbols, offset, semantics },
        };
        Target { logical, shift: 0 }
    }

    /// A target as the SQL that reaches it: `PREV(LAST(DOWN.price, 1), 2)`.
    pub(super) fn text(&self, target: Target, variable: &Variable, what: &str) -> String {
        let offset_text = |offset: u64| if offset == 0 { String::new() } else { format!(", {offset}") };
        let prefix = |semantics| if semantics == self.default_semantics() { "" } else { "FINAL " };
        let logical = match target.logical {
            Logical::Current => what.to_owned(),
            Logical::First { offset, semantics, .. } => {
                format!("{}FIRST({}{})", prefix(semantics), variable.qualify(what), offset_text(offset))
            }
            Logical::Last { offset, semantics, .. } => {
                format!("{}LAST({}{})", prefix(semantics), variable.qualify(what), offset_text(offset))
            }
        };
        shifted_text(logical, target.shift)
    }
}

/// What a column reference means where the walk is.
#[derive(Debug, Clone)]
pub(super) enum Mode {
    /// Outside of every call: the last row of its variable.
    Match,
    /// In a navigation's argument: the row reached.
    Row(Target),
    /// In an aggregate's argument: each of the rows.
    Aggregate,
}

/// The walk over one expression.
pub(super) struct Rewriter<'a, 'p> {
    pub(super) scope: &'a Scope<'a>,
    pub(super) planner: &'p mut dyn RelationPlannerContext,
    pub(super) frame: FrameBuilder,
    pub(super) mode: Mode,
    /// How deep the walk is inside an expression that is finished, or a subquery.
    finished: usize,
}

impl<'a, 'p> Rewriter<'a, 'p> {
    pub(super) fn new(scope: &'a Scope<'a>, planner: &'p mut dyn RelationPlannerContext) -> Self {
        Self { scope, planner, frame: FrameBuilder::default(), mode: Mode::Match, finished: 0 }
    }

    /// Rewrites in place.
    pub(super) fn apply<V: VisitMut>(&mut self, part: &mut V) -> Result<()> {
        let outer = std::mem::take(&mut self.finished);
        let result = match part.visit(self) {
            ControlFlow::Break(error) => Err(*error),
            ControlFlow::Continue(()) => Ok(()),
        };
        self.finished = outer;
        result
    }

    /// Rewrites in place in another mode.
    pub(super) fn apply_in<V: VisitMut>(&mut self, mode: Mode, part: &mut V) -> Result<()> {
        let outer = std::mem::replace(&mut self.mode, mode);
        let result = self.apply(part);
        self.mode = outer;
        result
    }

    /// What takes an expression's place; `None` if it stays and its parts are rewritten.
    fn replacement(&mut self, expr: &Expr) -> Result<Option<Expr>> {
        let here = span(expr.span());
        match expr {
            Expr::Identifier(ident) => self.column(None, ident, None).map(Some),
            Expr::CompoundIdentifier(parts) => self.compound(parts).map(Some),
            Expr::CompoundFieldAccess { root, access_chain } => self.field_access(root, access_chain),
            Expr::Function(function) => self.call(function).map_err(|error| error.at(here)),
            Expr::Lambda(_) => {
                Err(Error::unsupported(format!("a lambda in {} is not supported", self.scope.part_name())).at(here))
            }
            Expr::Wildcard(_) | Expr::QualifiedWildcard(..) => {
                Err(Error::invalid(format!("* can only stand in COUNT in {}", self.scope.part_name())).at(here))
            }
            _ => Ok(None),
        }
    }

    /// `column` or `variable.column`.
    pub(super) fn column(
        &mut self,
        variable: Option<Variable>,
        ident: &Ident,
        prefix: Option<Semantics>,
    ) -> Result<Expr> {
        let here = span(ident.span);
        let name = column_name(ident);
        let index = self.scope.input.resolve(&name, here).map_err(|error| match self.scope.variables.find(ident) {
            Some(_) if variable.is_none() && error.to_string().ends_with("not found") => {
                let variable = ident.value.to_uppercase();
                Error::invalid(format!("{variable} is a variable, not a column"))
                    .at(here)
                    .with_hint(format!("write {variable}.column, or COUNT({variable}.*) to count its rows"))
            }
            _ => error,
        })?;
        let variable = variable.unwrap_or_else(|| self.scope.variables.universal());
        let target = match &self.mode {
            Mode::Aggregate => return Ok(quoted(self.scope.input.field(index).name(), ident.span)),
            Mode::Row(target) => *target,
            Mode::Match => self.scope.target(End::Last, &variable, 0, self.scope.semantics(prefix)),
        };
        let text = self.scope.text(target, &variable, self.scope.input.field(index).name());
        let data_type = self.scope.input.field(index).data_type().clone();
        Ok(quoted(&self.frame.add(FrameColumn::Input { column: index, target }, &text, data_type), ident.span))
    }

    /// `variable.column`, `column.field` and longer chains.
    pub(super) fn compound(&mut self, parts: &[Ident]) -> Result<Expr> {
        self.compound_with(parts, None)
    }

    /// As `compound`, behind RUNNING or FINAL.
    pub(super) fn compound_with(&mut self, parts: &[Ident], prefix: Option<Semantics>) -> Result<Expr> {
        let (column, fields) = match (self.scope.variables.find(&parts[0]), parts) {
            (Some(variable), [_, column, fields @ ..]) => (self.column(Some(variable), column, prefix)?, fields),
            (None, [column, fields @ ..]) if self.is_nested(column) => (self.column(None, column, prefix)?, fields),
            _ => return Err(self.unknown_variable(&parts[0])),
        };
        if fields.is_empty() {
            return Ok(column);
        }
        let access_chain = fields.iter().map(|field| AccessExpr::Dot(Expr::Identifier(field.clone()))).collect();
        Ok(Expr::CompoundFieldAccess { root: Box::new(column), access_chain })
    }

    fn is_nested(&self, ident: &Ident) -> bool {
        let index = self.scope.input.resolve(&column_name(ident), span(ident.span));
        index.is_ok_and(|index| matches!(self.scope.input.field(index).data_type(), DataType::Struct(_)))
    }

    fn unknown_variable(&self, ident: &Ident) -> Error {
        let is_input = self.scope.input_name.is_some_and(|name| column_name(name) == column_name(ident));
        if is_input {
            return Error::invalid(format!(
                "'{}' is the input's name, which only PARTITION BY and ORDER BY know",
                ident.value
            ))
            .at(span(ident.span))
            .with_hint("write the column alone, or with a variable of the pattern");
        }
        let part = self.scope.part_name();
        let name = crate::catalog::variable_name(ident);
        self.scope.variables.unknown(&name, &format!("{part} names")).at(span(ident.span))
    }

    /// `variable.column[1]` and the like, of which `sqlparser` makes a chain on the variable.
    fn field_access(&mut self, root: &Expr, chain: &[AccessExpr]) -> Result<Option<Expr>> {
        let (Expr::Identifier(first), [AccessExpr::Dot(Expr::Identifier(column)), rest @ ..]) = (root, chain) else {
            return Ok(None);
        };
        let Some(variable) = self.scope.variables.find(first) else { return Ok(None) };
        let root = self.column(Some(variable), column, None)?;
        let mut access_chain = rest.to_vec();
        self.apply(&mut access_chain)?;
        Ok(Some(Expr::CompoundFieldAccess { root: Box::new(root), access_chain }))
    }

    fn call(&mut self, function: &Function) -> Result<Option<Expr>> {
        let name = function_name(function);
        if function.over.is_some() {
            return Err(Error::invalid(format!("a window function cannot stand in {}", self.scope.part_name())));
        }
        match name.as_str() {
            RUNNING => self.prefixed(function, Semantics::Running).map(Some),
            FINAL => self.prefixed(function, Semantics::Final).map(Some),
            "prev" | "next" | "first" | "last" => self.navigation(function, None).map(Some),
            "classifier" => self.classifier(function).map(Some),
            "match_number" | "match_rowtime" | "match_status" | "match_proctime" => {
                self.of_match(&name, function).map(Some)
            }
            _ if is_aggregate(&name) => self.aggregate(function, None).map(Some),
            _ => Ok(None),
        }
    }

    /// `RUNNING call` and `FINAL call`.
    fn prefixed(&mut self, function: &Function, semantics: Semantics) -> Result<Expr> {
        let word = self.check_prefix(semantics)?;
        let [sqlparser::ast::FunctionArg::Unnamed(sqlparser::ast::FunctionArgExpr::Expr(operand))] =
            arguments(function)
        else {
            return Err(Error::internal("a prefix without its operand"));
        };
        match operand {
            Expr::Identifier(ident) => self.column(None, ident, Some(semantics)),
            Expr::CompoundIdentifier(parts) => self.compound_with(parts, Some(semantics)),
            Expr::Function(inner) => match function_name(inner).as_str() {
                "first" | "last" => self.navigation(inner, Some(semantics)),
                name if is_aggregate(name) => self.aggregate(inner, Some(semantics)),
                name => Err(Error::invalid(format!("{word} has no meaning on {}", name.to_uppercase()))
                    .with_hint("it stands before FIRST, LAST, an aggregate or a column")),
            },
            _ => Err(Error::invalid(format!("{word} stands before FIRST, LAST, an aggregate or a column"))),
        }
    }

    /// Refuses a prefix where it cannot stand.
    pub(super) fn check_prefix(&self, semantics: Semantics) -> Result<&'static str> {
        let word = if semantics == Semantics::Final { "FINAL" } else { "RUNNING" };
        if semantics == Semantics::Final && matches!(self.scope.part, Part::Define(_)) {
            return Err(Error::invalid("FINAL cannot stand in DEFINE: the match is not finished there"));
        }
        match self.mode {
            Mode::Match => Ok(word),
            Mode::Row(..) => Err(Error::invalid(format!("{word} cannot stand inside a navigation's argument"))),
            Mode::Aggregate => Err(Error::invalid(format!("{word} cannot stand inside an aggregate's argument"))),
        }
    }

    /// `CLASSIFIER()` and `CLASSIFIER(X)`.
    fn classifier(&mut self, function: &Function) -> Result<Expr> {
        let variable = match classifier_argument(function)? {
            Some(ident) => self.scope.variables.require(ident, "CLASSIFIER names")?,
            None => self.scope.variables.universal(),
        };
        let target = match &self.mode {
            Mode::Aggregate => return Ok(quoted(dipper_graph::AggregateCall::CLASSIFIER_COLUMN, function.name.span())),
            Mode::Row(target) => *target,
            Mode::Match => self.scope.target(End::Last, &variable, 0, self.scope.default_semantics()),
        };
        if let (Part::Define(symbol), Target::CURRENT) = (self.scope.part, target) {
            // The row under test is mapped to the variable being defined.
            let name = self.scope.variables.names()[symbol.index()].clone();
            return Ok(Expr::value(Value::SingleQuotedString(name)));
        }
        let what =
            variable.name.as_ref().map_or_else(|| "CLASSIFIER()".to_owned(), |name| format!("CLASSIFIER({name})"));
        // The plain classifier of the last row reads best without LAST around it.
        let plain = matches!(target.logical, Logical::Last { offset: 0, semantics, .. } if semantics == self.scope.default_semantics())
            && target.shift == 0;
        let text = if plain { what } else { self.scope.text(target, &self.scope.variables.universal(), &what) };
        Ok(quoted(&self.frame.add(FrameColumn::Classifier { target }, &text, DataType::Utf8), function.name.span()))
    }

    /// `MATCH_NUMBER()`, `MATCH_ROWTIME()`, `MATCH_PROCTIME()`, `MATCH_STATUS()`.
    fn of_match(&mut self, name: &str, function: &Function) -> Result<Expr> {
        let word = name.to_uppercase();
        if name != "match_number" && matches!(self.scope.part, Part::Define(_)) {
            return Err(Error::invalid(format!("{word}() cannot stand in DEFINE: the match is not finished there")));
        }
        if matches!(self.mode, Mode::Aggregate) {
            return Err(Error::unsupported(format!("{word}() in an aggregate's argument is not supported")));
        }
        let (column, data_type) = match (name, arguments(function)) {
            ("match_number", []) => (FrameColumn::MatchNumber, DataType::Int64),
            ("match_status", []) => (FrameColumn::MatchStatus, DataType::Utf8),
            ("match_proctime", []) => {
                (FrameColumn::MatchProctime, DataType::Timestamp(TimeUnit::Millisecond, Some("UTC".into())))
            }
            ("match_rowtime", args) => (FrameColumn::MatchRowtime, self.row_time(args)?),
            _ => return Err(Error::invalid(format!("{word}() takes no argument"))),
        };
        Ok(quoted(&self.frame.add(column, &format!("{word}()"), data_type), function.name.span()))
    }

    fn row_time(&self, args: &[sqlparser::ast::FunctionArg]) -> Result<DataType> {
        let Some(time) = self.scope.row_time else {
            return Err(Error::invalid("MATCH_ROWTIME() needs an ORDER BY that begins with a time column, ascending"));
        };
        let is_time =
            |ident: &Ident| self.scope.input.resolve(&column_name(ident), span(ident.span)).map(|index| index == time);
        match args {
            [] => {}
            [sqlparser::ast::FunctionArg::Unnamed(sqlparser::ast::FunctionArgExpr::Expr(Expr::Identifier(ident)))]
                if is_time(ident)? => {}
            _ => return Err(Error::invalid("MATCH_ROWTIME takes the leading ORDER BY column or nothing")),
        }
        Ok(self.scope.input.field(time).data_type().clone())
    }
}

impl VisitorMut for Rewriter<'_, '_> {
    type Break = Box<Error>;

    // A subquery knows nothing of the match: its names are its own.
    fn pre_visit_query(&mut self, _query: &mut Query) -> ControlFlow<Self::Break> {
        self.finished += 1;
        ControlFlow::Continue(())
    }

    fn post_visit_query(&mut self, _query: &mut Query) -> ControlFlow<Self::Break> {
        self.finished = self.finished.saturating_sub(1);
        ControlFlow::Continue(())
    }

    fn pre_visit_expr(&mut self, expr: &mut Expr) -> ControlFlow<Self::Break> {
        if self.finished > 0 {
            self.finished += 1;
            return ControlFlow::Continue(());
        }
        match self.replacement(expr) {
            Err(error) => return ControlFlow::Break(Box::new(error)),
            Ok(None) => {}
            Ok(Some(new)) => {
                *expr = new;
                self.finished = 1;
            }
        }
        ControlFlow::Continue(())
    }

    fn post_visit_expr(&mut self, _expr: &mut Expr) -> ControlFlow<Self::Break> {
        self.finished = self.finished.saturating_sub(1);
        ControlFlow::Continue(())
    }
}

/// A column by its exact name.
pub(super) fn quoted(name: &str, place: sqlparser::tokenizer::Span) -> Expr {
    Expr::Identifier(Ident { value: name.to_owned(), quote_style: Some('"'), span: place })
}

/// The expression inside parentheses.
pub(super) fn bare(expr: &Expr) -> &Expr {
    match expr {
        Expr::Nested(inner) => bare(inner),
        _ => expr,
    }
}

/// An expression's place.
pub(super) fn place(expr: &Expr) -> Span {
    span(expr.span())
}
