"""Run all measurements of the benchmark, in the amounts of a preset."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import Final, TypeVar

from loadtests.bench.cases.apps import Bench
from loadtests.bench.cases.catalogue import all_cases
from loadtests.bench.cases.model import train
from loadtests.bench.measure import calls, cpu, growth, load, machine, memory, training
from loadtests.bench.measure.turns import take_turns
from loadtests.bench.report.figures import Results
from loadtests.servers import redis_server

T = TypeVar("T")


@dataclass(frozen=True)
class Settings:
    """Set the amounts of everything; the functions that take them say more.

    The first three are amounts of :func:`take_turns`, with ``clients`` in rotation, and so are the
    ``grown`` ones, for requests at the numbers of clients in ``crowds``. Figures of small amounts
    are not to be ``judged``.
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
    judged: bool = True


DEFAULT: Final = Settings()
PRESETS: Final = {
    "quick": Settings(
        *(3, 2, 50, 200, 2, 150, 4.0, 3000, 1000, 1.0, 1, 1, 300, (100, 3_000), 2, 2, 60, 1_500),
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
    ),
    # For tests.
    "tiny": Settings(
        *(1, 1, 2, 20, 1, 60, 6.0, 50, 20, 0.2, 1, 1, 20, (30,), 1, 1, 2, 20, (10,)), judged=False
    ),
}


def run(settings: Settings, progress: Callable[[str], object]) -> Results:
    """Measure everything; ``progress`` receives lines on the progress.

    Raises:
        BenchError: A request was answered otherwise than it must.
        RuntimeError: There is no Redis server, or no model came about.
    """
    started = time.monotonic()

    def step(text: str, measure: Callable[[], T]) -> T:
        progress(text)
        return measure()

    with redis_server() as url:
        described = machine.describe(url)
        progress("a model, in virtual time")
        model = train(settings.training_clients, settings.training_minutes)
        bench = Bench(url, model, settings.clients)
        turns = (settings.generations, settings.rounds, settings.calls)
        loads = (settings.load_seconds, settings.load_rounds)
        grown = (settings.grown_generations, settings.grown_rounds, settings.grown_calls)
        cpus = (settings.cpu_clients, settings.cpu_requests)
        return Results(
            timings=step(
                "the cases, in turn", lambda: take_turns(all_cases(bench), *turns, progress)
            ),
            training=step(
                "requests while a model trains",
                lambda: training.p99_while_training(bench, settings.trainings),
            ),
            workers=step(
                "memory of gunicorn workers",
                lambda: memory.worker_memory(bench, settings.worker_requests),
            ),
            redis=step(
                "memory of Redis", lambda: memory.redis_memory(bench, settings.redis_clients)
            ),
            http_client=load.client_name(),
            load=step("gunicorn under load", lambda: load.under_load(bench, *loads)),
            calls=step("calls of Redis", lambda: calls.redis_calls(bench, settings.call_requests)),
            starts=step("start-up", lambda: memory.start_seconds(bench, settings.starts)),
            grown=step("growth", lambda: growth.growth(bench, settings.crowds, *grown)),
            cpu=step("all CPU time", lambda: cpu.total_cpu(bench, *cpus)),
            machine=described,
            settings=asdict(settings),
            seconds=time.monotonic() - started,
        )
