//! The parameters of a query: how many, and what their use says of their types before anything is planned.

use std::collections::HashMap;
use std::ops::ControlFlow;
use std::sync::Arc;

use arrow::datatypes::{DataType, Field};
use dipper_types::{Error, Result};
use sqlparser::ast::{Expr, LimitClause, Query, Value, ValueWithSpan, Visit, Visitor};

use crate::types;

/// As many parameters a statement may have: what the protocol can count.
const PARAMETERS_MAX: usize = 65_535;

/// What a query says of its parameters.
#[derive(Default)]
pub(crate) struct Parameters {
    /// The highest number.
    pub(crate) count: usize,
    /// The types a cast gives them, by number from 1.
    cast: HashMap<usize, DataType>,
    /// Those that are arrays, as in `= ANY($1)`.
    lists: Vec<usize>,
}

impl Parameters {
    /// Reads a query as the client wrote it.
    pub(crate) fn of(query: &Query) -> Result<Self> {
        let mut parameters = Self::default();
        match query.visit(&mut parameters) {
            ControlFlow::Break(name) => {
                Err(Error::invalid(format!("there is no parameter {name}")).with_hint("parameters are $1, $2, …"))
            }
            ControlFlow::Continue(()) => Ok(parameters),
        }
    }

    /// The type that is written beside a parameter.
    pub(crate) fn written(&self, number: usize) -> Option<DataType> {
        self.cast.get(&number).cloned()
    }

    /// The type of one of which nothing else is known: text, or texts.
    pub(crate) fn otherwise(&self, number: usize) -> DataType {
        if self.lists.contains(&number) {
            DataType::List(Arc::new(Field::new_list_field(DataType::Utf8, true)))
        } else {
            DataType::Utf8
        }
    }
}

fn number(expr: &Expr) -> Option<usize> {
    match expr {
        Expr::Nested(inner) => number(inner),
        Expr::Value(value) => match &value.value {
            Value::Placeholder(name) => name.strip_prefix('$')?.parse().ok(),
            _ => None,
        },
        _ => None,
    }
}

impl Visitor for Parameters {
    type Break = String;

    fn pre_visit_value(&mut self, value: &ValueWithSpan) -> ControlFlow<String> {
        if let Value::Placeholder(name) = &value.value {
            match name.strip_prefix('$').and_then(|number| number.parse().ok()) {
                Some(number) if (1..=PARAMETERS_MAX).contains(&number) => self.count = self.count.max(number),
                _ => return ControlFlow::Break(name.clone()),
            }
        }
        ControlFlow::Continue(())
    }

    fn pre_visit_query(&mut self, query: &Query) -> ControlFlow<String> {
        if let Some(LimitClause::LimitOffset { limit, offset, .. }) = &query.limit_clause {
            let counts = limit.iter().chain(offset.iter().map(|offset| &offset.value));
            self.cast.extend(counts.filter_map(number).map(|number| (number, DataType::Int64)));
        }
        ControlFlow::Continue(())
    }

    fn pre_visit_expr(&mut self, expr: &Expr) -> ControlFlow<String> {
        match expr {
            Expr::AnyOp { right, .. } | Expr::AllOp { right, .. } => self.lists.extend(number(right)),
            Expr::Cast { expr, data_type, .. } => {
                // The value of a type of names, as of `regclass`, is written as the name.
                let oid = types::parse_type(&data_type.to_string()).filter(|oid| types::is_plain(*oid));
                if let (Some(number), Some(data_type)) = (number(expr), oid.and_then(types::data_type)) {
                    self.cast.entry(number).or_insert(data_type);
                }
            }
            _ => {}
        }
        ControlFlow::Continue(())
    }
}
