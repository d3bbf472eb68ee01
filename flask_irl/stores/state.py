"""Describe the state of a client in a store, and an update of it."""

from __future__ import annotations

from typing import NamedTuple

from flask_irl.limits.override import Override


class ClientState(NamedTuple):
    """Describe a client as a store holds it.

    Attributes:
        step: Step on the ladder, 0 for the full limit.
        score: Latest calibrated score, 0 (normal) to -1 (anomalous).
        revision: Number that changes with each save; a save names the revision it was made from.
        last_seen: Seconds since the epoch, 0 if the client made no request.
        profile: The packed profile, empty if there is none yet.
        override: An operator's override; may have ended.
    """

    step: int
    score: float
    revision: int
    last_seen: float
    profile: bytes
    override: Override | None = None


class Update(NamedTuple):
    """Describe a profile and a verdict to save, if the client is still at ``revision``.

    Attributes:
        client: Canonical key of the client.
        revision: Revision of the state that the update was made from.
        step: Step on the ladder from now on.
        score: Calibrated score.
        profile: The packed profile.
        keep_seconds: Least seconds to live, beyond those of all clients.
    """

    client: str
    revision: int
    step: int
    score: float
    profile: bytes
    keep_seconds: int = 0
