"""Cast the clients of the demo: their scripts in each phase, and their fates."""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum
from typing import Final, Literal

from demo_app import personas
from demo_app.personas import Persona, Script


class Phase(IntEnum):
    """Number the demo's phases, in order."""

    LEARNING = 0
    ATTACK = 1
    RECOVERY = 2


SHARES: Final = {Phase.LEARNING: 0.5, Phase.ATTACK: 0.25, Phase.RECOVERY: 0.25}
"""Share of the demo's time by phase."""

Fate = Literal["normal", "held", "mended"]
"""Outcome that a client should see: left alone, held down, or held down and let go again."""


@dataclass(frozen=True, slots=True)
class Act:
    """Describe a script that a client begins.

    Args:
        phase: Phase of the demo.
        at: Beginning, as a share of the phase, 0 to 1.
        script: Script to play; None sends no more requests.
    """

    phase: Phase
    at: float
    script: Script | None


@dataclass(frozen=True, slots=True)
class Role:
    """Describe a client of the demo.

    Args:
        name: Its name, for which its API key is issued.
        persona: Its kind.
        fate: Outcome that it should see.
        acts: Its scripts, in order.
    """

    name: str
    persona: str
    fate: Fate
    acts: tuple[Act, ...]


NORMAL: Final = (
    Persona("reader", personas.reader, 26),
    Persona("mobile app", personas.mobile_app, 20),
    Persona("slow reader", personas.slow_reader, 12),
    Persona("gallery visitor", personas.gallery, 10),
    Persona("editor", personas.editor, 10),
    Persona("office", personas.office, 14),
    Persona("reporter", personas.reporter, 8),
)
ATTACKERS: Final = (
    Persona("flood", personas.flood, 1),
    Persona("scraper", personas.scraper, 1),
    Persona("password stuffer", personas.stuffer, 1),
    Persona("scanner", personas.scanner, 1),
)


def normal_roles() -> list[Role]:
    """List the clients that behave normally, from the beginning."""
    roles = [
        Role(f"{persona.name} {number}", persona.name, "normal", _from_start(persona.script))
        for persona in NORMAL
        for number in range(1, persona.many + 1)
    ]
    burst = (
        Act(Phase.LEARNING, 0.0, personas.gallery),
        Act(Phase.ATTACK, 0.15, personas.burst),
    )
    return [*roles, Role("gallery burst", "burst", "normal", burst)]


def attack_roles(suffix: str = "") -> list[Role]:
    """List the attackers, one after the other, and the app that runs away and is mended.

    Args:
        suffix: Added to their names, for a further attack.
    """
    roles = [
        Role(
            persona.name + suffix,
            persona.name,
            "held",
            (Act(Phase.ATTACK, 0.05 + 0.1 * index, persona.script),),
        )
        for index, persona in enumerate(ATTACKERS)
    ]
    runaway = (
        Act(Phase.LEARNING, 0.0, personas.mobile_app),
        Act(Phase.ATTACK, 0.12, personas.runaway),
        Act(Phase.ATTACK, 0.5, personas.mobile_app),
    )
    return [*roles, Role("runaway app" + suffix, "runaway app", "mended", runaway)]


def _from_start(script: Script) -> tuple[Act, ...]:
    return (Act(Phase.LEARNING, 0.0, script),)
