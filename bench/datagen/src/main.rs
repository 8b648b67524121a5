//! `dipper-datagen`: seeded event data as CSV, for `sql-examples/`, tests and benchmarks.
//!
//! The same command writes the same bytes on every machine.

use std::fs::{self, File};
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use clap::{Args, Parser, Subcommand};
use dipper_datagen::{DISORDER_MS, Kind, Size, write_events};

/// Writes seeded event data as CSV.
#[derive(Debug, Parser)]
#[command(name = "dipper-datagen", version)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Price ticks of symbols, Zipf-distributed: symbol,ts,price,volume.
    Ticks(Events),
    /// Card transactions with planted bursts: account,ts,amount,merchant.
    Transactions(Events),
    /// Shopping carts, some abandoned: `user_id,ts,event,item,amount`.
    Cart(Events),
    /// CPU usage of hosts, with planted highs: host,ts,usage.
    Cpu(Events),
    /// Browsing, often without buying: `user_id,ts,event,item`.
    Browse(Events),
    /// Heartbeats of devices, with planted silences: device,ts,temperature.
    Heartbeats(Events),
    /// Page clicks in sessions: `user_id,ts,page`.
    Clicks(Events),
    /// Orders from placing to refund: `order_id,ts,event,amount`.
    Orders(Events),
    /// Writes the small data sets that are committed, one file for each kind.
    Examples {
        /// The directory to write into.
        #[arg(long, default_value = "sql-examples/data")]
        out: PathBuf,
    },
    /// Writes all data sets in a large size, one file for each kind.
    Large {
        /// Rows in each file.
        #[arg(long, default_value_t = 1_000_000)]
        rows: u64,
        /// The seed.
        #[arg(long, default_value_t = 1)]
        seed: u64,
        /// The directory to write into.
        #[arg(long, default_value = "data")]
        out: PathBuf,
    },
}

#[derive(Debug, Args)]
struct Events {
    /// How many rows to write.
    #[arg(long, default_value_t = 1_000_000)]
    rows: u64,
    /// The seed.
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// How many symbols, accounts, users, hosts or devices there are; the kind's own number if not given.
    #[arg(long, visible_alias = "symbols", value_parser = clap::value_parser!(u32).range(1..=10_000_000))]
    keys: Option<u32>,
    /// How far at most an event may stand behind a later one, in milliseconds.
    #[arg(long, default_value_t = DISORDER_MS, value_parser = clap::value_parser!(i64).range(0..))]
    disorder_ms: i64,
    /// The file to write; `-` is standard output.
    #[arg(long)]
    out: PathBuf,
}

fn main() -> Result<()> {
    match Cli::parse().command {
        Command::Ticks(events) => one(Kind::Ticks, &events),
        Command::Transactions(events) => one(Kind::Transactions, &events),
        Command::Cart(events) => one(Kind::Cart, &events),
        Command::Cpu(events) => one(Kind::Cpu, &events),
        Command::Browse(events) => one(Kind::Browse, &events),
        Command::Heartbeats(events) => one(Kind::Heartbeats, &events),
        Command::Clicks(events) => one(Kind::Clicks, &events),
        Command::Orders(events) => one(Kind::Orders, &events),
        Command::Examples { out } => all(&out, |kind| {
            let (keys, rows) = kind.example_size();
            Events { rows, seed: 7, keys: Some(keys), disorder_ms: DISORDER_MS, out: out.join(kind.file_name()) }
        }),
        Command::Large { rows, seed, out } => all(&out, |kind| Events {
            rows,
            seed,
            keys: None,
            disorder_ms: DISORDER_MS,
            out: out.join(kind.file_name()),
        }),
    }
}

fn all(directory: &Path, events: impl Fn(Kind) -> Events) -> Result<()> {
    fs::create_dir_all(directory).with_context(|| format!("cannot create '{}'", directory.display()))?;
    Kind::ALL.into_iter().try_for_each(|kind| one(kind, &events(kind)))
}

fn one(kind: Kind, events: &Events) -> Result<()> {
    let out: Box<dyn Write> = if events.out == Path::new("-") {
        Box::new(io::stdout().lock())
    } else {
        let file = File::create(&events.out).with_context(|| format!("cannot write '{}'", events.out.display()))?;
        Box::new(file)
    };
    let mut out = BufWriter::with_capacity(1 << 20, out);
    let size = Size { keys: events.keys };
    write_events(kind, size, events.rows, events.seed, events.disorder_ms, &mut out)
        .and_then(|()| out.flush())
        .with_context(|| format!("cannot write '{}'", events.out.display()))
}
