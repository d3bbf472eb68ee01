"""Send mixed traffic at a steady pace: people, a job, attackers, newcomers; each on its own time.

Each request has a connection of its own, so that one without an answer was never counted twice, and
what the site and its clients count can be compared to the request.
"""

from __future__ import annotations

import heapq
import http.client
import itertools
import threading
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from random import Random
from typing import Final, NamedTuple

from demo_app import personas
from demo_app.keys import issue_key
from demo_app.personas import Call, Script
from demo_app.traffic import API_KEY, TIMEOUT
from loadtests.load.checks import EXPECTED, TOO_MANY
from loadtests.load.scenario import HEALTH, batch_job, monitor

HOST: Final = "127.0.0.1"
THREADS: Final = 16
"""Requests that may be under way at the same time."""
NEWCOMER_SECONDS: Final = 0.25
"""Mean time between two newcomers."""
FLOOD: Final = 25
FLOOD_PAUSE: Final = 8.0
"""Requests of a flood, and the seconds until the next one."""
DRAIN_SECONDS: Final = 30.0
NO_ANSWER: Final = 0


def floods(random: Random) -> Iterator[Call]:
    """Flood the site, and rest, in turn."""
    for number, call in enumerate(personas.flood(random), 1):
        yield call if number % FLOOD else call._replace(pause=FLOOD_PAUSE)


def newcomers(random: Random) -> Iterator[Call]:
    """Open a page, each time as somebody who was never here."""
    while True:
        yield Call(random.expovariate(1 / NEWCOMER_SECONDS), "GET", "/api/data?page=1")


PEOPLE: Final[tuple[tuple[str, Script, int], ...]] = (
    ("reader", personas.reader, 30),
    ("app", personas.mobile_app, 8),
    ("job", batch_job, 4),
    ("monitor", monitor, 1),
    ("scraper", personas.scraper, 1),
    ("stuffer", personas.stuffer, 1),
    ("flood", floods, 1),
    ("newcomer", newcomers, 1),
)
"""Each kind of clients, its script, and how many there are."""
ONCE: Final = "newcomer"
"""The kind whose requests are each of another client."""


class Answered(NamedTuple):
    """Tell of a request: seconds since the beginning, the answer's status (0: none), its time."""

    at: float
    status: int
    seconds: float


@dataclass(slots=True, order=True)
class _Client:
    due: float
    number: int
    kind: str
    script: Iterator[Call]
    call: Call


class Traffic:
    """Send the requests of all clients within a ``with`` block.

    Args:
        port: The site's port on the loopback interface.
        secret: Signs the clients' keys.
        seed: Draws their pauses.
    """

    def __init__(self, port: int, secret: str, seed: int = 1) -> None:
        self._port = port
        self._secret = secret
        self._began = time.monotonic()
        self._numbers = itertools.count()
        self._changed = threading.Condition()
        self._paused = self._ended = False
        self._under_way = 0
        self.answered: list[Answered] = []
        self.outcomes: Counter[str] = Counter()
        self._clients = [
            self._client(kind, script(Random(f"{seed} {kind} {number}")))
            for kind, script, many in PEOPLE
            for number in range(many)
        ]
        heapq.heapify(self._clients)
        self._threads = [
            threading.Thread(target=self._run, name="soak-traffic", daemon=True)
            for _ in range(THREADS)
        ]

    def __enter__(self) -> Traffic:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        with self._changed:
            self._ended = True
            self._changed.notify_all()
        for thread in self._threads:
            thread.join(DRAIN_SECONDS)

    @property
    def now(self) -> float:
        """Give the seconds since the beginning."""
        return time.monotonic() - self._began

    def pause(self) -> None:
        """Send nothing any more, and wait for the answers that are to come.

        Raises:
            TimeoutError: They don't come.
        """
        with self._changed:
            self._paused = True
            if not self._changed.wait_for(lambda: not self._under_way, DRAIN_SECONDS):
                raise TimeoutError(f"{self._under_way} requests have no answer")

    def resume(self) -> None:
        """Go on."""
        with self._changed:
            self._paused = False
            self._changed.notify_all()

    def _client(self, kind: str, script: Iterator[Call]) -> _Client:
        call = next(script)
        return _Client(self.now + call.pause, next(self._numbers), kind, script, call)

    def _run(self) -> None:
        while (client := self._next()) is not None:
            answer = self._send(client)
            with self._changed:
                self._under_way -= 1
                self.answered.append(answer)
                self.outcomes[_outcome(client.call.path, answer.status)] += 1
                client.call = next(client.script)
                client.due = self.now + max(0.0, client.call.pause)
                heapq.heappush(self._clients, client)
                self._changed.notify_all()

    def _next(self) -> _Client | None:
        """Wait for the next client that is due; None at the end."""
        with self._changed:
            while not self._ended:
                if self._paused or not self._clients:
                    self._changed.wait()
                    continue
                left = self._clients[0].due - self.now
                if left > 0:
                    self._changed.wait(left)
                    continue
                self._under_way += 1
                return heapq.heappop(self._clients)
            return None

    def _send(self, client: _Client) -> Answered:
        call = client.call
        number = next(self._numbers) if client.kind == ONCE else client.number
        headers = {API_KEY: issue_key(f"{client.kind} {number}", self._secret)}
        if call.body is not None:
            headers["Content-Type"] = "application/json"
        began, at = time.monotonic(), self.now
        connection = http.client.HTTPConnection(HOST, self._port, timeout=TIMEOUT)
        try:
            connection.request(call.method, call.path, call.body, headers)
            response = connection.getresponse()
            response.read()
            status = response.status
        except (OSError, http.client.HTTPException):
            status = NO_ANSWER
        finally:
            connection.close()
        return Answered(at, status, time.monotonic() - began)


def _outcome(path: str, status: int) -> str:
    """Name an answer as the site's metrics do; what the site never answers when well by itself."""
    if status not in EXPECTED:
        return f"status {status}" if status else "no answer"
    if status == TOO_MANY:
        return "limited"
    return "exempt" if path == HEALTH else "allowed"
