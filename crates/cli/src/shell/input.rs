//! What the line editor asks about the text under the cursor: is the statement complete, how could the word go on.

use dipper_session::Session;
use rustyline::completion::Completer;
use rustyline::highlight::Highlighter;
use rustyline::hint::Hinter;
use rustyline::validate::{ValidationContext, ValidationResult, Validator};
use rustyline::{Context, Helper};

use super::completion::Words;

/// Helps the line editor.
#[derive(Default)]
pub(super) struct ShellInput {
    words: Words,
}

impl ShellInput {
    /// Takes up the names that there are now.
    pub(super) fn refresh(&mut self, session: &Session) {
        self.words = Words::of(&session.tables());
    }
}

/// Whether the text can be run: a command, or statements up to a semicolon, or nothing at all.
pub(super) fn is_complete(text: &str) -> bool {
    let text = text.trim();
    text.is_empty() || text.starts_with('\\') || dipper_session::is_complete(text)
}

impl Validator for ShellInput {
    fn validate(&self, ctx: &mut ValidationContext<'_>) -> rustyline::Result<ValidationResult> {
        Ok(if is_complete(ctx.input()) { ValidationResult::Valid(None) } else { ValidationResult::Incomplete })
    }
}

impl Completer for ShellInput {
    type Candidate = String;

    fn complete(&self, line: &str, pos: usize, _ctx: &Context<'_>) -> rustyline::Result<(usize, Vec<String>)> {
        Ok(self.words.complete(line, pos))
    }
}

impl Hinter for ShellInput {
    type Hint = String;
}

impl Highlighter for ShellInput {}

impl Helper for ShellInput {}
