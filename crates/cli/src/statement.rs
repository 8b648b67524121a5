//! Runs statements one after another and shows what each gives back.

use std::io::Write;

use dipper_session::{JobControl, JobHandle, JobNotice, Outcome, Parsed, Progress, Rows, Session};
use dipper_types::{Error, ErrorKind};
use futures::StreamExt;
use indicatif::ProgressBar;
use tokio::sync::mpsc::{self, UnboundedReceiver};
use tokio_util::sync::CancellationToken;

use crate::args::OutputFormat;
use crate::clock::{self, Stopwatch};
use crate::failure::{Failure, Phase};
use crate::interrupt::Interrupt;
use crate::output::{RowWriter, WriteError, row_writer};
use crate::script::Script;
use crate::summary;
use crate::terminal::Terminal;

/// How many batches may wait to be shown: the rest is backpressure.
const BATCHES_AHEAD: usize = 4;

/// Where and how results are shown.
#[derive(Clone)]
pub(crate) struct Console {
    /// The streams.
    pub(crate) terminal: Terminal,
    /// How rows are written.
    pub(crate) format: OutputFormat,
    /// Ctrl-C.
    pub(crate) interrupt: Interrupt,
    /// Whether someone sits in front of it: confirmations are shown, summaries of queries are not.
    pub(crate) interactive: bool,
}

impl Console {
    /// Runs all statements of a script; the first failure ends it. The whole script is parsed before anything runs.
    pub(crate) async fn run_script(&self, session: &mut Session, script: &Script) -> Result<(), Failure> {
        let statements =
            session.parse(&script.text).map_err(|error| Failure::statement(error, Phase::Planning, script))?;
        for statement in &statements {
            self.run_statement(session, statement, script).await?;
        }
        Ok(())
    }

    /// Runs one statement and shows what it gives back.
    pub(crate) async fn run_statement(
        &self,
        session: &mut Session,
        statement: &Parsed,
        script: &Script,
    ) -> Result<(), Failure> {
        let token = self.interrupt.token();
        if token.is_cancelled() {
            return Err(Failure::Cancelled);
        }
        let watch = Stopwatch::start();
        match execute(session, statement, &token)
            .await
            .map_err(|error| Failure::statement(error, Phase::Planning, script))?
        {
            Outcome::Done(message) => {
                if self.interactive {
                    self.terminal.notice(&message);
                }
                Ok(())
            }
            Outcome::Text(text) => self.print(&text),
            Outcome::Rows(rows) => self.show_rows(rows, watch, &token, script).await,
            Outcome::Job(job) => self.show_job(job, watch, &token, script).await,
        }
    }

    /// Writes a text to standard output.
    pub(crate) fn print(&self, text: &str) -> Result<(), Failure> {
        let mut out = self.terminal.results();
        writeln!(out, "{}", text.trim_end())?;
        Ok(out.flush()?)
    }

    async fn show_rows(
        &self,
        rows: Rows,
        watch: Stopwatch,
        token: &CancellationToken,
        script: &Script,
    ) -> Result<(), Failure> {
        let failed = |error| Failure::statement(error, Phase::Running, script);
        let Rows { schema, mut stream, job } = rows;
        self.warn(job.as_ref());
        let view = JobView::new(&self.terminal, job.as_ref(), watch);
        let mut writer = row_writer(self.format, &schema, self.terminal.results())
            .map_err(|error| Self::write_failure(error, script))?;
        // The stream may compute for a while between two rows; here it does not keep Ctrl-C and the clock waiting.
        let (sender, mut batches) = mpsc::channel(BATCHES_AHEAD);
        let pump = tokio::spawn(async move {
            while let Some(batch) = stream.next().await {
                if sender.send(batch).await.is_err() {
                    return;
                }
            }
        });
        let mut ticks = clock::refresh();
        let shown = loop {
            let step = tokio::select! {
                batch = batches.recv() => match batch {
                    Some(Ok(batch)) => writer.write(&batch),
                    Some(Err(error)) => break Err(failed(error)),
                    None => break Ok(()),
                },
                _ = ticks.tick() => {
                    view.draw();
                    writer.flush()
                }
                () = token.cancelled() => break Err(Failure::Cancelled),
            };
            if let Err(error) = step {
                break Err(Self::write_failure(error, script));
            }
        };
        drop(batches);
        let shown = match shown {
            // Rows that just stop may be the work of a panic.
            Ok(()) => pump.await.map_err(|error| failed(Error::internal(format!("the query has stopped: {error}")))),
            Err(failure) => {
                view.cancel();
                pump.abort();
                Err(failure)
            }
        };
        view.clear();
        let written = Self::finish_rows(&mut *writer, &shown, script);
        let ended = match job {
            Some(job) if shown.is_ok() => Some(job.wait().await),
            // Nobody waits for the end of what he has cancelled, and it has no sink to clear up.
            Some(job) => clock::patiently(job.wait()).await,
            None => None,
        };
        // The error of the rows comes first: the job's own may only say that it was cancelled because of it.
        shown.and(written)?;
        if let Some(progress) = ended.transpose().map_err(failed)? {
            self.conclude(&view.name, &progress, watch, self.interactive);
        }
        Ok(())
    }

    /// Ends the output: after a failure what was shown stays, without a footer that would look like an end.
    fn finish_rows(writer: &mut dyn RowWriter, shown: &Result<(), Failure>, script: &Script) -> Result<(), Failure> {
        let finished = match shown {
            Ok(()) => writer.finish(),
            Err(Failure::OutputClosed | Failure::Output(_)) => return Ok(()),
            Err(_) => writer.flush(),
        };
        finished.map_err(|error| Self::write_failure(error, script))
    }

    async fn show_job(
        &self,
        mut job: JobHandle,
        watch: Stopwatch,
        token: &CancellationToken,
        script: &Script,
    ) -> Result<(), Failure> {
        let view = JobView::new(&self.terminal, Some(&job), watch);
        self.warn(Some(&job));
        let mut ticks = clock::refresh();
        let mut notices = job.notices();
        let mut ended = std::pin::pin!(job.wait());
        let (mut cancelled, mut told) = (false, false);
        let result = loop {
            tokio::select! {
                biased;
                Some(notice) = next(&mut notices) => self.notify(&notice),
                result = &mut ended => break result,
                _ = ticks.tick() => {
                    view.draw();
                    if cancelled && !told {
                        told = true;
                        self.terminal.tell("cancelling; press Ctrl-C again to kill");
                    }
                }
                () = token.cancelled(), if !cancelled => {
                    cancelled = true;
                    view.cancel();
                }
            }
        };
        view.clear();
        while let Some(notice) = notices.as_mut().and_then(|notices| notices.try_recv().ok()) {
            self.notify(&notice);
        }
        let progress = result.map_err(|error| Failure::statement(error, Phase::Running, script))?;
        self.conclude(&view.name, &progress, watch, false);
        Ok(())
    }

    fn warn(&self, job: Option<&JobHandle>) {
        for warning in job.map_or(&[][..], JobHandle::warnings) {
            self.terminal.warning(warning);
        }
    }

    /// Says what becomes of a job with checkpoints.
    fn notify(&self, notice: &JobNotice) {
        match notice {
            notice if notice.is_warning() => self.terminal.warning(&notice.to_string()),
            JobNotice::AlreadyFinished { .. } => self.terminal.tell(&notice.to_string()),
            notice => self.terminal.notice(&notice.to_string()),
        }
    }

    fn conclude(&self, name: &str, progress: &Progress, watch: Stopwatch, only_warnings: bool) {
        for warning in summary::warnings(progress) {
            self.terminal.warning(&warning);
        }
        // A query over no table is answered, not processed.
        if !only_warnings && progress.rows_in > 0 {
            self.terminal.notice(&summary::summary_line(name, progress, watch.elapsed()));
        }
    }

    fn write_failure(error: WriteError, script: &Script) -> Failure {
        match error {
            WriteError::Io(error) => error.into(),
            WriteError::Rows(error) => Failure::statement(error, Phase::Running, script),
        }
    }
}

/// Plans, and starts what there is to start, on another thread: a plan that takes long does not keep Ctrl-C waiting. A
/// statement that is cancelled leaves the session as it was.
async fn execute(session: &mut Session, statement: &Parsed, token: &CancellationToken) -> Result<Outcome, Error> {
    let (mut working, statement) = (session.clone(), statement.clone());
    let mut execution = tokio::spawn(async move {
        let outcome = working.execute(&statement).await;
        (working, outcome)
    });
    tokio::select! {
        executed = &mut execution => {
            let (working, outcome) =
                executed.map_err(|error| Error::internal(format!("the statement has stopped: {error}")))?;
            *session = working;
            outcome
        }
        () = token.cancelled() => {
            execution.abort();
            Err(Error::cancelled())
        }
    }
}

/// The next notice; `None` if none is to come.
async fn next(notices: &mut Option<UnboundedReceiver<JobNotice>>) -> Option<JobNotice> {
    notices.as_mut()?.recv().await
}

/// A job as the progress line shows it.
struct JobView {
    name: String,
    control: Option<JobControl>,
    line: ProgressBar,
    watch: Stopwatch,
}

impl JobView {
    fn new(terminal: &Terminal, job: Option<&JobHandle>, watch: Stopwatch) -> Self {
        let name = job.map_or_else(String::new, |job| job.name().to_owned());
        Self { name, control: job.map(JobHandle::control), line: terminal.progress_line(), watch }
    }

    fn draw(&self) {
        if let Some(control) = &self.control {
            self.line.set_message(summary::progress_line(&self.name, &control.progress(), self.watch.elapsed()));
            self.line.tick();
        }
    }

    fn cancel(&self) {
        if let Some(control) = &self.control {
            control.cancel();
        }
    }

    fn clear(&self) {
        self.line.finish_and_clear();
    }
}

/// Whether the failure came from the statement itself, so that a shell may go on with the next one.
pub(crate) fn may_go_on(failure: &Failure) -> bool {
    match failure {
        Failure::Statement { error, .. } => error.kind() != ErrorKind::Fenced,
        Failure::Cancelled | Failure::Usage(_) => true,
        Failure::OutputClosed | Failure::Output(_) | Failure::Session(_) => false,
    }
}
