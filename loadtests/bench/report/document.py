"""Write the figures as JSON."""

from __future__ import annotations

import json
import statistics
from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

from loadtests.bench.measure.turns import Timing
from loadtests.bench.report.figures import BARS, Results, quartiles


def to_json(results: Results) -> str:
    """Write the JSON of a run; its members are a contract."""
    ratios = results.ratios()
    report = {
        "cases": [_case(timing, timing.added(results.bare)) for timing in results.timings],
        "ratios": {name: round(figure.value, 4) for name, figure in ratios.items()},
        "quartiles": {
            name: [round(figure.low, 4), round(figure.high, 4)] for name, figure in ratios.items()
        },
        "bars": {bar.name: bar.bar for bar in BARS},
        "details": results.details(),
        "load": {"client": results.http_client, "systems": _members(results.load)},
        "redis_calls": _members(results.calls),
        "start_seconds": _rounded(results.starts),
        "growth": _members(results.grown),
        "cpu_us_per_request": _members(results.cpu),
        "machine": asdict(results.machine),
        "settings": {**results.settings, "seconds": round(results.seconds, 1)},
    }
    return json.dumps(report, indent=1) + "\n"


def _case(timing: Timing, added: Sequence[float]) -> dict[str, Any]:
    return {
        "system": timing.case.system,
        "store": timing.case.store,
        "case": timing.case.name,
        "p50_us": round(timing.p50, 2),
        "added_us": round(statistics.median(added), 2),
        "added_us_quartiles": [round(value, 2) for value in quartiles(added)],
        "mean_us": round(timing.mean, 2),
        "p99_us": round(timing.p99, 2),
    }


def _members(values: Sequence[Any]) -> list[Any]:
    return [_rounded(asdict(value)) for value in values]


def _rounded(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _rounded(member) for name, member in value.items()}
    return round(value, 3) if isinstance(value, float) else value
