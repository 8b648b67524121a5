//! Rows of a cursor: some now, others later.

use std::sync::Arc;

use crate::connection::Connection;
use crate::failure::{Failure, Result};
use crate::portal::Stage;
use crate::rows::{Formats, Sink, Source};
use crate::run::Answer;
use crate::sqlstate;

impl Connection {
    /// Sends the next rows of a cursor, or passes over them: how many, and whether these were the last.
    pub(crate) async fn fetch(
        &mut self,
        cursor: &str,
        formats: Formats,
        count: Option<u64>,
        is_move: bool,
    ) -> Result<(u64, bool)> {
        let Some(mut source) = self.take(cursor).await? else { return Ok((0, true)) };
        let sent = if is_move {
            self.pass_over(&mut source, count).await?
        } else {
            self.send(&mut source, &mut Sink::Rows(formats), count).await?
        };
        self.state.portals.get(cursor, "cursor")?.stage = Stage::Rows(source, "FETCH");
        Ok((sent, count != Some(sent)))
    }

    /// The rows of a cursor, while they are read. A portal that has only been bound begins with it.
    async fn take(&mut self, cursor: &str) -> Result<Option<Source>> {
        self.state.portals.check_start(cursor, "cursor")?;
        let portal = self.state.portals.get(cursor, "cursor")?;
        match std::mem::replace(&mut portal.stage, Stage::Done { had_rows: true }) {
            Stage::Rows(source, _) => Ok(Some(source)),
            Stage::Done { had_rows: true } => Ok(None),
            Stage::Bound(planned, values) => {
                let planned = Arc::clone(&planned);
                let running = Box::pin(self.state.run(&planned, &values));
                match self.watch.over(&mut self.channel, running).await?? {
                    Answer::Rows(source, _) => Ok(Some(source)),
                    _ => Err(not_open(cursor)),
                }
            }
            Stage::Fetching { .. } | Stage::Done { had_rows: false } => Err(not_open(cursor)),
        }
    }

    async fn pass_over(&mut self, source: &mut Source, count: Option<u64>) -> Result<u64> {
        let mut passed = 0;
        while count.is_none_or(|count| passed < count) {
            let wanted = count.map_or(usize::MAX, |count| usize::try_from(count - passed).unwrap_or(usize::MAX));
            let Some(batch) = self.watch.over(&mut self.channel, source.next(wanted)).await?? else { break };
            passed += batch.num_rows() as u64;
        }
        Ok(passed)
    }
}

fn not_open(cursor: &str) -> Failure {
    Failure::new(sqlstate::INVALID_CURSOR_STATE, format!("\"{cursor}\" is no cursor with rows"))
}
