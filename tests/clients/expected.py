"""The rows that tables.sql makes, computed again, and how a script of this directory runs its checks.

A check is a function whose name is a sentence. `run` runs them all, says on standard error which fail and why, and exits with 1
if any does.
"""
import datetime
import decimal
import faulthandler
import sys
import time
import traceback

SYMBOLS = ["ACME", "BOLT", "CORE", "DART"]
NOTES = [
    None, "plain", "größer ✓ 日本 🙂", "it's \"quoted\", {braced}", "a\ttab", "two\nlines", "", "back\\slash 100%", "\\N",
]
COLUMNS = ["id", "symbol", "price", "quantity", "rate", "is_buy", "day", "ts", "note"]
TICKS = 100_000
# How clients may call a text column: Dipper's VARCHAR has no length.
TEXT_NAMES = {"text", "varchar", "character varying"}
TEXT_OIDS = {25, 1043}

# No check may hang: a query that takes longer ends the script with the place where it waits.
SECONDS_MAX = 600
# A cross join that nobody has the time for.
ENDLESS = "SELECT count(*) FROM ticks AS a CROSS JOIN ticks AS b WHERE a.n + b.n < 0"


def trade(i):
    """The row of `trades` with this id."""
    return (
        i,
        SYMBOLS[i % 4],
        decimal.Decimal((i - 500) * 12347).scaleb(-4),
        i * 7919 % 1000 - 500,
        i / 7.0,
        i % 3 == 0,
        datetime.date(2000, 2, 20) + datetime.timedelta(days=i),
        datetime.datetime(1999, 6, 1) + datetime.timedelta(microseconds=i * 43_210_123_457),
        NOTES[i % 9],
    )


def tick(n):
    """The row of `ticks` with this number."""
    return n, datetime.datetime(2026, 1, 1) + datetime.timedelta(milliseconds=10 * n), f"S{n % 100}"


TRADES = [trade(i) for i in range(1, 1001)]
EXPENSIVE = [row[:3] for row in TRADES if row[2] > 500]


def port():
    """The first argument of the script: where the server listens on 127.0.0.1."""
    return int(sys.argv[1])


def equal(actual, expected):
    """Fails with the first difference of two lists, or with both values."""
    if isinstance(actual, (list, tuple)) and isinstance(expected, (list, tuple)) and len(actual) == len(expected):
        for place, (one, other) in enumerate(zip(actual, expected)):
            if one != other:
                raise AssertionError(f"at {place}: {one!r}\nshould be: {other!r}")
    if type(actual) is list and type(expected) is list and len(actual) != len(expected) and len(expected) > 20:
        raise AssertionError(f"{len(actual)} rows, should be {len(expected)}; the first: {actual[:1]!r}")
    if actual != expected:
        raise AssertionError(f"{actual!r}\nshould be: {expected!r}")


def fails(kind, action, *arguments):
    """What `action` raises, which must be of this kind."""
    try:
        result = action(*arguments)
    except kind as error:
        return error
    raise AssertionError(f"no {kind.__name__}, but {result!r}")


def in_time(seconds, action, *arguments):
    """Does it, and fails if it took longer."""
    began = time.monotonic()
    result = action(*arguments)
    took = time.monotonic() - began
    if took > seconds:
        raise AssertionError(f"took {took:.1f} s, more than {seconds} s")
    return result


def run(*checks):
    """Runs the checks in turn."""
    faulthandler.dump_traceback_later(SECONDS_MAX, exit=True)
    failed = 0
    for check in checks:
        try:
            check()
        except Exception as error:
            failed += 1
            at = [place for place in traceback.extract_tb(error.__traceback__) if place.filename == check.__code__.co_filename][-1]
            print(f"FAILED {check.__name__}, line {at.lineno}: {at.line}\n{type(error).__name__}: {error}\n", file=sys.stderr)
    faulthandler.cancel_dump_traceback_later()
    print(f"{sys.argv[0]}: {len(checks) - failed} passed, {failed} failed")
    sys.exit(1 if failed else 0)
