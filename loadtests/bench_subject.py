"""One call of what is measured: an app called as a server calls it, and the time that takes."""

from __future__ import annotations

import io
import time
from collections.abc import Callable
from typing import Any, Protocol

from flask import Flask
from werkzeug.test import EnvironBuilder

PATH = "/api/data"
WARM_UP = 10
"""Requests before each turn's measured ones: caches are the neighbour's."""


class BenchError(RuntimeError):
    """The benchmark can't go on: a case answered otherwise than it must."""


class Subject(Protocol):
    """What is measured.

    Attributes:
        warm_up: Calls until all is as it is in the long run: every client has been seen.
    """

    warm_up: int

    def prepare(self) -> Any:
        """Whatever one call needs; not timed."""

    def call(self, prepared: Any) -> int:
        """One call, timed; the status it was answered with."""

    def check(self) -> None:
        """Raise :class:`BenchError` if what was measured isn't what is claimed; not timed."""


class WsgiSubject:
    """A Flask app, called as a server calls it, by clients in rotation.

    Args:
        app: The app.
        clients: How many different addresses ask, 1 or more.
        verify: Raises if the app isn't in the state it claims; asked after each turn.
    """

    def __init__(self, app: Flask, clients: int, verify: Callable[[], None] = lambda: None) -> None:
        self.warm_up = clients
        self._app = app
        self._environs = [environ_of(number) for number in range(clients)]
        self._next = 0
        self._verify = verify

    def prepare(self) -> dict[str, Any]:
        environ = self._environs[self._next].copy()
        self._next = (self._next + 1) % len(self._environs)
        environ["wsgi.input"] = io.BytesIO()
        return environ

    def call(self, prepared: dict[str, Any]) -> int:
        return answer(self._app, prepared)[0]

    def check(self) -> None:
        self._verify()


def environ_of(number: int) -> dict[str, Any]:
    """A WSGI environment of a GET by the client of that number."""
    address = f"10.{number >> 16 & 255}.{number >> 8 & 255}.{number & 255}"
    builder = EnvironBuilder(path=PATH, environ_base={"REMOTE_ADDR": address})
    environ = builder.get_environ()
    builder.close()
    return dict(environ)


def answer(app: Flask, environ: dict[str, Any]) -> tuple[int, list[tuple[str, str]]]:
    """Let an app answer, and read its answer to the end; status and headers."""
    started: list[Any] = []

    def start_response(status: str, headers: list[tuple[str, str]], _: Any = None) -> Any:
        started.append(status)
        started.append(headers)

    body = app(environ, start_response)
    for _ in body:
        pass
    close = getattr(body, "close", None)
    if close is not None:
        close()
    return int(started[0][:3]), started[1]


def timed(subject: Subject, calls: int, expected: int) -> list[float]:
    """Call a subject; µs of each call after the warm-up.

    Raises:
        BenchError: A call was answered otherwise than expected.
    """
    clock = time.perf_counter_ns
    for _ in range(WARM_UP):
        subject.call(subject.prepare())
    spent: list[float] = []
    for _ in range(calls):
        prepared = subject.prepare()
        start = clock()
        status = subject.call(prepared)
        end = clock()
        if status != expected:
            raise BenchError(f"answered {status}, not {expected}")
        spent.append((end - start) / 1000.0)
    subject.check()
    return spent
