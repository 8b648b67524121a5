//! From the text of a clause to what the operator is made of, as a session would do it.

use anyhow::{Context, Result, bail};
use dipper_graph::{MatchRecognizeSpec, OperatorSpec};
use dipper_sql::ast::Statement;
use dipper_sql::catalog::{Catalog, Settings};
use dipper_sql::{Planner, parse_script};

use super::OperatorQuery;

/// The table that the clauses read: a key, the time, a number of 0 to 99, and the time as a number of milliseconds.
const TABLE: &str = "
CREATE TABLE events (k BIGINT, ts TIMESTAMP(3), v BIGINT, ms BIGINT, WATERMARK FOR ts AS ts)
    WITH ('connector' = 'filesystem', 'path' = 'nowhere')";

/// Binds and plans the clause of a query.
pub(super) fn clause(query: &OperatorQuery) -> Result<MatchRecognizeSpec> {
    let partition_by = if query.data.is_partitioned() { "PARTITION BY k" } else { "" };
    let script =
        format!("{TABLE};\nSELECT * FROM events MATCH_RECOGNIZE ({partition_by} ORDER BY ts {})", query.clause);
    let (mut catalog, settings) = (Catalog::new(), Settings::new());
    for parsed in parse_script(&script)? {
        match &parsed.statement {
            Statement::CreateTable(create) => {
                let table = catalog.define_table(create, &parsed.text)?;
                catalog.add_table(create, table)?;
            }
            Statement::Query(select) => {
                let planner = Planner::new(&catalog, &settings);
                let graph = planner.collect(select, &planner.logical(select)?, "bench")?;
                let clause = graph.nodes.into_iter().find_map(|node| match node.spec {
                    OperatorSpec::MatchRecognize(spec) => Some(*spec),
                    _ => None,
                });
                return clause.context("the plan has no MATCH_RECOGNIZE");
            }
            _ => {}
        }
    }
    bail!("the script has no query")
}
