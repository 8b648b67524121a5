//! The row pattern as a tree, as the SQL grammar has it.

use std::fmt::{self, Write as _};

use serde::{Deserialize, Serialize};

use crate::{SymbolId, SymbolSet};

/// An end of the partition.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Serialize, Deserialize)]
pub enum Edge {
    /// `^`: before the first row.
    Start,
    /// `$`: behind the last row.
    End,
}

/// A row pattern.
#[derive(Clone, PartialEq, Eq, Hash, Debug, Serialize, Deserialize)]
pub enum Pattern {
    /// `()`: matches without a row.
    Empty,
    /// A row pattern variable: one row that satisfies its condition.
    Symbol(SymbolId),
    /// `^` or `$`.
    Anchor(Edge),
    /// One after the other.
    Concat(Vec<Pattern>),
    /// One of several; an earlier one is preferred.
    Alternate(Vec<Pattern>),
    /// A quantified pattern.
    Repeat {
        /// What is repeated.
        pattern: Box<Pattern>,
        /// The least number of times.
        min: u32,
        /// The greatest number of times; `None` for no bound.
        max: Option<u32>,
        /// Whether more repetitions are preferred to fewer.
        greedy: bool,
    },
    /// `{- … -}`: its rows are left out of ALL ROWS PER MATCH.
    Exclude(Box<Pattern>),
    /// `PERMUTE(…)`: the alternation of all orders, in lexicographic order of the list.
    Permute(Vec<Pattern>),
}

impl Pattern {
    /// The variables of the pattern.
    pub fn symbols(&self) -> SymbolSet {
        let mut set = SymbolSet::EMPTY;
        self.visit(&mut |pattern| {
            if let Self::Symbol(symbol) = pattern {
                set.insert(*symbol);
            }
        });
        set
    }

    /// Whether `{- … -}` occurs.
    pub fn has_exclusion(&self) -> bool {
        self.any(&|pattern| matches!(pattern, Self::Exclude(_)))
    }

    /// Whether the pattern can match without a row (anchors permitting).
    pub fn nullable(&self) -> bool {
        match self {
            Self::Empty | Self::Anchor(_) => true,
            Self::Symbol(_) => false,
            Self::Concat(parts) | Self::Permute(parts) => parts.iter().all(Self::nullable),
            Self::Alternate(parts) => parts.iter().any(Self::nullable),
            Self::Repeat { pattern, min, .. } => *min == 0 || pattern.nullable(),
            Self::Exclude(pattern) => pattern.nullable(),
        }
    }

    /// Whether a match may have any number of rows.
    pub fn is_unbounded(&self) -> bool {
        self.any(&|pattern| matches!(pattern, Self::Repeat { pattern, max: None, .. } if !pattern.symbols().is_empty()))
    }

    /// Calls `see` for this pattern and each one inside it, outer before inner.
    pub fn visit(&self, see: &mut impl FnMut(&Self)) {
        see(self);
        for part in self.parts() {
            part.visit(see);
        }
    }

    fn any(&self, test: &impl Fn(&Self) -> bool) -> bool {
        test(self) || self.parts().iter().any(|part| part.any(test))
    }

    fn parts(&self) -> &[Self] {
        match self {
            Self::Empty | Self::Symbol(_) | Self::Anchor(_) => &[],
            Self::Concat(parts) | Self::Alternate(parts) | Self::Permute(parts) => parts,
            Self::Repeat { pattern, .. } | Self::Exclude(pattern) => std::slice::from_ref(pattern),
        }
    }

    /// The same pattern with its concatenations and alternations flattened and what has no effect removed. What matches,
    /// and what is preferred, stays the same.
    #[must_use]
    pub fn simplify(self) -> Self {
        match self {
            Self::Empty | Self::Symbol(_) | Self::Anchor(_) => self,
            Self::Concat(parts) => {
                let mut flat = Vec::with_capacity(parts.len());
                for part in parts {
                    match part.simplify() {
                        Self::Empty => {}
                        Self::Concat(inner) => flat.extend(inner),
                        other => flat.push(other),
                    }
                }
                one_or(flat, Self::Concat)
            }
            Self::Alternate(parts) if parts.is_empty() => Self::Alternate(parts),
            Self::Alternate(parts) => {
                let mut flat: Vec<Self> = Vec::with_capacity(parts.len());
                for part in parts {
                    let part = part.simplify();
                    let inner = if let Self::Alternate(inner) = part { inner } else { vec![part] };
                    for branch in inner {
                        // Where a branch failed, the same branch fails again.
                        if !flat.contains(&branch) {
                            flat.push(branch);
                        }
                    }
                }
                one_or(flat, Self::Alternate)
            }
            Self::Repeat { pattern, min, max, greedy } => match (pattern.simplify(), max) {
                (Self::Empty, _) | (_, Some(0)) => Self::Empty,
                (pattern, Some(1)) if min == 1 => pattern,
                (pattern, _) => {
                    Self::Repeat { pattern: Box::new(pattern), min, max, greedy: greedy || max == Some(min) }
                }
            },
            Self::Exclude(pattern) => match pattern.simplify() {
                Self::Empty => Self::Empty,
                inner @ Self::Exclude(_) => inner,
                other => Self::Exclude(Box::new(other)),
            },
            Self::Permute(parts) => {
                let parts = parts.into_iter().map(Self::simplify).filter(|part| *part != Self::Empty).collect();
                one_or(parts, Self::Permute)
            }
        }
    }

    /// The pattern as SQL text; `names[i]` is the name of variable `i`.
    ///
    /// ```
    /// let parsed = dipper_pattern::parse("a (b{1,}? | \"c d\"){0,1} -- as written")?;
    /// assert_eq!(parsed.pattern.display(&parsed.names()), "A (B+? | \"c d\")?");
    /// # Ok::<(), dipper_pattern::SyntaxError>(())
    /// ```
    pub fn display(&self, names: &[String]) -> String {
        Shown { pattern: self, names, grouped: false }.to_string()
    }
}

/// A pattern on its way to text.
struct Shown<'a> {
    pattern: &'a Pattern,
    names: &'a [String],
    /// In parentheses.
    grouped: bool,
}

impl fmt::Display for Shown<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.grouped {
            f.write_char('(')?;
        }
        match self.pattern {
            Pattern::Empty => f.write_str("()")?,
            Pattern::Symbol(symbol) => f.write_str(&display_name(*symbol, self.names))?,
            Pattern::Anchor(Edge::Start) => f.write_char('^')?,
            Pattern::Anchor(Edge::End) => f.write_char('$')?,
            Pattern::Concat(parts) => {
                self.list(parts, " ", |part| matches!(part, Pattern::Concat(_) | Pattern::Alternate(_)), f)?;
            }
            Pattern::Alternate(parts) => self.list(parts, " | ", |part| matches!(part, Pattern::Alternate(_)), f)?,
            Pattern::Repeat { pattern, min, max, greedy } => {
                let grouped = matches!(**pattern, Pattern::Concat(_) | Pattern::Alternate(_) | Pattern::Repeat { .. });
                write!(f, "{}", self.part(pattern, grouped))?;
                match (min, max) {
                    (0, None) => f.write_char('*')?,
                    (1, None) => f.write_char('+')?,
                    (0, Some(1)) => f.write_char('?')?,
                    (_, None) => write!(f, "{{{min},}}")?,
                    (_, Some(max)) if min == max => write!(f, "{{{min}}}")?,
                    (_, Some(max)) => write!(f, "{{{min},{max}}}")?,
                }
                if !greedy {
                    f.write_char('?')?;
                }
            }
            Pattern::Exclude(pattern) => write!(f, "{{- {} -}}", self.part(pattern, false))?,
            Pattern::Permute(parts) => {
                f.write_str("PERMUTE(")?;
                self.list(parts, ", ", |_| false, f)?;
                f.write_char(')')?;
            }
        }
        if self.grouped { f.write_char(')') } else { Ok(()) }
    }
}

impl<'a> Shown<'a> {
    fn part(&self, pattern: &'a Pattern, grouped: bool) -> Self {
        Self { pattern, names: self.names, grouped }
    }

    fn list(
        &self,
        parts: &'a [Pattern],
        separator: &str,
        grouped: impl Fn(&Pattern) -> bool,
        f: &mut fmt::Formatter<'_>,
    ) -> fmt::Result {
        if parts.is_empty() {
            f.write_str("()")?;
        }
        for (index, part) in parts.iter().enumerate() {
            if index > 0 {
                f.write_str(separator)?;
            }
            write!(f, "{}", self.part(part, grouped(part)))?;
        }
        Ok(())
    }
}

/// No part is the empty pattern, one is itself, more are what `many` makes of them.
fn one_or(mut parts: Vec<Pattern>, many: impl FnOnce(Vec<Pattern>) -> Pattern) -> Pattern {
    if parts.len() > 1 { many(parts) } else { parts.pop().unwrap_or(Pattern::Empty) }
}

/// The variable's name as it must be written in SQL; `#n` for one without a name.
pub(crate) fn display_name(symbol: SymbolId, names: &[String]) -> String {
    let Some(name) = names.get(symbol.index()) else { return format!("#{}", symbol.0) };
    let plain = name.starts_with(|c: char| c.is_alphabetic() || c == '_')
        && name.chars().all(|c| c.is_alphanumeric() || c == '_')
        && *name == name.to_uppercase()
        && name != "PERMUTE";
    if plain { name.clone() } else { format!("\"{}\"", name.replace('"', "\"\"")) }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test")]

    use crate::parse;

    fn simplified(text: &str) -> String {
        let parsed = parse(text).unwrap();
        let names = parsed.names();
        parsed.pattern.simplify().display(&names)
    }

    #[test]
    fn simplifying_keeps_order_and_removes_what_has_no_effect() {
        for (text, expected) in [
            ("((A B) C)", "A B C"),
            ("A () B", "A B"),
            ("(A | (B | C)) | A", "A | B | C"),
            ("A{1}", "A"),
            ("A{3}?", "A{3}"),
            ("()*", "()"),
            ("{- {- A -} -} {- () -}", "{- A -}"),
            ("PERMUTE(A)", "A"),
            ("PERMUTE(A, (), B)", "PERMUTE(A, B)"),
            ("(A*)*", "(A*)*"),
            ("(A | ())?", "(A | ())?"),
        ] {
            assert_eq!(simplified(text), expected, "{text}");
        }
    }

    #[test]
    fn display_is_read_back_as_the_same_tree() {
        for text in [
            "A",
            "^ A (B C)*? $",
            "(A*)*",
            "A{2,}? B{3} C{0,4} D{1,2}?",
            "{- A | B -} C",
            "PERMUTE(A | B, C D)",
            "\"a\"\"b\" \"permute\" \"PERMUTE\"",
            "(A | B) | C",
            "()* A",
            "(^)+",
        ] {
            let parsed = parse(text).unwrap();
            let shown = parsed.pattern.display(&parsed.names());
            assert_eq!(parse(&shown).unwrap().pattern, parsed.pattern, "{text} was shown as {shown}");
        }
    }

    #[test]
    fn unbounded_means_repeating_a_variable_without_bound() {
        assert!(parse("A (B C?)*").unwrap().pattern.is_unbounded());
        assert!(!parse("A{2,5} ()*").unwrap().pattern.is_unbounded());
    }
}
