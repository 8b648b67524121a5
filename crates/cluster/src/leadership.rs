//! Leadership among the coordinators of a cluster directory: runs the [`Election`] against the directory and a clock.

use std::time::Duration;

use bytes::Bytes;
use dipper_state::{Created, Directory, NotCreated};
use dipper_types::{Error, ErrorKind, Result};
use futures::FutureExt;
use futures::future::BoxFuture;
use serde::{Deserialize, Serialize};
use tokio::sync::watch;
use tokio::task::JoinHandle;

use crate::clock::{Stopwatch, nonce, within};
use crate::{CoordinatorId, CreationReply, Election, ElectionAction, ElectionEvent, ElectionOptions};

const LEADERSHIP: &str = "leadership";
const FORMAT: &str = "dipper-leadership";
const FORMAT_VERSION: u32 = 1;

/// A call that takes longer counts as being in doubt.
const CALL_LIMIT: Duration = Duration::from_secs(2);

/// How often a leader is looked for that moves on while its object is read.
const READS: usize = 10;

/// Who leads, or has led last.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Leader {
    format: String,
    version: u32,
    /// The number of the object that says so.
    pub number: u64,
    /// Its leadership: the number with which it began.
    pub generation: u64,
    /// Its name.
    pub coordinator: CoordinatorId,
    /// Where workers and clients reach it.
    pub address: String,
    /// Random: tells processes of one name apart.
    session: u64,
}

/// What changes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LeadershipChange {
    /// This coordinator leads.
    Led {
        /// Greater than that of all who have led before.
        generation: u64,
    },
    /// It leads no more. Whatever it does from now on has to be left undone.
    Lost,
}

/// This coordinator's part in the leadership. Dropped, it takes no further part; another leads when the lease has run out.
#[derive(Debug)]
pub struct Leadership {
    directory: Directory,
    clock: Stopwatch,
    term: watch::Receiver<Option<Term>>,
    /// The generation of the last change that was told.
    told: Option<u64>,
    session: u64,
    task: JoinHandle<()>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Term {
    generation: u64,
    until_ms: u64,
}

impl Leadership {
    /// Joins the coordinators of a cluster directory. Workers and clients will reach this one under `address`. Wants a tokio runtime.
    pub fn join(cluster: &Directory, coordinator: CoordinatorId, address: String, options: ElectionOptions) -> Self {
        let directory = cluster.child(LEADERSHIP);
        let (clock, session) = (Stopwatch::start(), nonce());
        let (sender, term) = watch::channel(None);
        let store = Store { directory: directory.clone(), coordinator, address, session };
        let task = tokio::spawn(run(store, clock, options, sender));
        Self { directory, clock, term, told: None, session, task }
    }

    /// For those who ask whether it leads.
    pub fn seat(&self) -> Seat {
        Seat { directory: self.directory.clone(), session: self.session, clock: self.clock, term: self.term.clone() }
    }

    /// Waits for the next change. `Led` and `Lost` take turns.
    pub async fn next(&mut self) -> LeadershipChange {
        loop {
            let generation = self.term.borrow_and_update().map(|term| term.generation);
            match (self.told, generation) {
                (Some(told), now) if now != Some(told) => {
                    self.told = None;
                    return LeadershipChange::Lost;
                }
                (None, Some(generation)) => {
                    self.told = Some(generation);
                    return LeadershipChange::Led { generation };
                }
                _ => {}
            }
            // The task lives as long as this does.
            if self.term.changed().await.is_err() {
                std::future::pending::<()>().await;
            }
        }
    }
}

/// What a coordinator asks about its leadership.
#[derive(Debug, Clone)]
pub struct Seat {
    directory: Directory,
    session: u64,
    clock: Stopwatch,
    term: watch::Receiver<Option<Term>>,
}

impl Seat {
    /// The generation under which this coordinator leads now, if it does.
    pub fn generation(&self) -> Option<u64> {
        // The task may have no time to say that it is over.
        let is_valid = |term: &Term| self.clock.elapsed_ms() < term.until_ms;
        self.term.borrow().filter(is_valid).map(|term| term.generation)
    }

    /// Whether this coordinator still led under `generation` at some time during the call. Whatever was stored before will be seen by all who
    /// lead later. `Fenced` if not.
    pub async fn confirm(&self, generation: u64) -> Result<()> {
        let leader = read_head(&self.directory).await?;
        if leader.is_some_and(|leader| leader.generation == generation && leader.session == self.session) {
            return Ok(());
        }
        let message = format!("this coordinator leads no more under generation {generation}");
        Err(Error::new(ErrorKind::Fenced, message).with_hint("ask the coordinator that leads now"))
    }
}

impl Drop for Leadership {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// Who leads the cluster, or has led last; `None` if nobody ever has. Whether it can be reached is another matter.
pub async fn find_leader(cluster: &Directory) -> Result<Option<Leader>> {
    read_head(&cluster.child(LEADERSHIP)).await
}

/// The calls to the store, in the name of a coordinator.
#[derive(Debug, Clone)]
struct Store {
    directory: Directory,
    coordinator: CoordinatorId,
    address: String,
    session: u64,
}

async fn run(store: Store, clock: Stopwatch, options: ElectionOptions, term: watch::Sender<Option<Term>>) {
    let mut election = Election::new(options);
    let mut call: Option<BoxFuture<'static, ElectionEvent>> = None;
    loop {
        let answer = async {
            match &mut call {
                Some(call) => call.await,
                None => std::future::pending().await,
            }
        };
        let event = tokio::select! {
            biased;
            event = answer => event,
            () = clock.until(election.deadline_ms()) => ElectionEvent::TimePassed,
        };
        if event != ElectionEvent::TimePassed {
            call = None;
        }
        for action in election.on_event(clock.elapsed_ms(), event) {
            match action {
                ElectionAction::Lead { generation } => tracing::info!("leads, generation {generation}"),
                ElectionAction::StepDown(reason) => tracing::warn!("leads no more: {reason}"),
                ElectionAction::DeleteBelow { number } => drop(tokio::spawn(store.clone().delete_below(number))),
                ElectionAction::List => call = Some(store.clone().list().boxed()),
                ElectionAction::Create { number, generation } => {
                    call = Some(store.clone().create(number, generation).boxed());
                }
                ElectionAction::Look { number, generation } => {
                    call = Some(store.clone().look(number, generation).boxed());
                }
            }
        }
        let now = election.generation().zip(election.leads_until_ms());
        term.send_replace(now.map(|(generation, until_ms)| Term { generation, until_ms }));
    }
}

impl Store {
    async fn list(self) -> ElectionEvent {
        match within(CALL_LIMIT, head(&self.directory)).await {
            Some(Ok(head)) => ElectionEvent::Listed { head },
            Some(Err(error)) => {
                tracing::warn!("cannot see who leads: {error}");
                ElectionEvent::NotListed
            }
            None => ElectionEvent::NotListed,
        }
    }

    async fn create(self, number: u64, generation: u64) -> ElectionEvent {
        let bytes = self.object(number, generation);
        ElectionEvent::Creation(match within(CALL_LIMIT, self.directory.create(&object_name(number), &bytes)).await {
            Some(Ok(created)) => reply(created),
            Some(Err(NotCreated { error, in_doubt })) => {
                tracing::warn!("cannot claim leadership: {error}");
                if in_doubt { CreationReply::InDoubt } else { CreationReply::Refused }
            }
            None => CreationReply::InDoubt,
        })
    }

    async fn look(self, number: u64, generation: u64) -> ElectionEvent {
        let bytes = self.object(number, generation);
        ElectionEvent::Creation(match within(CALL_LIMIT, self.directory.owner(&object_name(number), &bytes)).await {
            Some(Ok(Some(created))) => reply(created),
            Some(Ok(None)) => CreationReply::Absent,
            Some(Err(_)) | None => CreationReply::Unreadable,
        })
    }

    /// What remains is deleted after the next renewal.
    async fn delete_below(self, number: u64) {
        let Ok(numbers) = numbers(&self.directory).await else { return };
        for old in numbers.into_iter().filter(|old| *old < number) {
            if let Err(error) = self.directory.delete(&object_name(old)).await {
                tracing::debug!("cannot delete an old claim of leadership: {error}");
            }
        }
    }

    fn object(&self, number: u64, generation: u64) -> Bytes {
        let leader = Leader {
            format: FORMAT.to_owned(),
            version: FORMAT_VERSION,
            number,
            generation,
            coordinator: self.coordinator.clone(),
            address: self.address.clone(),
            session: self.session,
        };
        // Strings and numbers can always be written.
        serde_json::to_vec_pretty(&leader).unwrap_or_default().into()
    }
}

async fn read_head(directory: &Directory) -> Result<Option<Leader>> {
    for _ in 0..READS {
        let number = head(directory).await?;
        if number == 0 {
            return Ok(None);
        }
        // Else it has been deleted since, and so another one is the head.
        if let Some(bytes) = directory.get(&object_name(number)).await? {
            return decode(&format!("{}/{}", directory.url(), object_name(number)), &bytes).map(Some);
        }
    }
    Err(Error::unavailable("the leader of the cluster cannot be read: it renews too fast"))
}

fn decode(name: &str, bytes: &[u8]) -> Result<Leader> {
    let damaged = |what: String| {
        Error::new(ErrorKind::Corrupt, format!("'{name}' does not say who leads: {what}"))
            .with_hint("the coordinators of a cluster must be of the same version of dipper")
    };
    let leader: Leader = serde_json::from_slice(bytes).map_err(|error| damaged(error.to_string()))?;
    if leader.format != FORMAT || leader.version != FORMAT_VERSION {
        return Err(damaged(format!("it is {} of version {}", leader.format, leader.version)));
    }
    Ok(leader)
}

async fn head(directory: &Directory) -> Result<u64> {
    Ok(numbers(directory).await?.into_iter().max().unwrap_or(0))
}

async fn numbers(directory: &Directory) -> Result<Vec<u64>> {
    let entries = directory.list_settled().await?;
    Ok(entries.iter().filter_map(|entry| entry.name.strip_suffix(".json")?.parse().ok()).collect())
}

fn object_name(number: u64) -> String {
    format!("{number:020}.json")
}

fn reply(created: Created) -> CreationReply {
    match created {
        Created::Own => CreationReply::Own,
        Created::Other => CreationReply::Other,
    }
}

#[cfg(test)]
mod tests;
