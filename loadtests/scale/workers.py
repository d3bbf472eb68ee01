"""Run worker processes that ask a limiter as fast as they can; measure them and their Redis."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from functools import partial
from multiprocessing.connection import Connection
from random import Random
from typing import Final, Literal

from flask_irl.config.options import Options
from flask_irl.limiter.late_learning import load
from flask_irl.limiter.limiter import Limiter
from flask_irl.stores.open import open_store
from loadtests.bench.cases import PATH, PLENTY
from loadtests.bench.cases.apps import OURS, silence
from loadtests.bench.cases.subject import BenchError, address_of
from loadtests.bench.measure.processes import forked, received
from loadtests.scale.sites import Site

Shape = Literal["dense", "sparse"]

DENSE_CLIENTS: Final = 200
"""Clients that each worker hears of often enough to have quota leases."""
WARM_SECONDS: Final[dict[Shape, float]] = {"sparse": 0.6, "dense": 2.0}
"""Time for which the workers ask before they are measured: leases need longer to come about."""
NICE: Final = 10
"""Niceness of the workers: on a full machine it is Redis that runs, or each would wait for it."""
BATCH: Final = 20
"""Decisions between two looks at the clock."""


@dataclass(frozen=True)
class Scaled:
    """Hold the figures of a number of workers on one site.

    Attributes:
        masters: Masters of the cluster; 0 for a Redis of its own.
        shape: ``sparse`` for many clients that each ask seldom, ``dense`` for a few that ask often.
        workers: Number of the processes.
        rate: Decisions a second of all of them.
        busiest: Share of a core that the busiest server took.
        server: CPU time of all servers for a decision, learning included, in µs.
        worker: CPU time of a worker for a decision, learning included, in µs.
    """

    masters: int
    shape: Shape
    workers: int
    rate: float
    busiest: float
    server: float
    worker: float

    @property
    def room(self) -> float:
        """Estimate the decisions a second at which the busiest server takes a whole core."""
        return self.rate / self.busiest


def prepare(site: Site, clients: int, workers: int) -> None:
    """Let each of so many sparse clients ask for the first time, which costs more."""
    load()
    with ExitStack() as stack:
        pipes = [
            stack.enter_context(
                forked(
                    partial(_fill, site.url, range(number, clients, workers)), f"filler {number}"
                )
            )
            for number in range(workers)
        ]
        for number, pipe in enumerate(pipes):
            received(pipe, f"filler {number}")


def measure(site: Site, shape: Shape, clients: int, workers: int, seconds: float) -> Scaled:
    """Measure a number of workers for so many seconds.

    Args:
        site: The store of all.
        shape: Which clients ask.
        clients: Number of the sparse ones.
        workers: Number of processes.
        seconds: Time that is measured, after a warm-up.

    Raises:
        BenchError: A client was not admitted, or not by the store.
    """
    with ExitStack() as stack:
        names = [f"worker {number}" for number in range(workers)]
        pipes = [
            stack.enter_context(
                forked(partial(_serve, site.url, shape, clients, number, seconds), name)
            )
            for number, name in enumerate(names)
        ]
        for pipe, name in zip(pipes, names, strict=True):
            received(pipe, name)
        start = time.monotonic() + WARM_SECONDS[shape]
        for pipe in pipes:
            pipe.send(start)
        time.sleep(max(start - time.monotonic(), 0.0))
        began, before = time.monotonic(), site.cpu()
        time.sleep(max(start + seconds - time.monotonic(), 0.0))
        after, took = site.cpu(), time.monotonic() - began
        found = [received(pipe, name) for pipe, name in zip(pipes, names, strict=True)]
    decisions = sum(decided for decided, _ in found)
    used = [end - begin for begin, end in zip(before, after, strict=True)]
    return Scaled(
        site.masters,
        shape,
        workers,
        decisions / seconds,
        max(used) / took,
        sum(used) / decisions * 1e6,
        sum(cpu for _, cpu in found) / decisions * 1e6,
    )


def _serve(
    url: str, shape: Shape, clients: int, number: int, seconds: float, pipe: Connection
) -> None:
    """Ask all the time, and count from the start that is told until it is over."""
    ask = _asker(url)
    ask(number)
    pipe.send(True)
    choose = _chooser(shape, clients, number)
    start: float = pipe.recv()
    while time.monotonic() < start:
        _ask_some(ask, choose)
    decisions, cpu, end = 0, time.process_time(), start + seconds
    while time.monotonic() < end:
        _ask_some(ask, choose)
        decisions += BATCH
    # What is still to be learned is of no use: the process ends.
    pipe.send((decisions, time.process_time() - cpu))


def _fill(url: str, clients: Sequence[int], pipe: Connection) -> None:
    ask = _asker(url)
    for client in clients:
        ask(client)
    pipe.send(True)


def _asker(url: str) -> Callable[[int], None]:
    """Make a worker, and what asks it about a request of a client and learns from it."""
    os.nice(NICE)
    # Workers without a pause save the same client's profile at the same time.
    silence(OURS)
    options = Options(storage_uri=url, base_limit=PLENTY, store_timeout=5.0, train=False)
    limiter = Limiter(options, open_store(options))
    plan = limiter.plan(())

    def ask(client: int) -> None:
        keys = (address_of(client),)
        decision = limiter.decide(plan, keys, 1, limiter.begin(plan, keys, 1))
        if not decision.admitted or decision.source != "store":
            raise BenchError(f"a client was answered {decision}")
        limiter.observe(decision, route=PATH, path=1, method="GET", status=200, size=100)

    return ask


def _chooser(shape: Shape, clients: int, number: int) -> Callable[[], int]:
    """Make what chooses the next client: dense ones are others than the sparse ones."""
    random = Random(number)
    if shape == "dense":
        return lambda: clients + random.randrange(DENSE_CLIENTS)
    return lambda: random.randrange(clients)


def _ask_some(ask: Callable[[int], None], choose: Callable[[], int]) -> None:
    for _ in range(BATCH):
        ask(choose())
