//! Who a client is: it proves that it knows its password without telling it (SCRAM-SHA-256, RFC 5802 and 7677).

use dipper_session::Users;
use pgwire::api::auth::Password;
use pgwire::api::auth::sasl::scram::{SCRAM_ITERATIONS, ScramServerAuth, gen_salted_password};

use crate::backend;
use crate::channel::Channel;
use crate::clock::secret;
use crate::failure::{Failure, Result};
use crate::frontend::Body;
use crate::sqlstate;

/// The one mechanism that is offered.
const MECHANISM: &str = "SCRAM-SHA-256";

/// How long a message of the exchange may be.
const BYTES_MAX: usize = 4 * 1024;

/// Asks a client for the proof that it is this user. A user that is not there is one whose password nobody knows.
pub(crate) async fn authenticate(channel: &mut Channel, users: &Users, user: &str) -> Result<()> {
    backend::authentication_mechanisms(&mut channel.out, &[MECHANISM]);
    let mut first = answer(channel).await?;
    let mechanism = first.text()?;
    if mechanism != MECHANISM {
        return Err(Failure::fatal(
            sqlstate::PROTOCOL_VIOLATION,
            "client selected an invalid SASL authentication mechanism",
        ));
    }
    let first = first.value()?.unwrap_or_default();
    if first.starts_with(b"p") {
        return Err(malformed().with_hint("channel binding has not been offered"));
    }

    let salt = secret::<16>();
    let known = users.password(user);
    let nobodys = secret::<16>().map(|byte| format!("{byte:02x}")).concat();
    let salted = gen_salted_password(known.unwrap_or(&nobodys), &salt, SCRAM_ITERATIONS);
    let begun = ScramServerAuth::new().on_client_first_message(&first, Password::new(Some(salt.to_vec()), salted));
    let (server_first, exchange) = begun.map_err(|_| malformed())?;
    backend::authentication_continue(&mut channel.out, server_first.as_bytes());

    let last = answer(channel).await?.0;
    let nonce = server_first.split(',').next().unwrap_or_default();
    let has_nonce = std::str::from_utf8(&last).is_ok_and(|last| last.split(',').any(|part| part == nonce));
    if !has_nonce {
        return Err(malformed());
    }
    match exchange.on_client_final_message(&last) {
        Ok(server_last) if known.is_some() => {
            backend::authentication_final(&mut channel.out, server_last.as_bytes());
            Ok(())
        }
        _ => {
            let message = format!("password authentication failed for user \"{user}\"");
            Err(Failure::fatal(sqlstate::INVALID_PASSWORD, message))
        }
    }
}

/// What the client answers.
async fn answer(channel: &mut Channel) -> Result<Body> {
    channel.flush().await?;
    match channel.message(BYTES_MAX).await? {
        Some((b'p', body)) => Ok(Body(body)),
        Some((b'X', _)) | None => Err(Failure::lost()),
        Some((tag, _)) => {
            let message = format!("expected SASL response, got message type {tag}");
            Err(Failure::fatal(sqlstate::PROTOCOL_VIOLATION, message))
        }
    }
}

fn malformed() -> Failure {
    Failure::fatal(sqlstate::PROTOCOL_VIOLATION, "malformed SCRAM message")
}
