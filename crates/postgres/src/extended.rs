//! The extended protocol: statements are prepared, bound to values, described and executed, one message for each.

use std::sync::Arc;

use arrow::datatypes::DataType;
use bytes::Bytes;

use crate::backend;
use crate::connection::Connection;
use crate::encode::Shown;
use crate::failure::{Failure, Result};
use crate::frontend::{Bind, Target};
use crate::lexer::statements;
use crate::parameter::{self, Reading};
use crate::planned::{Planned, is_way_out};
use crate::portal::{Portal, Stage};
use crate::rows::{Formats, Sink, Source};
use crate::run::Answer;
use crate::simple::tag_of_rows;
use crate::sqlstate;
use crate::statement::Statement;

impl Connection {
    /// Prepares the one statement of a text.
    pub(crate) async fn parse(&mut self, name: &str, sql: &str, oids: &[u32]) -> Result<()> {
        let statement = match statements(sql).as_slice() {
            [] => Statement::Empty,
            [(start, end)] => self.state.parse(&sql[*start..*end], sql[..*start].chars().count())?,
            _ => return Err(Failure::syntax("cannot insert multiple commands into a prepared statement")),
        };
        if !is_way_out(&statement) {
            self.state.transaction.check()?;
        }
        let planning = Box::pin(self.state.plan(statement, oids));
        let planned = self.watch.over(&mut self.channel, planning).await??;
        self.state.statements.add(name, Arc::new(planned))?;
        backend::parse_complete(&mut self.channel.out);
        Ok(())
    }

    /// Binds a prepared statement to values.
    pub(crate) async fn bind(&mut self, bind: &Bind) -> Result<()> {
        let planned = self.state.statements.get(&bind.statement)?;
        if !planned.is_way_out() {
            self.state.transaction.check()?;
        }
        let (given, wanted) = (bind.values.len(), planned.types.len());
        if given != wanted {
            let message = format!(
                "bind message supplies {given} parameters, but prepared statement \"{}\" requires {wanted}",
                bind.statement
            );
            return Err(Failure::protocol(message));
        }
        let formats = Formats::new(&bind.formats, given, "parameter")?;
        let planned = self.with_room(planned, bind, &formats).await?;
        let value = |index: usize| parameter::value(bind.values[index].as_ref(), reading(&planned, &formats, index));
        let values = (0..given).map(value).collect::<Result<Vec<_>>>()?;
        let columns = self.columns_of(&planned.statement, planned.columns())?;
        let formats = match &columns {
            Some(columns) => Formats::new(&bind.result_formats, columns.len(), "result column")?,
            None => Formats::new(&bind.result_formats[..bind.result_formats.len().min(1)], 0, "result column")?,
        };
        if bind.portal.is_empty() {
            self.state.portals.close("");
        }
        let is_committed = !self.state.transaction.is_block();
        let stage = Stage::Bound(planned, values);
        self.state.portals.add(&bind.portal, Portal { stage, columns, formats, is_held: false, is_committed })?;
        backend::bind_complete(&mut self.channel.out);
        Ok(())
    }

    /// The statement, planned once more if a number has more digits than numbers have by default.
    async fn with_room(&mut self, planned: Arc<Planned>, bind: &Bind, formats: &Formats) -> Result<Arc<Planned>> {
        let roomy = |(index, value): (usize, &Option<Bytes>)| {
            parameter::roomy_type(value.as_ref(), reading(&planned, formats, index))
        };
        let roomy: Vec<Option<DataType>> = bind.values.iter().enumerate().map(roomy).collect();
        if roomy.iter().all(Option::is_none) {
            return Ok(planned);
        }
        let types: Vec<_> =
            roomy.into_iter().zip(&planned.types).map(|(roomy, known)| roomy.or(Some(known.clone()))).collect();
        let planning = Box::pin(self.state.plan_typed(planned.statement.clone(), &planned.oids, &types));
        self.watch.over(&mut self.channel, planning).await?.map(Arc::new)
    }

    /// What a statement takes and gives, or what a portal gives.
    pub(crate) fn describe(&mut self, target: Target, name: &str) -> Result<()> {
        let (columns, formats) = match target {
            Target::Statement => {
                let planned = self.state.statements.get(name)?;
                let columns = self.columns_of(&planned.statement, planned.columns())?;
                backend::parameter_description(&mut self.channel.out, &planned.oids);
                (columns, Formats::new(&[], 0, "result column")?)
            }
            Target::Portal => {
                let portal = self.state.portals.get(name, "portal")?;
                (portal.columns.clone(), portal.formats.clone())
            }
        };
        match columns {
            Some(columns) => backend::row_description(&mut self.channel.out, &columns, |index| formats.of(index)),
            None => backend::no_data(&mut self.channel.out),
        }
        Ok(())
    }

    /// The columns of the result: those of `FETCH` are its cursor's.
    fn columns_of(&mut self, statement: &Statement, planned: Option<Vec<Shown>>) -> Result<Option<Vec<Shown>>> {
        match statement {
            Statement::Fetch(fetch) if !fetch.is_move => {
                self.state.transaction.check()?;
                Ok(self.state.portals.get(&fetch.cursor, "cursor")?.columns.clone())
            }
            _ => Ok(planned),
        }
    }

    /// Closes a statement or a portal; that there is none is no error.
    pub(crate) fn close(&mut self, target: Target, name: &str) {
        match target {
            Target::Statement => self.state.statements.remove(name),
            Target::Portal => self.state.portals.close(name),
        };
        backend::close_complete(&mut self.channel.out);
    }

    /// Executes a portal, or goes on with it, up to so many rows; zero for all.
    pub(crate) async fn execute(&mut self, name: &str, limit: u64) -> Result<()> {
        let limit = Some(limit).filter(|limit| *limit > 0);
        if limit.is_some() {
            self.state.portals.check_start(name, "portal")?;
        }
        let portal = self.state.portals.get(name, "portal")?;
        let formats = portal.formats.clone();
        // If it fails, there is nothing left of it.
        let had_rows = portal.columns.is_some();
        match std::mem::replace(&mut portal.stage, Stage::Done { had_rows }) {
            Stage::Bound(planned, values) => {
                let running = Box::pin(self.state.run(&planned, &values));
                let answer = self.watch.over(&mut self.channel, running).await??;
                self.notices();
                self.answer(name, answer, formats, limit).await
            }
            Stage::Rows(source, command) => self.rows(name, source, command, formats, limit).await,
            Stage::Fetching { cursor, left, is_move } => {
                self.fetching(name, cursor, left, is_move, formats, limit).await
            }
            Stage::Done { had_rows: true } => {
                backend::complete(&mut self.channel.out, "SELECT 0");
                Ok(())
            }
            Stage::Done { had_rows: false } => {
                Err(Failure::new(sqlstate::WRONG_STATE, format!("portal \"{name}\" cannot be run")))
            }
        }
    }

    async fn answer(&mut self, name: &str, answer: Answer, formats: Formats, limit: Option<u64>) -> Result<()> {
        let tag = match answer {
            Answer::Empty => {
                backend::empty_query(&mut self.channel.out);
                return Ok(());
            }
            Answer::Rows(source, command) => return self.rows(name, source, command, formats, limit).await,
            Answer::Fetch { cursor, count, is_move } => {
                return self.fetching(name, cursor, count, is_move, formats, limit).await;
            }
            Answer::Copy(source, writer) => self.copy(source, writer).await?,
            Answer::Job(job) => format!("INSERT 0 {}", self.wait(job).await?),
            Answer::Done(tag) => tag,
        };
        self.notices();
        backend::complete(&mut self.channel.out, &tag);
        Ok(())
    }

    /// Sends rows; if there may be more, they stay in the portal.
    async fn rows(
        &mut self,
        name: &str,
        mut source: Source,
        command: &'static str,
        formats: Formats,
        limit: Option<u64>,
    ) -> Result<()> {
        let sent = self.send(&mut source, &mut Sink::Rows(formats), limit).await?;
        if Some(sent) == limit {
            self.state.portals.get(name, "portal")?.stage = Stage::Rows(source, command);
            backend::portal_suspended(&mut self.channel.out);
        } else {
            backend::complete(&mut self.channel.out, &tag_of_rows(command, sent));
        }
        Ok(())
    }

    async fn fetching(
        &mut self,
        name: &str,
        cursor: String,
        left: Option<u64>,
        is_move: bool,
        formats: Formats,
        limit: Option<u64>,
    ) -> Result<()> {
        let wanted = [left, limit].into_iter().flatten().min();
        let (fetched, is_end) = self.fetch(&cursor, formats, wanted, is_move).await?;
        let left = left.map(|left| left - fetched);
        if limit == Some(fetched) && !is_end && left != Some(0) {
            self.state.portals.get(name, "portal")?.stage = Stage::Fetching { cursor, left, is_move };
            backend::portal_suspended(&mut self.channel.out);
        } else {
            backend::complete(&mut self.channel.out, &format!("{} {fetched}", if is_move { "MOVE" } else { "FETCH" }));
        }
        Ok(())
    }
}

/// How a parameter is to be read.
fn reading<'a>(planned: &'a Planned, formats: &Formats, index: usize) -> Reading<'a> {
    Reading { format: formats.of(index), oid: planned.oids[index], target: &planned.types[index] }
}
