"""What goes beyond one request after the other: load, the server's part, start, growth, CPU."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from loadtests.bench_apps import Bench
from loadtests.bench_calls import Calls, redis_calls
from loadtests.bench_cpu import TotalCpu, total_cpu
from loadtests.bench_growth import Grown, growth
from loadtests.bench_load import UnderLoad, client_name, under_load
from loadtests.bench_start import start_seconds
from loadtests.bench_table import aligned


@dataclass(frozen=True)
class Amount:
    """How much of everything.

    Attributes:
        load_seconds: Of each stretch of load.
        load_rounds: Turns of each system under load.
        starts: How often each app is started.
        call_requests: Requests whose calls of Redis are counted.
        crowds: Numbers of clients at which the time of a request is taken.
        grown_generations: How often what grows begins anew.
        grown_rounds: Turns of each case that grows.
        grown_calls: Measured requests in each turn.
        cpu_clients: Numbers of active clients at which all CPU time is taken.
        cpu_requests: Requests for each of these.
    """

    load_seconds: float = 4.0
    load_rounds: int = 3
    starts: int = 5
    call_requests: int = 2000
    crowds: tuple[int, ...] = (100, 10_000, 100_000)
    grown_generations: int = 4
    grown_rounds: int = 12
    grown_calls: int = 200
    cpu_clients: tuple[int, ...] = (10, 1_000)
    cpu_requests: int = 20_000


DEFAULT = Amount()
QUICK = Amount(1.0, 1, 1, 300, (100, 3_000), 2, 2, 60, (10, 1_000), 1_500)
FULL = Amount(
    load_seconds=10.0,
    starts=15,
    crowds=(100, 10_000, 100_000, 1_000_000),
    grown_rounds=20,
    cpu_clients=(10, 1_000, 100_000),
    cpu_requests=60_000,
)
TINY = Amount(1.0, 1, 1, 20, (30,), 1, 1, 2, (10,), 20)
"""For tests."""


@dataclass(frozen=True)
class Wider:
    """What was measured.

    Attributes:
        asked_by: The HTTP client.
        load: gunicorn under load, by system.
        calls: What requests cost the Redis server.
        starts: Seconds until a worker's app is made, by system.
        grown: The time of a request at all sizes.
        cpu: All CPU time of a request.
    """

    asked_by: str
    load: Sequence[UnderLoad]
    calls: Sequence[Calls]
    starts: Mapping[str, float]
    grown: Sequence[Grown]
    cpu: Sequence[TotalCpu]


def measure(bench: Bench, amount: Amount, progress: Callable[[str], object]) -> Wider:
    """Measure it.

    Raises:
        BenchError: Something was answered otherwise than it must.
    """
    progress("gunicorn under load")
    load = under_load(bench, amount.load_seconds, amount.load_rounds)
    progress("calls of Redis")
    calls = redis_calls(bench, amount.call_requests)
    progress("start-up")
    starts = start_seconds(bench, amount.starts)
    progress("growth")
    grown = growth(
        bench,
        amount.crowds,
        generations=amount.grown_generations,
        rounds=amount.grown_rounds,
        calls=amount.grown_calls,
    )
    progress("all CPU time")
    cpu = total_cpu(bench, amount.cpu_clients, amount.cpu_requests)
    return Wider(client_name(), load, calls, starts, grown, cpu)


def to_json(wider: Wider) -> dict[str, Any]:
    """The figures for programs: further members of the report."""
    return {
        "load": {"client": wider.asked_by, "systems": _plain(wider.load)},
        "redis_calls": _plain(wider.calls),
        "start_seconds": {name: round(value, 3) for name, value in wider.starts.items()},
        "growth": _plain(wider.grown),
        "cpu_us_per_request": _plain(wider.cpu),
    }


def to_text(wider: Wider) -> str:
    """The figures for people."""
    tables = (_load(wider), _calls(wider), _starts(wider), _growth(wider), _cpu(wider))
    return "\n\n".join("\n".join(table) for table in tables)


def _plain(values: Sequence[Any]) -> list[dict[str, Any]]:
    return [_rounded(dataclasses.asdict(value)) for value in values]


def _rounded(members: dict[str, Any]) -> dict[str, Any]:
    return {name: _shortened(value) for name, value in members.items()}


def _shortened(value: Any) -> Any:
    if isinstance(value, dict):
        return _rounded(value)
    return round(value, 3) if isinstance(value, float) else value


def _load(wider: Wider) -> list[str]:
    rows: list[Sequence[str]] = [
        ("gunicorn on Redis", "normal clients see", "per second", "p50 ms", "p99 ms")
    ]
    for one in wider.load:
        for text, load in (("without a flood", one.alone), ("beside a flood", one.beside)):
            rows.append(
                (one.system, text, f"{load.per_second:.0f}", f"{load.p50:.1f}", f"{load.p99:.1f}")
            )
        rows.append(
            (
                one.system,
                f"(the flood: {one.flood.refused:.0%} refused)",
                f"{one.flood.per_second:.0f}",
                f"{one.flood.p50:.1f}",
                f"{one.flood.p99:.1f}",
            )
        )
    return [*aligned(rows, left=2), f"asked by {wider.asked_by}, on the same cores"]


def _calls(wider: Wider) -> list[str]:
    rows: list[Sequence[str]] = [
        ("Redis per request", "", "round trips", "commands µs", "server CPU µs", "sent")
    ]
    for one in wider.calls:
        figures = (f"{one.round_trips:.2f}", f"{one.server_us:.1f}", f"{one.server_cpu_us:.1f}")
        rows.append((one.system, one.case, *figures, " ".join(one.commands)))
    return aligned(rows, left=2)


def _starts(wider: Wider) -> list[str]:
    rows: list[Sequence[str]] = [("start of a worker: imports and app", "seconds")]
    rows += [(name, f"{seconds:.2f}") for name, seconds in wider.starts.items()]
    return aligned(rows, left=1)


def _growth(wider: Wider) -> list[str]:
    rows: list[Sequence[str]] = [("growth of", "on", "number", "p50 µs", "added µs")]
    for one in sorted(wider.grown, key=lambda one: (one.by, one.store, one.size)):
        rows.append((one.by, one.store, f"{one.size:,}", f"{one.p50:.1f}", f"{one.added:.1f}"))
    return aligned(rows, left=2)


def _cpu(wider: Wider) -> list[str]:
    rows: list[Sequence[str]] = [
        ("all CPU µs per request, Redis", "active clients", "worker", "Redis", "both")
    ]
    for one in wider.cpu:
        figures = (one.worker, one.server, one.worker + one.server)
        rows.append((one.system, f"{one.clients:,}", *(f"{figure:.0f}" for figure in figures)))
    return aligned(rows, left=1)
