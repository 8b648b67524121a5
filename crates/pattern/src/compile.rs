//! From the tree to the program. A pattern's size is reckoned before anything is built, so that a small text cannot ask
//! for a large amount of memory.

use crate::{Pattern, Program, State, StateId};

/// How large a program may become.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct CompileLimits {
    /// The most states.
    pub states_max: u64,
}

impl Default for CompileLimits {
    fn default() -> Self {
        Self { states_max: 100_000 }
    }
}

/// How deep repetitions of patterns that may match without a row may nest: the engines' memory grows with it.
const LOOP_DEPTH_MAX: u16 = 32;

/// A pattern that cannot be compiled.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CompileError {
    /// The program would be too large.
    #[error("the pattern needs {} states, more than the {states_max} allowed: use smaller bounds or a shorter PERMUTE",
        if *states == u64::MAX { "over 2^64".to_owned() } else { states.to_string() })]
    TooLarge {
        /// What it needs; `u64::MAX` means this or more.
        states: u64,
        /// What is allowed.
        states_max: u64,
    },
    /// Repetitions of patterns that may match without a row nest too deep.
    #[error(
        "repetitions of patterns that may match without a row nest {depth} deep, more than the {LOOP_DEPTH_MAX} allowed"
    )]
    LoopsTooDeep {
        /// How deep they nest.
        depth: u16,
    },
}

impl Program {
    /// Compiles a pattern, after simplifying it.
    pub fn compile(pattern: &Pattern, limits: CompileLimits) -> Result<Self, CompileError> {
        let pattern = pattern.clone().simplify();
        let states = size(&pattern).saturating_add(1);
        if states > limits.states_max.min(u64::from(StateId::MAX)) {
            return Err(CompileError::TooLarge { states, states_max: limits.states_max });
        }
        let depth = loop_depth(&pattern);
        if depth > LOOP_DEPTH_MAX {
            return Err(CompileError::LoopsTooDeep { depth });
        }
        let mut builder = Builder { states: vec![State::Accept] };
        let start = builder.emit(&pattern, 0, Place { excluded: false, depth: 0 });
        Ok(Self::new(&builder.states, start))
    }
}

/// At least as many states as [`Builder::emit`] makes; `u64::MAX` stands for any number that large.
fn size(pattern: &Pattern) -> u64 {
    let sum = |parts: &[Pattern]| parts.iter().map(size).fold(0, u64::saturating_add);
    match pattern {
        Pattern::Empty => 0,
        Pattern::Symbol(_) | Pattern::Anchor(_) => 1,
        Pattern::Concat(parts) => sum(parts),
        Pattern::Alternate(parts) => sum(parts).saturating_add(1),
        Pattern::Repeat { pattern, min, max, .. } => {
            let body = size(pattern);
            if body == 0 {
                return 0;
            }
            let choice = if pattern.nullable() { 3 } else { 1 };
            let choices = max.map_or(1, |max| u64::from(max.saturating_sub(*min)));
            let optional = body.saturating_add(choice).saturating_mul(choices);
            body.saturating_mul(u64::from(*min)).saturating_add(optional)
        }
        Pattern::Exclude(pattern) => size(pattern),
        Pattern::Permute(parts) if parts.iter().all(has_one_way) => {
            let subsets = 1_u64.checked_shl(parts.len() as u32).unwrap_or(u64::MAX);
            sum(parts).saturating_mul(subsets / 2).saturating_add(subsets)
        }
        Pattern::Permute(parts) => {
            let orders = (1..=parts.len() as u64).fold(1, u64::saturating_mul);
            sum(parts).saturating_mul(orders).saturating_add(1)
        }
    }
}

/// How deep loops whose bodies may match without a row stand in one another.
fn loop_depth(pattern: &Pattern) -> u16 {
    let deepest = |parts: &[Pattern]| parts.iter().map(loop_depth).max().unwrap_or(0);
    match pattern {
        Pattern::Empty | Pattern::Symbol(_) | Pattern::Anchor(_) => 0,
        Pattern::Concat(parts) | Pattern::Alternate(parts) | Pattern::Permute(parts) => deepest(parts),
        Pattern::Exclude(pattern) => loop_depth(pattern),
        Pattern::Repeat { pattern, .. } => loop_depth(pattern).saturating_add(u16::from(pattern.nullable())),
    }
}

/// Whether there is just one way to match the pattern from a given row. The order in which such parts of a PERMUTE were
/// matched has no bearing on what follows, so that programs for equal sets of parts can be shared.
fn has_one_way(pattern: &Pattern) -> bool {
    match pattern {
        Pattern::Empty | Pattern::Symbol(_) | Pattern::Anchor(_) => true,
        Pattern::Concat(parts) => parts.iter().all(has_one_way),
        Pattern::Exclude(pattern) => has_one_way(pattern),
        Pattern::Repeat { pattern, min, max, .. } => *max == Some(*min) && has_one_way(pattern),
        Pattern::Alternate(_) | Pattern::Permute(_) => false,
    }
}

/// Where in the tree a pattern stands.
#[derive(Clone, Copy)]
struct Place {
    excluded: bool,
    depth: u16,
}

/// Builds back to front: every pattern is compiled with the state that follows it.
struct Builder {
    states: Vec<State>,
}

impl Builder {
    fn push(&mut self, state: State) -> StateId {
        self.states.push(state);
        self.states.len() as StateId - 1
    }

    fn emit(&mut self, pattern: &Pattern, next: StateId, place: Place) -> StateId {
        match pattern {
            Pattern::Empty => next,
            Pattern::Symbol(symbol) => self.push(State::Row { symbol: *symbol, excluded: place.excluded, next }),
            Pattern::Anchor(edge) => self.push(State::Anchor { edge: *edge, next }),
            Pattern::Concat(parts) => parts.iter().rev().fold(next, |next, part| self.emit(part, next, place)),
            Pattern::Alternate(parts) => {
                let alternatives = parts.iter().map(|part| self.emit(part, next, place)).collect();
                self.push(State::Split { alternatives })
            }
            Pattern::Exclude(pattern) => self.emit(pattern, next, Place { excluded: true, ..place }),
            Pattern::Repeat { pattern, min, max, greedy } => {
                if size(pattern) == 0 {
                    return next;
                }
                let body = Body { pattern, greedy: *greedy, nullable: pattern.nullable() };
                match max {
                    Some(max) => {
                        let tail = (*min..*max).fold(next, |tail, _| self.optional(&body, tail, next, place));
                        (0..*min).fold(tail, |next, _| self.emit(pattern, next, place))
                    }
                    None => self.unbounded(&body, *min, next, place),
                }
            }
            Pattern::Permute(parts) if parts.iter().all(has_one_way) => self.permute_shared(parts, next, place),
            Pattern::Permute(parts) => {
                let mut alternatives = Vec::new();
                permutations(&mut (0..parts.len()).collect::<Vec<_>>(), 0, &mut |order| {
                    let entry = order.iter().rev().filter_map(|index| parts.get(*index));
                    alternatives.push(entry.fold(next, |next, part| self.emit(part, next, place)));
                });
                self.push(State::Split { alternatives: alternatives.into() })
            }
        }
    }

    /// One more iteration, or to `exit`. After an iteration with rows the search goes on at `again`.
    fn optional(&mut self, body: &Body<'_>, again: StateId, exit: StateId, place: Place) -> StateId {
        let entry = self.iteration(body, again, exit, place);
        let alternatives = body.choose(entry, exit);
        self.push(State::Split { alternatives })
    }

    fn unbounded(&mut self, body: &Body<'_>, min: u32, exit: StateId, place: Place) -> StateId {
        let choice = self.push(State::Split { alternatives: Box::default() });
        let entry = self.iteration(body, choice, exit, place);
        if let Some(state) = self.states.get_mut(choice as usize) {
            *state = State::Split { alternatives: body.choose(entry, exit) };
        }
        // The last of the iterations that must be can be the loop's own body, unless an empty one would leave the loop.
        let (entry, copies) = if min > 0 && !body.nullable { (entry, min - 1) } else { (choice, min) };
        (0..copies).fold(entry, |next, _| self.emit(body.pattern, next, place))
    }

    fn iteration(&mut self, body: &Body<'_>, again: StateId, exit: StateId, place: Place) -> StateId {
        if !body.nullable {
            return self.emit(body.pattern, again, place);
        }
        let depth = place.depth;
        let end = self.push(State::End { depth, again, exit });
        let entry = self.emit(body.pattern, end, Place { depth: depth + 1, ..place });
        self.push(State::Begin { depth, next: entry })
    }

    /// One state for each set of parts that are still to come.
    fn permute_shared(&mut self, parts: &[Pattern], next: StateId, place: Place) -> StateId {
        let full = (1_usize << parts.len()) - 1;
        let mut entries = vec![next; full + 1];
        for done in (0..full).rev() {
            let mut alternatives = Vec::new();
            for (index, part) in parts.iter().enumerate().filter(|(index, _)| done >> index & 1 == 0) {
                let after = entries.get(done | 1 << index).copied().unwrap_or(next);
                alternatives.push(self.emit(part, after, place));
            }
            let entry = match alternatives.as_slice() {
                [only] => *only,
                _ => self.push(State::Split { alternatives: alternatives.into() }),
            };
            if let Some(slot) = entries.get_mut(done) {
                *slot = entry;
            }
        }
        entries.first().copied().unwrap_or(next)
    }
}

/// What a repetition repeats.
struct Body<'a> {
    pattern: &'a Pattern,
    greedy: bool,
    nullable: bool,
}

impl Body<'_> {
    fn choose(&self, entry: StateId, exit: StateId) -> Box<[StateId]> {
        if self.greedy { [entry, exit].into() } else { [exit, entry].into() }
    }
}

/// Calls `see` for every order of `items`, which ascend, in lexicographic order.
pub(crate) fn permutations(items: &mut [usize], fixed: usize, see: &mut impl FnMut(&[usize])) {
    if fixed >= items.len() {
        see(items);
        return;
    }
    for chosen in fixed..items.len() {
        items[fixed..=chosen].rotate_right(1);
        permutations(items, fixed + 1, see);
        items[fixed..=chosen].rotate_left(1);
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test")]

    use super::*;
    use crate::parse;

    fn compiled(text: &str) -> Result<Program, CompileError> {
        Program::compile(&parse(text).unwrap().pattern, CompileLimits::default())
    }

    fn listing(text: &str) -> String {
        let parsed = parse(text).unwrap();
        compiled(text).unwrap().listing(&parsed.names())
    }

    #[test]
    fn loops_prefer_by_order_alone() {
        assert_eq!(listing("A+ B"), "0  A -> 1\n1  prefer 0, 2\n2  B -> 3\n3  match\n");
        assert_eq!(listing("A+? B"), "0  A -> 1\n1  prefer 2, 0\n2  B -> 3\n3  match\n");
        assert_eq!(listing("A{2,3}"), "0  A -> 1\n1  A -> 2\n2  prefer 3, 4\n3  A -> 4\n4  match\n");
    }

    #[test]
    fn only_loops_over_what_may_be_empty_are_watched() {
        assert_eq!(
            listing("(A?)*"),
            "0  prefer 1, 5\n1  begin loop 0 -> 2\n2  prefer 3, 4\n3  A -> 4\n4  end loop 0 -> 0, if empty 5\n5  match\n"
        );
        assert_eq!(compiled("(A B)*").unwrap().loop_depth(), 0);
        assert_eq!(compiled("((A*)* B?)*").unwrap().loop_depth(), 2);
    }

    #[test]
    fn permute_of_variables_shares_what_is_left_to_match() {
        assert_eq!(compiled("PERMUTE(A, B, C, D, E, F, G, H)").unwrap().states().len(), 8 * 128 + 247 + 1);
        assert_eq!(compiled("PERMUTE(A?, B, C)").unwrap().states().len(), 6 * 4 + 1 + 1);
    }

    #[test]
    fn exclusion_is_a_mark_on_rows() {
        assert_eq!(listing("A {- B -}"), "0  A -> 1\n1  {- B -} -> 2\n2  match\n");
    }

    #[test]
    fn sizes_are_reckoned_before_anything_is_built() {
        for (text, states) in [
            ("A{2147483647}", 2_147_483_648),
            ("((A{1000}){1000}){1000}", 1_000_000_001),
            ("(((((((A{9999}){9999}){9999}){9999}){9999}){9999}){9999}){9999}", u64::MAX),
            ("PERMUTE(A, B, C, D, E, F, G, H, I, J, K, L, M, N, O, P, Q, R, S, T)", 20 * 524_288 + 1_048_576 + 1),
            ("PERMUTE(A?, B, C, D, E, F, G, H, I, J)", 11 * 3_628_800 + 2),
        ] {
            assert_eq!(compiled(text), Err(CompileError::TooLarge { states, states_max: 100_000 }), "{text}");
        }
        assert!(compiled("(()){2147483647}").is_ok());
        assert!(compiled("(() ()*){2147483647,}").is_ok());
        let error = compiled("A{200000}").unwrap_err().to_string();
        assert_eq!(
            error,
            "the pattern needs 200001 states, more than the 100000 allowed: use smaller bounds or a shorter PERMUTE"
        );
    }

    #[test]
    fn the_drawing_is_complete() {
        let parsed = parse("(^ A? \"b\\\")* $").unwrap();
        let program = Program::compile(&parsed.pattern, CompileLimits::default()).unwrap();
        let dot = program.to_dot(&parsed.names());
        assert_eq!(dot.matches("shape=").count(), program.states().len() + 1, "{dot}");
        assert!(dot.starts_with("digraph pattern {") && dot.ends_with("}\n"), "{dot}");
    }
}
