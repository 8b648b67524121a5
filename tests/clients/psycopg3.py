"""psycopg 3 works: values of all types in text and binary, parameters, cursors, pipelines, transactions, cancelling, COPY, errors.

`psycopg3.py PORT`, for a Postgres server with the tables of tables.sql.
"""
import csv
import datetime
import decimal
import io
import logging
import math
import threading

import psycopg
from psycopg import errors
from psycopg.pq import TransactionStatus
from psycopg.rows import dict_row

from expected import (
    COLUMNS, ENDLESS, EXPENSIVE, TEXT_OIDS, TICKS, TRADES, equal, fails, in_time, port, run, tick, trade,
)

UTC = datetime.timezone.utc
ADDRESS = f"host=127.0.0.1 port={port()} dbname=dipper user=dipper"
TYPES = ["bigint", "text", "numeric", "int4", "float8", "bool", "date", "timestamp", "text"]


def connect(**options):
    return psycopg.connect(ADDRESS, **{"autocommit": True, **options})


def the_server_introduces_itself():
    with connect(application_name="clients") as connection:
        info = connection.info
        assert info.server_version >= 140000, info.server_version
        equal((info.dbname, info.user, info.encoding), ("dipper", "dipper", "utf-8"))
        equal(info.parameter_status("standard_conforming_strings"), "on")
        equal(info.parameter_status("integer_datetimes"), "on")
        equal(connection.execute("SHOW application_name").fetchone(), ("clients",))
        connection.execute("SET application_name = 'others'")
        equal(connection.execute("SELECT current_setting('application_name')").fetchone(), ("others",))


def rows_are_the_same_in_text_and_binary():
    with connect() as connection:
        for binary in (False, True):
            with connection.cursor(binary=binary) as cursor:
                cursor.execute("SELECT * FROM trades ORDER BY id")
                equal([column.name for column in cursor.description], COLUMNS)
                codes = [column.type_code for column in cursor.description]
                assert codes[1] in TEXT_OIDS and codes[8] in TEXT_OIDS, codes
                equal(codes[:1] + codes[2:8], [20, 1700, 23, 701, 16, 1082, 1114])
                price = cursor.description[2]
                equal((price.precision, price.scale), (12, 4))
                equal(cursor.rowcount, 1000)
                equal(cursor.statusmessage, "SELECT 1000")
                rows = cursor.fetchall()
                equal(rows, TRADES)
                # Decimal compares by value: the scale must be right too.
                equal([str(row[2]) for row in rows], [str(row[2]) for row in TRADES])


def values_of_the_other_types_are_right():
    query = """SELECT
      CAST(-32768 AS SMALLINT), CAST(1.1 AS REAL), CAST('NaN' AS DOUBLE PRECISION), CAST('-Infinity' AS DOUBLE PRECISION),
      CAST('abc' AS BYTEA), CAST('10:11:12.000001' AS TIME(6)),
      CAST('1969-12-31 23:59:59.999999+00' AS TIMESTAMP(6) WITH TIME ZONE),
      CAST('1234567890123456789012345678.0123456789' AS DECIMAL(38, 10)), CAST('-0.00001' AS DECIMAL(10, 5)),
      CAST('0001-01-01' AS DATE), CAST('9999-12-31' AS DATE), INTERVAL '1' DAY,
      ARRAY['a', NULL, 'c "d", {e}'], ARRAY[1, 2, 3], NULL"""
    expected = (
        -32768, 1.1, -math.inf, b"abc", datetime.time(10, 11, 12, 1),
        datetime.datetime(1969, 12, 31, 23, 59, 59, 999999, UTC),
        decimal.Decimal("1234567890123456789012345678.0123456789"), decimal.Decimal("-0.00001"),
        datetime.date(1, 1, 1), datetime.date(9999, 12, 31), datetime.timedelta(days=1),
        ["a", None, 'c "d", {e}'], [1, 2, 3], None,
    )
    with connect() as connection:
        for binary in (False, True):
            row = list(connection.execute(query, binary=binary).fetchone())
            assert math.isnan(row.pop(2)), row
            row[1] = round(row[1], 6)
            equal(tuple(row), expected)


def null_has_every_type():
    types = ["SMALLINT", "INT", "BIGINT", "REAL", "DOUBLE PRECISION", "DECIMAL(9, 2)", "VARCHAR", "BYTEA", "BOOLEAN",
             "DATE", "TIME(6)", "TIMESTAMP(6)", "TIMESTAMP(6) WITH TIME ZONE"]
    query = "SELECT " + ", ".join(f"CAST(NULL AS {name})" for name in types)
    with connect() as connection:
        for binary in (False, True):
            cursor = connection.execute(query, binary=binary)
            equal(cursor.fetchone(), (None,) * len(types))
            codes = [column.type_code for column in cursor.description]
            assert codes.pop(6) in TEXT_OIDS, codes
            equal(codes, [21, 23, 20, 700, 701, 1700, 17, 16, 1082, 1083, 1114, 1184])


def parameters_of_all_types_arrive():
    values = [
        ("SMALLINT", -5), ("INT", 70_000), ("BIGINT", -(2**63)), ("DOUBLE PRECISION", 0.1), ("DOUBLE PRECISION", -math.inf),
        ("DECIMAL(38, 4)", decimal.Decimal("-12345678901234567890.1234")), ("VARCHAR", "it's a\\b\n✓"), ("VARCHAR", ""),
        ("BYTEA", b"\x00\xff'\\"), ("BOOLEAN", True), ("DATE", datetime.date(1999, 12, 31)),
        ("TIME(6)", datetime.time(23, 59, 59, 999999)), ("TIMESTAMP(6)", datetime.datetime(1969, 12, 31, 23, 59, 59, 1)),
        ("TIMESTAMP(6) WITH TIME ZONE", datetime.datetime(2026, 2, 3, 4, 5, 6, 7, UTC)), ("INT", None), ("VARCHAR", None),
    ]
    with connect() as connection:
        for placeholder in ("%s", "%b", "%t"):
            query = "SELECT " + ", ".join(f"CAST({placeholder} AS {name})" for name, _ in values)
            row = connection.execute(query, [value for _, value in values]).fetchone()
            equal(row, tuple(value for _, value in values))


def rows_are_found_by_parameters():
    row = trade(434)
    with connect() as connection:
        for placeholder in ("%s", "%b", "%t"):
            for name, value in zip(COLUMNS, row):
                if name != "is_buy":
                    query = f"SELECT id FROM trades WHERE id > 400 AND {name} = {placeholder} ORDER BY id"
                    found = [of[0] for of in connection.execute(query, [value])]
                    assert found and 434 in found, (name, placeholder, found)
                    equal(found, [i for i in range(401, 1001) if trade(i)[COLUMNS.index(name)] == value])
        query = "SELECT count(*) FROM trades WHERE symbol = %(symbol)s AND ts >= %(since)s AND is_buy = %(buy)s AND note LIKE %(like)s"
        values = {"symbol": "ACME", "since": datetime.datetime(2000, 1, 1), "buy": False, "like": "%line%"}
        found = [r for r in TRADES if r[1] == "ACME" and r[7] >= values["since"] and not r[5] and r[8] and "line" in r[8]]
        equal(connection.execute(query, values).fetchone(), (len(found),))
        equal(connection.execute("SELECT id FROM trades WHERE id = ANY(%s) ORDER BY id", [[3, 1, 2000]]).fetchall(), [(1,), (3,)])
        equal(connection.execute("SELECT count(*) FROM trades WHERE symbol = ANY(%s)", [["ACME", "DART"]]).fetchone(), (500,))
        equal(connection.execute("SELECT id FROM trades ORDER BY id LIMIT %s OFFSET %s", [2, 10]).fetchall(), [(11,), (12,)])


def a_view_is_read():
    with connect(row_factory=dict_row) as connection:
        rows = connection.execute("SELECT * FROM public.expensive ORDER BY id").fetchall()
        equal([tuple(row.values()) for row in rows], EXPENSIVE)
        equal(list(rows[0]), ["id", "symbol", "price"])


def a_cursor_of_the_server_gives_rows_in_pieces():
    with connect(autocommit=False) as connection:
        for binary in (False, True):
            with connection.cursor("pieces", binary=binary) as cursor:
                cursor.itersize = 7_000
                cursor.execute("SELECT n, ts, symbol FROM ticks ORDER BY n")
                equal(cursor.fetchone(), tick(1))
                equal(cursor.fetchmany(3), [tick(2), tick(3), tick(4)])
                cursor.scroll(6)
                equal(cursor.fetchone(), tick(11))
                equal(list(cursor), [tick(n) for n in range(12, TICKS + 1)])
                equal(cursor.fetchone(), None)
        with connection.cursor("found") as cursor:
            cursor.execute("SELECT n FROM ticks WHERE n > %s ORDER BY n", [TICKS - 2])
            equal(cursor.fetchall(), [(TICKS - 1,), (TICKS,)])
    with connect() as connection:
        fails(errors.NoActiveSqlTransaction, connection.execute, "DECLARE c CURSOR FOR SELECT 1")
        with connection.cursor("held", withhold=True) as cursor:
            cursor.execute("SELECT id FROM trades ORDER BY id")
            equal(cursor.fetchmany(2), [(1,), (2,)])


def rows_stream_one_by_one():
    with connect() as connection:
        count = 0
        for n, row in enumerate(connection.cursor().stream("SELECT * FROM ticks ORDER BY n"), 1):
            count += row == tick(n)
        equal(count, TICKS)


def statements_go_through_a_pipeline():
    with connect() as connection:
        with connection.pipeline():
            cursors = [connection.execute("SELECT symbol FROM trades WHERE id = %s", [i]) for i in range(1, 51)]
            equal([cursor.fetchone()[0] for cursor in cursors], [trade(i)[1] for i in range(1, 51)])

        def broken():
            with connection.pipeline() as pipeline:
                for query in ("SELECT 1", "SELECT * FROM nowhere", "SELECT 2"):
                    connection.execute(query)
                pipeline.sync()

        logging.getLogger("psycopg").setLevel(logging.ERROR)
        fails(errors.UndefinedTable, broken)
        with connection.pipeline():
            equal(connection.execute("SELECT 3").fetchone(), (3,))


def transactions_have_a_status():
    with connect(autocommit=False) as connection:
        status = lambda: connection.info.transaction_status
        equal(status(), TransactionStatus.IDLE)
        connection.execute("SELECT 1")
        equal(status(), TransactionStatus.INTRANS)
        fails(errors.DivisionByZero, connection.execute, "SELECT 1 / 0")
        equal(status(), TransactionStatus.INERROR)
        fails(errors.InFailedSqlTransaction, connection.execute, "SELECT 1")
        connection.rollback()
        equal(status(), TransactionStatus.IDLE)
        with connection.transaction():
            connection.execute("SELECT 1")
            with fails_inside(errors.UndefinedTable), connection.transaction("inner"):
                connection.execute("SELECT * FROM nowhere")
            equal(connection.execute("SELECT 2").fetchone(), (2,))
        equal(status(), TransactionStatus.IDLE)
        connection.isolation_level = psycopg.IsolationLevel.REPEATABLE_READ
        connection.read_only = True
        equal(connection.execute("SELECT count(*) FROM trades").fetchone(), (1000,))
        connection.commit()


class fails_inside:
    """A block that must raise this kind of error."""

    def __init__(self, kind):
        self.kind = kind

    def __enter__(self):
        pass

    def __exit__(self, kind, error, trace):
        assert isinstance(error, self.kind), f"no {self.kind.__name__}, but {error!r}"
        return True


def a_query_is_cancelled_from_another_thread():
    with connect() as connection:
        for cancel in (connection.cancel, connection.cancel_safe):
            timer = threading.Timer(1, cancel)
            timer.start()
            error = in_time(20, fails, errors.QueryCanceled, connection.execute, ENDLESS)
            timer.join()
            equal(error.sqlstate, "57014")
            equal(connection.execute("SELECT 1").fetchone(), (1,))
        connection.execute("SET statement_timeout = 500")
        error = in_time(20, fails, errors.QueryCanceled, connection.execute, ENDLESS)
        assert "statement timeout" in str(error), error
        connection.execute("SET statement_timeout = 0")
        equal(connection.execute("SELECT count(*) FROM ticks").fetchone(), (TICKS,))


def copy_gives_text_csv_and_binary():
    query = "SELECT * FROM trades ORDER BY id"
    with connect() as connection, connection.cursor() as cursor:
        for options in ("", " (FORMAT text)", " WITH (FORMAT BINARY)"):
            with cursor.copy(f"COPY ({query}) TO STDOUT{options}") as copy:
                copy.set_types(TYPES)
                equal(list(copy.rows()), TRADES)
        with cursor.copy(f"COPY ({query}) TO STDOUT WITH (FORMAT CSV, HEADER, NULL 'nil')") as copy:
            text = b"".join(bytes(data) for data in copy).decode()
        rows = list(csv.reader(io.StringIO(text, newline="")))
        equal(rows[0], COLUMNS)
        equal([row[0] for row in rows[1:]], [str(i) for i in range(1, 1001)])
        equal([row[2] for row in rows[1:]], [str(row[2]) for row in TRADES])
        equal([row[5] for row in rows[1:]], ["t" if row[5] else "f" for row in TRADES])
        equal([row[7] for row in rows[1:]], [row[7].isoformat(" ").rstrip("0") for row in TRADES])
        equal([row[8] for row in rows[1:]], ["nil" if row[8] is None else row[8] for row in TRADES])
        with cursor.copy("COPY ticks TO STDOUT (FORMAT BINARY)") as copy:
            copy.set_types(["bigint", "timestamp", "text"])
            equal(sorted(copy.rows()), [tick(n) for n in range(1, TICKS + 1)])
        with cursor.copy("COPY public.trades (id, note) TO STDOUT") as copy:
            copy.set_types(["bigint", "text"])
            equal(sorted(copy.rows()), [(row[0], row[8]) for row in TRADES])


def errors_have_their_class_and_place():
    wrong = [
        ("SELECT * FROM nowhere", errors.UndefinedTable, 15),
        ("SELECT nothing FROM trades", errors.UndefinedColumn, 8),
        ("SELECT id FORM trades LIMIT 1", errors.SyntaxError, 16),
        ("SELECT 'größer', id FROM trades WHERE )", errors.SyntaxError, 39),
        ("SELECT no_such_function(1)", errors.UndefinedFunction, 8),
        ("SELECT 1 / (id - id) FROM trades", errors.DivisionByZero, None),
        ("SELECT CAST('x' AS INT)", errors.InvalidTextRepresentation, None),
        ("SELECT CAST(id + 3000000000 AS INT) FROM trades", errors.NumericValueOutOfRange, None),
        ("CREATE TABLE ticks (a INT)", errors.DuplicateTable, None),
        ("SET no_such_setting = 1", errors.UndefinedObject, None),
    ]
    with connect() as connection:
        for query, kind, position in wrong:
            error = fails(psycopg.Error, connection.execute, query)
            assert isinstance(error, kind), f"{query}: {error!r} ({error.sqlstate})"
            equal(error.diag.severity_nonlocalized, "ERROR")
            if position:
                equal((query, error.diag.statement_position), (query, str(position)))
        fails(psycopg.DatabaseError, connection.execute, "SELECT * FROM trades WHERE id = %s", ["x"])
        equal(connection.execute("SELECT 1").fetchone(), (1,))


def statements_are_prepared_after_five_executions():
    with connect(prepare_threshold=5) as connection:
        connection.prepared_max = 2
        for i in range(1, 21):
            for column in ("symbol", "price", "note", "ts"):
                row = connection.execute(f"SELECT {column} FROM trades WHERE id = %s", [i]).fetchone()
                equal(row, (trade(i)[COLUMNS.index(column)],))
        # The type of the parameter changes between executions.
        for value in [1, 40_000, 3_000_000_000] * 4:
            query = "SELECT count(*) FROM ticks WHERE n < %s"
            equal(connection.execute(query, [value], prepare=True).fetchone(), (min(value - 1, TICKS),))
        for i in range(10):
            equal(connection.execute("SELECT id, note FROM trades WHERE id = %s", [i + 1], binary=i % 2 == 0).fetchone(), (i + 1, trade(i + 1)[8]))


def a_table_is_made_filled_and_dropped():
    with connect() as connection:
        connection.execute("DROP TABLE IF EXISTS of_psycopg3")
        cursor = connection.execute("CREATE TABLE of_psycopg3 (id BIGINT, amount DECIMAL(10, 2), at TIMESTAMP(6), note TEXT)")
        equal(cursor.statusmessage, "CREATE TABLE")
        rows = [(i, decimal.Decimal(i) / 4, datetime.datetime(2026, 1, i), None if i == 2 else f"it's {i}") for i in (1, 2, 3)]
        insert = "INSERT INTO of_psycopg3 VALUES (%s, %s, %s, %s)"
        equal(connection.execute(insert, rows[0]).rowcount, 1)
        with connection.cursor() as cursor:
            cursor.executemany(insert, rows[1:])
            equal(cursor.rowcount, 2)
        cursor = connection.execute("INSERT INTO of_psycopg3 SELECT id + 3, amount, at, note FROM of_psycopg3")
        equal((cursor.rowcount, cursor.statusmessage), (3, "INSERT 0 3"))
        equal(connection.execute("SELECT * FROM of_psycopg3 WHERE id < 4 ORDER BY id").fetchall(), rows)
        equal(connection.execute("TRUNCATE TABLE of_psycopg3").statusmessage, "TRUNCATE TABLE")
        equal(connection.execute("SELECT count(*) FROM of_psycopg3").fetchone(), (0,))
        equal(connection.execute("DROP TABLE of_psycopg3").statusmessage, "DROP TABLE")
        fails(errors.UndefinedTable, connection.execute, "SELECT * FROM of_psycopg3")


def several_statements_come_in_one_text():
    with connect() as connection:
        cursor = connection.execute("SELECT 1; SELECT id FROM trades WHERE id < 3 ORDER BY id; SELECT 'x;y'")
        results = [cursor.fetchall()]
        while cursor.nextset():
            results.append(cursor.fetchall())
        equal(results, [[(1,)], [(1,), (2,)], [("x;y",)]])
        equal(connection.execute("").description, None)
        equal(connection.execute("-- nothing but a comment").description, None)


run(
    the_server_introduces_itself,
    rows_are_the_same_in_text_and_binary,
    values_of_the_other_types_are_right,
    null_has_every_type,
    parameters_of_all_types_arrive,
    rows_are_found_by_parameters,
    a_view_is_read,
    a_cursor_of_the_server_gives_rows_in_pieces,
    rows_stream_one_by_one,
    statements_go_through_a_pipeline,
    transactions_have_a_status,
    a_query_is_cancelled_from_another_thread,
    copy_gives_text_csv_and_binary,
    errors_have_their_class_and_place,
    statements_are_prepared_after_five_executions,
    a_table_is_made_filled_and_dropped,
    several_statements_come_in_one_text,
)
