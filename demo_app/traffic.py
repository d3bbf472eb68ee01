"""Send the requests of the demo's clients: a thread each, at its own pace."""

from __future__ import annotations

import http.client
import threading
import time
from collections.abc import Iterator
from random import Random
from typing import Final

from demo_app.ledger import Entry
from demo_app.personas import Call, Script
from demo_app.server import HOST

API_KEY: Final = "X-API-Key"
TIMEOUT: Final = 15.0
"""Seconds that a client waits for an answer."""
MOST_PAUSE: Final = 60.0


class Visitor:
    """Send the requests of one client, script after script, until it is stopped.

    Args:
        entry: Its account.
        port: Port of the site on the loopback interface.
        seed: Seed of its scripts.
        key: Its API key.
    """

    def __init__(self, entry: Entry, port: int, seed: float, key: str) -> None:
        self.entry = entry
        self._key = key
        self._connection = http.client.HTTPConnection(HOST, port, timeout=TIMEOUT)
        self._random = Random(seed)
        self._script: Iterator[Call] | None = None
        self._changed = threading.Condition()
        self._stopped = False
        self._thread = threading.Thread(target=self._run, name=entry.role.name, daemon=True)

    def play(self, script: Script | None) -> None:
        """Go on with another script; None pauses."""
        with self._changed:
            self._script = None if script is None else script(self._random)
            self._changed.notify()
        if not self._thread.ident:
            self._thread.start()

    def stop(self) -> None:
        """Send no more requests; returns at once."""
        with self._changed:
            self._stopped = True
            self._changed.notify()

    def join(self, timeout: float) -> None:
        """Wait for the last answer."""
        if self._thread.ident:
            self._thread.join(timeout)

    def _run(self) -> None:
        while not self._stopped:
            script = self._script
            call = next(script, None) if script is not None else None
            pause = MOST_PAUSE if call is None else max(0.0, call.pause)
            if self._interrupted(script, pause) or call is None:
                continue
            self._send(call)
        self._connection.close()

    def _interrupted(self, script: Iterator[Call] | None, pause: float) -> bool:
        with self._changed:
            return self._changed.wait_for(
                lambda: self._stopped or self._script is not script, timeout=pause
            )

    def _send(self, call: Call) -> None:
        headers = {API_KEY: self._key}
        if call.body is not None:
            headers["Content-Type"] = "application/json"
        started = time.monotonic()
        # The server may close an idle connection at any time: one more try on a new one.
        for last in (False, True):
            try:
                self._connection.request(call.method, call.path, call.body, headers)
                response = self._connection.getresponse()
                body = response.read()
            except (OSError, http.client.HTTPException):
                self._connection.close()
                if last and not self._stopped:
                    self.entry.lost(time.monotonic() - started)
                continue
            seconds = time.monotonic() - started
            self.entry.answered(call.path, response.status, dict(response.headers), body, seconds)
            return


def stop_all(visitors: list[Visitor], timeout: float = 5.0) -> None:
    """Stop clients, and wait for their last answers."""
    for visitor in visitors:
        visitor.stop()
    until = time.monotonic() + timeout
    for visitor in visitors:
        visitor.join(max(0.0, until - time.monotonic()))
