"""Measure the p99 of requests while a model trains."""

from __future__ import annotations

import statistics
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Final

import numpy as np

from flask_irl.training.trainer import Training
from loadtests.bench.cases.apps import Bench, bare_app, check_ours, limiter_of, our_app
from loadtests.bench.cases.subject import BenchError, WsgiSubject, timed_call
from loadtests.bench.measure.processes import in_fork

LEAST_SECONDS: Final = 0.5
LEAST_REQUESTS: Final = 200
BUSY_SHARE: Final = 0.05
"""Share of bare Flask's time without a core above which other work disturbs the figures."""


@dataclass(frozen=True)
class Window:
    """Hold p50 and p99, in µs, of a stretch of time full of requests.

    In the share ``waited`` the thread was ready but had no core, which is the work of other
    processes, not of locks; it is 0 where the system doesn't tell.
    """

    p50: float
    p99: float
    requests: int
    seconds: float
    waited: float = 0.0


@dataclass(frozen=True)
class Pair:
    """Hold a window that spans a training, one as long before it, and two of bare Flask around."""

    training: Window
    otherwise: Window
    bare: tuple[Window, Window]

    @property
    def disturbed(self) -> bool:
        """Tell whether other work took the core from bare Flask, which needs but one."""
        return max(window.waited for window in self.bare) > BUSY_SHARE


@dataclass(frozen=True)
class UnderTraining:
    """Hold requests of flask_irl on Redis, with and without a training of so many rows.

    Pairs that other work on the machine disturbed are left out, unless these are most; ``seconds``
    is the median length of a training.
    """

    pairs: tuple[Pair, ...]
    rows: int
    seconds: float

    @property
    def elsewhere(self) -> float:
        """Give the share of time in which other work took the core from bare Flask."""
        return statistics.median(window.waited for pair in self.pairs for window in pair.bare)

    @property
    def ratios(self) -> list[float]:
        """Give, by pair, the p99 while a model trained against that before it."""
        return [pair.training.p99 / pair.otherwise.p99 for pair in self.pairs]


def p99_while_training(bench: Bench, trainings: int) -> UnderTraining:
    """Answer requests without a pause, while a model is trained every other while.

    The training is that of ``POST /admin/train``: a thread flushes, takes the lease, has a child
    process fit, calibrates, publishes. On schedule the child has less to do, and the rest is alike.
    """
    seconds = 60.0 + 30.0 * trainings
    return in_fork(partial(_train_under_load, bench, trainings), "p99 while training", seconds)


def _train_under_load(bench: Bench, trainings: int) -> UnderTraining:
    app = our_app(bench, "redis", key_prefix="irl-training-")
    limiter = limiter_of(app)
    bench.model.lend_rows(limiter.store)
    subject = WsgiSubject(app, bench.clients, partial(check_ours, app, model=True))
    results: list[Training] = []

    def while_training() -> Window:
        thread = threading.Thread(target=lambda: results.append(limiter.train()), daemon=True)
        thread.start()
        window = _window(subject, thread.is_alive)
        thread.join()
        if results[-1].result not in ("accepted", "rejected"):
            raise BenchError(f"the training was {results[-1].result}: {results[-1].reason}")
        return window

    # The first one reads scikit-learn's files, and gives the length of the windows between.
    last = while_training()
    other = WsgiSubject(bare_app(), bench.clients)
    pairs: list[Pair] = []
    bare = _window(other, _for(LEAST_SECONDS))
    while sum(not pair.disturbed for pair in pairs) < trainings and len(pairs) < 2 * trainings - 1:
        quiet = _window(subject, _for(last.seconds))
        last = while_training()
        before, bare = bare, _window(other, _for(LEAST_SECONDS))
        pairs.append(Pair(last, quiet, (before, bare)))
    limiter.flush()
    if not app.config["BENCH_WATCH"].judged:
        raise BenchError("the model has judged nobody")
    seconds = statistics.median(training.seconds for training in results)
    return UnderTraining(best_pairs(pairs, trainings), results[-1].rows, seconds)


def best_pairs(pairs: list[Pair], wanted: int) -> tuple[Pair, ...]:
    """Select the undisturbed pairs, or all where these are fewer than half of those wanted."""
    calm = tuple(pair for pair in pairs if not pair.disturbed)
    return calm if 2 * len(calm) >= wanted else tuple(pairs)


def _for(seconds: float) -> Callable[[], bool]:
    end = time.monotonic() + seconds
    return lambda: time.monotonic() < end


def _window(subject: WsgiSubject, going_on: Callable[[], bool]) -> Window:
    times: list[float] = []
    waited = -_waited_seconds()
    begin = time.perf_counter()
    while going_on() or len(times) < LEAST_REQUESTS:
        times.append(timed_call(subject))
    seconds = time.perf_counter() - begin
    waited += _waited_seconds()
    subject.check()
    p50, p99 = statistics.median(times), float(np.percentile(times, 99))
    return Window(p50, p99, len(times), seconds, waited / seconds)


def _waited_seconds() -> float:
    """Read the seconds that this thread has been ready without a core (Linux's schedstat)."""
    try:
        return int(Path("/proc/thread-self/schedstat").read_text("ascii").split()[1]) / 1e9
    except (OSError, IndexError):
        return 0.0
