//! A job of one operator for tests: rows routed by key group, checkpoints through the real store, crashes, restores at other parallelisms.
#![allow(clippy::unwrap_used, reason = "tests")]

use std::collections::BTreeMap;

use arrow::array::{ArrayRef, UInt32Array};
use arrow::compute::take_record_batch;
use arrow::record_batch::RecordBatch;
use dipper_operator_api::harness::OperatorHarness;
use dipper_operator_api::{Operator, StreamElement, key_groups};
use dipper_state::{Compression, Directory, OperatorState, SnapshotUploader, StateReader, StateWriter, UploaderSpec};
use dipper_types::{AttemptId, Epoch, JobId, ManifestNumber, OperatorId, Result, SubtaskId, Watermark};
use tokio::runtime::{Builder, Runtime};

use super::dice::Dice;

/// Few, so that several keys share one.
pub(crate) const KEY_GROUPS: u16 = 8;

/// What comes in.
#[derive(Debug, Clone)]
pub(crate) enum Event {
    /// Rows.
    Rows(RecordBatch),
    /// A watermark, in microseconds.
    Watermark(i64),
    /// The end.
    End,
}

/// The operator's subtasks, and what is stored of them.
pub(crate) struct TestJob<M, O> {
    make: M,
    /// The columns by which rows are divided among subtasks.
    keys: Vec<usize>,
    runtime: Runtime,
    directory: Directory,
    subtasks: Vec<(OperatorHarness<O>, SnapshotUploader)>,
    epoch: u64,
    attempt: u64,
    /// The last snapshot, if its checkpoint has not been completed.
    offered: Option<Stored>,
    completed: Option<Stored>,
    /// The last watermark that each subtask has forwarded.
    forwarded: Vec<Watermark>,
}

/// A checkpoint.
struct Stored {
    epoch: u64,
    state: OperatorState,
    /// The watermark that an operator behind this one has stored.
    watermark: Watermark,
}

impl<M: Fn() -> O, O: Operator> TestJob<M, O> {
    /// `make` makes the operator.
    pub(crate) fn start(make: M, keys: &[usize], parallelism: usize) -> Self {
        let runtime = Builder::new_current_thread().build().unwrap();
        let directory = Directory::open("memory://", &BTreeMap::new()).unwrap();
        let mut job = Self {
            make,
            keys: keys.to_vec(),
            runtime,
            directory,
            subtasks: Vec::new(),
            epoch: 0,
            attempt: 0,
            offered: None,
            completed: None,
            forwarded: Vec::new(),
        };
        job.restart(parallelism);
        job
    }

    /// Lets an event in; what comes out, batch by batch.
    pub(crate) fn feed(&mut self, event: &Event) -> Vec<RecordBatch> {
        self.try_feed(event).unwrap()
    }

    /// The same, where it may fail.
    pub(crate) fn try_feed(&mut self, event: &Event) -> Result<Vec<RecordBatch>> {
        match event {
            Event::Rows(rows) => self.route(rows)?,
            Event::Watermark(time) => {
                self.subtasks.iter_mut().try_for_each(|(subtask, _)| subtask.watermark_us(*time))?;
            }
            Event::End => self.subtasks.iter_mut().try_for_each(|(subtask, _)| subtask.end())?,
        }
        let mut batches = Vec::new();
        for ((subtask, _), forwarded) in self.subtasks.iter_mut().zip(&mut self.forwarded) {
            for element in subtask.take() {
                match element {
                    StreamElement::Batch(batch) => batches.push(batch),
                    StreamElement::Watermark(watermark) => {
                        assert!(watermark > *forwarded, "{watermark:?} after {forwarded:?}");
                        *forwarded = watermark;
                    }
                    other => panic!("{other:?}"),
                }
            }
        }
        Ok(batches)
    }

    /// The watermark of an operator behind this one, which is stored and restored with it.
    pub(crate) fn watermark(&self) -> Watermark {
        let stored = self.completed.as_ref().map_or(Watermark::MIN, |stored| stored.watermark);
        self.forwarded.iter().copied().min().unwrap_or(Watermark::MIN).max(stored)
    }

    /// A barrier: every subtask hands over, and what it hands over is stored. What the first of them hands over comes back, table by table:
    /// rows and deletes.
    pub(crate) fn snapshot(&mut self) -> Vec<String> {
        self.epoch += 1;
        let (mut handles, mut first) = (Vec::new(), None);
        for (subtask, uploader) in &mut self.subtasks {
            let state = StateWriter::new(Epoch(self.epoch)).with_key_groups(KEY_GROUPS);
            let snapshot = subtask.snapshot(state).unwrap().resolve().unwrap();
            let changes = snapshot.changes().map(|(table, rows, deletes)| format!("{table} +{rows} -{deletes}"));
            first.get_or_insert_with(|| changes.collect());
            handles.push(self.runtime.block_on(uploader.upload(snapshot)).unwrap());
        }
        let state = OperatorState { operator: operator_id(), subtasks: handles };
        self.offered = Some(Stored { epoch: self.epoch, state, watermark: self.watermark() });
        first.unwrap()
    }

    /// The checkpoint of the last snapshot is completed; merges that are due are made.
    pub(crate) fn complete(&mut self) {
        let Some(stored) = self.offered.take() else { return };
        let epoch = stored.epoch;
        self.completed = Some(stored);
        for (_, uploader) in &mut self.subtasks {
            uploader.on_completed(Epoch(epoch));
            for merge in uploader.plan_merges() {
                let merged = self.runtime.block_on(merge.run()).unwrap();
                uploader.install(merged);
            }
        }
    }

    /// The subtasks are gone; others go on from the last completed checkpoint.
    pub(crate) fn restart(&mut self, parallelism: usize) {
        self.try_restart(parallelism).unwrap();
    }

    /// The same, where it may fail.
    pub(crate) fn try_restart(&mut self, parallelism: usize) -> Result<()> {
        self.attempt += 1;
        self.offered = None;
        let mut subtasks = Vec::new();
        for index in 0..parallelism {
            let subtask = SubtaskId { index, parallelism };
            let spec = UploaderSpec {
                job: JobId("test".to_owned()),
                attempt: AttemptId { opening: ManifestNumber(self.attempt), nonce: 1 },
                opened: Epoch(self.epoch),
                operator: operator_id(),
                subtask,
                key_groups: KEY_GROUPS,
                compression: Compression::None,
            };
            let mut uploader = SnapshotUploader::new(self.directory.clone(), spec);
            let mut reader = StateReader::empty(operator_id(), subtask, KEY_GROUPS);
            if let Some(Stored { state, .. }) = &self.completed {
                uploader = uploader.restored(state);
                let load = StateReader::load(&self.directory, state, subtask, KEY_GROUPS);
                reader = self.runtime.block_on(load)?;
            }
            let harness = OperatorHarness::open_as((self.make)(), subtask, Some(&mut reader))?;
            assert_eq!(reader.not_taken().collect::<Vec<_>>(), Vec::<&str>::new());
            subtasks.push((harness, uploader));
        }
        self.subtasks = subtasks;
        self.forwarded = vec![Watermark::MIN; parallelism];
        Ok(())
    }

    /// Goes through events with snapshots, completed checkpoints and restarts in between; `see` is told which event it was, what came out, and
    /// the watermark behind. At most so many subtasks. Returns how often it was restarted.
    pub(crate) fn disturb(
        &mut self,
        events: &[Event],
        dice: &mut Dice,
        most: u64,
        mut see: impl FnMut(usize, &[RecordBatch], Watermark),
    ) -> usize {
        let (mut at, mut offered_at, mut completed_at, mut restarts) = (0, 0, 0, 0);
        while at < events.len() {
            let found = self.feed(&events[at]);
            see(at, &found, self.watermark());
            at += 1;
            if dice.roll(4) == 0 {
                self.snapshot();
                offered_at = at;
            }
            if offered_at > completed_at && dice.roll(2) == 0 {
                self.complete();
                completed_at = offered_at;
            }
            if dice.roll(12) == 0 {
                self.restart(1 + dice.roll(most) as usize);
                (at, offered_at) = (completed_at, completed_at);
                restarts += 1;
            }
        }
        restarts
    }

    fn route(&mut self, rows: &RecordBatch) -> Result<()> {
        let parallelism = self.subtasks.len();
        let keys: Vec<ArrayRef> = self.keys.iter().map(|column| ArrayRef::clone(rows.column(*column))).collect();
        let groups = key_groups(&keys, rows.num_rows(), KEY_GROUPS).unwrap();
        for (index, (subtask, _)) in self.subtasks.iter_mut().enumerate() {
            let mine = |(_, group): &(u32, &dipper_types::KeyGroup)| group.subtask(KEY_GROUPS, parallelism) == index;
            let mine: UInt32Array = (0..).zip(&groups).filter(mine).map(|(row, _)| row).collect();
            if !mine.is_empty() {
                subtask.batch(take_record_batch(rows, &mine).unwrap())?;
            }
        }
        Ok(())
    }
}

fn operator_id() -> OperatorId {
    OperatorId("operator".to_owned())
}
