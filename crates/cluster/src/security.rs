//! Who may talk to a cluster: whoever has its token, over connections whose ends are known.
//!
//! A process makes one [`Security`], and everything in it that listens or connects uses that. Who is refused is refused before a message of his
//! is read. What a message may ask for is not decided here.

mod socket;
mod tls;
mod token;

#[cfg(test)]
mod tests;

use std::fmt;
use std::io;
use std::sync::Arc;

use dipper_types::{Error, Result};
use futures::stream::{BoxStream, StreamExt};
use hyper_util::rt::TokioIo;
use tokio::sync::oneshot;
use tokio_rustls::rustls::ServerConfig;
use tonic::service::InterceptorLayer;
use tonic::service::interceptor::InterceptedService;
use tonic::transport::server::TcpIncoming;
use tonic::transport::{Channel, Endpoint, Uri};

use crate::clock::{SILENCE, within};
use crate::message::cause;
use tls::Tls;
use token::{Bearer, Guard};

pub use socket::Socket;
pub use tls::TlsFiles;
pub use token::Token;

/// A connection to a process of the cluster, over which calls carry the token.
pub(crate) type Connection = InterceptedService<Channel, Bearer>;

/// How many may be about to open a connection with TLS at a time. Those beyond wait.
const HANDSHAKES_MAX: usize = 1024;

/// Who may talk to a process, and to whom it talks. By default there is no token, and no TLS.
#[derive(Clone, Default)]
pub struct Security {
    token: Option<Token>,
    tls: Tls,
}

impl Security {
    /// With the token of the cluster, if it has one, and with TLS as far as files are named.
    pub fn new(token: Option<Token>, files: &TlsFiles) -> Result<Self> {
        Ok(Self { token, tls: Tls::read(files)? })
    }

    /// Whether TLS is as complete as it has to be for a process that listens, connects, or both: none of the two may go without unnoticed.
    pub(crate) fn check(&self, listens: bool, connects: bool) -> Result<()> {
        if listens && self.tls.connects() && !self.tls.accepts() {
            let error = Error::invalid("with --tls-ca alone this process would listen without TLS");
            return Err(error.with_hint("give it a certificate of its own: --tls-cert and --tls-key"));
        }
        if connects && self.tls.accepts() && !self.tls.connects() {
            let error = Error::invalid("with --tls-cert and --tls-key alone this process would connect without TLS");
            return Err(error.with_hint("say whom to trust: --tls-ca"));
        }
        Ok(())
    }

    /// Whether those who connect speak TLS.
    pub(crate) fn encrypts(&self) -> bool {
        self.tls.accepts()
    }

    /// Whether only those may call who have a token.
    pub fn has_token(&self) -> bool {
        self.token.is_some()
    }

    /// Whether somebody may call who carries this.
    pub(crate) fn admits(&self, authorization: Option<&[u8]>) -> bool {
        self.token.as_ref().is_none_or(|token| token.is(authorization))
    }

    /// Where HOST:PORT is.
    pub(crate) fn endpoint(&self, address: &str) -> Result<Endpoint> {
        let invalid =
            |why: &str| Error::invalid(format!("'{address}' is no address: {why}")).with_hint("write HOST:PORT");
        let scheme = if self.tls.connects() { "https" } else { "http" };
        let endpoint = Endpoint::from_shared(format!("{scheme}://{address}"))
            .map_err(|error| invalid(&cause(&error).to_string()))?;
        match endpoint.uri().port_u16() {
            Some(_) => Ok(endpoint),
            None => Err(invalid("it has no port")),
        }
    }

    /// Connects to HOST:PORT, and waits until that has answered as it should. `tune` sets up the connection.
    pub(crate) async fn connect(&self, address: &str, tune: impl FnOnce(Endpoint) -> Endpoint) -> Result<Connection> {
        let endpoint = tune(self.endpoint(address)?);
        let (greeted, greeting) = oneshot::channel();
        let (tls, mut greeted) = (self.tls.clone(), Some(greeted));
        let open = tower::service_fn(move |uri: Uri| {
            // Only the first connection is waited for; the channel opens others when that has broken.
            let (tls, greeted) = (tls.clone(), greeted.take());
            async move { tls.connect(&uri).await.map(|stream| TokioIo::new(stream.tells(greeted))) }
        });
        let answered = async {
            let channel = endpoint.connect_with_connector(open).await.map_err(|error| cause(&error))?;
            greeting.await.unwrap_or_else(|_| Err(socket::closed()))?;
            Ok(channel)
        };
        let channel = within(SILENCE, answered).await.unwrap_or_else(|| Err(Error::unavailable("no answer")))?;
        Ok(InterceptedService::new(channel, Bearer(self.token.clone())))
    }

    /// Stands in front of everything that a server offers.
    pub(crate) fn guard(&self) -> InterceptorLayer<Guard> {
        InterceptorLayer::new(Guard(self.token.clone()))
    }

    /// With what a server encrypts that does so by itself; nothing, if there is no certificate.
    pub fn server_tls(&self) -> Option<Arc<ServerConfig>> {
        self.tls.server()
    }

    /// The connections to a server. Where there is TLS, whoever does not speak it, or cannot show who he is, is let go of.
    pub fn incoming(&self, accepted: TcpIncoming) -> BoxStream<'static, io::Result<Socket>> {
        if !self.tls.accepts() {
            return accepted.map(|stream| stream.map(Socket::plain)).boxed();
        }
        let tls = self.tls.clone();
        let accepted = accepted.map(move |stream| {
            let tls = tls.clone();
            async move {
                match stream {
                    Ok(stream) => tls.accept(stream).await.transpose(),
                    Err(error) => Some(Err(error)),
                }
            }
        });
        accepted.buffer_unordered(HANDSHAKES_MAX).filter_map(std::future::ready).boxed()
    }
}

impl fmt::Debug for Security {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Security").field("token", &self.token).field("tls", &self.tls).finish()
    }
}
