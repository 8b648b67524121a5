//! The pages of `docs/guide` do what they say: their commands are run, and what comes out is compared. `…` in a page stands for anything, as a
//! line of its own for any lines; how wide columns are does not matter.
#![cfg(target_os = "linux")]

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};

use crate::chaos::free_port;
use crate::failing_proxy::Faults;
use crate::harness::Workspace;
use crate::s3::FailingS3;

const ANYTHING: char = '…';

/// A command of a page, and what it is to say.
struct Step {
    command: String,
    expected: Vec<String>,
}

/// What a page has started, and what it has exported.
struct Shell {
    workspace: Workspace,
    variables: BTreeMap<String, String>,
    background: Vec<Child>,
}

impl Shell {
    fn bash(&self, command: &str) -> Command {
        let mut bash = self.workspace.command(&[]);
        let binaries = Path::new(bash.get_program()).parent().unwrap().to_owned();
        let path = format!("{}:{}", binaries.display(), std::env::var("PATH").unwrap());
        let mut shell = Command::new("bash");
        shell.arg("-c").arg(command).current_dir(self.workspace.path(".")).env("PATH", path).envs(&self.variables);
        for (name, value) in bash.env("NO_PROXY", "*").get_envs() {
            match value {
                Some(value) => shell.env(name, value),
                None => shell.env_remove(name),
            };
        }
        shell.stdin(Stdio::null());
        shell
    }

    fn run(&mut self, step: &Step) {
        if let Some(exports) = step.command.strip_prefix("export ") {
            let variables = exports.split(' ').map(|export| export.split_once('=').unwrap());
            self.variables.extend(variables.map(|(name, value)| (name.to_owned(), value.to_owned())));
        } else if let Some((command, name)) = step.command.split_once(" & ") {
            let name = name.strip_suffix("=$!").unwrap();
            let mut child = self.bash(&format!("exec {command}")).stderr(Stdio::piped()).spawn().unwrap();
            let mut said = BufReader::new(child.stderr.take().unwrap()).lines();
            let lines: Vec<String> = said.by_ref().take(step.expected.len()).map(Result::unwrap).collect();
            std::thread::spawn(move || said.for_each(drop));
            self.variables.insert(name.to_owned(), child.id().to_string());
            self.background.push(child);
            compare(step, &lines);
        } else {
            let output = self.bash(&format!("{{ {}; }} 2>&1", step.command)).output().unwrap();
            let said = String::from_utf8(output.stdout).unwrap();
            assert!(output.status.success(), "$ {}\n{said}", step.command);
            compare(step, &said.lines().map(str::to_owned).collect::<Vec<_>>());
        }
    }
}

impl Drop for Shell {
    fn drop(&mut self) {
        for child in &mut self.background {
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

fn compare(step: &Step, said: &[String]) {
    let shown = said.join("\n");
    assert!(
        lines_agree(&step.expected, said),
        "$ {}\nexpected:\n{}\nbut:\n{shown}",
        step.command,
        step.expected.join("\n")
    );
}

fn lines_agree(expected: &[String], said: &[String]) -> bool {
    match expected.split_first() {
        None => said.is_empty(),
        Some((first, rest)) if first.chars().eq([ANYTHING]) => {
            (0..=said.len()).any(|skipped| lines_agree(rest, &said[skipped..]))
        }
        Some((first, rest)) => {
            said.split_first().is_some_and(|(line, said)| agree(&plain(first), &plain(line)) && lines_agree(rest, said))
        }
    }
}

/// Without what pads a table.
fn plain(line: &str) -> String {
    let rule = line.chars().all(|character| "-+".contains(character)) && !line.is_empty();
    if rule { "-".to_owned() } else { line.split_whitespace().collect::<Vec<_>>().join(" ") }
}

fn agree(expected: &str, said: &str) -> bool {
    match expected.split_once(ANYTHING) {
        None => expected == said,
        Some((before, after)) => said.strip_prefix(before).is_some_and(|rest| {
            rest.char_indices().map(|(at, _)| at).chain([rest.len()]).any(|at| agree(after, &rest[at..]))
        }),
    }
}

/// The steps of a page in their order, and its SQL file.
fn read(page: &str) -> (Vec<Step>, String) {
    let (mut steps, mut sql): (Vec<Step>, String) = (Vec::new(), String::new());
    let mut block = "";
    for line in page.lines() {
        match (block, line.strip_prefix("```")) {
            ("", Some(kind)) => block = kind,
            (_, Some(_)) => block = "",
            ("sql", None) => sql.extend([line, "\n"]),
            ("console", None) => match line.strip_prefix("$ ") {
                Some(command) => steps.push(Step { command: command.to_owned(), expected: Vec::new() }),
                None => steps.last_mut().unwrap().expected.push(line.to_owned()),
            },
            _ => {}
        }
    }
    (steps, sql)
}

#[test]
fn the_guide_to_clusters_does_what_it_says() {
    let Some(s3) = FailingS3::start(Faults::OneInTwenty) else { return };
    let page = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/guide/cluster.md");
    let mut page = std::fs::read_to_string(page).unwrap();
    for (written, real) in [
        ("127.0.0.1:9000", s3.address().to_string()),
        ("s3://dipper/", crate::s3::url("")),
        ("127.0.0.1:7070", format!("127.0.0.1:{}", free_port())),
        ("127.0.0.1:7071", format!("127.0.0.1:{}", free_port())),
    ] {
        page = page.replace(written, &real);
    }
    let (steps, sql) = read(&page);
    assert!(steps.len() > 20, "{} steps", steps.len());
    let mut shell = Shell { workspace: Workspace::new(), variables: BTreeMap::new(), background: Vec::new() };
    shell.workspace.file("prices.sql", &sql);
    for step in &steps {
        shell.run(step);
    }
    let shapes = shell.workspace.files_in("shapes").concat();
    let mut lines: Vec<&str> = shapes.lines().filter(|line| !line.starts_with("symbol")).collect();
    let found = lines.len();
    lines.sort_unstable();
    lines.dedup();
    assert!(found > 100 && lines.len() == found, "{found} rows, of which {} differ", lines.len());
}
