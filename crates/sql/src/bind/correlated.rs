//! Subqueries that DataFusion cannot compute where they stand, and those that read the query around them and that it would compute wrongly: it makes
//! joins of them, and a join finds no row where an aggregate over nothing has one, and every row where a LIMIT would have cut some off, and does not
//! tell columns of one name apart.

use std::collections::HashMap;

use datafusion::common::TableReference;
use datafusion::common::tree_node::{TreeNode, TreeNodeRecursion};
use datafusion::logical_expr::utils::split_conjunction;
use datafusion::logical_expr::{Distinct, Expr, JoinType, LogicalPlan, SkipType, Subquery};
use dipper_graph::{is_membership, is_over_nothing};
use dipper_types::{Error, Result};

use crate::logical::subquery_of;

/// Refuses them in a plan as it comes from the planner.
pub(super) fn check_correlated(plan: &LogicalPlan) -> Result<()> {
    let mut refused = None;
    // The closures do not fail.
    let _ = plan.apply_with_subqueries(|node| {
        if let LogicalPlan::Subquery(lateral) = node {
            let top = read_around(lateral).filter(|top| top.aggregates && top.filters);
            refused = top.map(|_| of_having()).or_else(|| of_two_columns(lateral));
        }
        if of_no_row(node) && node.expressions().iter().any(asks) {
            let error = Error::unsupported("IN, EXISTS, ANY or ALL (SELECT …) in ORDER BY, in DISTINCT ON or in the ON of an outer join is not supported");
            refused = Some(error.with_hint("compute it in the select list of a subquery"));
        }
        if refused.is_some() {
            return Ok(TreeNodeRecursion::Stop);
        }
        node.apply_expressions(|expr| {
            expr.apply(|part| {
                refused = refusal(part);
                Ok(if refused.is_some() { TreeNodeRecursion::Stop } else { TreeNodeRecursion::Continue })
            })
        })
    });
    refused.map_or(Ok(()), Err)
}

/// Whether no join can be made below a node of what its expressions ask.
fn of_no_row(node: &LogicalPlan) -> bool {
    match node {
        LogicalPlan::Join(join) => join.join_type != JoinType::Inner,
        LogicalPlan::Sort(_) | LogicalPlan::Distinct(Distinct::On(_)) => true,
        _ => false,
    }
}

fn asks(expr: &Expr) -> bool {
    // The closure does not fail.
    expr.exists(|part| Ok(is_membership(part))).unwrap_or(true)
}

fn refusal(part: &Expr) -> Option<Error> {
    let subquery = subquery_of(part)?;
    let top = read_around(subquery)?;
    let (what, hint) = match part {
        Expr::Exists(_) if top.aggregates => {
            ("EXISTS over an aggregate without GROUP BY", "compare its value, as in (SELECT COUNT(*) …) = 0")
        }
        Expr::Exists(_) if top.cut == Cut::Offset => {
            ("EXISTS over OFFSET", "compare (SELECT COUNT(*) …) with the number")
        }
        Expr::InSubquery(_) if top.aggregates => {
            ("IN over an aggregate without GROUP BY", "compare with its value, as in x = (SELECT MAX(…) …)")
        }
        Expr::SetComparison(_) if top.aggregates => {
            ("ANY or ALL over an aggregate without GROUP BY", "compare with its value, as in x > (SELECT MAX(…) …)")
        }
        Expr::SetComparison(_) if top.cut != Cut::None => {
            ("ANY or ALL over LIMIT", "compare with an aggregate, as in x > (SELECT MAX(…) …)")
        }
        Expr::ScalarSubquery(_) if top.aggregates && top.filters => return Some(of_having()),
        _ => return of_two_columns(subquery),
    };
    Some(unsupported(what, hint))
}

fn of_having() -> Error {
    unsupported(
        "HAVING without GROUP BY",
        "put the condition around it, as in CASE WHEN (SELECT COUNT(*) …) > 1 THEN … END",
    )
}

fn unsupported(what: &str, hint: &str) -> Error {
    let message = format!("{what} in a subquery that reads the query around it is not supported");
    Error::unsupported(message).with_hint(hint)
}

/// Refuses columns of one name, of several tables, that are compared with the query around: above the subquery they are told apart by their names.
fn of_two_columns(subquery: &Subquery) -> Option<Error> {
    let mut compared = HashMap::new();
    let name = column_of_two_tables(&subquery.subquery, &mut Vec::new(), &mut compared)?;
    let what = format!("to compare columns '{name}' of several tables with the query around");
    let hint = format!("give one of them another name: FROM (SELECT {name} AS other FROM …)");
    Some(unsupported(&what, &hint))
}

/// The aliases under which a table is, and its own name.
type Table = (Vec<TableReference>, Option<TableReference>);

/// The name of a column that is one of two such; `compared` has the table of each that was found.
fn column_of_two_tables(
    plan: &LogicalPlan,
    aliases: &mut Vec<TableReference>,
    compared: &mut HashMap<String, Table>,
) -> Option<String> {
    let conditions = match plan {
        LogicalPlan::Filter(filter) => vec![&filter.predicate],
        LogicalPlan::Join(join) => join.filter.iter().collect(),
        _ => Vec::new(),
    };
    let conditions = conditions.into_iter().flat_map(split_conjunction).filter(|part| part.contains_outer());
    for column in conditions.flat_map(Expr::column_refs) {
        let table = (aliases.clone(), column.relation.clone());
        if *compared.entry(column.name.clone()).or_insert_with(|| table.clone()) != table {
            return Some(column.name.clone());
        }
    }
    let alias = if let LogicalPlan::SubqueryAlias(alias) = plan { Some(alias.alias.clone()) } else { None };
    let depth = aliases.len();
    aliases.extend(alias);
    let found = plan.inputs().into_iter().find_map(|input| column_of_two_tables(input, aliases, compared));
    aliases.truncate(depth);
    found
}

/// What stands at the top of a subquery; nothing if it does not read the query around it.
fn read_around(subquery: &Subquery) -> Option<Top> {
    (!subquery.outer_ref_columns.is_empty()).then(|| Top::of(&subquery.subquery))
}

/// What stands at the top of a subquery.
#[derive(Default)]
struct Top {
    /// An aggregate that has one row also over nothing.
    aggregates: bool,
    /// A condition: of such an aggregate it is HAVING.
    filters: bool,
    /// What leaves out some of the rows that the query around decides on.
    cut: Cut,
}

#[derive(Default, PartialEq, Eq, PartialOrd, Ord)]
enum Cut {
    #[default]
    None,
    Limit,
    Offset,
}

impl Top {
    fn of(plan: &LogicalPlan) -> Self {
        let reads_around = |plan: &LogicalPlan| !plan.all_out_ref_exprs().is_empty();
        let mut top = Self::default();
        let (mut select, mut node) = (plan, plan);
        loop {
            node = match node {
                LogicalPlan::Projection(projection) => projection.input.as_ref(),
                LogicalPlan::Sort(sort) => sort.input.as_ref(),
                LogicalPlan::Distinct(distinct) => distinct.input().as_ref(),
                LogicalPlan::Window(window) => window.input.as_ref(),
                LogicalPlan::Filter(filter) => {
                    top.filters = true;
                    filter.input.as_ref()
                }
                LogicalPlan::Limit(limit) => {
                    if reads_around(limit.input.as_ref()) {
                        let skips = !matches!(limit.get_skip_type(), Ok(SkipType::Literal(0)));
                        top.cut = top.cut.max(if skips { Cut::Offset } else { Cut::Limit });
                    }
                    limit.input.as_ref()
                }
                // What the outer of two reads does not change what the inner one has.
                LogicalPlan::SubqueryAlias(alias) => {
                    select = alias.input.as_ref();
                    select
                }
                LogicalPlan::Aggregate(aggregate) => {
                    top.aggregates = is_over_nothing(aggregate) && reads_around(select);
                    return top;
                }
                _ => return top,
            };
        }
    }
}
