//! The simple protocol: a text with statements, each answered in full.

use crate::backend;
use crate::connection::Connection;
use crate::copy::CopyWriter;
use crate::encode::{Format, shown};
use crate::failure::Result;
use crate::lexer::statements;
use crate::planned::{Planned, is_way_out};
use crate::rows::{Formats, Sink, Source};
use crate::run::Answer;

impl Connection {
    /// Runs the statements of a text. The first error ends them; before a mistake in the grammar of any, none is run.
    pub(crate) async fn simple(&mut self, sql: &str) -> Result<()> {
        self.state.statements.remove("");
        self.state.portals.close("");
        let mut planned = Vec::new();
        let (mut before, mut counted) = (0, 0);
        for (start, end) in statements(sql) {
            before += sql[counted..start].chars().count();
            counted = start;
            let statement = self.state.parse(&sql[start..end], before)?;
            if !is_way_out(&statement) && planned.is_empty() {
                self.state.transaction.check()?;
            }
            planned.push(self.state.plan_simple(statement)?);
        }
        if planned.is_empty() {
            backend::empty_query(&mut self.channel.out);
        }
        for planned in planned {
            self.begin();
            self.run_simple(&planned).await?;
            self.notices();
        }
        Ok(())
    }

    async fn run_simple(&mut self, planned: &Planned) -> Result<()> {
        let running = Box::pin(self.state.run(planned, &[]));
        let answer = self.watch.over(&mut self.channel, running).await??;
        self.notices();
        let tag = match answer {
            Answer::Empty => {
                backend::empty_query(&mut self.channel.out);
                return Ok(());
            }
            Answer::Rows(mut source, command) => {
                let columns = shown(source.schema());
                backend::row_description(&mut self.channel.out, &columns, |_| Format::Text);
                let mut sink = Sink::Rows(Formats::all(Format::Text));
                let sent = self.send(&mut source, &mut sink, None).await?;
                tag_of_rows(command, sent)
            }
            Answer::Copy(source, writer) => self.copy(source, writer).await?,
            Answer::Fetch { cursor, count, is_move } => {
                if !is_move {
                    let portal = self.state.portals.get(&cursor, "cursor")?;
                    let columns = portal.columns.as_deref().unwrap_or_default();
                    backend::row_description(&mut self.channel.out, columns, |index| portal.formats.of(index));
                }
                let formats = self.state.portals.get(&cursor, "cursor")?.formats.clone();
                let (fetched, _) = self.fetch(&cursor, formats, count, is_move).await?;
                format!("{} {fetched}", if is_move { "MOVE" } else { "FETCH" })
            }
            Answer::Job(job) => format!("INSERT 0 {}", self.wait(job).await?),
            Answer::Done(tag) => tag,
        };
        self.notices();
        backend::complete(&mut self.channel.out, &tag);
        Ok(())
    }

    /// Copies rows to the client; the tag.
    pub(crate) async fn copy(&mut self, mut source: Source, writer: CopyWriter) -> Result<String> {
        let columns = shown(source.schema());
        backend::copy_out(&mut self.channel.out, writer.format(), columns.len());
        writer.begin(&columns, &mut self.channel.out);
        let mut sink = Sink::Copy(writer);
        let sent = self.send(&mut source, &mut sink, None).await?;
        if let Sink::Copy(writer) = &mut sink {
            writer.end(&mut self.channel.out);
        }
        backend::copy_done(&mut self.channel.out);
        Ok(format!("COPY {sent}"))
    }
}

/// Of a query, the tag says how many rows have gone.
pub(crate) fn tag_of_rows(command: &str, sent: u64) -> String {
    if matches!(command, "SELECT" | "FETCH") { format!("{command} {sent}") } else { command.to_owned() }
}
