//! Clusters with a token and with TLS: who belongs to one runs jobs on it, and who does not is told why.
#![cfg(target_os = "linux")]

use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair};

use crate::cluster::{Process, expected, job, lines, shown, until_state};
use crate::harness::{Ran, Workspace};

/// Everything that runs in it has the token, a certificate for this machine, and that of the authority that has signed it.
fn secured() -> Workspace {
    let workspace = Workspace::new()
        .with("DIPPER_TOKEN_FILE", "token")
        .with("DIPPER_TLS_CA", "ca.pem")
        .with("DIPPER_TLS_CERT", "cert.pem")
        .with("DIPPER_TLS_KEY", "key.pem");
    workspace.file("token", "secret\n");
    let (authority, mut params) = (KeyPair::generate().unwrap(), CertificateParams::default());
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params.distinguished_name.push(DnType::CommonName, "The Authority");
    workspace.file("ca.pem", &params.self_signed(&authority).unwrap().pem());
    let (key, authority) = (KeyPair::generate().unwrap(), Issuer::new(params, authority));
    let cert = CertificateParams::new(vec!["127.0.0.1".to_owned()]).unwrap().signed_by(&key, &authority).unwrap();
    workspace.file("cert.pem", &cert.pem()).file("key.pem", &key.serialize_pem());
    workspace
}

/// A coordinator that takes nobody without a certificate, by a file.
fn coordinator(workspace: &Workspace) -> Process {
    let config = "listen = '127.0.0.1:0'\ndirectory = 'cluster'\ntls-require-client-cert = true\n";
    workspace.file("coordinator.toml", config);
    Process::start(workspace, &["coordinator", "--config", "coordinator.toml"], "coordinator at ")
}

fn without(workspace: &Workspace, variables: &[&str], arguments: &[&str]) -> Ran {
    let mut command = workspace.command(arguments);
    for variable in variables {
        command.env_remove(variable);
    }
    Ran::of(command.output().unwrap())
}

#[test]
fn a_cluster_with_a_token_and_tls_runs_jobs() {
    let workspace = secured();
    let expected = expected(&workspace);
    let coordinator = coordinator(&workspace);
    let at = coordinator.address();
    workspace.file("worker.toml", &format!("coordinator = ['{at}']\nslots = 1\ntls-require-client-cert = true\n"));
    let worker =
        |name: &str| Process::start(&workspace, &["worker", "--config", "worker.toml", "--name", name], "worker '");
    let workers = [worker("ann"), worker("bob")];
    workspace.file("job.sql", &job("out", 0));
    let submitted = shown(&workspace, &["job", "submit", "job.sql", "--cluster", &at, "-p", "2"]);
    let finished = until_state(&workspace, &at, submitted["id"].as_str().unwrap(), "FINISHED");
    assert_eq!(finished["slots"], 2, "{finished}");
    assert_eq!(lines(&workspace, "out"), expected);
    let run = workspace.run(&["run", "job.sql", "--cluster", &at, "--fresh", "--set", "pipeline.name=again"]);
    assert_eq!(run.code, 0, "{run:?}");
    let listed = workspace.run(&["worker", "list", "--cluster", &at, "--output", "csv"]);
    assert_eq!(listed.stdout.lines().filter(|line| line.ends_with(",1,1,false")).count(), 2, "{listed:?}");
    workers.into_iter().for_each(Process::stop);
    coordinator.stop();
}

#[test]
fn who_does_not_belong_to_a_cluster_is_told_why() {
    let workspace = secured();
    let coordinator = coordinator(&workspace);
    let at = coordinator.address();
    let list = ["job", "list", "--cluster", &at];
    let refused = without(&workspace, &["DIPPER_TOKEN_FILE"], &list);
    assert_eq!(refused.code, 2, "{refused:?}");
    assert!(refused.stderr.contains("error: the token is not that of this cluster\n"), "{refused:?}");
    assert!(refused.stderr.contains("give the cluster's token: --token-file FILE"), "{refused:?}");
    workspace.file("other", "anothersecret\n");
    let worker = ["worker", "--coordinator", &at, "--slots", "1", "--token-file", "other"];
    let ended = workspace.run(&worker);
    assert_eq!(ended.code, 2, "{ended:?}");
    assert!(ended.stderr.contains("error: the token is not that of this cluster\n"), "{ended:?}");
    assert!(!ended.stderr.contains("anothersecret"), "{ended:?}");
    let plain = without(&workspace, &["DIPPER_TLS_CA", "DIPPER_TLS_CERT", "DIPPER_TLS_KEY"], &list);
    assert_eq!(plain.code, 1, "{plain:?}");
    assert!(plain.stderr.contains(&format!("error: coordinator {at}: it wants TLS\n")), "{plain:?}");
    let nobody = without(&workspace, &["DIPPER_TLS_CERT", "DIPPER_TLS_KEY"], &list);
    assert_eq!(nobody.code, 1, "{nobody:?}");
    assert!(nobody.stderr.contains("it wants a certificate of who connects"), "{nobody:?}");
    let mut by_variable = workspace.command(&list);
    by_variable.env_remove("DIPPER_TOKEN_FILE").env("DIPPER_TOKEN", "secret");
    let taken = Ran::of(by_variable.output().unwrap());
    assert_eq!(taken.code, 0, "{taken:?}");
    coordinator.stop();
}

#[test]
fn who_speaks_tls_to_a_cluster_without_is_told() {
    let workspace = secured();
    let tls = ["DIPPER_TLS_CA", "DIPPER_TLS_CERT", "DIPPER_TLS_KEY"];
    let mut command = workspace.command(&["coordinator", "--listen", "127.0.0.1:0", "--directory", "cluster"]);
    for variable in tls {
        command.env_remove(variable);
    }
    let coordinator = Process::of(command, "coordinator at ");
    let at = coordinator.address();
    let encrypted = workspace.run(&["job", "list", "--cluster", &at]);
    assert_eq!(encrypted.code, 1, "{encrypted:?}");
    assert!(encrypted.stderr.contains(&format!("error: coordinator {at}: it does not speak TLS\n")), "{encrypted:?}");
    let plain = without(&workspace, &tls, &["job", "list", "--cluster", &at]);
    assert_eq!(plain.code, 0, "{plain:?}");
    coordinator.stop();
}

#[test]
fn files_that_are_wrong_are_named() {
    let workspace = Workspace::new();
    workspace.file("empty", "\n").file("half.toml", "slots = 2\nslotz = 3\n");
    let wrong = |arguments: &[&str], why: &str| {
        let ran = workspace.run(arguments);
        assert_eq!(ran.code, 2, "{ran:?}");
        assert!(ran.stderr.contains(&format!("error: {why}")), "{ran:?}");
    };
    wrong(&["job", "list", "--token-file", "empty"], "the token file 'empty': the token is empty\n");
    wrong(&["worker", "list", "--token-file", "missing"], "the token file 'missing': No such file");
    wrong(
        &["cluster", "status", "--tls-ca", "empty"],
        "--tls-ca: 'empty' cannot be read: there is no certificate in it\n",
    );
    wrong(&["worker", "--tls-cert", "empty"], "--tls-cert does nothing without --tls-key\n");
    wrong(&["worker", "--config", "half.toml"], "--config: 'half.toml': there is no key 'slotz'; there are ");
    wrong(&["cluster", "start", "--config", "missing.toml"], "--config: 'missing.toml': No such file");
}

#[test]
fn options_win_over_the_environment_and_that_over_a_file() {
    let workspace = Workspace::new();
    workspace.file("worker.toml", "token-file = 'of-the-file'\n");
    let named = |variables: &[(&str, &str)], arguments: &[&str]| {
        let mut command = workspace.command(&[&["worker", "--config", "worker.toml"], arguments].concat());
        let ran = Ran::of(command.envs(variables.iter().copied()).output().unwrap());
        assert_eq!(ran.code, 2, "{ran:?}");
        ran.stderr.lines().next().unwrap().to_owned()
    };
    let file = |name: &str| format!("error: the token file '{name}': No such file or directory (os error 2)");
    assert_eq!(named(&[], &[]), file("of-the-file"));
    assert_eq!(named(&[("DIPPER_TOKEN_FILE", "of-the-variable")], &[]), file("of-the-variable"));
    assert_eq!(named(&[("DIPPER_TOKEN", "")], &[]), "error: the variable DIPPER_TOKEN: the token is empty");
    let both = [("DIPPER_TOKEN", ""), ("DIPPER_TOKEN_FILE", "of-the-variable")];
    assert_eq!(named(&both, &[]), file("of-the-variable"));
    assert_eq!(named(&both, &["--token-file", "of-the-option"]), file("of-the-option"));
}

#[test]
fn a_server_that_requires_encryption_needs_a_certificate() {
    let workspace = Workspace::new();
    for listen in ["--listen-postgres", "--listen-flight"] {
        let refused = workspace.run(&["serve", listen, "127.0.0.1:0", "--require-tls"]);
        assert_eq!(refused.code, 2, "{refused:?}");
        assert!(refused.stderr.contains("--require-tls: there is no certificate"), "{refused:?}");
    }
}
