"""ADBC's Flight SQL driver reads tables as Arrow, binds parameters, lists what there is, writes, and is told of errors.

`adbc_flight.py PORT`, for a Flight SQL server with the tables of tables.sql.
"""
import datetime
import threading

import adbc_driver_flightsql.dbapi
import adbc_driver_manager

from expected import COLUMNS, ENDLESS, EXPENSIVE, TICKS, TRADES, equal, fails, in_time, port, run, tick, trade


def connect():
    return adbc_driver_flightsql.dbapi.connect(f"grpc://127.0.0.1:{port()}", autocommit=True)


def a_table_is_read():
    with connect() as connection, connection.cursor() as cursor:
        cursor.execute("SELECT * FROM trades ORDER BY id")
        equal([column[0] for column in cursor.description], COLUMNS)
        table = cursor.fetch_arrow_table()
        equal([str(field.type) for field in table.schema],
              ["int64", "string", "decimal128(12, 4)", "int32", "double", "bool", "date32[day]", "timestamp[us]", "string"])
        equal(list(zip(*(column.to_pylist() for column in table.columns))), TRADES)


def batches_stream():
    with connect() as connection, connection.cursor() as cursor:
        cursor.execute("SELECT * FROM ticks ORDER BY n")
        rows = [row for batch in cursor.fetch_record_batch() for row in zip(*(column.to_pylist() for column in batch.columns))]
        equal(rows, [tick(n) for n in range(1, TICKS + 1)])


def a_view_and_nothing_are_read():
    with connect() as connection, connection.cursor() as cursor:
        cursor.execute("SELECT * FROM expensive ORDER BY id")
        equal(cursor.fetchall(), EXPENSIVE)
        cursor.execute("SELECT * FROM trades WHERE id < 0")
        equal(cursor.fetchall(), [])


def parameters_arrive():
    with connect() as connection, connection.cursor() as cursor:
        for i in (1, 9, 1000):
            cursor.execute("SELECT * FROM trades WHERE id = ? AND symbol = ? AND '?' <> note || '?'", (i, trade(i)[1]))
            equal(cursor.fetchall(), [trade(i)] if trade(i)[8] else [])
        row = trade(434)
        for name, value in zip(COLUMNS, row):
            cursor.execute(f"SELECT id FROM trades WHERE {name} = ? ORDER BY id", (value,))
            equal([found[0] for found in cursor.fetchall()], [of[0] for of in TRADES if of[COLUMNS.index(name)] == value])
        cursor.execute("SELECT id FROM trades WHERE ts < $2 AND id > $1 ORDER BY id", (2, datetime.datetime(1999, 6, 3)))
        equal(cursor.fetchall(), [(row[0],) for row in TRADES if row[7] < datetime.datetime(1999, 6, 3) and row[0] > 2])


def objects_are_listed():
    with connect() as connection:
        info = connection.adbc_get_info()
        assert "dipper" in info["vendor_name"].lower(), info
        equal(connection.adbc_current_catalog, "dipper")
        equal(connection.adbc_current_db_schema, "public")
        assert {"TABLE", "VIEW"} <= set(connection.adbc_get_table_types()), connection.adbc_get_table_types()
        [catalog] = connection.adbc_get_objects(depth="all").read_all().to_pylist()
        equal(catalog["catalog_name"], "dipper")
        schema = next(one for one in catalog["catalog_db_schemas"] if one["db_schema_name"] == "public")
        tables = {table["table_name"]: table for table in schema["db_schema_tables"]}
        assert {"trades", "ticks", "expensive"} <= set(tables), list(tables)
        equal([tables[name]["table_type"] for name in ("trades", "expensive")], ["TABLE", "VIEW"])
        columns = tables["trades"]["table_columns"]
        equal([column["column_name"] for column in columns], COLUMNS)
        equal([column["ordinal_position"] for column in columns], list(range(1, 10)))
        [catalog] = connection.adbc_get_objects(depth="tables", table_name_filter="t%s", table_types_filter=["TABLE"]).read_all().to_pylist()
        names = [table["table_name"] for one in catalog["catalog_db_schemas"] for table in one["db_schema_tables"]]
        equal(sorted(names), ["ticks", "trades"])
        schema = connection.adbc_get_table_schema("trades", catalog_filter="dipper", db_schema_filter="public")
        equal(schema.names, COLUMNS)
        equal([field.nullable for field in schema], [False] + [True] * 8)
        equal(schema.field("id").metadata[b"ARROW:FLIGHT:SQL:REMARKS"], b"counts from 1")


def schemas_are_told_before_a_query_runs():
    with connect() as connection, connection.cursor() as cursor:
        schema = cursor.adbc_execute_schema("SELECT id, ts FROM trades")
        equal([(field.name, str(field.type)) for field in schema], [("id", "int64"), ("ts", "timestamp[us]")])
        parameters = cursor.adbc_prepare("SELECT id FROM trades WHERE symbol = ? AND id > ?")
        equal([str(field.type) for field in parameters], ["string", "int64"])


def partitions_are_read_elsewhere():
    with connect() as connection, connection.cursor() as cursor:
        partitions, schema = cursor.adbc_execute_partitions("SELECT id, symbol FROM trades ORDER BY id")
        equal(schema.names, ["id", "symbol"])
        rows = []
        with connect() as other, other.cursor() as reader:
            for partition in partitions:
                reader.adbc_read_partition(partition)
                rows += reader.fetchall()
        equal(rows, [row[:2] for row in TRADES])


def a_table_is_made_filled_and_dropped():
    with connect() as connection, connection.cursor() as cursor:
        cursor.execute("DROP TABLE IF EXISTS of_adbc")
        cursor.execute("CREATE TABLE of_adbc (id BIGINT, at TIMESTAMP(6), note VARCHAR)")
        rows = [(i, datetime.datetime(2026, 1, i), None if i == 2 else f"it's {i}") for i in (1, 2, 3)]
        cursor.execute("INSERT INTO of_adbc VALUES (?, ?, ?)", rows[0])
        equal(cursor.rowcount, 1)
        cursor.executemany("INSERT INTO of_adbc VALUES (?, ?, ?)", rows[1:])
        cursor.execute("SELECT * FROM of_adbc ORDER BY id")
        equal(cursor.fetchall(), rows)
        cursor.execute("DROP TABLE of_adbc")
        fails(adbc_driver_manager.Error, cursor.execute, "SELECT * FROM of_adbc")


def a_query_is_cancelled():
    with connect() as connection, connection.cursor() as cursor:
        timer = threading.Timer(1, cursor.adbc_cancel)
        timer.start()

        def count():
            cursor.execute(ENDLESS)
            cursor.fetchall()

        error = in_time(20, fails, Exception, count)
        timer.join()
        assert "cancel" in str(error).lower(), repr(error)
    with connect() as connection, connection.cursor() as cursor:
        cursor.execute("SELECT count(*) FROM ticks")
        equal(cursor.fetchone(), (TICKS,))


def errors_are_clear():
    wrong = [
        ("SELECT * FROM nowhere", adbc_driver_manager.ProgrammingError, "nowhere"),
        ("SELECT nothing FROM trades", adbc_driver_manager.ProgrammingError, "nothing"),
        ("SELECT id FROM trades WHERE )", adbc_driver_manager.ProgrammingError, ")"),
        ("MERGE INTO trades USING ticks ON n = id WHEN MATCHED THEN DELETE", adbc_driver_manager.NotSupportedError, "MERGE"),
        ("SELECT 1 / (id - id) FROM trades", adbc_driver_manager.Error, "zero"),
    ]
    with connect() as connection, connection.cursor() as cursor:
        for query, kind, word in wrong:
            def ask():
                cursor.execute(query)
                return cursor.fetchall()
            error = fails(adbc_driver_manager.Error, ask)
            assert isinstance(error, kind) and word in str(error), (query, error)
        cursor.execute("SELECT 1")
        equal(cursor.fetchone(), (1,))


run(
    a_table_is_read,
    batches_stream,
    a_view_and_nothing_are_read,
    parameters_arrive,
    objects_are_listed,
    schemas_are_told_before_a_query_runs,
    partitions_are_read_elsewhere,
    a_table_is_made_filled_and_dropped,
    a_query_is_cancelled,
    errors_are_clear,
)
