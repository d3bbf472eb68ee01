"""A refusal, for tests of how it is told."""

from __future__ import annotations

from typing import Final

from flask_irl.limits.decision import Decision

REFUSED: Final = Decision(
    outcome="limited",
    key="192.0.2.1",
    limit=30,
    remaining=0,
    reset_after=22.4,
    retry_after=3.2,
    is_anomalous=True,
    step=1,
    score=-0.7,
    window_seconds=60,
    scope="",
    source="store",
    at=1_700_000_000.0,
    gap=0.5,
)
