//! Stock clients of Postgres and Arrow Flight SQL read the tables of a server: each is a program under `tests/clients`, which says itself what is wrong.
#![cfg(target_os = "linux")]

use std::path::{Path, PathBuf};
use std::process::Command;

use crate::harness::{Ran, Workspace};
use crate::running::Running;

/// Where the programs are.
fn programs() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/clients")
}

/// A server with the tables that the programs ask for.
struct Server {
    _workspace: Workspace,
    running: Running,
    postgres: String,
    flight: String,
}

impl Server {
    fn start() -> Self {
        let workspace = Workspace::new();
        let tables = programs().join("tables.sql").display().to_string();
        let any = "127.0.0.1:0";
        let arguments = ["serve", tables.as_str(), "--listen-postgres", any, "--listen-flight", any];
        let mut running = Running::start(workspace.command(&arguments));
        running.until(|said| said.contains("Arrow Flight SQL at "));
        let port = |of: &str| {
            let line = running.said.lines().find(|line| line.starts_with(of)).unwrap();
            line.rsplit_once(':').unwrap().1.to_owned()
        };
        let (postgres, flight) = (port("Postgres protocol at "), port("Arrow Flight SQL at "));
        Self { _workspace: workspace, running, postgres, flight }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // It may have ended by itself, which the program has said then.
        let _ = self.running.child.kill();
        let _ = self.running.child.wait();
    }
}

/// Runs a program and asks for its success; `tests/run` has said so if what it needs is not installed, and it is skipped.
fn ask(interpreter: Option<Vec<String>>, program: &str, port: &str) {
    let Some(interpreter) = interpreter else { return };
    let mut command = Command::new(&interpreter[0]);
    command.args(&interpreter[1..]).arg(program).arg(port).current_dir(programs());
    command.env("PYTHONDONTWRITEBYTECODE", "1");
    for variable in ["PGHOST", "PGPORT", "PGUSER", "PGDATABASE", "PGPASSWORD"] {
        command.env_remove(variable);
    }
    let ran = Ran::of(command.output().unwrap());
    assert_eq!(ran.code, 0, "{program}: {}\n{}", ran.stdout, ran.stderr);
}

/// The Python of an environment that the variable names; `tests/run` sets it.
fn python(variable: &str) -> Option<Vec<String>> {
    std::env::var(variable).ok().filter(|python| !python.is_empty()).map(|python| vec![python])
}

/// A shell for a program that needs this command.
fn shell(needs: &str) -> Option<Vec<String>> {
    let found = Command::new("sh").args(["-c", &format!("command -v {needs}")]).output().unwrap();
    found.status.success().then(|| vec!["bash".to_owned()])
}

fn java() -> Option<Vec<String>> {
    const DRIVER: &str = "/usr/share/java/postgresql.jar";
    let found = shell("javac").is_some() && Path::new(DRIVER).exists();
    found.then(|| ["java", "-cp", DRIVER].map(str::to_owned).to_vec())
}

#[test]
fn psql_odbc_and_jdbc_find_what_they_ask_for() {
    let server = Server::start();
    ask(shell("psql"), "psql.sh", &server.postgres);
    ask(shell("isql"), "odbc.sh", &server.postgres);
    ask(java(), "Jdbc.java", &server.postgres);
}

#[test]
fn python_s_clients_find_what_they_ask_for() {
    let server = Server::start();
    for program in [
        "psycopg3.py",
        "psycopg2_text.py",
        "sqlalchemy_reflection.py",
        "duckdb_postgres.py",
        "adbc_postgres.py",
        "odbc.py",
    ] {
        ask(python("DIPPER_CLIENTS"), program, &server.postgres);
    }
    ask(python("DIPPER_CLIENTS"), "adbc_flight.py", &server.flight);
}

#[test]
fn superset_draws_its_charts() {
    let server = Server::start();
    ask(python("DIPPER_SUPERSET"), "superset_charts.py", &server.postgres);
}
