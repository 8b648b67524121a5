//! A catalog for tests: bounded and unbounded tables of ticks, and whatever a test's own script defines.
#![allow(clippy::unwrap_used, reason = "a test")]

use dipper_types::{Error, Result};

use crate::ast::{ExplainFormat, Statement};
use crate::catalog::{Catalog, Settings};
use crate::{Planner, parse_script};

const TABLES: &str = "
    CREATE TABLE ticks (symbol STRING, ts TIMESTAMP(3), price DOUBLE, volume INT, note STRING,
        WATERMARK FOR ts AS ts - INTERVAL '2' SECOND) WITH ('connector' = 'filesystem', 'path' = 'ticks.csv');
    CREATE TABLE feed (symbol STRING, ts TIMESTAMP(3), price DOUBLE, arrived TIMESTAMP(3),
        WATERMARK FOR ts AS ts - INTERVAL '2' SECOND) WITH ('connector' = 'datagen');
    CREATE TABLE plain (k INT, v BIGINT) WITH ('connector' = 'filesystem', 'path' = 'plain.csv');
    CREATE TABLE sink (symbol STRING, n BIGINT NOT NULL, at_time TIMESTAMP(3)) WITH ('connector' = 'print');
";

/// A session without connectors: tables by the 'datagen' connector are unbounded.
pub(crate) struct TestSession {
    pub(crate) catalog: Catalog,
    pub(crate) settings: Settings,
}

impl TestSession {
    /// With the tables `ticks` (bounded), `feed` (unbounded), `plain` and `sink`.
    pub(crate) fn new() -> Self {
        let mut session = Self::empty();
        session.run(TABLES).unwrap();
        session
    }

    /// Without tables.
    pub(crate) fn empty() -> Self {
        Self { catalog: Catalog::new(), settings: Settings::new() }
    }

    pub(crate) fn planner(&self) -> Planner<'_> {
        Planner::new(&self.catalog, &self.settings)
    }

    /// Executes definitions and settings; plans queries and inserts as the session would, and returns the last text.
    pub(crate) fn run(&mut self, sql: &str) -> Result<String> {
        let mut text = String::new();
        for parsed in parse_script(sql)? {
            match &parsed.statement {
                Statement::CreateTable(create) => {
                    let mut table = self.catalog.define_table(create, &parsed.text)?;
                    table.unbounded =
                        table.spec.options.get("connector").is_some_and(|connector| connector == "datagen");
                    self.catalog.add_table(create, table)?;
                }
                Statement::CreateView(create) => {
                    self.planner().view(create)?;
                    self.catalog.add_view(create, &parsed.text)?;
                }
                Statement::Drop(drop) => {
                    self.catalog.drop_relation(drop)?;
                }
                Statement::Set { key, value, .. } => self.settings.set(key, value)?,
                Statement::Explain { format, statement } => text = self.planner().explain(statement, *format)?,
                statement @ (Statement::Query(_) | Statement::Insert(_) | Statement::StatementSet(_)) => {
                    text = self.planner().explain(statement, ExplainFormat::Text)?;
                }
                _ => return Err(Error::internal("not a statement for tests")),
            }
        }
        Ok(text)
    }

    /// The bound plan of a query.
    pub(crate) fn logical(&self, sql: &str) -> datafusion::logical_expr::LogicalPlan {
        let parsed = parse_script(sql).unwrap();
        let Statement::Query(query) = &parsed[0].statement else { panic!("not a query") };
        self.planner().logical(query).unwrap()
    }
}

/// `line:column message (hint)`.
pub(crate) fn shown(error: &Error) -> String {
    let place =
        error.span().map_or_else(|| "-".to_owned(), |span| format!("{}:{}", span.start.line, span.start.column));
    let hint = error.hint().map_or_else(String::new, |hint| format!(" ({hint})"));
    format!("{place} {error}{hint}")
}
