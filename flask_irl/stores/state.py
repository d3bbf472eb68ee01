"""Describe a client as a store holds it, and an update of it."""

from __future__ import annotations

from typing import NamedTuple

from flask_irl.limits.override import Override


class ClientState(NamedTuple):
    """A client as the store holds it.

    Attributes:
        step: Step on the ladder.
        score: Latest calibrated score.
        revision: Grows with each saved profile; a save names the one it was made from.
        last_seen: Seconds since the epoch.
        profile: The packed profile, empty if none yet.
        override: The operator's word on it; may have ended.
    """

    step: int
    score: float
    revision: int
    last_seen: float
    profile: bytes
    override: Override | None = None


class Update(NamedTuple):
    """A profile and verdict to save, provided that the client is still at ``revision``.

    Attributes:
        keep_seconds: Least seconds to live, beyond what all are given.
    """

    client: str
    revision: int
    step: int
    score: float
    profile: bytes
    keep_seconds: int = 0
