"""Log lines: one event a line, ``event key=value …`` or JSON, safe whatever the values contain.

Where lines go and in which form is the host's to say; ``docs/logs.md`` lists the events.
"""

from __future__ import annotations

import datetime
import json
import logging
import math
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from numbers import Integral, Real
from typing import Any, Final, Literal, get_args

Form = Literal["text", "json"]
FORMS: Final[tuple[Form, ...]] = get_args(Form)
TEXT: Final = "%(asctime)s [%(process)d] [%(levelname)s] %(name)s: %(message)s"
TEXT_TIME: Final = "%Y-%m-%dT%H:%M:%S%z"

logger = logging.getLogger("flask_irl")


class JsonFormatter(logging.Formatter):
    """Formats a record as one line of JSON: ``ts``, ``level``, ``logger``, ``event``, and more.

    Events of flask_irl have their fields as members, numbers as numbers. Any other record is the
    event ``log`` with a ``message``. A traceback is the member ``traceback``. The line is ASCII.
    """

    def format(self, record: logging.LogRecord) -> str:
        """The record's line, without its end."""
        name = getattr(record, "irl_event", None)
        told = getattr(record, "irl_fields", {}) if name else {"message": record.getMessage()}
        line: dict[str, object] = {
            "ts": _rfc3339(record.created),
            "level": record.levelname,
            "logger": record.name,
            "event": name or "log",
        }
        for key, value in told.items():
            line.setdefault(key, value)
        if record.exc_info:
            line.setdefault("traceback", self.formatException(record.exc_info))
        return json.dumps(_plain(line), allow_nan=False)


def formatter(form: Form) -> logging.Formatter:
    """A formatter for lines of a form."""
    return JsonFormatter() if form == "json" else logging.Formatter(TEXT, TEXT_TIME)


def event(level: int, name: str, /, **fields: object) -> None:
    """Log an event.

    Args:
        level: As in ``logging``.
        name: The event's stable name.
        fields: What happened.
    """
    if logger.isEnabledFor(level):
        logger.log(level, "%s", _line(name, fields), extra=_extra(name, fields))


def failure(name: str, error: BaseException, /, **fields: object) -> None:
    """Log an error of our own that the host must not notice, with its traceback."""
    told = {**fields, "error": repr(error)}
    logger.error("%s", _line(name, told), exc_info=error, extra=_extra(name, told))


def _line(name: str, fields: Mapping[str, object]) -> str:
    return " ".join([name, *(f"{key}={_shown(value)}" for key, value in fields.items())])


def _extra(name: str, fields: Mapping[str, object]) -> dict[str, object]:
    return {"irl_event": name, "irl_fields": fields}


def _shown(value: object) -> str:
    if isinstance(value, float):
        return f"{value:.3f}".rstrip("0").rstrip(".")
    text = str(value)
    if text and text.isprintable() and not any(c in ' "=' for c in text):
        return text
    # One line, one field: quotes, controls and separators are escaped.
    return '"' + text.encode("unicode_escape").decode("ascii").replace('"', '\\"') + '"'


def _plain(value: object) -> Any:
    """A value as JSON has it; what JSON doesn't have becomes text, or null for no number."""
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
    """Lets an event through at most so often, and tells how many it held back.

    Args:
        seconds: A period, which begins with an event.
        clock: Seconds, of any origin.
        burst: How many pass in a period, 1 or more.
    """

    def __init__(
        self, seconds: float, clock: Callable[[], float] = time.monotonic, burst: int = 1
    ) -> None:
        self._seconds = seconds
        self._clock = clock
        self._burst = burst
        self._next = 0.0
        self._left = 0
        self._held = 0
        self._lock = threading.Lock()

    def passes(self) -> int | None:
        """How many were held back since the last one that passed; None to hold this one back."""
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
