"""Apache Superset's own code finds schemas, tables and columns, makes a data set of one, and draws charts from it: their queries, as data frames.

`superset_charts.py PORT`, for a Postgres server with the tables of tables.sql. No web server runs; Superset keeps its own
things in a file that goes away.
"""
import collections
import datetime
import os
import sys
import tempfile
import time
from contextlib import closing

import psycopg2

SCRATCH = tempfile.TemporaryDirectory()
with open(os.path.join(SCRATCH.name, "superset_config.py"), "w") as config:
    config.write(f"SECRET_KEY = 'of a test'\nSQLALCHEMY_DATABASE_URI = 'sqlite:///{SCRATCH.name}/superset.db'\n")
os.environ["SUPERSET_HOME"] = SCRATCH.name
os.environ["SUPERSET_CONFIG_PATH"] = os.path.join(SCRATCH.name, "superset_config.py")

from superset.app import create_app

from expected import COLUMNS, EXPENSIVE, TICKS, TRADES, equal, fails, port, run

APP = create_app()
APP.app_context().push()

from flask_appbuilder import Model
from superset import db
from superset.connectors.sqla.models import SqlaTable, SqlMetric
from superset.models.core import Database
from superset.sql.parse import Table

Model.metadata.create_all(db.engine)
DATABASE = Database(database_name="dipper", sqlalchemy_uri=f"postgresql+psycopg2://dipper@127.0.0.1:{port()}/dipper")
db.session.add(DATABASE)
db.session.commit()


def schemas_tables_and_views_are_listed():
    assert "dipper" in DATABASE.get_all_catalog_names()
    assert "public" in DATABASE.get_all_schema_names(catalog="dipper")
    tables = {table[0] for table in DATABASE.get_all_table_names_in_schema("dipper", "public")}
    assert {"trades", "ticks"} <= tables, tables
    equal({view[0] for view in DATABASE.get_all_view_names_in_schema("dipper", "public")}, {"expensive"})
    assert DATABASE.has_table(Table("trades", "public", "dipper"))


def columns_are_described():
    columns = DATABASE.get_columns(Table("trades", "public"))
    equal([column["column_name"] for column in columns], COLUMNS)
    with DATABASE.get_inspector(schema="public") as inspector:
        equal(inspector.get_pk_constraint("trades", "public")["constrained_columns"], ["id"])
    equal(DATABASE.get_table_comment(Table("trades", "public")), "what was bought and sold")
    equal(DATABASE.get_indexes(Table("trades", "public")), [])
    assert "FROM public.trades" in DATABASE.select_star(Table("trades", "public"), limit=10).replace("\n", " ")


def a_query_gives_a_frame():
    frame = DATABASE.get_df("SELECT * FROM expensive ORDER BY id;", schema="public")
    equal([tuple(row) for row in frame.itertuples(index=False)], EXPENSIVE)
    fails(Exception, DATABASE.get_df, "SELECT * FROM nowhere")


def data_set(name, time):
    """A data set, as a person makes it of a table."""
    table = SqlaTable(table_name=name, schema="public", database=DATABASE, main_dttm_col=time)
    db.session.add(table)
    table.fetch_metadata()
    db.session.commit()
    return table


def chart(table, **query):
    """The rows of a chart's query, as dictionaries."""
    defaults = {
        "granularity": table.main_dttm_col, "from_dttm": None, "to_dttm": None, "columns": [], "groupby": [], "metrics": [], "is_timeseries": False,
        "filter": [], "extras": {}, "orderby": [], "row_limit": 10_000,
    }
    result = table.query({**defaults, **query})
    assert not result.error_message, f"{result.error_message}\n{result.query}"
    return result.df.to_dict("records")


def a_data_set_is_made():
    table = data_set("trades", "ts")
    equal({column.column_name for column in table.columns}, set(COLUMNS))
    equal({column.column_name for column in table.columns if column.is_dttm}, {"day", "ts"})
    equal([metric.expression for metric in table.metrics], ["COUNT(*)"])


def over_time(table, grain):
    """A chart of how many rows each interval has."""
    rows = chart(table, metrics=["count"], is_timeseries=True, extras={"time_grain_sqla": grain})
    equal(len({row["__timestamp"] for row in rows}), len(rows))
    return {row["__timestamp"].to_pydatetime(): row["count"] for row in rows}


def charts_have_steps_of_seconds_to_days():
    table = data_set("ticks", "ts")
    began = datetime.datetime(2026, 1, 1)
    wrong = []
    for grain, seconds in {
        "PT1S": 1, "PT5S": 5, "PT30S": 30, "PT1M": 60, "PT5M": 300, "PT10M": 600, "PT15M": 900, "PT30M": 1800, "PT1H": 3600, "P1D": 86400,
    }.items():
        steps = collections.Counter(n // 100 // seconds for n in range(1, TICKS + 1))
        expected = {began + datetime.timedelta(seconds=step * seconds): count for step, count in steps.items()}
        try:
            equal(over_time(table, grain), expected)
        except AssertionError as error:
            wrong.append(f"{grain}: {str(error)[:300]}")
    assert not wrong, "\n".join(wrong)


def charts_have_steps_of_weeks_to_years():
    table = db.session.query(SqlaTable).filter_by(table_name="trades").one()
    starts = {
        "P1W": lambda day: day - datetime.timedelta(days=day.weekday()),
        "P1M": lambda day: day.replace(day=1),
        "P3M": lambda day: day.replace(month=(day.month - 1) // 3 * 3 + 1, day=1),
        "P1Y": lambda day: day.replace(month=1, day=1),
    }
    for grain, start in starts.items():
        midnights = [row[7].replace(hour=0, minute=0, second=0, microsecond=0) for row in TRADES]
        equal(over_time(table, grain), dict(collections.Counter(map(start, midnights))))


def charts_are_grouped_and_filtered():
    table = db.session.query(SqlaTable).filter_by(table_name="trades").one()
    table.metrics.append(SqlMetric(metric_name="volume", expression="SUM(quantity)"))
    highest = {"expressionType": "SIMPLE", "column": {"column_name": "price"}, "aggregate": "MAX", "label": "highest"}
    since, until = datetime.datetime(1999, 12, 1), datetime.datetime(2000, 6, 1)
    found = chart(
        table, columns=["symbol"], metrics=["count", "volume", highest], from_dttm=since, to_dttm=until,
        filter=[{"col": "symbol", "op": "IN", "val": ["ACME", "CORE"]}, {"col": "id", "op": ">", "val": 10}, {"col": "note", "op": "IS NOT NULL"},
                {"col": "is_buy", "op": "==", "val": False}],
        orderby=[("volume", False)], row_limit=10,
    )
    rows = [row for row in TRADES if since <= row[7] < until and row[1] in ("ACME", "CORE") and row[0] > 10 and row[8] is not None and not row[5]]
    expected = {}
    for name in ("ACME", "CORE"):
        of = [row for row in rows if row[1] == name]
        expected[name] = (len(of), sum(row[3] for row in of), max(row[2] for row in of))
    equal({row["symbol"]: (row["count"], row["volume"], row["highest"]) for row in found}, expected)
    equal([row["volume"] for row in found], sorted((volume for _, volume, _ in expected.values()), reverse=True))


def filters_offer_values():
    table = db.session.query(SqlaTable).filter_by(table_name="trades").one()
    equal(sorted(table.values_for_column("symbol")), ["ACME", "BOLT", "CORE", "DART"])


def charts_follow_a_running_job():
    """A job that a client has submitted commits twice a second what it has read since. A chart shows what has been committed, and later more."""
    with closing(psycopg2.connect(host="127.0.0.1", port=port(), user="dipper", dbname="dipper")) as connection:
        connection.autocommit = True
        client = connection.cursor()
        for statement in (
            "CREATE TABLE beats (n BIGINT, ts TIMESTAMP(3))",
            """CREATE TEMPORARY TABLE heart (n BIGINT, ts TIMESTAMP(3)) WITH ('connector' = 'datagen', 'rows-per-second' = '1000',
               'fields.n.kind' = 'sequence', 'fields.n.start' = '1',
               'fields.ts.start' = '2026-01-01 00:00:00', 'fields.ts.step' = '1 ms')""",
            "SET 'state.checkpoints.dir' = 'checkpoints'",
            "SET 'execution.checkpointing.interval' = '500 ms'",
            "SET 'pipeline.name' = 'beats'",
            "INSERT INTO beats SELECT n, ts FROM heart",
        ):
            client.execute(statement)
        try:
            table = data_set("beats", "ts")
            table.metrics.append(SqlMetric(metric_name="highest", expression="MAX(n)"))
            table.metrics.append(SqlMetric(metric_name="total", expression="SUM(n)"))
            seen, until = set(), time.monotonic() + 60
            while len(seen) < 5 and time.monotonic() < until:
                [row] = chart(table, metrics=["count", "highest", "total"])
                rows = row["count"]
                if rows:
                    equal((row["highest"], row["total"]), (rows, rows * (rows + 1) // 2))
                    assert rows >= max(seen, default=0), f"{rows} rows, after {max(seen)}"
                    seen.add(rows)
            assert len(seen) >= 5, f"the chart has shown no more than {sorted(seen)} rows"
            steps = sorted(over_time(table, "PT1S").items())
            assert all(count == 1000 for _, count in steps[1:-1]), steps
        finally:
            client.execute("SHOW JOBS")
            [job] = [row[0] for row in client.fetchall() if "beats" in row]
            client.execute(f"STOP JOB '{job}'")


run(
    schemas_tables_and_views_are_listed,
    columns_are_described,
    a_query_gives_a_frame,
    a_data_set_is_made,
    charts_have_steps_of_seconds_to_days,
    charts_have_steps_of_weeks_to_years,
    charts_are_grouped_and_filtered,
    filters_offer_values,
    charts_follow_a_running_job,
)
