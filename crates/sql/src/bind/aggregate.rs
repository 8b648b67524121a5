//! Aggregates over the rows of the match.

use std::sync::Arc;

use arrow::datatypes::{DataType, Field, FieldRef, Schema};
use datafusion::common::DFSchema;
use datafusion::logical_expr::simplify::SimplifyContext;
use datafusion::logical_expr::{Expr as DfExpr, ExprSchemable};
use datafusion::optimizer::simplify_expressions::ExprSimplifier;
use dipper_graph::{AggregateCall, BoundExpr, FrameColumn, Semantics};
use dipper_types::{Error, Result};
use sqlparser::ast::{
    DuplicateTreatment, Expr, Function, FunctionArg, FunctionArgExpr, FunctionArguments, ObjectNamePart, Spanned, Value,
};

use super::meaning::as_meant;
use super::reference::{function_name, reference_of};
use super::rewrite::{Mode, Rewriter, quoted};
use super::variables::Variable;
use super::{plan_error, subquery};
use crate::source_text::span;

impl Rewriter<'_, '_> {
    /// Rewrites a call; `prefix` is the RUNNING or FINAL in front of it.
    pub(super) fn aggregate(&mut self, function: &Function, prefix: Option<Semantics>) -> Result<Expr> {
        let word = function_name(function).to_uppercase();
        match self.mode {
            Mode::Match => {}
            Mode::Row(..) => {
                return Err(Error::invalid(format!("the aggregate {word} cannot stand inside a navigation")));
            }
            Mode::Aggregate => {
                return Err(Error::invalid(format!("the aggregate {word} cannot stand inside an aggregate")));
            }
        }
        let mut call = function.clone();
        let counted = self.count_rows(&mut call, &word)?;
        let variable = reference_of(&call, self.scope.variables, &word, counted)?;
        let variable = variable.unwrap_or_else(|| self.scope.variables.universal());
        self.apply_in(Mode::Aggregate, &mut call)?;
        let (bound, data_type) = self.plan_aggregate(call)?;
        let semantics = self.scope.semantics(prefix);
        let prefix = if semantics == self.scope.default_semantics() { "" } else { "FINAL " };
        let aggregate = AggregateCall { call: BoundExpr(bound), symbols: variable.symbols, semantics };
        let name = self.frame.add(FrameColumn::Aggregate(aggregate), &format!("{prefix}{function}"), data_type);
        Ok(quoted(&name, function.name.span()))
    }

    /// Makes `COUNT(*)` and `COUNT(X.*)` count a constant, because DataFusion forgets the variable. Returns the variable.
    fn count_rows(&self, call: &mut Function, word: &str) -> Result<Option<Variable>> {
        let FunctionArguments::List(list) = &mut call.args else { return Ok(None) };
        let is_distinct = list.duplicate_treatment == Some(DuplicateTreatment::Distinct);
        let is_alone = list.args.len() == 1;
        let mut counted = None;
        for argument in &mut list.args {
            let FunctionArg::Unnamed(wildcard) = argument else { continue };
            let (variable, text) = match wildcard {
                FunctionArgExpr::Wildcard => (self.scope.variables.universal(), "*".to_owned()),
                FunctionArgExpr::QualifiedWildcard(name) => match name.0.as_slice() {
                    [ObjectNamePart::Identifier(ident)] => {
                        (self.scope.variables.require(ident, &format!("{word} names"))?, format!("{name}.*"))
                    }
                    _ => return Err(Error::invalid(format!("'{name}.*': no variable is called so"))),
                },
                FunctionArgExpr::WildcardWithOptions(_) => {
                    return Err(Error::unsupported(format!("{word} over * with options is not supported")));
                }
                FunctionArgExpr::Expr(_) => continue,
            };
            if word != "COUNT" || !is_alone {
                return Err(Error::invalid(format!("{word}({text}): only COUNT takes *")));
            }
            if is_distinct {
                return Err(Error::invalid(format!("COUNT(DISTINCT {text}) is not defined"))
                    .with_hint("name the columns whose values are to be counted"));
            }
            *wildcard = FunctionArgExpr::Expr(Expr::value(Value::Number("1".into(), false)));
            counted = Some(variable);
        }
        Ok(counted)
    }

    /// Binds a call over the input's columns and CLASSIFIER().
    fn plan_aggregate(&mut self, call: Function) -> Result<(DfExpr, DataType)> {
        let classifier: FieldRef = Arc::new(Field::new(AggregateCall::CLASSIFIER_COLUMN, DataType::Utf8, true));
        let fields: Vec<FieldRef> = self.scope.input.fields().cloned().chain([classifier]).collect();
        let schema = DFSchema::try_from(Arc::new(Schema::new(fields))).map_err(plan_error)?;
        let here = span(call.span());
        let text = Expr::Function(call);
        let planned = subquery::planned(&text, &schema, self.scope, self.planner).map_err(|error| error.at(here))?;
        let context = SimplifyContext::builder().with_schema(Arc::new(schema.clone())).build();
        let coerced = as_meant(planned, &schema)
            .and_then(|planned| ExprSimplifier::new(context).coerce(planned.data, &schema))
            .map_err(|error| plan_error(error).at(here))?;
        let bound = coerced.unalias_nested().data;
        if !matches!(bound, DfExpr::AggregateFunction(_)) {
            return Err(Error::unsupported("this form of aggregate is not supported in MATCH_RECOGNIZE").at(here));
        }
        let data_type = bound.get_type(&schema).map_err(plan_error)?;
        Ok((bound, data_type))
    }
}
