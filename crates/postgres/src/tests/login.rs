//! How clients log in, or do not.

use pgwire::api::auth::sasl::scram::gen_salted_password;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use super::client::{Client, code, field, tags};
use super::{start, start_with, users};

#[tokio::test(flavor = "multi_thread")]
async fn a_client_is_told_what_it_has_connected_to() {
    let server = start().await;
    let mut client = Client::dial(server.address).await;
    client.startup(b"user\0ada\0database\0dipper\0\0").await;
    let replies = client.until_ready().await;
    assert!(tags(&replies).starts_with("RSSS") && tags(&replies).ends_with("KZ"));
    for setting in
        ["server_version\x0015.0", "client_encoding\0UTF8\0", "integer_datetimes\0on\0", "session_authorization\0ada\0"]
    {
        assert!(replies.iter().any(|(tag, body)| *tag == b'S' && body.starts_with(setting.as_bytes())), "{setting}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn encryption_is_refused_politely_where_there_is_none() {
    let server = start().await;
    let mut client = Client::dial(server.address).await;
    for request in [80_877_104_u32, 80_877_103] {
        client.first(&request.to_be_bytes()).await;
        assert_eq!(client.stream.read_u8().await.unwrap(), b'N');
    }
    client.startup(b"user\0ada\0database\0dipper\0\0").await;
    client.until_ready().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn who_does_not_belong_here_is_told_so() {
    let server = start().await;
    for (startup, expected) in [
        (&b"user\0ada\0\0"[..], None),
        (b"user\0ada\0database\0other\0\0", Some("3D000")),
        (b"database\0dipper\0\0", Some("28000")),
        (b"user\0ada\0database\0dipper\0nothing\0x\0\0", Some("42704")),
        (b"user\0ada\0database\0dipper\0client_encoding\0LATIN1\0\0", Some("22023")),
        (b"user", Some("08P01")),
    ] {
        let mut client = Client::dial(server.address).await;
        client.startup(startup).await;
        let reply = client.reply().await.unwrap();
        match expected {
            Some(expected) => {
                assert_eq!(field(std::slice::from_ref(&reply), b'E', b'S').as_deref(), Some("FATAL"));
                assert_eq!(code(&[reply]), expected);
                assert_eq!(client.reply().await, None);
            }
            None => assert_eq!(reply.0, b'R'),
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn another_version_is_refused_or_negotiated() {
    let server = start().await;
    let mut client = Client::dial(server.address).await;
    client.first(&[&0x2_0000_u32.to_be_bytes()[..], b"user\0ada\0\0"].concat()).await;
    assert_eq!(code(&[client.reply().await.unwrap()]), "0A000");
    let mut client = Client::dial(server.address).await;
    client.first(&[&0x3_0002_u32.to_be_bytes()[..], b"user\0ada\0database\0dipper\0_pq_.x\x001\0\0"].concat()).await;
    let replies = client.until_ready().await;
    assert_eq!(replies[0], (b'v', b"\0\x03\0\0\0\0\0\x01_pq_.x\0".to_vec()));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_not_the_protocol_ends_the_connection() {
    let server = start().await;
    for garbage in [&b"GET / HTTP/1.1\r\n\r\n"[..], b"\0\0\0\x03", b"\0\0\0\x04", b"\x16\x03\x01\x02\0\x01"] {
        let mut client = Client::dial(server.address).await;
        client.stream.write_all(garbage).await.unwrap();
        let mut rest = Vec::new();
        let _ = client.stream.read_to_end(&mut rest).await;
        assert!(rest.is_empty() || rest[0] == b'E', "{garbage:?}");
    }
    let mut client = Client::connect(server.address).await;
    client.message(b'!', b"").send().await;
    assert_eq!(code(&[client.reply().await.unwrap()]), "08P01");
    assert_eq!(client.reply().await, None);
    let mut client = Client::connect(server.address).await;
    client.stream.write_all(b"Q\x7f\xff\xff\xff").await.unwrap();
    assert_eq!(code(&[client.reply().await.unwrap()]), "08P01");
}

#[tokio::test(flavor = "multi_thread")]
async fn there_are_no_more_clients_than_there_may_be() {
    let server = start_with(|config| config.connections_max = 1).await;
    let first = Client::connect(server.address).await;
    let mut second = Client::dial(server.address).await;
    second.startup(b"user\0ada\0database\0dipper\0\0").await;
    assert_eq!(code(&[second.reply().await.unwrap()]), "53300");
    drop(first);
}

/// The client's side of SCRAM; the last message of the server that counts.
async fn prove(client: &mut Client, user: &str, password: &str) -> (u8, Vec<u8>) {
    client.startup(format!("user\0{user}\0database\0dipper\0\0").as_bytes()).await;
    assert_eq!(client.reply().await.unwrap(), (b'R', b"\0\0\0\x0aSCRAM-SHA-256\0\0".to_vec()));
    let bare = "n=,r=clientnonce";
    let first = format!("n,,{bare}");
    let mut body = b"SCRAM-SHA-256\0".to_vec();
    body.extend((first.len() as u32).to_be_bytes());
    body.extend(first.bytes());
    client.message(b'p', &body).send().await;
    let (tag, body) = client.reply().await.unwrap();
    assert_eq!((tag, &body[..4]), (b'R', &b"\0\0\0\x0b"[..]));
    let server_first = String::from_utf8(body[4..].to_vec()).unwrap();
    let nonce = server_first.split(',').next().unwrap();
    assert!(nonce.starts_with("r=clientnonce"));
    // Whether the whole proof is right is what real clients tell; here it is wrong for another reason than its form.
    assert_eq!(gen_salted_password(password, b"salt", 1).len(), 32);
    client.message(b'p', format!("c=biws,{nonce},p=AAAA").as_bytes()).send().await;
    client.reply().await.unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn who_is_silent_keeps_nobody_out() {
    let server = start_with(|config| (config.users, config.connections_max) = (Some(users()), 1)).await;
    let mut silent = Client::dial(server.address).await;
    silent.startup(b"user\0ada\0database\0dipper\0\0").await;
    assert_eq!(silent.reply().await.unwrap().0, b'R');
    let mut other = Client::dial(server.address).await;
    assert_eq!(code(&[prove(&mut other, "ada", "wrong").await]), "28P01");
    assert_eq!(silent.reply().await, None);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wrong_password_and_an_unknown_user_are_told_the_same() {
    let server = start_with(|config| config.users = Some(users())).await;
    for user in ["ada", "eve"] {
        let mut client = Client::dial(server.address).await;
        let reply = prove(&mut client, user, "wrong").await;
        assert_eq!(code(std::slice::from_ref(&reply)), "28P01");
        let message = format!("password authentication failed for user \"{user}\"");
        assert_eq!(field(&[reply], b'E', b'M'), Some(message));
    }
    let mut client = Client::dial(server.address).await;
    client.startup(b"user\0ada\0database\0dipper\0\0").await;
    client.reply().await.unwrap();
    client.message(b'Q', b"SELECT 1\0").send().await;
    assert_eq!(code(&[client.reply().await.unwrap()]), "08P01");
}
