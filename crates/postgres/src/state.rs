//! What a connection knows and holds, apart from its bytes; and the statements that are for the session or the catalog.

use arrow::compute::concat_batches;
use arrow::datatypes::{DataType, SchemaRef};
use datafusion::common::ScalarValue;
use dipper_pg_catalog::{Backend, Column, Relation, SystemCatalog, pg_type};
use dipper_session::{JobHandle, Outcome, Session, Table};
use dipper_types::Error;

use crate::encode::shown;
use crate::failure::{Failure, Result};
use crate::parameter;
use crate::planned::{Body, Planned, Statements, sql_of};
use crate::portal::Portals;
use crate::rows::{Source, texts};
use crate::settings::{Settings, unknown};
use crate::sqlstate;
use crate::statement::{Sql, Statement};
use crate::transaction::Transaction;

/// What PostgreSQL has, and this session does not know as the beginning of a statement.
const ELSEWHERE: &[&str] = &[
    "ALTER",
    "ANALYZE",
    "CALL",
    "CHECKPOINT",
    "CLUSTER",
    "COMMENT",
    "DELETE",
    "DO",
    "GRANT",
    "IMPORT",
    "MERGE",
    "REASSIGN",
    "REFRESH",
    "REINDEX",
    "REVOKE",
    "SECURITY",
    "UPDATE",
    "VACUUM",
];

/// What changes something.
const WRITES: &[&str] = &["INSERT", "CREATE", "DROP", "TRUNCATE", "EXECUTE"];

/// Who is connected to what.
#[derive(Debug, Clone)]
pub(crate) struct Identity {
    pub(crate) database: String,
    pub(crate) user: String,
    /// Who may log in; empty where anybody may.
    pub(crate) users: Vec<String>,
    pub(crate) process_id: i32,
}

/// What a connection knows and holds.
pub(crate) struct State {
    pub(crate) session: Session,
    pub(crate) identity: Identity,
    pub(crate) settings: Settings,
    pub(crate) transaction: Transaction,
    pub(crate) statements: Statements,
    pub(crate) portals: Portals,
    /// What is to be said before the answer.
    pub(crate) notices: Vec<Failure>,
}

/// What a statement of SQL gives.
pub(crate) enum Opened {
    /// The words begin the tag.
    Rows(Source, &'static str),
    /// Wait for it: it writes rows.
    Job(JobHandle),
    /// The tag.
    Done(String),
}

impl State {
    pub(crate) fn new(session: Session, identity: Identity, settings: Settings) -> Self {
        Self {
            session,
            identity,
            settings,
            transaction: Transaction::default(),
            statements: Statements::default(),
            portals: Portals::default(),
            notices: Vec::new(),
        }
    }

    /// The statement of a text, before which so many characters stand in what the client has sent.
    pub(crate) fn parse(&self, text: &str, before: usize) -> Result<Statement> {
        Statement::parse(text, before, |name| self.settings.is_known(name))
    }

    /// A statement without parameters; nothing is looked up yet.
    pub(crate) fn plan_simple(&self, statement: Statement) -> Result<Planned> {
        let body = match sql_of(&statement) {
            None => Body::None,
            Some(sql) if sql.is_system => Body::System,
            Some(sql) => {
                let mut script = self.session.parse(&sql.text).map_err(|error| refused(&error, sql))?;
                Body::Parsed(Box::new(script.pop().ok_or_else(|| Failure::syntax("there is no statement"))?))
            }
        };
        Ok(Planned::new(statement, body))
    }

    /// A statement with parameters, of which the client knows some types. Nothing runs.
    pub(crate) async fn plan(&mut self, statement: Statement, oids: &[u32]) -> Result<Planned> {
        let types: Vec<Option<DataType>> = oids.iter().map(|oid| parameter::data_type(*oid)).collect();
        self.plan_typed(statement, oids, &types).await
    }

    /// The same, with parameters of these types where there are such.
    pub(crate) async fn plan_typed(
        &mut self,
        statement: Statement,
        oids: &[u32],
        types: &[Option<DataType>],
    ) -> Result<Planned> {
        let Some(sql) = sql_of(&statement) else {
            let schema = self.own_schema(&statement)?;
            return Ok(Planned { schema, ..Planned::new(statement, Body::None) });
        };
        let (body, types, schema) = if sql.is_system {
            let catalog = self.catalog().await?;
            let query = catalog.prepare(&sql.text, types).await.map_err(|error| about(&error, sql))?;
            (Body::System, query.parameter_types().to_vec(), Some(SchemaRef::clone(query.schema())))
        } else {
            let prepared = self.session.prepare(&sql.text, types).await.map_err(|error| refused(&error, sql))?;
            let (types, schema) = (prepared.parameter_types().to_vec(), prepared.schema().cloned());
            (Body::Prepared(prepared), types, schema)
        };
        let known = |index: usize| oids.get(index).copied().filter(|oid| !matches!(oid, 0 | 705));
        let oids = types.iter().enumerate().map(|(index, found)| known(index).unwrap_or_else(|| pg_type(found).oid));
        let oids = oids.collect();
        // A cursor and a copy give no rows by themselves.
        let schema = schema.filter(|_| matches!(statement, Statement::Sql(_)));
        Ok(Planned { statement, body, oids, types, schema })
    }

    /// The columns of what the protocol's own statements give.
    fn own_schema(&mut self, statement: &Statement) -> Result<Option<SchemaRef>> {
        Ok(match statement {
            Statement::Show(Some(name)) => Some(texts([self.settings.get(name)?.0])),
            Statement::Show(None) => Some(texts(["name", "setting", "description"])),
            Statement::Execute { name, .. } => self.statements.get(name)?.schema.clone(),
            _ => None,
        })
    }

    /// Runs the SQL of a statement.
    pub(crate) async fn open(&mut self, planned: &Planned, values: &[ScalarValue]) -> Result<Opened> {
        let Some(sql) = sql_of(&planned.statement) else {
            return Err(Failure::new(sqlstate::INTERNAL_ERROR, "there is nothing to run"));
        };
        let (outcome, command) = match &planned.body {
            Body::System => {
                let types: Vec<Option<DataType>> = planned.types.iter().cloned().map(Some).collect();
                let catalog = self.catalog().await?;
                let query = catalog.prepare(&sql.text, &types).await.map_err(|error| about(&error, sql))?;
                let (schema, batches) = catalog.run(&query, values).await.map_err(|error| about(&error, sql))?;
                return Ok(Opened::Rows(Source::of_batches(schema, batches), "SELECT"));
            }
            Body::Parsed(parsed) => {
                self.check_write(&sql.verb(), parsed.command())?;
                (self.session.execute(parsed).await, parsed.command())
            }
            Body::Prepared(prepared) => {
                self.check_write(&sql.verb(), prepared.command())?;
                (self.session.execute_prepared(prepared, values).await, prepared.command())
            }
            Body::None => return Err(Failure::new(sqlstate::INTERNAL_ERROR, "there is nothing to run")),
        };
        Ok(match outcome.map_err(|error| about(&error, sql))? {
            Outcome::Rows(rows) => Opened::Rows(Source::new(rows), command),
            Outcome::Text(text) => {
                let lines: Vec<_> = text.lines().map(|line| [line.to_owned()]).collect();
                Opened::Rows(Source::of_texts(["QUERY PLAN"], &lines)?, command)
            }
            Outcome::Job(job) => {
                let warning = |text: &String| Failure::warning(sqlstate::WARNING, text.clone());
                self.notices.extend(job.warnings().iter().map(warning));
                Opened::Job(job)
            }
            Outcome::Done(text) => {
                // That it has been done is what the tag says.
                let says_no_more = ["created", "dropped", "truncated", "reset"].iter().any(|end| text.ends_with(end));
                if !(says_no_more || command == "SET") {
                    self.notices.push(Failure::notice(text));
                }
                Opened::Done(if command == "INSERT" { "INSERT 0 0".to_owned() } else { command.to_owned() })
            }
        })
    }

    /// What writes is refused where nothing may be written, and the client is told that it cannot be undone.
    fn check_write(&mut self, verb: &str, command: &str) -> Result<()> {
        if !WRITES.contains(&verb) {
            return Ok(());
        }
        if self.settings.is_read_only(self.transaction.is_block()) {
            let message = format!("cannot execute {command} in a read-only transaction");
            return Err(Failure::new(sqlstate::READ_ONLY_TRANSACTION, message));
        }
        self.notices.extend(self.transaction.warning(command));
        Ok(())
    }

    /// The values that the arguments of `EXECUTE` have.
    pub(crate) async fn arguments(&mut self, sql: Sql, planned: &Planned) -> Result<Vec<ScalarValue>> {
        let query = self.plan_simple(Statement::Sql(sql))?;
        let Opened::Rows(mut source, _) = self.open(&query, &[]).await? else {
            return Err(Failure::syntax("the arguments are no values"));
        };
        let mut batches = Vec::new();
        while let Some(batch) = source.next(1).await? {
            batches.push(batch);
        }
        let row = concat_batches(source.schema(), &batches).map_err(Error::from)?;
        let wanted = planned.types.len();
        if row.num_columns() != wanted || row.num_rows() != 1 {
            let message = format!("the statement takes {wanted} parameters, and {} are given", row.num_columns());
            return Err(Failure::syntax(message));
        }
        let value = |(column, target): (&arrow::array::ArrayRef, &DataType)| {
            let value = ScalarValue::try_from_array(column, 0).map_err(|error| Error::internal(error.to_string()))?;
            parameter::cast(value, target)
        };
        row.columns().iter().zip(&planned.types).map(value).collect()
    }

    /// The catalog of the moment.
    async fn catalog(&mut self) -> Result<SystemCatalog> {
        let relations = self.session.relations().await?.into_iter().map(relation).collect();
        let Identity { database, user, users, process_id } = self.identity.clone();
        let settings = self.settings.all().clone();
        Ok(SystemCatalog::new(relations, Backend { database, user, users, process_id, settings })?)
    }
}

fn relation(table: Table) -> Relation {
    let column = |column: dipper_session::Column| Column {
        name: column.name,
        data_type: column.arrow_type,
        is_nullable: column.is_nullable,
        is_key: column.is_key,
        comment: column.comment,
    };
    Relation {
        schema: "public".to_owned(),
        name: table.name,
        is_view: table.is_view,
        columns: table.columns.into_iter().map(column).collect(),
        comment: table.comment,
        definition: table.is_view.then_some(table.ddl),
        rows: None,
    }
}

/// The error about a statement, with its place in what the client has sent.
fn about(error: &Error, sql: &Sql) -> Failure {
    Failure::about(error, &sql.text, sql.before)
}

/// The same; what PostgreSQL would understand is not called a mistake.
fn refused(error: &Error, sql: &Sql) -> Failure {
    let (verb, failure) = (sql.verb(), about(error, sql));
    if failure.code != sqlstate::SYNTAX_ERROR {
        return failure;
    }
    if ELSEWHERE.contains(&verb.as_str()) {
        return Failure::unsupported(format!("{verb} is not supported")).at(sql.before + 1);
    }
    let mut words = crate::lexer::Reader::new(&sql.text);
    match (words.word("SHOW"), words.dotted_name()) {
        (true, Some(name)) if words.is_at_end() => unknown(&name).at(sql.before + 1),
        _ => failure,
    }
}

impl Planned {
    /// How the columns of the result are described.
    pub(crate) fn columns(&self) -> Option<Vec<crate::encode::Shown>> {
        self.schema.as_ref().map(|schema| shown(schema))
    }
}
