"""Say which kinds of attack a forest must not have seen to be judged on a family without them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

GROUPS: Final[Mapping[str, tuple[str, ...]]] = {
    "taking": ("walk", "loop", "slow"),
    "breaking in": ("stuffing", "scan", "flood"),
}
"""Kinds of :data:`flask_irl.training.attacks.KINDS`, by group: the whole group is left out at once.

So a forest that is judged on a scraper at 20 a minute has seen no scraper and no enumeration at
all, only guessers, scanners and floods: more is left out than the family's own kind, never less.
"""
SELDOM: Final[Mapping[str, str]] = {"IRL_TRAINING_INTERVAL": "30"}
"""Options of replays without a group, and of real logs' days: trainings take most of their time."""
_BREAKING: Final = ("stuffing", "scan", "flood")


def group_of(label: str) -> str:
    """Name the group of a family of attacks."""
    name = label.removeprefix("attack:")
    return "breaking in" if name.startswith(_BREAKING) else "taking"
