//! What can go wrong with stored checkpoints: the user is told what and where, nothing is lost, and an older checkpoint can be used.
#![cfg(target_os = "linux")]

use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpListener;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use twox_hash::XxHash3_64;

use crate::harness::Workspace;
use crate::running::Running;
use crate::savepoints::head;

/// Numbers from 0 on, in pairs, for ever. The number of the match tells whether state was lost, or restored twice.
fn endless(source: &str, path: &str) -> String {
    format!(
        "SET 'execution.checkpointing.interval' = '30 ms';
         SET 'state.checkpoints.num-retained' = '4';
         CREATE TABLE {source} (n BIGINT, ts TIMESTAMP(3), WATERMARK FOR ts AS ts) WITH ('connector' = 'datagen',
           'rows-per-second' = '500', 'fields.n.kind' = 'sequence', 'fields.ts.start' = '2024-01-01 00:00:00',
           'fields.ts.step' = '1 ms');
         CREATE TABLE pairs (n BIGINT, number BIGINT)
           WITH ('connector' = 'filesystem', 'path' = '{path}', 'format' = 'csv', 'csv.header' = 'false');
         CREATE VIEW long AS SELECT '{}' AS text;
         INSERT INTO pairs SELECT * FROM {source} MATCH_RECOGNIZE (ORDER BY ts
           MEASURES A.n AS n, MATCH_NUMBER() AS number PATTERN (A B) DEFINE B AS B.n > A.n);",
        // Makes a manifest larger than what a sink stages.
        "x".repeat(2 * FILE_BYTES_MAX)
    )
}

const FILE_BYTES_MAX: usize = 40_000;

/// The first numbers of the pairs in a table, sorted.
fn pairs(workspace: &Workspace, path: &str) -> Vec<u64> {
    let pair = |line: &str| {
        let (n, number) = line.split_once(',').unwrap();
        let (n, number): (u64, u64) = (n.parse().unwrap(), number.parse().unwrap());
        assert_eq!(number, n / 2 + 1, "state is lost, or there twice");
        n
    };
    let mut pairs: Vec<u64> = workspace.files_in(path).iter().flat_map(|file| file.lines().map(pair)).collect();
    pairs.sort_unstable();
    pairs
}

/// What the undisturbed job writes, from a pair on.
fn assert_complete(pairs: &[u64], first: u64) {
    assert!(!pairs.is_empty());
    assert!(pairs.iter().copied().eq((first..).step_by(2).take(pairs.len())), "a pair is missing, or there twice");
}

impl Running {
    /// Waits until there are so many more checkpoints.
    fn until_checkpoints(&mut self, job: &Path, more: u64) {
        let first = last_number(job);
        self.until(|_| last_number(job) >= first + more);
    }
}

/// The number of the last manifest in the directory of a job, 0 if there is none.
fn last_number(job: &Path) -> u64 {
    let manifests = fs::read_dir(job.join("manifests")).into_iter().flatten();
    manifests.filter_map(|entry| entry.ok()?.path().file_stem()?.to_str()?.parse().ok()).max().unwrap_or(0)
}

fn arguments<'a>(directory: &'a str, more: &[&'a str]) -> Vec<&'a str> {
    [&["run", "job.sql", "--checkpoint-dir", directory], more].concat()
}

fn start(workspace: &Workspace, more: &[&str]) -> Running {
    Running::start(workspace.command(&arguments("checkpoints", more)))
}

/// A job that has been interrupted and has some checkpoints.
fn interrupted() -> Workspace {
    let workspace = Workspace::new();
    workspace.file("job.sql", &endless("made", "out"));
    let mut job = start(&workspace, &[]);
    job.until_checkpoints(&workspace.path("checkpoints/job"), 4);
    job.until(|_| pairs(&workspace, "out").len() > 20);
    job.interrupt();
    workspace
}

/// The job goes on, and has written what it writes undisturbed.
fn assert_goes_on(workspace: &Workspace) {
    let before = pairs(workspace, "out").len();
    let mut job = start(workspace, &[]);
    job.until(|said| said.contains("goes on from checkpoint ") && pairs(workspace, "out").len() > before + 20);
    job.interrupt();
    assert_complete(&pairs(workspace, "out"), 0);
}

/// Another job goes on from an older checkpoint of the job: it writes what the undisturbed one has written since.
fn assert_is_usable(workspace: &Workspace, older: &str) {
    let last = *pairs(workspace, "out").last().unwrap();
    workspace.file("job.sql", &endless("made", "again"));
    let mut again = start(workspace, &["--set", "pipeline.name=again", "--from-savepoint", older]);
    again.until(|_| pairs(workspace, "again").len() > 20);
    again.interrupt();
    let since = pairs(workspace, "again");
    assert!(since[0] <= last + 2, "{} to {} are missing", last + 2, since[0]);
    assert_complete(&since, since[0]);
    workspace.file("job.sql", &endless("made", "out"));
}

/// The last checkpoint before the last that can be used if a file is damaged, as one writes it.
fn older(workspace: &Workspace, damaged: &str) -> String {
    let path = |number| format!("checkpoints/job/manifests/{number:020}.json");
    let last = last_number(&workspace.path("checkpoints/job"));
    let older = (1..last).rev().map(path).find(|path| {
        let text = fs::read_to_string(workspace.path(path));
        text.is_ok_and(|text| !text.contains(damaged) && !text.contains("\"kind\":\"opening\""))
    });
    older.unwrap()
}

/// The newest of the files that the last manifest in a directory names, by its name in the manifest.
fn newest_file(manifest: &Path) -> String {
    let text = fs::read_to_string(manifest).unwrap();
    let named = text.split("\"path\":\"").skip(1).filter_map(|rest| rest.split('"').next());
    named.max().unwrap().to_owned()
}

/// A command, started by another one.
fn wrapped(command: &Command, by: &[&str]) -> Command {
    let mut wrapped = Command::new(by[0]);
    wrapped.args(&by[1..]).arg(command.get_program()).args(command.get_args());
    for (name, value) in command.get_envs() {
        match value {
            Some(value) => wrapped.env(name, value),
            None => wrapped.env_remove(name),
        };
    }
    wrapped.current_dir(command.get_current_dir().unwrap());
    wrapped.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    wrapped
}

/// Where the checkpoints of a job are, `disk` in its workspace, and how there comes to be no space.
enum Disk {
    /// A file system in memory. It exists for a process that waits for its input to end, and for what is started beside it, so that nothing
    /// is left if a test fails. Not every machine allows that.
    InMemory(Child, PathBuf),
    /// A limit on the size of files, which every machine has: writing a manifest fails as it does on a full disk.
    Limit(PathBuf),
}

impl Disk {
    /// Those that this machine has.
    #[allow(clippy::print_stderr, reason = "what is not tested should be known")]
    fn all() -> Vec<(Workspace, Self)> {
        let (memory, limit) = (Workspace::new(), Workspace::new());
        let limited = Self::Limit(limit.path("disk"));
        match Self::in_memory(&memory) {
            Some(disk) => vec![(memory, disk), (limit, limited)],
            None => {
                eprintln!("file systems cannot be mounted here: no disk is really full in this test");
                vec![(limit, limited)]
            }
        }
    }

    fn in_memory(workspace: &Workspace) -> Option<Self> {
        let path = workspace.path("disk");
        fs::create_dir(&path).unwrap();
        let mount = "mount -t tmpfs -o size=2m tmpfs \"$0\" && echo mounted && read -r line";
        let mut command = Command::new("unshare");
        command.args(["--map-root-user", "--mount", "sh", "-c", mount]).arg(&path);
        let mut holder = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null()).spawn().ok()?;
        let mut said = String::new();
        BufReader::new(holder.stdout.take()?).read_line(&mut said).ok()?;
        let disk = Self::InMemory(holder, path);
        let is_there = said == "mounted\n"
            && disk.command(workspace, &["--version"]).status().is_ok_and(|status| status.success());
        is_there.then_some(disk)
    }

    /// The binary, where the disk is.
    fn command(&self, workspace: &Workspace, arguments: &[&str]) -> Command {
        let command = workspace.command(arguments);
        match self {
            Self::InMemory(holder, _) => {
                let (holder, directory) = (holder.id().to_string(), workspace.path(""));
                let enter = ["--user", "--mount", "--preserve-credentials", "sh", "-c", "cd \"$0\" && exec \"$@\""];
                let by = [&["nsenter", "--target", &holder], &enter[..], &[directory.to_str().unwrap()]].concat();
                wrapped(&command, &by)
            }
            // Without the trap it would be killed.
            Self::Limit(_) => wrapped(&command, &["sh", "-c", "trap '' XFSZ; exec \"$0\" \"$@\""]),
        }
    }

    fn start(&self, workspace: &Workspace, more: &[&str]) -> Running {
        workspace.file("job.sql", &endless("made", "out"));
        Running::start(self.command(workspace, &arguments("disk/checkpoints", more)))
    }

    /// The directory of the job, as this process sees it.
    fn job(&self) -> PathBuf {
        self.path().join("checkpoints/job")
    }

    fn path(&self) -> PathBuf {
        match self {
            Self::InMemory(holder, path) => {
                Path::new("/proc").join(holder.id().to_string()).join("root").join(path.strip_prefix("/").unwrap())
            }
            Self::Limit(path) => path.clone(),
        }
    }

    /// Leaves no space. What the job deletes makes some again, so call it until the job has noticed.
    fn fill(&self, process: u32) {
        match self {
            Self::InMemory(..) => {
                let ballast = fs::OpenOptions::new().append(true).create(true).open(self.path().join("ballast"));
                let Ok(mut ballast) = ballast else { return };
                while ballast.write_all(&[0; 4096]).is_ok() {}
            }
            Self::Limit(_) => limit_files(process, &format!("{FILE_BYTES_MAX}:")),
        }
    }

    fn make_space(&self, process: Option<u32>) {
        match (self, process) {
            (Self::InMemory(..), _) => fs::remove_file(self.path().join("ballast")).unwrap(),
            (Self::Limit(_), Some(process)) => limit_files(process, "unlimited:"),
            // Its process has ended.
            (Self::Limit(_), None) => {}
        }
    }

    /// What is said when there is no space, and what to do.
    fn words(&self) -> (&str, &str) {
        match self {
            Self::InMemory(..) => ("No space left on device", "free space there, or keep fewer checkpoints"),
            Self::Limit(_) => ("File too large", "raise the limit on the size of files (ulimit -f)"),
        }
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        if let Self::InMemory(holder, _) = self {
            drop(holder.stdin.take());
            let _ = holder.wait();
        }
    }
}

/// Sets the limit on the size of the files that a process writes.
fn limit_files(process: u32, limit: &str) {
    let set = Command::new("prlimit").args(["--pid", &process.to_string(), &format!("--fsize={limit}")]).status();
    assert!(set.unwrap().success());
}

/// A job on a disk that is full until that is `felt`, and then has space again: it goes on. `check` is told what it has said.
fn goes_on_after_a_full_disk(settings: &[&str], felt: &str, check: impl Fn(&Disk, &str)) {
    let settings: Vec<&str> = settings.iter().flat_map(|setting| ["--set", setting]).collect();
    for (workspace, disk) in Disk::all() {
        let mut job = disk.start(&workspace, &settings);
        let process = job.child.id();
        job.until_checkpoints(&disk.job(), 3);
        job.until(|said| {
            disk.fill(process);
            said.matches(felt).count() > 2
        });
        check(&disk, &job.said);
        disk.make_space(Some(process));
        job.until_checkpoints(&disk.job(), 4);
        job.interrupt();
        assert_complete(&pairs(&workspace, "out"), 0);
    }
}

#[test]
fn a_disk_that_is_full_for_a_while_costs_checkpoints_where_they_may_fail() {
    let tolerant = "execution.checkpointing.tolerable-failed-checkpoints=1000000";
    goes_on_after_a_full_disk(&[tolerant, "restart-strategy.type=none"], "has been given up: ", |disk, said| {
        let place = format!("disk/checkpoints/job': {}", disk.words().0);
        assert!(said.lines().any(|line| line.starts_with("warning: ") && line.contains(&place)), "{said}");
    });
}

#[test]
fn a_job_that_restarts_on_a_full_disk_goes_on_when_there_is_space() {
    let strategy = [
        "restart-strategy.fixed-delay.delay=20 ms",
        "restart-strategy.fixed-delay.attempts=1000000",
        "restart-strategy.type=fixed-delay",
    ];
    goes_on_after_a_full_disk(&strategy, "; the job is restarted in 0.0 s", |_, _| ());
}

#[test]
fn a_job_that_ends_on_a_full_disk_says_why_and_goes_on_from_its_last_checkpoint() {
    for (workspace, disk) in Disk::all() {
        let none = ["--set", "restart-strategy.type=none"];
        let mut job = disk.start(&workspace, &none);
        let process = job.child.id();
        job.until_checkpoints(&disk.job(), 3);
        job.until(|said| {
            disk.fill(process);
            said.contains("error: ")
        });
        let ran = job.end();
        let (reason, remedy) = disk.words();
        assert_eq!(ran.code, 1, "{ran:?}");
        assert!(ran.stderr.contains("error: too many checkpoints have failed, the last because "), "{ran:?}");
        assert!(ran.stderr.contains(&format!("disk/checkpoints/job': {reason}")), "{ran:?}");
        assert!(ran.stderr.contains(&format!("= help: {remedy}\n")), "{ran:?}");

        // As long as there is no space it cannot even begin.
        if matches!(disk, Disk::InMemory(..)) {
            let again = disk.start(&workspace, &none).end();
            assert_eq!(again.code, 1, "{again:?}");
            assert!(again.stderr.contains(reason) && again.stderr.contains(remedy), "{again:?}");
        }
        disk.make_space(None);
        let mut job = disk.start(&workspace, &none);
        job.until(|said| said.contains("goes on from checkpoint "));
        job.until_checkpoints(&disk.job(), 4);
        job.interrupt();
        assert_complete(&pairs(&workspace, "out"), 0);
    }
}

/// The binary as a user for whom the permissions of files count, which they do not for root. `None` where that cannot be had.
fn as_ordinary_user(workspace: &Workspace, arguments: &[&str]) -> Option<Command> {
    const WITHOUT: [&str; 3] =
        ["setpriv", "--bounding-set=-dac_override,-dac_read_search", "--inh-caps=-dac_override,-dac_read_search"];
    let probe = workspace.path("probe");
    fs::create_dir_all(&probe).unwrap();
    set_mode(&probe, 0o555);
    let mut touch = Command::new("touch");
    touch.current_dir(workspace.path("")).arg("probe/file").stderr(Stdio::null());
    let counts = |mut touch: Command| touch.status().is_ok_and(|status| !status.success());
    let lists =
        |by: &[&str]| Command::new(by[0]).args(&by[1..]).arg("true").status().is_ok_and(|status| status.success());
    let command = workspace.command(arguments);
    if lists(&WITHOUT) && counts(wrapped(&touch, &WITHOUT)) {
        Some(wrapped(&command, &WITHOUT))
    } else {
        counts(touch).then_some(command)
    }
}

fn set_mode(path: &Path, mode: u32) {
    fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
}

#[test]
#[allow(clippy::print_stderr, reason = "what is not tested should be known")]
fn a_directory_that_may_not_be_written_is_named_with_the_remedy() {
    const REMEDY: &str = "= help: make it writable for this user, or choose another directory\n";
    let workspace = Workspace::new();
    workspace.file("job.sql", &endless("made", "out"));
    let run = || as_ordinary_user(&workspace, &arguments("checkpoints", &[])).map(Running::start);
    let Some(mut job) = run() else {
        eprintln!("permissions do not count for this user: a directory that may not be written is not tested");
        return;
    };
    let directory = workspace.path("checkpoints/job");
    let parts = [directory.join("manifests"), directory.join("state"), directory.clone()];
    job.until_checkpoints(&directory, 3);
    // While the job runs. It would not do better if it were restarted.
    for part in &parts {
        set_mode(part, 0o555);
    }
    let ran = job.end();
    assert_eq!(ran.code, 1, "{ran:?}");
    assert!(ran.stderr.contains("checkpoints/job': Permission denied"), "{ran:?}");
    assert!(ran.stderr.contains(REMEDY), "{ran:?}");
    // Before it begins.
    let ran = run().unwrap().end();
    assert_eq!(ran.code, 1, "{ran:?}");
    assert!(ran.stderr.contains("checkpoints/job': Permission denied"), "{ran:?}");
    assert!(ran.stderr.contains(REMEDY), "{ran:?}");
    for part in &parts {
        set_mode(part, 0o755);
    }
    assert_goes_on(&workspace);

    // Where there is none yet.
    fs::remove_dir_all(workspace.path("checkpoints")).unwrap();
    let command = as_ordinary_user(&workspace, &arguments("checkpoints", &[])).unwrap();
    set_mode(&workspace.path(""), 0o555);
    let ran = Running::start(command).end();
    set_mode(&workspace.path(""), 0o755);
    assert_eq!(ran.code, 3, "{ran:?}");
    assert!(
        ran.stderr.contains("cannot open files in checkpoint directory 'checkpoints': Permission denied"),
        "{ran:?}"
    );
    assert!(ran.stderr.contains(REMEDY), "{ran:?}");
}

#[test]
fn a_store_that_refuses_is_named_and_nothing_is_taken_from_elsewhere() {
    let workspace = interrupted();
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let forbidding = listener.local_addr().unwrap().port();
    std::thread::spawn(move || {
        for mut stream in listener.incoming().map_while(Result::ok) {
            let _ = stream.read(&mut [0; 8192]);
            let body = "<Error><Code>AccessDenied</Code></Error>";
            let length = body.len();
            let _ =
                write!(stream, "HTTP/1.1 403 Forbidden\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n{body}");
        }
    });
    let silent = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    for (port, reason, remedy) in [
        (forbidding, "403 Forbidden", "see that the credentials may read and write there, or choose another directory"),
        (silent, "Connection refused", "see that the store can be reached; the job goes on from its last checkpoint"),
    ] {
        for more in [&[][..], &["--from-savepoint", "checkpoints/job"]] {
            let more = [more, &["--set", "restart-strategy.type=none"]].concat();
            let mut command = workspace.command(&arguments("s3://bucket/checkpoints", &more));
            command.envs([("AWS_ACCESS_KEY_ID", "a"), ("AWS_SECRET_ACCESS_KEY", "b"), ("AWS_REGION", "eu-west-1")]);
            command.env("AWS_ENDPOINT", format!("http://127.0.0.1:{port}")).env("AWS_ALLOW_HTTP", "true");
            let ran = Running::start(no_proxy(command)).end();
            assert_eq!(ran.code, 1, "{ran:?}");
            assert!(ran.stderr.contains("checkpoint directory 's3://bucket/checkpoints/job/manifests': "), "{ran:?}");
            assert!(ran.stderr.contains(reason), "{ran:?}");
            assert!(ran.stderr.contains(&format!("= help: {remedy}\n")), "{ran:?}");
        }
    }
    assert_goes_on(&workspace);
}

fn no_proxy(mut command: Command) -> Command {
    for name in ["http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"] {
        command.env_remove(name);
    }
    command
}

#[test]
fn a_damaged_state_file_is_named_and_an_older_checkpoint_can_be_used() {
    let workspace = interrupted();
    let name = newest_file(&head(&workspace, "checkpoints/job"));
    let older = older(&workspace, &name);
    let path = workspace.path("checkpoints/job").join(&name);
    let whole = fs::read(&path).unwrap();
    let mut flipped = whole.clone();
    flipped[whole.len() / 2] ^= 1;
    for (damaged, what) in
        [(Some(&flipped[..]), "checksum"), (Some(&whole[..whole.len() - 1]), "bytes"), (None, "it is gone")]
    {
        match damaged {
            Some(bytes) => fs::write(&path, bytes).unwrap(),
            None => fs::remove_file(&path).unwrap(),
        }
        let ran = start(&workspace, &[]).end();
        assert_eq!(ran.code, 1, "{ran:?}");
        let said = ran.stderr.lines().find(|line| line.starts_with("error: state file 'checkpoints/job/state/"));
        assert!(
            said.is_some_and(|line| line.contains(&name) && line.contains("is damaged: ") && line.contains(what)),
            "{ran:?}"
        );
        assert!(ran.stderr.contains(&format!("--set pipeline.name=NAME --from-savepoint {older}\n")), "{ran:?}");
    }
    assert_is_usable(&workspace, &older);
    fs::write(&path, whole).unwrap();
    assert_goes_on(&workspace);
}

#[test]
fn another_format_version_is_named_and_an_older_checkpoint_can_be_used() {
    for kind in ["manifest", "state file"] {
        let workspace = interrupted();
        let manifest = head(&workspace, "checkpoints/job");
        let newest = newest_file(&manifest);
        let older = older(&workspace, &newest);
        let path = if kind == "manifest" { manifest } else { workspace.path("checkpoints/job").join(newest) };
        let whole = fs::read(&path).unwrap();
        fs::write(&path, if kind == "manifest" { next_manifest(&whole) } else { next_state_file(&whole) }).unwrap();
        let ran = start(&workspace, &[]).end();
        let name = path.file_name().unwrap().to_str().unwrap();
        assert_eq!(ran.code, 1, "{ran:?}");
        assert!(ran.stderr.contains(&format!("error: {kind} 'checkpoints/job/")), "{ran:?}");
        let next = format!("/{name}' has format version 9, this build reads ");
        assert!(ran.stderr.contains(&next), "{ran:?}");
        assert!(ran.stderr.contains("= help: restore with the version of dipper that wrote it"), "{ran:?}");
        assert_is_usable(&workspace, &older);
        fs::write(&path, whole).unwrap();
        assert_goes_on(&workspace);
    }
}

/// A manifest as a later version might write it.
fn next_manifest(bytes: &[u8]) -> Vec<u8> {
    let text = std::str::from_utf8(bytes).unwrap();
    let inner = text.split_once("\"manifest\":").unwrap().1.strip_suffix('}').unwrap();
    let checksum = XxHash3_64::oneshot(&[&9_u32.to_le_bytes(), inner.as_bytes()].concat());
    format!("{{\"format\":\"dipper-manifest\",\"version\":9,\"checksum\":\"{checksum:016x}\",\"manifest\":{inner}}}")
        .into()
}

/// A state file as a later version might write it.
fn next_state_file(bytes: &[u8]) -> Vec<u8> {
    let mut next = bytes.to_vec();
    next[8] = 9;
    let header = 24..24 + u32::from_le_bytes(next[12..16].try_into().unwrap()) as usize;
    let checksum = XxHash3_64::oneshot(&[&next[..16], &next[header]].concat());
    next[16..24].copy_from_slice(&checksum.to_le_bytes());
    next
}

#[test]
fn a_savepoint_that_does_not_fit_or_is_damaged_leaves_nothing_behind() {
    let workspace = Workspace::new();
    workspace.file("job.sql", &endless("made", "out"));
    let mut job = start(&workspace, &[]);
    job.until(|_| pairs(&workspace, "out").len() > 20);
    assert_eq!(workspace.run(&["savepoint", "create", "checkpoints/job", "copy", "--stop"]).code, 0);
    assert_eq!(job.end().code, 0);
    let from_copy = ["--set", "pipeline.name=again", "--from-savepoint", "copy"];

    workspace.file("job.sql", &endless("other", "again"));
    let ran = start(&workspace, &from_copy).end();
    assert_eq!(ran.code, 1, "{ran:?}");
    assert!(ran.stderr.contains("holds state of operators that the query does not have: "), "{ran:?}");
    assert!(ran.stderr.contains("--allow-non-restored-state"), "{ran:?}");

    workspace.file("job.sql", &endless("made", "again"));
    let path = workspace.path("copy").join(newest_file(&workspace.path("copy/manifest.json")));
    let whole = fs::read(&path).unwrap();
    let mut flipped = whole.clone();
    flipped[whole.len() / 2] ^= 1;
    fs::write(&path, flipped).unwrap();
    let ran = start(&workspace, &from_copy).end();
    assert_eq!(ran.code, 1, "{ran:?}");
    assert!(ran.stderr.contains("error: state file 'copy/state/"), "{ran:?}");
    assert!(ran.stderr.contains("= help: restore an older checkpoint"), "{ran:?}");
    assert_eq!((last_number(&workspace.path("checkpoints/again")), pairs(&workspace, "again")), (0, Vec::new()));

    fs::write(&path, whole).unwrap();
    assert_is_usable(&workspace, "copy");
    assert_goes_on(&workspace);
}

#[test]
fn a_savepoint_that_cannot_be_written_is_no_harm_to_the_job() {
    let workspace = Workspace::new();
    workspace.file("job.sql", &endless("made", "out")).file("taken", "a file");
    let mut job = start(&workspace, &[]);
    let directory = workspace.path("checkpoints/job");
    job.until_checkpoints(&directory, 2);
    let asked = workspace.run(&["savepoint", "create", "checkpoints/job", "taken/below"]);
    assert_ne!(asked.code, 0, "{asked:?}");
    assert!(asked.stderr.contains("taken/below': not a directory"), "{asked:?}");
    assert!(asked.stderr.contains("= help: choose another directory"), "{asked:?}");
    job.until_checkpoints(&directory, 2);
    job.interrupt();
    assert_complete(&pairs(&workspace, "out"), 0);
}
