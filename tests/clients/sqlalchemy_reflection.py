"""SQLAlchemy finds out what there is, by both of its Postgres drivers, and queries it; pandas reads through it.

`sqlalchemy_reflection.py PORT`, for a Postgres server with the tables of tables.sql.
"""
import datetime
import decimal

import pandas
import sqlalchemy as sa
from sqlalchemy.orm import DeclarativeBase, Session

from expected import COLUMNS, EXPENSIVE, TICKS, TRADES, equal, fails, port, run, tick, trade

ENGINES = {
    driver: sa.create_engine(f"postgresql+{driver}://dipper@127.0.0.1:{port()}/dipper") for driver in ("psycopg", "psycopg2")
}


def each(check):
    """The check for every driver."""
    def checks():
        for driver, engine in ENGINES.items():
            try:
                check(engine)
            except Exception as error:
                error.args = (f"{driver}: {error}",)
                raise
    checks.__name__ = check.__name__
    return checks


def names_are_listed(engine):
    inspector = sa.inspect(engine)
    assert {"public", "information_schema"} <= set(inspector.get_schema_names()), inspector.get_schema_names()
    equal(inspector.default_schema_name, "public")
    for schema in (None, "public"):
        assert {"trades", "ticks"} <= set(inspector.get_table_names(schema)), inspector.get_table_names(schema)
        assert "expensive" not in inspector.get_table_names(schema)
        equal(inspector.get_view_names(schema), ["expensive"])
    assert inspector.has_table("trades") and inspector.has_table("expensive") and not inspector.has_table("nowhere")
    equal(inspector.get_table_comment("trades"), {"text": "what was bought and sold"})
    equal(inspector.get_table_comment("ticks"), {"text": None})
    equal(inspector.get_sequence_names(), [])
    equal(inspector.get_materialized_view_names(), [])
    equal(inspector.get_temp_table_names(), [])


def columns_have_types(engine):
    columns = sa.inspect(engine).get_columns("trades", schema="public")
    equal([column["name"] for column in columns], COLUMNS)
    equal([column["nullable"] for column in columns], [False] + [True] * 8)
    equal([column["default"] for column in columns], [None] * 9)
    equal(columns[0]["comment"], "counts from 1")
    types = [column["type"] for column in columns]
    kinds = [sa.BIGINT, sa.String, sa.NUMERIC, sa.INTEGER, sa.DOUBLE_PRECISION, sa.BOOLEAN, sa.DATE, sa.TIMESTAMP, sa.String]
    for name, one, kind in zip(COLUMNS, types, kinds):
        assert isinstance(one, kind), (name, one)
    equal((types[2].precision, types[2].scale, types[7].timezone), (12, 4, False))
    equal([column["name"] for column in sa.inspect(engine).get_columns("expensive")], ["id", "symbol", "price"])
    fails(sa.exc.NoSuchTableError, sa.inspect(engine).get_columns, "nowhere")


def keys_are_known(engine):
    inspector = sa.inspect(engine)
    equal(inspector.get_pk_constraint("trades")["constrained_columns"], ["id"])
    equal(inspector.get_pk_constraint("ticks")["constrained_columns"], [])
    for table in ("trades", "ticks"):
        equal(inspector.get_foreign_keys(table), [])
        equal(inspector.get_unique_constraints(table), [])
        equal(inspector.get_check_constraints(table), [])
        equal(inspector.get_indexes(table), [])
    assert "trades" in inspector.get_view_definition("expensive"), inspector.get_view_definition("expensive")


def all_tables_are_reflected_at_once(engine):
    metadata = sa.MetaData()
    metadata.reflect(engine, views=True)
    assert {"trades", "ticks", "expensive"} <= set(metadata.tables), list(metadata.tables)
    equal(list(metadata.tables["trades"].columns.keys()), COLUMNS)
    equal([column.name for column in metadata.tables["trades"].primary_key], ["id"])


def a_reflected_table_is_queried(engine):
    trades = sa.Table("trades", sa.MetaData(), autoload_with=engine)
    c = trades.c
    with engine.connect() as connection:
        equal(connection.execute(sa.select(trades).order_by(c.id)).fetchall(), TRADES)
        for column, value in zip(c, trade(434)):
            query = sa.select(c.id).where(column == value).order_by(c.id)
            expected = [row[0] for row in TRADES if row[COLUMNS.index(column.name)] == value]
            equal(connection.execute(query).scalars().all(), expected)
        query = sa.select(c.symbol, sa.func.count().label("trades"), sa.func.sum(c.quantity), sa.func.max(c.price)).where(
            c.ts.between(datetime.datetime(1999, 12, 1), datetime.datetime(2000, 3, 1)),
            c.id.in_([row[0] for row in TRADES if row[0] % 5]), c.note.is_not(None), c.price != decimal.Decimal("12.5"),
        ).group_by(c.symbol).having(sa.func.count() > 1).order_by(c.symbol).limit(3)
        of = [r for r in TRADES if datetime.datetime(1999, 12, 1) <= r[7] <= datetime.datetime(2000, 3, 1) and r[0] % 5 and r[8] is not None]
        groups = [(name, [row for row in of if row[1] == name]) for name in sorted({row[1] for row in of})][:3]
        expected = [(name, len(rows), sum(row[3] for row in rows), max(row[2] for row in rows)) for name, rows in groups]
        equal(connection.execute(query).fetchall(), expected)
        month = sa.func.date_trunc("month", c.ts)
        query = sa.select(sa.extract("year", c.ts), month, sa.func.count()).group_by(sa.extract("year", c.ts), month).order_by(month)
        found = connection.execute(query).fetchall()
        equal(sum(row[2] for row in found), 1000)
        equal((int(found[0][0]), found[0][1]), (1999, datetime.datetime(1999, 6, 1)))
        equal(connection.scalar(sa.select(sa.literal(decimal.Decimal("12.75")))), decimal.Decimal("12.75"))
        equal(connection.scalar(sa.select(sa.cast(sa.literal("17"), sa.Integer) + c.id).where(c.id == 1)), 18)


def objects_are_mapped(engine):
    class Base(DeclarativeBase):
        pass

    class Trade(Base):
        __table__ = sa.Table("trades", Base.metadata, autoload_with=engine)

    with Session(engine) as session:
        equal(session.get(Trade, 7).note, trade(7)[8])
        found = session.scalars(sa.select(Trade).where(Trade.symbol == "CORE").order_by(Trade.id).limit(2)).all()
        equal([(one.id, one.price, one.ts) for one in found], [(i, trade(i)[2], trade(i)[7]) for i in (2, 6)])


def rows_stream_from_the_server(engine):
    with engine.connect() as connection:
        result = connection.execution_options(yield_per=10_000).execute(sa.text("SELECT * FROM ticks ORDER BY n"))
        equal([tuple(row) for row in result], [tick(n) for n in range(1, TICKS + 1)])


def errors_do_not_spoil_the_pool(engine):
    with engine.connect() as connection:
        fails(sa.exc.ProgrammingError, connection.execute, sa.text("SELECT * FROM nowhere"))
        fails(sa.exc.DBAPIError, connection.execute, sa.text("SELECT 1"))
        connection.rollback()
        equal(connection.scalar(sa.text("SELECT :a || :b"), {"a": "x", "b": "'y"}), "x'y")
    with engine.begin() as connection:
        with connection.begin_nested():
            equal(connection.scalar(sa.text("SELECT 1")), 1)


def pandas_reads_frames(engine):
    frame = pandas.read_sql("SELECT * FROM trades ORDER BY id", engine, index_col="id")
    equal(list(frame.columns), COLUMNS[1:])
    equal(frame.rate.tolist(), [row[4] for row in TRADES])
    equal(frame.ts.dt.to_pydatetime().tolist(), [row[7] for row in TRADES])
    equal(frame.note.isna().sum(), sum(row[8] is None for row in TRADES))
    equal(int(frame.quantity.sum()), sum(row[3] for row in TRADES))
    table = pandas.read_sql_table("trades", engine, schema="public", columns=["id", "symbol"])
    equal(sorted(table.itertuples(index=False, name=None)), [row[:2] for row in TRADES])
    found = pandas.read_sql(sa.text("SELECT * FROM expensive WHERE symbol = :symbol ORDER BY id"), engine, params={"symbol": "ACME"})
    equal(found.id.tolist(), [row[0] for row in EXPENSIVE if row[1] == "ACME"])
    chunks = [len(chunk) for chunk in pandas.read_sql("SELECT * FROM ticks", engine.connect(), chunksize=30_000)]
    equal(chunks, [30_000, 30_000, 30_000, 10_000])


def a_frame_is_written(engine):
    frame = pandas.DataFrame({"id": [1, 2, 3], "amount": [0.5, None, 2.5], "note": ["it's", None, "✓"]})
    frame["at"] = pandas.to_datetime(["2026-01-01 00:00:01.000002", "2026-01-02", "2026-01-03"], format="ISO8601")
    with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        connection.execute(sa.text("DROP TABLE IF EXISTS of_pandas"))
        frame.to_sql("of_pandas", connection, index=False)
        frame.to_sql("of_pandas", connection, index=False, if_exists="append", method="multi")
        found = connection.execute(sa.text("SELECT id, amount, note, at FROM of_pandas ORDER BY id")).fetchall()
        equal(found[::2], found[1::2])
        equal(found[0], (1, 0.5, "it's", datetime.datetime(2026, 1, 1, 0, 0, 1, 2)))
        equal(found[2], (2, None, None, datetime.datetime(2026, 1, 2)))
        connection.execute(sa.text("DROP TABLE of_pandas"))


run(*map(each, [
    names_are_listed,
    columns_have_types,
    keys_are_known,
    all_tables_are_reflected_at_once,
    a_reflected_table_is_queried,
    objects_are_mapped,
    rows_stream_from_the_server,
    errors_do_not_spoil_the_pool,
    pandas_reads_frames,
    a_frame_is_written,
]))
