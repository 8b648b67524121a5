"""ADBC's PostgreSQL driver reads whole tables as Arrow, by COPY in its binary format, and lists what there is.

`adbc_postgres.py PORT`, for a Postgres server with the tables of tables.sql.
"""
import datetime
import decimal

import adbc_driver_manager
import adbc_driver_postgresql.dbapi

from expected import COLUMNS, EXPENSIVE, TICKS, TRADES, equal, fails, port, run, tick, trade


def connect():
    return adbc_driver_postgresql.dbapi.connect(f"postgresql://dipper@127.0.0.1:{port()}/dipper", autocommit=True)


def plain(rows):
    """ADBC gives decimals as text."""
    return [tuple(decimal.Decimal(value) if at == 2 else value for at, value in enumerate(row)) for row in rows]


def a_table_is_read():
    with connect() as connection, connection.cursor() as cursor:
        cursor.execute("SELECT * FROM trades ORDER BY id")
        table = cursor.fetch_arrow_table()
        equal(table.column_names, COLUMNS)
        equal([str(table.schema.field(name).type) for name in ("id", "symbol", "quantity", "rate", "is_buy", "day", "ts")],
              ["int64", "string", "int32", "double", "bool", "date32[day]", "timestamp[us]"])
        rows = list(zip(*(column.to_pylist() for column in table.columns)))
        equal(plain(rows), TRADES)
        equal([row[2] for row in rows], [str(row[2]) for row in TRADES])


def batches_stream():
    with connect() as connection, connection.cursor() as cursor:
        cursor.execute("SELECT * FROM ticks ORDER BY n")
        reader = cursor.fetch_record_batch()
        rows = [row for batch in reader for row in zip(*(column.to_pylist() for column in batch.columns))]
        equal(rows, [tick(n) for n in range(1, TICKS + 1)])


def a_view_and_nothing_are_read():
    with connect() as connection, connection.cursor() as cursor:
        cursor.execute("SELECT * FROM expensive ORDER BY id")
        equal(plain(cursor.fetchall()), EXPENSIVE)
        cursor.execute("SELECT * FROM trades WHERE id < 0")
        equal(cursor.fetchall(), [])


def other_types_are_read():
    with connect() as connection, connection.cursor() as cursor:
        cursor.execute("""SELECT CAST(-32768 AS SMALLINT), CAST(0.5 AS REAL), CAST('abc' AS BYTEA), CAST('10:11:12.000001' AS TIME(6)),
          CAST('1969-12-31 23:59:59.999999+00' AS TIMESTAMP(6) WITH TIME ZONE), ARRAY['a', NULL, 'b'], CAST(NULL AS INT)""")
        instant = datetime.datetime(1969, 12, 31, 23, 59, 59, 999999, datetime.timezone.utc)
        equal(cursor.fetchone(), (-32768, 0.5, b"abc", datetime.time(10, 11, 12, 1), instant, ["a", None, "b"], None))


def parameters_arrive():
    with connect() as connection, connection.cursor() as cursor:
        for i in (1, 9, 1000):
            cursor.execute("SELECT * FROM trades WHERE id = $1 AND symbol = $2", (i, trade(i)[1]))
            equal(plain(cursor.fetchall()), [trade(i)])
        cursor.execute("SELECT id FROM trades WHERE ts = $1", (trade(5)[7],))
        equal(cursor.fetchall(), [(5,)])


def objects_are_listed():
    with connect() as connection:
        equal(connection.adbc_get_info()["vendor_name"], "PostgreSQL")
        equal(connection.adbc_get_table_schema("trades", db_schema_filter="public").names, COLUMNS)
        assert "table" in connection.adbc_get_table_types()
        [catalog] = connection.adbc_get_objects(depth="all").read_all().to_pylist()
        [schema] = catalog["catalog_db_schemas"]
        equal((catalog["catalog_name"], schema["db_schema_name"]), ("dipper", "public"))
        tables = {table["table_name"]: table for table in schema["db_schema_tables"]}
        equal([tables[name]["table_type"] for name in ("trades", "ticks", "expensive")], ["table", "table", "view"])
        columns = sorted(tables["trades"]["table_columns"], key=lambda column: column["ordinal_position"])
        equal([column["column_name"] for column in columns], COLUMNS)
        equal(columns[0]["remarks"], "counts from 1")
        keys = [(key["constraint_type"], key["constraint_column_names"]) for key in tables["trades"]["table_constraints"]]
        equal(keys, [("PRIMARY KEY", ["id"])])
        filters = {"db_schema_filter": "public", "table_name_filter": "t%s", "table_types_filter": ["table", "foreign_table"]}
        [catalog] = connection.adbc_get_objects(depth="tables", **filters).read_all().to_pylist()
        equal(sorted(table["table_name"] for table in catalog["catalog_db_schemas"][0]["db_schema_tables"]), ["ticks", "trades"])


def errors_are_clear():
    with connect() as connection, connection.cursor() as cursor:
        error = fails(adbc_driver_manager.Error, cursor.execute, "SELECT * FROM nowhere")
        equal(error.sqlstate, "42P01")
        assert "nowhere" in str(error), error
        cursor.execute("SELECT 1")
        equal(cursor.fetchone(), (1,))


run(
    a_table_is_read,
    batches_stream,
    a_view_and_nothing_are_read,
    other_types_are_read,
    parameters_arrive,
    objects_are_listed,
    errors_are_clear,
)
