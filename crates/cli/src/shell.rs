//! The interactive shell: `dipper sql`.

mod command;
mod completion;
mod history;
mod input;

use std::io::{self, IsTerminal};

use dipper_session::Session;
use dipper_types::Error;
use rustyline::error::ReadlineError;
use rustyline::history::FileHistory;
use rustyline::{Config, Editor};

use self::command::Command;
use self::input::ShellInput;
use crate::clock::Stopwatch;
use crate::failure::Failure;
use crate::script::Script;
use crate::statement::{Console, may_go_on};
use crate::summary;

const PROMPT: &str = "dipper> ";

const HELP: &str = "\
statements end in ';' and may span lines; Ctrl-C cancels what runs, Ctrl-D leaves

  \\d          list tables and views
  \\d NAME     columns of a table or view
  \\dt         list tables
  \\i FILE     run a SQL file
  \\timing     show how long statements take, or stop
  \\?          this help
  \\q          leave

EXPLAIN shows a query's plan; SET; lists the settings";

/// Reads statements from the terminal, or from a pipe, until the end.
pub(crate) async fn run(console: &Console, session: &mut Session) -> Result<(), Failure> {
    let interactive = io::stdin().is_terminal();
    if interactive {
        console.terminal.notice(&format!("dipper {}: \\? for help", env!("CARGO_PKG_VERSION")));
    }
    Shell { console: console.clone(), interactive, timing: false }.run(session).await
}

struct Shell {
    console: Console,
    interactive: bool,
    timing: bool,
}

/// Whether the shell reads on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Next {
    Read,
    Leave,
}

impl Shell {
    async fn run(&mut self, session: &mut Session) -> Result<(), Failure> {
        if !self.interactive {
            return self.read_pipe(session).await;
        }
        let config = Config::builder().history_ignore_space(true).auto_add_history(false).build();
        let mut editor: Editor<ShellInput, FileHistory> =
            Editor::with_config(config).map_err(|error| terminal_failure(&error))?;
        editor.set_helper(Some(ShellInput::default()));
        let history = history::path();
        if let Some(path) = &history {
            history::load(&mut editor, path);
        }
        let result = self.read_all(&mut editor, session).await;
        if let Some(path) = &history {
            history::save(&mut editor, path);
        }
        result
    }

    async fn read_all(
        &mut self,
        editor: &mut Editor<ShellInput, FileHistory>,
        session: &mut Session,
    ) -> Result<(), Failure> {
        loop {
            if let Some(input) = editor.helper_mut() {
                input.refresh(session);
            }
            let text = match editor.readline(PROMPT) {
                Ok(text) => text,
                // Ctrl-C at the prompt forgets the line, as in any shell.
                Err(ReadlineError::Interrupted) => continue,
                Err(ReadlineError::Eof) => return Ok(()),
                Err(error) => return Err(terminal_failure(&error)),
            };
            let text = text.trim_end();
            if text.trim().is_empty() {
                continue;
            }
            // Without a history there is just no going back.
            let _ = editor.add_history_entry(text);
            if self.take(text, session).await? == Next::Leave {
                return Ok(());
            }
        }
    }

    /// Reads lines, which wait for their semicolon; the last statement needs none.
    async fn read_pipe(&mut self, session: &mut Session) -> Result<(), Failure> {
        let mut pending = String::new();
        loop {
            // Another thread waits for the line, so that Ctrl-C is heard.
            let token = self.console.interrupt.token();
            let reading = tokio::task::spawn_blocking(|| {
                let mut line = String::new();
                io::stdin().read_line(&mut line).map(|_| line)
            });
            let read = tokio::select! {
                read = reading => read.unwrap_or_else(|error| Err(io::Error::other(error))),
                () = token.cancelled() => return Err(Failure::Cancelled),
            };
            let line = read.map_err(|error| terminal_failure(&error))?;
            pending.push_str(&line);
            let at_end = line.is_empty();
            if at_end || input::is_complete(&pending) {
                let text = std::mem::take(&mut pending);
                if !text.trim().is_empty() && self.take(text.trim_end(), session).await? == Next::Leave {
                    return Ok(());
                }
            }
            if at_end {
                return Ok(());
            }
        }
    }

    async fn take(&mut self, text: &str, session: &mut Session) -> Result<Next, Failure> {
        self.console.interrupt.rearm();
        let watch = Stopwatch::start();
        let script = Script::new("<input>", text);
        let command = Command::parse(text);
        let is_sql = command.is_none();
        let result = match command {
            Some(Ok(command)) => self.command(command, session).await,
            Some(Err(error)) => Err(Failure::Usage(error)),
            None => self.console.run_script(session, &script).await.map(|()| Next::Read),
        };
        match result {
            Ok(next) => {
                if self.timing && is_sql {
                    self.console.terminal.notice(&format!("time: {}", summary::seconds(watch.elapsed())));
                }
                Ok(next)
            }
            Err(failure) if self.interactive && may_go_on(&failure) => {
                failure.report(&self.console.terminal);
                Ok(Next::Read)
            }
            Err(failure) => Err(failure),
        }
    }

    async fn command(&mut self, command: Command, session: &mut Session) -> Result<Next, Failure> {
        match command {
            Command::Leave => return Ok(Next::Leave),
            Command::Help => self.console.print(HELP)?,
            Command::Timing => {
                self.timing = !self.timing;
                self.console.terminal.notice(if self.timing { "timing is on" } else { "timing is off" });
            }
            Command::Sql(text) => self.console.run_script(session, &Script::of_command(&text)).await?,
            Command::Relations => {
                self.console.run_script(session, &Script::of_command("SHOW TABLES; SHOW VIEWS;")).await?;
            }
            Command::Include(path) => self.console.run_script(session, &Script::read(&path)?).await?,
        }
        Ok(Next::Read)
    }
}

fn terminal_failure(error: &dyn std::error::Error) -> Failure {
    Failure::Session(Error::unavailable(format!("cannot read statements: {error}")))
}
