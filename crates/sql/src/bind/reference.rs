//! Which rows an argument is about: a navigation and an aggregate read the rows of one variable only.

use std::ops::ControlFlow;

use dipper_types::{Error, Result, Span};
use sqlparser::ast::{
    Expr, Function, FunctionArg, FunctionArgExpr, FunctionArguments, Ident, Query, Spanned, Visit, Visitor,
};

use super::variables::{Variable, Variables};
use crate::source_text::span;

/// The single variable that some arguments are about; `None` if they read no row. `found` is one that is known already.
pub(super) fn reference_of<V: Visit>(
    parts: &V,
    variables: &Variables,
    what: &str,
    found: Option<Variable>,
) -> Result<Option<Variable>> {
    let mut collector = Collector { variables, what, found, passed_over: 0 };
    match parts.visit(&mut collector) {
        ControlFlow::Break(error) => Err(*error),
        ControlFlow::Continue(()) => Ok(collector.found),
    }
}

/// The lower-case name of a called function.
pub(crate) fn function_name(function: &Function) -> String {
    match function.name.0.as_slice() {
        [part] => part.as_ident().map_or_else(String::new, |ident| ident.value.to_lowercase()),
        _ => String::new(),
    }
}

/// The positional arguments of a call.
pub(super) fn arguments(function: &Function) -> &[FunctionArg] {
    match &function.args {
        FunctionArguments::List(list) => &list.args,
        FunctionArguments::None | FunctionArguments::Subquery(_) => &[],
    }
}

/// The variable given to `CLASSIFIER(X)`; `None` for `CLASSIFIER()`.
pub(super) fn classifier_argument(function: &Function) -> Result<Option<&Ident>> {
    match arguments(function) {
        [] => Ok(None),
        [FunctionArg::Unnamed(FunctionArgExpr::Expr(Expr::Identifier(ident)))] => Ok(Some(ident)),
        _ => Err(Error::invalid("CLASSIFIER takes one variable or nothing").at(span(function.span()))),
    }
}

struct Collector<'a> {
    variables: &'a Variables,
    what: &'a str,
    found: Option<Variable>,
    /// How deep the walk is inside CLASSIFIER(X) or a subquery, whose names are not columns of the match.
    passed_over: usize,
}

impl Collector<'_> {
    fn see(&mut self, variable: Variable, here: Span) -> Result<()> {
        let Some(found) = &self.found else {
            self.found = Some(variable);
            return Ok(());
        };
        if *found == variable {
            return Ok(());
        }
        let text = |variable: &Variable| match &variable.name {
            Some(name) => format!("of {name}"),
            None => "without a variable".to_owned(),
        };
        Err(Error::invalid(format!("{} mixes columns {} and columns {}", self.what, text(found), text(&variable)))
            .at(here)
            .with_hint("one call reads the rows of one variable: give all its columns the same one"))
    }

    fn see_expression(&mut self, expr: &Expr) -> Result<()> {
        match expr {
            Expr::Identifier(_) => self.see(self.variables.universal(), span(expr.span())),
            Expr::CompoundIdentifier(parts) => {
                let variable = self.variables.find(&parts[0]).unwrap_or_else(|| self.variables.universal());
                self.see(variable, span(expr.span()))
            }
            Expr::Function(function) if function_name(function) == "classifier" => {
                let variable = match classifier_argument(function)? {
                    Some(ident) => self.variables.require(ident, "CLASSIFIER names")?,
                    None => self.variables.universal(),
                };
                self.see(variable, span(expr.span()))
            }
            _ => Ok(()),
        }
    }
}

impl Visitor for Collector<'_> {
    type Break = Box<Error>;

    fn pre_visit_query(&mut self, _query: &Query) -> ControlFlow<Self::Break> {
        self.passed_over += 1;
        ControlFlow::Continue(())
    }

    fn post_visit_query(&mut self, _query: &Query) -> ControlFlow<Self::Break> {
        self.passed_over = self.passed_over.saturating_sub(1);
        ControlFlow::Continue(())
    }

    fn pre_visit_expr(&mut self, expr: &Expr) -> ControlFlow<Self::Break> {
        if self.passed_over > 0 {
            self.passed_over += 1;
            return ControlFlow::Continue(());
        }
        if let Err(error) = self.see_expression(expr) {
            return ControlFlow::Break(Box::new(error));
        }
        if matches!(expr, Expr::Function(function) if function_name(function) == "classifier") {
            self.passed_over = 1;
        }
        ControlFlow::Continue(())
    }

    fn post_visit_expr(&mut self, _expr: &Expr) -> ControlFlow<Self::Break> {
        self.passed_over = self.passed_over.saturating_sub(1);
        ControlFlow::Continue(())
    }
}
