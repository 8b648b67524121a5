//! A proxy in front of an HTTP server that fails some of the calls, in every way in which a call over a network fails.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Condvar, Mutex, RwLock};
use std::time::Duration;

use crate::dice::Dice;

/// Which calls fail.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Faults {
    /// One in twenty. One of ten of these is the beginning of an outage, in which the next five to forty calls fail in the same way.
    OneInTwenty,
    /// Each object is created, and whoever asked for it does not hear of it.
    EveryFirstCreation,
}

/// What becomes of a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Fate {
    Answered,
    /// Not performed: the answer is 503.
    Refused,
    /// Not performed: the answer is S3's 400 `RequestTimeout`, after which `object_store` does not try again.
    TimedOut,
    /// Not performed: the connection is closed.
    Dropped,
    /// Performed: the connection is closed.
    Lost,
    /// The connection is closed; performed after some of the next calls have come.
    Late,
    /// Performed: half of the answer arrives.
    Cut,
    /// Performed: the answer is 500.
    Failed,
    /// Performed: the answer is 400 `RequestTimeout`.
    Doubtful,
}

/// What becomes of a call that fails: a third is not performed, of a third there is no answer, or not all of it.
const FAULTS: [Fate; 9] = [
    Fate::Refused,
    Fate::TimedOut,
    Fate::Dropped,
    Fate::Lost,
    Fate::Late,
    Fate::Cut,
    Fate::Failed,
    Fate::Failed,
    Fate::Doubtful,
];

/// The proxy. It serves as long as the process lives.
pub(crate) struct FailingProxy {
    pub(crate) address: SocketAddr,
    line: Arc<Line>,
}

/// What all calls share.
struct Line {
    server: SocketAddr,
    chance: Mutex<Chance>,
    /// A call has come.
    came: Condvar,
    /// Held by every call until the server has performed it.
    busy: RwLock<()>,
}

struct Chance {
    faults: Faults,
    dice: Dice,
    /// How calls fail, and how many still do.
    outage: Option<(Fate, u64)>,
    /// How many calls have come.
    calls: u64,
    /// What has been created without an answer.
    created: BTreeSet<String>,
    counts: BTreeMap<(Fate, bool), usize>,
    outages: usize,
    /// What is done at one of the next calls.
    alarm: Option<(u64, Box<dyn FnOnce() + Send>)>,
}

struct Request {
    bytes: Vec<u8>,
    /// What it creates, if it is a creation of what must not exist yet.
    creates: Option<String>,
}

impl FailingProxy {
    pub(crate) fn start(server: SocketAddr, faults: Faults) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let chance = Chance {
            faults,
            dice: Dice(1),
            outage: None,
            calls: 0,
            created: BTreeSet::new(),
            counts: BTreeMap::new(),
            outages: 0,
            alarm: None,
        };
        let line = Arc::new(Line { server, chance: Mutex::new(chance), came: Condvar::new(), busy: RwLock::new(()) });
        let serving = Arc::clone(&line);
        std::thread::spawn(move || {
            for client in listener.incoming().flatten() {
                let line = Arc::clone(&serving);
                // What a client that has been killed leaves unfinished is nobody's error.
                std::thread::spawn(move || line.serve(client).ok());
            }
        });
        Self { address, line }
    }

    /// Does something when so many calls have come from now on, while the last of them is performed. It replaces what was to be done before.
    pub(crate) fn at_call(&self, calls: u64, act: impl FnOnce() + Send + 'static) {
        self.line.chance.lock().unwrap().alarm = Some((calls, Box::new(act)));
    }

    /// Waits until the server has performed all that has been asked of it.
    pub(crate) fn settle(&self) {
        drop(self.line.busy.write().unwrap());
    }

    /// How many calls there were, and what has become of them: all, and those that create.
    pub(crate) fn report(&self) -> String {
        let chance = self.line.chance.lock().unwrap();
        let count = |fate, create| chance.counts.get(&(fate, create)).copied().unwrap_or(0);
        let fates: BTreeSet<Fate> = FAULTS.into_iter().chain([Fate::Answered]).collect();
        let text = fates.into_iter().map(|fate| {
            let creates = count(fate, true);
            format!("{} {fate:?} ({creates} creates)", creates + count(fate, false))
        });
        format!("calls: {}; {} outages", text.collect::<Vec<_>>().join(", "), chance.outages)
    }
}

impl Line {
    /// One call on each connection.
    fn serve(&self, mut client: TcpStream) -> io::Result<()> {
        let request = read_request(&client)?;
        let _busy = self.busy.read().unwrap();
        let (fate, turn) = self.fate(request.creates);
        let mut say = |answer: &[u8]| client.write_all(answer);
        let perform = || exchange(self.server, &request.bytes);
        match fate {
            Fate::Answered => say(&perform()?),
            Fate::Refused => say(&failure("503 Service Unavailable", "SlowDown")),
            Fate::TimedOut => say(&failure("400 Bad Request", "RequestTimeout")),
            Fate::Dropped => Ok(()),
            Fate::Lost => perform().map(drop),
            Fate::Late => {
                drop(client);
                self.wait_for(turn);
                perform().map(drop)
            }
            Fate::Cut => {
                let answer = perform()?;
                say(&answer[..answer.len() / 2])
            }
            Fate::Failed => {
                perform()?;
                say(&failure("500 Internal Server Error", "InternalError"))
            }
            Fate::Doubtful => {
                perform()?;
                say(&failure("400 Bad Request", "RequestTimeout"))
            }
        }
    }

    /// What becomes of a call, and the call that it waits for if it is late.
    fn fate(&self, creates: Option<String>) -> (Fate, u64) {
        let mut chance = self.chance.lock().unwrap();
        chance.calls += 1;
        self.came.notify_all();
        let is_create = creates.is_some();
        let fate = chance.fate(creates);
        let turn = chance.calls + 1 + chance.dice.roll(8);
        *chance.counts.entry((fate, is_create)).or_default() += 1;
        match chance.alarm.take() {
            Some((0 | 1, act)) => act(),
            alarm => chance.alarm = alarm.map(|(calls, act)| (calls - 1, act)),
        }
        (fate, turn)
    }

    /// Waits until so many calls have come, or none comes any more: who makes them may wait for this one.
    fn wait_for(&self, turn: u64) {
        let chance = self.chance.lock().unwrap();
        let is_early = |chance: &mut Chance| chance.calls < turn;
        drop(self.came.wait_timeout_while(chance, Duration::from_secs(1), is_early).unwrap());
    }
}

impl Chance {
    fn fate(&mut self, creates: Option<String>) -> Fate {
        let fault = FAULTS[self.dice.roll(FAULTS.len() as u64) as usize];
        match self.faults {
            Faults::EveryFirstCreation if creates.is_none_or(|path| !self.created.insert(path)) => Fate::Answered,
            Faults::EveryFirstCreation => match fault {
                Fate::Lost | Fate::Cut | Fate::Failed => fault,
                _ => Fate::Doubtful,
            },
            Faults::OneInTwenty => match self.outage.take() {
                Some((fate, calls)) => {
                    self.outage = (calls > 1).then_some((fate, calls - 1));
                    fate
                }
                None if self.dice.roll(20) > 0 => Fate::Answered,
                None => {
                    if self.dice.roll(10) == 0 {
                        self.outage = Some((fault, 5 + self.dice.roll(36)));
                        self.outages += 1;
                    }
                    fault
                }
            },
        }
    }
}

/// Sends a request and reads the answer until the server closes the connection.
pub(crate) fn exchange(server: SocketAddr, request: &[u8]) -> io::Result<Vec<u8>> {
    let mut stream = TcpStream::connect(server)?;
    stream.write_all(request)?;
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer)?;
    Ok(answer)
}

/// The whole request, changed so that the server closes the connection after it.
fn read_request(client: &TcpStream) -> io::Result<Request> {
    let mut reader = BufReader::new(client);
    let (mut head, mut length, mut creates) = (String::new(), 0, None);
    loop {
        let start = head.len();
        if reader.read_line(&mut head)? == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        let line = head[start..].trim().to_ascii_lowercase();
        match line.split_once(": ") {
            _ if start == 0 => head.push_str("Connection: close\r\n"),
            _ if line.is_empty() => break,
            Some(("content-length", value)) => length = value.parse().map_err(io::Error::other)?,
            Some(("transfer-encoding", value)) => return Err(io::Error::other(format!("cannot pass on {value}"))),
            Some(("if-none-match", "*")) => creates = head.split(' ').nth(1).map(str::to_owned),
            _ => {}
        }
    }
    let mut bytes = head.into_bytes();
    let body = bytes.len();
    bytes.resize(body + length, 0);
    reader.read_exact(&mut bytes[body..])?;
    Ok(Request { bytes, creates })
}

fn failure(status: &str, code: &str) -> Vec<u8> {
    let body = format!("<Error><Code>{code}</Code></Error>");
    format!("HTTP/1.1 {status}\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{body}", body.len()).into_bytes()
}
