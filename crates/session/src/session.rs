//! The session: a catalog, settings, and what each statement does to them or with them.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use dipper_connectors::{source, validate};
use dipper_operator_api::Boundedness;
use dipper_runtime::Checkpointing;
use dipper_sql::ast::{
    AddColumns, CreateTable, CreateView, Drop, ExplainFormat, Parsed, Query, RelationKind, Statement,
};
use dipper_sql::catalog::{
    Catalog, ColumnDescription, QUERY_TIMEOUT, Relation, RuntimeMode, Setting, Settings, Table as CatalogTable,
    sql_type_name,
};
use dipper_types::{Error, Result, Span};
use tokio::runtime::Handle;

use crate::adhoc::{self, Watch};
use crate::bounds::{WAREHOUSE, refuse_more};
use crate::clock::Deadline;
use crate::connector::definition;
use crate::empty_names::refuse_empty_names;
use crate::jobs::{self, JobScript, JobService};
use crate::listing::listing;
use crate::panic::caught;
use crate::planning::PlannedQuery;
use crate::warehouse::Warehouse;
use crate::{Column, JobConfig, JobHandle, Outcome, PlannedJob, SessionConfig, Table, checkpoints, dataflow};

/// Executes statements one after another; holds the catalog and the settings. A clone goes its own way.
///
/// It must be used within a tokio runtime with worker threads of its own, which serves the I/O of its jobs.
#[derive(Debug, Clone)]
pub struct Session {
    pub(crate) catalog: Catalog,
    pub(crate) settings: Settings,
    /// The keys that scripts cannot change.
    fixed: BTreeSet<&'static str>,
    /// What `RESET` goes back to.
    initial: Settings,
    /// Whether it is a client's, which cannot go beyond what the server has set.
    is_clients: bool,
    job: JobConfig,
    warehouse: Warehouse,
    /// How many jobs with checkpoints have been started without a name of their own.
    unnamed_jobs: usize,
    /// The names of those that have one, and what they do.
    named_jobs: BTreeMap<String, String>,
    pub(crate) shared: Arc<adhoc::Shared>,
    /// Who runs the jobs that go on behind a statement; without one, whoever executes it.
    jobs: Option<Arc<dyn JobService>>,
}

impl Session {
    /// An empty catalog, and these settings.
    pub fn new(config: SessionConfig) -> Result<Self> {
        let (mut settings, mut keys) = (Settings::new(), BTreeSet::new());
        for (key, value) in &config.settings {
            settings.set(key, value)?;
            keys.insert(Settings::key(key)?);
        }
        Ok(Self {
            catalog: Catalog::new(),
            initial: if config.fixed { settings.clone() } else { Settings::new() },
            settings,
            fixed: if config.fixed { keys } else { BTreeSet::new() },
            is_clients: false,
            job: config.job,
            warehouse: Warehouse::default(),
            unnamed_jobs: 0,
            named_jobs: BTreeMap::new(),
            shared: Arc::new(adhoc::Shared::new()?),
            jobs: config.jobs,
        })
    }

    /// The session as the clients of a server get it: they cannot set where its tables are, nor more memory or time for a query than it has now,
    /// and what they `RESET` is as it is now. They inherit no name for their jobs.
    pub fn for_clients(mut self) -> Result<Self> {
        self.name_jobs(None);
        self.settings.reset(Some("pipeline.name"))?;
        self.initial.clone_from(&self.settings);
        self.is_clients = true;
        Ok(self)
    }

    /// What the next jobs are called that have no `pipeline.name`, for example by the file that they are in.
    pub fn name_jobs(&mut self, name: Option<String>) {
        self.job.name = name;
        self.unnamed_jobs = 0;
    }

    /// Parses a script; nothing is looked up yet.
    pub fn parse(&self, sql: &str) -> Result<Vec<Parsed>> {
        dipper_sql::parse_script(sql)
    }

    /// Executes one statement. An insert or a query may go on running when it returns.
    pub async fn execute(&mut self, parsed: &Parsed) -> Result<Outcome> {
        // A statement changes the catalog or the settings in one step at its end: a panic leaves nothing half-done.
        caught(Box::pin(self.execute_statement(parsed))).await
    }

    async fn execute_statement(&mut self, parsed: &Parsed) -> Result<Outcome> {
        if !matches!(parsed.statement, Statement::Set { .. } | Statement::ShowSettings | Statement::Reset(_)) {
            self.see_tables().await?;
        }
        match &parsed.statement {
            Statement::CreateTable(create) => self.create_table(create, &parsed.text).await,
            Statement::Drop(drop) if drop.kind == RelationKind::Table => self.drop_table(drop).await,
            Statement::AddColumns(add) => {
                self.warehouse.add_columns(add, &mut self.catalog).await?;
                Ok(Outcome::Done(format!("table {} altered", add.table)))
            }
            Statement::Truncate(table) => {
                self.warehouse.truncate(table, &self.catalog).await.map_err(|error| error.at(parsed.span))?;
                Ok(Outcome::Done(format!("table {table} truncated")))
            }
            Statement::Query(query) => self.query(query).await,
            Statement::Insert(_) | Statement::StatementSet(_) => self.insert(&parsed.statement, &parsed.text).await,
            Statement::Explain { format, statement } => self.explained(statement, *format).await.map(Outcome::Text),
            Statement::ShowJobs => jobs::list(self.job_service("SHOW JOBS")?).await,
            Statement::StopJob { id, span } => {
                self.job_service("STOP JOB")?.stop(id).await.map_err(|error| error.at(*span))?;
                Ok(Outcome::Done(format!("job {id} is told to stop")))
            }
            other => self.define(other, &parsed.text),
        }
    }

    /// Explains a query or an insert instead of running it. Definitions and settings take effect, because what follows needs
    /// them; for those and for listings there is nothing to explain.
    pub async fn explain(&mut self, parsed: &Parsed, format: ExplainFormat) -> Result<Option<String>> {
        self.see_tables().await?;
        match &parsed.statement {
            Statement::Query(_) | Statement::Insert(_) | Statement::StatementSet(_) => {
                self.explained(&parsed.statement, format).await.map(Some)
            }
            Statement::Explain { format, statement } => self.explained(statement, *format).await.map(Some),
            Statement::ShowJobs | Statement::StopJob { .. } => Ok(None),
            // What is kept is left as it is.
            other => self.define(other, &parsed.text).map(|_| None),
        }
    }

    /// The tables and views that are known here, by name.
    pub fn tables(&self) -> Vec<Table> {
        let table = |(name, relation): (&str, &Relation)| {
            let columns = self.columns(relation).unwrap_or_default();
            let (comment, ddl) = match relation {
                Relation::Table(table) => (&table.comment, &table.ddl),
                Relation::View(view) => (&view.comment, &view.ddl),
            };
            let is_view = matches!(relation, Relation::View(_));
            Table { name: name.to_owned(), is_view, columns, comment: comment.clone(), ddl: ddl.clone() }
        };
        self.catalog.relations().map(table).collect()
    }

    /// The tables and views as they are now, also those that others have made, by name.
    pub async fn relations(&mut self) -> Result<Vec<Table>> {
        caught(Box::pin(self.see_tables())).await?;
        Ok(self.tables())
    }

    fn job_service(&self, what: &str) -> Result<&Arc<dyn JobService>> {
        self.jobs.as_ref().ok_or_else(|| {
            let error = Error::unsupported(format!("{what}: jobs run in the process that starts them here"));
            error.with_hint("ask a server (dipper serve) or a cluster (dipper job list)")
        })
    }

    /// Whatever changes or lists the catalog and the settings.
    fn define(&mut self, statement: &Statement, text: &str) -> Result<Outcome> {
        match statement {
            Statement::CreateView(create) => self.create_view(create, text),
            Statement::CreateTable(create) => {
                refuse_empty_names(create)?;
                let table = self.catalog.define_table(create, text)?;
                self.declare_table(create, table)
            }
            Statement::Drop(drop) => self.drop_relation(drop),
            Statement::AddColumns(AddColumns { table, .. }) | Statement::Truncate(table) => {
                self.catalog.table(table).map(|_| Outcome::Done("nothing is done".to_owned()))
            }
            Statement::Set { key, key_span, value, value_span } => self.set(key, *key_span, value, *value_span),
            Statement::Reset(key) => self.reset(key.as_ref()),
            Statement::ShowSettings => {
                let row = |(setting, value): (&Setting, &str)| {
                    [setting.key, value, setting.description].map(|text| Some(text.to_owned()))
                };
                listing(["key", "value", "description"], &self.settings.list().map(row).collect::<Vec<_>>())
            }
            Statement::ShowTables => self.names(RelationKind::Table),
            Statement::ShowViews => self.names(RelationKind::View),
            Statement::ShowFunctions => listing(
                ["function"],
                &self.planner().functions().into_iter().map(|name| [Some(name)]).collect::<Vec<_>>(),
            ),
            Statement::ShowCreate(kind, name) => match (kind, self.catalog.resolve(name)?) {
                (RelationKind::Table, Relation::Table(table)) => Ok(Outcome::Text(table.ddl.clone())),
                (RelationKind::View, Relation::View(view)) => Ok(Outcome::Text(view.ddl.clone())),
                (kind, _) => Err(Error::invalid(format!("'{name}' is not a {}", kind_name(*kind)))),
            },
            Statement::Describe(name) => self.describe(self.catalog.resolve(name)?),
            Statement::Query(_)
            | Statement::Insert(_)
            | Statement::StatementSet(_)
            | Statement::Explain { .. }
            | Statement::ShowJobs
            | Statement::StopJob { .. } => Err(Error::internal("a statement that runs came to where definitions are")),
        }
    }

    /// Takes note of the tables that there are in the warehouse.
    pub(crate) async fn see_tables(&mut self) -> Result<()> {
        let url = self.settings.text_of(WAREHOUSE).unwrap_or_default().to_owned();
        self.warehouse.refresh(&url, &mut self.catalog).await?;
        let kept: BTreeSet<&str> = self.catalog.relations().filter_map(|(_, relation)| relation.kept_at()).collect();
        self.shared.keep_open(|path| kept.contains(path));
        Ok(())
    }

    async fn drop_table(&mut self, drop: &Drop) -> Result<Outcome> {
        if let Ok(Relation::Table(table)) = self.catalog.resolve(&drop.name)
            && table.is_managed
        {
            let name = table.name().to_owned();
            self.warehouse.drop(&name, &mut self.catalog).await?;
            return Ok(Outcome::Done(format!("table {name} dropped")));
        }
        self.drop_relation(drop)
    }

    fn drop_relation(&mut self, drop: &Drop) -> Result<Outcome> {
        let (kind, dropped) = (kind_name(drop.kind), self.catalog.drop_relation(drop)?);
        let done = if dropped { "dropped" } else { "does not exist" };
        Ok(Outcome::Done(format!("{kind} {} {done}", drop.name)))
    }

    async fn create_table(&mut self, create: &CreateTable, text: &str) -> Result<Outcome> {
        refuse_empty_names(create)?;
        let table = self.catalog.define_table(create, text)?;
        if self.warehouse.is_as_created(&table) {
            // A script can be run once more.
            return Ok(Outcome::Done(format!("table {} exists already", table.name())));
        }
        if !table.is_managed || self.catalog.get(table.name()).is_some() {
            return self.declare_table(create, table);
        }
        let created = self.warehouse.create(create, &table, &mut self.catalog).await;
        let done = if created.map_err(|error| at_option(error, &table))? { "created" } else { "exists already" };
        Ok(Outcome::Done(format!("table {} {done}", table.name())))
    }

    /// Notes a table that exists, or would.
    fn declare_table(&mut self, create: &CreateTable, mut table: CatalogTable) -> Result<Outcome> {
        if table.is_managed {
            table.spec.options = self.warehouse.declared(&table)?;
        } else if table.spec.options.get("connector").is_some_and(|connector| connector == "delta")
            && !table.primary_key.is_empty()
        {
            let error =
                Error::invalid(format!("table '{}': a Delta Lake table says itself what its key is", table.name()));
            return Err(error.with_hint("leave PRIMARY KEY out"));
        }
        let definition = definition(&table.spec);
        validate(&definition).map_err(|error| at_option(error, &table))?;
        // A table that can only be written has no source, and no end to ask for.
        table.unbounded = source(&definition).is_ok_and(|source| source.boundedness() == Boundedness::Unbounded);
        let name = table.name().to_owned();
        let done = if self.catalog.add_table(create, table)? { "created" } else { "exists already" };
        Ok(Outcome::Done(format!("table {name} {done}")))
    }

    fn create_view(&mut self, create: &CreateView, text: &str) -> Result<Outcome> {
        self.planner().view(create)?;
        let done = if self.catalog.add_view(create, text)? { "created" } else { "exists already" };
        Ok(Outcome::Done(format!("view {} {done}", create.name)))
    }

    fn set(&mut self, key: &str, key_span: Span, value: &str, value_span: Span) -> Result<Outcome> {
        let mut settings = self.settings.clone();
        settings.set(key, value).map_err(|error| {
            let about_value = error.to_string().contains(&format!("'{value}'")) && key != value;
            error.at(if about_value { value_span } else { key_span })
        })?;
        let known = Settings::key(key)?;
        if self.is_clients {
            refuse_more(known, &settings, &self.initial).map_err(|error| error.at(value_span))?;
        }
        if self.fixed.contains(known) {
            tracing::info!("SET '{key}' has no effect: the command line sets it");
            return Ok(Outcome::Done(format!("{key} stays as the command line sets it")));
        }
        self.settings = settings;
        Ok(Outcome::Done(format!("{key} = {value}")))
    }

    fn reset(&mut self, key: Option<&(String, Span)>) -> Result<Outcome> {
        match key {
            Some((key, span)) => {
                let known = Settings::key(key).map_err(|error| error.at(*span))?;
                match self.initial.text_of(known) {
                    Some(value) => self.settings.set(known, value)?,
                    None => self.settings.reset(Some(known))?,
                }
            }
            None => self.settings.clone_from(&self.initial),
        }
        Ok(Outcome::Done("reset".to_owned()))
    }

    fn names(&self, kind: RelationKind) -> Result<Outcome> {
        let of_kind = |relation: &Relation| matches!(relation, Relation::Table(_)) == (kind == RelationKind::Table);
        let names =
            self.catalog.relations().filter(|(_, relation)| of_kind(relation)).map(|(name, _)| [Some(name.to_owned())]);
        listing([if kind == RelationKind::Table { "table" } else { "view" }], &names.collect::<Vec<_>>())
    }

    fn describe(&self, relation: &Relation) -> Result<Outcome> {
        const NAMES: [&str; 6] = ["name", "type", "null", "key", "extras", "watermark"];
        let yes_no = |nullable: bool| if nullable { "yes" } else { "no" }.to_owned();
        let rows: Vec<[String; 6]> = match relation {
            Relation::Table(table) => {
                let row = |column: ColumnDescription| {
                    let [key, extras, watermark] =
                        [column.key, column.extras, column.watermark].map(Option::unwrap_or_default);
                    [column.name, column.data_type, yes_no(column.nullable), key, extras, watermark]
                };
                table.describe().into_iter().map(row).collect()
            }
            Relation::View(_) => {
                let row = |column: Column| {
                    let [key, extras, watermark] = <[String; 3]>::default();
                    [column.name, column.data_type, yes_no(true), key, extras, watermark]
                };
                self.columns(relation)?.into_iter().map(row).collect()
            }
        };
        listing(NAMES, &rows.into_iter().map(|row| row.map(Some)).collect::<Vec<_>>())
    }

    fn columns(&self, relation: &Relation) -> Result<Vec<Column>> {
        let (schema, keys, comments) = match relation {
            Relation::Table(table) => {
                (Arc::clone(&table.schema), table.primary_key.as_slice(), Some(&table.column_comments))
            }
            Relation::View(view) => (self.planner().view_schema(view)?, [].as_slice(), None),
        };
        let column = |field: &arrow::datatypes::FieldRef| Column {
            name: field.name().clone(),
            data_type: sql_type_name(field.data_type()),
            arrow_type: field.data_type().clone(),
            is_nullable: field.is_nullable(),
            is_key: keys.contains(field.name()),
            comment: comments.and_then(|comments| comments.get(field.name()).cloned()),
        };
        Ok(schema.fields().iter().map(column).collect())
    }

    /// When a query that begins now has to be done.
    pub(crate) fn deadline(&self) -> Option<Deadline> {
        let timeout = self.settings.duration_ms_of(QUERY_TIMEOUT).map(Duration::from_millis);
        timeout.filter(|timeout| !timeout.is_zero()).map(Deadline::after)
    }

    async fn query(&self, query: &Arc<Query>) -> Result<Outcome> {
        let (deadline, query) = (self.deadline(), Arc::clone(query));
        let name = self.settings.pipeline_name().unwrap_or("query").to_owned();
        let rows = async {
            let planned = self.aside(async move |session| session.planned_query(&query).await);
            match planned.await? {
                PlannedQuery::Batch(plan) => Ok(plan.rows(&name)),
                PlannedQuery::Dataflow(graph) => dataflow::query(&graph, Handle::current()),
            }
        };
        let rows = match deadline {
            Some(deadline) => deadline.keep(deadline.of(rows).await?),
            None => rows.await?,
        };
        Ok(Outcome::Rows(rows.with_own_names()))
    }

    async fn insert(&mut self, statement: &Statement, text: &str) -> Result<Outcome> {
        let job = match self.settings.runtime_mode() {
            RuntimeMode::Batch => {
                checkpoints::refuse_start(&self.job, "a batch takes no checkpoints")?;
                self.insert_batch(statement).await?
            }
            RuntimeMode::Automatic | RuntimeMode::Streaming => {
                let planned = self.planned(statement, text).await?;
                if let Some(jobs) = self.jobs.as_ref().filter(|_| planned.goes_on()) {
                    let (name, warnings) = (planned.graph.name.clone(), planned.warnings.clone());
                    let id = jobs.start(planned, self.script(text)).await?;
                    for warning in warnings {
                        tracing::warn!("job {id}: {warning}");
                    }
                    return Ok(Outcome::Done(format!("job {id} ({name}) is running")));
                }
                let started = dataflow::insert(planned, Handle::current());
                match statement.inserts() {
                    [insert] => started.map_err(|error| error.at(insert.source.span))?,
                    _ => started?,
                }
            }
        };
        Ok(Outcome::Job(job))
    }

    async fn insert_batch(&self, statement: &Statement) -> Result<JobHandle> {
        let (watch, name) = (Arc::<Watch>::default(), self.job_name(statement.inserts()));
        let (statement, shared) = (statement.clone(), Arc::clone(&watch));
        let plans =
            self.aside(async move |session| session.planned_batches(statement.inserts(), &shared).await).await?;
        adhoc::insert(plans, watch, &name)
    }

    /// A statement with all that it needs to be planned elsewhere.
    fn script(&self, text: &str) -> JobScript {
        let statements: Vec<&str> = self.catalog.definitions().chain([text]).collect();
        let set = |(setting, value): (&Setting, &str)| (setting.key.to_owned(), value.to_owned());
        let settings = self.settings.list().filter(|(setting, value)| *value != setting.default).map(set).collect();
        JobScript { sql: statements.join(";\n"), settings }
    }

    /// Plans the job of an insert or a statement set, for somebody else to run it as a dataflow.
    pub async fn plan_job(&mut self, parsed: &Parsed) -> Result<PlannedJob> {
        if parsed.statement.inserts().is_empty() {
            return Err(Error::internal("a statement that writes to no table is no job"));
        }
        if self.settings.runtime_mode() == RuntimeMode::Batch {
            let error = Error::unsupported("a batch runs in one process only");
            return Err(error.with_hint("leave 'execution.runtime-mode' at 'automatic', or use dipper run"));
        }
        // As with a job that is run here.
        let planned = async {
            self.see_tables().await?;
            self.planned(&parsed.statement, &parsed.text).await
        };
        caught(planned).await
    }

    async fn planned(&mut self, statement: &Statement, text: &str) -> Result<PlannedJob> {
        let statement = statement.clone();
        let graph = self.aside(async move |session| session.planned_job(statement.inserts()).await).await?;
        let mut job = PlannedJob { warnings: dataflow::unbounded_state(&graph), graph, checkpointing: None };
        // Without a name, nothing would tell what a client inserts at once from its next insert.
        if !self.is_clients || job.goes_on() || self.next_job_name().is_some() {
            job.checkpointing = self.checkpointing(text).await?;
        }
        if let Some(checkpointing) = &job.checkpointing {
            dataflow::refuse_tables_that_change(&job.graph)?;
            job.graph.name.clone_from(&checkpointing.job.0);
            self.note_job(&checkpointing.job.0, text)?;
        }
        Ok(job)
    }

    /// The name by which the next job would find its checkpoints, if it has one.
    fn next_job_name(&self) -> Option<String> {
        match (self.settings.pipeline_name(), &self.job.name) {
            (Some(name), _) => Some(name.to_owned()),
            (None, Some(name)) if self.unnamed_jobs == 0 => Some(name.clone()),
            (None, Some(name)) => Some(format!("{name}-{}", self.unnamed_jobs + 1)),
            (None, None) => None,
        }
    }

    /// How the next job takes checkpoints, if it does. It needs a name by which it is found again.
    async fn checkpointing(&self, text: &str) -> Result<Option<Checkpointing>> {
        let named = self.next_job_name();
        let name = named.as_deref().unwrap_or_default();
        let checkpointing = checkpoints::checkpointing(&self.settings, &self.catalog, &self.job, name, text).await?;
        if checkpointing.is_some() && named.is_none() {
            let error = Error::invalid("a job with checkpoints needs a name, by which it finds them again");
            return Err(error.with_hint("SET 'pipeline.name' = '…'"));
        }
        Ok(checkpointing)
    }

    /// Remembers a job with checkpoints, unless it would find those of another one.
    fn note_job(&mut self, name: &str, text: &str) -> Result<()> {
        let has_own_name = self.settings.pipeline_name().is_some();
        // The same job may be started once more by its own name, and goes on; two files of one name are not the same.
        if self.named_jobs.get(name).is_some_and(|known| known != text || !has_own_name) {
            let error = Error::invalid(format!("there has been another job with checkpoints by the name '{name}'"));
            let hint =
                "SET another 'pipeline.name' before each, or make them one job: EXECUTE STATEMENT SET BEGIN … END";
            return Err(error.with_hint(hint));
        }
        self.named_jobs.insert(name.to_owned(), text.to_owned());
        if !has_own_name {
            self.unnamed_jobs += 1;
        }
        Ok(())
    }
}

fn kind_name(kind: RelationKind) -> &'static str {
    match kind {
        RelationKind::Table => "table",
        RelationKind::View => "view",
    }
}

/// Points a connector's complaint at the option that it names.
fn at_option(error: Error, table: &CatalogTable) -> Error {
    let message = error.to_string();
    let named = table.option_places.iter().filter(|(key, _)| message.contains(&format!("'{key}'")));
    // An error about one option may mention the connector's, too.
    let place = named.min_by_key(|(key, _)| *key == "connector").map(|(_, place)| *place);
    match place {
        Some(place) if message.contains("unknown option") => error.at(place.key),
        Some(place) => error.at(place.value),
        None => error,
    }
}
