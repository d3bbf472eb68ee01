"""Plan the load test: its clients, the ramp of the attack, its length."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from random import Random
from typing import Final, Literal

from demo_app import personas
from demo_app.personas import Call, Persona

Stage = Literal["learning", "before", "attack", "after"]

STARTS: Final = {"before": 0.0, "attack": 1 / 6, "after": 5 / 6}
"""Beginnings of the stages, as shares of the measured time."""
RAMP_IN: Final = 1 / 6
RAMP_OUT: Final = 1 / 12
"""Shares of the measured time in which the attackers come, and go."""
ARRIVAL_SECONDS: Final = 5.0
"""Most time in which the normal clients come."""
HEALTH: Final = "/health"
HEAVY: Final = "/api/heavy-operation"


def batch_job(random: Random) -> Iterator[Call]:
    """Send figures in batches, evenly, ask for the expensive report, and rest."""
    rest = random.uniform(5, 9)
    while True:
        for _ in range(random.randint(6, 10)):
            figures = [random.randint(1, 1000) for _ in range(random.randint(20, 40))]
            body = json.dumps({"values": figures}).encode()
            yield Call(random.uniform(0.2, 0.4), "POST", "/api/process", body)
        yield Call(random.uniform(0.5, 1), "GET", HEAVY)
        yield Call(random.gauss(rest, rest / 10), "GET", "/api/data?page=1")


def monitor(random: Random) -> Iterator[Call]:
    """Check the health of the site; never limited."""
    while True:
        yield Call(random.uniform(0.9, 1.1), "GET", HEALTH)


NORMAL: Final = (
    Persona("reader", personas.reader, 40),
    Persona("app", personas.mobile_app, 30),
    Persona("batch job", batch_job, 12),
)
ATTACKERS: Final = (
    Persona("scraper", personas.scraper, 4),
    Persona("credential stuffing", personas.stuffer, 4),
    Persona("flood", personas.flood, 2),
)
MONITOR: Final = Persona("monitor", monitor, 1)
EVERYBODY: Final = (*NORMAL, MONITOR, *ATTACKERS)


@dataclass(frozen=True, slots=True)
class Scenario:
    """Set the seconds of the measured time and of learning before it, and amounts.

    ``users`` is the factor on every persona's number of clients, ``limit`` a normal client's in a
    ``window`` of seconds.

    Raises:
        ValueError: A figure is out of its range.
    """

    seconds: float = 60.0
    learning: float = 60.0
    users: float = 1.0
    limit: int = 100
    window: int = 10
    seed: int = 1

    def __post_init__(self) -> None:
        if not (self.seconds > 0 and self.learning >= 0 and self.users > 0):
            raise ValueError("LOAD_SECONDS and LOAD_USERS must be above 0, LOAD_LEARNING not below")

    def many(self, persona: Persona) -> int:
        """Give the number of clients of a persona, at least one."""
        return max(1, round(persona.many * self.users))

    @property
    def peaceful(self) -> int:
        """Give the number of clients that don't attack."""
        return sum(self.many(persona) for persona in (*NORMAL, MONITOR))

    @property
    def attackers(self) -> int:
        """Give the largest number of clients that attack."""
        return sum(self.many(persona) for persona in ATTACKERS)

    @property
    def arrival(self) -> float:
        """Give the number of normal clients that come in a second, at the beginning."""
        return self.peaceful / min(ARRIVAL_SECONDS, max(self.learning, self.seconds) / 6)

    def stage(self, second: float) -> Stage:
        """Give the stage at a second of the measured time; before it, all is learning."""
        if second < 0:
            return "learning"
        share = second / self.seconds
        if share < STARTS["attack"]:
            return "before"
        return "attack" if share < STARTS["after"] else "after"

    def attackers_at(self, second: float) -> int | None:
        """Give the number of attackers at a second of the measured time; None when it is over."""
        share = second / self.seconds
        if share >= 1:
            return None
        coming = (share - STARTS["attack"]) / RAMP_IN
        going = (STARTS["after"] - share) / RAMP_OUT
        return round(self.attackers * min(1.0, max(0.0, min(coming, going))))


def from_environment(environment: Mapping[str, str] = os.environ) -> Scenario:
    """Read ``LOAD_SECONDS``, ``LOAD_LEARNING``, ``LOAD_USERS`` and ``LOAD_SEED``, and the app's
    own ``BASE_LIMIT`` and ``WINDOW_SECONDS``.

    Raises:
        ValueError: A value is no number, or out of its range.
    """
    usual = Scenario()
    return Scenario(
        seconds=float(environment.get("LOAD_SECONDS") or usual.seconds),
        learning=float(environment.get("LOAD_LEARNING") or usual.learning),
        users=float(environment.get("LOAD_USERS") or usual.users),
        limit=int(environment.get("BASE_LIMIT") or usual.limit),
        window=int(environment.get("WINDOW_SECONDS") or usual.window),
        seed=int(environment.get("LOAD_SEED") or usual.seed),
    )


def script_of(persona: Persona, scenario: Scenario, number: int) -> Iterator[Call]:
    """Start the script of the persona's client of a number, with the scenario's seed."""
    return persona.script(Random(f"{scenario.seed} {persona.name} {number}"))
