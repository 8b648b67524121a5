//! A real S3 server (moto) behind a proxy that fails some of the calls. `tests/run` installs it, and says where it is in `DIPPER_MOTO`.

use std::fmt::Display;
use std::io::{BufRead, BufReader, Write};
use std::net::SocketAddr;
use std::process::{Child, Command, Stdio};

use crate::failing_proxy::{FailingProxy, Faults, exchange};

const BUCKET: &str = "checkpoints";

/// A server of its own for a test, which ends with it.
pub(crate) struct FailingS3 {
    process: Child,
    server: SocketAddr,
    pub(crate) proxy: FailingProxy,
}

/// How the store is reached.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Reach {
    /// Some of the calls fail.
    Failing,
    /// None does.
    Safely,
}

impl FailingS3 {
    /// `None` if none is installed, which is said even if the test harness captures the output of tests.
    pub(crate) fn start(faults: Faults) -> Option<Self> {
        let Some(program) = std::env::var_os("DIPPER_MOTO").filter(|program| !program.is_empty()) else {
            let note = b"skipped: a test needs an S3 server, which tests/run installs (DIPPER_MOTO is not set)\n";
            std::io::stderr().write_all(note).unwrap();
            return None;
        };
        let mut command = Command::new(program);
        command.args(["-H", "127.0.0.1", "-p", "0"]);
        let mut process =
            command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped()).spawn().expect("DIPPER_MOTO");
        let mut said = BufReader::new(process.stderr.take().unwrap());
        let server = address(&mut said);
        // Else it would wait for somebody to read what it says.
        std::thread::spawn(move || std::io::copy(&mut said, &mut std::io::sink()));
        let s3 = Self { process, server, proxy: FailingProxy::start(server, faults) };
        s3.ask(&format!("PUT /{BUCKET}"));
        Some(s3)
    }

    /// Has a command reach the store.
    pub(crate) fn reach(&self, command: &mut Command, reach: Reach) {
        for (name, _) in std::env::vars_os().filter(|(name, _)| name.to_string_lossy().starts_with("AWS_")) {
            command.env_remove(name);
        }
        let address = match reach {
            Reach::Failing => self.proxy.address,
            Reach::Safely => self.server,
        };
        command.env("AWS_ENDPOINT", format!("http://{address}")).env("AWS_ALLOW_HTTP", "true").env("NO_PROXY", "*");
        command.env("AWS_ACCESS_KEY_ID", "test").env("AWS_SECRET_ACCESS_KEY", "test").env("AWS_REGION", "us-east-1");
    }

    /// How many objects are in a directory.
    pub(crate) fn count(&self, directory: &str) -> usize {
        self.ask(&format!("GET /{BUCKET}?list-type=2&prefix={directory}/")).matches("<Key>").count()
    }

    /// Where the server itself listens.
    pub(crate) fn address(&self) -> SocketAddr {
        self.server
    }

    /// Asks the server itself.
    fn ask(&self, what: &str) -> String {
        let request =
            format!("{what} HTTP/1.1\r\nHost: {}\r\nContent-Length: 0\r\nConnection: close\r\n\r\n", self.server);
        let answer = String::from_utf8(exchange(self.server, request.as_bytes()).unwrap()).unwrap();
        assert!(answer.starts_with("HTTP/1.1 200"), "{what}: {answer}");
        answer
    }
}

/// A directory in the bucket.
pub(crate) fn url(directory: impl Display) -> String {
    format!("s3://{BUCKET}/{directory}")
}

impl Drop for FailingS3 {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// The address that the server says it listens at.
fn address(said: &mut impl BufRead) -> SocketAddr {
    let mut text = String::new();
    while said.read_line(&mut text).unwrap() > 0 {
        if let Some((_, address)) = text.trim_end().rsplit_once("Running on http://") {
            return address.parse().unwrap();
        }
    }
    panic!("the S3 server has not started: {text}");
}
