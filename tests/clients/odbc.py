"""ODBC works: psqlodbc, Postgres' driver, through pyodbc. Its catalog functions, values of all types, parameters, cursors, errors.

`odbc.py PORT`, for a Postgres server with the tables of tables.sql.
"""
import datetime
import decimal

import pyodbc

from expected import COLUMNS, EXPENSIVE, TICKS, TRADES, equal, fails, port, run, tick, trade


def connect(options="", autocommit=True):
    """`BoolsAsChar=0`: the driver gives booleans as such."""
    address = f"Driver={{PostgreSQL Unicode}};Server=127.0.0.1;Port={port()};Database=dipper;Uid=dipper;BoolsAsChar=0;{options}"
    return pyodbc.connect(address, autocommit=autocommit)


def names_are_listed():
    cursor = connect().cursor()
    tables = {(row.table_schem, row.table_name): row.table_type for row in cursor.tables(schema="public")}
    equal([tables.get(("public", name)) for name in ("trades", "ticks", "expensive")], ["TABLE", "TABLE", "VIEW"])
    equal([row.table_name for row in cursor.tables(table="trade%", tableType="TABLE")], ["trades"])
    columns = list(cursor.columns(table="trades", schema="public"))
    equal([column.column_name for column in columns], COLUMNS)
    equal([column.type_name for column in columns if column.column_name not in ("symbol", "note")],
          ["int8", "numeric", "int4", "float8", "bool", "date", "timestamp"])
    equal((columns[2].column_size, columns[2].decimal_digits, columns[0].nullable, columns[1].nullable), (12, 4, 0, 1))
    equal([row.column_name for row in cursor.primaryKeys("trades", schema="public")], ["id"])
    equal(list(cursor.foreignKeys("trades", schema="public")), [])
    indexes = [row for row in cursor.statistics("trades", schema="public") if row.index_name]
    equal([(row.index_name, row.ordinal_position, row.column_name, row.non_unique) for row in indexes], [("trades_pkey", 1, "id", 0)])
    equal([row for row in cursor.statistics("ticks", schema="public") if row.index_name], [])
    cursor.getTypeInfo(pyodbc.SQL_BIGINT)
    equal(cursor.fetchone()[0], "int8")
    cursor.rowIdColumns("trades", schema="public")
    equal(list(cursor.procedures(procedure="no_such")), [])


def the_server_introduces_itself():
    connection = connect()
    equal(connection.getinfo(pyodbc.SQL_DBMS_NAME), "PostgreSQL")
    equal(connection.getinfo(pyodbc.SQL_DATABASE_NAME), "dipper")


def rows_are_right():
    for options in ("UseServerSidePrepare=0;", "UseServerSidePrepare=1;", "UseDeclareFetch=1;Fetch=300;"):
        cursor = connect(options).cursor()
        cursor.execute("SELECT * FROM trades ORDER BY id")
        equal([column[0] for column in cursor.description], COLUMNS)
        equal([column[1] for column in cursor.description],
              [int, str, decimal.Decimal, int, float, bool, datetime.date, datetime.datetime, str])
        equal([tuple(row) for row in cursor.fetchall()], TRADES)


def rows_come_in_pieces():
    cursor = connect("UseDeclareFetch=1;Fetch=5000;").cursor()
    cursor.execute("SELECT * FROM ticks ORDER BY n")
    equal([tuple(row) for row in cursor], [tick(n) for n in range(1, TICKS + 1)])


def parameters_arrive():
    for options in ("UseServerSidePrepare=0;", "UseServerSidePrepare=1;"):
        cursor = connect(options).cursor()
        row = trade(434)
        for name, value in zip(COLUMNS, row):
            if name == "is_buy":
                continue
            cursor.execute(f"SELECT id FROM trades WHERE {name} = ? ORDER BY id", value)
            equal([found[0] for found in cursor.fetchall()], [of[0] for of in TRADES if of[COLUMNS.index(name)] == value])
        for i in range(1, 10):
            cursor.execute("SELECT note FROM trades WHERE id = ? AND symbol = ?", i, trade(i)[1])
            equal([tuple(found) for found in cursor.fetchall()], [(trade(i)[8],)])
        cursor.execute("SELECT CAST(? AS BYTEA), CAST(? AS VARCHAR), CAST(? AS VARCHAR)", b"\x00\xff'\\", "it's\\ ✓", None)
        equal(tuple(cursor.fetchone()), (b"\x00\xff'\\", "it's\\ ✓", None))


def a_view_is_read():
    equal([tuple(row) for row in connect().execute("SELECT * FROM expensive ORDER BY id")], EXPENSIVE)


def transactions_go_on_after_an_error():
    connection = connect(autocommit=False)
    equal(connection.execute("SELECT count(*) FROM trades").fetchone()[0], 1000)
    fails(pyodbc.Error, connection.execute, "SELECT * FROM nowhere")
    connection.rollback()
    equal(connection.execute("SELECT 1").fetchone()[0], 1)
    connection.commit()


def a_table_is_made_filled_and_dropped():
    cursor = connect().cursor()
    cursor.execute("DROP TABLE IF EXISTS of_odbc")
    cursor.execute("CREATE TABLE of_odbc (id INT, note VARCHAR, at TIMESTAMP(6))")
    rows = [(i, None if i == 2 else f"it's {i}", datetime.datetime(2026, 1, i, 0, 0, 0, 1)) for i in (1, 2, 3)]
    cursor.executemany("INSERT INTO of_odbc VALUES (?, ?, ?)", rows)
    cursor.execute("INSERT INTO of_odbc SELECT id + 3, note, at FROM of_odbc")
    equal(cursor.rowcount, 3)
    equal([tuple(row) for row in cursor.execute("SELECT * FROM of_odbc WHERE id < 4 ORDER BY id")], rows)
    cursor.execute("DROP TABLE of_odbc")


def errors_have_their_state():
    connection = connect()
    for query, state in (("SELECT * FROM nowhere", "42P01"), ("SELECT nothing FROM trades", "42703"), ("SELECT 1 FROM trades WHERE )", "42601")):
        error = fails(pyodbc.Error, connection.execute, query)
        # The driver has states of its own for some.
        assert error.args[0] in (state, "42S02", "42S22", "42000"), (query, error)
    equal(connection.execute("SELECT 1").fetchone()[0], 1)


run(
    names_are_listed,
    the_server_introduces_itself,
    rows_are_right,
    rows_come_in_pieces,
    parameters_arrive,
    a_view_is_read,
    transactions_go_on_after_an_error,
    a_table_is_made_filled_and_dropped,
    errors_have_their_state,
)
