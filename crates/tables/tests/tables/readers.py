"""Reads tables with Python deltalake and DuckDB, and lets deltalake write to them. Commands come on standard input as JSON, one a line, and
answers go to standard output likewise."""
import datetime
import json
import os
import sys

import deltalake
import duckdb
import duckdb_extension_delta
import pyarrow as pa

EXTENSIONS = os.path.join(os.path.dirname(duckdb_extension_delta.__file__), "extensions")
DUCKDB = duckdb.connect()
for folder, _, files in os.walk(EXTENSIONS):
    for file in files:
        if file.endswith(".duckdb_extension"):
            DUCKDB.execute(f"LOAD '{os.path.join(folder, file)}'")


def plain(rows):
    return [[value if value is None or isinstance(value, (int, str)) else str(value) for value in row] for row in rows]


def query(command):
    """Runs queries over the table `t` with every engine."""
    path, version = command["table"], command.get("version")
    table = deltalake.DeltaTable(path, version=version)
    answer = {"version": table.version(), "deltalake": [], "duckdb": []}
    if "application" in command:
        answer["epoch"] = table.transaction_version(command["application"])
    for sql in command["queries"]:
        engine = deltalake.QueryBuilder().register("t", table)
        found = pa.table(engine.execute(sql).read_all()).to_pylist()
        answer["deltalake"].append(plain(row.values() for row in found))
        if version is None:
            scan = sql.replace("FROM t", f"FROM delta_scan('{path}')")
            answer["duckdb"].append(plain(DUCKDB.execute(scan).fetchall()))
    if command.get("pandas"):
        answer["pyarrow"] = table.to_pyarrow_table().num_rows
    return answer


def write(command):
    """Changes a table of the columns `id` and `name` as another engine does."""
    path = command["table"]
    rows = pa.table({"id": pa.array(command["ids"], pa.int64()), "name": pa.array([None] * len(command["ids"]), pa.string())})
    deltalake.write_deltalake(path, rows, mode="append", partition_by=command.get("partition_by"))
    table = deltalake.DeltaTable(path)
    if command.get("compact"):
        table.optimize.compact()
    if command.get("checkpoint"):
        table.create_checkpoint()
    return {"version": deltalake.DeltaTable(path).version()}


for line in sys.stdin:
    command = json.loads(line)
    print(json.dumps({"query": query, "write": write}[command["do"]](command)), flush=True)
