//! `dipper-bench-patterns`: how fast row pattern queries are, at three levels: the matcher, the operator, a whole run from CSV.
//!
//! It makes its data itself, from a seed, while the clock stands still. `bench/README.md` says what each query shows.

mod child;
mod clock;
mod csv;
mod layout;
mod matcher;
mod measurement;
mod memory;
mod operator;
mod query;
mod report;

use std::io::{Write, stderr, stdout};

use anyhow::{Context, Result, ensure};
use clap::{Parser, ValueEnum};
use dipper_allocator::{Allocator, keep_free_memory};

use query::Query;

/// As in `dipper`.
#[global_allocator]
static ALLOCATOR: Allocator = Allocator;

/// Measures row pattern queries.
#[derive(Debug, Parser)]
#[command(name = "dipper-bench-patterns", version)]
struct Cli {
    /// Only queries whose names contain one of these.
    filter: Vec<String>,
    /// How often each query is executed.
    #[arg(long, default_value_t = 5)]
    runs: usize,
    /// Multiplies the numbers of rows.
    #[arg(long, default_value_t = 1.0, value_parser = positive)]
    scale: f64,
    /// How the result is written.
    #[arg(long, value_enum, default_value = "table")]
    output: Format,
    /// Lists the queries instead of running them.
    #[arg(long)]
    list: bool,
    /// Measures this query in this process.
    #[arg(long, hide = true)]
    measure: Option<String>,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum Format {
    /// A Markdown table.
    Table,
    /// A JSON array.
    Json,
}

fn positive(text: &str) -> Result<f64> {
    let number: f64 = text.parse()?;
    ensure!(number > 0.0 && number.is_finite(), "'{text}' is not a positive number");
    Ok(number)
}

fn main() -> Result<()> {
    keep_free_memory();
    let cli = Cli::parse();
    if let Some(name) = &cli.measure {
        let query = query::named(name).with_context(|| format!("there is no query '{name}'"))?;
        let measured = query.measure(cli.runs, cli.scale)?;
        serde_json::to_writer(stdout().lock(), &measured)?;
        return Ok(());
    }
    let chosen: Vec<Query> = query::all().filter(|query| is_chosen(query, &cli.filter)).collect();
    ensure!(!chosen.is_empty(), "no query is named so: --list shows the names");
    if cli.list {
        return chosen.iter().try_for_each(|query| Ok(writeln!(stdout(), "{}", query.name)?));
    }
    let (mut measured, mut failed) = (Vec::new(), 0);
    for (index, query) in chosen.iter().enumerate() {
        writeln!(stderr(), "{}/{} {}", index + 1, chosen.len(), query.name)?;
        match child::measure(query.name, cli.runs, cli.scale) {
            Ok(measurement) => measured.push(measurement),
            Err(error) => {
                failed += 1;
                writeln!(stderr(), "  failed: {error:#}")?;
            }
        }
    }
    let text = match cli.output {
        Format::Table => report::table(&measured),
        Format::Json => serde_json::to_string_pretty(&measured)?,
    };
    writeln!(stdout(), "{text}")?;
    ensure!(failed == 0, "{failed} of {} queries failed", chosen.len());
    Ok(())
}

fn is_chosen(query: &Query, filter: &[String]) -> bool {
    filter.is_empty() || filter.iter().any(|part| query.name.contains(part.as_str()))
}
