//! EXPLAIN: the logical plan, the dataflow graph, what each row pattern costs and when it is final, and what the sinks promise.

mod delivery;
mod pattern;

use datafusion::common::tree_node::TreeNodeRecursion;
use datafusion::logical_expr::LogicalPlan;
use dipper_graph::{FromDataFusion, JobGraph, MatchRecognizeSpec};
use dipper_types::{Error, Result};
use serde_json::{Value, json};
use std::fmt::Write as _;
use std::sync::Arc;

use crate::ast::{ExplainFormat, Insert, Query, Statement};
use crate::catalog::{RuntimeMode, Settings};
use crate::logical::{MatchRecognizeNode, clause_subqueries, is_unbounded};
use crate::plan::{Planner, for_batch, for_dataflow};
use pattern::PatternReport;

pub use pattern::unbounded_state;

#[cfg(test)]
mod tests;

/// One query or insert.
struct Explained {
    /// `INSERT INTO t`; `None` for a query.
    title: Option<String>,
    plan: LogicalPlan,
    /// `None` if it runs as a batch.
    graph: Option<JobGraph>,
    /// A query hands its rows out and takes none.
    takes_checkpoints: bool,
}

/// Explains a query, an insert or a statement set.
pub(crate) fn explain(
    planner: &Planner<'_>,
    settings: &Settings,
    statement: &Statement,
    format: ExplainFormat,
) -> Result<String> {
    let explained = match statement {
        Statement::Query(query) => vec![query_of(planner, settings, query)?],
        Statement::Insert(insert) => vec![insert_of(planner, settings, insert)?],
        Statement::StatementSet(inserts) => {
            inserts.iter().map(|insert| insert_of(planner, settings, insert)).collect::<Result<_>>()?
        }
        _ => return Err(Error::invalid("EXPLAIN takes a query, an INSERT or a statement set")),
    };
    match format {
        ExplainFormat::Text => Ok(explained.iter().map(Explained::to_text).collect::<Result<Vec<_>>>()?.join("\n")),
        ExplainFormat::Json => {
            let mut parts = explained.iter().map(Explained::to_json).collect::<Result<Vec<_>>>()?;
            let whole = if parts.len() == 1 { parts.remove(0) } else { Value::Array(parts) };
            serde_json::to_string_pretty(&whole).map_err(|error| Error::internal(error.to_string()))
        }
        ExplainFormat::Dot => Ok(explained.iter().map(Explained::to_dot).collect::<Result<Vec<_>>>()?.join("\n")),
    }
}

fn query_of(planner: &Planner<'_>, settings: &Settings, query: &Query) -> Result<Explained> {
    let plan = planner.logical(query)?;
    let is_dataflow = match settings.runtime_mode() {
        RuntimeMode::Streaming => true,
        RuntimeMode::Automatic => is_unbounded(&plan),
        RuntimeMode::Batch => false,
    };
    let graph = if is_dataflow { Some(planner.collect(query, &plan, "query")?) } else { None };
    Ok(Explained {
        title: None,
        plan: optimized(plan, is_dataflow).map_err(|error| planner.placed(error, query))?,
        graph,
        takes_checkpoints: false,
    })
}

fn insert_of(planner: &Planner<'_>, settings: &Settings, insert: &Insert) -> Result<Explained> {
    let (plan, table) = planner.insert_plan(insert)?;
    let title = format!("INSERT INTO {}", table.name());
    let is_dataflow = settings.runtime_mode() != RuntimeMode::Batch;
    let graph = if is_dataflow { Some(planner.insert(insert, &plan, &table, &title)?) } else { None };
    let plan = optimized(plan, is_dataflow).map_err(|error| planner.placed(error, &insert.source))?;
    let takes_checkpoints = settings.text_of("state.checkpoints.dir").is_some();
    Ok(Explained { title: Some(title), plan, graph, takes_checkpoints })
}

/// The plan as its host runs it.
fn optimized(plan: LogicalPlan, is_dataflow: bool) -> Result<LogicalPlan> {
    if is_dataflow { for_dataflow(plan) } else { for_batch(&plan) }
}

impl Explained {
    fn clauses(&self) -> Result<Vec<Arc<MatchRecognizeSpec>>> {
        let mut clauses = Vec::new();
        let walked = self.plan.apply_with_subqueries(|node| {
            if let LogicalPlan::Extension(extension) = node
                && let Some(clause) = extension.node.as_any().downcast_ref::<MatchRecognizeNode>()
            {
                let clause = if self.graph.is_some() { clause.clone() } else { clause.for_batch()? };
                clauses.push(clause.spec);
            }
            Ok(TreeNodeRecursion::Continue)
        });
        walked.or_plan_error()?;
        Ok(clauses)
    }

    fn patterns(&self) -> Result<Vec<PatternReport>> {
        let unbounded = is_unbounded(&self.plan);
        self.clauses()?.iter().map(|spec| PatternReport::of(spec, unbounded)).collect()
    }

    /// The subqueries in the clauses, as they are run before the rows come.
    fn subqueries(&self) -> Result<Vec<String>> {
        let shown = |plan: &LogicalPlan| Ok(for_batch(plan)?.display_indent().to_string());
        clause_subqueries(&self.plan)?.iter().map(shown).collect()
    }

    fn host(&self) -> String {
        match &self.graph {
            Some(_) if is_unbounded(&self.plan) => "dataflow over unbounded input".to_owned(),
            Some(_) => "dataflow over bounded input".to_owned(),
            None => "batch: all rows at once".to_owned(),
        }
    }

    fn to_text(&self) -> Result<String> {
        let mut text = String::new();
        // Writing to a String cannot fail.
        if let Some(title) = &self.title {
            let _ = writeln!(text, "== {title} ==");
        }
        let _ = writeln!(text, "host: {}\n", self.host());
        let _ = writeln!(text, "logical plan\n{}", indented(&self.plan.display_indent().to_string()));
        for (number, subquery) in self.subqueries()?.iter().enumerate() {
            let _ = writeln!(text, "subquery {}, run once before\n{}", number + 1, indented(subquery));
        }
        if let Some(graph) = &self.graph {
            let _ = writeln!(text, "dataflow\n{}", indented(&graph.to_text()));
        }
        for (number, report) in self.patterns()?.iter().enumerate() {
            let _ = writeln!(text, "pattern {}\n{}", number + 1, indented(&report.to_text()));
        }
        if let Some(graph) = &self.graph {
            let _ = writeln!(text, "delivery\n{}", indented(&delivery::of(graph, self.takes_checkpoints).join("\n")));
        }
        Ok(text.trim_end().to_owned() + "\n")
    }

    fn to_json(&self) -> Result<Value> {
        let patterns = self.patterns()?;
        Ok(json!({
            "statement": self.title,
            "host": self.host(),
            "logical_plan": self.plan.display_indent().to_string().lines().collect::<Vec<_>>(),
            "subqueries": self.subqueries()?.iter().map(|plan| plan.lines().collect::<Vec<_>>()).collect::<Vec<_>>(),
            "dataflow": self.graph.as_ref().map(JobGraph::to_json),
            "patterns": patterns.iter().map(PatternReport::to_json).collect::<Vec<_>>(),
            "delivery": self.graph.as_ref().map(|graph| delivery::of(graph, self.takes_checkpoints)),
        }))
    }

    /// The graph and each automaton, one drawing behind the other.
    fn to_dot(&self) -> Result<String> {
        let mut dot = self.graph.as_ref().map(JobGraph::to_dot).unwrap_or_default();
        for report in self.patterns()? {
            dot.push_str(&report.to_dot());
        }
        if dot.is_empty() {
            return Err(Error::invalid("nothing to draw: the query runs as a batch and has no row pattern"));
        }
        Ok(dot)
    }
}

fn indented(text: &str) -> String {
    text.lines().flat_map(|line| ["  ", line, "\n"]).collect()
}
