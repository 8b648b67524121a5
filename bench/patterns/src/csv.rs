//! The whole way: a script reads a CSV file, looks for matches and writes them to nowhere, at parallelism 1. The same file is
//! read without the query in turn, because that is what the query's time is to be compared with.

use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::Path;

use anyhow::{Context, Result, bail};
use dipper_datagen::{DISORDER_MS, Kind, Size, write_events};
use dipper_session::{Outcome, Progress, Session, SessionConfig};

use crate::clock::Stopwatch;
use crate::measurement::Pass;
use crate::query::{Query, Work};

/// Where the scripts look for their data when they are run by hand.
const DATA: &str = "'data/";

/// A script and what it reads.
#[derive(Debug, Clone, Copy)]
pub(crate) struct CsvQuery {
    kind: Kind,
    script: &'static str,
    pass_through: &'static str,
}

macro_rules! script {
    ($name:literal) => {
        include_str!(concat!("../../sql/", $name, ".sql"))
    };
}

const TICKS: &str = script!("pass_through");
const TRANSACTIONS: &str = script!("pass_through_transactions");
const CART: &str = script!("pass_through_cart");

const fn query(name: &'static str, kind: Kind, script: &'static str, pass_through: &'static str) -> Query {
    Query { name, rows: 1_000_000, work: Work::Csv(CsvQuery { kind, script, pass_through }) }
}

pub(crate) const QUERIES: &[Query] = &[
    query("csv/v-shape", Kind::Ticks, script!("v_shape"), TICKS),
    query("csv/three-large", Kind::Transactions, script!("three_large"), TRANSACTIONS),
    query("csv/small-then-large", Kind::Transactions, script!("small_then_large"), TRANSACTIONS),
    query("csv/abandoned-cart", Kind::Cart, script!("abandoned_cart"), CART),
    query("csv/average", Kind::Ticks, script!("average"), TICKS),
    query("csv/sum", Kind::Ticks, script!("sum"), TICKS),
];

/// Executes the reading and the query once each.
pub(crate) fn pass(query: &CsvQuery, rows: u64) -> Result<Pass> {
    let directory = tempfile::tempdir().context("cannot create a directory for the data")?;
    let path = directory.path().join(query.kind.file_name());
    let mut file = BufWriter::new(File::create(&path).with_context(|| format!("cannot write '{}'", path.display()))?);
    write_events(query.kind, Size { keys: None }, rows, 1, DISORDER_MS, &mut file)?;
    file.flush()?;
    drop(file);
    let (read_seconds, _) = run(query.pass_through, directory.path())?;
    let (seconds, progress) = run(query.script, directory.path())?;
    Ok(Pass {
        seconds,
        rows: progress.rows_in,
        matches: progress.matches,
        rows_out: progress.rows_out,
        bytes_per_key: None,
        pass_through_seconds: Some(read_seconds),
    })
}

/// Runs a script that ends with its only INSERT, whose time is told.
fn run(script: &str, data: &Path) -> Result<(f64, Progress)> {
    let script = script.replace(DATA, &format!("'{}/", data.display()));
    let settings = vec![("parallelism.default".to_owned(), "1".to_owned())];
    let mut session = Session::new(SessionConfig { settings, fixed: true, ..SessionConfig::default() })?;
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    let mut watch = Stopwatch::default();
    for parsed in session.parse(&script)? {
        let ended = watch.time(|| {
            runtime.block_on(async {
                match session.execute(&parsed).await? {
                    Outcome::Job(job) => job.wait().await.map(Some),
                    _ => Ok(None),
                }
            })
        })?;
        if let Some(progress) = ended {
            return Ok((watch.seconds(), progress));
        }
    }
    bail!("the script inserts nothing")
}
