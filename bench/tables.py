#!/usr/bin/env python3
"""Tables that a job writes while clients read them: every figure comes from real processes on this machine, and every answer is checked.

    cargo build --release --locked
    python3 -m venv target/bench-1 && target/bench-1/bin/pip install 'psycopg[binary]' deltalake pyarrow datafusion==55.0.0
    target/bench-1/bin/python bench/tables.py readers       8 clients query a table of a million rows, to which a job commits each second
    target/bench-1/bin/python bench/tables.py kills [N]     kill -9, N times (50), of a server that runs the job, then of the two apart
    target/bench-1/bin/python bench/tables.py scan [ROWS]   queries of 10,000,000 rows, against DataFusion on the same files

Exits with 1 if a bound is missed or an answer is wrong; then the directory stays, and its name is said.
"""
import argparse, collections, json, multiprocessing, os, pathlib, random, re, shutil, signal, statistics, subprocess, sys, tempfile, threading, time

import psycopg

ROOT = pathlib.Path(__file__).resolve().parent.parent
TABLES = ("ticks", "counts")
KEYS, NAMES = 100, 1000
# Both tables follow from how many numbers have been counted, so that each of their states can be computed.
TICKS = "CREATE TABLE ticks (id BIGINT, k INT, name STRING);"
FILL = TICKS + """
    CREATE TEMPORARY TABLE first (id BIGINT) WITH ('connector' = 'datagen', 'rows-per-second' = '0',
      'fields.id.kind' = 'sequence', 'fields.id.end' = '{last}');
    INSERT INTO ticks SELECT id, CAST(id % 100 AS INT), 'name ' || CAST(id % 1000 AS STRING) FROM first;"""
JOB = TICKS + """
    SET 'pipeline.name' = 'writes';
    SET 'state.checkpoints.dir' = 'checkpoints';
    SET 'execution.checkpointing.interval' = '{interval}';
    CREATE TABLE counts (k INT, n BIGINT, id BIGINT, PRIMARY KEY (k) NOT ENFORCED);
    CREATE TEMPORARY TABLE made (id BIGINT) WITH ('connector' = 'datagen', 'rows-per-second' = '2000', 'fields.id.kind' = 'sequence',
      'fields.id.start' = '{start}'{end});
    EXECUTE STATEMENT SET BEGIN
      INSERT INTO ticks SELECT id, CAST(id % 100 AS INT), 'name ' || CAST(id % 1000 AS STRING) FROM made;
      INSERT INTO counts SELECT CAST(id % 100 AS INT), id / 100 + 1, id FROM made;
    END;"""
MISSED = []


def bound(what, value, limit, unit="", at_least=False):
    """Says what was measured and what is asked for."""
    is_met = value >= limit if at_least else value <= limit
    print(f"{what}: {value:,.2f}{unit}, {'at least' if at_least else 'at most'} {limit:,.2f}{unit}{'' if is_met else '  MISSED'}", flush=True)
    if not is_met:
        MISSED.append(what)


def until(is_so, otherwise, seconds=120):
    begun = time.monotonic()
    while time.monotonic() - begun < seconds:
        if result := is_so():
            return result
        time.sleep(0.02)
    raise AssertionError(f"{otherwise()}, after {seconds} s")


def equal(actual, expected):
    assert actual == expected, f"{str(actual)[:1000]}\nshould be: {str(expected)[:1000]}"


class Process(subprocess.Popen):
    def __init__(self, command, directory, log):
        self.log = log
        with open(log, "w") as out:
            super().__init__(command, cwd=directory, stdout=out, stderr=out)

    def runs(self):
        assert self.poll() is None, f"{self.args} has ended: {self.log.read_text()[-2000:]}"

    def port(self):
        """Of a server, once it listens."""
        def said():
            self.runs()
            return re.search(r"Postgres protocol at \S+:(\d+)", self.log.read_text())
        return until(said, self.log.read_text, 1200).group(1)

    def end(self):
        self.kill()
        self.wait()

    def megabytes(self):
        return int(re.search(r"VmRSS:\s+(\d+)", pathlib.Path(f"/proc/{self.pid}/status").read_text()).group(1)) / 1000


def connect(port):
    return psycopg.connect(f"host=127.0.0.1 port={port} dbname=dipper user=dipper", autocommit=True)


class Dipper:
    """Processes that share a directory. Whatever ends the script ends them."""

    def __init__(self, binary):
        self.binary, self.processes = str(pathlib.Path(binary).resolve()), []
        self.scratch = pathlib.Path(tempfile.mkdtemp(prefix="dipper-tables-", dir=os.environ.get("SCRATCH")))

    def file(self, name, text):
        (self.scratch / name).write_text(text)
        return name

    def start(self, *arguments):
        self.processes.append(Process([self.binary, "-v", *arguments], self.scratch, self.scratch / f"log-{len(self.processes)}"))
        return self.processes[-1]

    def serve(self, *files):
        return self.start("serve", *files, "--listen-postgres", "127.0.0.1:0")

    def ask(self, *arguments):
        done = subprocess.run([self.binary, *arguments], cwd=self.scratch, capture_output=True, text=True)
        assert done.returncode == 0, f"{arguments}: {done.stderr[-2000:]}"
        return done.stdout

    def directory(self, table):
        created = self.scratch.glob("warehouse/tables/*/_delta_log/00000000000000000000.json")
        return next((file.parent.parent for file in created if f'"name":"{table}"' in file.read_text()), None)

    def versions(self, table):
        """The lines of the table's log, version by version."""
        directory = self.directory(table)
        files = sorted(directory.glob("_delta_log/" + 20 * "[0-9]" + ".json")) if directory else []
        return [[json.loads(line) for line in file.read_text().splitlines()] for file in files]

    def committed(self, table):
        """How many numbers had been counted at each version: what the log says of the greatest one in its files."""
        counted = {0}
        for lines in self.versions(table):
            adds = [json.loads(line["add"]["stats"]) for line in lines if "add" in line and line["add"]["dataChange"]]
            counted |= {1 + max(statistics["maxValues"]["id"] for statistics in adds)} if adds else set()
        return counted

    def covered(self):
        """How many numbers the last checkpoint covers, for each table of which it holds rows."""
        covered = {}
        for committable in json.loads(self.ask("checkpoint", "show", "checkpoints/writes", "-o", "json"))["committables"]:
            staged = json.loads(committable["staged"])
            files = staged["files"] + [file for change in staged["changes"] for file in change["rows"]]
            covered[committable["table"]] = 1 + max(file["statistics"]["columns"]["id"]["max"]["Integer"] for file in files)
        return covered

    def await_commits(self, more_than):
        until(lambda: all(max(self.committed(table)) > more_than for table in TABLES), lambda: "the job commits nothing")

    def __enter__(self):
        return self

    def __exit__(self, kind, *_):
        for process in self.processes:
            process.end()
        if kind is None:
            shutil.rmtree(self.scratch)
        else:
            print(f"what is left of it: {self.scratch}", flush=True)


def members(n, modulus, rest):
    """Count and sum of the numbers below n that leave this rest."""
    count = (n - rest + modulus - 1) // modulus
    return count, rest * count + modulus * count * (count - 1) // 2


# Each asks, checks the answer, and returns the table and how many numbers it has seen there.
def whole(ask, _=None, count="COUNT(id)"):
    (n, *others), = ask(f"SELECT COUNT(*), {count}, MIN(id), MAX(id), SUM(id) FROM ticks")
    equal(others, [n, 0, n - 1, n * (n - 1) // 2])
    return "ticks", n


def filters(ask, dice):
    column, modulus, value = dice.choice([("k", KEYS, int), ("name", NAMES, "name {}".format)])
    rest = dice.randrange(modulus)
    (count, total, n), = ask(f"SELECT COUNT(*), SUM(id), (SELECT MAX(id) + 1 FROM ticks) FROM ticks WHERE {column} = %s", [value(rest)])
    equal((count, total), members(n, modulus, rest))
    return "ticks", n


def groups(ask, _):
    rows = ask("SELECT k, COUNT(*), SUM(id), (SELECT COUNT(*) FROM ticks) AS n FROM ticks GROUP BY k")
    n = sum(count for _, count, _, _ in rows)
    equal(sorted(rows), [(k, *members(n, KEYS, k), n) for k in range(KEYS)])
    return "ticks", n


def rows_by_key(ask, _=None):
    rows = ask("SELECT k, n, id FROM counts")
    n = 1 + max(id for _, _, id in rows)
    # The last number of each key, and how many have come to it.
    equal(sorted(rows), [(k, members(n, KEYS, k)[0], n - 1 - (n - 1 - k) % KEYS) for k in range(KEYS)])
    return "counts", n


QUESTIONS = (whole, filters, groups, rows_by_key)
Answer = collections.namedtuple("Answer", "question at ms table n wrong")


def client(port, queries, seed):
    dice, seen, answers = random.Random(seed), collections.Counter(), []
    with connect(port) as connection:
        for number in range(queries):
            question, table, n, wrong = QUESTIONS[(number + seed) % len(QUESTIONS)], None, None, None
            begun = time.monotonic()
            try:
                table, n = question(lambda *query: connection.execute(*query).fetchall(), dice)
                assert n >= seen[table], f"{table} has {n} numbers after {seen[table]}"
                seen[table] = n
            except (AssertionError, ValueError, psycopg.Error) as error:
                wrong = f"{type(error).__name__}: {error}"
            answers.append(Answer(question.__name__, time.monotonic(), 1000 * (time.monotonic() - begun), table, n, wrong))
    return answers


def readers(dipper, clients, queries, rows):
    server = dipper.serve(dipper.file("fill.sql", FILL.format(last=rows - 1)), dipper.file("job.sql", JOB.format(interval="1 s", start=rows, end="")))
    port = server.port()
    dipper.await_commits(more_than=rows)
    known, begun, memory = len(dipper.versions("ticks")), time.monotonic(), []
    with multiprocessing.Pool(clients, signal.signal, (signal.SIGTERM, signal.SIG_DFL)) as pool:
        asked = pool.starmap_async(client, [(port, queries, seed) for seed in range(clients)], chunksize=1)
        while not asked.ready():
            memory.append((time.monotonic(), server.megabytes()))
            asked.wait(0.2)
        of_clients = asked.get()
    seconds, versions = time.monotonic() - begun, dipper.versions("ticks")[known:]
    server.runs()
    warm = max(answers[min(25, queries) - 1].at for answers in of_clients)
    answers, states = sum(of_clients, []), {table: dipper.committed(table) for table in TABLES}
    wrong = [f"{answer.question}: {answer.wrong}" for answer in answers if answer.wrong]
    wrong += [f"no version of {answer.table} has {answer.n} numbers" for answer in answers if not answer.wrong and answer.n not in states[answer.table]]
    print(*wrong[:10], sep="\n", end="\n" if wrong else "")
    for name in [question.__name__ for question in QUESTIONS] + ["all"]:
        ms = [answer.ms for answer in answers if name in (answer.question, "all")]
        p95 = statistics.quantiles(ms, n=20)[-1]
        print(f"{name:12} {len(ms):5} times: p50 {statistics.median(ms):6.1f} ms, p95 {p95:6.1f} ms, longest {max(ms):6.1f} ms")
    seen = {answer.n for answer in answers if answer.table == "ticks"}
    print(f"{seconds:.1f} s; {len(seen)} versions of the table were seen, the last one of {max(seen, default=0):,} rows")
    bound("p95", p95, 150, " ms")
    bound("errors and wrong answers", len(wrong), 0)
    compactions = sum(any("remove" in line and not line["remove"]["dataChange"] for line in lines) for lines in versions)
    bound("commits of the job, a second", (len(versions) - compactions) / seconds, 0.7, at_least=True)
    bound("compactions meanwhile", compactions, 1, at_least=True)
    # A single figure depends on the queries of the moment: hence the most so far.
    most = [max(mb for at, mb in memory if at <= until) for until in (begun + 1, warm, begun + seconds / 2, begun + seconds)]
    print("the most memory of the server after {:.0f} s, {:.0f} s (each client has asked 25 times), half and all of the time: "
          "{:.0f}, {:.0f}, {:.0f}, {:.0f} MB; {:.0f} MB at the end".format(1, warm - begun, *most, memory[-1][1]))
    bound("the most memory", most[3], 1.1 * most[2] + 50, " MB")


class Churn(threading.Thread):
    """Creates, fills and drops tables until the server is gone. `known`: for each what it may have, no table (None) or a sum of its rows."""

    def __init__(self, port, known):
        super().__init__(daemon=True)
        self.port, self.known, self.is_over, self.error = port, known, False, None
        self.start()

    def run(self):
        try:
            with connect(self.port) as connection:
                while not self.is_over:
                    name, before = f"churn_{len(self.known)}", None
                    steps = [(f"CREATE TABLE {name} (a BIGINT)", 0), (f"INSERT INTO {name} VALUES (7)", 7), (f"DROP TABLE {name}", None)]
                    for statement, after in steps[:random.choice([2] + 9 * [3])]:
                        self.known[name] = {before, after}
                        connection.execute(statement)
                        self.known[name], before = {after}, after
        except psycopg.Error as error:
            # A connection that breaks has no code.
            self.error = error if error.sqlstate else None

    def end(self):
        self.is_over = True
        self.join()
        if self.error:
            raise self.error


def check_catalog(ask, known):
    listed = {name for name, in ask("SHOW TABLES")}
    assert listed >= {*TABLES}, listed
    for name, allowed in known.items():
        if name in listed or allowed != {None}:
            (found,), = ask(f"SELECT COALESCE(SUM(a), 0) FROM {name}") if name in listed else [(None,)]
            assert found in allowed, f"{name} has {found}, which should be one of {allowed}"
            known[name] = {found}


def delta_rows(dipper, query):
    """What delta-rs makes of the files, without a server."""
    import deltalake, pyarrow
    engine = deltalake.QueryBuilder()
    for table in TABLES:
        engine = engine.register(table, deltalake.DeltaTable(str(dipper.directory(table))))
    columns = pyarrow.table(engine.execute(query).read_all()).columns
    return list(zip(*(column.to_pylist() for column in columns)))


def kills(dipper, number):
    endless = dipper.file("job.sql", JOB.format(interval="200 ms", start=0, end=""))
    seen, covered, known, alive, killed = dict.fromkeys(TABLES, 0), dict.fromkeys(TABLES, 0), {}, {}, collections.Counter()

    def look(ask):
        """Each table is as some commit has made it, and no older than before. They have sources of their own, so that one may be ahead."""
        for table, n in (whole(ask, count="COUNT(DISTINCT id)"), rows_by_key(ask)):
            assert n >= seen[table], f"{table} has {n} numbers after {seen[table]}"
            assert n in dipper.committed(table), f"no version of {table} has {n} numbers"
            seen[table] = n

    def look_by_delta():
        look(lambda query: delta_rows(dipper, query))

    def look_at_checkpoint():
        """Of a job that does not run any more: no table has what the last checkpoint does not cover."""
        for table, n in dipper.covered().items():
            assert seen[table] <= n, f"{table} has {seen[table]} numbers, and the checkpoint covers {n}"
            covered[table] = n

    def look_by_server():
        with connect(alive["server"].port()) as connection:
            ask = lambda query: connection.execute(query).fetchall()
            look(ask)
            check_catalog(ask, known)
        return all(seen[table] >= covered[table] for table in TABLES)

    for kill in range(number):
        together = kill < number // 2
        if kill == number // 2 and alive:
            alive.pop("server").end()
        if "server" not in alive:
            alive["server"] = dipper.serve(*[endless] * together)
        if "job" not in alive and not together:
            alive["job"] = dipper.start("run", endless)
        churn = None
        if kill == 0:
            dipper.await_commits(more_than=0)
        if kill == 0 or random.random() < 0.75:
            until(look_by_server, lambda: f"checkpoints cover {covered}, and {seen} is there")
            churn = Churn(alive["server"].port(), known)
            time.sleep(random.uniform(0.2, 3))
        else:
            killed["while something started"] += 1
            time.sleep(random.uniform(0, 0.3))
        victim = random.choice(sorted(alive))
        alive[victim].runs()
        alive.pop(victim).end()
        killed["server with the job" if together else victim] += 1
        if churn:
            churn.end()
        look_by_delta()
        if together or victim == "job":
            look_at_checkpoint()
        if "server" in alive:
            look_by_server()
        print(f"kill {kill + 1} ({victim}): {seen}, the last checkpoint known covers {covered}; {len(known)} tables have come and gone", flush=True)
    for process in alive.values():
        process.end()
    look_by_delta()
    look_at_checkpoint()
    # The same job with an end: what was lost or came twice on the way would show.
    last = 1000 + max(*seen.values(), *covered.values())
    dipper.ask("run", dipper.file("ends.sql", JOB.format(interval="200 ms", start=0, end=f", 'fields.id.end' = '{last - 1}'")))
    look_by_delta()
    alive["server"] = dipper.serve()
    look_by_server()
    print(f"killed: {dict(killed)}")
    bound("numbers lost", sum(max(0, last - n) for n in seen.values()), 0)
    bound("numbers too many", sum(max(0, n - last) for n in seen.values()), 0)


SCANNED = """
    CREATE TABLE scanned (id BIGINT, few INT, many INT, word STRING, amount DOUBLE);
    CREATE TEMPORARY TABLE made (id BIGINT, few INT, many INT, n INT, amount DOUBLE) WITH ('connector' = 'datagen', 'number-of-rows' = '{rows}',
      'fields.id.kind' = 'sequence', 'fields.few.min' = '1', 'fields.few.max' = '8', 'fields.many.min' = '1', 'fields.many.max' = '1000000',
      'fields.n.min' = '1', 'fields.n.max' = '1000', 'fields.amount.min' = '0', 'fields.amount.max' = '100');
    INSERT INTO scanned SELECT id, few, many, 'word ' || CAST(n AS STRING), amount FROM made;"""
SCANS = {
    "count": "SELECT COUNT(*) FROM scanned",
    "range of ids": "SELECT COUNT(*), SUM(few) FROM scanned WHERE id BETWEEN 5000 AND 6000",
    "ten rows": "SELECT COUNT(*), SUM(id), MAX(amount) FROM scanned WHERE many = 4711",
    "half of the rows": "SELECT COUNT(*), SUM(id), MAX(amount) FROM scanned WHERE few <= 4",
    "text is equal": "SELECT COUNT(*), SUM(id), MAX(amount) FROM scanned WHERE word = 'word 7'",
    "8 groups": "SELECT few, COUNT(*), SUM(id), MAX(amount) FROM scanned GROUP BY few ORDER BY few",
    "1,000 groups": "SELECT word, COUNT(*), SUM(id), MAX(amount) FROM scanned GROUP BY word ORDER BY word",
    "1,000,000 groups": "SELECT many, COUNT(*) AS n, SUM(id) AS total FROM scanned GROUP BY many ORDER BY n DESC, many LIMIT 10",
}


def scan(dipper, rows, runs):
    import datafusion, deltalake
    dipper.ask("run", dipper.file("fill.sql", SCANNED.format(rows=rows)))
    files = dipper.scratch / "files"
    files.mkdir()
    for file in map(pathlib.Path, deltalake.DeltaTable(str(dipper.directory("scanned"))).file_uris()):
        os.link(file, files / file.name)
    sizes = [file.stat().st_size for file in files.iterdir()]
    context = datafusion.SessionContext()
    context.register_parquet("scanned", str(files))
    with connect(dipper.serve().port()) as connection:
        def by_dipper(query):
            return connection.execute(query).fetchall()

        def by_datafusion(query):
            return [tuple(row.values()) for batch in context.sql(query).collect() for row in batch.to_pylist()]

        def medians(query):
            """Milliseconds of both in turn, warmed up."""
            took = {by_dipper: [], by_datafusion: []}
            for _ in range(runs + 2):
                for engine, ms in took.items():
                    begun = time.perf_counter()
                    engine(query)
                    ms.append(1000 * (time.perf_counter() - begun))
            return [statistics.median(ms[2:]) for ms in took.values()]

        round_trip, _ = medians("SELECT 1")
        print(f"{rows:,} rows, {sum(sizes) / 1e6:,.1f} MB in {len(sizes)} files; DataFusion {datafusion.__version__}; medians of {runs} runs in turn; "
              f"a round trip to the server (SELECT 1, {round_trip:.2f} ms) is not counted")
        for name, query in SCANS.items():
            equal(by_dipper(query), by_datafusion(query))
            dipper_ms, datafusion_ms = medians(query)
            bound(f"{name:16} Dipper {dipper_ms:8.2f} ms, DataFusion {datafusion_ms:8.2f} ms; ratio", max(0, dipper_ms - round_trip) / datafusion_ms, 1.5)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--dipper", default=os.environ.get("DIPPER", ROOT / "target/release/dipper"), help="the binary (target/release/dipper)")
    verbs = parser.add_subparsers(dest="verb", required=True)
    options = {readers: {"--clients": 8, "--queries": 200, "--rows": 1_000_000}, kills: {"number": 50}, scan: {"rows": 10_000_000, "--runs": 9}}
    for verb, defaults in options.items():
        arguments = verbs.add_parser(verb.__name__)
        for name, default in defaults.items():
            arguments.add_argument(name, type=int, default=default, **({} if name.startswith("-") else {"nargs": "?"}))
    given = vars(parser.parse_args())
    binary, verb = given.pop("dipper"), globals()[given.pop("verb")]
    signal.signal(signal.SIGTERM, lambda *_: sys.exit("terminated"))
    with Dipper(binary) as dipper:
        verb(dipper, **given)
        if MISSED:
            sys.exit(1)


if __name__ == "__main__":
    main()
