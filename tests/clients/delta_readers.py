"""Other engines read the files of Dipper's tables as they are, without Dipper: delta-rs, DuckDB and Polars.

`delta_readers.py TRADES TICKS`, the directories of the two tables of tables.sql.
"""
import sys

import deltalake
import duckdb
import duckdb_extension_delta
import polars
import pyarrow

from duckdb_extensions import load
from expected import COLUMNS, TICKS, TRADES, equal, run, tick

TRADES_AT, TICKS_AT = sys.argv[1:3]


def deltalake_reads_them():
    # A table with a primary key may have deletion vectors, which delta-rs reads by its own engine only.
    engine = deltalake.QueryBuilder().register("trades", deltalake.DeltaTable(TRADES_AT))
    table = pyarrow.table(engine.execute("SELECT * FROM trades ORDER BY id").read_all())
    equal(table.column_names, COLUMNS)
    equal(list(zip(*(column.to_pylist() for column in table.columns))), TRADES)
    equal(deltalake.DeltaTable(TICKS_AT).to_pyarrow_table().num_rows, TICKS)


def duckdb_reads_them():
    connection = duckdb.connect()
    load(connection, duckdb_extension_delta)
    equal(connection.execute("SELECT * FROM delta_scan(?) ORDER BY id", [TRADES_AT]).fetchall(), TRADES)
    equal(connection.execute("SELECT * FROM delta_scan(?) ORDER BY n LIMIT 2 OFFSET 50000", [TICKS_AT]).fetchall(), [tick(50_001), tick(50_002)])
    equal(connection.execute("SELECT count(*), sum(n) FROM delta_scan(?)", [TICKS_AT]).fetchone(), (TICKS, TICKS * (TICKS + 1) // 2))


def polars_reads_them():
    equal(polars.read_delta(TRADES_AT).sort("id").rows(), TRADES)
    found = polars.scan_delta(TICKS_AT).filter(polars.col("n") > TICKS - 2).sort("n").collect()
    equal(found.rows(), [tick(TICKS - 1), tick(TICKS)])


run(deltalake_reads_them, duckdb_reads_them, polars_reads_them)
