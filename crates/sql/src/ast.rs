//! Statements as the parser leaves them: names and expressions unresolved, every part with its place in the text.
//!
//! Expressions, types and queries are `sqlparser`'s. What it cannot express stands in a [`sqlparser::ast::Query`] as
//! calls of functions that no user can write (the parser refuses their names in the text):
//!
//! | SQL | in the tree |
//! | --- | --- |
//! | `t x MATCH_RECOGNIZE (…) AS m (c)` | table function `__match_recognize(i, (SELECT * FROM t x)) AS m (c)`, `i` an index into [`Query::clauses`] |
//! | `TABLE(TUMBLE(TABLE t, DESCRIPTOR(ts), size[, offset]))` | table function `__tumble((SELECT * FROM t), ts, size[, offset])` |
//! | `TABLE(HOP(TABLE t, DESCRIPTOR(ts), slide, size[, offset]))` | table function `__hop((SELECT * FROM t), ts, slide, size[, offset])` |
//! | `OVER (… PATTERN (…) …)`, `WINDOW w AS (… PATTERN (…) …)` | `OVER (PARTITION BY __row_pattern_window(i))`, `i` an index into [`Query::windows`] |
//! | `m OVER w`, a measure of such a window | `__measure(m) OVER w` |
//! | `RUNNING LAST(A.x)`, `FINAL A.x` | function `__running(LAST(A.x))`, `__final(A.x)` |
//! | a number of more digits than a `DOUBLE` or a `BIGINT` keeps | function `__number('digits')` |
//!
//! The table functions' names and parentheses carry the place of the words they stand for. What the statements mean is
//! the binder's business.

use std::ops::Range;
use std::sync::Arc;

use dipper_types::{Error, Position, Span};
use sqlparser::ast::{DataType, Expr, Ident, ObjectName, OrderByExpr};

/// The table function that stands for a `MATCH_RECOGNIZE` clause.
pub const MATCH_RECOGNIZE: &str = "__match_recognize";
/// The table function that stands for `TUMBLE`.
pub const TUMBLE: &str = "__tumble";
/// The table function that stands for `HOP`.
pub const HOP: &str = "__hop";
/// The function that stands for a window with a row pattern, in its PARTITION BY. The binder makes a table function of it, and columns
/// whose names begin with it.
pub const ROW_PATTERN_WINDOW: &str = "__row_pattern_window";
/// The function that stands for a measure of a window with a row pattern.
pub const MEASURE: &str = "__measure";
/// The function that stands for the prefix `RUNNING`.
pub const RUNNING: &str = "__running";
/// The function that stands for the prefix `FINAL`.
pub const FINAL: &str = "__final";

/// The function that stands for a number of more digits than its type keeps, of the text.
pub const NUMBER: &str = "__number";

/// The function that stands for `AT TIME ZONE`: of a time and the name of a zone.
pub const AT_TIME_ZONE: &str = "__at_time_zone";

/// The digits that a DECIMAL has at most.
pub(crate) const DIGITS_MAX: u8 = 38;

/// How many columns a query may have, as in Postgres: planning takes time that grows with their square.
pub(crate) const COLUMNS_MAX: usize = 1664;

/// A query has more of them.
pub(crate) fn too_many_columns() -> Error {
    Error::invalid(format!("target lists can have at most {COLUMNS_MAX} entries"))
}

/// One statement of a script, with its text.
#[derive(Debug, Clone)]
pub struct Parsed {
    /// What it says.
    pub statement: Statement,
    /// Its own text, without the semicolon and what surrounds it.
    pub text: String,
    /// Where it stands in the script.
    pub span: Span,
}

impl Parsed {
    /// Whether it starts a job that writes.
    pub fn starts_job(&self) -> bool {
        matches!(self.statement, Statement::Insert(_) | Statement::StatementSet(_))
    }

    /// What it is called, as in Postgres's command tags: `CREATE TABLE`.
    pub fn command(&self) -> &'static str {
        match &self.statement {
            Statement::CreateTable(_) => "CREATE TABLE",
            Statement::CreateView(_) => "CREATE VIEW",
            Statement::Drop(Drop { kind: RelationKind::Table, .. }) => "DROP TABLE",
            Statement::Drop(_) => "DROP VIEW",
            Statement::AddColumns(_) => "ALTER TABLE",
            Statement::Truncate(_) => "TRUNCATE TABLE",
            Statement::Insert(_) => "INSERT",
            Statement::Query(_) => "SELECT",
            Statement::StatementSet(_) => "EXECUTE",
            Statement::Explain { .. } => "EXPLAIN",
            Statement::Describe(_) => "DESCRIBE",
            Statement::ShowTables
            | Statement::ShowViews
            | Statement::ShowFunctions
            | Statement::ShowJobs
            | Statement::ShowCreate(..)
            | Statement::ShowSettings => "SHOW",
            Statement::StopJob { .. } => "STOP JOB",
            Statement::Set { .. } => "SET",
            Statement::Reset(_) => "RESET",
        }
    }
}

/// A statement.
#[derive(Debug, Clone)]
pub enum Statement {
    /// `CREATE TABLE`.
    CreateTable(Box<CreateTable>),
    /// `CREATE VIEW`.
    CreateView(Box<CreateView>),
    /// `DROP TABLE` or `DROP VIEW`.
    Drop(Drop),
    /// `ALTER TABLE name ADD …`.
    AddColumns(AddColumns),
    /// `TRUNCATE TABLE name`.
    Truncate(ObjectName),
    /// `INSERT INTO`.
    Insert(Arc<Insert>),
    /// A query on its own.
    Query(Arc<Query>),
    /// `EXECUTE STATEMENT SET BEGIN … END`: inserts that run as one job.
    StatementSet(Arc<[Insert]>),
    /// `EXPLAIN`.
    Explain {
        /// How the plan is written.
        format: ExplainFormat,
        /// A query, an insert or a statement set.
        statement: Box<Statement>,
    },
    /// `DESCRIBE name`.
    Describe(ObjectName),
    /// `SHOW TABLES`.
    ShowTables,
    /// `SHOW VIEWS`.
    ShowViews,
    /// `SHOW FUNCTIONS`.
    ShowFunctions,
    /// `SHOW JOBS`.
    ShowJobs,
    /// `STOP JOB 'id'`.
    StopJob {
        /// The job's id.
        id: String,
        /// Where the id stands.
        span: Span,
    },
    /// `SHOW CREATE TABLE name` or `SHOW CREATE VIEW name`.
    ShowCreate(RelationKind, ObjectName),
    /// `SET 'key' = 'value'`.
    Set {
        /// The option's name.
        key: String,
        /// Where the name stands.
        key_span: Span,
        /// The option's value.
        value: String,
        /// Where the value stands.
        value_span: Span,
    },
    /// `SET`: lists the settings.
    ShowSettings,
    /// `RESET` or `RESET 'key'`.
    Reset(Option<(String, Span)>),
}

impl Statement {
    /// The inserts that it runs as one job.
    pub fn inserts(&self) -> &[Insert] {
        match self {
            Self::Insert(insert) => std::slice::from_ref(insert),
            Self::StatementSet(inserts) => inserts,
            _ => &[],
        }
    }
}

/// What a name in the catalog stands for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RelationKind {
    /// A table.
    Table,
    /// A view.
    View,
}

/// How `EXPLAIN` writes a plan.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ExplainFormat {
    /// For people.
    Text,
    /// For programs.
    Json,
    /// For Graphviz.
    Dot,
}

/// `DROP {TABLE | VIEW} [IF EXISTS] name`.
#[derive(Debug, Clone)]
pub struct Drop {
    /// Table or view.
    pub kind: RelationKind,
    /// Whether a missing name is no error.
    pub if_exists: bool,
    /// The name.
    pub name: ObjectName,
}

/// `INSERT INTO table [(columns)] query`.
#[derive(Debug, Clone)]
pub struct Insert {
    /// The sink.
    pub table: ObjectName,
    /// The columns named; empty for all, in the table's order.
    pub columns: Vec<Ident>,
    /// What is inserted.
    pub source: Query,
    /// The whole statement.
    pub span: Span,
}

/// `ALTER TABLE name ADD {[COLUMN] column type | (column type, …)}`.
#[derive(Debug, Clone)]
pub struct AddColumns {
    /// The table.
    pub table: ObjectName,
    /// The definitions of the columns, as they would stand in `CREATE TABLE`.
    pub columns: String,
    /// Where they stand.
    pub span: Span,
}

/// `CREATE [OR REPLACE] [TEMPORARY] VIEW [IF NOT EXISTS] name [(columns)] [COMMENT 'text'] AS query`.
#[derive(Debug, Clone)]
pub struct CreateView {
    /// The view's name.
    pub name: ObjectName,
    /// Whether an existing view is replaced.
    pub or_replace: bool,
    /// Whether an existing view is no error.
    pub if_not_exists: bool,
    /// Whether it says `TEMPORARY`.
    pub temporary: bool,
    /// New names of the query's columns; empty to keep them.
    pub columns: Vec<Ident>,
    /// The comment.
    pub comment: Option<String>,
    /// The query.
    pub query: Query,
    /// The query's text.
    pub text: String,
}

/// `CREATE [TEMPORARY] TABLE [IF NOT EXISTS] name (…) [COMMENT 'text'] [PARTITIONED BY (…)] [WITH (…)]`.
#[derive(Debug, Clone)]
pub struct CreateTable {
    /// The table's name.
    pub name: ObjectName,
    /// Whether it says `TEMPORARY`.
    pub temporary: bool,
    /// Whether an existing table is no error.
    pub if_not_exists: bool,
    /// The columns in their order.
    pub columns: Vec<ColumnDef>,
    /// `WATERMARK FOR`.
    pub watermark: Option<WatermarkDef>,
    /// The columns of `PRIMARY KEY (…) NOT ENFORCED`.
    pub primary_key: Vec<Ident>,
    /// The columns of `PARTITIONED BY (…)`.
    pub partitioned_by: Vec<Ident>,
    /// The comment.
    pub comment: Option<String>,
    /// `WITH ('key' = 'value', …)` in order; no key comes twice.
    pub options: Vec<TableOption>,
}

/// `'key' = 'value'` in `WITH (…)`.
#[derive(Debug, Clone)]
pub struct TableOption {
    /// The option's name.
    pub key: String,
    /// The option's value.
    pub value: String,
    /// Where the name stands.
    pub key_span: Span,
    /// Where the value stands.
    pub value_span: Span,
}

/// A column of a `CREATE TABLE`.
#[derive(Debug, Clone)]
pub struct ColumnDef {
    /// Its name.
    pub name: Ident,
    /// Where its values come from.
    pub kind: ColumnKind,
    /// The comment.
    pub comment: Option<String>,
    /// The whole definition.
    pub span: Span,
}

/// Where a column's values come from.
#[derive(Debug, Clone)]
pub enum ColumnKind {
    /// `name type [NOT NULL]`: from the record.
    Physical {
        /// The type.
        data_type: DataType,
        /// Where the type stands.
        type_span: Span,
        /// Whether NULL is refused.
        not_null: bool,
    },
    /// `name type [NOT NULL] METADATA [FROM 'key'] [VIRTUAL]`: from around the record.
    Metadata {
        /// The type.
        data_type: DataType,
        /// Where the type stands.
        type_span: Span,
        /// Whether NULL is refused.
        not_null: bool,
        /// The connector's name for it; the column's own name if absent.
        key: Option<String>,
        /// Whether it is left out when the table is written.
        is_virtual: bool,
    },
    /// `name AS expr`: from the other columns.
    Computed(Box<Expr>),
}

/// `WATERMARK FOR column AS expr`.
#[derive(Debug, Clone)]
pub struct WatermarkDef {
    /// The event-time column.
    pub column: Ident,
    /// The watermark.
    pub expr: Expr,
    /// The whole definition.
    pub span: Span,
}

/// A query, with the `MATCH_RECOGNIZE` clauses and the windows with a row pattern that were taken out of it.
#[derive(Debug, Clone)]
pub struct Query {
    /// The query; see the [module](self) for what stands in place of the clauses.
    pub query: Box<sqlparser::ast::Query>,
    /// The clauses, by the index that is `__match_recognize`'s first argument.
    pub clauses: Vec<Arc<MatchRecognizeClause>>,
    /// The windows with a row pattern, by the index that is `__row_pattern_window`'s argument.
    pub windows: Vec<Arc<RowPatternWindow>>,
    /// The whole query.
    pub span: Span,
}

/// The body of one `MATCH_RECOGNIZE (…)`.
#[derive(Debug, Clone)]
pub struct MatchRecognizeClause {
    /// From the word `MATCH_RECOGNIZE` to the closing parenthesis.
    pub span: Span,
    /// The input's name as `PARTITION BY` and `ORDER BY` see it: its alias, else the table's own name.
    pub input_name: Option<Ident>,
    /// `PARTITION BY`.
    pub partition_by: Vec<PartitionItem>,
    /// `ORDER BY`.
    pub order_by: Vec<OrderByExpr>,
    /// `MEASURES`.
    pub measures: Vec<MeasureItem>,
    /// `ONE ROW PER MATCH` (also when nothing is said) or `ALL ROWS PER MATCH …`.
    pub rows_per_match: RowsPerMatchAst,
    /// `{SHOW | ONLY} TIMEOUT MATCHES`.
    pub timeouts: TimeoutsAst,
    /// Where `{SHOW | ONLY} TIMEOUT MATCHES` stands.
    pub timeouts_span: Option<Span>,
    /// `AFTER MATCH SKIP`.
    pub after_match: Option<AfterMatchAst>,
    /// `PATTERN (…)`.
    pub pattern: PatternAst,
    /// `WITHIN`.
    pub within: Option<WithinAst>,
    /// `SUBSET`.
    pub subsets: Vec<SubsetItem>,
    /// `DEFINE`.
    pub defines: Vec<DefineItem>,
}

/// The specification of a window with a row pattern.
#[derive(Debug, Clone)]
pub struct RowPatternWindow {
    /// The parts that `MATCH_RECOGNIZE` has too; the place is that of the parentheses.
    pub clause: MatchRecognizeClause,
    /// `ROWS BETWEEN CURRENT ROW AND n FOLLOWING`; `None` for `UNBOUNDED FOLLOWING`.
    pub following: Option<u64>,
    /// `SEEK` instead of `INITIAL`.
    pub seek: bool,
}

/// `expr [AS name]` in `PARTITION BY`.
#[derive(Debug, Clone)]
pub struct PartitionItem {
    /// The expression.
    pub expr: Expr,
    /// The output column's name.
    pub alias: Option<Ident>,
    /// The whole item.
    pub span: Span,
    /// The expression's text: the column's name when there is no alias and it is no plain column.
    pub text: String,
}

/// `expr [AS] name` in `MEASURES`.
#[derive(Debug, Clone)]
pub struct MeasureItem {
    /// The expression.
    pub expr: Expr,
    /// The output column's name.
    pub name: Ident,
    /// The expression's place.
    pub span: Span,
}

/// How many rows a match gives.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RowsPerMatchAst {
    /// `ONE ROW PER MATCH`.
    One,
    /// `ALL ROWS PER MATCH [SHOW EMPTY MATCHES]`.
    AllShowEmpty,
    /// `ALL ROWS PER MATCH OMIT EMPTY MATCHES`.
    AllOmitEmpty,
    /// `ALL ROWS PER MATCH WITH UNMATCHED ROWS`.
    AllWithUnmatched,
}

/// What becomes of runs that time out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TimeoutsAst {
    /// They are dropped: the default.
    Hide,
    /// `SHOW TIMEOUT MATCHES`.
    Show,
    /// `ONLY TIMEOUT MATCHES`.
    Only,
}

/// `AFTER MATCH SKIP …`.
#[derive(Debug, Clone)]
pub struct AfterMatchAst {
    /// Where matching goes on.
    pub skip: SkipAst,
    /// The whole clause.
    pub span: Span,
}

/// Where matching goes on after a match.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SkipAst {
    /// `PAST LAST ROW`.
    PastLastRow,
    /// `TO NEXT ROW`.
    ToNextRow,
    /// `TO FIRST variable`.
    ToFirst(Ident),
    /// `TO LAST variable` or `TO variable`.
    ToLast(Ident),
}

/// `PATTERN (…)`: parsed, with its exact text so that places inside can be found.
#[derive(Debug, Clone)]
pub struct PatternAst {
    /// The pattern. Byte ranges in it count from the start of `text`; [`PatternAst::place`] turns them into lines and columns.
    pub parsed: dipper_pattern::ParsedPattern,
    /// The text between the parentheses.
    pub text: String,
    /// Where `text` stands.
    pub span: Span,
    /// The first appearance of each variable, by `SymbolId`.
    pub variable_spans: Vec<Span>,
}

impl PatternAst {
    /// The place in the script of a byte range of `text`.
    pub fn place(&self, range: &Range<usize>) -> Span {
        place_in(&self.text, self.span.start, range)
    }
}

/// The place of a byte range of a text that starts at `start`.
pub(crate) fn place_in(text: &str, start: Position, range: &Range<usize>) -> Span {
    let position = |byte: usize| {
        let mut position = start;
        for (at, character) in text.char_indices() {
            if at >= byte {
                break;
            }
            if character == '\n' {
                position = Position { line: position.line + 1, column: 1 };
            } else {
                position.column += 1;
            }
        }
        position
    };
    Span::new(position(range.start), position(range.end))
}

/// `WITHIN [INCLUSIVE] interval`.
#[derive(Debug, Clone)]
pub struct WithinAst {
    /// The interval.
    pub expr: Expr,
    /// Whether a row exactly at the end belongs.
    pub inclusive: bool,
    /// From `WITHIN` to the end of the interval.
    pub span: Span,
}

/// `name = (member, …)` in `SUBSET`.
#[derive(Debug, Clone)]
pub struct SubsetItem {
    /// The union variable.
    pub name: Ident,
    /// Its members.
    pub members: Vec<Ident>,
}

/// `variable AS condition` in `DEFINE`.
#[derive(Debug, Clone)]
pub struct DefineItem {
    /// The variable.
    pub variable: Ident,
    /// Its condition.
    pub condition: Expr,
    /// The condition's place.
    pub span: Span,
}
