"""Make the tables of an evaluation."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from statistics import fmean, median
from typing import Any, Final

from loadtests.evaluation import bars, figures
from loadtests.evaluation.bars import Row
from loadtests.evaluation.figures import Log, first_request, over_static, shares
from loadtests.simulator.families import FAMILIES
from loadtests.tables import Table
from loadtests.targets import Outcome, summary

FALSE_FLAG_TARGET: Final = 0.0005


def log_sections(logs: Sequence[Log]) -> Iterator[Table | str]:
    """Make the families of each scenario, and the families in words."""
    for name, some in _grouped(bars.taught(logs), "scenario").items():
        yield _scenario(name, some)
    yield from _styles("styles of injected attackers, mobile API", logs)
    words = [(label, FAMILIES.get(label, "")) for label in figures.labels(logs)]
    yield Table(("family", "in words"), words, left=2)


def window_sections(windows: Sequence[Log]) -> Iterator[Table | str]:
    """Make, of each real log, people's losses by window, its families, and attackers' styles."""
    for log, own in _grouped(windows, "log").items():
        headings = ("replay", "window", "people", "requests", "lost", "clients harmed", "models")
        titled = f"{log}: people in the judged days, % of their requests lost over static"
        yield Table(headings, [_window(w) for w in own], left=2, title=titled)
        for name, some in _grouped(bars.taught(own), "scenario").items():
            yield _families(f"{log}, {name}: {len(some)} windows", some)
        yield from _styles(f"{log}: styles of injected attackers", own)


def _window(window: Log) -> tuple[str, ...]:
    name = "cold start" if window["scenario"] == "cold_start" else "as taught"
    name = f"without {window['left_out']}" if window["left_out"] else name
    people = window["families"].get("legit:person", {})
    counts = (f"{people.get(member, 0):,}" for member in ("clients", "requests"))
    loss = f"{over_static(window['families']):.3f}"
    harmed = str(people.get("harmed", 0))
    return (name, str(window["window"] + 1), *counts, loss, harmed, str(window["models"]))


def _styles(title: str, logs: Sequence[Log]) -> Iterator[Table]:
    """Make the share refused by each trait of attackers' styles."""
    shares: defaultdict[tuple[str, str], list[tuple[int, int]]] = defaultdict(list)
    for log in bars.taught(logs):
        for label, family in log.get("styles", {}).items():
            if log["scenario"] != "cold_start":
                name, _, style = label.partition("/")
                for trait in style.split(","):
                    shares[name, trait].append((family["refused"], family["requests"]))
    lines = [
        (name.removeprefix("attack:"), trait, str(len(some)), _percent(some))
        for (name, trait), some in sorted(shares.items())
    ]
    if lines:
        yield Table(("family", "trait", "attackers", "refused %"), lines, left=2, title=title)


def _percent(some: Sequence[tuple[int, int]]) -> str:
    return f"{100 * sum(part for part, _ in some) / max(1, sum(whole for _, whole in some)):.1f}"


def summary_sections(results: Mapping[str, Sequence[Log]]) -> Iterator[Table | str]:
    """Make the main table: each figure, its bars, and what was left out; then sentences."""
    found = bars.rows(results.get("logs", ()), results.get("windows", ()))
    headings = (
        *("of", "figure", "not taught: mean", "worst log", "as taught: mean", "worst log"),
        *("limit alone", "wanted", "outcome"),
    )
    if found:
        yield Table(headings, [_row(row) for row in found], left=2, title=MAIN)
    if every := outcomes(results):
        yield summary(every)


MAIN: Final = "% of requests: attackers' refused, and those that normal clients lose"


def _row(row: Row) -> tuple[str, ...]:
    def pair(values: Sequence[float]) -> tuple[str, str]:
        if not values:
            return "", ""
        return f"{fmean(values):.{row.digits}f}", f"{row.worst(values):.{row.digits}f}"

    sign = "≥" if row.least else "≤"
    mean, worst = (f"{sign} {bar:g}" if bar is not None else "" for bar in row.bars)
    wanted = mean + f" (worst {worst})" * bool(worst)
    verdicts = [outcome.verdict for outcome in row.outcomes()]
    met = "missed" if "missed" in verdicts else verdicts[0] if verdicts else ""
    static = f"{fmean(row.static):.1f}" if row.static else ""
    return (row.part, row.name, *pair(row.unseen), *pair(row.values), static, wanted.strip(), met)


def outcomes(results: Mapping[str, Sequence[Log]]) -> list[Outcome]:
    """List the figures that are held to a bar."""
    logs = results.get("logs", ())
    found = bars.rows(logs, results.get("windows", ()))
    ordinary = figures.of(bars.taught(logs), ("ordinary",))
    return [out for row in found for out in row.outcomes()] + figures.first_flags(ordinary)


def _scenario(name: str, logs: Sequence[Log]) -> Table:
    loss = [over_static(log["families"]) for log in logs]
    title = (
        f"{name}: {len(logs)} logs. Lost by normal clients, % of their requests: mean "
        f"{fmean(loss):.3f}, median {median(loss):.3f}, most {max(loss):.3f}"
    )
    if name == "ordinary":
        plain = fmean(over_static(log["families"], "plain_refused") for log in logs)
        title += f"; by the plain rule {plain:.3f}"
    title += (
        f". Flagged after learning: {figures.false_flags(logs):.4%} of their requests; "
        f"by the calibrated score alone, regulars apart: {figures.realised_rate(logs):.4%} "
        f"(wanted {FALSE_FLAG_TARGET:.2%})"
    )
    return _families(title, logs)


def _families(title: str, logs: Sequence[Log]) -> Table:
    headings = (
        *("family", "refused %", "least %", "most %", "limit alone %", "plain rule %", "clients"),
        *("flagged", "harmed", "first flag: request", "second"),
    )
    lines = [(label, *_family(logs, label)) for label in figures.labels(logs)]
    return Table(headings, lines, title=title)


def _family(logs: Sequence[Log], label: str) -> tuple[str, ...]:
    entries, ours = figures.family(logs, label), shares(logs, label)
    plain = logs[0]["scenario"] == "ordinary"
    return (
        *(_figure(share, 2) for share in (fmean(ours), min(ours), max(ours))),
        _figure(fmean(shares(logs, label, "static")), 2),
        _figure(fmean(shares(logs, label, "plain_refused")) if plain else None, 2),
        *(f"{sum(e.get(m, 0) for e in entries):,}" for m in ("clients", "flagged", "harmed")),
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
    "windows": window_sections,
    "recoveries": recovery_sections,
    "real": real_sections,
    "ablation": ablation_sections,
}
"""Tables of each part of the results."""
