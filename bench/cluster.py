#!/usr/bin/env python3
"""What a cluster costs, and how fast it is back: every figure comes from real processes on this machine. Python's standard library only.

    cargo build --release --locked
    bench/cluster.py throughput [RUNS]   a hash-repartitioned pattern job on one process with 1 and 2 tasks, and on two workers of one core each
    bench/cluster.py recover [MB]        kill -9 of a worker with so much state (500): until it is noticed, and until rows come out again
    bench/cluster.py failover            kill -9 of the leading coordinator: until another one leads, and what its job has done meanwhile
    bench/cluster.py schedule [JOBS]     so many jobs (200) of four tasks on four workers: until all run, and what the coordinator does then
"""
import json, os, pathlib, re, signal, subprocess, sys, tempfile, time

ROOT = pathlib.Path(__file__).resolve().parent.parent
DIPPER = os.environ.get("DIPPER", str(ROOT / "target/release/dipper"))
ENDED = {"FINISHED", "FAILED", "CANCELLED", "STOPPED"}


class Cluster:
    """Coordinators and workers below a directory of their own."""

    def __init__(self, scratch, coordinators=1, workers=2, slots=1, pin=False):
        self.scratch = pathlib.Path(scratch)
        self.processes = []
        start = ["coordinator", "--listen", "127.0.0.1:0", "--directory", str(self.scratch / "cluster")]
        self.coordinators = [self.start(start, r"coordinator at (\S+)") for _ in range(coordinators)]
        self.addresses = ",".join(address for _, address in self.coordinators)
        self.workers = [self.worker(f"worker-{n}", slots, n if pin else None) for n in range(workers)]

    def start(self, arguments, pattern, core=None):
        pinned = ["taskset", "-c", str(core)] if core is not None else []
        log = self.scratch / f"log-{len(self.processes)}"
        with open(log, "w") as out:
            process = subprocess.Popen(pinned + [DIPPER, "-v", *arguments], cwd=self.scratch, stderr=out, stdout=out)
        self.processes.append(process)
        for _ in range(600):
            found = re.search(pattern, log.read_text())
            if found:
                return process, found.group(1)
            time.sleep(0.05)
        sys.exit(f"{arguments} does not start: {log.read_text()}")

    def worker(self, name, slots, core=None):
        arguments = ["worker", "--coordinator", self.addresses, "--slots", str(slots), "--name", name]
        return self.start(arguments, r"worker '.*' .* at (\S+)", core)

    def ask(self, *arguments):
        done = subprocess.run([DIPPER, *arguments, "--cluster", self.addresses, "-o", "json"], cwd=self.scratch,
                              capture_output=True, text=True)
        if done.returncode != 0:
            sys.exit(f"{' '.join(done.args)}: {done.stderr}")
        return [json.loads(line) for line in done.stdout.splitlines()]

    def submit(self, name, sql, *more):
        file = self.scratch / f"{name}.sql"
        file.write_text(sql)
        return self.ask("job", "submit", str(file), *more)[0]["id"]

    def until(self, job, is_so, limit=600):
        begun = time.monotonic()
        while time.monotonic() - begun < limit:
            shown = self.ask("job", "show", job)[0]
            if is_so(shown):
                return shown
            if shown["state"] in ENDED:
                sys.exit(f"the job has ended: {shown}")
            time.sleep(0.1)
        sys.exit(f"nothing comes of it: {shown}")

    def __enter__(self):
        return self

    def __exit__(self, *_):
        for process in self.processes:
            process.kill()
        for process in self.processes:
            process.wait()


def pattern_job(rows, sink, pace="", matches="down+ up+", extra="", interval="10 s"):
    return f"""
        SET 'execution.checkpointing.interval' = '{interval}';
        {extra}
        CREATE TABLE ticks (symbol INT, price INT, ts TIMESTAMP(3), WATERMARK FOR ts AS ts) WITH ('connector' = 'datagen',
          'number-of-rows' = '{rows}', 'splits' = '2', {pace} 'fields.symbol.min' = '1', 'fields.symbol.max' = '10000',
          'fields.price.min' = '1', 'fields.price.max' = '1000', 'fields.ts.start' = '2024-01-01 00:00:00',
          'fields.ts.step' = '1 ms');
        CREATE TABLE shapes (symbol INT, bottom INT, ended TIMESTAMP(3)) WITH ({sink});
        INSERT INTO shapes SELECT * FROM ticks MATCH_RECOGNIZE (PARTITION BY symbol ORDER BY ts
          MEASURES LAST(down.price) AS bottom, LAST(up.ts) AS ended AFTER MATCH SKIP TO LAST up
          PATTERN (strt {matches}) DEFINE down AS down.price < PREV(down.price), up AS up.price > PREV(up.price));"""


def throughput(runs=3, rows=20_000_000):
    sql = pattern_job(rows, "'connector' = 'blackhole'")
    best = {}
    for run in range(1, runs + 1):
        figures = {}
        for name, cores, parallelism in (("one task", "0", 1), ("two tasks", "0,1", 2)):
            with tempfile.TemporaryDirectory() as scratch:
                file = pathlib.Path(scratch) / "job.sql"
                file.write_text(sql)
                done = subprocess.run(["taskset", "-c", cores, DIPPER, "run", str(file), "-p", str(parallelism),
                                       "--checkpoint-dir", scratch + "/c"], capture_output=True, text=True)
                figures[name] = int(re.search(r"\(([\d,]+) rows/s\)", done.stderr).group(1).replace(",", ""))
        with tempfile.TemporaryDirectory() as scratch, Cluster(scratch, workers=2, slots=1, pin=True) as cluster:
            begun = time.monotonic()
            job = cluster.submit("job", sql, "-p", "2")
            cluster.until(job, lambda job: job["state"] == "FINISHED")
            figures["two workers"] = int(rows / (time.monotonic() - begun))
        for name, figure in figures.items():
            best[name] = max(best.get(name, 0), figure)
        print(f"run {run}: " + ", ".join(f"{name} {figure:,} rows/s" for name, figure in figures.items()), flush=True)
    one, two, workers = best["one task"], best["two tasks"], best["two workers"]
    print(f"best: two workers {workers:,} rows/s: {100 * workers / two:.0f} % of one process with two tasks, "
          f"{100 * workers / (2 * one):.0f} % of twice one task")


def directory_bytes(path):
    return sum(file.stat().st_size for file in path.rglob("*") if file.is_file()) if path.exists() else 0


def recover(megabytes=500):
    # Nothing ever matches, and every partition keeps its rows: state grows with the input.
    rows = megabytes * 9_000
    extra = "SET 'restart-strategy.type' = 'fixed-delay'; SET 'restart-strategy.fixed-delay.attempts' = '10'; SET 'restart-strategy.fixed-delay.delay' = '100 ms';"
    sql = f"""
        SET 'execution.checkpointing.interval' = '2 s';
        {extra}
        CREATE TABLE ticks (symbol BIGINT, note STRING, price INT, ts TIMESTAMP(3), WATERMARK FOR ts AS ts) WITH ('connector' = 'datagen',
          'splits' = '2', 'rows-per-second' = '80000', 'fields.symbol.min' = '1', 'fields.symbol.max' = '1000000',
          'fields.note.length' = '500', 'fields.price.min' = '1', 'fields.price.max' = '1000', 'fields.ts.start' = '2024-01-01 00:00:00', 'fields.ts.step' = '1 ms');
        CREATE TABLE found (symbol BIGINT, note STRING) WITH ('connector' = 'filesystem', 'path' = 'found', 'format' = 'csv');
        CREATE TABLE seen (symbol BIGINT, price INT) WITH ('connector' = 'filesystem', 'path' = 'seen', 'format' = 'csv');
        EXECUTE STATEMENT SET BEGIN
        INSERT INTO found SELECT * FROM ticks MATCH_RECOGNIZE (PARTITION BY symbol ORDER BY ts
          MEASURES FIRST(a.note) AS note PATTERN (a b* c) DEFINE c AS c.price > 1000 AND c.note = a.note);
        INSERT INTO seen SELECT symbol, price FROM ticks WHERE symbol = 7 OR symbol % 100000 = 9;
        END;"""
    with tempfile.TemporaryDirectory() as scratch, Cluster(scratch, workers=3, slots=1) as cluster:
        job = cluster.submit("job", sql, "-p", "2")
        state = cluster.scratch / "cluster/checkpoints/job/state"
        while directory_bytes(state) < megabytes * 1_000_000:
            time.sleep(1)
        print(f"{directory_bytes(state) / 1e6:.0f} MB of state after {cluster.ask('job', 'show', job)[0]['rows_in']:,} rows", flush=True)
        busy = {worker["worker"] for worker in cluster.ask("worker", "list") if worker["free"] == 0}
        victim = next(index for index in range(3) if f"worker-{index}" in busy)
        cluster.workers[victim][0].kill()
        killed = time.monotonic()
        cluster.until(job, lambda job: job["state"] != "RUNNING")
        noticed = time.monotonic()
        seen = cluster.scratch / "seen"
        visible = lambda: sum(1 for file in seen.rglob("*") if file.is_file() and not file.name.startswith((".", "_")))
        cluster.until(job, lambda job: job["state"] == "RUNNING" and job["rows_out"] > 0)
        back = time.monotonic()
        before = visible()
        while visible() == before:
            time.sleep(0.05)
        print(f"worker lost: noticed after {noticed - killed:.1f} s, rows out {back - noticed:.1f} s later, "
              f"committed {time.monotonic() - noticed:.1f} s later")


def failover():
    sql = pattern_job(100_000_000, "'connector' = 'filesystem', 'path' = 'out', 'format' = 'csv'", "'rows-per-second' = '20000',")
    with tempfile.TemporaryDirectory() as scratch, Cluster(scratch, coordinators=2, workers=2) as cluster:
        job = cluster.submit("job", sql, "-p", "2")
        cluster.until(job, lambda job: job["rows_in"] > 50_000)
        before = cluster.ask("job", "show", job)[0]["rows_in"]
        cluster.coordinators[0][0].kill()
        killed = time.monotonic()
        shown = cluster.until(job, lambda job: job["state"] == "RUNNING" and job["rows_in"] > before)
        back = time.monotonic() - killed
        lines = [line["message"] for line in cluster.ask("job", "logs", job)]
        anew = any(line.startswith("DEPLOYING") for line in lines)
        print(f"leader lost: the job is led again after {back:.1f} s; {shown['rows_in'] - before:,} rows have come in since, "
              f"{(shown['rows_in'] - before) / back:,.0f} a second; {'started anew' if anew else 'its tasks have run on'}")


def schedule(jobs=200):
    with tempfile.TemporaryDirectory() as scratch, Cluster(scratch, workers=4, slots=jobs) as cluster:
        # Four tasks: two that read, two that match and write; one row a second.
        pace = "'rows-per-second' = '1',"
        sql = [pattern_job(1_000_000, "'connector' = 'blackhole'", pace, extra=f"SET 'pipeline.name' = 'job-{n}';", interval="10 min") for n in range(jobs)]
        files = []
        for n, text in enumerate(sql):
            file = cluster.scratch / f"job-{n}.sql"
            file.write_text(text)
            files.append(file)
        begun = time.monotonic()
        waiting = list(files)
        running = []
        while waiting or running:
            while waiting and len(running) < 4:
                running.append(subprocess.Popen([DIPPER, "-q", "job", "submit", str(waiting.pop()), "-p", "2", "--cluster",
                                                 cluster.addresses], stdout=subprocess.DEVNULL))
            running = [process for process in running if process.poll() is None]
            time.sleep(0.005)
        submitted = time.monotonic()
        while sum(job["state"] == "RUNNING" for job in cluster.ask("job", "list")) < jobs:
            time.sleep(0.1)
        print(f"{jobs} jobs: submitted in {submitted - begun:.1f} s, all running after {time.monotonic() - begun:.1f} s", flush=True)
        time.sleep(15)
        coordinator = cluster.coordinators[0][0].pid
        ticks = lambda: sum(map(int, pathlib.Path(f"/proc/{coordinator}/stat").read_text().rsplit(")", 1)[1].split()[11:13]))
        before = ticks()
        time.sleep(60)
        print(f"coordinator: {(ticks() - before) / os.sysconf('SC_CLK_TCK') / 60 * 100:.2f} % of a core over 60 s")


def main():
    verbs = {verb.__name__: verb for verb in (throughput, recover, failover, schedule)}
    if len(sys.argv) < 2 or sys.argv[1] not in verbs:
        sys.exit(__doc__)
    verbs[sys.argv[1]](*map(int, sys.argv[2:]))


main()
