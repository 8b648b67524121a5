//! The watermark of a source from those of its splits. Pure: time-outs are the runtime's.

use dipper_types::Watermark;

/// The watermarks of the splits that one source subtask reads, combined by minimum.
///
/// A split counts from the beginning: one that has not been read yet holds back the combined watermark, as its rows may be
/// old. A finished or idle split does not.
///
/// ```
/// use dipper_operators::SplitWatermarks;
/// use dipper_types::{Timestamp, Watermark};
/// let at = |us| Watermark(Timestamp(us));
/// let mut splits = SplitWatermarks::new(2);
/// assert_eq!(splits.update(0, at(5)), None);
/// assert_eq!(splits.choose_next(), Some(1));
/// assert_eq!(splits.update(1, at(3)), Some(at(3)));
/// assert_eq!(splits.finish(1), Some(at(5)));
/// ```
#[derive(Debug, Clone)]
pub struct SplitWatermarks {
    splits: Vec<Split>,
    combined: Watermark,
}

#[derive(Debug, Clone, Copy)]
struct Split {
    watermark: Watermark,
    status: Status,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Status {
    Active,
    Idle,
    Finished,
}

impl SplitWatermarks {
    /// For splits `0..splits`, none of them read.
    pub fn new(splits: usize) -> Self {
        let unread = Split { watermark: Watermark::MIN, status: Status::Active };
        Self { splits: vec![unread; splits], combined: Watermark::MIN }
    }

    /// A batch of the split gave this watermark; a lower one than before changes nothing. The new combined watermark, if it advances.
    pub fn update(&mut self, split: usize, watermark: Watermark) -> Option<Watermark> {
        let split = &mut self.splits[split];
        split.watermark = split.watermark.max(watermark);
        self.advance()
    }

    /// The split has ended. The new combined watermark, if it advances; after the last split it stays, and the caller ends the stream.
    pub fn finish(&mut self, split: usize) -> Option<Watermark> {
        self.splits[split].status = Status::Finished;
        self.advance()
    }

    /// The split has been silent for too long. The new combined watermark, if it advances.
    pub fn idle(&mut self, split: usize) -> Option<Watermark> {
        if self.splits[split].status == Status::Active {
            self.splits[split].status = Status::Idle;
        }
        self.advance()
    }

    /// The split speaks again. The combined watermark never goes back, so its rows may be late.
    pub fn active(&mut self, split: usize) {
        if self.splits[split].status == Status::Idle {
            self.splits[split].status = Status::Active;
        }
    }

    /// The split to read next, so that none runs ahead: the one with the lowest watermark, idle ones only when no other is
    /// left. `None` when all have finished.
    pub fn choose_next(&self) -> Option<usize> {
        let lowest = |status: Status| {
            let candidates = self.splits.iter().enumerate().filter(move |(_, split)| split.status == status);
            candidates.min_by_key(|(index, split)| (split.watermark, *index)).map(|(index, _)| index)
        };
        lowest(Status::Active).or_else(|| lowest(Status::Idle))
    }

    /// Whether splits are left and all of them are idle: the subtask then has nothing to say about the watermark.
    pub fn is_idle(&self) -> bool {
        let mut open = self.splits.iter().filter(|split| split.status != Status::Finished).peekable();
        open.peek().is_some() && open.all(|split| split.status == Status::Idle)
    }

    /// The watermark of a split so far: what a checkpoint stores with its offset. To restore it, [`SplitWatermarks::update`] the split with it.
    pub fn split(&self, split: usize) -> Watermark {
        self.splits[split].watermark
    }

    /// The combined watermark so far.
    pub fn combined(&self) -> Watermark {
        self.combined
    }

    fn advance(&mut self) -> Option<Watermark> {
        let active = self.splits.iter().filter(|split| split.status == Status::Active);
        let minimum = active.map(|split| split.watermark).min()?;
        (minimum > self.combined).then(|| {
            self.combined = minimum;
            minimum
        })
    }
}

#[cfg(test)]
mod tests {
    use dipper_types::Timestamp;

    use super::*;

    fn at(us: i64) -> Watermark {
        Watermark(Timestamp(us))
    }

    #[test]
    fn an_unread_split_holds_the_watermark_back() {
        let mut splits = SplitWatermarks::new(3);
        assert_eq!(splits.update(0, at(10)), None);
        assert_eq!(splits.update(1, at(20)), None);
        assert_eq!(splits.update(2, at(15)), Some(at(10)));
    }

    #[test]
    fn the_watermark_of_a_split_and_the_combined_one_never_go_back() {
        let mut splits = SplitWatermarks::new(1);
        assert_eq!(splits.update(0, at(10)), Some(at(10)));
        assert_eq!(splits.update(0, at(4)), None);
        assert_eq!(splits.update(0, at(11)), Some(at(11)));
    }

    #[test]
    fn an_idle_split_lets_the_others_go_on_and_comes_back_without_turning_time_back() {
        let mut splits = SplitWatermarks::new(2);
        splits.update(0, at(10));
        splits.update(1, at(3));
        assert_eq!(splits.idle(1), Some(at(10)));
        splits.active(1);
        assert_eq!(splits.update(1, at(5)), None);
        assert_eq!(splits.combined(), at(10));
        assert_eq!(splits.update(0, at(12)), None, "held back again by split 1 at 5");
        assert_eq!(splits.update(1, at(30)), Some(at(12)));
    }

    #[test]
    fn splits_go_on_from_their_stored_watermarks() {
        let mut splits = SplitWatermarks::new(2);
        splits.update(0, at(10));
        splits.update(1, at(3));
        let mut restored = SplitWatermarks::new(2);
        let combined: Vec<_> = [0, 1].map(|split| restored.update(split, splits.split(split))).to_vec();
        assert_eq!((combined, restored.split(0)), (vec![None, Some(at(3))], at(10)));
        assert_eq!(restored.update(1, at(2)), None, "a row that is late stays late");
    }

    #[test]
    fn the_lowest_split_is_read_next_and_idle_ones_last() {
        let mut splits = SplitWatermarks::new(3);
        assert_eq!(splits.choose_next(), Some(0));
        splits.update(0, at(5));
        splits.update(1, at(1));
        splits.update(2, at(9));
        assert_eq!(splits.choose_next(), Some(1));
        splits.idle(1);
        assert_eq!(splits.choose_next(), Some(0));
        splits.finish(0);
        splits.finish(2);
        assert_eq!(splits.choose_next(), Some(1));
        assert!(splits.is_idle());
        splits.finish(1);
        assert_eq!(splits.choose_next(), None);
        assert!(!splits.is_idle());
    }
}
