//! Barrier alignment: which channels of a task may be read, and when a barrier has come on all of them.

use dipper_types::Epoch;

/// Aligns the barriers of one task's input channels. It sees barriers and ends only; rows and watermarks pass beside it.
///
/// ```
/// use dipper_checkpoint::BarrierAligner;
/// use dipper_types::Epoch;
///
/// let mut aligner = BarrierAligner::new(2);
/// assert_eq!(aligner.on_barrier(0, Epoch(1)), None);
/// // What channel 0 holds now belongs to the next checkpoint.
/// assert!(!aligner.may_read(0) && aligner.may_read(1));
/// assert_eq!(aligner.on_barrier(1, Epoch(1)), Some(Epoch(1)));
/// assert!(aligner.may_read(0));
/// ```
#[derive(Debug, Clone)]
pub struct BarrierAligner {
    channels: Vec<Channel>,
    /// The barrier that some channels have delivered and others have not.
    aligning: Option<Epoch>,
    /// Barriers up to this one have been passed on or given up: a straggler is not aligned again.
    settled: Epoch,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Channel {
    Open,
    /// It has delivered the barrier that is being aligned.
    Blocked,
    Ended,
}

impl BarrierAligner {
    /// An aligner over this many channels.
    pub fn new(channels: usize) -> Self {
        Self { channels: vec![Channel::Open; channels], aligning: None, settled: Epoch(0) }
    }

    /// Whether the channel may be read: it holds nothing that belongs behind a barrier still to come, and it has not ended.
    pub fn may_read(&self, channel: usize) -> bool {
        self.channels[channel] == Channel::Open
    }

    /// Whether all channels have ended.
    pub fn has_ended(&self) -> bool {
        self.channels.iter().all(|&channel| channel == Channel::Ended)
    }

    /// A barrier has been read. Returns the epoch if it is aligned now: snapshot, then pass the barrier on, then read further.
    pub fn on_barrier(&mut self, channel: usize, epoch: Epoch) -> Option<Epoch> {
        // Lower than the one being aligned: its sender did not know yet that the checkpoint had been given up.
        if epoch <= self.settled || self.aligning.is_some_and(|current| epoch < current) {
            return None;
        }
        if self.aligning.is_some_and(|current| epoch > current) {
            self.unblock();
        }
        self.aligning = Some(epoch);
        self.channels[channel] = Channel::Blocked;
        self.finish_if_aligned()
    }

    /// The channel has ended, and so cannot deliver a barrier any more. Returns the epoch if that completes the alignment.
    pub fn on_end(&mut self, channel: usize) -> Option<Epoch> {
        self.channels[channel] = Channel::Ended;
        self.finish_if_aligned()
    }

    /// The coordinator has given up this checkpoint and those before it.
    pub fn on_abort(&mut self, epoch: Epoch) {
        self.settled = self.settled.max(epoch);
        if self.aligning.is_some_and(|current| current <= epoch) {
            self.unblock();
        }
    }

    fn finish_if_aligned(&mut self) -> Option<Epoch> {
        let epoch = self.aligning?;
        if self.channels.contains(&Channel::Open) {
            return None;
        }
        self.settled = epoch;
        self.unblock();
        Some(epoch)
    }

    fn unblock(&mut self) {
        self.aligning = None;
        for channel in &mut self.channels {
            if *channel == Channel::Blocked {
                *channel = Channel::Open;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_channel_that_has_ended_counts_as_delivered() {
        let mut aligner = BarrierAligner::new(3);
        assert_eq!(aligner.on_end(2), None);
        assert_eq!(aligner.on_barrier(0, Epoch(4)), None);
        assert_eq!(aligner.on_end(1), Some(Epoch(4)));
        assert!(aligner.may_read(0));
        assert_eq!(aligner.on_end(0), None);
        assert!(aligner.has_ended());
    }

    #[test]
    fn a_higher_barrier_gives_up_a_lower_one_whose_stragglers_are_ignored() {
        let mut aligner = BarrierAligner::new(2);
        assert_eq!(aligner.on_barrier(0, Epoch(1)), None);
        assert_eq!(aligner.on_barrier(1, Epoch(2)), None);
        assert!(aligner.may_read(0) && !aligner.may_read(1));
        assert_eq!(aligner.on_barrier(0, Epoch(1)), None);
        assert_eq!(aligner.on_barrier(0, Epoch(2)), Some(Epoch(2)));
    }

    #[test]
    fn the_barrier_of_an_aborted_checkpoint_does_not_block() {
        let mut aligner = BarrierAligner::new(2);
        assert_eq!(aligner.on_barrier(0, Epoch(1)), None);
        aligner.on_abort(Epoch(1));
        assert!(aligner.may_read(0));
        assert_eq!(aligner.on_barrier(1, Epoch(1)), None);
        assert!(aligner.may_read(1));
    }

    proptest! {
        /// Channels deliver the barriers 1..=6, some left out, in any interleaving, and end.
        #[test]
        fn barriers_pass_in_order_once_and_never_while_a_channel_is_behind(
            kept in prop::collection::vec(prop::collection::vec(any::<bool>(), 6), 1..5),
            choices in prop::collection::vec((any::<prop::sample::Index>(), 0..10u8), 200),
        ) {
            let mut aligner = BarrierAligner::new(kept.len());
            let mut queues: Vec<Vec<u64>> = kept
                .iter()
                .map(|kept| (1..=6).rev().filter(|&epoch| kept[epoch as usize - 1]).collect())
                .collect();
            let mut delivered = vec![0; kept.len()];
            let mut passed = Epoch(0);
            for (channel, abort) in choices {
                if abort == 0 {
                    aligner.on_abort(passed);
                }
                let readable: Vec<usize> = (0..kept.len()).filter(|&channel| aligner.may_read(channel)).collect();
                if readable.is_empty() {
                    break;
                }
                let channel = readable[channel.index(readable.len())];
                let aligned = match queues[channel].pop() {
                    Some(epoch) => {
                        delivered[channel] = epoch;
                        aligner.on_barrier(channel, Epoch(epoch))
                    }
                    None => {
                        delivered[channel] = u64::MAX;
                        aligner.on_end(channel)
                    }
                };
                if let Some(epoch) = aligned {
                    prop_assert!(epoch > passed);
                    prop_assert!(delivered.iter().all(|&delivered| delivered == epoch.0 || delivered == u64::MAX));
                    passed = epoch;
                }
            }
            // Nothing stays blocked for good: whatever was left out, all channels end.
            prop_assert!(aligner.has_ended());
        }
    }
}
