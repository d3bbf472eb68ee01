"""Call an app as a WSGI server calls it, and time the calls."""

from __future__ import annotations

import io
import time
from collections.abc import Callable
from dataclasses import dataclass
from random import Random
from typing import Any, Final, Protocol

from flask import Flask
from werkzeug.test import EnvironBuilder

from loadtests.bench.cases import PATH

WARM_UP: Final = 10
"""Requests before the measured ones of each turn: caches are the neighbour's."""
FLUSH_EVERY: Final = 5_000
"""Requests after which a growing crowd lets its app learn."""


class BenchError(RuntimeError):
    """Signal that the benchmark can't go on: a case answered otherwise than it must."""


class Subject(Protocol):
    """Answer calls that are timed; ``warm_up`` calls bring it to its lasting state."""

    warm_up: int

    def prepare(self) -> Any:
        """Make the argument of one call; not timed."""

    def call(self, prepared: Any) -> int:
        """Answer one call, and return its status; timed."""

    def check(self) -> None:
        """Raise :class:`BenchError` if the subject isn't in the state it claims; not timed."""


@dataclass
class WsgiSubject:
    """Call a Flask app for a number of clients in rotation, on so many routes; 0 for the usual one.

    ``flush`` lets the app learn, now and then while clients come for the first time.
    """

    app: Flask
    clients: int
    check: Callable[[], None] = lambda: None
    routes: int = 0
    flush: Callable[[], object] = lambda: None

    def __post_init__(self) -> None:
        self.warm_up = self.clients
        self._environ = environ_of(0)
        self._calls = 0
        self._random = Random(7)

    def prepare(self) -> dict[str, Any]:
        """Make the WSGI environment of the next request."""
        number = self._client()
        self._calls += 1
        if self._calls <= self.clients and self._calls % FLUSH_EVERY == 0:
            self.flush()
        path = path_of(number % self.routes) if self.routes else PATH
        own = {"REMOTE_ADDR": address_of(number), "PATH_INFO": path, "wsgi.input": io.BytesIO()}
        return self._environ | own

    def call(self, prepared: dict[str, Any]) -> int:
        """Let the app answer a request, and return the status."""
        return answer(self.app, prepared)[0]

    def _client(self) -> int:
        return self._calls % self.clients


class Crowd(WsgiSubject):
    """Call an app for each client in turn, then for clients drawn at random."""

    def _client(self) -> int:
        first = self._calls < self.clients
        return self._calls if first else self._random.randrange(self.clients)


def address_of(number: int) -> str:
    """Give the address of the client of a number."""
    return f"10.{number >> 16 & 255}.{number >> 8 & 255}.{number & 255}"


def path_of(number: int) -> str:
    """Give the path of a route of an app that has many."""
    return f"/api/section{number % 10}/thing{number}"


def environ_of(number: int) -> dict[str, Any]:
    """Make the WSGI environment of a GET by the client of a number."""
    builder = EnvironBuilder(path=PATH, environ_base={"REMOTE_ADDR": address_of(number)})
    environ = builder.get_environ()
    builder.close()
    return dict(environ)


def answer(app: Flask, environ: dict[str, Any]) -> tuple[int, list[tuple[str, str]]]:
    """Let an app answer, read the answer to its end, and return status and headers."""
    started: list[Any] = []

    def start_response(status: str, headers: list[tuple[str, str]], _: Any = None) -> Any:
        started.append(status)
        started.append(headers)

    body = app(environ, start_response)
    for _ in body:
        pass
    if close := getattr(body, "close", None):
        close()
    return int(started[0][:3]), started[1]


def warm(subject: Subject) -> None:
    """Call a subject until it is in its lasting state."""
    for _ in range(subject.warm_up):
        subject.call(subject.prepare())


def timed_call(subject: Subject, expected: int = 200) -> float:
    """Call a subject once, and return the time in µs."""
    prepared = subject.prepare()
    start = time.perf_counter_ns()
    status = subject.call(prepared)
    end = time.perf_counter_ns()
    if status != expected:
        raise BenchError(f"answered {status}, not {expected}")
    return (end - start) / 1000.0


def timed(subject: Subject, calls: int, expected: int) -> list[float]:
    """Call a subject, and return the time of each call after the warm-up, in µs."""
    for _ in range(WARM_UP):
        subject.call(subject.prepare())
    times = [timed_call(subject, expected) for _ in range(calls)]
    subject.check()
    return times
