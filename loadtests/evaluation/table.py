"""The results, family by family, for people."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from statistics import fmean, median
from typing import Any

ORDINARY = ("ordinary", "clean")


def over_static(families: dict[str, dict[str, Any]]) -> float:
    """Legitimate requests refused beyond what the static limit refuses, in points."""
    legitimate = [f for label, f in families.items() if label.startswith("legit:")]
    requests = sum(f["requests"] for f in legitimate)
    return 100.0 * sum(f["refused"] - f["static"] for f in legitimate) / max(1, requests)


def to_text(results: Sequence[dict[str, Any]]) -> str:
    """A table of all logs, families by mean and worst."""
    by_scenario: defaultdict[str, list[dict[str, Any]]] = defaultdict(list)
    for result in results:
        by_scenario[result["scenario"]].append(result)
    lines: list[str] = []
    for scenario, logs in by_scenario.items():
        points = [over_static(log["families"]) for log in logs]
        lines += [
            "",
            f"{scenario}: {len(logs)} logs; legitimate over static, points: "
            f"mean {fmean(points):.3f}, worst {max(points):.3f}",
            f"  {'family':30} {'refused %':>10} {'least':>7} {'most':>7} {'static %':>9} "
            f"{'flagged':>8} {'first request':>14} {'seconds':>8}",
        ]
        labels = sorted({label for log in logs for label in log["families"]})
        for label in labels:
            rows = [log["families"][label] for log in logs if label in log["families"]]
            shares = [100.0 * r["refused"] / max(1, r["requests"]) for r in rows]
            static = fmean(100.0 * r["static"] / max(1, r["requests"]) for r in rows)
            firsts = [r["first_request"] for r in rows if r["first_request"] is not None]
            seconds = [r["first_seconds"] for r in rows if r["first_seconds"] is not None]
            lines.append(
                f"  {label:30} {fmean(shares):10.2f} {min(shares):7.2f} {max(shares):7.2f} "
                f"{static:9.2f} {sum(r['flagged'] for r in rows):8} "
                f"{f'{median(firsts):.0f}' if firsts else '-':>14} "
                f"{f'{median(seconds):.0f}' if seconds else '-':>8}"
            )
    return "\n".join(lines)


def recovery_text(results: Sequence[dict[str, Any]]) -> str:
    return ""


def log_text(results: Sequence[dict[str, Any]]) -> str:
    return ""


def ablation_text(results: Sequence[dict[str, Any]]) -> str:
    return ""
