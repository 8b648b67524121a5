//! A session as a database under test.

use std::fmt;

use arrow::datatypes::DataType;
use arrow::record_batch::RecordBatch;
use arrow::util::display::{ArrayFormatter, FormatOptions};
use async_trait::async_trait;
use dipper_session::{Outcome, Session, SessionConfig};
use dipper_types::Error;
use futures::TryStreamExt;
use sqllogictest::{AsyncDB, DBOutput, DefaultColumnType};

/// A session with a catalog and a warehouse of its own.
pub(crate) struct Database {
    pub(crate) session: Session,
    pub(crate) warehouse: tempfile::TempDir,
}

/// An error with its place in front: `1:8: unknown column 'x'`.
#[derive(Debug)]
pub(crate) struct Placed(pub(crate) Error);

impl fmt::Display for Placed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0.span() {
            Some(span) => write!(f, "{}:{}: {}", span.start.line, span.start.column, self.0),
            None => write!(f, "{}", self.0),
        }
    }
}

impl std::error::Error for Placed {}

impl Database {
    pub(crate) fn new(settings: &[(&str, &str)]) -> Result<Self, Placed> {
        let warehouse = tempfile::tempdir().map_err(|error| Placed(Error::internal(error.to_string())))?;
        let path = warehouse.path().display().to_string();
        let settings = settings.iter().copied().chain([("table.warehouse", path.as_str())]);
        let settings = settings.map(|(key, value)| (key.to_owned(), value.to_owned())).collect();
        let session = Session::new(SessionConfig { settings, ..SessionConfig::default() }).map_err(Placed)?;
        Ok(Self { session, warehouse })
    }

    /// The rows that statements put out, as text.
    pub(crate) async fn lines(&mut self, sql: &str) -> Result<Vec<Vec<String>>, Placed> {
        match self.execute(sql).await.map_err(Placed)? {
            DBOutput::Rows { rows, .. } => Ok(rows),
            _ => Ok(Vec::new()),
        }
    }

    async fn execute(&mut self, sql: &str) -> Result<DBOutput<DefaultColumnType>, Error> {
        let mut output = DBOutput::StatementComplete(0);
        for statement in self.session.parse(sql)? {
            output = match self.session.execute(&statement).await? {
                Outcome::Done(_) => DBOutput::StatementComplete(0),
                Outcome::Text(text) => {
                    let rows = text.lines().map(|line| vec![line.to_owned()]).collect();
                    DBOutput::Rows { types: vec![DefaultColumnType::Text], rows }
                }
                Outcome::Rows(result) => {
                    let types = result.schema.fields().iter().map(|field| column_type(field.data_type())).collect();
                    let batches: Vec<RecordBatch> = result.stream.try_collect().await?;
                    if let Some(job) = result.job {
                        job.wait().await?;
                    }
                    let mut rows = Vec::new();
                    for batch in &batches {
                        rows.extend(texts(batch)?);
                    }
                    DBOutput::Rows { types, rows }
                }
                Outcome::Job(job) => DBOutput::StatementComplete(job.wait().await?.rows_out),
            };
        }
        Ok(output)
    }
}

#[async_trait]
impl AsyncDB for Database {
    type Error = Placed;
    type ColumnType = DefaultColumnType;

    async fn run(&mut self, sql: &str) -> Result<DBOutput<DefaultColumnType>, Placed> {
        self.execute(sql).await.map_err(Placed)
    }

    async fn shutdown(&mut self) {}

    fn engine_name(&self) -> &'static str {
        "dipper"
    }
}

fn column_type(data_type: &DataType) -> DefaultColumnType {
    match data_type {
        data_type if data_type.is_integer() => DefaultColumnType::Integer,
        data_type if data_type.is_floating() => DefaultColumnType::FloatingPoint,
        _ => DefaultColumnType::Text,
    }
}

fn texts(batch: &RecordBatch) -> Result<Vec<Vec<String>>, Error> {
    let options = FormatOptions::new()
        .with_display_error(false)
        .with_null("NULL")
        .with_timestamp_format(Some("%Y-%m-%d %H:%M:%S%.f"));
    let columns = batch.columns().iter().map(|column| ArrayFormatter::try_new(column.as_ref(), &options));
    let columns: Vec<_> = columns.collect::<Result<_, _>>()?;
    let text = |column: &ArrayFormatter<'_>, row| Ok(column.value(row).try_to_string()?);
    let shown = |text: String| if text.is_empty() { "(empty)".to_owned() } else { text };
    let row = |row| columns.iter().map(|column| text(column, row).map(shown)).collect();
    (0..batch.num_rows()).map(row).collect()
}
