//! From an optimised logical plan to a dataflow graph. What a dataflow cannot do is refused by name, with what to do instead.

use std::sync::Arc;

use arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use datafusion::logical_expr::{self as df, Expr, LogicalPlan, lit};
use dipper_graph::{
    BoundExpr, CalcSpec, JobGraph, NamedExpr, Node, NodeId, OperatorSpec, Partitioning, SinkSpec, SourceSpec,
    ValuesSpec,
};
use dipper_types::{Error, Result};

use super::calc::{node_schema, rebase, refused_in};
use super::operator_id::{OperatorIds, Signature};
use crate::ast::Query;
use crate::bind::{Construct, DipperTableSource, plan_error};
use crate::catalog::{Settings, Table};
use crate::logical::{
    MatchRecognizeNode, RowPatternWindowNode, WindowTvfNode, column_roles, has_watermark, is_unbounded,
};

/// Makes the graph.
pub(super) fn build(
    query: &Query,
    plan: &LogicalPlan,
    sink: Option<&Table>,
    settings: &Settings,
    fallback_name: &str,
) -> Result<JobGraph> {
    let mut graph = JobGraph::new(settings.pipeline_name().unwrap_or(fallback_name));
    graph.key_groups = settings.key_groups();
    graph.batch_rows = settings.batch_rows();
    let parallelism = settings.parallelism();
    if parallelism > usize::from(graph.key_groups) {
        return Err(Error::invalid(format!(
            "parallelism {parallelism} is more than the {} key groups of the job",
            graph.key_groups
        ))
        .with_hint("SET 'pipeline.max-parallelism' to at least as much"));
    }
    let mut dataflow = Dataflow {
        query: &query.query,
        graph,
        parallelism,
        unbounded: is_unbounded(plan),
        ids: OperatorIds::default(),
    };
    let rows = dataflow.plan(plan).map_err(|error| error.at(query.span))?;
    match sink {
        Some(table) => {
            let name = format!("Sink: {}", table.name());
            let spec = OperatorSpec::Sink(SinkSpec { table: table.written() });
            let signature = Signature::of(&name, &[rows.signature]);
            let keys = writer_keys(table).filter(|_| rows.parallelism > 1);
            dataflow.add("sink", &name, spec, Arc::clone(&rows.schema), rows.parallelism, signature, &[(rows, keys)])
        }
        None => {
            let signature = Signature::of("collect", &[rows.signature]);
            let schema = Arc::clone(&rows.schema);
            dataflow.add(
                "collect",
                "Collect",
                OperatorSpec::Collect,
                schema,
                rows.parallelism,
                signature,
                &[(rows, None)],
            )
        }
    };
    Ok(dataflow.graph)
}

/// The columns by which rows find their writer: rows that replace each other need the same one.
fn writer_keys(table: &Table) -> Option<Vec<usize>> {
    let written = table.written();
    let place = |name: &String| written.columns.index_of(name).ok();
    let keys: Vec<usize> = table.primary_key.iter().filter_map(place).collect();
    Some(keys).filter(|keys| table.is_managed && !keys.is_empty())
}

/// A node with what those behind it need to know.
#[derive(Debug, Clone)]
pub(super) struct Built {
    pub(super) node: NodeId,
    pub(super) schema: SchemaRef,
    pub(super) parallelism: usize,
    pub(super) signature: Signature,
}

/// The graph under construction.
pub(super) struct Dataflow<'a> {
    /// The text's tree, where what is refused has its place.
    query: &'a sqlparser::ast::Query,
    graph: JobGraph,
    pub(super) parallelism: usize,
    unbounded: bool,
    ids: OperatorIds,
}

impl Dataflow<'_> {
    /// Adds a node behind its inputs, each with the columns that divide its rows, if any do.
    #[expect(clippy::too_many_arguments, reason = "the parts of a node")]
    pub(super) fn add(
        &mut self,
        kind: &str,
        name: &str,
        spec: OperatorSpec,
        output_schema: SchemaRef,
        parallelism: usize,
        signature: Signature,
        inputs: &[(Built, Option<Vec<usize>>)],
    ) -> Built {
        let id = self.ids.next(kind, signature);
        let schema = Arc::clone(&output_schema);
        let node = self.graph.add(Node { id, name: name.to_owned(), parallelism, spec, output_schema });
        for (port, (input, keys)) in inputs.iter().enumerate() {
            let partitioning = match keys {
                Some(columns) => Partitioning::Hash { columns: columns.clone() },
                None if input.parallelism == parallelism => Partitioning::Forward,
                None => Partitioning::Rebalance,
            };
            self.graph.connect(input.node, node, port, partitioning);
        }
        Built { node, schema, parallelism, signature }
    }

    /// The node of a plan.
    pub(super) fn plan(&mut self, plan: &LogicalPlan) -> Result<Built> {
        match plan {
            LogicalPlan::TableScan(scan) => self.scan(scan),
            LogicalPlan::Projection(projection) => self.projection(projection),
            LogicalPlan::Filter(filter) => self.filter(filter),
            LogicalPlan::SubqueryAlias(alias) => self.plan(&alias.input),
            LogicalPlan::Union(union) => self.union(union),
            LogicalPlan::Values(values) => self.values(&values.values, node_schema(&values.schema)),
            LogicalPlan::EmptyRelation(empty) => self.empty(empty),
            LogicalPlan::Aggregate(aggregate) => self.window_aggregate(aggregate),
            LogicalPlan::Extension(extension) => self.extension(extension),
            other => Err(self.refused(other)),
        }
    }

    fn scan(&mut self, scan: &df::TableScan) -> Result<Built> {
        let Some(source) = scan.source.downcast_ref::<DipperTableSource>() else {
            return Err(Error::unsupported(format!(
                "the table function {} is not supported in a dataflow",
                scan.table_name
            )));
        };
        let table = &source.table;
        let mut schema = node_schema(&scan.projected_schema);
        if schema.fields().is_empty() {
            // A batch needs a column to have rows; nobody behind reads it.
            schema = Arc::new(Schema::new(table.schema.fields().iter().take(1).cloned().collect::<Vec<_>>()));
        }
        let spec = SourceSpec {
            table: table.spec.clone(),
            computed: table.computed.clone(),
            watermark: table.watermark.clone(),
            output: schema.fields().iter().map(|field| field.name().clone()).collect(),
            unbounded: table.unbounded,
        };
        let name = format!("Source: {}", table.name());
        let signature = Signature::of(&name, &[]);
        let mut built = self.add("source", &name, OperatorSpec::Source(spec), schema, self.parallelism, signature, &[]);
        for filter in &scan.filters {
            built = self.add_filter(filter, &scan.projected_schema, built)?;
        }
        Ok(built)
    }

    fn filter(&mut self, filter: &df::Filter) -> Result<Built> {
        let input = self.plan(&filter.input)?;
        self.add_filter(&filter.predicate, filter.input.schema(), input)
    }

    fn add_filter(&mut self, predicate: &Expr, schema: &datafusion::common::DFSchema, input: Built) -> Result<Built> {
        let filter = self.rebase(predicate, schema, &input.schema)?;
        Ok(self.calc(CalcSpec { filter: Some(filter), projection: None }, Arc::clone(&input.schema), input))
    }

    fn projection(&mut self, projection: &df::Projection) -> Result<Built> {
        let input = self.plan(&projection.input)?;
        let schema = node_schema(&projection.schema);
        let exprs = projection.expr.iter().zip(schema.fields()).map(|(expr, field)| {
            let expr = self.rebase(expr, projection.input.schema(), &input.schema)?;
            Ok(NamedExpr { name: field.name().clone(), expr })
        });
        let exprs: Vec<NamedExpr> = exprs.collect::<Result<_>>()?;
        let is_same = |(named, field): (&NamedExpr, &Arc<Field>)| {
            named.name == *field.name() && matches!(&named.expr.0, Expr::Column(column) if column.name == *field.name())
        };
        if exprs.len() == input.schema.fields().len() && exprs.iter().zip(input.schema.fields()).all(is_same) {
            return Ok(input);
        }
        Ok(self.calc(CalcSpec { filter: None, projection: Some(exprs) }, schema, input))
    }

    /// A calculation behind a node; a projection joins the filter before it.
    pub(super) fn calc(&mut self, spec: CalcSpec, schema: SchemaRef, input: Built) -> Built {
        let last = &mut self.graph.nodes[input.node.0];
        if let OperatorSpec::Calc(CalcSpec { projection: projection @ None, .. }) = &mut last.spec
            && spec.filter.is_none()
        {
            *projection = spec.projection;
            last.output_schema = Arc::clone(&schema);
            return Built { schema, ..input };
        }
        let signature = input.signature;
        let parallelism = input.parallelism;
        let built =
            self.add("calc", "Calc", OperatorSpec::Calc(spec), schema, parallelism, signature, &[(input, None)]);
        Built { signature, ..built }
    }

    fn union(&mut self, union: &df::Union) -> Result<Built> {
        let schema = node_schema(&union.schema);
        let mut inputs = Vec::new();
        for input in &union.inputs {
            let built = self.plan(input)?;
            inputs.push((self.renamed(built, &schema), None));
        }
        let parallelism = inputs.iter().map(|(input, _)| input.parallelism).max().unwrap_or(1);
        let signatures: Vec<Signature> = inputs.iter().map(|(input, _)| input.signature).collect();
        let signature = Signature::of("union", &signatures);
        Ok(self.add("union", "Union", OperatorSpec::Union, schema, parallelism, signature, &inputs))
    }

    /// The same rows under the columns of another schema.
    fn renamed(&mut self, input: Built, schema: &SchemaRef) -> Built {
        let same_names =
            input.schema.fields().iter().zip(schema.fields()).all(|(left, right)| left.name() == right.name());
        if same_names {
            return input;
        }
        let column = |name: &str| BoundExpr(Expr::Column(datafusion::common::Column::new_unqualified(name)));
        let pairs = input.schema.fields().iter().zip(schema.fields());
        let exprs = pairs.map(|(from, to)| NamedExpr { name: to.name().clone(), expr: column(from.name()) }).collect();
        self.calc(CalcSpec { filter: None, projection: Some(exprs) }, Arc::clone(schema), input)
    }

    fn values(&mut self, rows: &[Vec<Expr>], schema: SchemaRef) -> Result<Built> {
        let nothing = datafusion::common::DFSchema::empty();
        let empty: SchemaRef = Arc::new(Schema::empty());
        let row =
            |row: &Vec<Expr>| row.iter().map(|expr| self.rebase(expr, &nothing, &empty)).collect::<Result<Vec<_>>>();
        let rows = rows.iter().map(row).collect::<Result<Vec<_>>>()?;
        let signature = Signature::of("values", &[]);
        Ok(self.add("values", "Values", OperatorSpec::Values(ValuesSpec { rows }), schema, 1, signature, &[]))
    }

    fn empty(&mut self, empty: &df::EmptyRelation) -> Result<Built> {
        if !empty.produce_one_row {
            return self.values(&[], node_schema(&empty.schema));
        }
        // A row without columns: a batch needs at least one, which nobody reads.
        let schema = Arc::new(Schema::new(vec![Field::new("row", DataType::Boolean, false)]));
        self.values(&[vec![lit(true)]], schema)
    }

    fn extension(&mut self, extension: &df::Extension) -> Result<Built> {
        let node = extension.node.as_any();
        if let Some(clause) = node.downcast_ref::<MatchRecognizeNode>() {
            return self.match_recognize(clause);
        }
        if let Some(window) = node.downcast_ref::<WindowTvfNode>() {
            return self.window_tvf(window);
        }
        if node.is::<RowPatternWindowNode>() {
            return Err(self.refuse(Construct::RowPatternWindow));
        }
        Err(Error::internal(format!("the operator {} is not known", extension.node.name())))
    }

    fn match_recognize(&mut self, clause: &MatchRecognizeNode) -> Result<Built> {
        let input = self.plan(&clause.input)?;
        let spec = clause.spec.as_ref().clone();
        let input = self.renamed(input, &spec.input_schema);
        let what =
            format!("match-recognize {} {}", spec.pattern.display(&spec.variables), clause.spec.partition_by.len());
        let signature = Signature::of(&what, &[input.signature]);
        let (parallelism, keys) =
            if spec.partition_by.is_empty() { (1, None) } else { (self.parallelism, Some(spec.partition_by.clone())) };
        let schema = Arc::clone(&spec.output_schema);
        let spec = OperatorSpec::MatchRecognize(Box::new(spec));
        Ok(self.add("match-recognize", "MatchRecognize", spec, schema, parallelism, signature, &[(input, keys)]))
    }

    fn window_tvf(&mut self, window: &WindowTvfNode) -> Result<Built> {
        let spec = window.spec().map_err(plan_error)?;
        let is_attribute = column_roles(&window.input)[spec.time_column].is_time_attribute();
        if !is_attribute && has_watermark(&window.input) {
            return Err(Error::invalid(format!(
                "the window is on '{}', but the watermark is about another column",
                window.time_column.name
            ))
            .with_hint(
                "put the window on the column that has the WATERMARK, or SET 'execution.runtime-mode' = 'batch'",
            ));
        }
        let input = self.plan(&window.input)?;
        let fields = input.schema.fields().iter().cloned();
        let schema = Arc::new(Schema::new(fields.chain(window.added_columns()).collect::<Vec<_>>()));
        // The function only adds columns: nothing to keep, and nothing for a savepoint to find.
        let (signature, parallelism) = (input.signature, input.parallelism);
        let name = format!("WindowTvf: {}", window.function());
        Ok(self.add("window", &name, OperatorSpec::WindowTvf(spec), schema, parallelism, signature, &[(input, None)]))
    }

    /// Why a plan cannot be a dataflow, and what to do.
    fn refused(&self, plan: &LogicalPlan) -> Error {
        let what = match plan {
            LogicalPlan::Join(_) => Construct::Join,
            LogicalPlan::Sort(_) => Construct::OrderBy,
            LogicalPlan::Limit(_) => Construct::Limit,
            LogicalPlan::Distinct(_) => Construct::Distinct,
            LogicalPlan::Window(_) => Construct::WindowFunction,
            LogicalPlan::Subquery(_) => Construct::Subquery,
            LogicalPlan::Unnest(_) => Construct::Unnest,
            LogicalPlan::RecursiveQuery(_) => Construct::Recursion,
            LogicalPlan::Aggregate(_) => Construct::Grouping,
            _ => return Error::unsupported(format!("{} is not supported in a dataflow", plan.display())),
        };
        self.refuse(what)
    }

    /// Refuses a construct by name, at its place, with what to do instead.
    pub(super) fn refuse(&self, what: Construct) -> Error {
        let error = Error::unsupported(format!("{} is not supported in a dataflow yet", what.name()));
        let error = match what.place(self.query) {
            Some(place) => error.at(place),
            None => error,
        };
        if !self.unbounded {
            return error.with_hint("the input is bounded: SET 'execution.runtime-mode' = 'batch'");
        }
        error.with_hint(match what {
            Construct::Grouping | Construct::GroupingSets | Construct::Distinct => {
                "group by a window: TABLE(TUMBLE(TABLE t, DESCRIPTOR(ts), INTERVAL '1' MINUTE))"
            }
            Construct::Subquery => {
                "put the value in as a constant, or write the rows into a table and query that in batch mode"
            }
            _ => "write the rows into a table and query that",
        })
    }

    /// An expression over a node's output.
    pub(super) fn rebase(
        &self,
        expr: &Expr,
        plan: &datafusion::common::DFSchema,
        node: &SchemaRef,
    ) -> Result<BoundExpr> {
        match refused_in(expr) {
            Some(what) => Err(self.refuse(what)),
            None => rebase(expr, plan, node),
        }
    }
}
