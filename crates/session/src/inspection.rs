//! Looks at stored checkpoints and savepoints, whether their job runs or not.

use std::sync::Arc;

use arrow::array::{ArrayRef, BooleanArray, Int64Array, StringArray, TimestampMillisecondArray};
use arrow::record_batch::RecordBatch;
use dipper_state::{CheckpointKind, CheckpointStore, Manifest, OperatorSummary, Savepoint, summarise};
use dipper_types::{Error, JobId, Result};
use futures::{StreamExt, stream};
use serde_json::{Value, json};

use crate::Rows;
use crate::checkpoints::open_directory;

/// What one manifest says.
#[derive(Debug, Clone)]
pub struct StoredCheckpoint {
    manifest: Manifest,
    operators: Vec<OperatorSummary>,
}

/// The checkpoints in a directory: of all jobs, or of one.
pub async fn list_checkpoints(url: &str, job: Option<&str>) -> Result<Rows> {
    let directory = open_existing(url)?;
    let jobs = match job {
        Some(job) => vec![job.to_owned()],
        None => CheckpointStore::jobs(&directory).await?,
    };
    let mut listed = Vec::new();
    for job in jobs {
        let log = CheckpointStore::new(&directory, JobId(job.clone())).read_log().await?;
        let mut before: Option<&Manifest> = None;
        for manifest in log.manifests.values() {
            listed.push(Listed::of(manifest, before));
            before = Some(manifest);
        }
        let unreadable = log.unreadable.iter();
        listed.extend(unreadable.map(|(number, error)| Listed::unreadable(&job, *number, error)));
    }
    if let (Some(job), true) = (job, listed.is_empty()) {
        return Err(Error::invalid(format!("there is no checkpoint of job '{job}' in '{url}'")));
    }
    rows(&listed)
}

/// The savepoints in a directory of savepoints.
pub async fn list_savepoints(url: &str) -> Result<Rows> {
    let directory = open_existing(url)?;
    let mut listed = Vec::new();
    for name in Savepoint::list(&directory).await? {
        listed.push(match Savepoint::open(directory.child(&name)).await {
            Ok(savepoint) => Listed { name: Some(name), ..Listed::of(&savepoint.manifest, None) },
            Err(error) => Listed { name: Some(name), ..Listed::unreadable("", 0, &error) },
        });
    }
    rows(&listed)
}

/// Deletes a savepoint.
pub async fn delete_savepoint(url: &str) -> Result<()> {
    Savepoint::open(open_existing(url)?).await?.delete().await
}

/// What a manifest says: of a checkpoint (`…/<job>/manifests/<number>.json`), the last one of a job (`…/<job>`), or a savepoint.
pub async fn show_checkpoint(url: &str) -> Result<StoredCheckpoint> {
    match find(url).await? {
        Found::Savepoint(Savepoint { manifest, .. }) => {
            Ok(StoredCheckpoint { operators: summarise(&manifest, None), manifest })
        }
        Found::Checkpoint(store, manifest) => {
            let numbers = store.manifest_numbers().await?;
            let before = match numbers.into_iter().rfind(|number| *number < manifest.number) {
                // It may go at any time, and need not be readable.
                Some(number) => store.find(number).await.ok().flatten(),
                None => None,
            };
            Ok(StoredCheckpoint { operators: summarise(&manifest, before.as_ref()), manifest })
        }
    }
}

/// What a job can start from, called as for [`show_checkpoint`].
pub(crate) async fn find_savepoint(url: &str) -> Result<Savepoint> {
    Ok(match find(url).await? {
        Found::Savepoint(savepoint) => savepoint,
        Found::Checkpoint(store, manifest) => Savepoint { directory: store.directory().clone(), manifest },
    })
}

enum Found {
    Savepoint(Savepoint),
    /// In the directory of its job.
    Checkpoint(CheckpointStore, Manifest),
}

async fn find(url: &str) -> Result<Found> {
    let trimmed = url.trim_end_matches('/');
    let (parent, name) = trimmed.rsplit_once('/').unwrap_or((".", trimmed));
    if let Some((job, number)) = job_and_number(parent, name) {
        let store = job_store(job)?;
        let manifest = store.load(number).await?;
        return Ok(Found::Checkpoint(store, manifest));
    }
    if name == "manifest.json" {
        return Ok(Found::Savepoint(Savepoint::open(open_existing(parent)?).await?));
    }
    let directory = open_existing(trimmed)?;
    let store = job_store(trimmed)?;
    if store.manifest_numbers().await?.is_empty() {
        let savepoint = Savepoint::open(directory).await;
        let hint = "give a savepoint, the directory of a job (DIR/JOB), or a manifest in it (DIR/JOB/manifests/N.json)";
        return savepoint.map(Found::Savepoint).map_err(|error| error.with_hint(hint));
    }
    match store.latest().await? {
        Some(manifest) => Ok(Found::Checkpoint(store, manifest)),
        None => Err(Error::invalid(format!("there is no checkpoint in '{url}'"))),
    }
}

/// The checkpoints of a job, by the job's directory.
pub(crate) fn job_store(url: &str) -> Result<CheckpointStore> {
    let trimmed = url.trim_end_matches('/');
    let (parent, job) = trimmed.rsplit_once('/').unwrap_or((".", trimmed));
    Ok(CheckpointStore::new(&open_existing(parent)?, JobId(job.to_owned())))
}

/// The directory of a job, and the number in the name of a manifest in it.
fn job_and_number<'a>(parent: &'a str, name: &str) -> Option<(&'a str, u64)> {
    let job = parent.strip_suffix("/manifests").or_else(|| (parent == "manifests").then_some("."))?;
    Some((job, name.strip_suffix(".json")?.parse().ok()?))
}

/// Looking at a directory does not make it.
fn open_existing(url: &str) -> Result<dipper_state::Directory> {
    let is_local = !url.contains("://");
    if is_local && !std::path::Path::new(url).is_dir() {
        return Err(Error::invalid(format!("there is no directory '{url}'")));
    }
    open_directory(url)
}

impl StoredCheckpoint {
    /// What there is to say about the whole, one row each: name and value.
    pub fn facts(&self) -> Result<Rows> {
        let manifest = &self.manifest;
        let tasks = manifest.tasks.len();
        let finished = manifest.tasks.iter().filter(|task| task.finished).count();
        let committables: usize = manifest.tasks.iter().map(|task| task.committables.len()).sum();
        let bytes: u64 = manifest.files().values().map(|file| file.bytes).sum();
        let taken = arrow::temporal_conversions::timestamp_ms_to_datetime(manifest.created_ms);
        let facts = [
            ("job", manifest.job.0.clone()),
            ("number", manifest.number.to_string()),
            ("kind", kind(manifest.kind).to_owned()),
            ("epoch", manifest.epoch.0.to_string()),
            ("attempt", manifest.attempt.opening.0.to_string()),
            ("taken", taken.map_or_else(String::new, |taken| taken.format("%Y-%m-%d %H:%M:%S%.3f UTC").to_string())),
            ("duration_ms", manifest.duration_ms.to_string()),
            ("key_groups", manifest.key_groups.to_string()),
            ("subtasks", tasks.to_string()),
            ("finished_subtasks", finished.to_string()),
            ("committables", committables.to_string()),
            ("files", manifest.files().len().to_string()),
            ("bytes", bytes.to_string()),
            ("sql", manifest.query.sql.clone()),
        ];
        let (names, values): (Vec<&str>, Vec<String>) = facts.into_iter().unzip();
        let columns: [(&str, ArrayRef); 2] =
            [("name", Arc::new(StringArray::from(names))), ("value", Arc::new(StringArray::from(values)))];
        Ok(one_batch(RecordBatch::try_from_iter(columns)?))
    }

    /// The state of each operator, a row for each of its tables.
    pub fn operators(&self) -> Result<Rows> {
        let mut operators = Columns::default();
        for operator in &self.operators {
            let items = operator.list_items as i64;
            if operator.tables.is_empty() {
                operators.push(operator, None, items);
            }
            for (index, table) in operator.tables.iter().enumerate() {
                operators.push(operator, Some(table), if index == 0 { items } else { 0 });
            }
        }
        operators.rows()
    }

    /// All of it for programs.
    pub fn to_json(&self) -> Value {
        let manifest = &self.manifest;
        let operator = |operator: &OperatorSummary| {
            let table = |table: &dipper_state::TableSummary| {
                json!({
                    "table": table.name, "runs": table.runs, "files": table.files, "bytes": table.bytes,
                    "shared_bytes": table.shared_bytes, "rows": table.rows, "deletes": table.deletes,
                })
            };
            json!({
                "operator": operator.operator.0, "parallelism": operator.parallelism, "list_items": operator.list_items,
                "tables": operator.tables.iter().map(table).collect::<Vec<_>>(),
            })
        };
        json!({
            "job": manifest.job.0, "number": manifest.number, "kind": kind(manifest.kind), "epoch": manifest.epoch.0,
            "attempt": manifest.attempt.opening.0, "created_ms": manifest.created_ms, "duration_ms": manifest.duration_ms,
            "key_groups": manifest.key_groups, "subtasks": manifest.tasks.len(),
            "finished_subtasks": manifest.tasks.iter().filter(|task| task.finished).count(),
            "bytes": manifest.files().values().map(|file| file.bytes).sum::<u64>(),
            "committables": manifest.tasks.iter().flat_map(|task| &task.committables).collect::<Vec<_>>(),
            "operators": self.operators.iter().map(operator).collect::<Vec<_>>(),
            "sql": manifest.query.sql, "catalog": manifest.query.catalog,
        })
    }
}

/// One manifest in a list.
#[derive(Default)]
struct Listed {
    /// Of a savepoint.
    name: Option<String>,
    job: String,
    number: i64,
    kind: String,
    epoch: Option<i64>,
    taken_ms: Option<i64>,
    duration_ms: Option<i64>,
    bytes: Option<i64>,
    shared_bytes: Option<i64>,
    finished: Option<bool>,
}

impl Listed {
    fn of(manifest: &Manifest, before: Option<&Manifest>) -> Self {
        let operators = summarise(manifest, before);
        let tables = || operators.iter().flat_map(|operator| &operator.tables);
        Self {
            name: None,
            job: manifest.job.0.clone(),
            number: manifest.number as i64,
            kind: kind(manifest.kind).to_owned(),
            epoch: Some(manifest.epoch.0 as i64),
            taken_ms: Some(manifest.created_ms),
            duration_ms: Some(manifest.duration_ms as i64),
            bytes: Some(tables().map(|table| table.bytes).sum::<u64>() as i64),
            shared_bytes: Some(tables().map(|table| table.shared_bytes).sum::<u64>() as i64),
            finished: Some(!manifest.tasks.is_empty() && manifest.tasks.iter().all(|task| task.finished)),
        }
    }

    fn unreadable(job: &str, number: u64, error: &Error) -> Self {
        Self { job: job.to_owned(), number: number as i64, kind: format!("unreadable: {error}"), ..Self::default() }
    }
}

fn rows(listed: &[Listed]) -> Result<Rows> {
    let text =
        |of: fn(&Listed) -> Option<&str>| -> ArrayRef { Arc::new(listed.iter().map(of).collect::<StringArray>()) };
    let number =
        |of: fn(&Listed) -> Option<i64>| -> ArrayRef { Arc::new(listed.iter().map(of).collect::<Int64Array>()) };
    let taken: ArrayRef = Arc::new(listed.iter().map(|row| row.taken_ms).collect::<TimestampMillisecondArray>());
    let finished: ArrayRef = Arc::new(listed.iter().map(|row| row.finished).collect::<BooleanArray>());
    let mut columns = vec![
        ("job", text(|row| Some(&row.job))),
        ("checkpoint", number(|row| Some(row.number))),
        ("kind", text(|row| Some(&row.kind))),
        ("epoch", number(|row| row.epoch)),
        ("taken", taken),
        ("duration_ms", number(|row| row.duration_ms)),
        ("bytes", number(|row| row.bytes)),
        ("shared_bytes", number(|row| row.shared_bytes)),
        ("finished", finished),
    ];
    if listed.iter().any(|row| row.name.is_some()) {
        columns.insert(0, ("savepoint", text(|row| row.name.as_deref())));
        columns.retain(|(name, _)| *name != "shared_bytes");
    }
    Ok(one_batch(RecordBatch::try_from_iter_with_nullable(
        columns.into_iter().map(|(name, column)| (name, column, true)),
    )?))
}

/// The columns of the list of operators.
#[derive(Default)]
struct Columns {
    operator: Vec<String>,
    table: Vec<Option<String>>,
    numbers: Vec<[i64; 8]>,
}

impl Columns {
    fn push(&mut self, operator: &OperatorSummary, table: Option<&dipper_state::TableSummary>, list_items: i64) {
        self.operator.push(operator.operator.0.clone());
        self.table.push(table.map(|table| table.name.clone()));
        let count = |of: fn(&dipper_state::TableSummary) -> u64| table.map_or(0, of) as i64;
        self.numbers.push([
            operator.parallelism as i64,
            count(|table| table.bytes),
            count(|table| table.shared_bytes),
            count(|table| table.rows),
            count(|table| table.deletes),
            count(|table| table.files as u64),
            count(|table| table.runs as u64),
            list_items,
        ]);
    }

    fn rows(self) -> Result<Rows> {
        const NAMES: [&str; 8] =
            ["subtasks", "bytes", "shared_bytes", "rows", "deletes", "files", "runs", "list_items"];
        let mut columns: Vec<(&str, ArrayRef, bool)> = vec![
            ("operator", Arc::new(StringArray::from(self.operator)), true),
            ("table", Arc::new(StringArray::from(self.table)), true),
        ];
        for (index, name) in NAMES.into_iter().enumerate() {
            columns.push((
                name,
                Arc::new(self.numbers.iter().map(|row| Some(row[index])).collect::<Int64Array>()),
                true,
            ));
        }
        Ok(one_batch(RecordBatch::try_from_iter_with_nullable(columns)?))
    }
}

fn one_batch(batch: RecordBatch) -> Rows {
    let schema = batch.schema();
    let batches = if batch.num_rows() == 0 { Vec::new() } else { vec![Ok(batch)] };
    Rows { schema, stream: stream::iter(batches).boxed(), job: None }
}

fn kind(kind: CheckpointKind) -> &'static str {
    match kind {
        CheckpointKind::Opening => "opening",
        CheckpointKind::Checkpoint => "checkpoint",
        CheckpointKind::Savepoint => "savepoint",
    }
}
