//! Both ends over real connections: who gets through, and what is said to who does not.

use std::net::SocketAddr;
use std::path::PathBuf;

use dipper_types::{ErrorKind, Result};
use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair};
use tempfile::TempDir;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{mpsc, oneshot};
use tonic::codegen::http::uri::PathAndQuery;
use tonic::service::Routes;
use tonic::transport::Server;
use tonic::transport::server::TcpIncoming;
use tonic::{Code, Request};
use tonic_prost::ProstCodec;

use super::{Connection, Security, TlsFiles, Token};
use crate::message::{cause, error_of};

/// A directory with certificates: those of an authority, and signed by it.
struct Certificates {
    directory: TempDir,
    authority: Issuer<'static, KeyPair>,
}

impl Certificates {
    fn new() -> Self {
        Self::of("The Authority")
    }

    /// Of an authority that is called something.
    fn of(name: &str) -> Self {
        let key = KeyPair::generate().unwrap();
        let mut params = CertificateParams::default();
        params.distinguished_name.push(DnType::CommonName, name);
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let directory = TempDir::new().unwrap();
        std::fs::write(directory.path().join("ca.pem"), params.self_signed(&key).unwrap().pem()).unwrap();
        Self { directory, authority: Issuer::new(params, key) }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    fn file(&self, name: &str, text: &str) -> PathBuf {
        let path = self.path(name);
        std::fs::write(&path, text).unwrap();
        path
    }

    /// The files of a certificate for a name, and of its key.
    fn identity(&self, name: &str) -> TlsFiles {
        let key = KeyPair::generate().unwrap();
        let params = CertificateParams::new(vec![name.to_owned()]).unwrap();
        let cert = self.file(&format!("{name}.pem"), &params.signed_by(&key, &self.authority).unwrap().pem());
        let key = self.file(&format!("{name}.key"), &key.serialize_pem());
        TlsFiles { cert: Some(cert), key: Some(key), ..TlsFiles::default() }
    }

    fn trusted(&self) -> TlsFiles {
        TlsFiles { ca: Some(self.path("ca.pem")), ..TlsFiles::default() }
    }
}

fn with_tls(files: &TlsFiles) -> Security {
    Security::new(None, files).unwrap()
}

fn with_token(text: &str) -> Security {
    Security::new(Some(Token::new(text).unwrap()), &TlsFiles::default()).unwrap()
}

/// A server that offers nothing: who gets through to it is told so.
async fn server(security: &Security) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let server = Server::builder().layer(security.guard()).add_routes(Routes::default());
    tokio::spawn(server.serve_with_incoming(security.incoming(TcpIncoming::from(listener))));
    address
}

/// Calls a server.
async fn call(security: &Security, address: impl ToString) -> Result<()> {
    call_over(&security.connect(&address.to_string(), |endpoint| endpoint).await?).await
}

async fn call_over(connection: &Connection) -> Result<()> {
    let mut client = tonic::client::Grpc::new(connection.clone());
    client.ready().await.map_err(|error| cause(&error))?;
    let path = PathAndQuery::from_static("/dipper.Test/Call");
    match client.unary(Request::new(()), path, ProstCodec::<(), ()>::default()).await {
        Ok(_) => panic!("nothing is offered"),
        Err(status) if status.code() == Code::Unimplemented => Ok(()),
        Err(status) => Err(error_of(&status, "server")),
    }
}

/// What is said, and what to do about it.
fn said(outcome: Result<()>) -> (ErrorKind, String) {
    let error = outcome.unwrap_err();
    (error.kind(), format!("{error} ({})", error.hint().unwrap()))
}

#[tokio::test]
async fn a_call_with_the_token_gets_through_and_no_other_does() {
    let cluster = with_token("secret");
    let address = server(&cluster).await;
    call(&cluster, address).await.unwrap();
    for other in [Security::default(), with_token("secreT"), with_token("secre"), with_token("secret1")] {
        let hint = "give the cluster's token: --token-file FILE, or the variable DIPPER_TOKEN";
        let refused = format!("the token is not that of this cluster ({hint})");
        assert_eq!(said(call(&other, address).await), (ErrorKind::Invalid, refused));
    }
    call(&cluster, address).await.unwrap();
}

#[tokio::test]
async fn a_cluster_without_a_token_asks_for_none() {
    let address = server(&Security::default()).await;
    call(&Security::default(), address).await.unwrap();
    call(&with_token("secret"), address).await.unwrap();
}

#[test]
fn a_token_shows_nowhere() {
    let security = with_token("secret");
    assert_eq!(format!("{security:?}"), "Security { token: Some(***), tls: Tls { accepts: false, connects: false } }");
    let Some(token) = &security.token else { panic!("there is one") };
    assert!(!format!("{:?}", token.0).contains("secret"), "{:?}", token.0);
    let error = Token::new("se cret\u{7}").unwrap_err().to_string();
    assert_eq!(error, "the token has other characters than visible ASCII");
}

#[test]
fn a_token_file_holds_a_token() {
    let files = Certificates::new();
    let token = Token::read(&files.file("token", "  secret\n")).unwrap();
    assert_eq!(token.0, Token::new("secret").unwrap().0);
    for (name, text, why) in [
        ("empty", "", "the token is empty"),
        ("blank", " \n\n", "the token is empty"),
        ("two", "secret\nsecret\n", "the token has other characters than visible ASCII"),
        ("long", &"x".repeat(5000), "the token is longer than 4096 bytes"),
    ] {
        let path = files.file(name, text);
        let error = Token::read(&path).unwrap_err();
        assert_eq!(error.to_string(), format!("the token file '{}': {why}", path.display()));
    }
    let missing = Token::read(&files.path("missing")).unwrap_err();
    assert!(missing.to_string().ends_with("missing': No such file or directory (os error 2)"), "{missing}");
}

#[tokio::test]
async fn with_tls_both_ends_are_known() {
    let files = Certificates::new();
    let mutual = |name| TlsFiles { require_client_cert: true, ca: Some(files.path("ca.pem")), ..files.identity(name) };
    let simple = server(&with_tls(&files.identity("127.0.0.1"))).await;
    call(&with_tls(&files.trusted()), simple).await.unwrap();
    let address = server(&with_tls(&mutual("localhost"))).await;
    let named = format!("localhost:{}", address.port());
    call(&with_tls(&mutual("client")), &named).await.unwrap();
    // Over and over, because the refusal comes when the client believes that the connection is open.
    for _ in 0..50 {
        let (kind, why) = said(call(&with_tls(&files.trusted()), &named).await);
        assert_eq!(kind, ErrorKind::Unavailable);
        assert_eq!(why, "it wants a certificate of who connects (give one: --tls-cert and --tls-key)");
    }
    for others in [Certificates::new(), Certificates::of("Another")] {
        let stranger = TlsFiles { ca: Some(files.path("ca.pem")), ..others.identity("stranger") };
        let (_, why) = said(call(&with_tls(&stranger), &named).await);
        assert!(why.starts_with("it does not take the certificate of --tls-cert ("), "{why}");
    }
    call(&with_tls(&mutual("client")), &named).await.unwrap();
}

#[tokio::test]
async fn a_token_is_asked_for_within_tls_too() {
    let files = Certificates::new();
    let token = || Some(Token::new("secret").unwrap());
    let address = server(&Security::new(token(), &files.identity("127.0.0.1")).unwrap()).await;
    call(&Security::new(token(), &files.trusted()).unwrap(), address).await.unwrap();
    let (kind, why) = said(call(&with_tls(&files.trusted()), address).await);
    assert!(kind == ErrorKind::Invalid && why.starts_with("the token is not that of this cluster"), "{why}");
}

#[tokio::test]
async fn who_speaks_tls_to_who_does_not_is_told() {
    let files = Certificates::new();
    let (encrypted, plain) =
        (server(&with_tls(&files.identity("127.0.0.1"))).await, server(&Security::default()).await);
    for _ in 0..50 {
        let why = "it wants TLS (say whom to trust: --tls-ca FILE)".to_owned();
        assert_eq!(said(call(&Security::default(), encrypted).await), (ErrorKind::Unavailable, why));
    }
    let why = "it does not speak TLS (leave out --tls-ca, or have it listen with TLS: --tls-cert and --tls-key)";
    assert_eq!(said(call(&with_tls(&files.trusted()), plain).await), (ErrorKind::Unavailable, why.to_owned()));
    call(&with_tls(&files.trusted()), encrypted).await.unwrap();
    call(&Security::default(), plain).await.unwrap();
}

#[tokio::test]
async fn a_certificate_that_is_not_to_be_trusted_is_not() {
    let files = Certificates::new();
    let address = server(&with_tls(&files.identity("127.0.0.1"))).await;
    for others in [Certificates::new(), Certificates::of("Another")] {
        let (kind, why) = said(call(&with_tls(&others.trusted()), address).await);
        assert_eq!(kind, ErrorKind::Unavailable);
        assert!(why.starts_with("its certificate is signed by nobody whom --tls-ca trusts ("), "{why}");
    }
    let (_, why) = said(call(&with_tls(&files.trusted()), format!("localhost:{}", address.port())).await);
    assert!(
        why.starts_with("its certificate is for another name: certificate not valid for name \"localhost\""),
        "{why}"
    );
}

#[tokio::test]
async fn something_else_that_listens_is_told_from_dipper() {
    for (answer, why) in [
        (&b"HTTP/1.1 400 Bad Request\r\n\r\n"[..], "what listens there is no process of dipper"),
        (b"", "it has closed the connection at once"),
    ] {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let answers = tokio::spawn(async move {
            let (mut stream, _) = listener.accept().await.unwrap();
            let _ = stream.read(&mut [0; 1024]).await;
            stream.write_all(answer).await.unwrap();
        });
        let (kind, said) = said(call(&Security::default(), address).await);
        assert!(kind == ErrorKind::Unavailable && said.starts_with(why), "{said}");
        answers.await.unwrap();
    }
}

#[tokio::test]
async fn garbage_on_a_port_harms_nobody() {
    let files = Certificates::new();
    let (client, tls) = (with_tls(&files.trusted()), with_tls(&files.identity("127.0.0.1")));
    for (server_side, client) in [(tls, client), (with_token("secret"), with_token("secret"))] {
        let address = server(&server_side).await;
        // Says nothing, and stays.
        let _silent = TcpStream::connect(address).await.unwrap();
        for garbage in [&b"GET / HTTP/1.1\r\n\r\n"[..], &[0xff; 1000], &[0x16, 3, 1, 0xff, 0xff, 1, 0, 0, 0], b"\x16"] {
            let mut stream = TcpStream::connect(address).await.unwrap();
            stream.write_all(garbage).await.unwrap();
            stream.shutdown().await.unwrap();
            let _ = stream.read_to_end(&mut Vec::new()).await;
        }
        call(&client, address).await.unwrap();
    }
}

#[tokio::test]
async fn a_connection_that_breaks_is_opened_again() {
    let files = Certificates::new();
    let (client, tls) = (with_tls(&files.trusted()), with_tls(&files.identity("127.0.0.1")));
    let behind = server(&tls).await;
    let proxy = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = proxy.local_addr().unwrap();
    let (cut, mut cuts) = mpsc::channel::<oneshot::Sender<()>>(1);
    tokio::spawn(async move {
        loop {
            let (mut front, _) = proxy.accept().await.unwrap();
            let mut back = TcpStream::connect(behind).await.unwrap();
            tokio::select! {
                _ = tokio::io::copy_bidirectional(&mut front, &mut back) => {}
                done = cuts.recv() => {
                    drop((front, back));
                    let _ = done.map(|done| done.send(()));
                }
            }
        }
    });
    let connection = client.connect(&address.to_string(), |endpoint| endpoint).await.unwrap();
    call_over(&connection).await.unwrap();
    let (done, is_done) = oneshot::channel();
    cut.send(done).await.unwrap();
    is_done.await.unwrap();
    // That it has broken is noticed by who uses it.
    for _ in 0..1_000 {
        if call_over(&connection).await.is_ok() {
            return;
        }
    }
    panic!("it stays broken");
}

#[test]
fn files_that_are_missing_or_wrong_are_named() {
    let files = Certificates::new();
    let why = |files: &TlsFiles| Security::new(None, files).unwrap_err().to_string();
    let (good, missing) = (files.identity("name"), Some(files.path("missing.pem")));
    let empty = files.file("empty.pem", "nothing\n");
    let none = TlsFiles::default();
    let directory = files.directory.path().display();
    let gone = format!("'{directory}/missing.pem' cannot be read: No such file or directory (os error 2)");
    assert_eq!(why(&TlsFiles { cert: missing.clone(), ..good.clone() }), format!("--tls-cert: {gone}"));
    assert_eq!(why(&TlsFiles { key: missing.clone(), ..good.clone() }), format!("--tls-key: {gone}"));
    assert_eq!(why(&TlsFiles { ca: missing, ..none.clone() }), format!("--tls-ca: {gone}"));
    let no = |what| format!("'{}' cannot be read: there is no {what} in it", empty.display());
    assert_eq!(why(&TlsFiles { ca: Some(empty.clone()), ..none.clone() }), format!("--tls-ca: {}", no("certificate")));
    assert_eq!(why(&TlsFiles { key: Some(empty.clone()), ..good.clone() }), format!("--tls-key: {}", no("key")));
    assert_eq!(why(&TlsFiles { key: None, ..good.clone() }), "--tls-cert does nothing without --tls-key");
    assert_eq!(why(&TlsFiles { cert: None, ..good.clone() }), "--tls-key does nothing without --tls-cert");
    let strict = TlsFiles { require_client_cert: true, ..good.clone() };
    assert!(why(&strict).starts_with("--tls-require-client-cert does nothing without "), "{}", why(&strict));
    let mixed = why(&TlsFiles { key: files.identity("other").key, ..good });
    assert!(mixed.contains("name.pem' cannot be used with the key '"), "{mixed}");
}

#[test]
fn half_of_tls_is_refused() {
    let files = Certificates::new();
    let (own, trusted) = (with_tls(&files.identity("name")), with_tls(&files.trusted()));
    let both = with_tls(&TlsFiles { ca: Some(files.path("ca.pem")), ..files.identity("name") });
    for (security, listens, connects, is_whole) in [
        (&own, true, false, true),
        (&own, false, true, false),
        (&own, true, true, false),
        (&trusted, true, false, false),
        (&trusted, false, true, true),
        (&trusted, true, true, false),
        (&both, true, true, true),
        (&Security::default(), true, true, true),
    ] {
        assert_eq!(security.check(listens, connects).is_ok(), is_whole, "{security:?}, {listens}, {connects}");
    }
}

#[test]
fn an_address_is_a_host_and_a_port() {
    for address in ["localhost:1", "127.0.0.1:65535", "[::1]:7070"] {
        Security::default().endpoint(address).unwrap();
    }
    for address in ["", "localhost", "localhost:", "localhost:x", "local host:1"] {
        let error = Security::default().endpoint(address).unwrap_err();
        assert!(error.to_string().starts_with(&format!("'{address}' is no address: ")), "{error}");
        assert_eq!(error.hint(), Some("write HOST:PORT"));
    }
}
