//! Statements with parameters: bound once to learn their types and columns, and executed with a literal in the place of each.

use std::fmt::Write;
use std::sync::Arc;

use arrow::array::{RecordBatch, StringArray};
use arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use datafusion::common::ScalarValue;
use datafusion::common::tree_node::{TreeNode, TreeNodeRecursion};
use datafusion::logical_expr::expr::Placeholder;
use datafusion::logical_expr::{Expr, ExprSchemable, LogicalPlan};
use dipper_graph::FromDataFusion;
use dipper_sql::ast::{Parsed, Statement};
use dipper_types::{Error, Result, sql_type_name};
use futures::{StreamExt, stream};

use crate::outcome::own_names;
use crate::panic::caught;
use crate::{Outcome, Rows, Session};

/// The message of the error that a statement must be prepared again.
pub const COLUMNS_CHANGED: &str = "the columns of the result have changed since the statement was prepared";

/// A statement whose parameters have types and whose result has columns. It holds nothing that runs.
#[derive(Debug, Clone)]
pub struct Prepared {
    sql: String,
    command: &'static str,
    parameter_types: Vec<DataType>,
    schema: Option<SchemaRef>,
}

impl Prepared {
    /// The type of each parameter, `$1` first.
    pub fn parameter_types(&self) -> &[DataType] {
        &self.parameter_types
    }

    /// The columns of the result; `None` if there are no rows.
    pub fn schema(&self) -> Option<&SchemaRef> {
        self.schema.as_ref()
    }

    /// What it is called: `SELECT`, `CREATE TABLE`.
    pub fn command(&self) -> &'static str {
        self.command
    }
}

impl Session {
    /// Parses and binds one statement, whose parameters are `$1`, `$2` and so on, of these types as far as they are known. Those of other
    /// parameters follow from where they stand; a parameter that could be of any type is a text. Nothing runs.
    pub async fn prepare(&mut self, sql: &str, types: &[Option<DataType>]) -> Result<Prepared> {
        let (deadline, sql, types) = (self.deadline(), sql.to_owned(), types.to_vec());
        let described = caught(Box::pin(async move {
            self.see_tables().await?;
            self.aside(async move |mut session| session.described(&sql, &types).await).await
        }));
        match deadline {
            Some(deadline) => deadline.of(described).await,
            None => described.await,
        }
    }

    async fn described(&mut self, sql: &str, types: &[Option<DataType>]) -> Result<Prepared> {
        let count = dipper_sql::parameter_count(sql)?;
        let mut types: Vec<Option<DataType>> = (0..count).map(|index| types.get(index).cloned().flatten()).collect();
        if types.iter().any(Option::is_none) {
            let parsed = one(sql, &nulls(&types)?)?;
            // Where a parameter cannot stand without a value, the type of one that is unknown is a text.
            if let Ok(Some(plan)) = self.bound(&parsed.statement) {
                let is_insert = matches!(parsed.statement, Statement::Insert(_));
                infer(&plan, is_insert, &mut types)?;
            }
        }
        let parameter_types: Vec<DataType> = types
            .into_iter()
            .map(|known| known.filter(|known| *known != DataType::Null).unwrap_or(DataType::Utf8))
            .collect();
        let typed: Vec<Option<DataType>> = parameter_types.iter().cloned().map(Some).collect();
        let parsed = one(sql, &nulls(&typed)?)?;
        let takes_parameters = matches!(
            parsed.statement,
            Statement::Query(_) | Statement::Insert(_) | Statement::StatementSet(_) | Statement::Explain { .. }
        );
        if count > 0 && !takes_parameters {
            return Err(Error::unsupported(format!("{} takes no parameters", parsed.command())).at(parsed.span));
        }
        let schema = self.result_schema(&parsed).await?;
        Ok(Prepared { sql: sql.to_owned(), command: parsed.command(), parameter_types, schema })
    }

    /// Executes a prepared statement with these values, one a parameter. A text, such as a plan, comes as rows of its lines.
    pub async fn execute_prepared(&mut self, prepared: &Prepared, values: &[ScalarValue]) -> Result<Outcome> {
        let (wanted, given) = (prepared.parameter_types.len(), values.len());
        if wanted != given {
            return Err(Error::invalid(format!("the statement has {wanted} parameters, and {given} values are given")));
        }
        caught(Box::pin(self.execute_with(prepared, values))).await
    }

    async fn execute_with(&mut self, prepared: &Prepared, values: &[ScalarValue]) -> Result<Outcome> {
        let literals = values.iter().map(|value| literal(value).map(Some)).collect::<Result<Vec<_>>>()?;
        let parsed = one(&prepared.sql, &literals)?;
        match self.execute(&parsed).await? {
            Outcome::Rows(rows) => {
                let described = prepared.schema.as_ref().map(|schema| types(schema));
                if described.is_some_and(|described| described != types(&rows.schema)) {
                    return Err(Error::unsupported(COLUMNS_CHANGED).with_hint("prepare it again"));
                }
                Ok(Outcome::Rows(rows))
            }
            Outcome::Text(text) => lines(&text),
            other => Ok(other),
        }
    }

    async fn result_schema(&mut self, parsed: &Parsed) -> Result<Option<SchemaRef>> {
        match &parsed.statement {
            Statement::Query(_) => {
                let plan = self.bound(&parsed.statement)?;
                Ok(plan.map(|plan| own_names(plan.schema().inner())))
            }
            Statement::Explain { .. } | Statement::ShowCreate(..) => Ok(Some(line_schema())),
            Statement::Insert(_) => self.bound(&parsed.statement).map(|_| None),
            // Listings are executed to see them: nothing changes, and it costs little.
            Statement::Describe(_)
            | Statement::ShowTables
            | Statement::ShowViews
            | Statement::ShowFunctions
            | Statement::ShowJobs
            | Statement::ShowSettings => match self.execute(parsed).await? {
                Outcome::Rows(rows) => Ok(Some(rows.schema)),
                _ => Ok(None),
            },
            _ => Ok(None),
        }
    }
}

/// The statement of a text that is to have exactly one.
fn one(sql: &str, literals: &[Option<String>]) -> Result<Parsed> {
    let mut script = dipper_sql::parse_script_with(sql, literals)?;
    match (script.pop(), script.len()) {
        (Some(parsed), 0) => Ok(parsed),
        (_, others) => {
            let found = if others == 0 { 0 } else { others + 1 };
            Err(Error::invalid(format!("one statement can be prepared, not {found}")))
        }
    }
}

/// What is known of parameters by where they stand.
fn infer(plan: &LogicalPlan, is_insert: bool, types: &mut [Option<DataType>]) -> Result<()> {
    infer_by_use(plan, types)?;
    if is_insert {
        infer_by_target(plan, types);
    }
    for (name, found) in plan.get_parameter_types().or_plan_error()? {
        if let Some(place) = place_of(&name, types)
            && place.is_none()
        {
            *place = found;
        }
    }
    Ok(())
}

/// What DataFusion leaves open: a parameter of `x = ANY($1)` is an array of what `x` is, and one in `CAST($1 AS t)` is a `t`.
fn infer_by_use(plan: &LogicalPlan, types: &mut [Option<DataType>]) -> Result<()> {
    let in_node = |node: &LogicalPlan| {
        let type_of = |expr: &Expr| node.inputs().iter().find_map(|input| expr.get_type(input.schema().as_ref()).ok());
        let mut learn = |parameter: &Placeholder, known: Option<DataType>| {
            if let Some(place) = place_of(&parameter.id, types)
                && place.is_none()
            {
                *place = known;
            }
        };
        node.apply_expressions(|expr| {
            expr.apply(|part| {
                match part {
                    Expr::ScalarFunction(call) if call.func.name() == "array_has" => {
                        if let [Expr::Placeholder(array), element] = call.args.as_slice() {
                            let list = |element| DataType::List(Arc::new(Field::new_list_field(element, true)));
                            learn(array, type_of(element).map(list));
                        }
                    }
                    Expr::Cast(cast) => {
                        if let Expr::Placeholder(parameter) = cast.expr.as_ref() {
                            learn(parameter, Some(cast.field.data_type().clone()));
                        }
                    }
                    _ => {}
                }
                Ok(TreeNodeRecursion::Continue)
            })
        })
    };
    plan.apply_with_subqueries(in_node).or_plan_error().map(drop)
}

/// A parameter that goes into a column of a table as it is has the type of that column.
fn infer_by_target(plan: &LogicalPlan, types: &mut [Option<DataType>]) {
    for (index, target) in plan.schema().fields().iter().enumerate() {
        let mut parameters = Vec::new();
        parameters_in(plan, index, &mut parameters);
        for parameter in parameters {
            if let Some(place) = place_of(&parameter.id, types) {
                place.get_or_insert_with(|| target.data_type().clone());
            }
        }
    }
}

/// The parameters that are values of a column.
fn parameters_in<'a>(plan: &'a LogicalPlan, column: usize, found: &mut Vec<&'a Placeholder>) {
    match plan {
        LogicalPlan::Projection(projection) => match projection.expr.get(column).map(converted) {
            Some(Expr::Placeholder(parameter)) => found.push(parameter),
            Some(Expr::Column(column)) => {
                if let Ok(index) = projection.input.schema().index_of_column(column) {
                    parameters_in(&projection.input, index, found);
                }
            }
            _ => {}
        },
        LogicalPlan::Values(values) => {
            found.extend(values.values.iter().filter_map(|row| match row.get(column).map(converted) {
                Some(Expr::Placeholder(parameter)) => Some(parameter),
                _ => None,
            }));
        }
        LogicalPlan::SubqueryAlias(_) | LogicalPlan::Filter(_) | LogicalPlan::Sort(_) | LogicalPlan::Limit(_) => {
            plan.inputs().into_iter().for_each(|input| parameters_in(input, column, found));
        }
        _ => {}
    }
}

/// What is under its other names and types.
fn converted(expr: &Expr) -> &Expr {
    match expr {
        Expr::Alias(alias) => converted(&alias.expr),
        Expr::Cast(cast) => converted(&cast.expr),
        _ => expr,
    }
}

/// Where what is known of a parameter stands.
fn place_of<'a>(name: &str, types: &'a mut [Option<DataType>]) -> Option<&'a mut Option<DataType>> {
    let number = name.strip_prefix('$').and_then(|digits| digits.parse::<usize>().ok())?;
    types.get_mut(number.checked_sub(1)?)
}

fn types(schema: &Schema) -> Vec<&DataType> {
    schema.fields().iter().map(|field| field.data_type()).collect()
}

fn nulls(types: &[Option<DataType>]) -> Result<Vec<Option<String>>> {
    let null = |known: &DataType| ScalarValue::try_from(known).or_plan_error().and_then(|null| literal(&null));
    types.iter().map(|known| known.as_ref().map(null).transpose()).collect()
}

/// The SQL text of a value.
fn literal(value: &ScalarValue) -> Result<String> {
    let quoted = |text: &str| format!("'{}'", text.replace('\'', "''"));
    let cast = |text: &str| format!("CAST({text} AS {})", sql_type_name(&value.data_type()));
    if value.is_null() {
        return Ok(if value.data_type() == DataType::Null { "NULL".to_owned() } else { cast("NULL") });
    }
    Ok(match value {
        ScalarValue::Boolean(Some(true)) => "TRUE".to_owned(),
        ScalarValue::Boolean(_) => "FALSE".to_owned(),
        // A number that is written down is of this type.
        ScalarValue::Int64(Some(number)) if *number >= 0 => number.to_string(),
        ScalarValue::Utf8(Some(text)) | ScalarValue::LargeUtf8(Some(text)) | ScalarValue::Utf8View(Some(text)) => {
            quoted(text)
        }
        ScalarValue::Binary(Some(bytes)) | ScalarValue::LargeBinary(Some(bytes)) => {
            let mut hex = String::with_capacity(2 * bytes.len());
            for byte in bytes {
                // Writing into a string does not fail.
                let _ = write!(hex, "{byte:02x}");
            }
            format!("X'{hex}'")
        }
        ScalarValue::List(list) => {
            let elements = list.value(0);
            let element = |index| {
                ScalarValue::try_from_array(&elements, index).or_plan_error().and_then(|element| literal(&element))
            };
            let elements = (0..elements.len()).map(element).collect::<Result<Vec<_>>>()?;
            cast(&format!("ARRAY[{}]", elements.join(", ")))
        }
        other => {
            let text = other.cast_to(&DataType::Utf8).or_plan_error()?;
            let ScalarValue::Utf8(Some(text)) = text else {
                return Err(Error::unsupported(format!("a parameter of type {}", sql_type_name(&other.data_type()))));
            };
            cast(&quoted(&text))
        }
    })
}

fn line_schema() -> SchemaRef {
    Arc::new(Schema::new(vec![Field::new("QUERY PLAN", DataType::Utf8, false)]))
}

/// A text as rows: its lines.
fn lines(text: &str) -> Result<Outcome> {
    let lines = StringArray::from(text.lines().collect::<Vec<_>>());
    let batch = RecordBatch::try_new(line_schema(), vec![Arc::new(lines)])?;
    Ok(Outcome::Rows(Rows { schema: line_schema(), stream: stream::iter([Ok(batch)]).boxed(), job: None }))
}
