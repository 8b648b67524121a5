//! `COPY … TO STDOUT`.

use super::client::{Client, Reply, code, complete, tags};
use super::start;

fn copied(replies: &[Reply]) -> Vec<u8> {
    replies.iter().filter(|(tag, _)| *tag == b'd').flat_map(|(_, body)| body.clone()).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn rows_are_copied_as_text_csv_and_binary() {
    let server = start().await;
    let mut client = Client::connect(server.address).await;
    let values = "SELECT * FROM (VALUES (1, 'a\tb'), (2, NULL)) AS t (n, t)";
    let replies = client.query(&format!("COPY ({values}) TO STDOUT")).await;
    assert_eq!((tags(&replies).as_str(), complete(&replies)), ("HddcCZ", vec!["COPY 2".to_owned()]));
    assert_eq!(copied(&replies), b"1\ta\\tb\n2\t\\N\n");
    let replies = client.query(&format!("COPY ({values}) TO STDOUT (FORMAT csv, HEADER, FORCE_QUOTE *)")).await;
    assert_eq!(copied(&replies), b"\"n\",\"t\"\n\"1\",\"a\tb\"\n\"2\",\n");
    let all = "WHERE ctid BETWEEN '(0,0)'::tid AND '(4294967295,0)'::tid";
    let replies =
        client.query(&format!("COPY (SELECT n FROM ({values}) AS u {all}) TO STDOUT (FORMAT \"binary\")")).await;
    let bytes = copied(&replies);
    assert_eq!(
        (&replies[0].1[..], &bytes[..11], bytes.len()),
        (&b"\x01\0\x01\0\x01"[..], &b"PGCOPY\n\xff\r\n\0"[..], 19 + 2 * 14 + 2)
    );
    let part = all.replace("(0,0)", "(9,0)");
    code(&client.query(&format!("COPY (SELECT n FROM ({values}) AS u {part}) TO STDOUT")).await);
    assert_eq!(code(&client.query("COPY t FROM STDIN").await), "0A000");
    client.parse("", &format!("COPY ({values}) TO STDOUT"), &[]).bind("", "", &[], 0).execute("", 0);
    assert_eq!(tags(&client.sync().await), "12HddcCZ");
}
