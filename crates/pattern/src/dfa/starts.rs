//! The starts of the groups of a list, and what a transition does to them.

use smallvec::SmallVec;

use super::cache::{Cache, NEW_GROUP};

/// What a transition does to the groups of a list, told without looking at each: nearly always those that stay stand together, so that
/// all there is to do is to move the two ends of a queue.
#[derive(Clone, Copy, Debug)]
pub(super) struct Moves {
    /// How many of the first groups go.
    drops: u16,
    /// How many of the next stay; those behind them go.
    keeps: u16,
    /// Whether the row begins a group.
    begins: bool,
    /// Whether those that stay do not stand together.
    is_scattered: bool,
}

impl Moves {
    /// The moves of a transition; see [`super::cache::Transition::continues`].
    pub(super) fn new(continues: &[u32]) -> Self {
        let begins = continues.last() == Some(&NEW_GROUP);
        let stay = &continues[..continues.len() - usize::from(begins)];
        let first = stay.first().copied().unwrap_or(0);
        let together = stay.iter().zip(first..).all(|(group, expected)| *group == expected);
        let (Ok(drops), Ok(keeps), true) = (u16::try_from(first), u16::try_from(stay.len()), together) else {
            return Self { drops: 0, keeps: 0, begins, is_scattered: true };
        };
        Self { drops, keeps, begins, is_scattered: false }
    }
}

/// A queue in a ring.
#[derive(Clone, Debug, Default)]
pub(super) struct Starts {
    /// As many as a power of two.
    ring: SmallVec<[u64; 4]>,
    /// Counts of what has gone and what has come, of which only differences matter.
    head: usize,
    tail: usize,
}

impl Starts {
    /// The first, if any.
    #[inline]
    pub(super) fn first(&self) -> Option<u64> {
        (self.head != self.tail).then(|| self.get(0))
    }

    /// The start of the group at `index`.
    #[inline]
    pub(super) fn get(&self, index: usize) -> u64 {
        self.ring[self.place(self.head.wrapping_add(index))]
    }

    /// How many.
    pub(super) fn len(&self) -> usize {
        self.tail.wrapping_sub(self.head)
    }

    pub(super) fn clear(&mut self) {
        self.head = self.tail;
    }

    /// Lets groups come and go as the transitions `trace` say, the first of which is over row `row`.
    #[inline]
    pub(super) fn follow(&mut self, cache: &Cache, trace: &[u32], row: u64) {
        let (mut head, mut tail) = (self.head, self.tail);
        for (id, row) in trace.iter().zip(row..) {
            let moves = cache.moves(*id);
            let keeps = usize::from(moves.keeps);
            if moves.is_scattered || keeps >= self.ring.len() {
                (self.head, self.tail) = (head, tail);
                self.rearrange(&cache.transition(*id).continues, row);
                (head, tail) = (self.head, self.tail);
                continue;
            }
            head = head.wrapping_add(usize::from(moves.drops));
            tail = head.wrapping_add(keeps);
            // Written in any case, which is cheaper than to ask.
            let place = self.place(tail);
            self.ring[place] = row;
            tail = tail.wrapping_add(usize::from(moves.begins));
        }
        (self.head, self.tail) = (head, tail);
    }

    /// Lets groups come and go as `continues` says.
    #[cold]
    fn rearrange(&mut self, continues: &[u32], row: u64) {
        let start = |group: &u32| if *group == NEW_GROUP { row } else { self.get(*group as usize) };
        let starts: Vec<u64> = continues.iter().map(start).collect();
        self.ring.resize(self.ring.len().max((starts.len() + 1).next_power_of_two()), 0);
        (self.head, self.tail) = (0, starts.len());
        self.ring[..starts.len()].copy_from_slice(&starts);
    }

    #[inline]
    fn place(&self, count: usize) -> usize {
        count & self.ring.len().wrapping_sub(1)
    }
}
