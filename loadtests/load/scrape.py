"""What the site's own metrics say, and whether that is what its clients counted."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping
from typing import Final

REQUESTS: Final = "irl_requests_total"
CONTROLS: Final = re.compile(r"/metrics$|/admin(/|$)")
"""Routes that only the test's own machinery asks for."""

_SAMPLE: Final = re.compile(r"^(?P<name>[a-zA-Z_:][\w:]*)(?:\{(?P<labels>.*)\})? (?P<value>\S+)$")
_LABEL: Final = re.compile(r'(\w+)="((?:[^"\\]|\\.)*)"')

Samples = Mapping[tuple[str, frozenset[tuple[str, str]]], float]


def samples(text: str) -> dict[tuple[str, frozenset[tuple[str, str]]], float]:
    """The samples of a page of metrics, by name and labels."""
    found = {}
    for line in text.splitlines():
        match = _SAMPLE.match(line)
        if match is not None:
            labels = frozenset(_LABEL.findall(match["labels"] or ""))
            found[match["name"], labels] = float(match["value"])
    return found


def outcomes(page: Samples) -> Counter[str]:
    """Requests by outcome, without those of the test's own machinery."""
    counts: Counter[str] = Counter()
    for (name, labels), value in page.items():
        told = dict(labels)
        if name == REQUESTS and not CONTROLS.match(told.get("route", "")):
            counts[told.get("outcome", "")] += int(value)
    return counts


def total(page: Samples, name: str) -> float:
    """The sum of all samples of a name."""
    return sum(value for (found, _), value in page.items() if found == name)


def disagreements(
    before: Mapping[str, int], after: Mapping[str, int], counted: Mapping[str, int]
) -> list[str]:
    """Where the site's counts of a run aren't its clients'; empty if they agree to the request.

    Args:
        before: By outcome, as scraped before the run.
        after: By outcome, as scraped after it.
        counted: By outcome, as the clients counted.
    """
    found = []
    for outcome in sorted({*before, *after, *counted}):
        site = after.get(outcome, 0) - before.get(outcome, 0)
        if site != counted.get(outcome, 0):
            found.append(
                f"{outcome}: the site's metrics say {site}, its clients {counted.get(outcome, 0)}"
            )
    return found
