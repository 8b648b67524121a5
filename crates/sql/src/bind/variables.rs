//! The row pattern variables of a clause and its SUBSETs.

use dipper_pattern::{MAX_SYMBOLS, SymbolId, SymbolSet};
use dipper_types::{Error, Result};
use sqlparser::ast::Ident;

use crate::ast::{MatchRecognizeClause, PatternAst, SubsetItem};
use crate::catalog::{nearest, variable_name};
use crate::source_text::span;

/// A variable, a SUBSET, or all rows of the match (the universal variable).
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Variable {
    /// `None` for the universal variable.
    pub(super) name: Option<String>,
    /// The symbols it stands for.
    pub(super) symbols: SymbolSet,
}

impl Variable {
    /// `DOWN.price`, or plain `price` for the universal variable.
    pub(super) fn qualify(&self, what: &str) -> String {
        match &self.name {
            Some(name) => format!("{name}.{what}"),
            None => what.to_owned(),
        }
    }
}

/// All of a clause's variables.
#[derive(Debug)]
pub(super) struct Variables {
    names: Vec<String>,
    subsets: Vec<(String, SymbolSet)>,
}

impl Variables {
    /// Takes them from PATTERN and SUBSET.
    pub(super) fn of(clause: &MatchRecognizeClause) -> Result<Self> {
        let pattern = &clause.pattern;
        let names = pattern.parsed.names();
        if names.len() > MAX_SYMBOLS {
            let count = names.len();
            return Err(Error::unsupported(format!(
                "the pattern has {count} variables: at most {MAX_SYMBOLS} are supported"
            ))
            .at(pattern.span));
        }
        let mut variables = Self { names, subsets: Vec::new() };
        for subset in &clause.subsets {
            variables.add_subset(subset)?;
        }
        Ok(variables)
    }

    fn add_subset(&mut self, subset: &SubsetItem) -> Result<()> {
        let name = variable_name(&subset.name);
        let here = span(subset.name.span);
        if self.names.contains(&name) {
            return Err(Error::invalid(format!("SUBSET {name} has the name of a variable of the pattern")).at(here));
        }
        if self.subset(&name).is_some() {
            return Err(Error::invalid(format!("SUBSET {name} is defined twice")).at(here));
        }
        let mut symbols = SymbolSet::EMPTY;
        for member in &subset.members {
            let member_name = variable_name(member);
            let Some(symbol) = self.symbol(&member_name) else {
                let error = if member_name == name || self.subset(&member_name).is_some() {
                    Error::invalid(format!("SUBSET {name} has the SUBSET {member_name} as a member"))
                        .with_hint("name the variables themselves")
                } else {
                    self.unknown(&member_name, "SUBSET names")
                };
                return Err(error.at(span(member.span)));
            };
            symbols.insert(symbol);
        }
        self.subsets.push((name, symbols));
        Ok(())
    }

    /// The names, by symbol.
    pub(super) fn names(&self) -> &[String] {
        &self.names
    }

    /// The variable (no SUBSET) of a name.
    pub(super) fn symbol(&self, name: &str) -> Option<SymbolId> {
        self.names.iter().position(|known| known == name).map(|index| SymbolId(index as u8))
    }

    /// Whether a name is a SUBSET's.
    pub(super) fn subset(&self, name: &str) -> Option<SymbolSet> {
        self.subsets.iter().find(|(known, _)| known == name).map(|(_, symbols)| *symbols)
    }

    /// The variable or SUBSET that a word names, if it names one.
    pub(super) fn find(&self, ident: &Ident) -> Option<Variable> {
        let name = variable_name(ident);
        let symbols = match self.symbol(&name) {
            Some(symbol) => SymbolSet::of(&[symbol]),
            None => self.subset(&name)?,
        };
        Some(Variable { name: Some(name), symbols })
    }

    /// As `find`; it is an error if there is none.
    pub(super) fn require(&self, ident: &Ident, context: &str) -> Result<Variable> {
        self.find(ident).ok_or_else(|| self.unknown(&variable_name(ident), context).at(span(ident.span)))
    }

    /// All rows of the match.
    pub(super) fn universal(&self) -> Variable {
        Variable { name: None, symbols: SymbolSet::all(self.names.len()) }
    }

    /// The error for a name that PATTERN does not have; `context` as in `DEFINE is for`.
    pub(super) fn unknown(&self, name: &str, context: &str) -> Error {
        let error = Error::invalid(format!("{context} {name}, which is not a variable of the pattern"));
        let known = self.names.iter().chain(self.subsets.iter().map(|(name, _)| name)).map(String::as_str);
        match nearest(name, known) {
            Some(meant) => error.with_hint(format!("did you mean {meant}?")),
            None => error.with_hint(format!("the pattern has {}", self.names.join(", "))),
        }
    }
}

/// The place of a symbol's first appearance in the pattern.
pub(super) fn place_of(pattern: &PatternAst, symbol: SymbolId) -> dipper_types::Span {
    pattern.variable_spans.get(symbol.index()).copied().unwrap_or(pattern.span)
}
