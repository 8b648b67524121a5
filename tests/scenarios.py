"""What each query of sql-examples should find, computed independently: plain loops over sql-examples/data, from the scenario's meaning.

`python3 tests/scenarios.py NAME` prints the columns of sql-examples/NAME.sql as sorted CSV rows without a header. None of the
data has late rows or NULLs, so watermarks need no modelling; `partitions` checks the former and stops when it no longer holds.
"""
import collections, csv, datetime, math, pathlib, subprocess, sys

HERE = pathlib.Path(__file__).resolve().parent
DATA = HERE.parent / "sql-examples" / "data"
MINUTE, HOUR = datetime.timedelta(minutes=1), datetime.timedelta(hours=1)


def partitions(name, key, delay_seconds=5):
    """The rows of one key at a time, in the order of their time; numbers and times are parsed."""
    rows, newest, delay = collections.defaultdict(list), datetime.datetime.min, datetime.timedelta(seconds=delay_seconds)
    for row in csv.DictReader(open(DATA / name, newline="")):
        row["ts"] = datetime.datetime.fromisoformat(row["ts"])
        newest = max(newest, row["ts"])
        assert row["ts"] > newest - delay, f"{name} has a late row: {row}"
        for number in {"amount", "usage", "temperature", "price"} & row.keys():
            row[number] = float(row[number])
        rows[row[key]].append(row)
    return [(value, sorted(of_key, key=lambda row: row["ts"])) for value, of_key in rows.items()]


def abandoned_cart():
    """From the first `add`: bought within 30 minutes or given up then; what happened in between belongs to the same cart."""
    for user, rows in partitions("cart.csv", "user_id"):
        i = 0
        while i < len(rows):
            if rows[i]["event"] != "add":
                i += 1
                continue
            deadline, end = rows[i]["ts"] + 30 * MINUTE, i + 1
            while end < len(rows) and rows[end]["ts"] < deadline and rows[end]["event"] != "buy":
                end += 1
            bought = end < len(rows) and rows[end]["ts"] < deadline
            if not bought:
                added = [row["amount"] for row in rows[i:end] if row["event"] == "add"]
                yield user, rows[i]["ts"], len(added), math.fsum(added), deadline
            i = end + 1 if bought else end


def browsed_bought_none():
    """From a view: bought within the hour or not; those who did not, having viewed at least five times."""
    for user, rows in partitions("browse.csv", "user_id"):
        i = 0
        while i < len(rows):
            if rows[i]["event"] != "view":
                i += 1
                continue
            deadline, end = rows[i]["ts"] + HOUR, i + 1
            while end < len(rows) and rows[end]["ts"] < deadline and rows[end]["event"] != "buy":
                end += 1
            bought = end < len(rows) and rows[end]["ts"] < deadline
            views = [row for row in rows[i:end] if row["event"] == "view"]
            if not bought and len(views) >= 5:
                yield user, views[0]["ts"], len(views), views[-1]["item"]
            i = end + 1 if bought else end


def cpu_above_90():
    """Stretches of samples above 90 that last five minutes or more, first sample to last."""
    for host, rows in partitions("cpu.csv", "host"):
        i = 0
        while i < len(rows):
            end = i
            while end < len(rows) and rows[end]["usage"] > 90:
                end += 1
            hot = rows[i:end]
            if len(hot) > 1 and hot[-1]["ts"] - hot[0]["ts"] >= 5 * MINUTE:
                mean = math.fsum(row["usage"] for row in hot) / len(hot)
                yield host, hot[0]["ts"], hot[-1]["ts"], len(hot), math.floor(mean * 100 + 0.5) / 100
            i = max(end, i + 1)


def more_than_ten_in_an_hour():
    """All that falls into the hour from a transaction, if it is eleven or more; then on behind them."""
    for account, rows in partitions("transactions.csv", "account"):
        i = 0
        while i < len(rows):
            hour = [row for row in rows[i:] if row["ts"] < rows[i]["ts"] + HOUR]
            if len(hour) > 10:
                yield account, len(hour), hour[0]["ts"], hour[-1]["ts"]
            i += len(hour) if len(hour) > 10 else 1


def refund_after_reminder():
    """Every event from an order's placing to its refund, if there was a reminder in between, each with its role."""
    roles = {"placed": "PLACED", "reminder": "REMINDER", "refund": "REFUND"}
    for order, rows in partitions("orders.csv", "order_id"):
        story = []
        for row in rows:
            if row["event"] == "placed":
                story = []  # a new start: what went before it cannot be part of this one
            elif not story:
                continue
            story.append(row)
            if row["event"] != "refund":
                continue
            reminders = 0
            if any(told["event"] == "reminder" for told in story):
                for told in story:
                    reminders += told["event"] == "reminder"
                    yield order, told["ts"], roles.get(told["event"], "WAITING"), told["event"], reminders
            story = []


def sessionise():
    """Clicks cut into sessions wherever a pause is longer than 30 minutes."""
    for user, rows in partitions("clicks.csv", "user_id"):
        sessions = []
        for row in rows:
            if sessions and row["ts"] - sessions[-1][-1]["ts"] <= 30 * MINUTE:
                sessions[-1].append(row)
            else:
                sessions.append([row])
        for number, of in enumerate(sessions, 1):
            yield user, number, of[0]["ts"], of[-1]["ts"], len(of), of[0]["page"], of[-1]["page"]


def silent_device():
    """Heartbeats without another one in less than five minutes, the last of each device included."""
    for device, rows in partitions("heartbeats.csv", "device"):
        for beat, following in zip(rows, rows[1:] + [None]):
            deadline = beat["ts"] + 5 * MINUTE
            if following is None or following["ts"] >= deadline:
                yield device, beat["ts"], beat["temperature"], deadline


def small_then_large():
    """Below 2, and directly after it above 500 at another merchant, less than ten minutes later. A hit is never a probe."""
    for account, rows in partitions("transactions.csv", "account"):
        for probe, hit in zip(rows, rows[1:]):
            soon = hit["ts"] - probe["ts"] < 10 * MINUTE
            if soon and probe["amount"] < 2 and hit["amount"] > 500 and hit["merchant"] != probe["merchant"]:
                small, large = probe["amount"], hit["amount"]
                yield account, probe["ts"], small, hit["ts"], large, large / small


def three_large_in_an_hour():
    """Three neighbours among the large transactions, in less than an hour; then on behind the third."""
    for account, rows in partitions("transactions.csv", "account"):
        large, i = [row for row in rows if row["amount"] >= 1000], 0
        while i + 2 < len(large):
            three = large[i : i + 3]
            found = three[2]["ts"] - three[0]["ts"] < HOUR
            if found:
                yield account, three[0]["ts"], three[2]["ts"], math.fsum(row["amount"] for row in three)
            i += 3 if found else 1


def v_shape():
    """The turning points are v_shape.py's; the prices are looked up."""
    ticks = {(symbol, row["ts"]): row["price"] for symbol, rows in partitions("ticks.csv", "symbol", 2) for row in rows}
    command = [sys.executable, HERE / "v_shape.py", DATA / "ticks.csv"]
    for line in subprocess.run(command, check=True, capture_output=True, text=True).stdout.splitlines():
        symbol, *times, falls, rises = line.split(",")
        points = [datetime.datetime.fromisoformat(time) for time in times]
        yield symbol, *(value for ts in points for value in (ts, ticks[symbol, ts])), falls, rises


def cell(value):
    if isinstance(value, datetime.datetime):
        return value.isoformat(" ", "milliseconds")
    return repr(value) if isinstance(value, float) else str(value)


SCENARIOS = [abandoned_cart, browsed_bought_none, cpu_above_90, more_than_ten_in_an_hour, refund_after_reminder, sessionise]
SCENARIOS += [silent_device, small_then_large, three_large_in_an_hour, v_shape]

if __name__ == "__main__":
    scenario = {scenario.__name__: scenario for scenario in SCENARIOS}[sys.argv[1]]
    print("\n".join(sorted(",".join(map(cell, row)) for row in scenario())))
