//! What the server can do, as drivers ask for it. Every question of the protocol has an answer: JDBC drivers fall over those that have none.

use std::collections::{BTreeMap, HashSet};
use std::sync::Arc;

use arrow::array::{AsArray, BooleanArray};
use arrow::compute::filter_record_batch;
use arrow::datatypes::{SchemaRef, UInt32Type};
use arrow::record_batch::RecordBatch;
use arrow_flight::sql::metadata::SqlInfoDataBuilder;
use arrow_flight::sql::{
    CommandGetSqlInfo, SqlInfo, SqlNullOrdering, SqlOuterJoinsSupportLevel, SqlSupportedCaseSensitivity,
    SqlSupportedGroupBy, SqlSupportedResultSetConcurrency, SqlSupportedResultSetType, SqlSupportedSubqueries,
    SqlSupportedTransaction, SqlSupportedUnions, SqlTransactionIsolationLevel, SupportedSqlGrammar,
};

use crate::status::{Result, of_arrow, of_flight};

/// What there is.
const YES: [SqlInfo; 13] = [
    SqlInfo::FlightSqlServerSql,
    SqlInfo::FlightSqlServerCancel,
    SqlInfo::SqlDdlTable,
    SqlInfo::SqlSupportsColumnAliasing,
    SqlInfo::SqlNullPlusNullIsNull,
    SqlInfo::SqlSupportsTableCorrelationNames,
    SqlInfo::SqlSupportsExpressionsInOrderBy,
    SqlInfo::SqlSupportsOrderByUnrelated,
    SqlInfo::SqlSupportsLikeEscapeClause,
    SqlInfo::SqlSupportsNonNullableColumns,
    SqlInfo::SqlCatalogAtStart,
    SqlInfo::SqlCorrelatedSubqueriesSupported,
    SqlInfo::SqlBatchUpdatesSupported,
];

/// What there is not. Of the tables, those that are only written to, such as `print`, cannot be selected from.
const NO: [SqlInfo; 19] = [
    SqlInfo::FlightSqlServerReadOnly,
    SqlInfo::FlightSqlServerSubstrait,
    SqlInfo::FlightSqlServerBulkIngestion,
    SqlInfo::FlightSqlServerIngestTransactionsSupported,
    SqlInfo::SqlDdlCatalog,
    SqlInfo::SqlDdlSchema,
    SqlInfo::SqlAllTablesAreSelectable,
    SqlInfo::SqlSupportsDifferentTableCorrelationNames,
    SqlInfo::SqlSupportsIntegrityEnhancementFacility,
    SqlInfo::SqlSelectForUpdateSupported,
    SqlInfo::SqlStoredProceduresSupported,
    SqlInfo::SqlMaxRowSizeIncludesBlobs,
    SqlInfo::SqlTransactionsSupported,
    SqlInfo::SqlDataDefinitionCausesTransactionCommit,
    SqlInfo::SqlDataDefinitionsInTransactionsIgnored,
    SqlInfo::SqlSavepointsSupported,
    SqlInfo::SqlNamedParametersSupported,
    SqlInfo::SqlLocatorsUpdateCopy,
    SqlInfo::SqlStoredFunctionsUsingCallSyntaxSupported,
];

/// Limits: there is none, or it is not known.
const UNLIMITED: [SqlInfo; 21] = [
    SqlInfo::SqlMaxBinaryLiteralLength,
    SqlInfo::SqlMaxCharLiteralLength,
    SqlInfo::SqlMaxColumnNameLength,
    SqlInfo::SqlMaxColumnsInGroupBy,
    SqlInfo::SqlMaxColumnsInIndex,
    SqlInfo::SqlMaxColumnsInOrderBy,
    SqlInfo::SqlMaxColumnsInSelect,
    SqlInfo::SqlMaxColumnsInTable,
    SqlInfo::SqlMaxConnections,
    SqlInfo::SqlMaxCursorNameLength,
    SqlInfo::SqlMaxIndexLength,
    SqlInfo::SqlDbSchemaNameLength,
    SqlInfo::SqlMaxProcedureNameLength,
    SqlInfo::SqlMaxCatalogNameLength,
    SqlInfo::SqlMaxRowSize,
    SqlInfo::SqlMaxStatementLength,
    SqlInfo::SqlMaxStatements,
    SqlInfo::SqlMaxTableNameLength,
    SqlInfo::SqlMaxTablesInSelect,
    SqlInfo::SqlMaxUsernameLength,
    // The protocol says that this is an int32, and the JDBC driver takes an int64 only.
    SqlInfo::SqlDefaultTransactionIsolation,
];

/// Texts.
const TEXTS: [(SqlInfo, &str); 11] = [
    (SqlInfo::FlightSqlServerName, "Dipper"),
    (SqlInfo::FlightSqlServerVersion, env!("CARGO_PKG_VERSION")),
    (SqlInfo::FlightSqlServerArrowVersion, arrow::ARROW_VERSION),
    (SqlInfo::FlightSqlServerSubstraitMinVersion, ""),
    (SqlInfo::FlightSqlServerSubstraitMaxVersion, ""),
    (SqlInfo::SqlIdentifierQuoteChar, "\""),
    (SqlInfo::SqlSearchStringEscape, "\\"),
    (SqlInfo::SqlExtraNameCharacters, "$"),
    (SqlInfo::SqlSchemaTerm, "schema"),
    (SqlInfo::SqlProcedureTerm, ""),
    (SqlInfo::SqlCatalogTerm, "database"),
];

/// Lists that would repeat the reference.
const LISTS: [SqlInfo; 4] = [
    SqlInfo::SqlNumericFunctions,
    SqlInfo::SqlStringFunctions,
    SqlInfo::SqlSystemFunctions,
    SqlInfo::SqlDatetimeFunctions,
];

/// Words that SQL-92 does not reserve and Dipper does.
const KEYWORDS: [&str; 7] = ["DEFINE", "HOP", "MATCH_RECOGNIZE", "MEASURES", "PATTERN", "TUMBLE", "WATERMARK"];

/// The columns of the answer.
pub(crate) fn columns() -> SchemaRef {
    Arc::new(SqlInfoDataBuilder::schema().clone())
}

/// The answers to the questions asked, or to all.
pub(crate) fn rows(command: &CommandGetSqlInfo) -> Result<RecordBatch> {
    let all = answers().build().and_then(|answers| answers.record_batch([])).map_err(of_flight)?;
    if command.info.is_empty() {
        return Ok(all);
    }
    let asked: HashSet<u32> = command.info.iter().copied().collect();
    let is_asked = |name: Option<u32>| name.map(|name| asked.contains(&name));
    let wanted: BooleanArray = all.column(0).as_primitive::<UInt32Type>().iter().map(is_asked).collect();
    filter_record_batch(&all, &wanted).map_err(of_arrow)
}

fn answers() -> SqlInfoDataBuilder {
    let mut answers = SqlInfoDataBuilder::new();
    for info in YES {
        answers.append(info, true);
    }
    for info in NO {
        answers.append(info, false);
    }
    for info in UNLIMITED {
        answers.append(info, 0_i64);
    }
    for (info, text) in TEXTS {
        answers.append(info, text);
    }
    for info in LISTS {
        answers.append(info, &[] as &[&str]);
    }
    for (info, number) in numbers() {
        answers.append(info, number);
    }
    answers.append(SqlInfo::SqlKeywords, &KEYWORDS[..]);
    answers.append(SqlInfo::SqlSupportsConvert, BTreeMap::<i32, Vec<i32>>::new());
    answers
}

/// Numbers, and sets of them as bits.
fn numbers() -> Vec<(SqlInfo, i32)> {
    let bits = |numbers: &[i32]| numbers.iter().fold(0, |bits, number| bits | 1 << number);
    let read_only = bits(&[SqlSupportedResultSetConcurrency::SqlResultSetConcurrencyReadOnly as i32]);
    let grammar = [SupportedSqlGrammar::SqlMinimumGrammar as i32, SupportedSqlGrammar::SqlCoreGrammar as i32];
    let group_by =
        [SqlSupportedGroupBy::SqlGroupByUnrelated as i32, SqlSupportedGroupBy::SqlGroupByBeyondSelect as i32];
    let joins =
        [SqlOuterJoinsSupportLevel::SqlLimitedOuterJoins as i32, SqlOuterJoinsSupportLevel::SqlFullOuterJoins as i32];
    let subqueries = [
        SqlSupportedSubqueries::SqlSubqueriesInComparisons as i32,
        SqlSupportedSubqueries::SqlSubqueriesInExists as i32,
        SqlSupportedSubqueries::SqlSubqueriesInIns as i32,
    ];
    let unions = [SqlSupportedUnions::SqlUnion as i32, SqlSupportedUnions::SqlUnionAll as i32];
    vec![
        (SqlInfo::FlightSqlServerTransaction, SqlSupportedTransaction::None as i32),
        (SqlInfo::FlightSqlServerStatementTimeout, 0),
        (SqlInfo::FlightSqlServerTransactionTimeout, 0),
        (SqlInfo::SqlIdentifierCase, SqlSupportedCaseSensitivity::SqlCaseSensitivityLowercase as i32),
        (SqlInfo::SqlQuotedIdentifierCase, SqlSupportedCaseSensitivity::SqlCaseSensitivityUnknown as i32),
        (SqlInfo::SqlNullOrdering, SqlNullOrdering::SqlNullsSortedHigh as i32),
        (SqlInfo::SqlSupportedGroupBy, bits(&group_by)),
        (SqlInfo::SqlSupportedGrammar, bits(&grammar)),
        // The first level: entry.
        (SqlInfo::SqlAnsi92SupportedLevel, bits(&[0])),
        (SqlInfo::SqlOuterJoinsSupportLevel, bits(&joins)),
        (SqlInfo::SqlSchemasSupportedActions, 0),
        (SqlInfo::SqlCatalogsSupportedActions, 0),
        (SqlInfo::SqlSupportedPositionedCommands, 0),
        (SqlInfo::SqlSupportedSubqueries, bits(&subqueries)),
        (SqlInfo::SqlSupportedUnions, bits(&unions)),
        (
            SqlInfo::SqlSupportedTransactionsIsolationLevels,
            bits(&[SqlTransactionIsolationLevel::SqlTransactionNone as i32]),
        ),
        (SqlInfo::SqlSupportedResultSetTypes, bits(&[SqlSupportedResultSetType::SqlResultSetTypeForwardOnly as i32])),
        (SqlInfo::SqlSupportedConcurrenciesForResultSetUnspecified, 0),
        (SqlInfo::SqlSupportedConcurrenciesForResultSetForwardOnly, read_only),
        (SqlInfo::SqlSupportedConcurrenciesForResultSetScrollSensitive, 0),
        (SqlInfo::SqlSupportedConcurrenciesForResultSetScrollInsensitive, 0),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_question_of_the_protocol_has_an_answer() {
        let all = rows(&CommandGetSqlInfo::default()).unwrap();
        let answered: HashSet<u32> = all.column(0).as_primitive::<UInt32Type>().values().iter().copied().collect();
        let open: Vec<_> = (0..1_000)
            .filter_map(|info| SqlInfo::try_from(info).ok())
            .filter(|info| !answered.contains(&(*info as u32)))
            .collect();
        assert!(open.is_empty(), "{open:?}");
        assert_eq!(answered.len(), all.num_rows());
    }

    #[test]
    fn only_what_is_asked_is_answered() {
        let some =
            rows(&CommandGetSqlInfo { info: vec![SqlInfo::FlightSqlServerName as u32, 999_999, 999_999] }).unwrap();
        assert_eq!(some.num_rows(), 1);
        assert_eq!(some.schema(), columns());
        assert_eq!(rows(&CommandGetSqlInfo { info: vec![999_999; 100_000] }).unwrap().num_rows(), 0);
    }
}
