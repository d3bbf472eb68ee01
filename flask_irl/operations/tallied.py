"""Read the tallies of a site's last days: requests by client, route, place and plan."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Final, TypedDict

from flask_irl.errors import ConfigurationError
from flask_irl.stores.history import DAY, DAYS_KEPT, TALLIED, HistoryStore, Tally
from flask_irl.verdicts.tallies import MEASURES

MOST_DAYS: Final = DAYS_KEPT - 1
"""Days that are kept whole, today included."""


class Measured(TypedDict):
    """Count requests.

    Members:
        requests: All of them.
        refused_by_app: Those that the app itself answered 429, such as by Flask-Limiter.
        refused_by_limits: Those that this limiter refused, by its limits or an operator's word.
        refused_by_verdict: Those that it would have refused, were it not in shadow mode.
        refused_by_both: Those among ``refused_by_app`` that are among the other two, too.
        flagged: Those of clients at a lower step.
    """

    requests: int
    refused_by_app: int
    refused_by_limits: int
    refused_by_verdict: int
    refused_by_both: int
    flagged: int


NAMES: Final[Mapping[str, str]] = {
    "requests": "requests",
    "by_app": "refused_by_app",
    "limited": "refused_by_limits",
    "shadowed": "refused_by_verdict",
    "by_both": "refused_by_both",
    "flagged": "flagged",
}
"""Members of a report by measure."""


def check_days(days: int) -> None:
    """Check a number of days.

    Raises:
        ConfigurationError: They are too many or none.
    """
    if not 1 <= days <= MOST_DAYS:
        raise ConfigurationError(f"days is {days}: give 1 to {MOST_DAYS}")


def days_until(now: float, days: int) -> range:
    """Give the last days, today included, as days since the epoch in UTC."""
    today = int(now // DAY)
    return range(today - days + 1, today + 1)


def read_measures(store: HistoryStore, kind: str, days: Sequence[int]) -> dict[str, Counter[str]]:
    """Add up the tallies of some days, by measure.

    Args:
        store: The store.
        kind: ``client``, ``route``, ``network``, ``country`` or ``plan``.
        days: Days since the epoch.

    Raises:
        StoreError: The store failed.
    """
    names = [(day, f"{kind}.{measure}") for measure in MEASURES for day in days]
    tallies = iter(store.tallies(names, TALLIED))
    found: dict[str, Counter[str]] = {}
    for measure in MEASURES:
        found[measure] = Counter()
        for _ in days:
            found[measure].update(next(tallies))
    return found


def measured(counts: Tally) -> Measured:
    """Name the counts of a tally's member, or of the whole site."""
    found = {name: int(counts.get(measure, 0)) for measure, name in NAMES.items()}
    return {
        "requests": found["requests"],
        "refused_by_app": found["refused_by_app"],
        "refused_by_limits": found["refused_by_limits"],
        "refused_by_verdict": found["refused_by_verdict"],
        "refused_by_both": found["refused_by_both"],
        "flagged": found["flagged"],
    }


def rank_measures(
    store: HistoryStore, kind: str, days: Sequence[int], by: Sequence[str], most: int
) -> dict[str, Counter[str]]:
    """Find the members with the highest counts, and add up all measures of those.

    Args:
        store: The store.
        kind: As of :func:`read_measures`.
        days: Days since the epoch.
        by: Measures whose sum ranks the members.
        most: Members that are found at most.

    Returns:
        Counts by measure, and under ``""`` the sums, highest first.

    Raises:
        StoreError: The store failed.
    """
    sums: Counter[str] = Counter()
    for tally in store.tallies([(d, f"{kind}.{m}") for m in by for d in days], TALLIED):
        sums.update(tally)
    highest = dict(sums.most_common(most))
    return {"": Counter(highest), **count_members(store, kind, days, [*highest])}


def count_members(
    store: HistoryStore, kind: str, days: Sequence[int], members: Sequence[str]
) -> dict[str, Counter[str]]:
    """Add up all measures of some members over some days; see :func:`read_measures`.

    Raises:
        StoreError: The store failed.
    """
    names = [(day, f"{kind}.{measure}") for measure in MEASURES for day in days]
    found = {measure: Counter[str]() for measure in MEASURES}
    for (_, name), counts in zip(names, store.tally_counts(names, members), strict=True):
        found[name.removeprefix(f"{kind}.")].update(counts)
    return found
