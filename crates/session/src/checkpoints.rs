//! From the settings of a session to the checkpoints of its jobs.

use std::collections::BTreeMap;
use std::sync::Arc;

use dipper_checkpoint::{CheckpointOptions, RestartStrategy};
use dipper_runtime::{Checkpointing, StartFrom as RuntimeStart};
use dipper_sql::catalog::{Catalog, Relation, Settings, Table};
use dipper_state::{Directory, Query};
use dipper_types::{Error, JobId, Result};

use crate::inspection::find_savepoint;
use crate::{JobConfig, StartFrom};

const DIRECTORY: &str = "state.checkpoints.dir";
const INTERVAL: &str = "execution.checkpointing.interval";

/// How often a job with a directory takes checkpoints if nobody says.
const INTERVAL_MS: u64 = 10_000;

/// Whether jobs take checkpoints, and not just at their end.
pub(crate) fn are_periodic(settings: &Settings) -> bool {
    settings.text_of(DIRECTORY).is_some() && interval_ms(settings).is_some()
}

/// How a job called `name` takes checkpoints; `None` if it takes none. `sql` is what it does.
pub(crate) async fn checkpointing(
    settings: &Settings,
    catalog: &Catalog,
    config: &JobConfig,
    name: &str,
    sql: &str,
) -> Result<Option<Checkpointing>> {
    let Some(url) = settings.text_of(DIRECTORY) else {
        if settings.duration_ms_of(INTERVAL).is_some_and(|interval| interval > 0) {
            let error = Error::invalid(format!("'{INTERVAL}' is set, but there is no directory for checkpoints"));
            return Err(error.with_hint(format!("add --checkpoint-dir DIR, or SET '{DIRECTORY}' = 'DIR'")));
        }
        refuse_start(config, "there is no directory for checkpoints")?;
        return Ok(None);
    };
    let start_from = match &config.start_from {
        StartFrom::Latest => RuntimeStart::Latest,
        StartFrom::Nothing => RuntimeStart::Nothing,
        StartFrom::Savepoint { url, over } => {
            RuntimeStart::Savepoint { savepoint: Box::new(find_savepoint(url).await?), over: *over }
        }
    };
    Ok(Some(Checkpointing {
        directory: open_directory(url)?,
        job: JobId(name.to_owned()),
        options: options(settings),
        restart: restart_strategy(settings),
        start_from,
        allow_non_restored_state: config.allow_non_restored_state,
        query: Query { sql: sql.to_owned(), catalog: definitions(catalog) },
        open_directory: Arc::new(open_directory),
        deploy: None,
        notices: None,
    }))
}

/// A job without checkpoints cannot start from anything but its beginning.
pub(crate) fn refuse_start(config: &JobConfig, why: &str) -> Result<()> {
    let asked = match &config.start_from {
        StartFrom::Savepoint { url, .. } => format!("to start from '{url}'"),
        StartFrom::Nothing => "to start over".to_owned(),
        StartFrom::Latest if config.allow_non_restored_state => "to leave state behind".to_owned(),
        StartFrom::Latest => return Ok(()),
    };
    let error = Error::invalid(format!("the job is {asked}, but {why}"));
    Err(error.with_hint(format!("add --checkpoint-dir DIR, or SET '{DIRECTORY}' = 'DIR', to a streaming job")))
}

/// Opens a directory of checkpoints: a path of this machine, or a URL of an object store, with credentials from the environment.
pub fn open_directory(url: &str) -> Result<Directory> {
    match dipper_connectors::object_store(url)? {
        Some((store, base)) => Ok(Directory::of(store, base, url)),
        None => Directory::open(url, &BTreeMap::new()),
    }
}

fn interval_ms(settings: &Settings) -> Option<u64> {
    Some(settings.duration_ms_of(INTERVAL).unwrap_or(INTERVAL_MS)).filter(|interval| *interval > 0)
}

fn options(settings: &Settings) -> CheckpointOptions {
    let default = CheckpointOptions::default();
    let duration = |key: &str| settings.duration_ms_of(key);
    let failures = settings.number_of("execution.checkpointing.tolerable-failed-checkpoints");
    CheckpointOptions {
        interval_ms: interval_ms(settings),
        timeout_ms: duration("execution.checkpointing.timeout").unwrap_or(default.timeout_ms),
        min_pause_ms: duration("execution.checkpointing.min-pause").unwrap_or(default.min_pause_ms),
        tolerable_failures: failures.map_or(default.tolerable_failures, |failures| failures as u32),
        retained: settings.number_of("state.checkpoints.num-retained").map_or(default.retained, |n| n as usize),
    }
}

/// The defaults stand with the settings.
fn restart_strategy(settings: &Settings) -> RestartStrategy {
    let key = |strategy: &str, option: &str| format!("restart-strategy.{strategy}.{option}");
    let duration = |strategy, option| settings.duration_ms_of(&key(strategy, option)).unwrap_or_default();
    let number = |strategy, option| settings.number_of(&key(strategy, option)).map(|number| number as u32);
    let factor = |option| settings.factor_of(&key("exponential-delay", option)).unwrap_or(1.0);
    match settings.text_of("restart-strategy.type") {
        Some("none") => RestartStrategy::None,
        Some("fixed-delay") => RestartStrategy::FixedDelay {
            attempts: number("fixed-delay", "attempts").unwrap_or_default(),
            delay_ms: duration("fixed-delay", "delay"),
        },
        Some("failure-rate") => RestartStrategy::FailureRate {
            max_failures_per_interval: number("failure-rate", "max-failures-per-interval").unwrap_or_default(),
            failure_rate_interval_ms: duration("failure-rate", "failure-rate-interval"),
            delay_ms: duration("failure-rate", "delay"),
        },
        _ => RestartStrategy::ExponentialDelay {
            initial_backoff_ms: duration("exponential-delay", "initial-backoff"),
            max_backoff_ms: duration("exponential-delay", "max-backoff"),
            backoff_multiplier: factor("backoff-multiplier"),
            reset_backoff_threshold_ms: duration("exponential-delay", "reset-backoff-threshold"),
            jitter_factor: factor("jitter-factor"),
            attempts_before_reset_backoff: number("exponential-delay", "attempts-before-reset-backoff"),
        },
    }
}

/// All tables and views, for those who look at a checkpoint. Credentials are left out.
fn definitions(catalog: &Catalog) -> String {
    let text = |relation: &Relation| match relation {
        Relation::Table(table) => without_secrets(table),
        Relation::View(view) => view.ddl.clone(),
    };
    catalog.relations().map(|(_, relation)| text(relation) + ";\n").collect()
}

fn without_secrets(table: &Table) -> String {
    const SECRET: [&str; 5] = ["secret", "password", "token", "access-key", "account-key"];
    let secrets =
        table.spec.options.iter().filter(|(key, _)| SECRET.iter().any(|part| key.to_lowercase().contains(part)));
    secrets
        .fold(table.ddl.clone(), |ddl, (_, value)| ddl.replace(&format!("'{}'", value.replace('\'', "''")), "'******'"))
}
