//! Statements, run up to where their rows begin to flow.

use std::sync::Arc;

use datafusion::common::ScalarValue;
use dipper_session::JobHandle;

use crate::copy::CopyWriter;
use crate::encode::{Format, shown};
use crate::failure::{Failure, Result};
use crate::planned::Planned;
use crate::portal::{Portal, Stage};
use crate::rows::{Formats, Source};
use crate::settings::description;
use crate::sqlstate;
use crate::state::{Opened, State};
use crate::statement::{Declare, Prepare, Set, Statement, Transact};
use crate::transaction::{Ended, outside};

/// What a statement gives.
pub(crate) enum Answer {
    /// There was none.
    Empty,
    /// The words begin the tag.
    Rows(Source, &'static str),
    Copy(Source, CopyWriter),
    /// So many rows of a cursor, or all.
    Fetch {
        cursor: String,
        count: Option<u64>,
        is_move: bool,
    },
    /// Wait for it: it writes rows.
    Job(JobHandle),
    /// The tag.
    Done(String),
}

impl State {
    /// Runs a statement with these values of its parameters.
    pub(crate) async fn run(&mut self, planned: &Planned, values: &[ScalarValue]) -> Result<Answer> {
        if !planned.is_way_out() {
            self.transaction.check()?;
        }
        let tag = match &planned.statement {
            Statement::Empty => return Ok(Answer::Empty),
            Statement::Sql(_) => return self.open(planned, values).await.map(Answer::from),
            Statement::Execute { name, arguments } => {
                let named = self.statements.get(name)?;
                let values = match arguments {
                    Some(arguments) => self.arguments(arguments.clone(), &named).await?,
                    None if named.types.is_empty() => Vec::new(),
                    None => {
                        return Err(Failure::syntax(format!("the statement takes {} parameters", named.types.len())));
                    }
                };
                if !matches!(named.statement, Statement::Sql(_)) {
                    return Err(Failure::unsupported("EXECUTE of a statement that is not prepared in SQL"));
                }
                return self.open(&named, &values).await.map(Answer::from);
            }
            Statement::Copy(copy) => {
                let Opened::Rows(source, _) = self.open(planned, values).await? else {
                    return Err(Failure::unsupported("COPY takes a query"));
                };
                return Ok(Answer::Copy(source, CopyWriter::new(copy.format.clone())));
            }
            Statement::Fetch(fetch) => {
                self.portals.get(&fetch.cursor, "cursor")?;
                let (cursor, count) = (fetch.cursor.clone(), fetch.count);
                return Ok(Answer::Fetch { cursor, count, is_move: fetch.is_move });
            }
            Statement::Show(name) => return self.show(name.as_deref()).map(|source| Answer::Rows(source, "SHOW")),
            Statement::Declare(declare) => {
                self.declare(declare, planned, values).await?;
                "DECLARE CURSOR"
            }
            Statement::Transact(transact) => self.transact(transact)?,
            Statement::Set(set) => self.set(set)?,
            Statement::Prepare(prepare) => {
                self.prepare(prepare).await?;
                "PREPARE"
            }
            Statement::Deallocate(Some(name)) => {
                self.statements.get(name)?;
                self.statements.remove(name);
                "DEALLOCATE"
            }
            Statement::Deallocate(None) => {
                self.statements.clear();
                "DEALLOCATE ALL"
            }
            Statement::CloseCursor(Some(name)) => {
                self.portals.get(name, "cursor")?;
                self.portals.close(name);
                "CLOSE CURSOR"
            }
            Statement::CloseCursor(None) => {
                self.portals.close_all();
                "CLOSE CURSOR ALL"
            }
            Statement::Discard { everything: false } => "DISCARD",
            Statement::Discard { everything: true } => {
                if self.transaction.is_block() {
                    return Err(Failure::new(
                        sqlstate::ACTIVE_TRANSACTION,
                        "DISCARD ALL cannot run inside a transaction block",
                    ));
                }
                self.statements.clear();
                self.portals.close_all();
                self.settings.reset_all();
                for parsed in &self.session.parse("RESET")? {
                    self.session.execute(parsed).await?;
                }
                "DISCARD ALL"
            }
            Statement::Unlisten => "UNLISTEN",
        };
        Ok(Answer::Done(tag.to_owned()))
    }

    fn show(&self, name: Option<&str>) -> Result<Source> {
        if let Some(name) = name {
            let (name, value) = self.settings.get(name)?;
            return Source::of_texts([name], &[[value.to_owned()]]);
        }
        let row = |(name, value): (&String, &String)| [name.clone(), value.clone(), description(name).to_owned()];
        let rows: Vec<_> = self.settings.all().iter().map(row).collect();
        Source::of_texts(["name", "setting", "description"], &rows)
    }

    async fn declare(&mut self, declare: &Declare, planned: &Planned, values: &[ScalarValue]) -> Result<()> {
        if !declare.is_held && !self.transaction.is_block() {
            return Err(outside("DECLARE CURSOR"));
        }
        self.portals.check_running()?;
        let Opened::Rows(source, _) = self.open(planned, values).await? else {
            return Err(Failure::unsupported("a cursor takes a query"));
        };
        let portal = Portal {
            columns: Some(shown(source.schema())),
            stage: Stage::Rows(source, "FETCH"),
            formats: Formats::all(if declare.is_binary { Format::Binary } else { Format::Text }),
            is_held: declare.is_held,
            is_committed: !self.transaction.is_block(),
        };
        self.portals.add(&declare.name, portal)
    }

    async fn prepare(&mut self, prepare: &Prepare) -> Result<()> {
        let planned = self.plan(Statement::Sql(prepare.sql.clone()), &prepare.types).await?;
        self.statements.add(&prepare.name, Arc::new(planned))
    }

    fn transact(&mut self, transact: &Transact) -> Result<&'static str> {
        match transact {
            Transact::Begin(modes) => {
                self.notices.extend(self.transaction.begin(&mut self.settings));
                for (name, value) in modes {
                    self.settings.set(name, Some(value), true)?;
                }
                Ok("BEGIN")
            }
            Transact::Commit | Transact::RollBack => {
                let commits = *transact == Transact::Commit;
                let ended = self.transaction.end(commits, &mut self.settings);
                self.portals.end_transaction(commits && ended != Ended::RolledBack);
                match ended {
                    Ended::Committed => return Ok("COMMIT"),
                    Ended::RolledBack => return Ok("ROLLBACK"),
                    Ended::Nothing(warning) => self.notices.push(warning),
                }
                Ok(if commits { "COMMIT" } else { "ROLLBACK" })
            }
            Transact::Save(name) => {
                self.transaction.save(name, &self.settings)?;
                Ok("SAVEPOINT")
            }
            Transact::Release(name) => {
                self.transaction.release(name)?;
                Ok("RELEASE")
            }
            Transact::RollBackTo(name) => {
                self.transaction.roll_back_to(name, &mut self.settings)?;
                Ok("ROLLBACK")
            }
        }
    }

    fn set(&mut self, set: &Set) -> Result<&'static str> {
        let is_block = self.transaction.is_block();
        match set {
            Set::One { is_local: true, .. } if !is_block => {
                self.notices.push(Failure { severity: crate::failure::Severity::Warning, ..outside("SET LOCAL") });
            }
            Set::One { name, value, is_local } => self.settings.set(name, value.as_deref(), *is_local)?,
            Set::Transaction(modes) if !is_block && !modes.is_empty() => {
                self.notices
                    .push(Failure { severity: crate::failure::Severity::Warning, ..outside("SET TRANSACTION") });
            }
            Set::Transaction(modes) => {
                for (name, value) in modes {
                    self.settings.set(name, Some(value), true)?;
                }
            }
            Set::Transactions(modes) => {
                for (name, value) in modes {
                    self.settings.set(&format!("default_{name}"), Some(value), false)?;
                }
            }
            Set::ResetAll => {
                self.settings.reset_all();
                return Ok("RESET");
            }
        }
        Ok(if matches!(set, Set::One { value: None, .. }) { "RESET" } else { "SET" })
    }
}

impl From<Opened> for Answer {
    fn from(opened: Opened) -> Self {
        match opened {
            Opened::Rows(source, command) => Self::Rows(source, command),
            Opened::Job(job) => Self::Job(job),
            Opened::Done(tag) => Self::Done(tag),
        }
    }
}
