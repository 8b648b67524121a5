//! Connections that are encrypted.

use std::sync::Arc;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::rustls::pki_types::{PrivateKeyDer, ServerName};
use tokio_rustls::rustls::{ClientConfig, RootCertStore, ServerConfig};

use super::client::{Client, code, rows};
use super::{Running, start_with};

/// A server with a certificate, and what its clients need to trust it.
async fn start() -> (Running, ClientConfig) {
    let certified = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    let certificate = certified.cert.der().clone();
    let key = PrivateKeyDer::try_from(certified.signing_key.serialize_der()).unwrap();
    let server =
        ServerConfig::builder().with_no_client_auth().with_single_cert(vec![certificate.clone()], key).unwrap();
    let running = start_with(|config| (config.tls, config.require_tls) = (Some(Arc::new(server)), true)).await;
    let mut trusted = RootCertStore::empty();
    trusted.add(certificate).unwrap();
    (running, ClientConfig::builder().with_root_certificates(trusted).with_no_client_auth())
}

async fn encrypted(stream: TcpStream, config: ClientConfig) -> std::io::Result<Client> {
    let connector = TlsConnector::from(Arc::new(config));
    connector.connect(ServerName::try_from("localhost").unwrap(), stream).await.map(Client::over)
}

async fn log_in(client: &mut Client) {
    client.startup(b"user\0ada\0database\0dipper\0\0").await;
    client.until_ready().await;
    assert_eq!(rows(&client.query("SELECT 1").await), ["1"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_connection_is_encrypted_when_the_client_asks_for_it() {
    let (server, config) = start().await;
    let mut stream = TcpStream::connect(server.address).await.unwrap();
    stream.write_all(b"\0\0\0\x08\x04\xd2\x16\x2f").await.unwrap();
    assert_eq!(stream.read_u8().await.unwrap(), b'S');
    log_in(&mut encrypted(stream, config).await.unwrap()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_connection_is_encrypted_without_asking() {
    let (server, mut config) = start().await;
    config.alpn_protocols = vec![b"postgresql".to_vec()];
    let stream = TcpStream::connect(server.address).await.unwrap();
    log_in(&mut encrypted(stream, config.clone()).await.unwrap()).await;
    // Another protocol is not spoken.
    config.alpn_protocols = vec![b"h2".to_vec()];
    let stream = TcpStream::connect(server.address).await.unwrap();
    assert!(encrypted(stream, config).await.is_err());
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_not_encrypted_is_refused() {
    let (server, _) = start().await;
    let mut client = Client::dial(server.address).await;
    client.startup(b"user\0ada\0database\0dipper\0\0").await;
    assert_eq!(code(&[client.reply().await.unwrap()]), "28000");
    // What is sent behind the question and before the answer would be taken for encrypted.
    let mut client = Client::dial(server.address).await;
    client.stream.write_all(&b"\0\0\0\x08\x04\xd2\x16\x2f".repeat(2)).await.unwrap();
    let mut answer = Vec::new();
    let _ = client.stream.read_to_end(&mut answer).await;
    assert!(answer.len() <= 1);
}
