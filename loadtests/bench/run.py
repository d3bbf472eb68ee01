"""Run all measurements of the benchmark, in the amounts of a preset."""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Sequence
from contextlib import ExitStack
from dataclasses import asdict, dataclass
from typing import Any, Final

from loadtests.bench.cases.apps import Bench
from loadtests.bench.cases.catalogue import all_cases
from loadtests.bench.cases.model import train
from loadtests.bench.measure import (
    calls,
    cpu,
    flushes,
    growth,
    load,
    machine,
    memory,
    replays,
    throughput,
    training,
)
from loadtests.bench.measure.before import Build, earlier, present
from loadtests.bench.measure.turns import Timing, take_turns
from loadtests.bench.report.figures import Results
from loadtests.servers import redis_server


@dataclass(frozen=True)
class Settings:
    """Set the amounts of everything; the functions that take them say more.

    The first three are amounts of :func:`take_turns`, with ``clients`` in rotation, and so are the
    ``grown`` ones, for requests at the numbers of clients in ``crowds``. ``gunicorn_rounds`` are
    those with two workers, and with any other number of them, each of ``gunicorn_seconds`` after a
    ramp. Figures of small amounts are not to
    be ``judged``.
    """

    generations: int = 8
    rounds: int = 3
    calls: int = 200
    clients: int = 500
    trainings: int = 12
    training_clients: int = 400
    training_minutes: float = 8.0
    redis_clients: int = 10_000
    worker_requests: int = 3000
    load_seconds: float = 4.0
    load_rounds: int = 3
    starts: int = 5
    call_requests: int = 2000
    crowds: tuple[int, ...] = (100, 10_000, 100_000)
    grown_generations: int = 4
    grown_rounds: int = 12
    grown_calls: int = 200
    cpu_requests: int = 20_000
    cpu_clients: tuple[int, ...] = (10, 1_000)
    gunicorn_rounds: tuple[int, int] = (4, 1)
    gunicorn_seconds: float = 1.5
    gunicorn_ramp: float = 4.0
    most_workers: int = 8
    replay_hours: float = 0.5
    replay_rounds: int = 2
    flush_clients: tuple[int, ...] = (10, 1_000, 10_000)
    flush_observations: int = 1_000
    flush_rounds: int = 3
    judged: bool = True


DEFAULT: Final = Settings()
PRESETS: Final = {
    "quick": Settings(
        *(3, 2, 50, 200, 2, 150, 4.0, 3000, 1000, 1.0, 1, 1, 300, (100, 3_000), 2, 2, 60, 1_500),
        gunicorn_rounds=(1, 1),
        gunicorn_seconds=1.0,
        gunicorn_ramp=1.0,
        most_workers=2,
        replay_hours=0.2,
        replay_rounds=1,
        flush_clients=(10, 1_000),
        flush_rounds=1,
        judged=False,
    ),
    "full": Settings(
        generations=16,
        clients=1000,
        trainings=24,
        redis_clients=100_000,
        load_seconds=10.0,
        starts=15,
        crowds=(100, 10_000, 100_000, 1_000_000),
        grown_rounds=20,
        cpu_clients=(10, 1_000, 100_000),
        cpu_requests=60_000,
        gunicorn_rounds=(8, 3),
        replay_hours=2.0,
    ),
    # For tests.
    "tiny": Settings(
        *(1, 1, 2, 20, 1, 60, 6.0, 50, 20, 0.2, 1, 1, 20, (30,), 1, 1, 2, 20, (10,)),
        gunicorn_rounds=(1, 1),
        gunicorn_seconds=0.3,
        gunicorn_ramp=0.2,
        most_workers=1,
        replay_hours=0.1,
        replay_rounds=1,
        flush_clients=(10,),
        flush_observations=20,
        flush_rounds=1,
        judged=False,
    ),
}


@dataclass(frozen=True)
class Measured:
    """Hold what groups are measured on: Redis and a model, builds (the present one first), amounts.

    ``progress`` receives lines on the progress.
    """

    bench: Bench
    builds: Sequence[Build]
    settings: Settings
    progress: Callable[[str], object]


@dataclass(frozen=True)
class Group:
    """Describe figures that are measured together; ``text`` says it while it goes on."""

    text: str
    measure: Callable[[Measured], Any]


def _served(on: Measured) -> list[throughput.Served]:
    settings = on.settings
    times = (settings.gunicorn_seconds, settings.gunicorn_ramp)
    wanted = throughput.amounts(
        machine.cores(), *settings.gunicorn_rounds, *times, settings.most_workers
    )
    return throughput.throughput(on.bench.url, on.builds, wanted, on.progress)


def _timings(on: Measured) -> list[Timing]:
    settings = on.settings
    turns = (settings.generations, settings.rounds, settings.calls)
    return take_turns(all_cases(on.bench), *turns, on.progress)


def _grown(on: Measured) -> list[growth.Grown]:
    settings = on.settings
    amounts = (settings.grown_generations, settings.grown_rounds, settings.grown_calls)
    return growth.growth(on.bench, settings.crowds, *amounts)


GROUPS: Final[dict[str, Group]] = {
    "gunicorn": Group("gunicorn, in turn", _served),
    "timings": Group("the cases, in turn", _timings),
    "training": Group(
        "requests while a model trains",
        lambda on: training.p99_while_training(on.bench, on.settings.trainings),
    ),
    "workers": Group(
        "memory of gunicorn workers",
        lambda on: memory.worker_memory(on.bench, on.settings.worker_requests),
    ),
    "redis": Group(
        "memory of Redis", lambda on: memory.redis_memory(on.bench, on.settings.redis_clients)
    ),
    "load": Group(
        "gunicorn beside a flood",
        lambda on: load.under_load(on.bench, on.settings.load_seconds, on.settings.load_rounds),
    ),
    "calls": Group(
        "calls of Redis", lambda on: calls.redis_calls(on.bench, on.settings.call_requests)
    ),
    "starts": Group("start-up", lambda on: memory.start_seconds(on.bench, on.settings.starts)),
    "grown": Group("growth", _grown),
    "cpu": Group(
        "all CPU time",
        lambda on: cpu.total_cpu(on.bench, on.settings.cpu_clients, on.settings.cpu_requests),
    ),
    "flushes": Group(
        "flushes",
        lambda on: flushes.flush_costs(
            on.bench,
            on.settings.flush_clients,
            on.settings.flush_observations,
            on.settings.flush_rounds,
        ),
    ),
    "replays": Group(
        "replay of a log",
        lambda on: replays.replayed_per_second(
            on.builds, on.settings.replay_hours, on.settings.replay_rounds
        ),
    ),
}
"""Groups by name, in the order of the report; each is a member of the results."""


def run(
    settings: Settings,
    progress: Callable[[str], object],
    only: Collection[str] = GROUPS,
    before: str = "",
) -> Results:
    """Measure everything, or some groups of it.

    Args:
        settings: The amounts.
        progress: Receives lines on the progress.
        only: Names of the groups that are measured.
        before: Another revision that is measured, too, where a figure compares with it.

    Raises:
        BenchError: A request was answered otherwise than it must.
        RuntimeError: There is no Redis server, or no model came about.
    """
    started = time.monotonic()
    with ExitStack() as stack:
        url = stack.enter_context(redis_server())
        described = machine.describe(url)
        progress("a model, in virtual time")
        training_of = (settings.training_clients, settings.training_minutes)
        bench = Bench(url, train(*training_of), settings.clients)
        builds = [stack.enter_context(present(bench.model.blob))]
        if before:
            builds.append(stack.enter_context(earlier(before, *training_of)))
        found: dict[str, Any] = {}
        for name, group in GROUPS.items():
            if name in only:
                progress(group.text)
                found[name] = group.measure(Measured(bench, builds, settings, progress))
        return Results(
            **found,
            before=builds[1].name if before else "",
            http_client=load.client_name(),
            machine=described,
            settings=asdict(settings),
            seconds=time.monotonic() - started,
        )
