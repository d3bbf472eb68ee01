"""Play the personas as locust's users: clients with keys of their own that check every answer.

Only for locust's process: importing locust changes the standard library's networking.
"""

from __future__ import annotations

import itertools
import os
import re
import time
from collections.abc import Iterator
from typing import Any, ClassVar, Final

from locust import FastHttpUser, task
from locust.env import Environment

from demo_app.keys import SECRET, issue_key
from demo_app.personas import Persona
from demo_app.traffic import API_KEY, TIMEOUT
from loadtests.load.checks import Account, Answer
from loadtests.load.scenario import ATTACKERS, MONITOR, NORMAL, script_of
from loadtests.load.session import SESSION

MOST_PAUSE: Final = 12.0
"""Seconds; the site closes connections that are idle for longer."""
_NUMBER: Final = re.compile(r"/\d+$")


class Visitor(FastHttpUser):
    """Play a persona's script as one client."""

    abstract = True
    network_timeout = TIMEOUT
    connection_timeout = TIMEOUT
    persona: ClassVar[Persona]
    _numbers: ClassVar[Iterator[int]]

    def __init_subclass__(cls) -> None:
        cls.weight = SESSION.scenario.many(cls.persona)
        cls._numbers = itertools.count(1)

    def __init__(self, environment: Environment) -> None:
        super().__init__(environment)
        number = next(self._numbers)
        secret = os.environ.get(SECRET) or "none"
        self._key = issue_key(f"{self.persona.name} {number}", secret)
        self._script = script_of(self.persona, SESSION.scenario, number)
        self._coming = next(self._script)
        self._account = Account(SESSION.rules)

    def wait_time(self) -> float:
        """Give the seconds until the next request."""
        return min(max(0.0, self._coming.pause), MOST_PAUSE)

    @task
    def ask(self) -> None:
        """Send the script's next request, and judge the answer."""
        call, self._coming = self._coming, next(self._script)
        path = call.path.partition("?")[0]
        headers = {API_KEY: self._key}
        if call.body is not None:
            headers["Content-Type"] = "application/json"
        second, sent = SESSION.second(), time.monotonic()
        with self.client.request(
            call.method,
            call.path,
            name=f"{self.persona.name}: {_NUMBER.sub('/<n>', path)}",
            data=None if call.body is None else call.body.decode(),
            headers=headers,
            catch_response=True,
        ) as response:
            received = time.monotonic()
            fields = dict(response.headers.items()) if response.headers else {}
            body = response.content or b""
            answer = Answer(path, response.status_code, fields, body, sent, received)
            judgement = self._account.judge(answer)
            SESSION.tally.count(self.persona.name, judgement, answer.received - sent, second)
            if judgement.kind == "limited":
                # A deserved refusal is a success, but no request that was served.
                response.request_meta["name"] += " (429)"
            if judgement.complaint:
                response.failure(judgement.complaint)
            else:
                response.success()


def _users(*personas: Persona) -> list[Any]:
    """Make a class of users for each persona, such as ``BatchJob`` for "batch job"."""
    return [
        type(persona.name.title().replace(" ", ""), (Visitor,), {"persona": persona})
        for persona in personas
    ]


PEACEFUL: Final = _users(*NORMAL, MONITOR)
ATTACKING: Final = _users(*ATTACKERS)
