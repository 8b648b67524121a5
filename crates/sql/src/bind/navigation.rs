//! PREV, NEXT, FIRST and LAST. A navigation over an expression is pushed down to the columns in it.

use datafusion::common::ScalarValue;
use dipper_graph::{FrameColumn, Semantics, Target};
use dipper_types::{Error, Result};
use sqlparser::ast::helpers::attached_token::AttachedToken;
use sqlparser::ast::{CaseWhen, Expr, Function, FunctionArg, FunctionArgExpr, FunctionArguments, Spanned};

use super::expression::constant;
use super::reference::{arguments, function_name, reference_of};
use super::rewrite::{End, Mode, Rewriter, bare, place, quoted};
use super::variables::Variable;
use crate::ast::{FINAL, RUNNING};
use crate::source_text::span;

/// The farthest PREV and NEXT reach: that many rows are held back or kept.
const ROWS_MAX: u64 = 1_000_000;

impl Rewriter<'_, '_> {
    /// Rewrites a call; `prefix` is the RUNNING or FINAL in front of it.
    pub(super) fn navigation(&mut self, function: &Function, prefix: Option<Semantics>) -> Result<Expr> {
        let name = function_name(function);
        let word = name.to_uppercase();
        match self.mode {
            Mode::Match => {}
            Mode::Row(..) => {
                return Err(Error::invalid(format!("{word} inside another navigation's expression"))
                    .with_hint("only PREV and NEXT nest, directly around FIRST or LAST: PREV(LAST(A.x + A.y, 2), 3)"));
            }
            Mode::Aggregate => return Err(Error::invalid(format!("{word} cannot stand inside an aggregate"))),
        }
        if name == "first" || name == "last" {
            let (argument, target, variable) = self.logical(function, prefix)?;
            return self.at(target, &variable, argument);
        }
        self.physical(function, &word)
    }

    /// PREV and NEXT, perhaps around FIRST or LAST.
    fn physical(&mut self, function: &Function, word: &str) -> Result<Expr> {
        let (argument, rows) = self.argument_and_offset(function, word, 1)?;
        if rows > ROWS_MAX {
            return Err(Error::unsupported(format!("{word} over more than {ROWS_MAX} rows is not supported")));
        }
        let shift = if word == "PREV" { -(rows as i64) } else { rows as i64 };
        let (inner, prefix) = match bare(argument) {
            Expr::Function(call) => self.unprefixed(call)?,
            _ => (None, None),
        };
        let (argument, mut target, variable) = match (inner.unwrap_or_else(|| bare(argument)), prefix) {
            (Expr::Function(call), prefix) if ["first", "last"].contains(&function_name(call).as_str()) => {
                self.logical(call, prefix)?
            }
            (Expr::Function(call), _) if ["prev", "next"].contains(&function_name(call).as_str()) => {
                let inner = function_name(call).to_uppercase();
                return Err(Error::invalid(format!("{word} over {inner}"))
                    .at(span(call.span()))
                    .with_hint("add the offsets up in one call: PREV(x, 2)"));
            }
            (plain, prefix) => {
                let variable = self.reference(plain, word)?;
                let semantics = self.scope.semantics(prefix);
                (plain, self.scope.target(End::Last, &variable, 0, semantics), variable)
            }
        };
        target.shift = shift;
        self.at(target, &variable, argument)
    }

    /// What stands behind RUNNING or FINAL inside PREV and NEXT.
    fn unprefixed<'e>(&self, call: &'e Function) -> Result<(Option<&'e Expr>, Option<Semantics>)> {
        let semantics = match function_name(call).as_str() {
            RUNNING => Semantics::Running,
            FINAL => Semantics::Final,
            _ => return Ok((None, None)),
        };
        self.check_prefix(semantics).map_err(|error| error.at(span(call.span())))?;
        match arguments(call) {
            [FunctionArg::Unnamed(FunctionArgExpr::Expr(operand))] => Ok((Some(bare(operand)), Some(semantics))),
            _ => Err(Error::internal("a prefix without its operand")),
        }
    }

    /// FIRST and LAST: argument, row and variable.
    fn logical<'e>(
        &mut self,
        function: &'e Function,
        prefix: Option<Semantics>,
    ) -> Result<(&'e Expr, Target, Variable)> {
        let name = function_name(function);
        let word = name.to_uppercase();
        let (argument, offset) = self.argument_and_offset(function, &word, 0)?;
        if let Expr::Function(call) = bare(argument) {
            let inner = function_name(call);
            if ["prev", "next", "first", "last", RUNNING, FINAL].contains(&inner.as_str()) {
                let inner = inner.trim_start_matches('_').to_uppercase();
                return Err(Error::invalid(format!("{word} over {inner}"))
                    .at(span(call.span()))
                    .with_hint("only PREV and NEXT nest, around FIRST or LAST"));
            }
        }
        let variable = self.reference(argument, &word)?;
        let end = if name == "first" { End::First } else { End::Last };
        let target = self.scope.target(end, &variable, offset, self.scope.semantics(prefix));
        Ok((argument, target, variable))
    }

    /// The variable that an argument is about.
    fn reference(&self, argument: &Expr, word: &str) -> Result<Variable> {
        reference_of(argument, self.scope.variables, word, None)?.ok_or_else(|| {
            Error::invalid(format!("{word} of an expression that reads no column"))
                .at(place(argument))
                .with_hint("a navigation reads a column of the row it reaches")
        })
    }

    /// The two arguments; the offset is a constant.
    fn argument_and_offset<'e>(&mut self, function: &'e Function, word: &str, default: u64) -> Result<(&'e Expr, u64)> {
        Self::refuse_clauses(function, word)?;
        let usage = || Error::invalid(format!("{word} takes an expression and, perhaps, an offset"));
        let mut operands = Vec::new();
        for argument in arguments(function) {
            match argument {
                FunctionArg::Unnamed(FunctionArgExpr::Expr(expr)) => operands.push(expr),
                _ => return Err(usage()),
            }
        }
        match operands.as_slice() {
            [argument] => Ok((argument, default)),
            [argument, offset] => Ok((argument, self.offset(offset, word)?)),
            _ => Err(usage()),
        }
    }

    fn refuse_clauses(function: &Function, word: &str) -> Result<()> {
        let plain = match &function.args {
            FunctionArguments::List(list) => list.duplicate_treatment.is_none() && list.clauses.is_empty(),
            FunctionArguments::None | FunctionArguments::Subquery(_) => false,
        };
        if plain && function.filter.is_none() && function.within_group.is_empty() && function.null_treatment.is_none() {
            return Ok(());
        }
        Err(Error::unsupported(format!("{word} takes no DISTINCT, FILTER, ORDER BY or treatment of NULLs")))
    }

    fn offset(&mut self, expr: &Expr, word: &str) -> Result<u64> {
        let value = constant(expr, self.planner)?;
        let offset = match value {
            Some(ScalarValue::Int64(Some(offset))) => offset,
            Some(ScalarValue::UInt64(Some(offset))) => i64::try_from(offset).unwrap_or(i64::MAX),
            _ => {
                return Err(
                    Error::invalid(format!("the offset of {word} must be a constant whole number")).at(place(expr))
                );
            }
        };
        u64::try_from(offset)
            .map_err(|_| Error::invalid(format!("the offset of {word} must not be negative")).at(place(expr)))
    }

    /// An argument on the row reached. Anything but a column must not be computed where there is no such row.
    fn at(&mut self, target: Target, variable: &Variable, argument: &Expr) -> Result<Expr> {
        let mut value = argument.clone();
        self.apply_in(Mode::Row(target), &mut value)?;
        let is_column = match bare(argument) {
            Expr::Identifier(_) | Expr::CompoundIdentifier(_) => true,
            Expr::Function(call) => function_name(call) == "classifier",
            _ => false,
        };
        if is_column || target == Target::CURRENT {
            return Ok(Expr::Nested(Box::new(value)));
        }
        let text = format!("EXISTS({})", self.scope.text(target, variable, "*"));
        let exists = self.frame.add(FrameColumn::Exists { target }, &text, arrow::datatypes::DataType::Boolean);
        Ok(Expr::Case {
            case_token: AttachedToken::empty(),
            end_token: AttachedToken::empty(),
            operand: None,
            conditions: vec![CaseWhen { condition: quoted(&exists, argument.span()), result: value }],
            else_result: None,
        })
    }
}
