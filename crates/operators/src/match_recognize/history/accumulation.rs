//! Running aggregates by DataFusion's accumulators: for the functions and types that have no register.

use arrow::array::{ArrayRef, StringArray};
use datafusion::common::ScalarValue;
use datafusion::logical_expr::Accumulator;
use dipper_graph::FromDataFusion;
use dipper_pattern::Path;
use dipper_types::Result;

use super::super::aggregates::{Aggregate, Arguments, MatchRows};
use super::super::row_store::Addresses;
use super::register::StoredRows;

/// An aggregate over the rows of the path that has last been asked about.
#[derive(Debug, Default)]
pub(super) struct Accumulation {
    accumulator: Option<Box<dyn Accumulator>>,
    /// The path's leading labels that have been looked at, and how many of those are still the same.
    seen: usize,
    kept: usize,
    /// The rows that count, as offsets from the match's first.
    fed: Vec<usize>,
    /// How many of them the accumulator has been fed.
    fresh_from: usize,
    /// The accumulator's state after each of them, if it can be restored.
    states: Vec<Vec<ScalarValue>>,
    /// How many rows have been fed more than once since this was last asked.
    fed_again: u64,
}

/// The rows of a path.
#[derive(Clone, Copy)]
pub(super) struct PathRows<'a> {
    pub(super) path: &'a Path<'a>,
    pub(super) rows: StoredRows<'a>,
    /// The variables' names.
    pub(super) variables: &'a [String],
}

impl PathRows<'_> {
    /// The arguments of an aggregate on the rows at some offsets from the match's first.
    fn arguments(&self, aggregate: &Aggregate, offsets: &[usize]) -> Result<Arguments> {
        let StoredRows { rows, store, .. } = self.rows;
        let mut addresses = Addresses::default();
        for offset in offsets {
            let row = self.path.start() as i64 + *offset as i64;
            rows.address(row..row + 1, store, &mut addresses)?;
        }
        let name = |offset: &usize| self.variables[self.path.labels()[*offset].index()].as_str();
        aggregate.arguments(store, &addresses, || StringArray::from_iter_values(offsets.iter().map(name)))
    }

    /// The value of an aggregate over all of them at once.
    fn aggregate(&self, aggregate: &Aggregate) -> Result<ArrayRef> {
        let (labels, symbols) = (self.path.labels(), aggregate.symbols());
        let offsets: Vec<usize> = (0..labels.len()).filter(|offset| symbols.contains(labels[*offset])).collect();
        let arguments = self.arguments(aggregate, &offsets)?;
        let mut accumulator = aggregate.start()?;
        aggregate.feed_all(accumulator.as_mut(), &arguments, MatchRows { start: 0, end: offsets.len() })?;
        aggregate.column(vec![aggregate.value(accumulator.as_mut())?])
    }
}

impl Accumulation {
    /// The value after the last row of a path.
    pub(super) fn follow(&mut self, aggregate: &Aggregate, rows: PathRows<'_>) -> Result<ArrayRef> {
        if aggregate.is_ordered() {
            self.fed_again += rows.path.labels().len() as u64;
            return rows.aggregate(aggregate);
        }
        self.restore(aggregate)?;
        let (labels, symbols) = (rows.path.labels(), aggregate.symbols());
        self.fed.extend((self.seen..labels.len()).filter(|offset| symbols.contains(labels[*offset])));
        (self.seen, self.kept) = (labels.len(), labels.len());
        let fresh = &self.fed[self.fresh_from..];
        let arguments = rows.arguments(aggregate, fresh)?;
        let accumulator = match &mut self.accumulator {
            Some(accumulator) => accumulator,
            none => none.insert(aggregate.start()?),
        };
        for row in 0..fresh.len() {
            aggregate.feed(accumulator.as_mut(), &arguments, row)?;
            if aggregate.is_restorable() {
                self.states.push(accumulator.state().or_plan_error()?);
            }
            // Row by row: what has been fed is not fed again if the next row fails.
            self.fresh_from += 1;
        }
        aggregate.column(vec![aggregate.value(accumulator.as_mut())?])
    }

    /// The path has changed behind its first `kept` rows.
    pub(super) fn fall_back(&mut self, kept: usize) {
        self.kept = self.kept.min(kept);
    }

    /// How many rows have been fed more than once since the last call.
    pub(super) fn take_fed_again(&mut self) -> u64 {
        std::mem::take(&mut self.fed_again)
    }

    /// How much memory the values take, without what they hold elsewhere.
    pub(super) fn bytes(&self) -> usize {
        let state = self.states.first().map_or(0, |state| state.capacity() * size_of::<ScalarValue>());
        self.fed.capacity() * size_of::<usize>() + self.states.len() * (state + size_of::<Vec<ScalarValue>>())
    }

    /// Undoes what the search has gone back on since the last use.
    fn restore(&mut self, aggregate: &Aggregate) -> Result<()> {
        let kept = self.kept.min(self.seen);
        self.seen = kept;
        let fed = self.fed.partition_point(|offset| *offset < kept);
        if fed == self.fed.len() {
            return Ok(());
        }
        self.fed.truncate(fed);
        if aggregate.is_restorable() && fed > 0 {
            self.states.truncate(fed);
            let mut accumulator = aggregate.start()?;
            if let Some(state) = self.states.last() {
                let state: Vec<ArrayRef> =
                    state.iter().map(|value| value.to_array_of_size(1).or_plan_error()).collect::<Result<_>>()?;
                accumulator.merge_batch(&state).or_plan_error()?;
            }
            self.accumulator = Some(accumulator);
            self.fresh_from = fed;
        } else {
            self.states.clear();
            self.accumulator = None;
            self.fed_again += fed as u64;
            self.fresh_from = 0;
        }
        Ok(())
    }
}
