//! The operator: the stages in the order in which rows meet them.

mod restore;
mod snapshot;

use std::cell::LazyCell;
use std::sync::Arc;

use arrow::array::{ArrayRef, UInt32Array, UInt64Array};
use arrow::buffer::ScalarBuffer;
use arrow::record_batch::RecordBatch;
use dipper_graph::{MatchRecognizeSpec, OrderKey, RowsPerMatch, Specialised};
use dipper_operator_api::{Operator, OperatorCtx, OperatorMetrics, Port};
use dipper_pattern::{Match, SearchOptions, Status, Timeouts, Within};
use dipper_state::{StateReader, StateWriter};
use dipper_types::{Error, Result, Timestamp, Watermark};

use super::appended_rows::AppendedRows;
use super::conditions::DividedConditions;
use super::deadlines::{Wakeups, WatermarkHold};
use super::event_time_buffer::{EventTime, EventTimeBuffer, Released};
use super::kept_columns::KeptColumns;
use super::letters::{AddressedRows, LetterBatch};
use super::measures::Measures;
use super::native_time::{floor_us, native_value, native_values, native_watermark, native_within, time_unit};
use super::output::{Output, OutputRows, OutputSources};
use super::partition_rows::PartitionRows;
use super::partition_states::{Kept, NO_TIME, PartitionStates};
use super::partitions::{PartitionId, Partitions, Span, bring_together};
use super::row_order::RowOrder;
use super::row_store::{Addresses, RowStore};
use super::scalar::{CopiedColumn, read_all};
use super::search::{NewRows, Place, Search, SearchLimits};
use super::snapshot::Changes;

/// The most rows that go through the stages at once.
pub(super) const STEP_ROWS: usize = 1 << 18;

/// Of how many matches of a batch it is told how late they are.
const NOTED_MATCHES: usize = 8;

/// `MATCH_RECOGNIZE` over a stream, or over everything at once: an ad-hoc query feeds all rows, then [`Watermark::MAX`].
///
/// Without an event time rows are sorted, and matches put out, when the input has ended. Per partition matches come out in
/// their order; between partitions no order is promised, but it is always the same one for the same input.
pub struct MatchRecognizeOperator {
    kept: KeptColumns,
    slots: usize,
    time: Option<Time>,
    buffer: EventTimeBuffer,
    keys: Partitions,
    store: RowStore,
    partitions: PartitionStates,
    search: Search,
    reach: Reach,
    within: Option<Within>,
    wakeups: Wakeups,
    hold: Option<WatermarkHold>,
    measures: Measures,
    output: Output,
    leaving: OutputRows,
    /// Whether complete matches are searched for, but do not go out.
    hides_complete: bool,
    forwarded: Watermark,
    /// How many starts are open in all partitions.
    open_starts: usize,
    ended: bool,
    skip_warned: bool,
    /// In a job that takes checkpoints.
    changes: Option<Box<Changes>>,
}

/// The time that the rows are ordered by.
#[derive(Debug, Clone, Copy)]
struct Time {
    slot: usize,
    event: EventTime,
    /// Whether watermarks tell of it, and release rows.
    is_watermarked: bool,
}

/// How far from a match rows are read.
#[derive(Debug, Clone, Copy)]
struct Reach {
    back: u64,
    ahead: u64,
}

/// Rows of one partition that are searched next, as indices in their partition, and where their letters are.
#[derive(Debug, Clone, Copy)]
struct Work {
    partition: PartitionId,
    first: u64,
    len: usize,
    at: usize,
    /// The first row that the search still needs once they have been searched.
    needed: u64,
}

impl MatchRecognizeOperator {
    /// Makes the clause executable. Fails on what is not supported, by name.
    pub fn new(spec: &MatchRecognizeSpec) -> Result<Self> {
        Self::of(spec, Specialised::new(spec)?, SearchLimits::default())
    }

    /// Makes a clause executable that is searched for as `clause` says, within limits.
    pub(super) fn of(spec: &MatchRecognizeSpec, clause: Specialised, limits: SearchLimits) -> Result<Self> {
        refuse(spec)?;
        let mut kept = KeptColumns::new(arrow::datatypes::SchemaRef::clone(&spec.input_schema));
        let output = Output::new(spec, &mut kept)?;
        let time = leading_time(spec, &mut kept)?;
        let measures = Measures::new(
            &spec.measures,
            &spec.variables,
            &spec.input_schema,
            &mut kept,
            time.map(|time| time.slot),
            output.is_one_row(),
        )?;
        let conditions = DividedConditions::new(&clause, &spec.variables, &spec.input_schema, &mut kept)?;
        let order = RowOrder::new(&spec.order_by, spec.event_time.is_some(), &mut kept)?;
        let event_time = time.filter(|_| spec.event_time.is_some()).map(|time| time.event);
        let never_null =
            time.filter(|_| spec.event_time.is_none() && spec.within.is_some()).map(|time| time.event.column);
        let within = match (spec.within, time) {
            (None, _) => None,
            (Some(within), Some(time)) => Some(native_within(within, time.event.unit)?),
            (Some(_), None) => {
                return Err(Error::invalid("WITHIN needs an ORDER BY that begins with a timestamp, ascending"));
            }
        };
        let (skip, on_skip_error) = (clause.skip(spec.after_match.skip), spec.after_match.on_error);
        // The rows of complete matches are no unmatched rows, even where the matches themselves do not go out.
        let hides_complete = spec.timeouts == Timeouts::Only && output.shows_unmatched();
        let timeouts = if hides_complete { Timeouts::Show } else { spec.timeouts };
        let options = SearchOptions { skip, within, timeouts, on_skip_error, step_budget: None };
        let reach = Reach { back: conditions.back.max(measures.back_reach()), ahead: conditions.ahead };
        let search =
            Search::new(clause, options, limits, conditions.letters, conditions.history, spec.variables.clone());
        let types = kept.data_types();
        let hold = (event_time.is_some() && measures.read_rowtime()).then(WatermarkHold::default);
        let columns = Kept { wakeups: within.is_some(), held: hold.is_some(), reported: output.shows_unmatched() };
        Ok(Self {
            slots: types.len(),
            store: RowStore::new(types),
            time,
            buffer: EventTimeBuffer::new(event_time, never_null, order),
            keys: Partitions::new(&spec.input_schema, &spec.partition_by)?,
            partitions: PartitionStates::new(search.runs(), columns),
            search,
            reach,
            within,
            wakeups: Wakeups::default(),
            hold,
            measures,
            output,
            leaving: OutputRows::default(),
            hides_complete,
            kept,
            forwarded: Watermark::MIN,
            open_starts: 0,
            ended: false,
            skip_warned: false,
            changes: None,
        })
    }
}

impl Operator for MatchRecognizeOperator {
    fn on_batch(&mut self, _port: Port, batch: RecordBatch, ctx: &mut OperatorCtx<'_>) -> Result<()> {
        self.buffer.push(batch, &self.kept, &mut self.keys, ctx.metrics())?;
        self.partitions.grow(self.keys.count());
        Ok(())
    }

    fn on_watermark(&mut self, watermark: Watermark, ctx: &mut OperatorCtx<'_>) -> Result<()> {
        let last = watermark == Watermark::MAX;
        if !self.time.is_some_and(|time| time.is_watermarked) && !last {
            // Nothing is known about rows to come, so nothing may be promised.
            return Ok(());
        }
        let released = self.buffer.release(watermark)?;
        for first in (0..released.len()).step_by(STEP_ROWS) {
            self.step(&released, first, ctx)?;
        }
        if last {
            self.finish(ctx)?;
        } else {
            self.wake(watermark, ctx)?;
        }
        self.store.compact()?;
        OperatorMetrics::set(&ctx.metrics().open_matches, self.open_starts);
        self.forward(watermark, ctx);
        Ok(())
    }

    fn snapshot(&mut self, state: &mut StateWriter) -> Result<()> {
        self.hand_over(state)
    }

    fn restore(&mut self, state: &mut StateReader) -> Result<()> {
        self.take_over(state)
    }

    fn on_end(&mut self, ctx: &mut OperatorCtx<'_>) -> Result<()> {
        if self.ended { Ok(()) } else { self.on_watermark(Watermark::MAX, ctx) }
    }
}

impl MatchRecognizeOperator {
    /// How many rows are kept for matches to come.
    #[cfg(test)]
    pub(super) fn retained_rows(&self) -> usize {
        self.store.live_rows()
    }

    /// Takes released rows through all stages.
    fn step(&mut self, released: &Released, first: usize, ctx: &mut OperatorCtx<'_>) -> Result<()> {
        let end = released.len().min(first + STEP_ROWS);
        let (order, spans) = bring_together(&released.partitions()[first..end], &mut self.partitions.rows);
        let mut columns = released.gather(first..end, order.as_deref(), self.slots)?;
        if self.changes.is_some() {
            columns.extend(names(&spans, &self.partitions.rows));
        }
        let first_seq = self.store.append(columns, end - first);
        let mut work = Vec::with_capacity(spans.len());
        let mut at = 0;
        for span in &spans {
            let rows = &mut self.partitions.rows[span.partition as usize];
            rows.append(first_seq + span.start as u64, span.len, &mut self.store)?;
            let first = self.partitions.runs.rows_seen(span.partition);
            let len = rows.seen().saturating_sub(self.reach.ahead).saturating_sub(first) as usize;
            work.push(Work { partition: span.partition, first, len, at, needed: first });
            at += len;
        }
        if self.reach.ahead == 0 {
            // The rows appended are those to be searched.
            let letters = self.search.letters();
            let rows = AppendedRows::new(letters.shifts(), &spans, &self.partitions.rows, &self.store)?;
            let letters = letters.evaluate(at, &rows)?;
            let (times, values) = self.search_columns(|slot| Ok(ArrayRef::clone(self.store.latest(slot)?)))?;
            let batch = NewRows { letters: &letters, times: &times, values: &values, start: 0, end: at };
            self.search_rows(&mut work, batch, ctx)?;
        } else {
            self.search_stored(&mut work, at, ctx)?;
        }
        for Work { partition, needed, .. } in work {
            self.settle(partition, needed);
        }
        self.store.compact()
    }

    /// Searches rows wherever they are. `count` is how many there are in all.
    fn search_stored(&mut self, work: &mut [Work], count: usize, ctx: &mut OperatorCtx<'_>) -> Result<()> {
        let (letters, times, values) = self.read_stored(work, count)?;
        let batch = NewRows { letters: &letters, times: &times, values: &values, start: 0, end: count };
        self.search_rows(work, batch, ctx)
    }

    /// What a search reads of rows wherever they are.
    fn read_stored(&self, work: &[Work], count: usize) -> Result<(LetterBatch, ScalarBuffer<i64>, Vec<CopiedColumn>)> {
        let shifted = |shift: &i64| self.addresses(work, *shift);
        let shifted = self.search.letters().shifts().iter().map(shifted).collect::<Result<Vec<_>>>()?;
        let letters = self.search.letters().evaluate(count, &AddressedRows { shifted, store: &self.store })?;
        let same = LazyCell::new(|| self.addresses(work, 0));
        let column = |slot| same.as_ref().map_err(Error::clone).and_then(|same| self.store.gather(slot, same));
        let (times, values) = self.search_columns(column)?;
        Ok((letters, times, values))
    }

    /// What the search reads of its rows beside their letters: times, and copies of values. `column` has a slot's values on these rows.
    fn search_columns(
        &self,
        column: impl Fn(usize) -> Result<ArrayRef>,
    ) -> Result<(ScalarBuffer<i64>, Vec<CopiedColumn>)> {
        let times = match self.within.and(self.time) {
            Some(time) => native_values(&column(time.slot)?)?,
            None => Vec::new().into(),
        };
        let copied = self.search.copied_slots().iter().map(|slot| Ok(read_all(column(*slot)?.as_ref())));
        Ok((times, copied.collect::<Result<_>>()?))
    }

    /// Searches rows of `batch`, and puts out what is found.
    fn search_rows(&mut self, work: &mut [Work], batch: NewRows<'_>, ctx: &mut OperatorCtx<'_>) -> Result<()> {
        let mut found = Vec::new();
        for Work { partition: id, len, at, needed, .. } in work {
            let PartitionStates { rows, runs, .. } = &mut self.partitions;
            let place = Place { id: *id, rows: &rows[*id as usize], store: &self.store };
            let new = NewRows { start: *at, end: *at + *len, ..batch };
            let before = runs.open_starts(*id);
            self.search.push(runs, place, new, &mut found)?;
            self.open_starts = self.open_starts + runs.open_starts(*id) - before;
            self.report(*id, &mut found, false, ctx)?;
            *needed = self.partitions.runs.first_needed_row(*id);
            self.schedule(*id);
        }
        self.emit(ctx)
    }

    /// Ends the runs whose time is over.
    fn wake(&mut self, watermark: Watermark, ctx: &mut OperatorCtx<'_>) -> Result<()> {
        let Some(time) = self.time else { return Ok(()) };
        let now = native_watermark(watermark, time.event.unit);
        let (mut found, mut woken) = (Vec::new(), Vec::new());
        while let Some((deadline, id)) = self.wakeups.next_due(now) {
            let entered = &mut self.partitions.wakeups[id as usize];
            if *entered != deadline {
                continue;
            }
            *entered = NO_TIME;
            woken.push(id);
            // Rows that wait for what their conditions look ahead at belong to the search before time passes them.
            let until = match self.time_of(id, self.partitions.runs.rows_seen(id)) {
                Some(unsearched) => now.min(unsearched.saturating_sub(1)),
                None => now,
            };
            let PartitionStates { rows, runs, .. } = &mut self.partitions;
            let place = Place { id, rows: &rows[id as usize], store: &self.store };
            let before = runs.open_starts(id);
            self.search.expire(runs, place, until, &mut found)?;
            self.open_starts = self.open_starts + runs.open_starts(id) - before;
            self.report(id, &mut found, false, ctx)?;
            self.schedule(id);
        }
        self.emit(ctx)?;
        for id in woken {
            self.settle(id, self.partitions.runs.first_needed_row(id));
        }
        Ok(())
    }

    /// Ends every partition, in the order of their ids.
    fn finish(&mut self, ctx: &mut OperatorCtx<'_>) -> Result<()> {
        self.ended = true;
        let mut next = 0;
        while next < self.partitions.count() {
            let (first, mut work, mut at) = (next, Vec::new(), 0);
            while next < self.partitions.count() && at < STEP_ROWS && next - first < STEP_ROWS {
                let id = next as PartitionId;
                let first = self.partitions.runs.rows_seen(id);
                let len = (self.partitions.rows(id).seen() - first) as usize;
                if len > 0 {
                    work.push(Work { partition: id, first, len, at, needed: first });
                    at += len;
                }
                next += 1;
            }
            self.search_stored(&mut work, at, ctx)?;
            let mut found = Vec::new();
            for id in first as PartitionId..next as PartitionId {
                let PartitionStates { rows, runs, .. } = &mut self.partitions;
                let place = Place { id, rows: &rows[id as usize], store: &self.store };
                self.search.finish(runs, place, &mut found)?;
                self.report(id, &mut found, true, ctx)?;
            }
            self.emit(ctx)?;
        }
        self.partitions.clear();
        self.open_starts = 0;
        self.store.clear();
        Ok(())
    }

    /// Puts out what can be put out of a partition: matches whose measures can be evaluated, and rows of no match.
    fn report(
        &mut self,
        id: PartitionId,
        found: &mut Vec<Match>,
        ended: bool,
        ctx: &mut OperatorCtx<'_>,
    ) -> Result<()> {
        self.search.name_variables(found);
        if !self.measures.look_ahead() && self.partitions.first_waiting(id).is_none() {
            for found in found.iter() {
                self.report_match(id, found, ctx)?;
            }
            found.clear();
        } else if !found.is_empty() || self.partitions.first_waiting(id).is_some() {
            let mut waiting = self.partitions.waiting.remove(&id).unwrap_or_default();
            waiting.extend(found.drain(..));
            let seen = self.partitions.rows(id).seen() as i64;
            while let Some(first) = waiting.front() {
                if !ended && self.measures.last_row_read(first).is_some_and(|row| row >= seen) {
                    self.partitions.waiting.insert(id, waiting);
                    break;
                }
                let Some(found) = waiting.pop_front() else { break };
                self.report_match(id, &found, ctx)?;
            }
        }
        if self.output.shows_unmatched() {
            let waiting = self.partitions.first_waiting(id).map_or(u64::MAX, |found| found.start);
            let decided = if ended {
                self.partitions.rows(id).seen()
            } else {
                self.partitions.runs.first_needed_row(id).min(waiting)
            };
            let reported = &mut self.partitions.reported[id as usize];
            if *reported < decided {
                self.leaving.push_unmatched(id, *reported..decided);
                *reported = decided;
            }
        }
        self.emit_if_full(ctx)
    }

    /// Puts out a match, behind the rows of no match before it.
    fn report_match(&mut self, id: PartitionId, found: &Match, ctx: &mut OperatorCtx<'_>) -> Result<()> {
        if let Some(reported) = self.partitions.reported.get_mut(id as usize) {
            if *reported < found.start {
                self.leaving.push_unmatched(id, *reported..found.start);
            }
            *reported = (*reported).max(found.end().max(found.start + 1));
        }
        if !(self.hides_complete && found.status == Status::Complete) {
            self.output.push_match(&mut self.leaving, id, found, &self.partitions.rows[id as usize], &self.store);
        }
        self.emit_if_full(ctx)
    }

    fn emit_if_full(&mut self, ctx: &mut OperatorCtx<'_>) -> Result<()> {
        if self.leaving.is_full() { self.emit(ctx) } else { Ok(()) }
    }

    /// Passes on the rows that leave.
    fn emit(&mut self, ctx: &mut OperatorCtx<'_>) -> Result<()> {
        let rows = std::mem::take(&mut self.leaving);
        let (matches, skip_errors) = rows.counts();
        OperatorMetrics::add(&ctx.metrics().matches, matches);
        OperatorMetrics::add(&ctx.metrics().skip_errors, skip_errors);
        if skip_errors > 0 && !self.skip_warned {
            self.skip_warned = true;
            tracing::warn!("a match has no place for AFTER MATCH SKIP TO to go; the search goes on at the next row");
        }
        if !rows.is_empty() {
            let Self { measures, keys, partitions, store, .. } = &*self;
            let (partitions, processing_time) = (&partitions.rows[..], ctx.processing_time());
            let sources = OutputSources { measures, keys, partitions, store, processing_time };
            ctx.emit(self.output.batch(&rows, sources)?);
            self.note_matches(&rows, ctx);
        }
        self.leaving = rows.emptied();
        Ok(())
    }

    /// Says how late matches are, by a few of those that leave.
    fn note_matches(&self, rows: &OutputRows, ctx: &mut OperatorCtx<'_>) {
        let Some(time) = self.time.filter(|time| time.is_watermarked) else { return };
        for (id, last) in rows.last_rows(NOTED_MATCHES) {
            if let Some(last) = self.time_of(id, last) {
                ctx.note_match(Timestamp(floor_us(last, time.event.unit)));
            }
        }
    }

    /// Enters the next deadline of a partition that has been searched.
    fn schedule(&mut self, id: PartitionId) {
        let partitions = &mut self.partitions;
        // While rows wait to be searched, time cannot pass; they will bring the partition back here.
        if self.within.is_some() && partitions.runs.rows_seen(id) == partitions.rows(id).seen() {
            let deadline = self.search.next_deadline(&partitions.runs, id);
            self.wakeups.schedule(id, deadline, &mut partitions.wakeups[id as usize]);
        }
    }

    /// Lets go of what a partition needs no more. `needed` is the first row that its search needs.
    fn settle(&mut self, id: PartitionId, needed: u64) {
        let partitions = &mut self.partitions;
        let open = partitions.first_open_row(id, needed);
        let kept = partitions.reported.get(id as usize).map_or(open, |reported| open.min(*reported));
        partitions.rows[id as usize].release_before(kept.saturating_sub(self.reach.back), &mut self.store);
        if self.hold.is_some() {
            let held = self.time_of(id, open).unwrap_or(NO_TIME);
            if let Some(hold) = &mut self.hold {
                hold.update(held, &mut self.partitions.held[id as usize]);
            }
        }
        if let Some(changes) = &mut self.changes {
            // Whoever is searched, or woken, comes by here.
            changes.note(self.partitions.standing(id, needed));
        }
    }

    fn forward(&mut self, watermark: Watermark, ctx: &mut OperatorCtx<'_>) {
        let earliest = self.hold.as_ref().filter(|_| !self.ended).and_then(WatermarkHold::earliest);
        let held = match (earliest, self.time) {
            (Some(earliest), Some(time)) => {
                let before = floor_us(earliest, time.event.unit).saturating_sub(1);
                watermark.min(Watermark(Timestamp(before)))
            }
            _ => watermark,
        };
        if held > self.forwarded {
            self.forwarded = held;
            ctx.emit_watermark(held);
        }
    }

    /// The rows at a distance from those searched next.
    fn addresses(&self, work: &[Work], shift: i64) -> Result<Addresses> {
        let mut addresses = Addresses::default();
        for Work { partition, first, len, .. } in work {
            let first = *first as i64 + shift;
            let rows = self.partitions.rows(*partition);
            rows.address(first..first + *len as i64, &self.store, &mut addresses)?;
        }
        Ok(addresses)
    }

    /// The time of a row, if the partition has it.
    fn time_of(&self, id: PartitionId, row: u64) -> Option<i64> {
        let seq = self.partitions.rows(id).seq_of(row as i64, &self.store)?;
        let (column, row) = self.store.cell(self.time?.slot, seq)?;
        native_value(column, row)
    }
}

/// The partition and the index there of rows that are about to be appended.
fn names(spans: &[Span], partitions: &[PartitionRows]) -> [ArrayRef; 2] {
    let rows = spans.last().map_or(0, |span| span.start + span.len);
    let (mut ids, mut indices) = (Vec::with_capacity(rows), Vec::with_capacity(rows));
    for Span { partition, len, .. } in spans {
        let seen = partitions[*partition as usize].seen();
        ids.extend(std::iter::repeat_n(*partition, *len));
        indices.extend(seen..seen + *len as u64);
    }
    [Arc::new(UInt32Array::from(ids)), Arc::new(UInt64Array::from(indices))]
}

/// The ORDER BY column that is the time of the rows, if there is one.
fn leading_time(spec: &MatchRecognizeSpec, kept: &mut KeptColumns) -> Result<Option<Time>> {
    let time = |column: usize, kept: &mut KeptColumns| -> Result<Option<Time>> {
        let slot = kept.keep(column)?;
        let unit = time_unit(kept.data_type(slot));
        Ok(unit.map(|unit| Time { slot, event: EventTime { column, unit }, is_watermarked: spec.event_time.is_some() }))
    };
    if let Some(column) = spec.event_time {
        let found = time(column, kept)?;
        return found.map(Some).ok_or_else(|| Error::internal("the event time of MATCH_RECOGNIZE is not a timestamp"));
    }
    match spec.order_by.first() {
        Some(OrderKey { column, descending: false, .. }) => time(*column, kept),
        _ => Ok(None),
    }
}

fn refuse(spec: &MatchRecognizeSpec) -> Result<()> {
    if spec.timeouts != Timeouts::Hide && spec.within.is_none() {
        return Err(Error::invalid("TIMEOUT MATCHES need WITHIN").with_hint("add WITHIN INTERVAL … behind the pattern"));
    }
    if spec.rows_per_match == RowsPerMatch::AllWithUnmatched && spec.pattern.has_exclusion() {
        return Err(Error::invalid("WITH UNMATCHED ROWS does not go with an exclusion {- … -}"));
    }
    if spec.event_time.is_some() {
        let key = spec.order_by.first();
        if !key.is_some_and(|key| Some(key.column) == spec.event_time && !key.descending) {
            return Err(Error::internal("the event time of MATCH_RECOGNIZE is not its first ORDER BY key, ascending"));
        }
    }
    Ok(())
}
