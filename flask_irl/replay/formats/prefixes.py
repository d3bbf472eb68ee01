"""Take off what loggers and containers put before a server's line."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final

from flask_irl.replay.formats.entry import LogEntry
from flask_irl.replay.formats.json_fields import load_object
from flask_irl.replay.formats.lines import Lines, Parser
from flask_irl.replay.formats.times import moment_of

_ISO = r"(\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\d(?:[.,]\d{1,9})?(?: ?[+-]\d\d:?\d\d|Z)?)"
_TAG = r"[\w./@-]{1,64}(?:\[[^\]\s]{1,64}\])?: +"
_HOST_AND_TAG = rf"(?:[^\s\[\]]{{1,255}} )?{_TAG}"
_LOGGER = r"[A-Za-z_][\w.]{0,63}"
_LEVEL = r"\[?(?:DEBUG|INFO|WARNING|ERROR)\]?:?"
_PRIORITY = r"(?:<\d{1,3}>)?"
_WRAPPED = (("log", "time"), ("MESSAGE", "__REALTIME_TIMESTAMP"), ("message", "@timestamp"))
_NESTED = 4
"""Most prefixes before each other: a container's behind a logger's behind the kernel's."""


@dataclass(frozen=True, slots=True)
class _Prefix:
    name: str
    pattern: re.Pattern[str]


def _prefix(name: str, pattern: str) -> _Prefix:
    return _Prefix(name, re.compile(pattern, re.ASCII))


# In this order: a pattern may be the beginning of one further down.
_PREFIXES: Final = (
    _prefix(
        "syslog (RFC 5424)",
        rf"{_PRIORITY}1 (?:{_ISO}|-) \S+ \S+ \S+ \S+ (?:-|(?:\[[^\]]*\])+) *(?:\ufeff)?",
    ),
    _prefix(
        "syslog",
        rf"{_PRIORITY}[A-Z][a-z]{{2}} [ \d]\d \d\d:\d\d:\d\d(?:\.\d{{1,9}})? {_HOST_AND_TAG}",
    ),
    _prefix("syslog", rf"{_PRIORITY}{_ISO} {_HOST_AND_TAG}"),
    _prefix("journald", rf"[A-Z][a-z]{{2}} {_ISO} [A-Z]{{2,5}} {_HOST_AND_TAG}"),
    _prefix("journald", rf"(\d{{10}}\.\d{{6}}) {_HOST_AND_TAG}"),
    _prefix("CRI", rf"{_ISO} (?:stdout|stderr) [FP] "),
    _prefix("Python's logging", r"\[[^\]]{19,32}\] \[\d+\] \[[A-Z]+\] "),
    _prefix("Python's logging", r"(?:DEBUG|INFO|WARNING|ERROR):[\w.]{1,64}:"),
    _prefix("Python's logging", rf"{_ISO} (?:- )?{_LOGGER} (?:- )?{_LEVEL} (?:- )?"),
    _prefix("Python's logging", rf"{_ISO} (?:- )?{_LEVEL} (?:- )?(?:{_LOGGER}: )?"),
    _prefix("container's time", rf"{_ISO} +"),
    _prefix("kubectl", r"\[pod/[^\]\s]{1,500}\] "),
    _prefix("compose", r"(?:\x1b\[[\d;]*m)*[\w.@-]{1,128} *\| *(?:\x1b\[[\d;]*m)* ?"),
    _prefix(
        "Caddy's console",
        r"(\d{4}/\d\d/\d\d \d\d:\d\d:\d\d(?:\.\d{1,9})?)\t\S+\t[\w.]+\t[^\t]{1,64}\t(?=\{)",
    ),
    _prefix("eventlet", r"\(\d+\) (?=\S+ - )"),
)


@dataclass(frozen=True, slots=True)
class Stripped:
    """Hold a line without its prefixes.

    Attributes:
        line: The server's own line.
        names: The prefixes that were taken off, the outermost first.
        moment: The innermost one's time in unix seconds, None where none has a year.
    """

    line: str
    names: tuple[str, ...] = ()
    moment: float | None = None


def strip(line: str) -> Stripped:
    """Take all known prefixes off a line: syslog, journald, containers, loggers."""
    names: list[str] = []
    moment: float | None = None
    for _ in range(_NESTED):
        if line[:1] == "{" and (inner := _unwrap(line)) is not None:
            line, when = inner
            name = "JSON of a container's log"
        else:
            for prefix in _PREFIXES:
                if match := prefix.pattern.match(line):
                    break
            else:
                break
            line = line[match.end() :]
            when, name = match[1] if match.re.groups else None, prefix.name
        names.append(name)
        if when is not None:
            try:
                moment = moment_of(_iso(when) if isinstance(when, str) else when)
            except ValueError:
                moment = None
    return Stripped(line, tuple(names), moment)


def stripping(parse: Parser) -> Parser:
    """Make a parser that takes the prefixes off each line first."""

    def parse_stripped(line: str, lines: Lines) -> LogEntry | None:
        found = strip(line)
        lines.moment = found.moment
        return parse(found.line, lines)

    return parse_stripped


def _iso(time: str) -> str:
    return time.replace(",", ".").replace("/", "-")


def _unwrap(line: str) -> tuple[str, object] | None:
    if not any(f'"{text}"' in line for text, _ in _WRAPPED):
        return None
    found = load_object(line) or {}
    for text, time in _WRAPPED:
        if isinstance(inner := found.get(text), str):
            return inner.rstrip("\n"), found.get(time)
    return None
