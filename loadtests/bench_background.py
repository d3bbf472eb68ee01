"""What happens beside the requests: p99 while a model trains, and what the flusher costs."""

from __future__ import annotations

import statistics
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from multiprocessing.connection import Connection
from pathlib import Path

import redis

from flask_irl.training.trainer import Training
from loadtests.bench_apps import Bench, bare_app, check_ours, limiter_of, our_app, watch_of
from loadtests.bench_harness import forked, percentile, received
from loadtests.bench_subject import BenchError, WsgiSubject

LEAST_SECONDS = 0.5
LEAST_REQUESTS = 200
BUSY_SHARE = 0.05
"""Of bare Flask's time, in which it was ready but had no core: then others are measured, too."""
TRAINED = ("accepted", "rejected")
PREFIX = "irl-training-"


@dataclass(frozen=True)
class Window:
    """A stretch of time full of requests.

    Attributes:
        p50: µs.
        p99: µs.
        requests: How many were answered.
        seconds: How long it was.
        waited: Share of it in which the thread was ready but had no core: what other processes
            took, not locks; 0 where the system doesn't tell.
    """

    p50: float
    p99: float
    requests: int
    seconds: float
    waited: float = 0.0


@dataclass(frozen=True)
class Pair:
    """Requests while a model trains, and as long without, one after the other.

    Attributes:
        training: The window that spanned a whole training.
        otherwise: The one before it.
        bare: Short ones of bare Flask, before and after both.
    """

    training: Window
    otherwise: Window
    bare: tuple[Window, Window]

    @property
    def disturbed(self) -> bool:
        """Whether other work took the core from bare Flask, which needs but one."""
        return max(window.waited for window in self.bare) > BUSY_SHARE


@dataclass(frozen=True)
class UnderTraining:
    """Requests of flask_irl on Redis, one after the other, with and without a training.

    Attributes:
        pairs: At least one; those that other work on the machine disturbed are left out, unless
            these are most.
        rows: Rows trained on.
        seconds: How long a training took.
    """

    pairs: tuple[Pair, ...]
    rows: int
    seconds: float

    @property
    def p99(self) -> tuple[float, float, float]:
        """The windows' median p99: while a model trains, otherwise, and of bare Flask; µs."""
        return (
            statistics.median(pair.training.p99 for pair in self.pairs),
            statistics.median(pair.otherwise.p99 for pair in self.pairs),
            statistics.median(window.p99 for pair in self.pairs for window in pair.bare),
        )

    @property
    def elsewhere(self) -> float:
        """Share of time in which other work took the core from bare Flask."""
        return statistics.median(window.waited for pair in self.pairs for window in pair.bare)

    @property
    def ratios(self) -> list[float]:
        """By pair, the p99 while a model trained against that before it."""
        return [pair.training.p99 / pair.otherwise.p99 for pair in self.pairs]


@dataclass(frozen=True)
class FlushCost:
    """What a request costs after it was answered, in µs of CPU time.

    Attributes:
        worker: Of the worker's process.
        server: Of the Redis server's; 0 on memory.
    """

    worker: float
    server: float


def p99_while_training(bench: Bench, trainings: int) -> UnderTraining:
    """Answer requests without a pause, while a model is trained every other while.

    The training is that of ``POST /admin/train`` and of the scheduler: a thread flushes, takes the
    lease, has a child process fit, calibrates, publishes.

    Raises:
        BenchError: A training or a request failed.
    """
    with forked(partial(_train_under_load, bench, trainings), "training") as pipe:
        result = received(pipe, "p99 while training", 60.0 + 30.0 * trainings)
    assert isinstance(result, UnderTraining)
    return result


def _train_under_load(bench: Bench, trainings: int, pipe: Connection) -> None:
    app = our_app(bench, "redis", key_prefix=PREFIX)
    limiter = limiter_of(app)
    bench.model.lend_rows(limiter.store)
    subject = WsgiSubject(app, bench.clients, partial(check_ours, app, model=True))
    results: list[Training] = []

    def while_training() -> Window:
        thread = threading.Thread(target=lambda: results.append(limiter.train()), daemon=True)
        thread.start()
        window = _window(subject, thread.is_alive)
        thread.join()
        if results[-1].result not in TRAINED:
            raise BenchError(f"the training was {results[-1].result}: {results[-1].reason}")
        return window

    # The first one reads scikit-learn's files, and tells how long the windows between must be.
    last = while_training()
    other = WsgiSubject(bare_app(), bench.clients)
    pairs: list[Pair] = []
    bare = _window(other, _for(LEAST_SECONDS))
    while sum(not pair.disturbed for pair in pairs) < trainings and len(pairs) < 2 * trainings:
        quiet = _window(subject, _for(last.seconds))
        last = while_training()
        before, bare = bare, _window(other, _for(LEAST_SECONDS))
        pairs.append(Pair(last, quiet, (before, bare)))
    limiter.flush()
    if not watch_of(app).judged:
        raise BenchError("the model has judged nobody")
    seconds = statistics.median(training.seconds for training in results)
    pipe.send(UnderTraining(best_pairs(pairs, trainings), results[-1].rows, seconds))


def best_pairs(pairs: list[Pair], wanted: int) -> tuple[Pair, ...]:
    """The pairs that nobody disturbed, or all where these are fewer than half of those wanted."""
    calm = tuple(pair for pair in pairs if not pair.disturbed)
    return calm if 2 * len(calm) >= wanted else tuple(pairs)


def _for(seconds: float) -> Callable[[], bool]:
    end = time.monotonic() + seconds
    return lambda: time.monotonic() < end


def _window(subject: WsgiSubject, going_on: Callable[[], bool]) -> Window:
    clock = time.perf_counter_ns
    spent: list[float] = []
    waited = -_waited_seconds()
    begin = clock()
    while going_on() or len(spent) < LEAST_REQUESTS:
        prepared = subject.prepare()
        start = clock()
        status = subject.call(prepared)
        spent.append((clock() - start) / 1000.0)
        if status != 200:
            raise BenchError(f"answered {status}")
    seconds = (clock() - begin) / 1e9
    waited += _waited_seconds()
    subject.check()
    return Window(
        statistics.median(spent), percentile(spent, 0.99), len(spent), seconds, waited / seconds
    )


def _waited_seconds() -> float:
    """How long this thread has been ready without a core (Linux's schedstat)."""
    try:
        return int(Path("/proc/thread-self/schedstat").read_text("ascii").split()[1]) / 1e9
    except (OSError, IndexError):
        return 0.0


def flush_cost(bench: Bench, store: str, requests: int) -> FlushCost:
    """The CPU time of learning from requests, off their path, with a model in force."""
    with forked(partial(_flush, bench, store, requests), "flush") as pipe:
        result = received(pipe, f"flush on {store}")
    assert isinstance(result, FlushCost)
    return result


def _flush(bench: Bench, store: str, requests: int, pipe: Connection) -> None:
    app = our_app(bench, store, background=False, key_prefix="irl-flush-")
    limiter = limiter_of(app)
    subject = WsgiSubject(app, bench.clients)
    for _ in range(subject.warm_up):
        subject.call(subject.prepare())
    limiter.flush()
    merged, worker, server = 0, 0.0, 0.0
    for _ in range(3):
        for _ in range(requests // 3 + 1):
            subject.call(subject.prepare())
        server -= _server_cpu(bench, store)
        worker -= time.process_time()
        merged += limiter.flush()
        worker += time.process_time()
        server += _server_cpu(bench, store)
    pipe.send(FlushCost(worker / merged * 1e6, server / merged * 1e6))


def _server_cpu(bench: Bench, store: str) -> float:
    if store != "redis":
        return 0.0
    with redis.Redis.from_url(bench.url) as client:
        info = client.info("cpu")
    return float(info["used_cpu_user"]) + float(info["used_cpu_sys"])
