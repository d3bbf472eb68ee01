"""Time cases in turn: each in a process of its own, many rounds.

In a turn a case answers some requests; then comes the bare app, then the next case, in another
order each round, so that other work of the machine falls on all alike. A shared machine may take
half as long again for a second: the time that a case adds is told by the bare turns just before
and after its own. Background work of a case runs in its own process, as in production.
"""

from __future__ import annotations

import statistics
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from functools import partial
from multiprocessing.connection import Connection
from random import Random

import numpy as np

from loadtests.bench.cases.catalogue import Case, Key
from loadtests.bench.cases.subject import timed, warm
from loadtests.bench.measure.processes import forked, received


@dataclass
class Timing:
    """Hold the time of each call of a case in µs, by round.

    ``near`` is, by round, the median of the bare calls just before and after; it is empty for the
    bare case itself.
    """

    case: Case
    rounds: list[list[float]] = field(default_factory=list)
    near: list[float] = field(default_factory=list)

    @property
    def medians(self) -> list[float]:
        """Give the median of each round."""
        return [statistics.median(times) for times in self.rounds]

    @property
    def p50(self) -> float:
        """Give the median of the rounds' medians."""
        return statistics.median(self.medians)

    @property
    def mean(self) -> float:
        """Give the mean over all calls."""
        return statistics.fmean(self._all())

    @property
    def p99(self) -> float:
        """Give the 99th percentile over all calls."""
        return float(np.percentile(self._all(), 99))

    def added(self, bare: Timing) -> list[float]:
        """Give, by round, the time beyond a bare request at that time."""
        if not self.case.whole:
            return self.medians
        bases = self.near if bare.case.bare and self.near else bare.medians
        return [own - base for own, base in zip(self.medians, bases, strict=True)]

    def _all(self) -> list[float]:
        return [time for times in self.rounds for time in times]


def take_turns(
    cases: Sequence[Case],
    generations: int,
    rounds: int,
    calls: int,
    progress: Callable[[str], object] = lambda text: None,
) -> list[Timing]:
    """Time cases, in turn, in an order that changes by round, with so many calls in each turn.

    All processes start afresh in each generation: the core on which one lands beside its server,
    and the layout of its memory, stay the same for a process's life and differ between two by more
    than the difference to be measured. A first round of each generation doesn't count: a process
    that has just begun copies the memory it shares with the others.
    """
    timings = [Timing(case) for case in cases]
    bare = next(timing for timing in timings if timing.case.bare)
    others = [timing for timing in timings if timing is not bare]
    random = Random(1)
    for generation in range(generations):
        with ExitStack() as stack:
            pipes: dict[Key, Connection] = {}
            for case in random.sample(cases, len(cases)):
                pipes[case.key] = stack.enter_context(forked(partial(_serve, case), case.name))
                received(pipes[case.key], str(case))
            for number in range(rounds + 1):
                progress(f"round {generation * rounds + number} of {generations * rounds}")
                random.shuffle(others)
                _take_round(bare, others, partial(_turn, pipes, calls), counts=number > 0)
    return timings


def _take_round(
    bare: Timing,
    others: Sequence[Timing],
    turn: Callable[[Timing], list[float]],
    counts: bool,
) -> None:
    before = turn(bare)
    all_bare = list(before)
    for timing in others:
        times = turn(timing)
        after = turn(bare)
        if counts:
            timing.rounds.append(times)
            timing.near.append(statistics.median(before + after))
        all_bare += after
        before = after
    if counts:
        bare.rounds.append(all_bare)


def _turn(pipes: Mapping[Key, Connection], calls: int, timing: Timing) -> list[float]:
    pipe = pipes[timing.case.key]
    pipe.send(calls)
    times: list[float] = received(pipe, str(timing.case))
    return times


def _serve(case: Case, pipe: Connection) -> None:
    subject = case.build()
    warm(subject)
    pipe.send(True)
    while (calls := pipe.recv()) is not None:
        pipe.send(timed(subject, calls, case.expected))
