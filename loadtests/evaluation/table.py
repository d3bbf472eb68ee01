"""The results as tables, for people."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from statistics import fmean, median
from typing import Any, Final

from loadtests.evaluation.figures import (
    Log,
    bars,
    false_flags,
    family,
    first_request,
    labels,
    over_static,
    realised_rate,
    shares,
)

FALSE_FLAG_TARGET: Final = 0.0005


def to_text(logs: Sequence[Log]) -> str:
    """All families of each scenario by mean, least and most, and the bars."""
    by_scenario: defaultdict[str, list[Log]] = defaultdict(list)
    for log in logs:
        by_scenario[log["scenario"]].append(log)
    lines = [line for name, some in by_scenario.items() for line in _scenario(name, some)]
    return "\n".join([*lines, "", *_bars(logs)])


def _scenario(name: str, logs: Sequence[Log]) -> list[str]:
    points = [over_static(log["families"]) for log in logs]
    lines = [
        "",
        f"{name}: {len(logs)} logs; legitimate over static, points: mean {fmean(points):.3f}, "
        f"median {median(points):.3f}, worst {max(points):.3f}{_plain_loss(logs)}; "
        f"legitimate requests flagged after learning: {false_flags(logs):.4%}, "
        f"by the calibrated score alone, regulars apart: {realised_rate(logs):.4%} "
        f"(target {FALSE_FLAG_TARGET:.4%})",
        f"  {'family':28} {'refused %':>9} {'least':>7} {'most':>7} {'static %':>9} {'plain %':>8} "
        f"{'flagged':>8} {'of':>6} {'first request':>14} {'seconds':>8}",
    ]
    return lines + [_family(logs, label) for label in labels(logs)]


def _plain_loss(logs: Sequence[Log]) -> str:
    judged = [log for log in logs if _judged_by_plain(log)]
    if not judged:
        return ""
    loss = fmean(over_static(log["families"], "plain_refused") for log in judged)
    return f"; plain rule: mean {loss:.3f}"


def _judged_by_plain(log: Log) -> bool:
    return any(f.get("plain_refused") is not None for f in log["families"].values())


def _family(logs: Sequence[Log], label: str) -> str:
    rows = family(logs, label)
    ours, plain = shares(logs, label), shares(logs, label, "plain_refused")
    static = fmean(shares(logs, label, "static"))
    return (
        f"  {label:28} {fmean(ours):9.2f} {min(ours):7.2f} {max(ours):7.2f} "
        f"{static:9.2f} {_figure(fmean(plain) if plain else None, 2):>8} "
        f"{sum(r['flagged'] for r in rows):8} {sum(r['clients'] for r in rows):6} "
        f"{_figure(first_request(logs, label)):>14} "
        f"{_figure(first_request(logs, label, 'first_seconds')):>8}"
    )


def _bars(logs: Sequence[Log]) -> list[str]:
    lines = [f"{'bar':60} {'figure':>9} {'bar':>9}"]
    for bar in bars(logs):
        sign = "at most" if bar.most else "at least"
        met = "met" if bar.met else "MISSED"
        lines.append(f"{bar.text:60} {bar.figure:9.3f} {sign:>8} {bar.bar:g} {bar.unit:6} {met}")
    return lines


def _figure(value: float | None, digits: int = 0) -> str:
    return "-" if value is None else f"{value:.{digits}f}"


def recovery_text(results: Sequence[Mapping[str, Any]]) -> str:
    """Seconds from the last bad request to the full limit."""
    by_kind: defaultdict[str, list[Mapping[str, Any]]] = defaultdict(list)
    for result in results:
        by_kind[result["kind"]].append(result)
    lines = ["", "five minutes of it, then reading: seconds to the full limit"]
    for kind, some in sorted(by_kind.items()):
        seconds = [r["seconds"] for r in some if r["seconds"] is not None]
        lines.append(
            f"  {kind:24} flagged {sum(r['flagged'] for r in some)} of {len(some)}; "
            f"median {_figure(median(seconds) if seconds else None)}, "
            f"most {_figure(max(seconds, default=None))}; "
            f"good requests refused {sum(r['refused'] for r in some)} "
            f"of {sum(r['well'] for r in some)}"
        )
    return "\n".join(lines)


def log_text(results: Sequence[Mapping[str, Any]]) -> str:
    """Real logs: totals by kind of user agent, and from whom most was refused."""
    lines: list[str] = []
    for log in sorted(results, key=lambda r: str(r["log"])):
        lines += [
            "",
            f"{log['log']}: {log['models']} models",
            f"  {'who':24} {'clients':>8} {'flagged':>8} {'requests':>9} {'4xx %':>6} "
            f"{'flagged %':>9} {'refused %':>9} {'static %':>9}",
            _real("all", log["all"]),
            *(_real(agent, some) for agent, some in log["agents"].items()),
            *(_real(f"{some['client'][:14]} {some['agent']}", some) for some in log["top"]),
        ]
    return "\n".join(lines)


def _real(name: str, some: Mapping[str, Any]) -> str:
    requests = max(1, some["requests"])
    failed, flagged, refused, static = (
        100.0 * some[what] / requests for what in ("failed", "flagged", "refused", "static")
    )
    return (
        f"  {name:24} {some['clients']:8} {some['flagged_clients']:8} {some['requests']:9} "
        f"{failed:6.1f} {flagged:9.2f} {refused:9.2f} {static:9.2f}"
    )


def ablation_text(results: Sequence[Mapping[str, Any]]) -> str:
    """What the detector flags of attackers' and newcomers' requests without some features."""
    names = list(results[0]["without"])
    kinds = sorted({k for result in results for found in result["without"].values() for k in found})
    kinds = [*(k for k in kinds if k != "legit"), "legit"]
    whole = {kind: _mean(results, "nothing", kind) for kind in kinds}
    mean_of_all = fmean(whole[kind] for kind in kinds[:-1])
    lines = [
        "",
        f"{results[0].get('detector', 'blend')} alone, {len(results)} logs: "
        "% of requests flagged; then what is lost without",
        f"  {'without':24} {'attacks':>8} {'legit':>8}  most is lost on",
        f"  {'nothing':24} {mean_of_all:8.2f} {whole['legit']:8.3f}",
    ]
    for name in names[1:]:
        lost = {kind: whole[kind] - _mean(results, name, kind) for kind in kinds}
        hardest = max(kinds[:-1], key=lambda kind: lost[kind])
        lines.append(
            f"  {name:24} {-fmean(lost[k] for k in kinds[:-1]):+8.2f} {-lost['legit']:+8.3f}  "
            f"{hardest.removeprefix('attack:')} {-lost[hardest]:+.1f}"
        )
    return "\n".join(lines)


def _mean(results: Sequence[Mapping[str, Any]], without: str, kind: str) -> float:
    return fmean(result["without"][without].get(kind, 0.0) for result in results)
