"""DuckDB attaches the server as a database and reads its tables in parallel, by binary COPY.

`duckdb_postgres.py PORT`, for a Postgres server with the tables of tables.sql.
"""
import duckdb
import duckdb_extension_postgres_scanner

from duckdb_extensions import load
from expected import COLUMNS, EXPENSIVE, TICKS, TRADES, equal, fails, port, run, tick

ADDRESS = f"host=127.0.0.1 port={port()} dbname=dipper user=dipper"


def attached():
    connection = duckdb.connect()
    load(connection, duckdb_extension_postgres_scanner)
    connection.execute(f"ATTACH '{ADDRESS}' AS dipper (TYPE postgres, READ_ONLY)")
    return connection


def tables_and_columns_are_known():
    connection = attached()
    tables = {(row[1], row[2]) for row in connection.execute("SHOW ALL TABLES").fetchall() if row[0] == "dipper"}
    assert {("public", "trades"), ("public", "ticks"), ("public", "expensive")} <= tables, tables
    columns = connection.execute("DESCRIBE dipper.public.trades").fetchall()
    equal([column[0] for column in columns], COLUMNS)
    equal([column[1] for column in columns],
          ["BIGINT", "VARCHAR", "DECIMAL(12,4)", "INTEGER", "DOUBLE", "BOOLEAN", "DATE", "TIMESTAMP", "VARCHAR"])


def tables_are_read():
    connection = attached()
    equal(connection.execute("SELECT * FROM dipper.trades ORDER BY id").fetchall(), TRADES)
    equal(connection.execute("SELECT * FROM dipper.public.ticks ORDER BY n").fetchall(), [tick(n) for n in range(1, TICKS + 1)])
    equal(connection.execute("SELECT * FROM dipper.expensive ORDER BY id").fetchall(), EXPENSIVE)


def filters_are_pushed_down():
    connection = attached()
    connection.execute("SET pg_experimental_filter_pushdown = true")
    query = "SELECT id, note FROM dipper.trades WHERE symbol = 'ACME' AND day >= DATE '2001-01-01' AND price < 300.5 ORDER BY id LIMIT 9"
    expected = [(r[0], r[8]) for r in TRADES if r[1] == "ACME" and r[6].year >= 2001 and r[2] < 300.5]
    equal(connection.execute(query).fetchall(), expected[:9])
    query = "SELECT t.symbol, count(*) FROM dipper.ticks AS k JOIN dipper.trades AS t ON k.n = t.id GROUP BY ALL ORDER BY ALL"
    equal(connection.execute(query).fetchall(), [("ACME", 250), ("BOLT", 250), ("CORE", 250), ("DART", 250)])


def queries_go_through():
    connection = attached()
    query = "SELECT * FROM postgres_query('dipper', 'SELECT symbol, max(price) FROM trades GROUP BY symbol ORDER BY symbol')"
    expected = [(name, max(row[2] for row in TRADES if row[1] == name)) for name in ("ACME", "BOLT", "CORE", "DART")]
    # What the server says of the aggregate's scale is its own matter.
    # DuckDB puts the query into a subquery, whose order is nobody's.
    equal([(name, float(price)) for name, price in sorted(connection.execute(query).fetchall())], [(name, float(price)) for name, price in expected])
    fails(duckdb.Error, connection.execute, "SELECT * FROM postgres_query('dipper', 'SELECT * FROM nowhere')")
    equal(connection.execute("SELECT count(*) FROM dipper.trades").fetchone(), (1000,))


def a_table_is_copied_into_duckdb():
    connection = attached()
    connection.execute("CREATE TABLE mine AS FROM dipper.ticks")
    equal(connection.execute("SELECT count(*), sum(n), count(DISTINCT symbol) FROM mine").fetchone(), (TICKS, TICKS * (TICKS + 1) // 2, 100))


run(
    tables_and_columns_are_known,
    tables_are_read,
    filters_are_pushed_down,
    queries_go_through,
    a_table_is_copied_into_duckdb,
)
