//! Checkpoints and savepoints from the command line: listed, explained, asked for, restored; and what is wrong with them.

use std::fs;
use std::path::PathBuf;
use std::process::{Child, Command};

use crate::harness::{Ran, Workspace};

/// Numbers from 0 on, for ever, into files.
fn prepare(workspace: &Workspace) {
    workspace.file("job.sql", &endless("made"));
}

fn endless(table: &str) -> String {
    format!(
        "SET 'execution.checkpointing.interval' = '30 ms';
         SET 'state.checkpoints.num-retained' = '2';
         CREATE TABLE {table} (n BIGINT) WITH ('connector' = 'datagen', 'rows-per-second' = '2000', 'fields.n.kind' = 'sequence');
         CREATE TABLE out (n BIGINT) WITH ('connector' = 'filesystem', 'path' = 'out', 'format' = 'csv');
         INSERT INTO out SELECT n FROM {table};"
    )
}

/// Starts the job, and waits until it has taken `least` checkpoints since it was started.
fn start(workspace: &Workspace, directory: &str, more: &[&str], least: i64) -> Child {
    let mut arguments = vec!["run", "job.sql", "--checkpoint-dir", directory];
    arguments.extend(more);
    let stderr = fs::File::create(workspace.path("stderr")).unwrap();
    let mut child = workspace.command(&arguments).stderr(stderr).spawn().unwrap();
    let job = more.iter().find_map(|argument| argument.strip_prefix("pipeline.name=")).unwrap_or("job");
    let mut first = None;
    loop {
        let numbers = checkpoints(workspace, directory, job);
        let last = numbers.last().copied().unwrap_or(0);
        if last >= *first.get_or_insert(last) + least && last > least {
            return child;
        }
        let ended = child.try_wait().unwrap();
        assert!(ended.is_none(), "{ended:?}: {}", fs::read_to_string(workspace.path("stderr")).unwrap());
    }
}

/// The numbers of a job's checkpoints.
fn checkpoints(workspace: &Workspace, directory: &str, job: &str) -> Vec<i64> {
    let listed = workspace.run(&["checkpoint", "list", directory, "--job", job, "-o", "json"]);
    let rows = listed.stdout.lines().map(|line| serde_json::from_str::<serde_json::Value>(line).unwrap());
    rows.map(|row| row["checkpoint"].as_i64().unwrap()).collect()
}

/// Ends it by Ctrl-C.
pub(crate) fn interrupt(mut child: Child) -> i32 {
    assert!(Command::new("kill").args(["-INT", &child.id().to_string()]).status().unwrap().success());
    child.wait().unwrap().code().unwrap()
}

/// The numbers in the sink's files, sorted.
fn numbers(workspace: &Workspace) -> Vec<u64> {
    let files = workspace.files_in("out");
    let lines = files.iter().flat_map(|file| file.lines().filter(|line| *line != "n"));
    let mut numbers: Vec<u64> = lines.map(|line| line.parse().unwrap()).collect();
    numbers.sort_unstable();
    numbers
}

fn assert_complete(workspace: &Workspace) {
    let numbers = numbers(workspace);
    assert!(!numbers.is_empty());
    assert!(numbers.iter().copied().eq(0..numbers.len() as u64), "a number is missing, or there twice");
}

/// The file of the last manifest.
pub(crate) fn head(workspace: &Workspace, job: &str) -> PathBuf {
    let mut manifests: Vec<PathBuf> =
        fs::read_dir(workspace.path(job).join("manifests")).unwrap().map(|entry| entry.unwrap().path()).collect();
    manifests.sort();
    manifests.pop().unwrap()
}

fn run(workspace: &Workspace, more: &[&str]) -> Ran {
    let mut arguments = vec!["run", "job.sql", "--checkpoint-dir", "checkpoints"];
    arguments.extend(more);
    workspace.run(&arguments)
}

#[cfg(unix)]
#[test]
fn a_running_job_is_stopped_with_a_savepoint_and_another_one_goes_on_from_it() {
    let workspace = Workspace::new();
    prepare(&workspace);
    let mut child = start(&workspace, "checkpoints", &[], 2);
    let asked = workspace.run(&["savepoint", "create", "checkpoints/job", "savepoints/one", "--stop"]);
    assert_eq!((asked.code, asked.stderr.as_str()), (0, "savepoint 'savepoints/one' has been taken\n"));
    assert_eq!(child.wait().unwrap().code(), Some(0));
    let said = fs::read_to_string(workspace.path("stderr")).unwrap();
    assert!(said.contains("savepoints/one' has been taken\n"), "{said}");
    assert_complete(&workspace);

    let listed = workspace.run(&["savepoint", "list", "savepoints", "-o", "csv"]);
    assert!(listed.stdout.starts_with("savepoint,job,checkpoint,kind,"), "{listed:?}");
    assert!(listed.stdout.contains("\none,job,"), "{listed:?}");
    let shown = workspace.run(&["savepoint", "show", "savepoints/one"]);
    for part in [" kind ", "savepoint", "INSERT INTO out", " source-", " sink-"] {
        assert!(shown.stdout.contains(part), "{part}: {shown:?}");
    }

    fs::remove_dir_all(workspace.path("checkpoints")).unwrap();
    let child = start(&workspace, "checkpoints", &["--from-savepoint", "savepoints/one", "-p", "3"], 2);
    assert_eq!(interrupt(child), 130);
    assert_complete(&workspace);

    let again = run(&workspace, &["--from-savepoint", "savepoints/one"]);
    assert_eq!(again.code, 1);
    assert!(
        again.stderr.contains("job 'job' has checkpoints of its own, and is to start from a savepoint"),
        "{again:?}"
    );
    assert_eq!(workspace.run(&["savepoint", "delete", "savepoints/one"]).code, 0);
    let gone = workspace.run(&["savepoint", "show", "savepoints/one"]);
    assert_eq!(gone.code, 2, "{gone:?}");
}

#[cfg(unix)]
#[test]
fn checkpoints_are_listed_and_explained_while_the_job_stands_still() {
    let workspace = Workspace::new();
    prepare(&workspace);
    assert_eq!(interrupt(start(&workspace, "checkpoints", &[], 3)), 130);
    let listed = workspace.run(&["checkpoint", "list", "checkpoints"]);
    assert!(listed.stdout.starts_with(" job | checkpoint | kind "), "{listed:?}");
    // As many as are retained, and one that was to be deleted when the job was ended.
    assert!((2..=3).contains(&checkpoints(&workspace, "checkpoints", "job").len()));

    let shown = workspace.run(&["checkpoint", "show", "checkpoints/job", "-o", "json"]);
    let shown: serde_json::Value = serde_json::from_str(&shown.stdout).unwrap();
    assert_eq!((shown["job"].as_str(), shown["key_groups"].as_u64()), (Some("job"), Some(128)));
    assert_eq!(shown["operators"].as_array().unwrap().len(), 2, "source and sink");
    assert!(shown["catalog"].as_str().unwrap().contains("CREATE TABLE made"));
    let path = head(&workspace, "checkpoints/job");
    let by_path = workspace.run(&["checkpoint", "show", path.to_str().unwrap(), "-o", "json"]);
    assert_eq!(serde_json::from_str::<serde_json::Value>(&by_path.stdout).unwrap(), shown);

    let copied = workspace.run(&["savepoint", "create", "checkpoints/job", "copy", "--last"]);
    assert_eq!((copied.code, copied.stderr.as_str()), (0, "savepoint 'copy' is a copy of the last checkpoint\n"));
    assert_eq!(workspace.run(&["savepoint", "show", "copy"]).code, 0);
    let nothing = workspace.run(&["checkpoint", "show", "elsewhere/job"]);
    assert_eq!((nothing.code, nothing.stdout.as_str()), (2, ""), "{nothing:?}");
}

#[cfg(unix)]
#[test]
fn a_damaged_manifest_is_named_and_an_older_checkpoint_can_be_used() {
    for damage in ["truncated", "flipped"] {
        let workspace = Workspace::new();
        prepare(&workspace);
        assert_eq!(interrupt(start(&workspace, "checkpoints", &[], 3)), 130);
        let path = head(&workspace, "checkpoints/job");
        let mut bytes = fs::read(&path).unwrap();
        if damage == "truncated" {
            bytes.truncate(bytes.len() / 2);
        } else {
            let place = bytes.len() / 2;
            bytes[place] ^= 1;
        }
        fs::write(&path, bytes).unwrap();
        let ran = run(&workspace, &[]);
        assert_eq!(ran.code, 1, "{ran:?}");
        assert!(
            ran.stderr.contains("the last manifest of the job cannot be read: manifest 'checkpoints/job/manifests/"),
            "{ran:?}"
        );
        // What the message says to do.
        let hint = ran.stderr.split("--from-savepoint ").nth(1).unwrap().split_whitespace().next().unwrap();
        let child = start(&workspace, "checkpoints", &["--set", "pipeline.name=again", "--from-savepoint", hint], 2);
        assert_eq!(interrupt(child), 130);
    }
}

#[cfg(unix)]
#[test]
fn what_does_not_fit_is_refused_by_name() {
    let workspace = Workspace::new();
    prepare(&workspace);
    assert_eq!(interrupt(start(&workspace, "checkpoints", &[], 2)), 130);

    let groups = run(&workspace, &["-p", "200", "--set", "pipeline.max-parallelism=256"]);
    insta::assert_snapshot!(groups.failure(), @r"
    exit code 1
    error: job 'job' has 128 key groups, fixed when it was first run, and 256 are asked for
     |
     = help: SET 'pipeline.max-parallelism' = '128', or start over with --fresh
    ");
    let parallelism = run(&workspace, &["-p", "200"]);
    insta::assert_snapshot!(parallelism.failure(), @r"
    exit code 3
    error: parallelism 200 is more than the 128 key groups of the job
     |
     = help: SET 'pipeline.max-parallelism' to at least as much
    ");

    workspace.file("job.sql", &endless("other"));
    let ran = run(&workspace, &[]);
    let source = ran.stderr.split("does not have: ").nth(1).unwrap().split(' ').next().unwrap().to_owned();
    assert!(source.starts_with("source-"), "{ran:?}");
    let number =
        head(&workspace, "checkpoints/job").file_stem().unwrap().to_str().unwrap().trim_start_matches('0').to_owned();
    let failure = ran.failure().replace(&source, "SOURCE").replace(&format!("manifest {number} "), "manifest N ");
    insta::assert_snapshot!(failure, @r"
    exit code 1
    error: manifest N of job 'job' holds state of operators that the query does not have: SOURCE (list 'splits')
     |
     = help: restore the query as it was, leave this state behind with --allow-non-restored-state, or start over with --fresh
    ");

    fs::remove_dir_all(workspace.path("checkpoints")).unwrap();
    workspace.file("checkpoints", "a file");
    insta::assert_snapshot!(run(&workspace, &[]).failure(), @r"
    exit code 3
    error: cannot open files in checkpoint directory 'checkpoints': not a directory
     |
     = help: choose another directory
    ");

    fs::remove_file(workspace.path("checkpoints")).unwrap();
    workspace.file("checkpoints/job", "a file");
    let failure = run(&workspace, &[]).failure();
    assert!(
        failure.contains("the store does not let the job's manifests be read and written: cannot list files in"),
        "{failure}"
    );
    assert!(failure.contains("help: choose another directory"), "{failure}");
}
