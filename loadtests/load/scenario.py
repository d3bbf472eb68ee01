"""The load test's plan: who comes, when the attack ramps in and out, and how long it all takes."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from random import Random
from typing import Final, Literal

from demo_app import personas
from demo_app.personas import Call, Persona, Script

Stage = Literal["learning", "before", "attack", "after"]

STARTS: Final = {"before": 0.0, "attack": 1 / 6, "after": 5 / 6}
"""When the stages of the measured time begin, as shares of it."""
RAMP_IN: Final = 1 / 6
RAMP_OUT: Final = 1 / 12
"""Shares of the measured time in which the attackers come, and go."""
ARRIVAL_SECONDS: Final = 5.0
"""In which the normal clients come, at most."""
HEALTH: Final = "/health"
HEAVY: Final = "/api/heavy-operation"


def batch_job(random: Random) -> Iterator[Call]:
    """Sends figures in batches, evenly, asks for the expensive report, and rests."""
    rest = random.uniform(5, 9)
    while True:
        for _ in range(random.randint(6, 10)):
            figures = [random.randint(1, 1000) for _ in range(random.randint(20, 40))]
            body = json.dumps({"values": figures}).encode()
            yield Call(random.uniform(0.2, 0.4), "POST", "/api/process", body)
        yield Call(random.uniform(0.5, 1), "GET", HEAVY)
        yield Call(random.gauss(rest, rest / 10), "GET", "/api/data?page=1")


def monitor(random: Random) -> Iterator[Call]:
    """Asks whether the site is well; never limited."""
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
    """How much, and how long.

    Args:
        seconds: The time that is measured.
        learning: Seconds before it, in which only normal clients come and the model learns.
        users: Every persona's number of clients is multiplied by this.
        limit: Requests per window of a normal client.
        window: Seconds of that window.
        seed: Of all that is drawn by lot.

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
        """How many clients of a persona there are: at least one."""
        return max(1, round(persona.many * self.users))

    @property
    def peaceful(self) -> int:
        """How many clients don't attack."""
        return sum(self.many(persona) for persona in (*NORMAL, MONITOR))

    @property
    def attackers(self) -> int:
        """How many clients do, at the most."""
        return sum(self.many(persona) for persona in ATTACKERS)

    @property
    def arrival(self) -> float:
        """Normal clients that come in a second, at the beginning."""
        return self.peaceful / min(ARRIVAL_SECONDS, max(self.learning, self.seconds) / 6)

    def stage(self, second: float) -> Stage:
        """The stage at a second of the measured time; before it, all is learning."""
        if second < 0:
            return "learning"
        share = second / self.seconds
        if share < STARTS["attack"]:
            return "before"
        return "attack" if share < STARTS["after"] else "after"

    def attackers_at(self, second: float) -> int | None:
        """How many clients attack at a second of the measured time; None when it is over."""
        share = second / self.seconds
        if share >= 1:
            return None
        coming = (share - STARTS["attack"]) / RAMP_IN
        going = (STARTS["after"] - share) / RAMP_OUT
        return round(self.attackers * min(1.0, max(0.0, min(coming, going))))


def from_environment(environment: Mapping[str, str] = os.environ) -> Scenario:
    """The scenario that ``LOAD_SECONDS``, ``LOAD_LEARNING``, ``LOAD_USERS`` and ``LOAD_SEED`` ask
    for, with the limit of the app's own ``BASE_LIMIT`` and ``WINDOW_SECONDS``.

    Raises:
        ValueError: One is no number, or out of its range.
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
    """What the persona's client of a number does, drawn from the scenario's seed."""
    script: Script = persona.script
    return script(Random(f"{scenario.seed} {persona.name} {number}"))
