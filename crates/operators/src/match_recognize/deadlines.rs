//! What passing time brings about: when a partition must be woken because WITHIN ends a run, and how far the watermark may
//! go on while matches are open.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BinaryHeap};

use super::partition_states::NO_TIME;
use super::partitions::PartitionId;

/// The deadlines of open runs: one index for all partitions, so that a watermark costs what is due.
///
/// A partition has at most one entry that counts, the earliest; it is not taken back when the run ends otherwise, the
/// partition then is woken for nothing and enters its next deadline.
#[derive(Debug, Default)]
pub(super) struct Wakeups {
    heap: BinaryHeap<Reverse<(i64, PartitionId)>>,
}

impl Wakeups {
    /// Sees to it that the partition is woken at `deadline` or before; `entered` is the partition's own note of its entry, or [`NO_TIME`].
    pub(super) fn schedule(&mut self, partition: PartitionId, deadline: Option<i64>, entered: &mut i64) {
        if let Some(deadline) = deadline
            && deadline < *entered
        {
            self.heap.push(Reverse((deadline, partition)));
            *entered = deadline;
        }
    }

    /// The next entry that is due at `time`: when it was for, and which partition.
    pub(super) fn next_due(&mut self, time: i64) -> Option<(i64, PartitionId)> {
        let Reverse((deadline, _)) = self.heap.peek()?;
        if *deadline > time {
            return None;
        }
        self.heap.pop().map(|Reverse(entry)| entry)
    }
}

/// Holds the watermark back where MATCH_ROWTIME() is a time attribute of the output.
///
/// A match completes only when the next row, a deadline or the end shows that it grows no further, so its last row may be
/// older than the watermark that has come meanwhile. Downstream such a match would be late. No match to come ends before the
/// first row that its partition's search still needs; so what is forwarded stays below the earliest such row.
#[derive(Debug, Default)]
pub(super) struct WatermarkHold {
    times: BTreeMap<i64, usize>,
}

impl WatermarkHold {
    /// The time of the first row that the partition's search needs has become `now`; `noted` is the partition's own note. Either may be [`NO_TIME`].
    pub(super) fn update(&mut self, now: i64, noted: &mut i64) {
        let before = std::mem::replace(noted, now);
        if now == before {
            return;
        }
        if let Some(count) = self.times.get_mut(&before) {
            *count -= 1;
            if *count == 0 {
                self.times.remove(&before);
            }
        }
        if now != NO_TIME {
            *self.times.entry(now).or_default() += 1;
        }
    }

    /// The earliest time that is needed.
    pub(super) fn earliest(&self) -> Option<i64> {
        self.times.first_key_value().map(|(time, _)| *time)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_partition_is_woken_once_at_its_earliest_deadline() {
        let (mut wakeups, mut one, mut two) = (Wakeups::default(), NO_TIME, NO_TIME);
        wakeups.schedule(1, Some(50), &mut one);
        wakeups.schedule(1, Some(60), &mut one);
        wakeups.schedule(2, Some(40), &mut two);
        wakeups.schedule(2, None, &mut two);
        assert_eq!(wakeups.next_due(39), None);
        assert_eq!(wakeups.next_due(60), Some((40, 2)));
        assert_eq!(wakeups.next_due(60), Some((50, 1)));
        assert_eq!(wakeups.next_due(60), None);
    }

    #[test]
    fn the_hold_follows_the_earliest_partition() {
        let (mut hold, mut one, mut two) = (WatermarkHold::default(), NO_TIME, NO_TIME);
        hold.update(5, &mut one);
        hold.update(5, &mut two);
        assert_eq!(hold.earliest(), Some(5));
        hold.update(9, &mut one);
        assert_eq!(hold.earliest(), Some(5));
        hold.update(NO_TIME, &mut two);
        assert_eq!(hold.earliest(), Some(9));
        hold.update(NO_TIME, &mut one);
        assert_eq!(hold.earliest(), None);
    }
}
