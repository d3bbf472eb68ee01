"""Choose the models that a store keeps: the latest, and ever fewer of the older ones."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Final

LATEST_KEPT: Final = 5
"""Latest models that are kept, whatever their age."""
MODELS_KEPT: Final = 24
"""Most models that are kept."""
HOUR: Final = 3600.0
DAY: Final = 24 * HOUR
TIERS: Final = ((6 * HOUR, HOUR), (DAY, 3 * HOUR), (7 * DAY, DAY))
"""Greatest age of a model, and the length of the periods of which one model each is kept."""


def superfluous(published: Mapping[int, float], now: float, held: Collection[int]) -> list[int]:
    """List the versions to drop, oldest first.

    Args:
        published: Time of publication by version, in seconds since the epoch.
        now: The time, in seconds since the epoch.
        held: Versions that stay in any case: the one in force, the one that is pinned.
    """
    versions = sorted(published)
    latest = set(versions[-LATEST_KEPT:])
    periods: set[tuple[float, float]] = set()
    kept: list[int] = []
    for version in versions:
        # The first of a period, so that a model that is kept stays for as long as its period does.
        period = _period(published[version], now)
        first = period is not None and period not in periods
        if version not in latest and first and period is not None:
            periods.add(period)
        if first or version in latest or version in held:
            kept.append(version)
    spare = (version for version in kept if version not in latest and version not in held)
    excess = {version for version, _ in zip(spare, range(len(kept) - MODELS_KEPT), strict=False)}
    return [version for version in versions if version in excess or version not in kept]


def _period(published: float, now: float) -> tuple[float, float] | None:
    """Name the period that a model stands for; None for a model that is too old."""
    for greatest, length in TIERS:
        if now - published < greatest:
            return length, published // length
    return None
