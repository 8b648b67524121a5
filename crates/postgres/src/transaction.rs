//! The transaction block that a client is in. What it does to tables it does at once, statement by statement: the block only says what goes on
//! after an error, how long cursors live, and which settings come back.

use crate::backend::Status;
use crate::failure::{Failure, Result};
use crate::settings::Settings;
use crate::sqlstate;

/// How many savepoints there may be at once.
const SAVEPOINTS_MAX: usize = 1_000;

/// Where the client is.
#[derive(Debug, Default)]
pub(crate) struct Transaction {
    block: Option<Block>,
}

#[derive(Debug, Default)]
struct Block {
    has_failed: bool,
    /// Whether the client knows that what it writes is there at once.
    is_warned: bool,
    /// Their names, and the settings of the moment.
    savepoints: Vec<(String, Settings)>,
}

impl Transaction {
    /// How it is told to the client.
    pub(crate) fn status(&self) -> Status {
        match &self.block {
            None => Status::Idle,
            Some(block) if block.has_failed => Status::InFailedBlock,
            Some(_) => Status::InBlock,
        }
    }

    /// Whether the client has begun a transaction that has not ended.
    pub(crate) fn is_block(&self) -> bool {
        self.block.is_some()
    }

    /// Whether nothing but its end is possible.
    pub(crate) fn has_failed(&self) -> bool {
        self.status() == Status::InFailedBlock
    }

    /// The error about whatever is asked for behind an error.
    pub(crate) fn check(&self) -> Result<()> {
        if !self.has_failed() {
            return Ok(());
        }
        let message = "current transaction is aborted, commands ignored until end of transaction block";
        Err(Failure::new(sqlstate::FAILED_TRANSACTION, message))
    }

    /// A statement has failed.
    pub(crate) fn fail(&mut self) {
        if let Some(block) = &mut self.block {
            block.has_failed = true;
        }
    }

    /// `BEGIN`; a warning if there is a block.
    pub(crate) fn begin(&mut self, settings: &mut Settings) -> Option<Failure> {
        if self.block.is_some() {
            let message = "there is already a transaction in progress";
            return Some(Failure::warning(sqlstate::ACTIVE_TRANSACTION, message));
        }
        settings.begin();
        self.block = Some(Block::default());
        None
    }

    /// The end of the block; whether it was one and had not failed.
    pub(crate) fn end(&mut self, commits: bool, settings: &mut Settings) -> Ended {
        let Some(block) = self.block.take() else {
            return Ended::Nothing(Failure::warning(
                sqlstate::NO_ACTIVE_TRANSACTION,
                "there is no transaction in progress",
            ));
        };
        if commits && !block.has_failed {
            settings.commit();
            Ended::Committed
        } else {
            settings.roll_back();
            Ended::RolledBack
        }
    }

    /// `SAVEPOINT`.
    pub(crate) fn save(&mut self, name: &str, settings: &Settings) -> Result<()> {
        let block = self.block("SAVEPOINT")?;
        if block.savepoints.len() == SAVEPOINTS_MAX {
            return Err(Failure::new(sqlstate::LIMIT_EXCEEDED, format!("more than {SAVEPOINTS_MAX} savepoints")));
        }
        block.savepoints.push((name.to_owned(), settings.clone()));
        Ok(())
    }

    /// `RELEASE SAVEPOINT`.
    pub(crate) fn release(&mut self, name: &str) -> Result<()> {
        let block = self.block("RELEASE SAVEPOINT")?;
        let place = block.find(name)?;
        block.savepoints.truncate(place);
        Ok(())
    }

    /// `ROLLBACK TO SAVEPOINT`.
    pub(crate) fn roll_back_to(&mut self, name: &str, settings: &mut Settings) -> Result<()> {
        let block = self.block("ROLLBACK TO SAVEPOINT")?;
        let place = block.find(name)?;
        block.savepoints.truncate(place + 1);
        if let Some((_, kept)) = block.savepoints.last() {
            settings.roll_back_to(kept);
        }
        block.has_failed = false;
        Ok(())
    }

    /// The warning about a statement that cannot be rolled back: once a block.
    pub(crate) fn warning(&mut self, command: &str) -> Option<Failure> {
        let block = self.block.as_mut().filter(|block| !block.is_warned)?;
        block.is_warned = true;
        let message = format!("{command} takes effect at once: a ROLLBACK does not undo it");
        Some(Failure::warning(sqlstate::FEATURE_NOT_SUPPORTED, message))
    }

    fn block(&mut self, command: &str) -> Result<&mut Block> {
        self.block.as_mut().ok_or_else(|| outside(command))
    }
}

impl Block {
    fn find(&self, name: &str) -> Result<usize> {
        let place = self.savepoints.iter().rposition(|(known, _)| known == name);
        place.ok_or_else(|| Failure::new(sqlstate::UNDEFINED_SAVEPOINT, format!("savepoint \"{name}\" does not exist")))
    }
}

/// How a transaction has ended.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Ended {
    Committed,
    RolledBack,
    /// There was none, as this warning says.
    Nothing(Failure),
}

/// The error about what is possible only in a block.
pub(crate) fn outside(command: &str) -> Failure {
    let message = format!("{command} can only be used in transaction blocks");
    Failure::new(sqlstate::NO_ACTIVE_TRANSACTION, message)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn begun() -> (Transaction, Settings) {
        let (mut transaction, mut settings) = (Transaction::default(), Settings::new("ada"));
        assert_eq!(transaction.begin(&mut settings), None);
        (transaction, settings)
    }

    #[test]
    fn an_error_outside_of_a_block_is_forgotten() {
        let mut transaction = Transaction::default();
        transaction.fail();
        assert_eq!((transaction.status(), transaction.check()), (Status::Idle, Ok(())));
    }

    #[test]
    fn a_failed_block_does_nothing_and_is_rolled_back() {
        let (mut transaction, mut settings) = begun();
        transaction.fail();
        assert_eq!(transaction.check().unwrap_err().code, sqlstate::FAILED_TRANSACTION);
        assert_eq!(transaction.end(true, &mut settings), Ended::RolledBack);
        assert!(matches!(transaction.end(true, &mut settings), Ended::Nothing(_)));
    }

    #[test]
    fn a_savepoint_mends_a_failed_block() {
        let (mut transaction, mut settings) = begun();
        transaction.save("a", &settings).unwrap();
        settings.set("application_name", Some("x"), false).unwrap();
        transaction.fail();
        assert_eq!(transaction.roll_back_to("b", &mut settings).unwrap_err().code, sqlstate::UNDEFINED_SAVEPOINT);
        transaction.roll_back_to("a", &mut settings).unwrap();
        assert_eq!((transaction.status(), settings.get("application_name").unwrap().1), (Status::InBlock, ""));
        transaction.release("a").unwrap();
        assert!(transaction.release("a").is_err());
        assert_eq!(transaction.end(true, &mut settings), Ended::Committed);
    }

    #[test]
    fn a_write_is_warned_of_once_a_block() {
        let (mut transaction, mut settings) = begun();
        assert!(transaction.warning("INSERT").is_some() && transaction.warning("INSERT").is_none());
        assert!(transaction.begin(&mut settings).is_some());
        transaction.end(false, &mut settings);
        assert!(transaction.warning("INSERT").is_none());
    }
}
