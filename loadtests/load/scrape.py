"""Compare the site's own metrics with the counts of its clients."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping
from typing import Final

from prometheus_client.parser import text_string_to_metric_families
from prometheus_client.samples import Sample

CONTROLS: Final = re.compile(r"/metrics$|/admin(/|$)")
"""Routes that only the test's own machinery asks for."""


def samples(page: str) -> list[Sample]:
    """Read the samples of a page of metrics."""
    return [sample for family in text_string_to_metric_families(page) for sample in family.samples]


def outcomes(page: list[Sample]) -> Counter[str]:
    """Count requests by outcome, without those of the test's own machinery."""
    counts: Counter[str] = Counter()
    for sample in page:
        route = sample.labels.get("route", "")
        if sample.name == "irl_requests_total" and not CONTROLS.match(route):
            counts[sample.labels.get("outcome", "")] += int(sample.value)
    return counts


def total(page: list[Sample], name: str) -> float:
    """Sum all samples of a name."""
    return sum(sample.value for sample in page if sample.name == name)


def disagreements(
    before: Mapping[str, int], after: Mapping[str, int], counted: Mapping[str, int]
) -> list[str]:
    """List the outcomes that the site counts otherwise, from before to after, than its clients."""
    site = Counter(after)
    site.subtract(before)
    return [
        f"{outcome}: the site's metrics say {site[outcome]}, its clients {counted.get(outcome, 0)}"
        for outcome in sorted({*site, *counted})
        if site[outcome] != counted.get(outcome, 0)
    ]
