//! The graph for people: text, DOT and JSON. What a node *is* stands in its spec; here is only how it reads.

use std::fmt::Write as _;

use arrow::datatypes::Schema;
use dipper_pattern::{Skip, SymbolSet, Timeouts};
use serde_json::{Value, json};

use crate::{
    Edge, JobGraph, MatchRecognizeSpec, NamedExpr, Node, NodeId, OperatorSpec, Partitioning, RowsPerMatch, SourceSpec,
    TableSpec, TaskGraph, WindowKind,
};

impl OperatorSpec {
    /// The kind of node, in one word.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Source(_) => "Source",
            Self::Values(_) => "Values",
            Self::Calc(_) => "Calc",
            Self::Union => "Union",
            Self::WindowTvf(_) => "WindowTvf",
            Self::WindowAggregate(_) => "WindowAggregate",
            Self::MatchRecognize(_) => "MatchRecognize",
            Self::RowPatternWindow(_) => "RowPatternWindow",
            Self::Sink(_) => "Sink",
            Self::Collect => "Collect",
        }
    }
}

impl Node {
    /// What the node does, on one line, without its kind or name. Empty where these say it all.
    pub fn describe(&self) -> String {
        match &self.spec {
            OperatorSpec::Source(spec) => source(spec),
            OperatorSpec::Values(spec) => count(spec.rows.len(), "row"),
            OperatorSpec::Calc(spec) => {
                let columns = match &spec.projection {
                    Some(columns) => join(columns.iter().map(named)),
                    None => "*".to_owned(),
                };
                match &spec.filter {
                    Some(filter) => format!("{columns} where {filter}"),
                    None => columns,
                }
            }
            OperatorSpec::Union | OperatorSpec::Collect => String::new(),
            OperatorSpec::WindowTvf(spec) => window(spec.kind, column_name(&self.output_schema, spec.time_column)),
            OperatorSpec::WindowAggregate(spec) => {
                let keys =
                    join((0..spec.group_by.len()).map(|column| column_name(&self.output_schema, column).to_owned()));
                let aggregates =
                    spec.aggregates.iter().map(|aggregate| as_name(&aggregate.expr.to_string(), &aggregate.name));
                format!("{} by {keys}", join(aggregates))
            }
            OperatorSpec::MatchRecognize(spec) => match_recognize(spec),
            OperatorSpec::RowPatternWindow(spec) => match_recognize(&spec.clause),
            OperatorSpec::Sink(spec) => connector(&spec.table),
        }
    }
}

impl Partitioning {
    /// How people write it: `HASH[symbol]`; `sender` is the schema of the rows sent.
    pub fn describe(&self, sender: &Schema) -> String {
        match self {
            Self::Forward => "FORWARD".to_owned(),
            Self::Rebalance => "REBALANCE".to_owned(),
            Self::Hash { columns } => {
                format!("HASH[{}]", join(columns.iter().map(|&column| column_name(sender, column).to_owned())))
            }
        }
    }
}

impl JobGraph {
    /// The graph as text: a paragraph per task with its inputs and its parallelism, a line per node, columns aligned.
    pub fn to_text(&self) -> String {
        let graph = TaskGraph::of(self);
        let name_width = self.nodes.iter().map(|node| node.name.chars().count()).max().unwrap_or(0);
        let mut text = String::new();
        for (index, task) in graph.tasks.iter().enumerate() {
            let inputs = graph.edges.iter().filter(|edge| edge.to == index).map(|edge| {
                let sender = graph.tasks[edge.from].nodes.last();
                let partitioning = sender.map(|id| edge.partitioning.describe(&self.node(*id).output_schema));
                format!("task {} {}", edge.from + 1, partitioning.unwrap_or_default())
            });
            let inputs = join(inputs);
            let arrow = if inputs.is_empty() { String::new() } else { format!(" <- {inputs}") };
            // Writing to a String cannot fail.
            let _ = writeln!(text, "task {} (parallelism {}){arrow}", index + 1, task.parallelism);
            for &id in &task.nodes {
                let node = self.node(id);
                let line = format!("  {:name_width$}  {}", node.name, node.describe());
                let _ = writeln!(text, "{}", line.trim_end());
            }
        }
        text
    }

    /// The graph in Graphviz's language: a box per task, a node per operator.
    pub fn to_dot(&self) -> String {
        let graph = TaskGraph::of(self);
        let mut dot =
            format!("digraph {} {{\n  rankdir=TB;\n  node [shape=box, fontname=\"monospace\"];\n", quoted(&self.name));
        for (index, task) in graph.tasks.iter().enumerate() {
            let label = quoted(&format!("task {} (parallelism {})", index + 1, task.parallelism));
            let _ = writeln!(dot, "  subgraph cluster_{index} {{\n    label={label};");
            for &id in &task.nodes {
                let node = self.node(id);
                let details = node.describe();
                let label = if details.is_empty() { node.name.clone() } else { format!("{}\n{details}", node.name) };
                let _ = writeln!(dot, "    n{} [label={}];", id.0, quoted(&label));
            }
            dot.push_str("  }\n");
        }
        for edge in &self.edges {
            let label = quoted(&self.partitioning_of(edge));
            let _ = writeln!(dot, "  n{} -> n{} [label={label}];", edge.from.0, edge.to.0);
        }
        dot.push_str("}\n");
        dot
    }

    /// The graph as JSON, for tools: nodes with their columns and the task that they run in, and edges by node id.
    pub fn to_json(&self) -> Value {
        let graph = TaskGraph::of(self);
        let task_of = |id: NodeId| graph.tasks.iter().position(|task| task.nodes.contains(&id)).map(|task| task + 1);
        let nodes = self.nodes.iter().enumerate().map(|(index, node)| {
            let columns = node.output_schema.fields().iter();
            let column = |field: &arrow::datatypes::FieldRef| {
                json!({ "name": field.name(), "type": field.data_type().to_string(), "nullable": field.is_nullable() })
            };
            json!({
                "id": node.id.0,
                "name": node.name,
                "kind": node.spec.kind(),
                "task": task_of(NodeId(index)),
                "parallelism": node.parallelism,
                "details": node.describe(),
                "columns": columns.map(column).collect::<Vec<_>>(),
            })
        });
        let edges = self.edges.iter().map(|edge| {
            json!({
                "from": self.node(edge.from).id.0,
                "to": self.node(edge.to).id.0,
                "port": edge.port,
                "partitioning": self.partitioning_of(edge),
            })
        });
        json!({
            "name": self.name,
            "key_groups": self.key_groups,
            "batch_rows": self.batch_rows,
            "nodes": nodes.collect::<Vec<_>>(),
            "edges": edges.collect::<Vec<_>>(),
        })
    }

    fn partitioning_of(&self, edge: &Edge) -> String {
        edge.partitioning.describe(&self.node(edge.from).output_schema)
    }
}

fn source(spec: &SourceSpec) -> String {
    let columns: Vec<String> = spec
        .output
        .iter()
        .map(|name| match spec.computed.iter().find(|column| column.name == *name) {
            Some(column) => as_name(&column.expr.to_string(), name),
            None => name.clone(),
        })
        .collect();
    let mut text = format!("{} ({})", connector(&spec.table), columns.join(", "));
    if let Some(watermark) = &spec.watermark {
        let _ = write!(text, ", watermark {}", watermark.expr);
        if let Some(timeout_ms) = watermark.idle_timeout_ms {
            let _ = write!(
                text,
                ", idle after {}",
                duration(timeout_ms.saturating_mul(1_000).try_into().unwrap_or(i64::MAX))
            );
        }
    }
    text.push_str(if spec.unbounded { ", unbounded" } else { ", bounded" });
    text
}

fn connector(table: &TableSpec) -> String {
    table.options.get("connector").cloned().unwrap_or_else(|| "no connector".to_owned())
}

fn window(kind: WindowKind, column: &str) -> String {
    let (mut text, offset_us) = match kind {
        WindowKind::Tumble { size_us, offset_us } => {
            (format!("TUMBLE({column}, size {}", duration(size_us)), offset_us)
        }
        WindowKind::Hop { slide_us, size_us, offset_us } => {
            (format!("HOP({column}, slide {}, size {}", duration(slide_us), duration(size_us)), offset_us)
        }
    };
    if offset_us != 0 {
        let _ = write!(text, ", offset {}", duration(offset_us));
    }
    text.push(')');
    text
}

fn match_recognize(spec: &MatchRecognizeSpec) -> String {
    let mut parts = Vec::new();
    if !spec.partition_by.is_empty() {
        let columns = spec.partition_by.iter().map(|&column| column_name(&spec.input_schema, column).to_owned());
        parts.push(format!("partition by {}", join(columns)));
    }
    if !spec.order_by.is_empty() {
        let keys = spec.order_by.iter().map(|key| {
            let direction = if key.descending { " DESC" } else { "" };
            format!("{}{direction}", column_name(&spec.input_schema, key.column))
        });
        parts.push(format!("order by {}", join(keys)));
    }
    parts.push(rows_per_match(spec));
    parts.push(skip(spec));
    let within = match spec.within {
        Some(within) => {
            let inclusive = if within.inclusive { "INCLUSIVE " } else { "" };
            format!(" WITHIN {inclusive}{}", duration(within.span_us))
        }
        None => String::new(),
    };
    parts.push(format!("PATTERN ({}){within}", spec.pattern.display(&spec.variables)));
    parts.join(", ")
}

fn rows_per_match(spec: &MatchRecognizeSpec) -> String {
    let rows = match spec.rows_per_match {
        RowsPerMatch::One => "ONE ROW PER MATCH",
        RowsPerMatch::AllShowEmpty => "ALL ROWS PER MATCH",
        RowsPerMatch::AllOmitEmpty => "ALL ROWS PER MATCH OMIT EMPTY MATCHES",
        RowsPerMatch::AllWithUnmatched => "ALL ROWS PER MATCH WITH UNMATCHED ROWS",
    };
    let timeouts = match spec.timeouts {
        Timeouts::Hide => "",
        Timeouts::Show => " SHOW TIMEOUT MATCHES",
        Timeouts::Only => " ONLY TIMEOUT MATCHES",
    };
    format!("{rows}{timeouts}")
}

fn skip(spec: &MatchRecognizeSpec) -> String {
    let names = |symbols: SymbolSet| {
        let names: Vec<&str> =
            symbols.iter().filter_map(|symbol| spec.variables.get(symbol.index())).map(String::as_str).collect();
        names.join(" or ")
    };
    match spec.after_match.skip {
        Skip::PastLastRow => "SKIP PAST LAST ROW".to_owned(),
        Skip::ToNextRow => "SKIP TO NEXT ROW".to_owned(),
        Skip::ToFirst(symbols) => format!("SKIP TO FIRST {}", names(symbols)),
        Skip::ToLast(symbols) => format!("SKIP TO LAST {}", names(symbols)),
    }
}

fn named(column: &NamedExpr) -> String {
    as_name(&column.expr.to_string(), &column.name)
}

/// `expr AS name`, or the name alone where it says the same.
fn as_name(expr: &str, name: &str) -> String {
    if expr == name { name.to_owned() } else { format!("{expr} AS {name}") }
}

fn column_name(schema: &Schema, column: usize) -> &str {
    schema.fields().get(column).map_or("?", |field| field.name())
}

fn join(parts: impl Iterator<Item = String>) -> String {
    parts.collect::<Vec<_>>().join(", ")
}

fn count(count: usize, what: &str) -> String {
    format!("{count} {what}{}", if count == 1 { "" } else { "s" })
}

/// A length of time in the largest unit that gives a whole number.
fn duration(us: i64) -> String {
    const UNITS: [(i64, &str); 6] =
        [(86_400_000_000, "d"), (3_600_000_000, "h"), (60_000_000, "min"), (1_000_000, "s"), (1_000, "ms"), (1, "us")];
    let (length, unit) = UNITS.into_iter().find(|(length, _)| us % length == 0).unwrap_or((1, "us"));
    format!("{} {unit}", us / length)
}

fn quoted(text: &str) -> String {
    format!("\"{}\"", text.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n"))
}

#[cfg(test)]
mod tests;
