//! The catalog of a moment, and the queries it answers.

use std::collections::HashMap;
use std::sync::{Arc, LazyLock, Mutex, PoisonError};

use arrow::array::RecordBatch;
use arrow::compute::cast;
use arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use arrow::record_batch::RecordBatchOptions;
use async_trait::async_trait;
use datafusion::catalog::{
    CatalogProvider, CatalogProviderList, MemTable, MemoryCatalogProvider, MemoryCatalogProviderList, SchemaProvider,
    TableFunction, TableFunctionImpl, TableProvider,
};
use datafusion::common::{DataFusionError, ParamValues, Result as DataFusionResult, ScalarValue};
use datafusion::execution::FunctionRegistry;
use datafusion::execution::context::SessionState;
use datafusion::execution::disk_manager::{DiskManagerBuilder, DiskManagerMode};
use datafusion::execution::runtime_env::RuntimeEnvBuilder;
use datafusion::execution::session_state::SessionStateBuilder;
use datafusion::logical_expr::{Expr, LogicalPlan, Statement as PlanStatement};
use datafusion::prelude::SessionConfig;
use datafusion::sql::parser::Statement as SqlStatement;
use dipper_graph::optimizer_rules;
use dipper_types::{Error, Result};
use sqlparser::ast::{self, Query, Statement};

use crate::kind::PG_TYPE;
use crate::parameter::Parameters;
use crate::relation::{Backend, Relation};
use crate::rewrite::{self, Names};
use crate::snapshot::Snapshot;
use crate::{execute, functions, tables};

/// As much a query may hold at a time while it sorts and joins.
const MEMORY_MAX: usize = 256 << 20;

/// The system as clients see it at a moment: the relations there are, and the connection that asks.
pub struct SystemCatalog {
    state: SessionState,
    snapshot: Arc<Snapshot>,
}

/// A query about the system, with its parameters and columns known. It can be run on a catalog of a later moment.
#[derive(Debug, Clone)]
pub struct SystemQuery {
    query: Query,
    parameters: Vec<DataType>,
    schema: SchemaRef,
}

impl SystemQuery {
    /// The types of `$1`, `$2`, …
    pub fn parameter_types(&self) -> &[DataType] {
        &self.parameters
    }

    /// The columns of the result. What Postgres calls a type that Arrow does not have stands in the metadata, see
    /// [`pg_type_of`](crate::pg_type_of).
    pub fn schema(&self) -> &SchemaRef {
        &self.schema
    }
}

impl SystemCatalog {
    /// A catalog of these relations. It is cheap: what never changes is shared, and a table is made when it is read.
    pub fn new(relations: Vec<Relation>, backend: Backend) -> Result<Self> {
        let snapshot = Arc::new(Snapshot::new(relations, backend));
        let base = BASE.as_ref().map_err(Clone::clone)?;
        let database = snapshot.backend.database.as_str();
        let config = base.config().clone().with_default_catalog_and_schema(database, "pg_catalog");
        let catalog = MemoryCatalogProvider::new();
        for schema in ["pg_catalog", "information_schema"] {
            let provider = SystemSchema { schema, snapshot: Arc::clone(&snapshot), made: Mutex::default() };
            catalog.register_schema(schema, Arc::new(provider)).map_err(|error| execute::error(&error))?;
        }
        let catalogs = MemoryCatalogProviderList::new();
        catalogs.register_catalog(database.to_owned(), Arc::new(catalog));
        let builder = SessionStateBuilder::new_from_existing(base.clone())
            .with_config(config)
            .with_catalog_list(Arc::new(catalogs));
        let mut state = builder.build();
        for function in functions::over(&snapshot) {
            state.register_udf(function).map_err(|error| execute::error(&error))?;
        }
        Ok(Self { state, snapshot })
    }

    /// Plans one query about the system; `types` are those of the parameters that the client has declared. Nothing runs.
    pub async fn prepare(&self, sql: &str, types: &[Option<DataType>]) -> Result<SystemQuery> {
        let Statement::Query(query) = rewrite::parse(sql)? else {
            return Err(Error::unsupported("only queries are answered about the system").with_hint("write a SELECT"));
        };
        let mut query = *query;
        let written = Parameters::of(&query)?;
        let names = rewrite::rewrite(&mut query);
        let parameters = self.parameter_types(&query, &written, types).await?;
        let plan = self.plan(&query, &parameters).await?;
        let nulls = parameters.iter().map(ScalarValue::try_from).collect::<DataFusionResult<Vec<_>>>();
        let bound = bind(plan, nulls.map_err(|error| execute::error(&error))?)?;
        // Whether it can be run shows here and not when its result is awaited.
        execute::plan(&self.state, &bound).await.map_err(|error| self.error(&error))?;
        let fields: Vec<_> = bound.schema().fields().iter().map(|field| client_field(field, &names)).collect();
        Ok(SystemQuery { query, parameters, schema: Arc::new(Schema::new(fields)) })
    }

    /// Runs a query with these values, one a parameter.
    pub async fn run(&self, query: &SystemQuery, values: &[ScalarValue]) -> Result<(SchemaRef, Vec<RecordBatch>)> {
        if values.len() != query.parameters.len() {
            let (given, wanted) = (values.len(), query.parameters.len());
            return Err(Error::invalid(format!("the query has {wanted} parameters, but {given} values are given")));
        }
        let values = values.iter().zip(&query.parameters).map(|(value, data_type)| value.cast_to(data_type));
        let values = values.collect::<DataFusionResult<Vec<_>>>().map_err(|error| execute::error(&error))?;
        let plan = bind(self.plan(&query.query, &query.parameters).await?, values)?;
        let batches = execute::collect(&self.state, &plan).await.map_err(|error| self.error(&error))?;
        let schema = Arc::clone(&query.schema);
        let batches = batches.iter().map(|batch| client_batch(batch, &schema)).collect::<Result<_>>()?;
        Ok((schema, batches))
    }

    /// The types of the parameters: as declared, else as written beside them, else as their use tells, else text.
    async fn parameter_types(
        &self,
        query: &Query,
        written: &Parameters,
        types: &[Option<DataType>],
    ) -> Result<Vec<DataType>> {
        let count = written.count.max(types.len());
        let known = |index: usize| types.get(index).cloned().flatten().or_else(|| written.written(index + 1));
        if (0..count).all(|index| known(index).is_some()) {
            return Ok((0..count).filter_map(known).collect());
        }
        // What cannot be planned without knowing them is planned with texts.
        let told = match self.plan(query, &[]).await {
            Ok(plan) => plan.get_parameter_types().unwrap_or_default(),
            Err(_) => HashMap::new(),
        };
        let told = |index: usize| {
            told.get(&format!("${}", index + 1)).cloned().flatten().filter(|told| *told != DataType::Null)
        };
        let all = (0..count)
            .map(|index| known(index).or_else(|| told(index)).unwrap_or_else(|| written.otherwise(index + 1)));
        Ok(all.collect())
    }

    /// The logical plan of a query, its parameters of these types.
    async fn plan(&self, query: &Query, parameters: &[DataType]) -> Result<LogicalPlan> {
        let query = Box::new(Statement::Query(Box::new(query.clone())));
        let statement = if parameters.is_empty() {
            *query
        } else {
            let data_types = parameters.iter().map(rewrite::sql_type).collect();
            Statement::Prepare { name: ast::Ident::new("p"), data_types, statement: query }
        };
        let statement = SqlStatement::Statement(Box::new(statement));
        let plan = self.state.statement_to_plan(statement).await.map_err(|error| self.error(&error))?;
        Ok(match plan {
            LogicalPlan::Statement(PlanStatement::Prepare(prepare)) => Arc::unwrap_or_clone(prepare.input),
            plan => plan,
        })
    }

    fn error(&self, error: &DataFusionError) -> Error {
        let error = execute::error(error);
        let message = error.to_string();
        let missing = message.strip_prefix("relation \"").and_then(|rest| rest.strip_suffix("\" does not exist"));
        let is_of_users = |name: &str| self.snapshot.entries.iter().any(|entry| entry.relation.name == name);
        match missing {
            Some(name) if is_of_users(name) => {
                Error::unsupported(format!("relation \"{name}\" cannot be read together with relations of the system"))
                    .with_hint("ask about the one and the other in two queries")
            }
            _ => error,
        }
    }
}

/// Functions that make much of little, so that a short statement could take all memory.
const BOUNDLESS: &[&str] = &["array_repeat", "array_resize", "generate_series", "lpad", "range", "repeat", "rpad"];

/// What all catalogs have in common.
static BASE: LazyLock<Result<SessionState>> = LazyLock::new(|| {
    let disk = DiskManagerBuilder::default().with_mode(DiskManagerMode::Disabled);
    let runtime =
        RuntimeEnvBuilder::new().with_memory_limit(MEMORY_MAX, 1.0).with_disk_manager_builder(disk).build_arc();
    let mut config = SessionConfig::new().with_target_partitions(1).with_create_default_catalog_and_schema(false);
    let options = config.options_mut();
    options.sql_parser.map_string_types_to_utf8view = false;
    // Columns carry what Postgres calls them, and aggregates of them do not.
    options.execution.skip_physical_aggregate_schema_check = true;
    let mut functions: HashMap<_, _> = HashMap::new();
    if let Some(keywords) = tables::keywords() {
        functions.insert(
            "pg_get_keywords".to_owned(),
            Arc::new(TableFunction::new("pg_get_keywords".to_owned(), Arc::new(Fixed(keywords)))),
        );
    }
    let mut state = SessionStateBuilder::new_with_default_features()
        .with_config(config)
        .with_runtime_env(runtime.map_err(|error| execute::error(&error))?)
        .with_table_functions(functions)
        .with_optimizer_rules(optimizer_rules())
        .build();
    for name in BOUNDLESS {
        state.deregister_udf(name).map_err(|error| execute::error(&error))?;
    }
    Ok(state)
});

/// A function that returns the same rows to everybody.
#[derive(Debug)]
struct Fixed(RecordBatch);

impl TableFunctionImpl for Fixed {
    fn call(&self, _: &[Expr]) -> DataFusionResult<Arc<dyn TableProvider>> {
        Ok(Arc::new(MemTable::try_new(self.0.schema(), vec![vec![self.0.clone()]])?))
    }
}

/// One of the two schemas of system relations.
#[derive(Debug)]
struct SystemSchema {
    schema: &'static str,
    snapshot: Arc<Snapshot>,
    /// The tables that were made already.
    made: Mutex<HashMap<String, Arc<MemTable>>>,
}

#[async_trait]
impl SchemaProvider for SystemSchema {
    fn table_names(&self) -> Vec<String> {
        let of_schema = tables::system().iter().filter(|definition| definition.schema == self.schema);
        of_schema.map(|definition| definition.name.clone()).collect()
    }

    async fn table(&self, name: &str) -> DataFusionResult<Option<Arc<dyn TableProvider>>> {
        let Some(definition) = tables::find(Some(self.schema), name) else {
            return Ok(None);
        };
        let mut made = self.made.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(table) = made.get(name) {
            return Ok(Some(Arc::clone(table) as Arc<dyn TableProvider>));
        }
        let rows = definition.rows(&self.snapshot).map_err(|error| DataFusionError::External(Box::new(error)))?;
        let table = Arc::new(MemTable::try_new(Arc::clone(&definition.columns), vec![vec![rows]])?);
        made.insert(name.to_owned(), Arc::clone(&table));
        Ok(Some(table))
    }

    fn table_exist(&self, name: &str) -> bool {
        tables::find(Some(self.schema), name).is_some()
    }
}

fn bind(plan: LogicalPlan, values: Vec<ScalarValue>) -> Result<LogicalPlan> {
    if values.is_empty() {
        return Ok(plan);
    }
    plan.with_param_values(ParamValues::from(values)).map_err(|error| execute::error(&error))
}

/// A column as the client gets it: of a name and a type that Postgres has, too.
fn client_field(field: &Field, names: &Names) -> Field {
    let data_type = client_type(field.data_type());
    let pg_type = field.metadata().get(PG_TYPE).filter(|_| data_type == *field.data_type());
    let metadata = pg_type.map(|name| HashMap::from([(PG_TYPE.to_owned(), name.clone())])).unwrap_or_default();
    Field::new(names.of_client(field.name()), data_type, true).with_metadata(metadata)
}

fn client_type(data_type: &DataType) -> DataType {
    match data_type {
        DataType::Null | DataType::Utf8View | DataType::LargeUtf8 => DataType::Utf8,
        // Nothing that is counted here is as large as that.
        DataType::UInt8 | DataType::UInt16 | DataType::UInt32 | DataType::UInt64 => DataType::Int64,
        DataType::List(item) => DataType::List(Arc::new(Field::new_list_field(client_type(item.data_type()), true))),
        other => other.clone(),
    }
}

fn client_batch(batch: &RecordBatch, schema: &SchemaRef) -> Result<RecordBatch> {
    let columns =
        batch.columns().iter().zip(schema.fields()).map(|(column, field)| Ok(cast(column, field.data_type())?));
    let options = RecordBatchOptions::new().with_row_count(Some(batch.num_rows()));
    Ok(RecordBatch::try_new_with_options(Arc::clone(schema), columns.collect::<Result<_>>()?, &options)?)
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use crate::relation::Column;

    /// Tables and a view with what can differ between them.
    pub(crate) fn relations() -> Vec<Relation> {
        let column = |name: &str, data_type, is_key: bool| Column {
            name: name.to_owned(),
            data_type,
            is_nullable: !is_key,
            is_key,
            comment: (name == "amount").then(|| "in euros".to_owned()),
        };
        let table = |name: &str, columns, is_view: bool| Relation {
            schema: "public".to_owned(),
            name: name.to_owned(),
            is_view,
            columns,
            comment: (name == "orders").then(|| "what was ordered".to_owned()),
            definition: is_view.then(|| "SELECT id, amount FROM orders".to_owned()),
            rows: (!is_view).then_some(1000),
        };
        let timestamp = DataType::Timestamp(arrow::datatypes::TimeUnit::Millisecond, None);
        let tags = DataType::List(Arc::new(Field::new_list_field(DataType::Utf8, true)));
        vec![
            table(
                "orders",
                vec![
                    column("id", DataType::Int64, true),
                    column("customer", DataType::Utf8, false),
                    column("amount", DataType::Decimal128(12, 2), false),
                    column("at", timestamp, false),
                    column("tags", tags, false),
                ],
                false,
            ),
            table(
                "Sales Lines",
                vec![column("order", DataType::Int64, true), column("line", DataType::Int32, true)],
                false,
            ),
            table("clicks", vec![column("url", DataType::Utf8, false)], false),
            table(
                "amounts",
                vec![column("id", DataType::Int64, false), column("amount", DataType::Decimal128(12, 2), false)],
                true,
            ),
        ]
    }
}
