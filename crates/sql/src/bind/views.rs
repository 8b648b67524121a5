//! The views that a query reads, bound before it, each once and after those that it reads itself. Bound where they are named,
//! one planner would stand in another, and a dozen views in each other would overflow the stack.

use std::collections::BTreeMap;
use std::ops::ControlFlow;
use std::sync::Arc;

use datafusion::logical_expr::LogicalPlan;
use dipper_types::{Error, Result};
use sqlparser::ast::{ObjectName, visit_relations};

use super::query::{bind_over, rename};
use crate::ast::Query;
use crate::catalog::{Catalog, Relation, SkipErrors, View, relation_name};

/// The most views in each other.
const DEPTH_MAX: usize = 64;

/// Bound views by name, without those that are being bound. What is wrong with one matters only to those who read it.
pub(super) type BoundViews = BTreeMap<String, Result<LogicalPlan>>;

enum Step<'a> {
    Enter(String),
    Leave(&'a Arc<View>),
}

/// Binds the views behind a query. `around` is the view that the query is to define, which must not be among them.
pub(super) fn bind_all(catalog: &Catalog, query: &Query, skip_errors: SkipErrors, around: Option<&str>) -> BoundViews {
    let mut bound = BoundViews::new();
    let mut open: Vec<String> = around.map(str::to_owned).into_iter().collect();
    let mut steps: Vec<Step<'_>> = relations(query).into_iter().map(Step::Enter).collect();
    while let Some(step) = steps.pop() {
        match step {
            Step::Enter(name) => {
                let Some(Relation::View(view)) = catalog.get(&name) else { continue };
                if bound.contains_key(&name) {
                    continue;
                }
                if open.contains(&name) {
                    // Not bound: an error for whoever reads it, unless the name is that of a WITH.
                    continue;
                }
                if open.len() >= DEPTH_MAX {
                    let message = format!("views stand in each other more than {DEPTH_MAX} deep");
                    bound.insert(name, Err(Error::invalid(message)));
                } else {
                    open.push(name);
                    steps.push(Step::Leave(view));
                    steps.extend(relations(&view.query).into_iter().map(Step::Enter));
                }
            }
            Step::Leave(view) => {
                open.pop();
                if !bound.contains_key(&view.name) {
                    let plan = bind_over(catalog, &view.query, skip_errors, &bound).and_then(|plan| rename(plan, view));
                    bound.insert(view.name.clone(), plan.map_err(|error| inside(view, &error)));
                }
            }
        }
    }
    bound
}

/// The names that a query reads: tables, views, and those of its own WITH, which do no harm here.
fn relations(query: &Query) -> Vec<String> {
    let mut names = Vec::new();
    let mut add = |name: &ObjectName| {
        names.extend(relation_name(name).ok());
        ControlFlow::<()>::Continue(())
    };
    let _ = visit_relations(&query.query, &mut add);
    // Subqueries in the clauses that were taken out of the query.
    for clause in &query.clauses {
        let measures = clause.measures.iter().map(|measure| &measure.expr);
        for expr in measures.chain(clause.defines.iter().map(|define| &define.condition)) {
            let _ = visit_relations(expr, &mut add);
        }
    }
    names
}

/// An error in a view's text, which has its place there and not in the query at hand.
fn inside(view: &View, error: &Error) -> Error {
    let prefix = format!("view '{}'", view.name);
    let message = error.to_string();
    let message = if message.starts_with("view") { message } else { format!("{prefix}: {message}") };
    match error.hint() {
        Some(hint) => Error::new(error.kind(), message).with_hint(hint),
        None => Error::new(error.kind(), message),
    }
}
