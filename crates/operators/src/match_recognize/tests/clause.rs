//! Clauses by hand, and rows in and out as text.

use std::sync::Arc;

use arrow::array::{ArrayRef, Int64Array, StringArray, TimestampMicrosecondArray};
use arrow::datatypes::{DataType, Field, Schema, SchemaRef, TimeUnit};
use arrow::record_batch::RecordBatch;
use arrow::util::display::{ArrayFormatter, FormatOptions};
use datafusion::prelude::{Expr, ident};
use dipper_graph::{
    AfterMatch, AggregateCall, BoundExpr, Define, Frame, FrameColumn, FrameExpr, Logical, MatchRecognizeSpec, Measure,
    OrderKey, RowsPerMatch, Semantics, Specialised, Target, WithinSpec,
};
use dipper_operator_api::harness::OperatorHarness;
use dipper_operator_api::{OperatorMetrics, StreamElement};
use dipper_pattern::{OnSkipError, Skip, SymbolId, SymbolSet, Timeouts, parse};
use dipper_types::{Error, Result};

use crate::MatchRecognizeOperator;
use crate::match_recognize::search::SearchLimits;

/// Input columns.
pub(super) const KEY: usize = 0;
pub(super) const TS: usize = 1;
pub(super) const V: usize = 2;
pub(super) const W: usize = 3;

/// Stands for NULL in rows.
pub(super) const NULL: i64 = i64::MIN;

/// One more row: key, time, v, w.
pub(super) type Row<'a> = (&'a str, i64, i64, i64);

pub(super) fn time_type() -> DataType {
    DataType::Timestamp(TimeUnit::Microsecond, None)
}

pub(super) fn input_schema() -> SchemaRef {
    Arc::new(Schema::new(vec![
        Field::new("key", DataType::Utf8, true),
        Field::new("ts", time_type(), true),
        Field::new("v", DataType::Int64, true),
        Field::new("w", DataType::Int64, true),
    ]))
}

pub(super) fn rows(rows: &[Row<'_>]) -> RecordBatch {
    let number = |value: i64| (value != NULL).then_some(value);
    let columns: Vec<ArrayRef> = vec![
        Arc::new(rows.iter().map(|row| Some(row.0)).collect::<StringArray>()),
        Arc::new(rows.iter().map(|row| number(row.1)).collect::<TimestampMicrosecondArray>()),
        Arc::new(rows.iter().map(|row| number(row.2)).collect::<Int64Array>()),
        Arc::new(rows.iter().map(|row| number(row.3)).collect::<Int64Array>()),
    ];
    RecordBatch::try_new(input_schema(), columns).unwrap()
}

/// Rows of one key, at times 0, 1, 2 …
pub(super) fn values(values: &[i64]) -> RecordBatch {
    let all: Vec<Row<'_>> = values.iter().zip(0..).map(|(value, time)| ("k", time, *value, 0)).collect();
    rows(&all)
}

/// Batches as lines of text.
pub(super) fn text(batches: &[RecordBatch]) -> Vec<String> {
    let options = FormatOptions::new().with_null("-").with_timestamp_format(Some("%S%.f"));
    let mut lines = Vec::new();
    for batch in batches {
        let columns: Vec<_> =
            batch.columns().iter().map(|column| ArrayFormatter::try_new(column, &options).unwrap()).collect();
        for row in 0..batch.num_rows() {
            lines.push(columns.iter().map(|column| column.value(row).to_string()).collect::<Vec<_>>().join(" "));
        }
    }
    lines
}

/// Gathers the columns of a frame while an expression over it is written.
#[derive(Default)]
pub(super) struct Columns {
    columns: Vec<FrameColumn>,
    fields: Vec<Field>,
    variables: Vec<String>,
}

pub(super) fn prev(count: i64) -> Target {
    Target { logical: Logical::Current, shift: -count }
}

pub(super) fn next(count: i64) -> Target {
    Target { logical: Logical::Current, shift: count }
}

impl Columns {
    pub(super) fn set(&self, names: &str) -> SymbolSet {
        if names == "*" {
            return SymbolSet::all(self.variables.len());
        }
        let index = |name: &str| self.variables.iter().position(|variable| variable == name).unwrap();
        names.split(',').map(|name| SymbolId(index(name) as u8)).collect()
    }

    pub(super) fn last(&self, names: &str) -> Target {
        Target {
            logical: Logical::Last { symbols: self.set(names), offset: 0, semantics: Semantics::Running },
            shift: 0,
        }
    }

    pub(super) fn first(&self, names: &str) -> Target {
        Target {
            logical: Logical::First { symbols: self.set(names), offset: 0, semantics: Semantics::Running },
            shift: 0,
        }
    }

    pub(super) fn column(&mut self, column: FrameColumn, data_type: DataType) -> Expr {
        let name = format!("c{}", self.columns.len());
        self.columns.push(column);
        self.fields.push(Field::new(&name, data_type, true));
        ident(name)
    }

    pub(super) fn input(&mut self, column: usize, target: Target) -> Expr {
        let data_type = input_schema().field(column).data_type().clone();
        self.column(FrameColumn::Input { column, target }, data_type)
    }

    pub(super) fn v(&mut self, target: Target) -> Expr {
        self.input(V, target)
    }

    pub(super) fn classifier(&mut self, target: Target) -> Expr {
        self.column(FrameColumn::Classifier { target }, DataType::Utf8)
    }

    pub(super) fn aggregate(&mut self, call: Expr, names: &str, semantics: Semantics, data_type: DataType) -> Expr {
        let call = AggregateCall { call: BoundExpr(call), symbols: self.set(names), semantics };
        self.column(FrameColumn::Aggregate(call), data_type)
    }

    fn finish(self, expr: Expr, data_type: DataType) -> FrameExpr {
        let schema = Arc::new(Schema::new(self.fields));
        FrameExpr { frame: Frame { columns: self.columns, schema }, expr: BoundExpr(expr), data_type }
    }
}

/// A clause over [`input_schema`]: PARTITION BY key ORDER BY ts, in a stream.
pub(super) struct Clause {
    pub(super) spec: MatchRecognizeSpec,
}

impl Clause {
    pub(super) fn new(pattern: &str) -> Self {
        let parsed = parse(pattern).unwrap();
        let spec = MatchRecognizeSpec {
            input_schema: input_schema(),
            output_schema: Arc::new(Schema::empty()),
            partition_by: vec![KEY],
            order_by: vec![OrderKey { column: TS, descending: false, nulls_first: false }],
            event_time: Some(TS),
            remaining: Vec::new(),
            variables: parsed.names(),
            pattern: parsed.pattern,
            defines: Vec::new(),
            measures: Vec::new(),
            rows_per_match: RowsPerMatch::One,
            after_match: AfterMatch { skip: Skip::PastLastRow, on_error: OnSkipError::Fail },
            within: None,
            timeouts: Timeouts::Hide,
        };
        Self { spec }
    }

    /// All rows at once, sorted at the end.
    pub(super) fn ad_hoc(mut self) -> Self {
        self.spec.event_time = None;
        self
    }

    pub(super) fn symbol(&self, name: &str) -> SymbolId {
        SymbolId(self.spec.variables.iter().position(|variable| variable == name).unwrap() as u8)
    }

    fn columns(&self) -> Columns {
        Columns { variables: self.spec.variables.clone(), ..Columns::default() }
    }

    pub(super) fn define(mut self, name: &str, condition: impl FnOnce(&mut Columns) -> Expr) -> Self {
        let (symbol, mut columns) = (self.symbol(name), self.columns());
        let expr = condition(&mut columns);
        self.spec.defines.push(Define { symbol, condition: columns.finish(expr, DataType::Boolean) });
        self
    }

    pub(super) fn measure(mut self, name: &str, data_type: DataType, value: impl FnOnce(&mut Columns) -> Expr) -> Self {
        let mut columns = self.columns();
        let expr = value(&mut columns);
        let value = columns.finish(expr, data_type);
        self.spec.measures.push(Measure { name: name.to_owned(), value });
        self
    }

    /// The first and the last time of the match.
    pub(super) fn bounds(self) -> Self {
        self.measure("first", time_type(), |c| {
            let first = c.first("*");
            c.input(TS, first)
        })
        .measure("last", time_type(), |c| {
            let last = c.last("*");
            c.input(TS, last)
        })
    }

    pub(super) fn skip(mut self, skip: Skip) -> Self {
        self.spec.after_match.skip = skip;
        self
    }

    pub(super) fn within(mut self, span_us: i64, timeouts: Timeouts) -> Self {
        self.spec.within = Some(WithinSpec { span_us, inclusive: false });
        self.spec.timeouts = timeouts;
        self
    }

    pub(super) fn all_rows(mut self, rows_per_match: RowsPerMatch) -> Self {
        self.spec.rows_per_match = rows_per_match;
        self.spec.remaining = vec![V];
        self
    }

    pub(super) fn open(self) -> Result<Run> {
        self.open_with(SearchLimits::default())
    }

    pub(super) fn open_with(self, limits: SearchLimits) -> Result<Run> {
        let spec = self.finish();
        let clause = Specialised::new(&spec)?;
        Ok(Run { harness: OperatorHarness::open(MatchRecognizeOperator::of(&spec, clause, limits)?)? })
    }

    /// The clause with its conditions evaluated as they are written.
    pub(super) fn open_unfolded(self) -> Result<Run> {
        let spec = self.finish();
        let (clause, limits) = (Specialised::unfolded(&spec)?, SearchLimits::default());
        Ok(Run { harness: OperatorHarness::open(MatchRecognizeOperator::of(&spec, clause, limits)?)? })
    }

    pub(super) fn finish(mut self) -> MatchRecognizeSpec {
        let input = input_schema();
        let shown = |column: &usize| input.field(*column).clone();
        let mut fields: Vec<Field> = self.spec.partition_by.iter().map(shown).collect();
        let all_rows = self.spec.rows_per_match != RowsPerMatch::One;
        let order = self.spec.order_by.iter().map(|key| shown(&key.column)).filter(|_| all_rows);
        fields.extend(order);
        fields.extend(self.spec.measures.iter().map(|m| Field::new(&m.name, m.value.data_type.clone(), true)));
        fields.extend(self.spec.remaining.iter().map(shown));
        self.spec.output_schema = Arc::new(Schema::new(fields));
        self.spec
    }

    /// What the clause puts out over rows that come in one batch.
    pub(super) fn run(self, batch: RecordBatch) -> Vec<String> {
        self.try_run(batch).unwrap()
    }

    pub(super) fn try_run(self, batch: RecordBatch) -> Result<Vec<String>> {
        let mut run = self.open()?;
        run.harness.batch(batch)?;
        run.harness.end()?;
        Ok(run.lines())
    }

    pub(super) fn error(self, batch: RecordBatch) -> Error {
        self.try_run(batch).unwrap_err()
    }
}

/// A clause at work.
pub(super) struct Run {
    pub(super) harness: OperatorHarness<MatchRecognizeOperator>,
}

impl Run {
    pub(super) fn push(&mut self, batch: RecordBatch) -> &mut Self {
        self.harness.batch(batch).unwrap();
        self
    }

    /// What comes out when the watermark comes in: rows as text, the watermark as `w5`.
    pub(super) fn watermark(&mut self, watermark: i64) -> Vec<String> {
        self.harness.watermark_us(watermark).unwrap();
        self.elements()
    }

    pub(super) fn end(&mut self) -> Vec<String> {
        self.harness.end().unwrap();
        self.lines()
    }

    pub(super) fn lines(&mut self) -> Vec<String> {
        text(&self.harness.take_batches())
    }

    pub(super) fn metric(&self, of: impl Fn(&OperatorMetrics) -> &std::sync::atomic::AtomicU64) -> u64 {
        OperatorMetrics::get(of(self.harness.metrics()))
    }

    fn elements(&mut self) -> Vec<String> {
        let element = |element| match element {
            StreamElement::Batch(batch) => text(&[batch]),
            StreamElement::Watermark(watermark) => vec![format!("w{}", watermark.0.0)],
            other => vec![format!("{other:?}")],
        };
        self.harness.take().into_iter().flat_map(element).collect()
    }
}
