//! Reads the splits of one source subtask: which one next, how far event time has come, and when a split has fallen silent.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use arrow::record_batch::RecordBatch;
use dipper_graph::SourceSpec;
use dipper_operator_api::{Boundedness, OperatorMetrics, ReadOptions, Source, SplitReader, StreamElement};
use dipper_operators::{SourcePipeline, SplitWatermarks};
use dipper_state::{StateReader, StateWriter};
use dipper_types::{Result, Watermark};
use futures::FutureExt;
use futures::future::select_all;

use crate::clock::{Silence, Stopwatch, within};
use crate::split_state::{SplitProgress, put_splits, take_splits};

/// The source of one subtask. It reads nothing before [`SourceTask::next`].
#[derive(Debug)]
pub(crate) struct SourceTask {
    source: Arc<dyn Source>,
    pipeline: SourcePipeline,
    options: ReadOptions,
    splits: Vec<SplitState>,
    order: ReadOrder,
    /// What has been read and not been handed out.
    pending: VecDeque<StreamElement>,
    /// The split that is waited for, and since when.
    waiting: Option<(usize, Stopwatch)>,
    /// No further row is read.
    drained: bool,
}

/// Which split is read next.
#[derive(Debug)]
enum ReadOrder {
    /// One after another: order between splits has no meaning and all of them end.
    InTurn,
    /// Whichever has rows: none of them may end. Holds the split to look at first.
    AnyReady(usize),
    /// The one with the lowest watermark, so that none runs ahead.
    ByWatermark { watermarks: SplitWatermarks, idle_timeout: Option<Duration>, idle: bool },
}

struct SplitState {
    /// The position is that of the reader, once it has read something.
    progress: SplitProgress,
    /// Opened when it is first read.
    reader: Option<Box<dyn SplitReader>>,
    has_read: bool,
    /// It has fallen silent: it does not hold back the watermark, and is read along with every other one.
    silent: bool,
}

impl std::fmt::Debug for SplitState {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("SplitState").field(&self.progress.split.id).finish()
    }
}

impl SourceTask {
    /// A subtask that has no splits yet.
    pub(crate) fn new(
        spec: &SourceSpec,
        source: Arc<dyn Source>,
        batch_rows: usize,
        metrics: Arc<OperatorMetrics>,
    ) -> Result<Self> {
        let pipeline = SourcePipeline::new(spec, &source.schema())?;
        let order = match &spec.watermark {
            Some(watermark) => ReadOrder::ByWatermark {
                watermarks: SplitWatermarks::new(0),
                idle_timeout: watermark.idle_timeout_ms.map(Duration::from_millis),
                idle: false,
            },
            None if source.boundedness() == Boundedness::Bounded => ReadOrder::InTurn,
            None => ReadOrder::AnyReady(0),
        };
        let options = ReadOptions { projection: pipeline.read_columns(), batch_rows, metrics };
        let (splits, pending) = (Vec::new(), VecDeque::new());
        Ok(Self { source, pipeline, options, splits, order, pending, waiting: None, drained: false })
    }

    /// Gives the subtask splits to read, besides those that it has.
    pub(crate) fn assign(&mut self, splits: Vec<SplitProgress>) {
        self.splits.extend(splits.into_iter().map(|progress| SplitState {
            progress,
            reader: None,
            has_read: false,
            silent: false,
        }));
        if let ReadOrder::ByWatermark { watermarks, .. } = &mut self.order {
            *watermarks = SplitWatermarks::new(self.splits.len());
            for (index, SplitState { progress, .. }) in self.splits.iter().enumerate() {
                if progress.finished {
                    watermarks.finish(index);
                } else {
                    watermarks.update(index, progress.watermark);
                }
            }
            let reached = Some(watermarks.combined()).filter(|reached| *reached > Watermark::MIN);
            self.pending.clear();
            self.advance(reached);
        }
    }

    /// Takes what has been read and not been handed out: with it, all that the positions say has been read.
    pub(crate) fn take_read(&mut self) -> VecDeque<StreamElement> {
        std::mem::take(&mut self.pending)
    }

    /// Reads no further row: the end is next.
    pub(crate) fn drain(&mut self) {
        self.drained = true;
    }

    /// Hands over how far the splits have been read. What has been read must have been taken.
    pub(crate) fn snapshot(&mut self, state: &mut StateWriter) {
        for split in &mut self.splits {
            if let (Some(reader), true) = (&split.reader, split.has_read) {
                split.progress.position = Some(reader.position());
            }
        }
        put_splits(state, self.splits.iter().map(|split| &split.progress));
    }

    /// Takes back the splits that come to this subtask.
    pub(crate) fn restore(&mut self, state: &mut StateReader) -> Result<()> {
        self.assign(take_splits(state)?);
        Ok(())
    }

    /// The next element; nothing follows the end. Cancellation-safe.
    pub(crate) async fn next(&mut self) -> Result<StreamElement> {
        loop {
            if let Some(element) = self.pending.pop_front() {
                return Ok(element);
            }
            self.read().await?;
        }
    }

    async fn read(&mut self) -> Result<()> {
        let candidates = self.candidates();
        let Some(&chosen) = candidates.first() else {
            self.options.metrics.set_watermark(Watermark::MAX);
            self.pending.push_back(StreamElement::End);
            return Ok(());
        };
        for &candidate in &candidates {
            self.open(candidate).await?;
        }
        let limit = match self.order {
            ReadOrder::ByWatermark { idle_timeout: Some(timeout), .. } if !self.splits[chosen].silent => {
                Some(timeout.saturating_sub(self.waited(chosen)))
            }
            _ => None,
        };
        let read = within(limit, next_of(&mut self.splits, &candidates)).await;
        self.waiting = None;
        match read {
            Ok((split, batch)) => match batch? {
                Some(batch) => self.on_batch(split, &batch),
                None => {
                    self.on_end(split);
                    Ok(())
                }
            },
            Err(Silence) => {
                self.on_silence(chosen);
                Ok(())
            }
        }
    }

    /// How long this split has been waited for: checkpoints interrupt the waiting.
    fn waited(&mut self, chosen: usize) -> Duration {
        match &self.waiting {
            Some((split, since)) if *split == chosen => since.elapsed(),
            _ => {
                self.waiting = Some((chosen, Stopwatch::start()));
                Duration::ZERO
            }
        }
    }

    /// The splits that may deliver the next batch, the preferred one first; none when all are finished.
    fn candidates(&self) -> Vec<usize> {
        if self.drained {
            return Vec::new();
        }
        let unfinished = (0..self.splits.len()).filter(|&split| !self.splits[split].progress.finished);
        match &self.order {
            ReadOrder::InTurn => unfinished.take(1).collect(),
            ReadOrder::AnyReady(first) => {
                let mut candidates: Vec<usize> = unfinished.collect();
                let ahead = candidates.partition_point(|split| split < first);
                candidates.rotate_left(ahead);
                candidates
            }
            ReadOrder::ByWatermark { watermarks, .. } => {
                let chosen = watermarks.choose_next();
                let silent = unfinished.filter(|&split| self.splits[split].silent && Some(split) != chosen);
                chosen.into_iter().chain(silent).collect()
            }
        }
    }

    async fn open(&mut self, split: usize) -> Result<()> {
        let split = &mut self.splits[split];
        if split.reader.is_none() {
            let SplitProgress { split: read, position, .. } = &split.progress;
            split.reader = Some(self.source.open(read, position.as_ref(), self.options.clone()).await?);
        }
        Ok(())
    }

    fn on_batch(&mut self, split: usize, batch: &RecordBatch) -> Result<()> {
        let metrics = &self.options.metrics;
        OperatorMetrics::add(&metrics.rows_in, batch.num_rows());
        let (rows, watermark) = self.pipeline.process_split(batch, &self.splits[split].progress.split.id, metrics)?;
        self.splits[split].has_read = true;
        match &mut self.order {
            ReadOrder::InTurn => {}
            ReadOrder::AnyReady(first) => *first = split + 1,
            ReadOrder::ByWatermark { watermarks, idle, .. } => {
                if std::mem::take(&mut self.splits[split].silent) {
                    watermarks.active(split);
                }
                if std::mem::take(idle) {
                    self.pending.push_back(StreamElement::Active);
                }
            }
        }
        if rows.num_rows() > 0 {
            OperatorMetrics::add(&metrics.rows_out, rows.num_rows());
            self.pending.push_back(StreamElement::Batch(rows));
        }
        if let (ReadOrder::ByWatermark { watermarks, .. }, Some(watermark)) = (&mut self.order, watermark) {
            let progress = &mut self.splits[split].progress;
            progress.watermark = progress.watermark.max(watermark);
            let advanced = watermarks.update(split, watermark);
            self.advance(advanced);
        }
        Ok(())
    }

    fn on_end(&mut self, split: usize) {
        self.splits[split].progress.finished = true;
        self.splits[split].reader = None;
        if let ReadOrder::ByWatermark { watermarks, .. } = &mut self.order {
            let advanced = watermarks.finish(split);
            self.advance(advanced);
            self.note_idleness();
        }
    }

    fn on_silence(&mut self, split: usize) {
        self.splits[split].silent = true;
        if let ReadOrder::ByWatermark { watermarks, .. } = &mut self.order {
            let advanced = watermarks.idle(split);
            self.advance(advanced);
            self.note_idleness();
        }
    }

    fn advance(&mut self, watermark: Option<Watermark>) {
        if let Some(watermark) = watermark {
            self.options.metrics.set_watermark(watermark);
            self.pending.push_back(StreamElement::Watermark(watermark));
        }
    }

    fn note_idleness(&mut self) {
        if let ReadOrder::ByWatermark { watermarks, idle, .. } = &mut self.order
            && watermarks.is_idle()
            && !std::mem::replace(idle, true)
        {
            self.pending.push_back(StreamElement::Idle);
        }
    }
}

/// The next batch of whichever candidate has one; the earlier candidate if several have. The splits are open.
async fn next_of(splits: &mut [SplitState], candidates: &[usize]) -> (usize, Result<Option<RecordBatch>>) {
    let rank = |split: usize| candidates.iter().position(|&candidate| candidate == split);
    let mut reads = Vec::with_capacity(candidates.len());
    for (index, split) in splits.iter_mut().enumerate() {
        if let (Some(rank), Some(reader)) = (rank(index), &mut split.reader) {
            reads.push((rank, reader.next().map(move |batch| (index, batch))));
        }
    }
    reads.sort_by_key(|(rank, _)| *rank);
    // Dropping the other reads loses nothing: `SplitReader::next` is cancellation-safe.
    select_all(reads.into_iter().map(|(_, read)| read)).await.0
}

#[cfg(test)]
mod tests;
