"""Make the tables of an evaluation."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from statistics import fmean, median
from typing import Any, Final

from loadtests.evaluation import figures
from loadtests.evaluation.figures import Log, first_request, over_static, shares
from loadtests.simulator.families import FAMILIES
from loadtests.tables import Table
from loadtests.targets import summary, table

FALSE_FLAG_TARGET: Final = 0.0005


def log_sections(logs: Sequence[Log]) -> Iterator[Table | str]:
    """Make the families of each scenario, the families in words, and the targets."""
    for name, some in _grouped(logs, "scenario").items():
        yield _scenario(name, some)
    words = [(label, FAMILIES.get(label, "")) for label in figures.labels(logs)]
    yield Table(("family", "in words"), words, left=2)
    found = figures.outcomes(logs)
    yield table(found)
    yield summary(found)


def _scenario(name: str, logs: Sequence[Log]) -> Table:
    loss = [over_static(log["families"]) for log in logs]
    plain = fmean(over_static(log["families"], "plain_refused") for log in logs)
    title = (
        f"{name}: {len(logs)} logs. Lost by normal clients, % of their requests: mean "
        f"{fmean(loss):.3f}, median {median(loss):.3f}, most {max(loss):.3f}; by the plain rule "
        f"{plain:.3f}. Flagged after learning: {figures.false_flags(logs):.4%} of their requests; "
        f"by the calibrated score alone, regulars apart: {figures.realised_rate(logs):.4%} "
        f"(wanted {FALSE_FLAG_TARGET:.2%})"
    )
    headings = (
        *("family", "refused %", "least %", "most %", "limit alone %", "plain rule %", "clients"),
        *("flagged", "first flag: request", "second"),
    )
    rows = [(label, *_family(logs, label)) for label in figures.labels(logs)]
    return Table(headings, rows, title=title)


def _family(logs: Sequence[Log], label: str) -> tuple[str, ...]:
    rows, ours = figures.family(logs, label), shares(logs, label)
    return (
        *(_figure(share, 2) for share in (fmean(ours), min(ours), max(ours))),
        *(_figure(fmean(shares(logs, label, m)), 2) for m in ("static", "plain_refused")),
        *(f"{sum(r[member] for r in rows):,}" for member in ("clients", "flagged")),
        _figure(first_request(logs, label)),
        _figure(first_request(logs, label, "first_seconds")),
    )


def recovery_sections(results: Sequence[Mapping[str, Any]]) -> Iterator[Table | str]:
    """Make the seconds from the last bad request to the full limit."""
    rows = []
    for kind, some in sorted(_grouped(results, "kind").items()):
        seconds = [r["seconds"] for r in some if r["seconds"] is not None]
        rows.append(
            (
                kind,
                str(len(some)),
                str(sum(r["flagged"] for r in some)),
                _figure(median(seconds) if seconds else None),
                _figure(max(seconds, default=None)),
                *(str(sum(r[member] for r in some)) for member in ("well", "refused")),
            )
        )
    title = "Five minutes of an attack, then reading: seconds until the client has its full limit."
    headings = ("attack", "logs", "flagged", "median s", "most s", "good requests", "refused")
    yield Table(headings, rows, title=title)


def real_sections(results: Sequence[Mapping[str, Any]]) -> Iterator[Table | str]:
    """Make the totals of real logs by kind of user agent, and the clients refused most."""
    headings = ("client", "clients", "flagged", "requests", "4xx %", "flagged %", "refused %")
    for log in sorted(results, key=lambda log: str(log["log"])):
        top = [(f"{some['client'][:14]} {some['agent']}", some) for some in log["top"]]
        rows = [
            (name, *_totals(some))
            for name, some in [("all", log["all"]), *log["agents"].items(), *top]
        ]
        title = f"{log['log']}: {log['models']} models"
        yield Table((*headings, "static %"), rows, title=title)


def _totals(some: Mapping[str, Any]) -> tuple[str, ...]:
    counts = (str(some[name]) for name in ("clients", "flagged_clients", "requests"))
    percent = 100.0 / max(1, some["requests"])
    figures = (("failed", 1), ("flagged", 2), ("refused", 2), ("static", 2))
    return (*counts, *(_figure(some[name] * percent, digits) for name, digits in figures))


def ablation_sections(results: Sequence[Mapping[str, Any]]) -> Iterator[Table | str]:
    """Make the share of attackers' and newcomers' requests flagged without some features."""
    names = list(results[0]["without"])
    every = {k for result in results for shares in result["without"].values() for k in shares}
    attacks = sorted(every - {"legit"})

    def mean(name: str, kind: str) -> float:
        return fmean(result["without"][name].get(kind, 0.0) for result in results)

    whole = fmean(mean("nothing", kind) for kind in attacks)
    rows = [("nothing", f"{whole:.2f}", f"{mean('nothing', 'legit'):.3f}", "")]
    for name in names[1:]:
        gain = {kind: mean(name, kind) - mean("nothing", kind) for kind in (*attacks, "legit")}
        hardest = min(attacks, key=lambda kind: gain[kind])
        most = f"{hardest.removeprefix('attack:')} {gain[hardest]:+.1f}"
        attack = f"{fmean(gain[kind] for kind in attacks):+.2f}"
        rows.append((name, attack, f"{gain['legit']:+.3f}", most))
    title = (
        f"{results[0].get('detector', 'blend')} alone, {len(results)} logs: "
        "% of requests flagged; then the loss without"
    )
    yield Table(("without", "attacks", "legit", "most is lost on"), rows, title=title)


def _grouped(results: Sequence[Mapping[str, Any]], key: str) -> dict[str, list[Any]]:
    groups: defaultdict[str, list[Any]] = defaultdict(list)
    for result in results:
        groups[result[key]].append(result)
    return groups


def _figure(value: float | None, digits: int = 0) -> str:
    return "-" if value is None else f"{value:.{digits}f}"


SECTIONS: Final[Mapping[str, Callable[[Sequence[Any]], Iterator[Table | str]]]] = {
    "logs": log_sections,
    "recoveries": recovery_sections,
    "real": real_sections,
    "ablation": ablation_sections,
}
"""Tables of each part of the results."""
