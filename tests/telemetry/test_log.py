"""Log lines: one a record whatever is in it, JSON with types, and every event in the docs."""

from __future__ import annotations

import ast
import io
import json
import logging
import math
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, get_args

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from flask_irl.telemetry.log import JsonFormatter, Sampler, event, failure, formatter, logger
from flask_irl.training.trainer import Result
from tests.conftest import Clock

ROOT = Path(__file__).parents[2]
OURS = {"ts", "level", "logger", "event", "traceback"}
ENDS = "\n\r\v\f\x1c\x1d\x1e\x85\u2028\u2029"
"""What some reader takes for the end of a line."""
HOSTILE = st.text(
    st.one_of(st.characters(), st.sampled_from(ENDS + '"\\{}=, \x00\x1b\x7f\u202e\ud800\udfff'))
)

Lines = Callable[[], list[str]]


class Sink(logging.StreamHandler[io.StringIO]):
    """Keeps what a formatter makes of records; an error in it is the test's."""

    def __init__(self, how: logging.Formatter) -> None:
        super().__init__(io.StringIO())
        self.setFormatter(how)

    def handleError(self, record: logging.LogRecord) -> None:
        raise

    def take(self) -> str:
        written = self.stream.getvalue()
        self.stream.seek(0)
        self.stream.truncate()
        return written


@pytest.fixture(scope="module")
def json_sink() -> Iterator[Sink]:
    yield from _sink(JsonFormatter())


@pytest.fixture(scope="module")
def text_sink() -> Iterator[Sink]:
    yield from _sink(logging.Formatter("%(message)s"))


def _sink(how: logging.Formatter) -> Iterator[Sink]:
    sink = Sink(how)
    level = logger.level
    logger.addHandler(sink)
    logger.setLevel(logging.DEBUG)
    yield sink
    logger.removeHandler(sink)
    logger.setLevel(level)


def told(sink: Sink) -> dict[str, Any]:
    """The one line that was written, read strictly."""

    def refuse(name: str) -> None:
        raise AssertionError(f"{name} is no JSON")

    written = sink.take()
    assert written.endswith("\n")
    assert len(written.splitlines()) == 1
    assert written.isascii()
    found: dict[str, Any] = json.loads(written, parse_constant=refuse)
    return found


# JSON


def test_an_event_has_its_fields_with_their_types(json_sink: Sink) -> None:
    event(logging.WARNING, "client_flagged", client="192.0.2.1", step=1, score=-0.625, shadow=True)
    line = told(json_sink)
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", line.pop("ts"))
    assert line == {
        "level": "WARNING",
        "logger": "flask_irl",
        "event": "client_flagged",
        "client": "192.0.2.1",
        "step": 1,
        "score": -0.625,
        "shadow": True,
    }


def test_the_time_is_utc_with_milliseconds() -> None:
    record = logging.LogRecord("other", logging.INFO, "", 1, "hello", None, None)
    record.created = 1_700_000_000.0625
    assert json.loads(JsonFormatter().format(record))["ts"] == "2023-11-14T22:13:20.062Z"


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        (math.nan, None),
        (math.inf, None),
        (-math.inf, None),
        (None, None),
        (np.float32(0.5), 0.5),
        (np.int64(7), 7),
        (("a", 1, math.nan), ["a", 1, None]),
        ({"amount": math.inf, 5: "five"}, {"amount": None, "5": "five"}),
        (ValueError("no"), "no"),
        (b"raw", "b'raw'"),
        ("half \ud800", "half \\ud800"),
    ],
)
def test_what_json_does_not_have_becomes_something_that_it_has(
    json_sink: Sink, value: object, shown: object
) -> None:
    event(logging.INFO, "odd", value=value)
    assert told(json_sink)["value"] == shown


def test_a_field_never_passes_for_what_the_line_says_itself(json_sink: Sink) -> None:
    event(logging.INFO, "real", event="forged", ts=0, level="DEBUG", logger="elsewhere")
    line = told(json_sink)
    assert (line["event"], line["level"], line["logger"]) == ("real", "INFO", "flask_irl")
    assert line["ts"] != 0


def test_a_record_of_another_logger_is_an_event_too() -> None:
    record = logging.LogRecord("gunicorn.error", logging.INFO, "", 1, "pid %d", (5,), None)
    line = json.loads(JsonFormatter().format(record))
    del line["ts"]
    assert line == {
        "level": "INFO",
        "logger": "gunicorn.error",
        "event": "log",
        "message": "pid 5",
    }


def test_a_failure_has_its_error_and_traceback_in_its_line(json_sink: Sink) -> None:
    try:
        raise ValueError("two\nlines")
    except ValueError as error:
        failure("limiter_error", error, where="flush")
    line = told(json_sink)
    assert line["level"] == "ERROR"
    assert (line["where"], line["error"]) == ("flush", "ValueError('two\\nlines')")
    assert line["traceback"].startswith("Traceback (most recent call last):\n")


@given(HOSTILE, HOSTILE)
def test_whatever_is_sent_stays_in_its_json_field(json_sink: Sink, one: str, other: str) -> None:
    event(logging.INFO, "odd", one=one, other=other)
    line = told(json_sink)
    assert line["one"] == one.encode("utf-8", "backslashreplace").decode()
    assert line["other"] == other.encode("utf-8", "backslashreplace").decode()
    assert set(line) == {"ts", "level", "logger", "event", "one", "other"}


@given(HOSTILE)
def test_another_loggers_message_stays_in_its_line(message: str) -> None:
    record = logging.LogRecord(message, logging.INFO, "", 1, "%s", (message,), None)
    written = JsonFormatter().format(record)
    assert len(written.splitlines()) == 1
    assert json.loads(written)["event"] == "log"


# Text


def test_an_event_is_words_with_its_fields(text_sink: Sink) -> None:
    event(logging.INFO, "client_flagged", client="192.0.2.1", step=1, score=-0.62519, odd=True)
    assert text_sink.take() == "client_flagged client=192.0.2.1 step=1 score=-0.625 odd=True\n"


def test_a_failure_is_words_and_a_traceback(text_sink: Sink) -> None:
    failure("limiter_error", ValueError("no"), where="flush")
    assert text_sink.take() == (
        "limiter_error where=flush error=ValueError('no')\nValueError: no\n"
    )


@given(HOSTILE, HOSTILE)
def test_whatever_is_sent_stays_in_its_text_field(text_sink: Sink, one: str, other: str) -> None:
    event(logging.INFO, "odd", one=one, other=other)
    written = text_sink.take()
    assert len(written.splitlines()) == 1
    field = r'(?:"(?:[^"\\]|\\.)*"|[^ "=]+)'
    assert re.fullmatch(rf"odd one={field} other={field}\n", written)
    assert written[:-1].isprintable()


def test_text_is_the_form_of_those_who_say_nothing() -> None:
    record = logging.LogRecord("flask_irl", logging.INFO, "", 1, "store_back", None, None)
    record.process = 5
    assert re.fullmatch(
        r"\S+T\S+ \[5\] \[INFO\] flask_irl: store_back", formatter("text").format(record)
    )
    assert isinstance(formatter("json"), JsonFormatter)


# How often


def test_what_nobody_listens_to_is_not_put_together(text_sink: Sink) -> None:
    class Dear:
        def __str__(self) -> str:
            raise AssertionError("nobody asked")

    logger.setLevel(logging.WARNING)
    try:
        event(logging.INFO, "quiet", dear=Dear())
    finally:
        logger.setLevel(logging.DEBUG)
    # Not all of it: a breaker that another test left open may say that its store is back.
    assert "quiet" not in text_sink.take()


def test_the_sampler_tells_how_many_it_held_back(clock: Clock) -> None:
    sampler = Sampler(1.0, clock)
    assert [sampler.passes() for _ in range(4)] == [0, None, None, None]
    clock.advance(1.0)
    assert [sampler.passes(), sampler.passes()] == [3, None]


def test_a_sampler_may_let_some_through_at_once(clock: Clock) -> None:
    sampler = Sampler(1.0, clock, burst=3)
    assert [sampler.passes() for _ in range(5)] == [0, 0, 0, None, None]
    clock.advance(1.0)
    assert [sampler.passes() for _ in range(4)] == [2, 0, 0, None]


# The docs


def test_every_event_is_in_the_docs_with_its_fields_and_no_other_is() -> None:
    fields = {name: fields for name, (_, fields) in logged().items()}
    assert fields == {name: fields for name, (_, fields) in documented().items()}


def test_the_docs_give_each_event_levels_that_it_is_logged_at() -> None:
    possible = logged()
    wrong = {
        name: levels for name, (levels, _) in documented().items() if levels - possible[name][0]
    }
    assert wrong == {}


def test_no_event_has_a_field_that_json_lines_have_themselves() -> None:
    clashing = {name: fields & OURS for name, (_, fields) in logged().items() if fields & OURS}
    assert clashing == {}


Events = dict[str, tuple[set[str], set[str]]]
"""By name: the levels, and the fields that are written out."""


def documented() -> Events:
    text = (ROOT / "docs" / "logs.md").read_text(encoding="utf-8")
    rows = re.findall(r"^\| `(\w+)` \| ([A-Z, ]+) \|(.*?)\|(.*)\|$", text, re.M)
    assert all(meaning.strip() for *_, meaning in rows)
    assert len(rows) == len({name for name, *_ in rows})
    return {
        name: (set(levels.split(", ")), set(re.findall(r"`(\w+)`", fields)))
        for name, levels, fields, _ in rows
    }


def logged() -> Events:
    """What the package logs: the arguments of all calls of ``event`` and ``failure``."""
    found: Events = {}
    for path in sorted((ROOT / "flask_irl").rglob("*.py")):
        if path.name == "log.py":
            continue
        tree = ast.parse(path.read_text(encoding="utf-8"))
        handed_on = _handed_on(tree)
        for call in ast.walk(tree):
            called = getattr(call, "func", None)
            if not isinstance(call, ast.Call) or not isinstance(called, ast.Name):
                continue
            if called.id == "event":
                names, levels = _names(call.args[1]), _levels(call.args[0], tree)
                fields = _fields(call) | _spread(call, tree)
            elif called.id == "failure":
                names, levels, fields = _names(call.args[0]), {"ERROR"}, _fields(call) | {"error"}
            else:
                continue
            for name in names:
                before = found.get(name, (set(), set()))
                more = handed_on if name == "admin_refused" else set()
                found[name] = (before[0] | levels, before[1] | fields | more)
    return found


def _names(node: ast.expr) -> set[str]:
    if isinstance(node, ast.IfExp):
        return _names(node.body) | _names(node.orelse)
    if isinstance(node, ast.JoinedStr):
        prefix, result = node.values
        assert isinstance(prefix, ast.Constant)
        assert isinstance(result, ast.FormattedValue)
        assert ast.unparse(result.value) == "training.result"
        return {str(prefix.value) + word for word in get_args(Result)}
    assert isinstance(node, ast.Constant), ast.unparse(node)
    return {str(node.value)}


def _levels(node: ast.expr, tree: ast.Module) -> set[str]:
    if isinstance(node, ast.Name):
        # Chosen in a line before.
        values = [
            found.value
            for found in ast.walk(tree)
            if isinstance(found, ast.Assign) and ast.unparse(found.targets[0]) == node.id
        ]
        return set().union(*(_levels(value, tree) for value in values))
    if isinstance(node, ast.IfExp):
        return _levels(node.body, tree) | _levels(node.orelse, tree)
    assert isinstance(node, ast.Attribute), ast.unparse(node)
    return {node.attr}


def _fields(call: ast.Call) -> set[str]:
    return {keyword.arg for keyword in call.keywords if keyword.arg is not None}


def _spread(call: ast.Call, tree: ast.Module) -> set[str]:
    """The keys of the dictionaries, written out before, that a call is given by ``**``."""
    given = {ast.unparse(word.value) for word in call.keywords if word.arg is None}
    return {
        str(key.value)
        for found in ast.walk(tree)
        if isinstance(found, ast.Assign)
        and isinstance(found.value, ast.Dict)
        and ast.unparse(found.targets[0]) in given
        for key in found.value.keys
        if isinstance(key, ast.Constant)
    }


def _handed_on(tree: ast.Module) -> set[str]:
    """The fields that the admin API's logins hand on by ``**fields``."""
    calls = (call for call in ast.walk(tree) if isinstance(call, ast.Call))
    return set().union(
        *(_fields(call) for call in calls if getattr(call.func, "attr", "") == "_refused")
    )
