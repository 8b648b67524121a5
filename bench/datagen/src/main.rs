//! `dipper-datagen`: seeded event data as CSV, for `sql-examples/`, tests and benchmarks.
//!
//! The same command writes the same bytes on every machine: nothing here reads a clock or computes with floats.

mod scenario;
#[cfg(test)]
mod tests;
mod timeline;
mod timestamp;
mod zipf;

use std::fs::{self, File};
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use clap::{Args, Parser, Subcommand, ValueEnum};

use scenario::{Scenario, Size};
use timeline::write_events;

/// How far events stand behind later ones: less than two seconds, because under a watermark of two seconds a row that is
/// exactly two seconds behind the latest is late.
const DISORDER_MS: i64 = 1_999;

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

/// The kinds of events.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Kind {
    Ticks,
    Transactions,
    Cart,
    Cpu,
    Browse,
    Heartbeats,
    Clicks,
    Orders,
}

impl Kind {
    const ALL: [Self; 8] = [
        Self::Ticks,
        Self::Transactions,
        Self::Cart,
        Self::Cpu,
        Self::Browse,
        Self::Heartbeats,
        Self::Clicks,
        Self::Orders,
    ];

    fn file_name(self) -> &'static str {
        match self {
            Self::Ticks => "ticks.csv",
            Self::Transactions => "transactions.csv",
            Self::Cart => "cart.csv",
            Self::Cpu => "cpu.csv",
            Self::Browse => "browse.csv",
            Self::Heartbeats => "heartbeats.csv",
            Self::Clicks => "clicks.csv",
            Self::Orders => "orders.csv",
        }
    }

    /// Keys and rows of the committed data set.
    fn example_size(self) -> (u32, u64) {
        match self {
            Self::Ticks => (5, 800),
            Self::Transactions => (20, 600),
            Self::Cart => (25, 500),
            Self::Cpu => (5, 1200),
            Self::Browse => (15, 600),
            Self::Heartbeats => (8, 800),
            Self::Clicks => (12, 600),
            Self::Orders => (u32::MAX, 300),
        }
    }

    fn scenario(self, size: Size) -> Box<dyn Scenario> {
        match self {
            Self::Ticks => Box::new(scenario::ticks::Ticks::new(size)),
            Self::Transactions => Box::new(scenario::transactions::Transactions::new(size)),
            Self::Cart => Box::new(scenario::cart::Cart::new(size)),
            Self::Cpu => Box::new(scenario::cpu::Cpu::new(size)),
            Self::Browse => Box::new(scenario::browse::Browse::new(size)),
            Self::Heartbeats => Box::new(scenario::heartbeats::Heartbeats::new(size)),
            Self::Clicks => Box::new(scenario::clicks::Clicks::new(size)),
            Self::Orders => Box::new(scenario::orders::Orders::new(size)),
        }
    }
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
    write_events(kind.scenario(size).as_mut(), events.rows, events.seed, events.disorder_ms, &mut out)
        .and_then(|()| out.flush())
        .with_context(|| format!("cannot write '{}'", events.out.display()))
}
