#!/usr/bin/env python3
"""What checkpoints cost with a million matches open (bench/sql/open_matches.sql): throughput with and without, how long each barrier holds
up the task, how long a restore takes, and how large the directory is while a run goes on. Python's standard library only.

    cargo build --release --locked
    bench/checkpoints.py cost [RUNS]      throughput and pauses over 30 million rows, RUNS times (3) in turn
    bench/checkpoints.py restore [RUNS]   kill -9 with a million matches open, then start again
    bench/checkpoints.py changed [RUNS]   bytes of each checkpoint, and of what has changed since the one before
    bench/checkpoints.py size [GB]        the directory until so many GB (10) of state have been written
"""
import json, os, pathlib, re, signal, statistics, subprocess, sys, tempfile, time

ROOT = pathlib.Path(__file__).resolve().parent.parent
DIPPER = os.environ.get("DIPPER", str(ROOT / "target/release/dipper"))
QUERY = ROOT / "bench/sql/open_matches.sql"
PAUSE = re.compile(r"held up for a snapshot operator=(\S+).* us=(\d+)")


def command(query, directory=None, *more):
    options = ["--checkpoint-dir", directory, "--set", "execution.checkpointing.interval=1 s"] if directory else []
    return [DIPPER, "-vv", "run", str(query), *options, *more]


def rate(log):
    return int(re.search(r"\(([\d,]+) rows/s\)", log).group(1).replace(",", ""))


def run(query, directory=None, *more):
    done = subprocess.run(command(query, directory, *more), capture_output=True, text=True)
    if done.returncode != 0:
        sys.exit(f"{' '.join(done.args)}: exit code {done.returncode}\n{done.stderr[-2000:]}")
    return done.stderr


def percentile(values, share):
    return sorted(values)[min(len(values) - 1, int(share * len(values)))]


def longer(scratch, rows):
    query = pathlib.Path(scratch) / "longer.sql"
    query.write_text(QUERY.read_text().replace("'10000000'", f"'{rows}'"))
    return query


def wider(scratch):
    """The same with a text of 200 characters in each row, without an end."""
    query = pathlib.Path(scratch) / "wider.sql"
    text = QUERY.read_text().replace("e INT,", "e INT, note VARCHAR,").replace("'number-of-rows' = '10000000', ", "")
    text = text.replace("'fields.k.min'", "'fields.note.length' = '200', 'fields.k.min'")
    text = text.replace("events BIGINT)", "events BIGINT, note VARCHAR)").replace("AS events\n", "AS events, FIRST(cart.note) AS note\n")
    query.write_text(text)
    return query


def cost(scratch, runs):
    query, without, with_them, pauses = longer(scratch, 30_000_000), [], [], []
    for number in range(runs):
        without.append(rate(run(query)))
        log = run(query, f"{scratch}/{number}")
        with_them.append(rate(log))
        pauses += [int(us) / 1000 for operator, us in PAUSE.findall(log) if operator.startswith("match-recognize")]
        print(f"run {number + 1}: {without[-1]:,} rows/s without, {with_them[-1]:,} rows/s with a checkpoint a second", flush=True)
    slower = [100 * (1 - with_it / alone) for alone, with_it in zip(without, with_them)]
    print(f"median of {runs}: {statistics.median(slower):.1f} % slower; {min(slower):.1f} to {max(slower):.1f} %")
    print(f"best: {max(without):,} and {max(with_them):,} rows/s: {100 * (1 - max(with_them) / max(without)):.1f} % slower")
    print(f"{len(pauses)} pauses: p50 {percentile(pauses, .5):.1f} ms, p99 {percentile(pauses, .99):.1f} ms, longest {max(pauses):.1f} ms")


def restore(scratch, runs):
    for number in range(runs):
        directory = f"{scratch}/{number}"
        killed = subprocess.Popen(command(QUERY, directory), stderr=subprocess.DEVNULL)
        # By then nearly every user has a match open.
        time.sleep(float(os.environ.get("KILL_AFTER", "12")))
        killed.send_signal(signal.SIGKILL)
        killed.wait()
        log = run(QUERY, directory)
        lines = [line for line in log.splitlines() if "stored state has been read" in line or "has been restored" in line]
        print(*lines, sep="\n", flush=True)


def of_table(manifest, name):
    """The files of each run of a table."""
    states = [state for task in manifest["tasks"] for state in task["operators"].values() if name in state["tables"]]
    return [run["files"] for state in states for run in state["tables"][name]["runs"]]


def megabytes(files):
    return sum(file["bytes"] for _, file in files) / 1e6


def changed(scratch, runs):
    """A row of state that has changed counts as what it takes in the largest run of its table, which is nearly all of the table."""
    for number in range(runs):
        directory = f"{scratch}/{number}"
        run(longer(scratch, 30_000_000), directory, "--set", "state.checkpoints.num-retained=1000")
        manifests = [json.loads(file.read_text())["manifest"] for file in sorted(pathlib.Path(directory).glob("open/manifests/*.json"))]
        # Without the one that opens the attempt, and the last one, of a job that has come to its end.
        manifests = [manifest for manifest in manifests if not all(task["finished"] for task in manifest["tasks"])]
        tables, known, ratios = ("buffer", "keys", "partitions", "rows"), set(), []
        runs_of = {table: [run for manifest in manifests for run in of_table(manifest, table)] for table in tables}
        weight = {}
        for table in tables:
            rows, size = max((sum(file["rows"] for file in run), sum(file["bytes"] for file in run)) for run in runs_of[table])
            weight[table] = size / max(rows, 1)
        print(f"{'number':>6} {'MB in all':>10} {'changed MB':>11} {'written MB':>11} {'ratio':>6} {'merged MB':>10} {'partitions':>11}")
        for manifest in manifests:
            everything = {file["path"]: (table, file) for table in tables for run in of_table(manifest, table) for file in run}
            new = {path: file for path, file in everything.items() if path not in known}
            # The last run is what the checkpoint adds; the others that are new have been merged meanwhile.
            added = {file["path"] for table in tables for run in of_table(manifest, table)[-1:] for file in run}
            own = [file for path, file in new.items() if path in added]
            known |= set(everything)
            changes = sum(weight[table] * (file["rows"] + file["deletes"]) for table, file in own) / 1e6
            ratios.append(megabytes(own) / changes)
            if manifest["number"] % 10 == 2:
                print(f"{manifest['number']:6} {megabytes(everything.values()):10.1f} {changes:11.1f} {megabytes(own):11.1f} {ratios[-1]:6.2f} "
                  f"{megabytes(new.values()) - megabytes(own):10.1f} {sum(file['rows'] for table, file in own if table == 'partitions'):11,}")
        print(f"written for each byte that has changed: median {statistics.median(ratios):.2f}, most {max(ratios):.2f}", flush=True)


def size(scratch, gigabytes):
    directory = f"{scratch}/job"
    job = subprocess.Popen(command(wider(scratch), directory), stderr=subprocess.DEVNULL)
    begun, next_line = time.time(), 0
    print(f"{'s':>6} {'written GB':>11} {'directory MB':>13} {'files':>6}")
    while job.poll() is None:
        written = int(re.search(r"^write_bytes: (\d+)", pathlib.Path(f"/proc/{job.pid}/io").read_text(), re.M).group(1)) / 1e9
        files = []
        for path in pathlib.Path(directory).rglob("*"):
            try:
                files.append(path.stat().st_size if path.is_file() else 0)
            except FileNotFoundError:
                pass
        if written >= next_line:
            next_line += gigabytes / 20
            print(f"{time.time() - begun:6.0f} {written:11.2f} {sum(files) / 1e6:13.1f} {len(files):6}", flush=True)
        if written >= gigabytes:
            job.send_signal(signal.SIGINT)
            job.wait()
        time.sleep(0.5)
    listed = subprocess.run([DIPPER, "checkpoint", "list", directory], capture_output=True, text=True, check=True)
    print(listed.stdout)


def main():
    what, number = (sys.argv[1:] + [None, None])[:2]
    verbs = {"cost": (cost, 3), "restore": (restore, 3), "changed": (changed, 1), "size": (size, 10.0)}
    if what not in verbs:
        sys.exit(__doc__)
    verb, default = verbs[what]
    with tempfile.TemporaryDirectory(dir=os.environ.get("SCRATCH")) as scratch:
        verb(scratch, type(default)(number or default))


if __name__ == "__main__":
    main()
