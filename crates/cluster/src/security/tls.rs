//! TLS: from files to connections, and from what goes wrong to what can be done about it.

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use dipper_types::{Error, Result};
use tokio::net::TcpStream;
use tokio_rustls::rustls::crypto::{CryptoProvider, ring};
use tokio_rustls::rustls::pki_types::pem::{self, PemObject};
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use tokio_rustls::rustls::server::WebPkiClientVerifier;
use tokio_rustls::rustls::{
    AlertDescription, CertificateError, ClientConfig, ConfigBuilder, ConfigSide, Error as TlsError, RootCertStore,
    ServerConfig, WantsVerifier,
};
use tokio_rustls::{TlsAcceptor, TlsConnector};
use tonic::transport::Uri;

use super::socket::Socket;
use crate::clock::{SILENCE, within};

/// What both ends speak inside of TLS; the HTTP API also what is older.
const HTTP2: &[u8] = b"h2";
const HTTP1: &[u8] = b"http/1.1";

/// The PEM files by which a process is known, and by which it knows others.
#[derive(Debug, Clone, Default)]
pub struct TlsFiles {
    /// Its certificate, and those between that and the authority.
    pub cert: Option<PathBuf>,
    /// The key of its certificate.
    pub key: Option<PathBuf>,
    /// The certificates of the authorities that it trusts.
    pub ca: Option<PathBuf>,
    /// Whether somebody who connects must show a certificate of one of these.
    pub require_client_cert: bool,
}

/// How a process listens and connects.
#[derive(Clone, Default)]
pub(super) struct Tls {
    acceptor: Option<TlsAcceptor>,
    connector: Option<TlsConnector>,
}

impl Tls {
    pub(super) fn read(files: &TlsFiles) -> Result<Self> {
        let identity = match (&files.cert, &files.key) {
            (Some(cert), Some(key)) => Some(Identity::read(cert, key)?),
            (None, None) => None,
            (Some(_), None) => return Err(incomplete("--tls-cert", "--tls-key")),
            (None, Some(_)) => return Err(incomplete("--tls-key", "--tls-cert")),
        };
        let trusted = files.ca.as_deref().map(authorities).transpose()?;
        if files.require_client_cert && (identity.is_none() || trusted.is_none()) {
            return Err(incomplete("--tls-require-client-cert", "--tls-cert, --tls-key and --tls-ca"));
        }
        let provider = Arc::new(ring::default_provider());
        let clients = trusted.as_ref().filter(|_| files.require_client_cert);
        let server = identity.as_ref().map(|identity| server(identity, clients, &provider)).transpose()?;
        let client = trusted.as_ref().map(|trusted| client(trusted, identity.as_ref(), &provider)).transpose()?;
        Ok(Self {
            acceptor: server.map(|config| Arc::new(config).into()),
            connector: client.map(|config| Arc::new(config).into()),
        })
    }

    /// Whether who connects has to speak TLS.
    pub(super) fn accepts(&self) -> bool {
        self.acceptor.is_some()
    }

    /// How it encrypts for who connects.
    pub(super) fn server(&self) -> Option<Arc<ServerConfig>> {
        self.acceptor.as_ref().map(|acceptor| Arc::clone(acceptor.config()))
    }

    /// Whether it speaks TLS when it connects.
    pub(super) fn connects(&self) -> bool {
        self.connector.is_some()
    }

    /// Opens a connection.
    pub(super) async fn connect(&self, uri: &Uri) -> Result<Socket> {
        let failed = |error: io::Error| Error::unavailable(error.to_string());
        let address = uri.authority().map_or("", |authority| authority.as_str());
        let stream = TcpStream::connect(address).await.map_err(failed)?;
        stream.set_nodelay(true).map_err(failed)?;
        let Some(connector) = &self.connector else { return Ok(Socket::plain(stream)) };
        let host = uri.host().unwrap_or_default().trim_start_matches('[').trim_end_matches(']');
        let name = ServerName::try_from(host.to_owned());
        let name = name.map_err(|_| Error::invalid(format!("'{host}' is no name that a certificate could be for")))?;
        Ok(Socket::encrypted(connector.connect(name, stream).await.map_err(|error| explain(&error))?))
    }

    /// Takes a connection; none, if TLS does not come about.
    pub(super) async fn accept(&self, stream: TcpStream) -> io::Result<Option<Socket>> {
        let Some(acceptor) = &self.acceptor else { return Ok(Some(Socket::plain(stream))) };
        let from = stream.peer_addr()?;
        let why = match within(SILENCE, acceptor.accept(stream)).await {
            Some(Ok(stream)) => return Ok(Some(Socket::encrypted(stream))),
            Some(Err(error)) => error.to_string(),
            None => format!("nothing has come of it for {} s", SILENCE.as_secs()),
        };
        tracing::info!(%from, "refused a connection: TLS does not come about: {why}");
        Ok(None)
    }
}

impl fmt::Debug for Tls {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Tls").field("accepts", &self.accepts()).field("connects", &self.connects()).finish()
    }
}

/// A certificate and its key.
struct Identity<'a> {
    chain: Vec<CertificateDer<'static>>,
    key: PrivateKeyDer<'static>,
    files: (&'a Path, &'a Path),
}

impl<'a> Identity<'a> {
    fn read(cert: &'a Path, key: &'a Path) -> Result<Self> {
        let chain = certificates("--tls-cert", cert)?;
        let private = PrivateKeyDer::from_pem_file(key).map_err(|error| unreadable("--tls-key", key, "key", &error))?;
        Ok(Self { chain, key: private, files: (cert, key) })
    }

    fn unusable(&self, error: &TlsError) -> Error {
        let (cert, key) = (self.files.0.display(), self.files.1.display());
        let error = Error::invalid(format!("the certificate '{cert}' cannot be used with the key '{key}': {error}"));
        error.with_hint("--tls-key names the key of the certificate that --tls-cert names")
    }
}

/// How a process with a certificate listens. Those who connect have to be signed by `clients`, if that is given.
fn server(
    identity: &Identity<'_>,
    clients: Option<&Arc<RootCertStore>>,
    provider: &Arc<CryptoProvider>,
) -> Result<ServerConfig> {
    let builder = ServerConfig::builder_with_provider(Arc::clone(provider)).with_safe_default_protocol_versions();
    let builder = match clients {
        None => versions(builder)?.with_no_client_auth(),
        Some(trusted) => {
            let verifier = WebPkiClientVerifier::builder_with_provider(Arc::clone(trusted), Arc::clone(provider));
            let verifier = verifier.build().map_err(|error| Error::invalid(format!("--tls-ca: {error}")))?;
            versions(builder)?.with_client_cert_verifier(verifier)
        }
    };
    let config = builder.with_single_cert(identity.chain.clone(), identity.key.clone_key());
    let mut config = config.map_err(|error| identity.unusable(&error))?;
    config.alpn_protocols.extend([HTTP2.to_vec(), HTTP1.to_vec()]);
    Ok(config)
}

/// How a process connects to those that are signed by `trusted`. It has a certificate to show, or none.
fn client(
    trusted: &Arc<RootCertStore>,
    identity: Option<&Identity<'_>>,
    provider: &Arc<CryptoProvider>,
) -> Result<ClientConfig> {
    let builder = ClientConfig::builder_with_provider(Arc::clone(provider)).with_safe_default_protocol_versions();
    let builder = versions(builder)?.with_root_certificates(Arc::clone(trusted));
    let config = match identity {
        None => Ok(builder.with_no_client_auth()),
        Some(identity) => builder
            .with_client_auth_cert(identity.chain.clone(), identity.key.clone_key())
            .map_err(|error| identity.unusable(&error)),
    };
    let mut config = config?;
    config.alpn_protocols.push(HTTP2.to_vec());
    Ok(config)
}

/// The versions of TLS that our provider speaks.
fn versions<S: ConfigSide>(
    builder: Result<ConfigBuilder<S, WantsVerifier>, TlsError>,
) -> Result<ConfigBuilder<S, WantsVerifier>> {
    builder.map_err(|error| Error::internal(format!("TLS cannot be set up: {error}")))
}

fn authorities(path: &Path) -> Result<Arc<RootCertStore>> {
    let mut roots = RootCertStore::empty();
    for certificate in certificates("--tls-ca", path)? {
        let unusable =
            |error: TlsError| Error::invalid(format!("--tls-ca: '{}' cannot be trusted: {error}", path.display()));
        roots.add(certificate).map_err(unusable)?;
    }
    Ok(Arc::new(roots))
}

fn certificates(option: &str, path: &Path) -> Result<Vec<CertificateDer<'static>>> {
    let unreadable = |error: pem::Error| unreadable(option, path, "certificate", &error);
    let certificates: Result<Vec<_>, _> = CertificateDer::pem_file_iter(path).map_err(unreadable)?.collect();
    match certificates.map_err(unreadable)? {
        none if none.is_empty() => Err(unreadable(pem::Error::NoItemsFound)),
        certificates => Ok(certificates),
    }
}

fn unreadable(option: &str, path: &Path, what: &str, error: &pem::Error) -> Error {
    let why = match error {
        pem::Error::Io(error) => error.to_string(),
        pem::Error::NoItemsFound => format!("there is no {what} in it"),
        error => error.to_string(),
    };
    let error = Error::invalid(format!("{option}: '{}' cannot be read: {why}", path.display()));
    error.with_hint(format!(
        "{option} names a PEM file that holds a {what}, between '-----BEGIN …-----' and '-----END …-----'"
    ))
}

fn incomplete(option: &str, needed: &str) -> Error {
    Error::invalid(format!("{option} does nothing without {needed}")).with_hint(format!("give {needed} too"))
}

/// What listens is something else.
pub(super) fn no_dipper() -> Error {
    let error = Error::unavailable("what listens there is no process of dipper");
    error.with_hint("look at the address and the port")
}

/// Why TLS does not come about, for who has connected.
pub(super) fn explain(error: &io::Error) -> Error {
    use CertificateError::{BadSignature, NotValidForName, NotValidForNameContext, UnknownIssuer};
    let Some(tls) = error.get_ref().and_then(|error| error.downcast_ref::<TlsError>()) else {
        let error = Error::unavailable(format!("TLS does not come about: {error}"));
        return error.with_hint("if it listens without TLS, leave out --tls-ca");
    };
    let (message, hint) = match tls {
        TlsError::InvalidMessage(_) => (
            "it does not speak TLS".to_owned(),
            "leave out --tls-ca, or have it listen with TLS: --tls-cert and --tls-key",
        ),
        // Another authority may go by the same name.
        TlsError::InvalidCertificate(UnknownIssuer | BadSignature) => (
            "its certificate is signed by nobody whom --tls-ca trusts".to_owned(),
            "--tls-ca names the certificate of the authority that has signed those of the cluster",
        ),
        TlsError::InvalidCertificate(why @ (NotValidForName | NotValidForNameContext { .. })) => (
            format!("its certificate is for another name: {why}"),
            "reach it by a name of its certificate (it may need --advertise), or give it one for this name",
        ),
        TlsError::InvalidCertificate(why) => {
            (format!("its certificate is not valid: {why}"), "give it another one: --tls-cert and --tls-key")
        }
        TlsError::AlertReceived(AlertDescription::CertificateRequired) => {
            ("it wants a certificate of who connects".to_owned(), "give one: --tls-cert and --tls-key")
        }
        TlsError::AlertReceived(AlertDescription::NoApplicationProtocol) => return no_dipper(),
        TlsError::AlertReceived(alert) => (
            format!("it does not take the certificate of --tls-cert ({alert:?})"),
            "use one that is valid, for clients too, and signed by what --tls-ca trusts over there",
        ),
        other => (format!("TLS does not come about: {other}"), "if it listens without TLS, leave out --tls-ca"),
    };
    Error::unavailable(message).with_hint(hint)
}
