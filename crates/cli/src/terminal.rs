//! The two streams of the process: results on standard output; errors, notices and progress on standard error. The
//! progress line steps aside whenever anything else is written.

use std::io::{self, BufWriter, IsTerminal, Write};

use anstream::{AutoStream, ColorChoice};
use dipper_types::Error;
use indicatif::{MultiProgress, ProgressBar, ProgressDrawTarget, ProgressStyle};

use crate::args::{Color, GlobalArguments};
use crate::report;
use crate::script::Script;

/// Standard output and standard error.
#[derive(Debug, Clone)]
pub(crate) struct Terminal {
    bars: MultiProgress,
    color: ColorChoice,
    quiet: bool,
}

impl Terminal {
    /// As the command line wants it.
    pub(crate) fn new(arguments: &GlobalArguments) -> Self {
        let color = match arguments.color {
            Color::Auto => AutoStream::choice(&io::stderr()),
            Color::Always => ColorChoice::AlwaysAnsi,
            Color::Never => ColorChoice::Never,
        };
        let shows_progress = io::stderr().is_terminal() && !arguments.quiet;
        let target = if shows_progress { ProgressDrawTarget::stderr() } else { ProgressDrawTarget::hidden() };
        Self { bars: MultiProgress::with_draw_target(target), color, quiet: arguments.quiet }
    }

    /// Whether standard error takes colours.
    pub(crate) fn is_colored(&self) -> bool {
        self.color != ColorChoice::Never
    }

    /// A line that tells how far a job has come, or nothing when standard error is no terminal.
    pub(crate) fn progress_line(&self) -> ProgressBar {
        let style =
            ProgressStyle::with_template("{spinner} {wide_msg}").unwrap_or_else(|_| ProgressStyle::default_spinner());
        self.bars.add(ProgressBar::new_spinner().with_style(style))
    }

    /// Reports an error.
    pub(crate) fn error(&self, error: &Error, script: Option<&Script>) {
        self.say(&report::error_text(error, script));
    }

    /// Reports what may be wrong.
    pub(crate) fn warning(&self, message: &str) {
        self.say(&report::warning_text(message));
    }

    /// Says something that nobody would miss.
    pub(crate) fn notice(&self, message: &str) {
        if !self.quiet {
            self.tell(message);
        }
    }

    /// Says what must be known even when quiet.
    pub(crate) fn tell(&self, message: &str) {
        self.say(&format!("{message}\n"));
    }

    /// Standard output; what is written shows on flush.
    pub(crate) fn results(&self) -> Results {
        Results { out: BufWriter::with_capacity(1 << 16, ResultStream(self.bars.clone())) }
    }

    /// Standard error for the log.
    pub(crate) fn log_lines(&self) -> LogLines {
        LogLines(self.clone())
    }

    fn say(&self, text: &str) {
        self.bars.suspend(|| {
            let mut stream = AutoStream::new(io::stderr().lock(), self.color);
            // Nobody can be told that standard error is gone.
            let _ = stream.write_all(text.as_bytes());
        });
    }
}

/// Standard output for result rows.
pub(crate) struct Results {
    out: BufWriter<ResultStream>,
}

struct ResultStream(MultiProgress);

impl Write for Results {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.out.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.out.flush()
    }
}

impl Write for ResultStream {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.suspend(|| {
            let mut stdout = io::stdout().lock();
            stdout.write_all(bytes)?;
            stdout.flush()?;
            Ok(bytes.len())
        })
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Standard error for the log.
#[derive(Debug, Clone)]
pub(crate) struct LogLines(Terminal);

impl Write for LogLines {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.say(&String::from_utf8_lossy(bytes));
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
