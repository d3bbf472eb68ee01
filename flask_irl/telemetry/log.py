"""Log events, one a line, as ``event key=value …`` or JSON, safe whatever the values contain.

The host decides where lines go and in which form; ``docs/logs.md`` lists the events.
"""

from __future__ import annotations

import datetime
import json
import logging
import math
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from contextvars import ContextVar
from functools import partial
from numbers import Integral, Real
from typing import Any, Final, Literal, get_args

from flask_irl.telemetry.forks import renew_after_fork

Form = Literal["text", "json"]
FORMS: Final[tuple[Form, ...]] = get_args(Form)
TEXT: Final = "%(asctime)s [%(process)d] [%(levelname)s] %(name)s: %(message)s"
TEXT_TIME: Final = "%Y-%m-%dT%H:%M:%S%z"

LAST_MOMENT: Final = 253_402_300_799.0
"""End of the year 9999, in seconds since the epoch: later ones have no date."""

TENANT: Final[ContextVar[str]] = ContextVar("flask_irl.tenant", default="")
"""Name of the tenant that is being worked for; each line of the log has it."""

logger = logging.getLogger("flask_irl")
# Loaded now: a host that is out of files can't load it when there is most to tell.
"".encode("unicode_escape")


class JsonFormatter(logging.Formatter):
    """Format a record as one line of JSON: ``ts``, ``level``, ``logger``, ``event``, and more.

    Events of flask_irl have their fields as members, numbers as numbers. Any other record is the
    event ``log`` with a ``message``. A traceback is the member ``traceback``. The line is ASCII.
    """

    # Not by python-json-logger or structlog: theirs writes NaN, half characters and NumPy's
    # numbers as text, adds every attribute that a record of another logger carries, and lets a
    # field take the place of ts or level. Mended, it would be this class and one more dependency.

    def format(self, record: logging.LogRecord) -> str:
        """Format a record, without the end of its line."""
        name = getattr(record, "irl_event", None)
        fields = getattr(record, "irl_fields", {}) if name else {"message": record.getMessage()}
        line: dict[str, object] = {
            "ts": _rfc3339(record.created),
            "level": record.levelname,
            "logger": record.name,
            "event": name or "log",
        }
        for key, value in fields.items():
            line.setdefault(key, value)
        if record.exc_info:
            line.setdefault("traceback", self.formatException(record.exc_info))
        return json.dumps(_plain(line), allow_nan=False)


def formatter(form: Form) -> logging.Formatter:
    """Make a formatter for lines of a form."""
    return JsonFormatter() if form == "json" else logging.Formatter(TEXT, TEXT_TIME)


def event(level: int, name: str, /, **fields: object) -> None:
    """Log an event.

    Args:
        level: As in ``logging``.
        name: The event's stable name.
        fields: Its fields, by name.
    """
    if logger.isEnabledFor(level):
        _log(level, name, fields)


def failure(name: str, error: BaseException, /, **fields: object) -> None:
    """Log an error of this package that the host must not notice, with its traceback."""
    _log(logging.ERROR, name, {**fields, "error": repr(error)}, error)


def moment(seconds: float) -> str:
    """Write a time in ISO 8601, in UTC.

    Args:
        seconds: The time in seconds since the epoch; earlier and later ones that have
            no date here are written as 1970 and the end of the year 9999.
    """
    at = datetime.datetime.fromtimestamp(min(max(seconds, 0.0), LAST_MOMENT), datetime.UTC)
    return at.isoformat(timespec="seconds").replace("+00:00", "Z")


def place_of(error: BaseException) -> str:
    """Name the place where an error left the code that this package called; "" for its own."""
    place, trace = "", error.__traceback__
    while trace is not None:
        module = str(trace.tb_frame.f_globals.get("__name__"))
        if module.partition(".")[0] == logger.name:
            place = ""
        elif not place:
            place = f"{module}.{trace.tb_frame.f_code.co_qualname}:{trace.tb_lineno}"
        trace = trace.tb_next
    return place


def name_of(function: object) -> str:
    """Name a function for people, with its line if it has one."""
    function = function.func if isinstance(function, partial) else function
    named = function if hasattr(function, "__qualname__") else type(function)
    module, name = getattr(named, "__module__", "?"), getattr(named, "__qualname__", "?")
    line = getattr(getattr(function, "__code__", None), "co_firstlineno", None)
    return f"{module}.{name}" if line is None else f"{module}.{name}:{line}"


@contextmanager
def named(tenant: str) -> Iterator[None]:
    """Have the lines that are logged meanwhile name a tenant; empty for none."""
    token = TENANT.set(tenant)
    try:
        yield
    finally:
        TENANT.reset(token)


@contextmanager
def only_errors() -> Iterator[None]:
    """Log nothing less than errors meanwhile."""
    level = logger.level
    logger.setLevel(logging.ERROR)
    try:
        yield
    finally:
        logger.setLevel(level)


class Sampler:
    """Let an event through at most so often, and count the events held back.

    Args:
        seconds: Length of a period, which begins with an event.
        clock: Gives seconds, of any origin.
        burst: Most events that pass in a period, 1 or more.
    """

    def __init__(
        self, seconds: float, clock: Callable[[], float] = time.monotonic, burst: int = 1
    ) -> None:
        self._seconds = seconds
        self._clock = clock
        self._burst = burst
        self._next = 0.0
        self._left = 0
        self.after_fork()
        renew_after_fork(self)

    def after_fork(self) -> None:
        """Leave the events held back to the parent process, and renew the lock."""
        self._held = 0
        self._lock = threading.Lock()

    def passes(self) -> int | None:
        """Count the events held back since the last that passed; None to hold this one back."""
        now = self._clock()
        with self._lock:
            if now >= self._next:
                self._next = now + self._seconds
                self._left = self._burst
            if not self._left:
                self._held += 1
                return None
            self._left -= 1
            held, self._held = self._held, 0
            return held


def _log(
    level: int, name: str, fields: Mapping[str, object], error: BaseException | None = None
) -> None:
    if tenant := TENANT.get():
        fields = {**fields, "tenant": tenant}
    # A filter or handler of the host's may fail, or the host be out of files or memory: that is no
    # reason to let a request pass unlimited, or to fail it, and there is no log to tell it to.
    with suppress(Exception):
        logger.log(level, "%s", _text(name, fields), exc_info=error, extra=_extra(name, fields))


def _text(name: str, fields: Mapping[str, object]) -> str:
    return " ".join([name, *(f"{key}={_quoted(value)}" for key, value in fields.items())])


def _extra(name: str, fields: Mapping[str, object]) -> dict[str, object]:
    return {"irl_event": name, "irl_fields": fields}


def _quoted(value: object) -> str:
    """Format a field's value as text: in quotes, with escapes, unless it is one plain word."""
    if isinstance(value, float):
        return f"{value:.3f}".rstrip("0").rstrip(".")
    text = str(value)
    if text and text.isprintable() and not any(c in ' "=' for c in text):
        return text
    # One line, one field: quotes, controls and separators are escaped.
    return '"' + text.encode("unicode_escape").decode("ascii").replace('"', '\\"') + '"'


def _plain(value: object) -> Any:
    """Convert a value to one of JSON: null for NaN and infinity, text for any other type."""
    if value is None or isinstance(value, bool):
        return value
    if isinstance(value, Integral):
        return int(value)
    if isinstance(value, Real):
        return float(value) if math.isfinite(value) else None
    if isinstance(value, Mapping):
        return {_plain(str(name)): _plain(item) for name, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(item) for item in value]
    # Half a character (a lone surrogate) would be valid JSON, and yet many readers refuse it.
    return str(value).encode("utf-8", "backslashreplace").decode("utf-8")


def _rfc3339(seconds: float) -> str:
    moment = datetime.datetime.fromtimestamp(seconds, datetime.UTC)
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")
