//! The settings that there are.

/// A setting.
#[derive(Debug, Clone, Copy)]
pub struct Setting {
    /// Its key; Flink's where Flink has one.
    pub key: &'static str,
    /// Its value when nobody has set it; empty for none.
    pub default: &'static str,
    /// What it does.
    pub description: &'static str,
    pub(super) kind: Kind,
}

#[derive(Debug, Clone, Copy)]
pub(super) enum Kind {
    Number {
        min: usize,
        max: usize,
    },
    /// Any number that is at least this; or none.
    Factor {
        min: f64,
    },
    /// As `1 min`; or none.
    Duration,
    /// As `64 mb`; or none.
    Size,
    Choice(&'static [&'static str]),
    Text,
}

pub(super) const PARALLELISM: &str = "parallelism.default";
pub(super) const MAX_PARALLELISM: &str = "pipeline.max-parallelism";
pub(super) const NAME: &str = "pipeline.name";
pub(super) const MODE: &str = "execution.runtime-mode";
pub(super) const BATCH_SIZE: &str = "execution.batch-size";
/// How long a query may take.
pub const QUERY_TIMEOUT: &str = "query.timeout";
/// How much memory a query may use.
pub const QUERY_MEMORY: &str = "query.memory-limit";
pub(super) const SKIP_ERROR: &str = "match.skip-error";

pub(super) const SETTINGS: &[Setting] = &[
    Setting {
        key: BATCH_SIZE,
        default: "32768",
        description: "the most rows in a batch that a source makes",
        kind: Kind::Number { min: 1, max: 1 << 20 },
    },
    Setting {
        key: MODE,
        default: "automatic",
        description: "streaming and batch choose the host; automatic runs SELECT over bounded tables as a batch",
        kind: Kind::Choice(&["automatic", "streaming", "batch"]),
    },
    Setting {
        key: SKIP_ERROR,
        default: "automatic",
        description: "what AFTER MATCH SKIP TO does when it has no row to go to: fail, next-row, or automatic: fail on bounded input",
        kind: Kind::Choice(&["automatic", "fail", "next-row"]),
    },
    Setting {
        key: PARALLELISM,
        default: "1",
        description: "how many subtasks an operator has",
        kind: Kind::Number { min: 1, max: 1024 },
    },
    Setting {
        key: MAX_PARALLELISM,
        default: "128",
        description: "key groups of a job: the most subtasks it can ever be rescaled to",
        kind: Kind::Number { min: 1, max: 32768 },
    },
    Setting {
        key: "execution.checkpointing.interval",
        default: "",
        description: "from one checkpoint to the next; without it, and with a directory for checkpoints, 10 s; '0' takes only the last one",
        kind: Kind::Duration,
    },
    Setting {
        key: "execution.checkpointing.timeout",
        default: "10 min",
        description: "how long a checkpoint may take before it is given up",
        kind: Kind::Duration,
    },
    Setting {
        key: "execution.checkpointing.min-pause",
        default: "0 ms",
        description: "from the end of a checkpoint to the beginning of the next",
        kind: Kind::Duration,
    },
    Setting {
        key: "execution.checkpointing.tolerable-failed-checkpoints",
        default: "0",
        description: "how many checkpoints in a row may fail before the job is restarted",
        kind: Kind::Number { min: 0, max: 1 << 20 },
    },
    Setting {
        key: "state.checkpoints.dir",
        default: "",
        description: "the directory or URL of checkpoints; with it a job goes on from its last checkpoint when it is started again",
        kind: Kind::Text,
    },
    Setting {
        key: "state.checkpoints.num-retained",
        default: "1",
        description: "how many checkpoints are kept",
        kind: Kind::Number { min: 1, max: 1 << 20 },
    },
    Setting {
        key: "table.warehouse",
        default: "warehouse",
        description: "the directory or URL of the tables that have no connector, and of their catalog",
        kind: Kind::Text,
    },
    Setting {
        key: QUERY_TIMEOUT,
        default: "",
        description: "how long a query that a client asks may take; without it, any time",
        kind: Kind::Duration,
    },
    Setting {
        key: QUERY_MEMORY,
        default: "",
        description: "how much memory a batch may use to sort, group and join before it spills or fails; without it, any amount",
        kind: Kind::Size,
    },
    Setting {
        key: "restart-strategy.type",
        default: "exponential-delay",
        description: "when a job with checkpoints that has failed is restarted",
        kind: Kind::Choice(&["none", "fixed-delay", "exponential-delay", "failure-rate"]),
    },
    Setting {
        key: "restart-strategy.fixed-delay.attempts",
        default: "1",
        description: "how many restarts in all",
        kind: Kind::Number { min: 0, max: 1 << 30 },
    },
    Setting {
        key: "restart-strategy.fixed-delay.delay",
        default: "1 s",
        description: "from a failure to the restart",
        kind: Kind::Duration,
    },
    Setting {
        key: "restart-strategy.exponential-delay.initial-backoff",
        default: "1 s",
        description: "from the first failure to the restart",
        kind: Kind::Duration,
    },
    Setting {
        key: "restart-strategy.exponential-delay.max-backoff",
        default: "1 min",
        description: "the longest time from a failure to the restart",
        kind: Kind::Duration,
    },
    Setting {
        key: "restart-strategy.exponential-delay.backoff-multiplier",
        default: "1.5",
        description: "how much longer each time",
        kind: Kind::Factor { min: 1.0 },
    },
    Setting {
        key: "restart-strategy.exponential-delay.reset-backoff-threshold",
        default: "1 h",
        description: "how long a job must run well to begin anew with the first delay",
        kind: Kind::Duration,
    },
    Setting {
        key: "restart-strategy.exponential-delay.jitter-factor",
        default: "0.1",
        description: "how much of the delay is left to chance",
        kind: Kind::Factor { min: 0.0 },
    },
    Setting {
        key: "restart-strategy.exponential-delay.attempts-before-reset-backoff",
        default: "",
        description: "how many restarts in a row; without it, any number",
        kind: Kind::Number { min: 0, max: 1 << 30 },
    },
    Setting {
        key: "restart-strategy.failure-rate.max-failures-per-interval",
        default: "1",
        description: "how many restarts within an interval",
        kind: Kind::Number { min: 0, max: 1 << 30 },
    },
    Setting {
        key: "restart-strategy.failure-rate.failure-rate-interval",
        default: "1 min",
        description: "the interval",
        kind: Kind::Duration,
    },
    Setting {
        key: "restart-strategy.failure-rate.delay",
        default: "1 s",
        description: "from a failure to the restart",
        kind: Kind::Duration,
    },
    Setting { key: NAME, default: "", description: "the job's name", kind: Kind::Text },
];

/// Other names of Flink's for the same.
pub(super) const ALIASES: &[(&str, &str)] = &[
    ("execution.checkpointing.dir", "state.checkpoints.dir"),
    ("execution.checkpointing.num-retained", "state.checkpoints.num-retained"),
    ("restart-strategy", "restart-strategy.type"),
];

/// Flink's settings whose effect is not there yet.
pub(super) const NOT_YET: &[&str] = &[
    "execution.checkpointing.",
    "restart-strategy.",
    "state.",
    "table.",
    "taskmanager.",
    "jobmanager.",
    "sql-client.",
];
