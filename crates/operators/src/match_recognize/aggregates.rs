//! Aggregates over the rows of a match: at its end for many matches at once, and row by row for running ones.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, BooleanArray, StringArray, UInt32Array};
use arrow::compute::{SortColumn, interleave, lexsort_to_indices, take};
use arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use arrow::record_batch::{RecordBatch, RecordBatchOptions};
use datafusion::common::ScalarValue;
use datafusion::logical_expr::{Accumulator, EmitTo};
use datafusion::physical_expr::PhysicalExpr;
use datafusion::physical_expr::aggregate::AggregateFunctionExpr;
use datafusion::physical_expr::expressions::Literal;
use dipper_graph::{AggregateCall, FromDataFusion, PhysicalAggregate};
use dipper_pattern::SymbolSet;
use dipper_types::Result;

use super::frame_expr::as_type;
use super::kept_columns::KeptColumns;
use super::row_store::{Addresses, RowStore};
use crate::groups::aggregates_by_groups;

/// An aggregate call, made executable.
#[derive(Debug)]
pub(super) struct Aggregate {
    symbols: SymbolSet,
    function: Arc<AggregateFunctionExpr>,
    filter: Option<Arc<dyn PhysicalExpr>>,
    columns: Vec<ArgumentColumn>,
    schema: SchemaRef,
    data_type: DataType,
    what: String,
}

#[derive(Debug, Clone, Copy)]
enum ArgumentColumn {
    Input(usize),
    Classifier,
}

/// The arguments on some rows.
#[derive(Debug)]
pub(super) struct Arguments {
    values: Vec<ArrayRef>,
    passes: Option<BooleanArray>,
}

/// A match's rows among those of which there are arguments.
#[derive(Debug, Clone, Copy)]
pub(super) struct MatchRows {
    /// The first.
    pub(super) start: usize,
    /// One past the last.
    pub(super) end: usize,
}

impl Aggregate {
    /// Keeps the columns it reads. `data_type` is the type of the frame column.
    pub(super) fn new(
        call: &AggregateCall,
        input: &SchemaRef,
        data_type: &DataType,
        kept: &mut KeptColumns,
    ) -> Result<Self> {
        let what = format!("aggregate {}", call.call);
        let refs = call.call.0.column_refs();
        let (mut columns, mut fields) = (Vec::new(), Vec::new());
        for field in input.fields() {
            if refs.iter().any(|reference| reference.name == *field.name()) {
                columns.push(ArgumentColumn::Input(kept.keep_named(field.name())?));
                fields.push(Field::new(field.name(), field.data_type().clone(), true));
            }
        }
        if refs.iter().any(|reference| reference.name == AggregateCall::CLASSIFIER_COLUMN) {
            columns.push(ArgumentColumn::Classifier);
            fields.push(Field::new(AggregateCall::CLASSIFIER_COLUMN, DataType::Utf8, true));
        }
        let schema = Arc::new(Schema::new(fields));
        let PhysicalAggregate { function, filter } =
            call.call.aggregate(&schema).map_err(|error| error.context(&what))?;
        let data_type = data_type.clone();
        Ok(Self { symbols: call.symbols, function, filter, columns, schema, data_type, what })
    }

    /// Whether the value is the number of rows that count.
    pub(super) fn counts_rows(&self) -> bool {
        let is_value = |argument: &Arc<dyn PhysicalExpr>| {
            argument.downcast_ref::<Literal>().is_some_and(|literal| !literal.value().is_null())
        };
        self.function.fun().name() == "count"
            && !self.function.is_distinct()
            && self.filter.is_none()
            && self.function.expressions().iter().all(is_value)
    }

    /// The variables whose rows count.
    pub(super) fn symbols(&self) -> SymbolSet {
        self.symbols
    }

    /// The function with its arguments.
    pub(super) fn function(&self) -> &AggregateFunctionExpr {
        &self.function
    }

    /// The FILTER.
    pub(super) fn filter(&self) -> Option<&Arc<dyn PhysicalExpr>> {
        self.filter.as_ref()
    }

    /// The columns that the arguments and the filter read.
    pub(super) fn schema(&self) -> &Schema {
        &self.schema
    }

    /// The slots of those columns; `None` if CLASSIFIER() is among them.
    pub(super) fn slots(&self) -> Option<Vec<usize>> {
        let slot = |column: &ArgumentColumn| match column {
            ArgumentColumn::Input(slot) => Some(*slot),
            ArgumentColumn::Classifier => None,
        };
        self.columns.iter().map(slot).collect()
    }

    /// The type of the value.
    pub(super) fn data_type(&self) -> &DataType {
        &self.data_type
    }

    /// Whether the arguments read CLASSIFIER().
    pub(super) fn reads_classifier(&self) -> bool {
        self.columns.iter().any(|column| matches!(column, ArgumentColumn::Classifier))
    }

    /// The arguments on some rows; `classifier` is called if CLASSIFIER() is among them.
    pub(super) fn arguments(
        &self,
        store: &RowStore,
        rows: &Addresses,
        classifier: impl Fn() -> StringArray,
    ) -> Result<Arguments> {
        let column = |column: &ArgumentColumn| match column {
            ArgumentColumn::Input(slot) => store.gather(*slot, rows),
            ArgumentColumn::Classifier => Ok(Arc::new(classifier()) as ArrayRef),
        };
        let columns = self.columns.iter().map(column).collect::<Result<Vec<_>>>()?;
        let options = RecordBatchOptions::new().with_row_count(Some(rows.len()));
        let batch = RecordBatch::try_new_with_options(Arc::clone(&self.schema), columns, &options)?;
        let evaluate = |expr: &Arc<dyn PhysicalExpr>| {
            let value = expr.evaluate(&batch).and_then(|value| value.into_array(batch.num_rows()));
            value.or_plan_error().map_err(|error| error.context(&self.what))
        };
        let order = self.function.order_bys().iter().map(|sort| &sort.expr);
        let values = self.function.expressions().iter().chain(order).map(evaluate).collect::<Result<Vec<_>>>()?;
        let passes = match &self.filter {
            None => None,
            Some(filter) => {
                let passes = evaluate(filter)?;
                let holds = passes.as_any().downcast_ref::<BooleanArray>();
                holds.map(|holds| holds.iter().map(|holds| Some(holds == Some(true))).collect())
            }
        };
        Ok(Arguments { values, passes })
    }

    /// The value of each match over all its rows.
    pub(super) fn of_matches(&self, arguments: &Arguments, matches: &[MatchRows]) -> Result<ArrayRef> {
        if matches.is_empty() {
            return Ok(arrow::array::new_empty_array(&self.data_type));
        }
        let vectorised = self.function.order_bys().is_empty() && aggregates_by_groups(&self.function);
        if !vectorised {
            let value = |rows: &MatchRows| {
                let mut accumulator = self.start()?;
                self.feed_all(accumulator.as_mut(), arguments, *rows)?;
                self.value(accumulator.as_mut())
            };
            return self.column(matches.iter().map(value).collect::<Result<_>>()?);
        }
        // A GroupsAccumulator takes it that every group has a row: it may answer 0 for one without.
        let mut groups = Vec::with_capacity(matches.last().map_or(0, |last| last.end));
        let mut group_of = Vec::with_capacity(matches.len());
        let mut count = 0;
        for rows in matches {
            let group = (rows.start < rows.end).then_some(count);
            groups.resize(rows.end, count);
            count += usize::from(group.is_some());
            group_of.push(group);
        }
        let evaluate = || {
            let mut accumulator = self.function.create_groups_accumulator()?;
            accumulator.update_batch(&arguments.values, &groups, arguments.passes.as_ref(), count)?;
            accumulator.evaluate(EmitTo::All)
        };
        if count == matches.len() {
            return as_type(evaluate().or_plan_error().map_err(|error| error.context(&self.what))?, &self.data_type);
        }
        let of_nothing = self.column(vec![self.value(self.start()?.as_mut())?])?;
        if count == 0 {
            return Ok(take(&of_nothing, &UInt32Array::from(vec![0; matches.len()]), None)?);
        }
        let values = as_type(evaluate().or_plan_error().map_err(|error| error.context(&self.what))?, &self.data_type)?;
        let places: Vec<(usize, usize)> =
            group_of.into_iter().map(|group| group.map_or((1, 0), |group| (0, group))).collect();
        Ok(interleave(&[values.as_ref(), of_nothing.as_ref()], &places)?)
    }

    /// The value on each of `steps`, which are (match, rows of it that count so far), ascending.
    pub(super) fn running(
        &self,
        arguments: &Arguments,
        matches: &[MatchRows],
        steps: impl Iterator<Item = (usize, usize)>,
    ) -> Result<ArrayRef> {
        let mut values = Vec::new();
        let mut current: Option<(usize, usize, Box<dyn Accumulator>)> = None;
        let ordered = !self.function.order_bys().is_empty();
        for (found, count) in steps {
            let start = matches[found].start;
            let (mut fed, mut accumulator) = match current.take() {
                Some((of, fed, accumulator)) if of == found && !ordered => (fed, accumulator),
                _ => (0, self.start()?),
            };
            if ordered {
                self.feed_all(accumulator.as_mut(), arguments, MatchRows { start, end: start + count })?;
            } else {
                while fed < count {
                    self.feed(accumulator.as_mut(), arguments, start + fed)?;
                    fed += 1;
                }
            }
            values.push(self.value(accumulator.as_mut())?);
            current = Some((found, fed, accumulator));
        }
        self.column(values)
    }

    /// Scalars as a column of the frame's type.
    pub(super) fn column(&self, values: Vec<ScalarValue>) -> Result<ArrayRef> {
        if values.is_empty() {
            return Ok(arrow::array::new_empty_array(&self.data_type));
        }
        as_type(ScalarValue::iter_to_array(values).or_plan_error()?, &self.data_type)
    }

    /// An accumulator over no rows.
    pub(super) fn start(&self) -> Result<Box<dyn Accumulator>> {
        self.function.create_accumulator().or_plan_error()
    }

    /// The value so far.
    pub(super) fn value(&self, accumulator: &mut dyn Accumulator) -> Result<ScalarValue> {
        accumulator.evaluate().or_plan_error().map_err(|error| error.context(&self.what))
    }

    /// Adds one row; for an aggregate without ORDER BY.
    pub(super) fn feed(&self, accumulator: &mut dyn Accumulator, arguments: &Arguments, row: usize) -> Result<()> {
        if arguments.passes.as_ref().is_some_and(|passes| !passes.value(row)) {
            return Ok(());
        }
        let values: Vec<ArrayRef> = arguments.values.iter().map(|value| value.slice(row, 1)).collect();
        accumulator.update_batch(&values).or_plan_error().map_err(|error| error.context(&self.what))
    }

    /// Adds rows, in the aggregate's own order if it has one.
    pub(super) fn feed_all(
        &self,
        accumulator: &mut dyn Accumulator,
        arguments: &Arguments,
        rows: MatchRows,
    ) -> Result<()> {
        let passes = |row: &usize| arguments.passes.as_ref().is_none_or(|passes| passes.value(*row));
        let mut wanted: UInt32Array = (rows.start..rows.end).filter(passes).map(|row| row as u32).collect();
        let order = self.function.order_bys();
        if !order.is_empty() {
            let keys = &arguments.values[arguments.values.len() - order.len()..];
            let mut sort = Vec::with_capacity(order.len() + 1);
            for (key, by) in keys.iter().zip(order) {
                sort.push(SortColumn { values: take(key, &wanted, None)?, options: Some(by.options) });
            }
            // Ties stay in the order of the rows.
            sort.push(SortColumn { values: Arc::new(wanted.clone()), options: None });
            let sorted = take(&wanted, &lexsort_to_indices(&sort, None)?, None)?;
            wanted = arrow::array::AsArray::as_primitive::<arrow::datatypes::UInt32Type>(&sorted).clone();
        }
        let values =
            arguments.values.iter().map(|value| Ok(take(value, &wanted, None)?)).collect::<Result<Vec<_>>>()?;
        accumulator.update_batch(&values).or_plan_error().map_err(|error| error.context(&self.what))
    }

    /// Whether an accumulator's `state` is small, leaves it as it is, and makes an equal one when merged into a new one.
    pub(super) fn is_restorable(&self) -> bool {
        let name = self.function.fun().name();
        matches!(name, "count" | "sum" | "avg" | "min" | "max") && !self.function.is_distinct()
    }

    /// Whether rows must be fed in an order of the aggregate's own.
    pub(super) fn is_ordered(&self) -> bool {
        !self.function.order_bys().is_empty()
    }
}
