//! From what was submitted to what is to be run.

use std::collections::BTreeSet;

use dipper_checkpoint::TaskId;
use dipper_graph::TaskGraph;
use dipper_session::{JobConfig, Outcome, PlannedJob, Session, SessionConfig};
use dipper_types::{Error, Result};

use crate::{StartFrom, Submission};

const PARALLELISM: &str = "parallelism.default";
const CHECKPOINTS: &str = "state.checkpoints.dir";
const WAREHOUSE: &str = "table.warehouse";

/// Where the checkpoints of all jobs are in a cluster directory.
pub(super) fn checkpoints_of(directory: &str) -> String {
    format!("{directory}/checkpoints")
}

/// Plans the job of a submission, to be run with this parallelism if somebody has changed it, from `start_from`.
pub(super) async fn plan(
    directory: &str,
    submission: &Submission,
    parallelism: Option<usize>,
    start_from: StartFrom,
) -> Result<PlannedJob> {
    let mut settings: Vec<(String, String)> = submission.settings.clone().into_iter().collect();
    if settings.iter().any(|(key, _)| key == CHECKPOINTS) {
        let error = Error::invalid(format!("'{CHECKPOINTS}' is the cluster's matter"));
        return Err(error.with_hint("leave it out: checkpoints go to the cluster directory"));
    }
    settings.push((CHECKPOINTS.to_owned(), checkpoints_of(directory)));
    if !settings.iter().any(|(key, _)| key == WAREHOUSE) {
        settings.push((WAREHOUSE.to_owned(), format!("{directory}/warehouse")));
    }
    settings.extend(parallelism.map(|parallelism| (PARALLELISM.to_owned(), parallelism.to_string())));
    let (start_from, allow_non_restored_state) = match start_from {
        StartFrom::Latest => (dipper_session::StartFrom::Latest, false),
        StartFrom::Nothing => (dipper_session::StartFrom::Nothing, false),
        StartFrom::Savepoint { url, over, allow_non_restored_state } => {
            (dipper_session::StartFrom::Savepoint { url, over }, allow_non_restored_state)
        }
    };
    let job = JobConfig { name: Some(submission.name.clone()), start_from, allow_non_restored_state };
    let mut session = Session::new(SessionConfig { settings, fixed: true, job, jobs: None })?;
    let script = session.parse(&submission.sql)?;
    match script.iter().filter(|statement| statement.starts_job()).count() {
        1 => {}
        0 => return Err(Error::invalid("there is no INSERT INTO: a job writes to a table")),
        _ => {
            let error = Error::invalid("there is more than one INSERT INTO: a job is one statement");
            return Err(error.with_hint("make them one: EXECUTE STATEMENT SET BEGIN … END"));
        }
    }
    let mut planned = None;
    for statement in &script {
        if statement.starts_job() {
            planned = Some(session.plan_job(statement).await?);
        } else if let Outcome::Rows(_) = session.execute(statement).await? {
            let error = Error::invalid("a query has nobody to show its rows to here");
            return Err(error.with_hint("INSERT INTO a table, or use dipper run"));
        }
    }
    planned.ok_or_else(|| Error::internal("the INSERT INTO is no job"))
}

/// All subtasks of a job.
pub(super) fn subtasks(job: &PlannedJob) -> BTreeSet<TaskId> {
    let tasks = TaskGraph::of(&job.graph).tasks;
    let of = |(task, parallelism): (usize, usize)| (0..parallelism).map(move |subtask| TaskId { task, subtask });
    tasks.iter().map(|task| task.parallelism).enumerate().flat_map(of).collect()
}

/// How many slots a job takes: one for each subtask index.
pub(super) fn slots(job: &PlannedJob) -> usize {
    TaskGraph::of(&job.graph).tasks.iter().map(|task| task.parallelism).max().unwrap_or(1)
}
