//! From the first byte of a connection to its login: encryption, the version of the protocol, who it is and what it wants.

use std::sync::Arc;

use bytes::{Buf, Bytes};
use dipper_session::{Session, Users};
use tokio::net::TcpStream;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio_rustls::TlsAcceptor;
use tokio_util::sync::CancellationToken;

use crate::authentication::authenticate;
use crate::backend;
use crate::cancel::Cancellations;
use crate::channel::Channel;
use crate::connection::Connection;
use crate::failure::{Failure, Result, Severity};
use crate::frontend::Body;
use crate::settings::Settings;
use crate::sqlstate;
use crate::state::{Identity, State};

/// How long the first message may be.
const BYTES_MAX: usize = 10_000;

/// The version that is spoken here: 3.0.
const VERSION: u32 = 3 << 16;
const CANCEL_REQUEST: u32 = 80_877_102;
const SSL_REQUEST: u32 = 80_877_103;
const GSS_REQUEST: u32 = 80_877_104;

/// The first byte of a client that encrypts without asking.
const TLS_HANDSHAKE: u8 = 0x16;

/// What all connections of a server share.
pub(crate) struct Door {
    pub(crate) session: Session,
    /// Who may log in; anybody without.
    pub(crate) users: Option<Users>,
    pub(crate) tls: Option<TlsAcceptor>,
    pub(crate) requires_tls: bool,
    pub(crate) database: String,
    pub(crate) cancellations: Arc<Cancellations>,
    pub(crate) places: Arc<Semaphore>,
    pub(crate) shutdown: CancellationToken,
}

/// What a client wants when it connects.
#[derive(Debug, Default, PartialEq, Eq)]
struct Wish {
    user: String,
    database: Option<String>,
    settings: Vec<(String, String)>,
    /// Options of the protocol that are not known here.
    unknown: Vec<String>,
    is_newer: bool,
}

impl Door {
    /// Lets a client in; the connection, and its place among those that there may be. Nothing if it wanted something else, or is told why not.
    pub(crate) async fn open(&self, stream: TcpStream) -> Option<(Connection, OwnedSemaphorePermit)> {
        let mut first = [0];
        let is_encrypted = stream.peek(&mut first).await.ok()? > 0 && first[0] == TLS_HANDSHAKE;
        let mut channel = Channel::new(Box::new(stream));
        let entered = async {
            if is_encrypted {
                self.encrypt(&mut channel).await?;
            }
            self.enter(&mut channel, is_encrypted).await
        };
        let entered = entered.await;
        match entered {
            Ok(Some((state, registration, place))) => {
                let shutdown = self.shutdown.clone();
                Some((Connection::new(channel, state, registration, shutdown), place))
            }
            Ok(None) => None,
            Err(failure) => {
                if failure.severity != Severity::Lost {
                    let failure = Failure { severity: Severity::Fatal, ..failure };
                    backend::failure(&mut channel.out, &failure);
                    let _ = channel.close().await;
                }
                None
            }
        }
    }

    async fn enter(
        &self,
        channel: &mut Channel,
        mut is_encrypted: bool,
    ) -> Result<Option<(State, crate::cancel::Registration, OwnedSemaphorePermit)>> {
        // Each way to encrypt is asked for once at most.
        for _ in 0..3 {
            let Some(mut message) = channel.first_message(BYTES_MAX).await? else { return Ok(None) };
            let code = message.try_get_u32().map_err(|_| Failure::protocol("invalid startup packet"))?;
            match code {
                SSL_REQUEST if self.tls.is_some() && !is_encrypted => {
                    channel.out.extend_from_slice(b"S");
                    channel.flush().await?;
                    self.encrypt(channel).await?;
                    is_encrypted = true;
                }
                SSL_REQUEST | GSS_REQUEST => {
                    channel.out.extend_from_slice(b"N");
                    channel.flush().await?;
                }
                CANCEL_REQUEST => {
                    if let Ok(process_id) = message.try_get_i32() {
                        self.cancellations.cancel(process_id, &message);
                    }
                    return Ok(None);
                }
                version => return self.log_in(channel, version, message, is_encrypted).await.map(Some),
            }
        }
        Err(Failure::protocol("invalid startup packet"))
    }

    /// Everything is encrypted from here on.
    async fn encrypt(&self, channel: &mut Channel) -> Result<()> {
        let Some(tls) = &self.tls else { return Err(Failure::lost()) };
        let plain = std::mem::replace(channel, Channel::new(Box::new(tokio::io::empty())));
        let stream = plain.into_stream()?;
        *channel = Channel::new(Box::new(tls.accept(stream).await?));
        Ok(())
    }

    async fn log_in(
        &self,
        channel: &mut Channel,
        version: u32,
        message: Bytes,
        is_encrypted: bool,
    ) -> Result<(State, crate::cancel::Registration, OwnedSemaphorePermit)> {
        let wish = Wish::read(version, message)?;
        if wish.is_newer || !wish.unknown.is_empty() {
            backend::negotiate_version(&mut channel.out, VERSION, &wish.unknown);
        }
        if self.requires_tls && !is_encrypted {
            let failure = Failure::new(sqlstate::INVALID_AUTHORIZATION, "this server takes encrypted connections only");
            return Err(failure.with_hint("sslmode=require"));
        }
        if let Some(users) = &self.users {
            authenticate(channel, users, &wish.user).await?;
        }
        if let Some(database) = wish.database.filter(|database| *database != self.database) {
            let failure = Failure::new(sqlstate::UNDEFINED_DATABASE, format!("database \"{database}\" does not exist"));
            return Err(failure.with_hint(format!("the only database is called \"{}\"", self.database)));
        }
        let mut settings = Settings::new(&wish.user);
        for (name, value) in &wish.settings {
            settings.start_with(name, value)?;
        }
        settings.take_changed();
        // Only who is known takes a place.
        let place = Arc::clone(&self.places).try_acquire_owned();
        let place =
            place.map_err(|_| Failure::new(sqlstate::TOO_MANY_CONNECTIONS, "sorry, too many clients already"))?;
        let registration = self.cancellations.register();
        backend::authentication_ok(&mut channel.out);
        for (name, value) in settings.reported() {
            backend::parameter_status(&mut channel.out, name, value);
        }
        backend::backend_key(&mut channel.out, registration.process_id, registration.secret);
        let identity = Identity {
            database: self.database.clone(),
            users: if self.users.is_some() { vec![wish.user.clone()] } else { Vec::new() },
            user: wish.user,
            process_id: registration.process_id,
        };
        Ok((State::new(self.session.clone(), identity, settings), registration, place))
    }
}

impl Wish {
    /// Behind the version of the protocol there are names and values.
    fn read(version: u32, message: Bytes) -> Result<Self> {
        let (major, minor) = (version >> 16, version & 0xffff);
        if major != 3 {
            let message = format!("unsupported frontend protocol {major}.{minor}: server supports 3.0 to 3.0");
            return Err(Failure::unsupported(message));
        }
        let mut wish = Self { is_newer: minor > 0, ..Self::default() };
        let mut body = Body(message);
        loop {
            let name = body.text()?;
            if name.is_empty() {
                break;
            }
            let value = body.text()?;
            match name.as_str() {
                "user" => wish.user = value,
                "database" => wish.database = Some(value).filter(|database| !database.is_empty()),
                "options" => wish.settings.extend(options(&value)?),
                "replication" if matches!(value.as_str(), "false" | "off" | "no" | "0") => {}
                "replication" => return Err(Failure::unsupported("replication is not supported")),
                name if name.starts_with("_pq_.") => wish.unknown.push(name.to_owned()),
                _ => wish.settings.push((name, value)),
            }
        }
        if wish.user.is_empty() {
            let message = "no PostgreSQL user name specified in startup packet";
            return Err(Failure::new(sqlstate::INVALID_AUTHORIZATION, message));
        }
        Ok(wish)
    }
}

/// Settings as on the command line of a server: `-c name=value --name=value`. A backslash stands before a blank that ends nothing.
fn options(text: &str) -> Result<Vec<(String, String)>> {
    let mut words = vec![String::new()];
    let mut characters = text.chars();
    while let Some(character) = characters.next() {
        match (character, words.last_mut()) {
            ('\\', Some(word)) => word.extend(characters.next()),
            (blank, Some(word)) if blank.is_whitespace() => {
                if !word.is_empty() {
                    words.push(String::new());
                }
            }
            (character, Some(word)) => word.push(character),
            (_, None) => {}
        }
    }
    let mut settings = Vec::new();
    let mut words = words.into_iter().filter(|word| !word.is_empty());
    while let Some(word) = words.next() {
        let setting = match (word.strip_prefix("--"), word.strip_prefix("-c")) {
            (None, Some("")) => words.next().unwrap_or_default(),
            (Some(setting), _) | (None, Some(setting)) => setting.to_owned(),
            (None, None) => word,
        };
        let Some((name, value)) = setting.split_once('=') else {
            return Err(Failure::syntax(format!("invalid command-line argument for server process: {setting}")));
        };
        settings.push((name.replace('-', "_"), value.to_owned()));
    }
    Ok(settings)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(bytes: &'static [u8]) -> Result<Wish> {
        Wish::read(VERSION, Bytes::from_static(bytes))
    }

    #[test]
    fn a_client_says_who_it_is_and_what_it_wants() {
        let wish = read(b"user\0ada\0database\0d\0options\0-c a.b=x\\ y --time-zone=UTC\0_pq_.x\0y\0\0").unwrap();
        let settings = [("a.b", "x y"), ("time_zone", "UTC")].map(|(name, value)| (name.to_owned(), value.to_owned()));
        assert_eq!((wish.user.as_str(), wish.database.as_deref()), ("ada", Some("d")));
        assert_eq!((wish.settings, wish.unknown), (settings.to_vec(), vec!["_pq_.x".to_owned()]));
    }

    #[test]
    fn what_is_no_startup_is_refused() {
        for bytes in [
            &b""[..],
            b"user",
            b"user\0ada",
            b"user\0ada\0",
            b"\0",
            b"user\0a\0replication\0true\0\0",
            b"user\0a\0options\0-x\0\0",
        ] {
            assert!(read(bytes).is_err(), "{bytes:?}");
        }
        assert_eq!(Wish::read(2 << 16, Bytes::new()).unwrap_err().code, sqlstate::FEATURE_NOT_SUPPORTED);
    }
}
