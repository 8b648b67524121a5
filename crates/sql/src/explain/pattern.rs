//! What a row pattern costs: its automaton, the class of each condition and the engine that follows from it, what bounds the
//! state, and when a match is final.

use dipper_graph::{ConditionClass, Define, FrameColumn, Logical, MatchRecognizeSpec, RowsPerMatch, Specialised};
use dipper_pattern::{Pattern, Program, SymbolId, Timeouts};
use dipper_types::Result;
use serde_json::{Value, json};

use crate::logical::length_text;

/// The findings about one clause.
pub(super) struct PatternReport {
    pattern: String,
    names: Vec<String>,
    program: Program,
    conditions: Vec<ConditionReport>,
    engine: &'static str,
    engine_why: String,
    within: Option<String>,
    state: String,
    is_final: Vec<String>,
}

struct ConditionReport {
    variable: String,
    condition: String,
    class: &'static str,
    why: String,
    /// How the clause has it, if what it comes to at its place in the pattern is something else.
    written: Option<String>,
}

impl PatternReport {
    /// Looks at a clause; `unbounded` says whether its input is.
    pub(super) fn of(spec: &MatchRecognizeSpec, unbounded: bool) -> Result<Self> {
        let clause = Specialised::new(spec)?;
        let names = names(spec, &clause);
        let conditions: Vec<ConditionReport> =
            names.iter().enumerate().map(|(symbol, name)| condition(spec, &clause, symbol, name)).collect();
        let (engine, engine_why) = engine(&conditions, spec.within.is_some() && clause.program.has_end_anchor());
        Ok(Self {
            pattern: spec.pattern.display(&spec.variables),
            names,
            is_final: finality(spec, &clause),
            program: clause.program,
            conditions,
            engine,
            engine_why,
            within: spec.within.map(|within| {
                let kind = if within.inclusive { "at most" } else { "less than" };
                format!("a match lasts {kind} {}", length_text(within.span_us))
            }),
            state: state_bound(spec, unbounded),
        })
    }

    /// The paragraph of the text form.
    pub(super) fn to_text(&self) -> String {
        let width = self.conditions.iter().map(|condition| condition.variable.chars().count()).max().unwrap_or(0);
        let mut lines = vec![self.pattern.clone(), "conditions".to_owned()];
        for condition in &self.conditions {
            let ConditionReport { variable, condition, class, why, written } = condition;
            let written = written.as_ref().map(|written| format!("; written {written}")).unwrap_or_default();
            lines.push(format!("  {variable:width$}  {class}  {condition}  -- {why}{written}"));
        }
        lines.push(format!("engine: {}: {}", self.engine, self.engine_why));
        lines.extend(self.within.iter().map(|within| format!("within: {within}")));
        lines.push(format!("state: {}", self.state));
        lines.push("a match is final".to_owned());
        lines.extend(self.is_final.iter().map(|when| format!("  {when}")));
        lines.push("automaton".to_owned());
        lines.extend(self.program.listing(&self.names).lines().map(|line| format!("  {line}")));
        lines.join("\n")
    }

    /// The object of the JSON form.
    pub(super) fn to_json(&self) -> Value {
        let conditions: Vec<Value> = self
            .conditions
            .iter()
            .map(|condition| {
                let ConditionReport { variable, condition, class, why, written } = condition;
                json!({ "variable": variable, "condition": condition, "class": class, "why": why, "written": written })
            })
            .collect();
        json!({
            "pattern": self.pattern,
            "conditions": conditions,
            "engine": self.engine,
            "engine_why": self.engine_why,
            "within": self.within,
            "state": self.state,
            "final": self.is_final,
            "automaton": self.program.listing(&self.names).lines().collect::<Vec<_>>(),
        })
    }

    /// The automaton as a drawing.
    pub(super) fn to_dot(&self) -> String {
        self.program.to_dot(&self.names)
    }
}

/// What the program's symbols are called: by their variables, with a number where a variable's condition differs from place to place.
fn names(spec: &MatchRecognizeSpec, clause: &Specialised) -> Vec<String> {
    let mut names: Vec<String> = Vec::new();
    for (index, original) in clause.originals.iter().enumerate() {
        let mut name = spec.variables[original.index()].clone();
        if clause.originals.iter().filter(|other| *other == original).count() > 1 {
            let number = clause.originals[..index].iter().filter(|other| *other == original).count() + 1;
            name = format!("{name}_{number}");
            while spec.variables.contains(&name) {
                name.push('_');
            }
        }
        names.push(name);
    }
    names
}

fn condition(spec: &MatchRecognizeSpec, clause: &Specialised, symbol: usize, name: &str) -> ConditionReport {
    let variable = name.to_owned();
    let symbol = SymbolId(symbol as u8);
    let Some(define) = define_of(&clause.defines, symbol) else {
        let (condition, why) = ("true".to_owned(), "not defined".to_owned());
        return ConditionReport { variable, condition, class: "R", why, written: None };
    };
    let class = match define.class() {
        ConditionClass::R => "R",
        ConditionClass::S => "S",
        ConditionClass::H => "H",
    };
    let condition = define.condition.expr.to_string();
    let written = define_of(&spec.defines, clause.original(symbol)).map(|define| define.condition.expr.to_string());
    let written = written.filter(|written| *written != condition);
    ConditionReport { variable, condition, class, why: why(define), written }
}

fn define_of(defines: &[Define], symbol: SymbolId) -> Option<&Define> {
    defines.iter().find(|define| define.symbol == symbol)
}

/// What made the class of a condition what it is.
fn why(define: &Define) -> String {
    let frame = &define.condition.frame;
    let named = |test: &dyn Fn(&FrameColumn) -> bool| {
        let found = frame.columns.iter().zip(frame.schema.fields()).filter(|(column, _)| test(column));
        found.map(|(_, field)| field.name().clone()).collect::<Vec<_>>().join(", ")
    };
    match define.class() {
        ConditionClass::H => {
            let of_history = named(&|column| match column {
                FrameColumn::Input { target, .. } | FrameColumn::Exists { target } => {
                    target.logical != Logical::Current
                }
                FrameColumn::MatchNumber => false,
                _ => true,
            });
            format!("reads the match so far: {of_history}")
        }
        ConditionClass::S => "reads the match's number".to_owned(),
        ConditionClass::R => {
            let (back, ahead) = reach(define);
            match (back, ahead) {
                (0, 0) => "reads the row alone".to_owned(),
                (back, 0) => format!("reads the row and {}", rows(back, "before")),
                (0, ahead) => format!("reads the row and {}", rows(ahead, "behind")),
                (back, ahead) => format!("reads the row, {} and {}", rows(back, "before"), rows(ahead, "behind")),
            }
        }
    }
}

fn rows(count: u64, side: &str) -> String {
    if count == 1 { format!("the one {side}") } else { format!("up to {count} {side}") }
}

/// How many rows before and behind the current one a condition reads.
fn reach(define: &Define) -> (u64, u64) {
    let shifts = define.condition.frame.columns.iter().filter_map(FrameColumn::target).map(|target| target.shift);
    shifts.fold((0, 0), |(back, ahead), shift| {
        if shift < 0 { (shift.unsigned_abs().max(back), ahead) } else { (back, shift.unsigned_abs().max(ahead)) }
    })
}

fn engine(conditions: &[ConditionReport], waits_for_end: bool) -> (&'static str, String) {
    let of_class = |class: &str| conditions.iter().find(|condition| condition.class == class);
    match of_class("H").or_else(|| of_class("S")) {
        None => {
            let place = if conditions.iter().any(|condition| condition.written.is_some()) {
                " at its place in the pattern"
            } else {
                ""
            };
            let engine = if waits_for_end { "threads" } else { "automaton" };
            let but = if waits_for_end { "; $ under WITHIN needs threads" } else { "" };
            let why = format!("so it is evaluated ahead for whole batches, and no row is looked at twice{but}");
            (engine, format!("every condition is of class R{place}, {why}"))
        }
        Some(condition) if condition.class == "S" => (
            "backtracking",
            format!(
                "the condition of {} reads the number of the match, so it is tested while searching",
                condition.variable
            ),
        ),
        Some(condition) => (
            "backtracking",
            format!(
                "the condition of {} depends on the match so far, so it is tested while searching",
                condition.variable
            ),
        ),
    }
}

/// Why nothing bounds the state of a clause over unbounded input, if nothing does: to be said when the job is submitted.
pub fn unbounded_state(spec: &MatchRecognizeSpec) -> Option<String> {
    if spec.within.is_some() || rows_max(&spec.pattern).is_some() {
        return None;
    }
    let pattern = spec.pattern.display(&spec.variables);
    Some(format!("nothing bounds how many rows a match of ({pattern}) may take: add WITHIN"))
}

fn state_bound(spec: &MatchRecognizeSpec, unbounded: bool) -> String {
    let bound = open_rows_bound(spec, unbounded);
    if unbounded && !spec.partition_by.is_empty() {
        format!("{bound}; one small record for each key ever seen")
    } else {
        bound
    }
}

fn open_rows_bound(spec: &MatchRecognizeSpec, unbounded: bool) -> String {
    let of = if spec.partition_by.is_empty() { "" } else { " of a partition" };
    if let Some(within) = spec.within {
        return format!("bounded: the rows{of} of the last {} of event time", length_text(within.span_us));
    }
    match rows_max(&spec.pattern) {
        Some(rows) => format!("bounded: {rows} rows{of} at most in an open match"),
        None if unbounded => format!("NOT bounded: {}", unbounded_state(spec).unwrap_or_default()),
        None => format!("bounded by the input alone: a match takes any number of rows{of}"),
    }
}

/// The most rows of a match.
fn rows_max(pattern: &Pattern) -> Option<u64> {
    match pattern {
        Pattern::Empty | Pattern::Anchor(_) => Some(0),
        Pattern::Symbol(_) => Some(1),
        Pattern::Concat(parts) | Pattern::Permute(parts) => {
            parts.iter().try_fold(0_u64, |sum, part| sum.checked_add(rows_max(part)?))
        }
        Pattern::Alternate(parts) => parts.iter().try_fold(0, |most, part| Some(rows_max(part)?.max(most))),
        Pattern::Exclude(inner) => rows_max(inner),
        Pattern::Repeat { pattern, max, .. } => match (rows_max(pattern)?, max) {
            (0, _) => Some(0),
            (rows, Some(max)) => rows.checked_mul(u64::from(*max)),
            (_, None) => None,
        },
    }
}

/// When a match can no longer change.
fn finality(spec: &MatchRecognizeSpec, clause: &Specialised) -> Vec<String> {
    let mut lines = Vec::new();
    if spec.event_time.is_some() {
        lines.push("when the watermark has passed its rows, and no preferred match is possible any more".to_owned());
    } else {
        lines.push("at the end of the input, which is put in order then".to_owned());
    }
    if spec.event_time.is_some() && has_greedy_end(&spec.pattern) {
        let until = if spec.within.is_some() { ", or for WITHIN to run out" } else { "" };
        lines.push(format!("its greedy end waits for a row that ends it{until}"));
    }
    let ahead = clause.defines.iter().map(|define| reach(define).1).max().unwrap_or(0);
    if ahead > 0 {
        let rows = if ahead == 1 { "row" } else { "rows" };
        lines.push(format!("NEXT waits for {ahead} more {rows} of the partition"));
    }
    match spec.timeouts {
        Timeouts::Hide => {}
        Timeouts::Show => lines.push("partial matches go out too, when WITHIN runs out for them".to_owned()),
        Timeouts::Only => lines.push("only partial matches go out, when WITHIN runs out for them".to_owned()),
    }
    if spec.rows_per_match == RowsPerMatch::AllWithUnmatched {
        lines.push("a row of no match goes out when every match that could hold it is decided".to_owned());
    }
    lines
}

/// Whether a match could go on behind its end.
fn has_greedy_end(pattern: &Pattern) -> bool {
    match pattern {
        Pattern::Empty | Pattern::Symbol(_) | Pattern::Anchor(_) => false,
        Pattern::Concat(parts) => {
            let ends = parts.iter().rev();
            let mut behind_is_nullable = true;
            let mut found = false;
            for part in ends {
                found |= behind_is_nullable && has_greedy_end(part);
                behind_is_nullable &= part.nullable();
            }
            found
        }
        Pattern::Alternate(parts) | Pattern::Permute(parts) => parts.iter().any(has_greedy_end),
        Pattern::Exclude(inner) => has_greedy_end(inner),
        Pattern::Repeat { pattern, min, max, greedy } => (*greedy && *max != Some(*min)) || has_greedy_end(pattern),
    }
}
