//! Subqueries that DataFusion cannot join to the query around them, evaluated for each row as Postgres does. System tables are small, and a
//! value is computed once for each combination of what the subquery refers to.

use std::collections::HashMap;
use std::hash::{Hash, Hasher};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use arrow::array::{Array, RecordBatch};
use arrow::datatypes::DataType;
use datafusion::common::tree_node::{Transformed, TransformedResult, TreeNode};
use datafusion::common::{Column, DFSchema, Result, ScalarValue, exec_err, internal_datafusion_err};
use datafusion::execution::context::SessionState;
use datafusion::logical_expr::expr::{Exists, InSubquery, ScalarFunction};
use datafusion::logical_expr::logical_plan::Subquery;
use datafusion::logical_expr::{
    ColumnarValue, Expr, LogicalPlan, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl, Signature, TypeSignature,
    Volatility,
};

use crate::execute;

/// Which subqueries are evaluated for each row.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Which {
    /// Those that stand for a value.
    Values,
    /// Also those of `EXISTS` and `IN`.
    All,
}

/// Makes functions of subqueries; none where there are none.
pub(crate) fn by_row(plan: LogicalPlan, which: Which, state: &SessionState) -> Result<Option<LogicalPlan>> {
    let state = Arc::new(state.clone());
    let changed = plan.transform_up(|node| {
        let mut inputs = DFSchema::empty();
        node.inputs().iter().for_each(|input| inputs.merge(input.schema()));
        let node = node.map_expressions(|expr| {
            expr.transform_up(|expr| {
                Ok(match &expr {
                    Expr::ScalarSubquery(subquery) => {
                        Transformed::yes(function(subquery, Answer::Value, None, &inputs, &state)?)
                    }
                    Expr::Exists(Exists { subquery, negated }) => Transformed::yes(function(
                        subquery,
                        Answer::Exists { negated: *negated },
                        None,
                        &inputs,
                        &state,
                    )?),
                    Expr::InSubquery(InSubquery { expr, subquery, negated }) if which == Which::All => {
                        Transformed::yes(function(
                            subquery,
                            Answer::In { negated: *negated },
                            Some(expr),
                            &inputs,
                            &state,
                        )?)
                    }
                    _ => Transformed::no(expr),
                })
            })
        })?;
        Ok(if node.transformed { Transformed::yes(node.data.recompute_schema()?) } else { node })
    })?;
    Ok(changed.transformed.then_some(changed.data))
}

/// What a subquery is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum Answer {
    Value,
    Exists {
        negated: bool,
    },
    /// Whether the value of the last argument is among its rows.
    In {
        negated: bool,
    },
}

fn function(
    subquery: &Subquery,
    answer: Answer,
    value: Option<&Expr>,
    inputs: &DFSchema,
    state: &Arc<SessionState>,
) -> Result<Expr> {
    static NUMBER: AtomicUsize = AtomicUsize::new(0);

    let columns: Vec<_> =
        outer_columns(&subquery.subquery)?.into_iter().filter(|column| inputs.has_column(column)).collect();
    let returns = match answer {
        Answer::Exists { .. } | Answer::In { .. } => DataType::Boolean,
        Answer::Value => subquery.subquery.schema().field(0).data_type().clone(),
    };
    let arguments: Vec<_> = columns.iter().cloned().map(Expr::Column).chain(value.cloned()).collect();
    let shape = if arguments.is_empty() { TypeSignature::Nullary } else { TypeSignature::Any(arguments.len()) };
    let function = ByRow {
        name: format!("subquery_{}", NUMBER.fetch_add(1, Ordering::Relaxed)),
        signature: Signature::new(shape, Volatility::Stable),
        plan: Arc::clone(&subquery.subquery),
        columns,
        answer,
        returns,
        state: Arc::clone(state),
    };
    Ok(Expr::ScalarFunction(ScalarFunction::new_udf(Arc::new(ScalarUDF::new_from_impl(function)), arguments)))
}

/// What a plan refers to of the queries around it.
fn outer_columns(plan: &LogicalPlan) -> Result<Vec<Column>> {
    let mut columns = Vec::new();
    plan.clone().transform_up_with_subqueries(|node| {
        node.map_expressions(|expr| {
            expr.transform_up(|expr| {
                if let Expr::OuterReferenceColumn(_, column) = &expr
                    && !columns.contains(column)
                {
                    columns.push(column.clone());
                }
                Ok(Transformed::no(expr))
            })
        })
    })?;
    Ok(columns)
}

/// The plan with values in place of what it refers to. A subquery deeper down may refer to its own surroundings by the same name; those come
/// first, so what is found there is left alone.
fn with_values(plan: LogicalPlan, values: &HashMap<Column, ScalarValue>) -> Result<LogicalPlan> {
    let replaced = plan.transform_up(|node| {
        let mut inputs = DFSchema::empty();
        node.inputs().iter().for_each(|input| inputs.merge(input.schema()));
        let deeper: HashMap<_, _> = values
            .iter()
            .filter(|(column, _)| !inputs.has_column(column))
            .map(|(column, value)| (column.clone(), value.clone()))
            .collect();
        let node = node.map_subqueries(|inner| with_values(inner, &deeper).map(Transformed::yes))?.data;
        node.map_expressions(|expr| {
            expr.transform_up(|expr| {
                Ok(match &expr {
                    Expr::OuterReferenceColumn(_, column) => match values.get(column) {
                        Some(value) => Transformed::yes(Expr::Literal(value.clone(), None)),
                        None => Transformed::no(expr),
                    },
                    Expr::ScalarSubquery(subquery) => Transformed::yes(Expr::ScalarSubquery(referring(subquery)?)),
                    Expr::Exists(exists) => Transformed::yes(Expr::Exists(Exists {
                        subquery: referring(&exists.subquery)?,
                        negated: exists.negated,
                    })),
                    Expr::InSubquery(within) => {
                        let subquery = referring(&within.subquery)?;
                        Transformed::yes(Expr::InSubquery(InSubquery { subquery, ..within.clone() }))
                    }
                    _ => Transformed::no(expr),
                })
            })
        })
    });
    replaced.data()
}

/// A subquery whose list of what it refers to is brought up to date.
fn referring(subquery: &Subquery) -> Result<Subquery> {
    let remaining = outer_columns(&subquery.subquery)?;
    let is_left = |expr: &&Expr| matches!(expr, Expr::OuterReferenceColumn(_, column) if remaining.contains(column));
    let outer_ref_columns = subquery.outer_ref_columns.iter().filter(is_left).cloned().collect();
    Ok(Subquery { outer_ref_columns, ..subquery.clone() })
}

/// A subquery as a function of the columns it refers to.
struct ByRow {
    name: String,
    signature: Signature,
    plan: Arc<LogicalPlan>,
    columns: Vec<Column>,
    answer: Answer,
    returns: DataType,
    state: Arc<SessionState>,
}

impl ByRow {
    fn evaluate(&self, arguments: &[ScalarValue]) -> Result<ScalarValue> {
        let values = self.columns.iter().cloned().zip(arguments.iter().cloned()).collect();
        let plan = with_values(self.plan.as_ref().clone(), &values)?;
        let batches = futures::executor::block_on(execute::collect(&self.state, &plan))?;
        let rows: usize = batches.iter().map(|batch| batch.num_rows()).sum();
        match self.answer {
            Answer::Exists { negated } => Ok(ScalarValue::Boolean(Some((rows > 0) != negated))),
            Answer::In { negated } => is_in(arguments.last(), &batches, negated),
            Answer::Value if rows > 1 => exec_err!("more than one row returned by a subquery used as an expression"),
            Answer::Value => match batches.iter().find(|batch| batch.num_rows() > 0) {
                Some(batch) => ScalarValue::try_from_array(batch.column(0), 0)?.cast_to(&self.returns),
                None => ScalarValue::try_from(&self.returns),
            },
        }
    }

    fn evaluate_all(&self, arguments: &[ColumnarValue], rows: usize) -> Result<ColumnarValue> {
        let arrays = arguments.iter().map(|argument| argument.to_array(rows)).collect::<Result<Vec<_>>>()?;
        let mut known: HashMap<Vec<ScalarValue>, ScalarValue> = HashMap::new();
        let mut answers = Vec::with_capacity(rows);
        for row in 0..rows {
            let key = arrays.iter().map(|array| ScalarValue::try_from_array(array, row)).collect::<Result<Vec<_>>>()?;
            let answer = match known.get(&key) {
                Some(answer) => answer.clone(),
                None => {
                    let answer = self.evaluate(&key)?;
                    known.insert(key, answer.clone());
                    answer
                }
            };
            answers.push(answer);
        }
        if answers.is_empty() {
            return Ok(ColumnarValue::Array(arrow::array::new_empty_array(&self.returns)));
        }
        Ok(ColumnarValue::Array(ScalarValue::iter_to_array(answers)?))
    }
}

/// Whether a value is among the rows: unknown where it, or a row it may equal, is null.
fn is_in(value: Option<&ScalarValue>, batches: &[RecordBatch], negated: bool) -> Result<ScalarValue> {
    let (mut is_found, mut is_unknown) = (false, false);
    for column in batches.iter().map(|batch| batch.column(0)) {
        for row in 0..column.len() {
            let item = ScalarValue::try_from_array(column, row)?;
            match value {
                Some(value) if !value.is_null() && !item.is_null() => {
                    is_found |= value.cast_to(&item.data_type())? == item;
                }
                _ => is_unknown = true,
            }
        }
    }
    Ok(ScalarValue::Boolean((is_found || !is_unknown).then_some(is_found != negated)))
}

impl ScalarUDFImpl for ByRow {
    fn name(&self) -> &str {
        &self.name
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, _: &[DataType]) -> Result<DataType> {
        Ok(self.returns.clone())
    }

    /// On a thread of its own: a plan is awaited here, and that must not be within another that is.
    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        std::thread::scope(|scope| {
            let evaluated = scope.spawn(|| self.evaluate_all(&args.args, args.number_rows)).join();
            evaluated.map_err(|_| internal_datafusion_err!("a subquery about the system panicked"))?
        })
    }
}

impl std::fmt::Debug for ByRow {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.name)
    }
}

impl PartialEq for ByRow {
    fn eq(&self, other: &Self) -> bool {
        self.name == other.name
    }
}

impl Eq for ByRow {}

impl Hash for ByRow {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.name.hash(state);
    }
}
