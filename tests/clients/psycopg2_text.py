"""psycopg2 works: it writes values into the text of statements itself, and reads values as text.

`psycopg2_text.py PORT`, for a Postgres server with the tables of tables.sql.
"""
import csv
import datetime
import decimal
import io
import threading

import psycopg2
import psycopg2.extras
from psycopg2 import errors, extensions

from expected import COLUMNS, ENDLESS, TEXT_OIDS, TICKS, TRADES, equal, fails, in_time, port, run, tick, trade


def connect():
    connection = psycopg2.connect(host="127.0.0.1", port=port(), dbname="dipper", user="dipper")
    connection.autocommit = True
    return connection


def rows(query, values=None):
    """All rows of a query, in a connection of its own."""
    with connect().cursor() as cursor:
        cursor.execute(query, values)
        return cursor.fetchall()


def rows_are_right():
    with connect().cursor() as cursor:
        cursor.execute("SELECT * FROM trades ORDER BY id")
        equal([column.name for column in cursor.description], COLUMNS)
        codes = [column.type_code for column in cursor.description]
        assert codes[1] in TEXT_OIDS and codes[8] in TEXT_OIDS, codes
        equal(codes[2:8], [1700, 23, 701, 16, 1082, 1114])
        equal((cursor.rowcount, cursor.statusmessage), (1000, "SELECT 1000"))
        found = cursor.fetchall()
        equal(found, TRADES)
        equal([str(row[2]) for row in found], [str(row[2]) for row in TRADES])


def values_are_written_into_the_statement():
    values = [
        1, -(2**63), 0.1, decimal.Decimal("-12.5"), "it's", "back\\slash", "two\nlines\t✓", "", True, None,
        datetime.date(1999, 12, 31), datetime.datetime(1969, 12, 31, 23, 59, 59, 1),
        datetime.time(23, 59, 59, 999999), datetime.timedelta(days=1, seconds=5), [1, 2], ["a", "b'c"],
    ]
    for value in values:
        found = rows("SELECT %s", [value])[0][0]
        equal(float(found) if isinstance(value, (float, decimal.Decimal)) else found, value)
    equal(bytes(rows("SELECT %s", [b"\x00\xff'\\"])[0][0]), b"\x00\xff'\\")
    row = trade(434)
    for name, value in zip(COLUMNS, row):
        found = [of[0] for of in rows(f"SELECT id FROM trades WHERE {name} = %s ORDER BY id", [value])]
        equal(found, [of[0] for of in TRADES if of[COLUMNS.index(name)] == value])
    equal(rows("SELECT id FROM trades WHERE id IN %s ORDER BY id", [(3, 1, 2000)]), [(1,), (3,)])
    equal(rows("SELECT id FROM trades WHERE id = ANY(%s) ORDER BY id", [[3, 1, 2000]]), [(1,), (3,)])


def a_cursor_of_the_server_gives_rows_in_pieces():
    connection = connect()
    connection.autocommit = False
    with connection, connection.cursor("pieces") as cursor:
        cursor.itersize = 9_000
        cursor.execute("SELECT * FROM ticks ORDER BY n")
        equal(cursor.fetchmany(2), [tick(1), tick(2)])
        equal(list(cursor), [tick(n) for n in range(3, TICKS + 1)])


def transactions_have_a_status():
    connection = connect()
    connection.autocommit = False
    with connection.cursor() as cursor:
        equal(connection.get_transaction_status(), extensions.TRANSACTION_STATUS_IDLE)
        cursor.execute("SELECT 1")
        equal(connection.get_transaction_status(), extensions.TRANSACTION_STATUS_INTRANS)
        fails(errors.UndefinedTable, cursor.execute, "SELECT * FROM nowhere")
        equal(connection.get_transaction_status(), extensions.TRANSACTION_STATUS_INERROR)
        fails(errors.InFailedSqlTransaction, cursor.execute, "SELECT 1")
        connection.rollback()
        for isolation in ("READ COMMITTED", "REPEATABLE READ", "SERIALIZABLE"):
            connection.set_session(isolation_level=isolation, readonly=True)
            cursor.execute("SELECT count(*) FROM trades")
            equal(cursor.fetchone(), (1000,))
            connection.commit()


def a_query_is_cancelled_from_another_thread():
    connection = connect()
    timer = threading.Timer(1, connection.cancel)
    timer.start()
    with connection.cursor() as cursor:
        error = in_time(20, fails, errors.QueryCanceled, cursor.execute, ENDLESS)
        equal(error.pgcode, "57014")
        timer.join()
        cursor.execute("SELECT 1")
        equal(cursor.fetchone(), (1,))


def copy_writes_a_file():
    with connect().cursor() as cursor:
        text = io.StringIO(newline="")
        cursor.copy_expert("COPY (SELECT * FROM trades ORDER BY id) TO STDOUT WITH CSV HEADER FORCE QUOTE *", text)
        equal(cursor.rowcount, 1000)
        found = list(csv.reader(io.StringIO(text.getvalue(), newline="")))
        equal(found[0], COLUMNS)
        equal([row[8] for row in found[1:]], [row[8] or "" for row in TRADES])
        assert text.getvalue().count(',""\n') == sum(row[8] == "" for row in TRADES)
        text = io.StringIO(newline="")
        cursor.copy_to(text, "trades", columns=["id", "note"], null="nil", sep="|")
        notes = dict(line.split("|", 1) for line in text.getvalue().splitlines())
        equal(notes["9"], "nil")
        equal(notes["4"], "a\\ttab")
        equal(notes["5"], "two\\nlines")
        equal(notes["8"], "\\\\N")


def errors_have_their_class():
    cursor = connect().cursor()
    fails(errors.UndefinedColumn, cursor.execute, "SELECT nothing FROM trades")
    fails(errors.DivisionByZero, cursor.execute, "SELECT 1 / 0")
    error = fails(errors.SyntaxError, cursor.execute, "SELECT id FROM trades WHERE )")
    equal(error.diag.statement_position, "29")
    fails(psycopg2.OperationalError, psycopg2.connect, f"host=127.0.0.1 port={port()} dbname=nowhere user=dipper")


def many_rows_are_inserted_at_once():
    with connect().cursor() as cursor:
        cursor.execute("DROP TABLE IF EXISTS of_psycopg2")
        cursor.execute("CREATE TABLE of_psycopg2 (id INT, at TIMESTAMP(6), note TEXT)")
        made = [(i, datetime.datetime(2026, 1, 1, 0, 0, i % 60), f"it's \\ {i}" if i % 2 else None) for i in range(300)]
        psycopg2.extras.execute_values(cursor, "INSERT INTO of_psycopg2 (id, at, note) VALUES %s", made, page_size=100)
        cursor.execute("SELECT * FROM of_psycopg2 ORDER BY id")
        equal(cursor.fetchall(), made)
        cursor.execute("DROP TABLE of_psycopg2")
        equal(cursor.statusmessage, "DROP TABLE")


def rows_come_as_dictionaries():
    with connect().cursor(cursor_factory=psycopg2.extras.RealDictCursor) as cursor:
        cursor.execute("SELECT id, symbol FROM expensive ORDER BY id LIMIT 1")
        equal(dict(cursor.fetchone()), {"id": 905, "symbol": "BOLT"})


run(
    rows_are_right,
    values_are_written_into_the_statement,
    a_cursor_of_the_server_gives_rows_in_pieces,
    transactions_have_a_status,
    a_query_is_cancelled_from_another_thread,
    copy_writes_a_file,
    errors_have_their_class,
    many_rows_are_inserted_at_once,
    rows_come_as_dictionaries,
)
