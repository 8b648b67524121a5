//! What a file says, and what wins over it. The environment is that of the tester, so it is left to the tests of the binary.

use std::path::Path;

use tempfile::TempDir;

use super::*;
use crate::args::Command;
use crate::cluster_args::{CoordinatorArguments, WorkerStartArguments};

/// A file, and a command line that names it.
fn parsed(text: &str, words: &[&str]) -> Result<Arguments, String> {
    let directory = TempDir::new().unwrap();
    let file = directory.path().join("dipper.toml");
    fs::write(&file, text).unwrap();
    let words = words.iter().map(|word| word.replace("FILE", file.to_str().unwrap()).into());
    let parsed = parse(["dipper".into()].into_iter().chain(words).collect());
    parsed.map_err(|error| error.to_string().replace(file.to_str().unwrap(), "FILE"))
}

fn coordinator(text: &str, words: &[&str]) -> CoordinatorArguments {
    match parsed(text, &[&["coordinator", "--config", "FILE"], words].concat()).unwrap().command {
        Command::Coordinator(arguments) => arguments,
        other => panic!("{other:?}"),
    }
}

fn worker(text: &str, words: &[&str]) -> WorkerStartArguments {
    match parsed(text, &[&["worker", "--config", "FILE"], words].concat()).unwrap().command {
        Command::Worker(arguments) => arguments.start,
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_file_says_what_the_command_line_could() {
    let read = coordinator(
        "listen = '127.0.0.1:1'\nadvertise = 'here:1'\ndirectory = 'somewhere'\ntls-require-client-cert = true\ntls-ca = 'ca.pem'",
        &[],
    );
    assert_eq!(read.listen.port(), 1);
    assert_eq!((read.advertise.as_deref(), read.directory.as_str()), (Some("here:1"), "somewhere"));
    assert!(read.security.tls_require_client_cert);
    assert_eq!(read.security.common.tls_ca.as_deref(), Some(Path::new("ca.pem")));
    let read = worker("slots = 3\ncoordinator = ['a:1', 'b:2']\ntls-require-client-cert = false", &[]);
    assert_eq!(read.slots.map(u32::from), Some(3));
    assert_eq!(read.coordinator, ["a:1", "b:2"]);
    assert!(!read.security.tls_require_client_cert);
    assert_eq!(worker("coordinator = 'a:1,b:2'", &[]).coordinator, ["a:1", "b:2"]);
}

#[test]
fn the_command_line_wins_over_the_file_and_the_file_over_defaults() {
    let read = coordinator("directory = 'of the file'\nname = 'filed'", &["--directory", "said"]);
    assert_eq!((read.directory.as_str(), read.name.as_deref()), ("said", Some("filed")));
    assert_eq!(read.listen.to_string(), "127.0.0.1:7070");
    assert_eq!(worker("slots = 3\ncoordinator = ['a:1', 'b:2']", &["--coordinator", "c:3"]).coordinator, ["c:3"]);
    let started = parsed("workers = 5\ndirectory = 'd'", &["cluster", "start", "--config", "FILE"]).unwrap();
    assert!(format!("{started:?}").contains("workers: 5"), "{started:?}");
}

#[test]
fn what_is_wrong_in_a_file_is_named_with_the_file() {
    let wrong = |text: &str| parsed(text, &["worker", "--config", "FILE"]).unwrap_err();
    let unknown = wrong("slotz = 3");
    let start =
        "error: --config: 'FILE': there is no key 'slotz'; there are coordinator, slots, listen, advertise, name, ";
    assert!(unknown.starts_with(start), "{unknown}");
    // Options of every command, and this one, are no keys.
    for key in ["quiet", "config", "help", "token"] {
        assert!(wrong(&format!("{key} = 'x'")).contains(&format!("there is no key '{key}'")), "{key}");
    }
    assert_eq!(wrong("slots = [1, 2]"), "error: --config: 'FILE': 'slots' takes no array\n");
    assert_eq!(wrong("[slots]\nn = 1"), "error: --config: 'FILE': 'slots' takes no table\n");
    let value = wrong("slots = 0");
    assert!(value.starts_with("error: --config: 'FILE': invalid value '0' for '--slots <N>'"), "{value}");
    let syntax = wrong("slots = ");
    assert!(syntax.starts_with("error: --config: 'FILE': TOML parse error at line 1"), "{syntax}");
    let missing = parse(["dipper", "worker", "--config", "/nowhere.toml"].map(OsString::from).to_vec()).unwrap_err();
    assert_eq!(missing.to_string(), "error: --config: '/nowhere.toml': No such file or directory (os error 2)\n");
}

#[test]
fn what_neither_says_is_asked_for() {
    let error = parsed("name = 'x'", &["coordinator", "--config", "FILE"]).unwrap_err();
    assert!(error.contains("--directory <DIR>"), "{error}");
    let error = parsed("slots = 1", &["worker", "--config", "FILE", "--slots", "x"]).unwrap_err();
    assert!(error.starts_with("error: invalid value 'x' for '--slots <N>'"), "{error}");
}
