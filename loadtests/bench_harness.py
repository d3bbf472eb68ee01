"""How the benchmark measures: each case in a process of its own, taking turns, many rounds.

The processes are forks of one that has imported everything, so that they start alike. In a turn a
case answers some requests; then comes the bare app, then the next one, in another order each round,
so that what the machine does meanwhile falls on all alike. A shared machine may take half as
long again for a second: what a case adds is told by the bare turns just before and after its own.
Background work of a case (flask_irl's flusher) runs in its own process as in production.
"""

from __future__ import annotations

import gc
import multiprocessing
import statistics
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from functools import partial
from multiprocessing.connection import Connection
from random import Random
from typing import Any

from loadtests.bench_subject import BenchError, Subject, timed

ANSWER_SECONDS = 120.0
STOP_SECONDS = 5.0
_FORK = multiprocessing.get_context("fork")


@dataclass(frozen=True)
class Case:
    """One line of the table.

    Attributes:
        system: Whose it is.
        store: ``memory``, ``redis``, or nothing.
        name: What is switched on.
        build: Makes what is measured, in its own process.
        expected: The status each request must get.
        bare: Whether it is the one that others are compared with.
        whole: Whether a call is Flask's whole; if not, all its time counts as added.
    """

    system: str
    store: str
    name: str
    build: Callable[[], Subject]
    expected: int = 200
    bare: bool = False
    whole: bool = True

    @property
    def key(self) -> tuple[str, str, str]:
        """What identifies it."""
        return self.system, self.store, self.name

    def __str__(self) -> str:
        return ", ".join(part for part in self.key if part)


@dataclass
class Timing:
    """What was measured of a case.

    Attributes:
        case: The case.
        rounds: µs of each call, by round.
        near: By round, the median of the bare calls just before and after; empty without a bare
            case, and for that itself.
    """

    case: Case
    rounds: list[list[float]] = field(default_factory=list)
    near: list[float] = field(default_factory=list)

    @property
    def medians(self) -> list[float]:
        """The median of each round."""
        return [statistics.median(spent) for spent in self.rounds]

    @property
    def p50(self) -> float:
        """The median of the rounds' medians."""
        return statistics.median(self.medians)

    @property
    def mean(self) -> float:
        """Over all calls."""
        return statistics.fmean(spent for one in self.rounds for spent in one)

    @property
    def p99(self) -> float:
        """Over all calls."""
        return percentile([spent for one in self.rounds for spent in one], 0.99)

    def added(self, bare: Timing) -> list[float]:
        """By round, what it takes beyond a bare request at that time."""
        if not self.case.whole:
            return self.medians
        bases = self.near if bare.case.bare and self.near else bare.medians
        return [own - base for own, base in zip(self.medians, bases, strict=True)]


def percentile(values: Sequence[float], share: float) -> float:
    """The value that ``share`` of the values don't exceed; 0 of none."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))] if ordered else 0.0


@contextmanager
def forked(work: Callable[[Connection], None], name: str) -> Iterator[Connection]:
    """Run work in a fork of this process, at the other end of a pipe, until the block ends.

    The work ends by itself, or when it receives None.
    """
    mine, theirs = _FORK.Pipe()
    # What the forks share neither burdens their garbage collections nor is copied by them.
    gc.freeze()
    process = _FORK.Process(target=_run, args=(work, theirs), name=name, daemon=True)
    process.start()
    theirs.close()
    try:
        yield mine
    finally:
        with suppress(OSError):
            mine.send(None)
        mine.close()
        process.join(STOP_SECONDS)
        if process.is_alive():
            process.kill()
            process.join()


def received(pipe: Connection, what: str, seconds: float = ANSWER_SECONDS) -> Any:
    """What a fork sends.

    Raises:
        BenchError: It sent an error, nothing in time, or is gone.
    """
    try:
        message = pipe.recv() if pipe.poll(seconds) else "it sent nothing in time"
    except EOFError:
        message = "its process ended"
    if isinstance(message, str):
        raise BenchError(f"{what}: {message}")
    return message


def _run(work: Callable[[Connection], None], pipe: Connection) -> None:
    try:
        work(pipe)
    except (EOFError, BrokenPipeError, KeyboardInterrupt):
        return
    except Exception as error:
        pipe.send(f"{type(error).__name__}: {error}")


def _serve(case: Case, pipe: Connection) -> None:
    subject = case.build()
    for _ in range(subject.warm_up):
        subject.call(subject.prepare())
    pipe.send(True)
    while (calls := pipe.recv()) is not None:
        pipe.send(timed(subject, calls, case.expected))


def take_turns(
    cases: Sequence[Case],
    *,
    generations: int,
    rounds: int,
    calls: int,
    progress: Callable[[str], object] = lambda text: None,
) -> list[Timing]:
    """Measure cases, in turn, in an order that changes by round.

    Args:
        cases: What to measure; the bare one gets its turn between all others.
        generations: How often all processes begin anew: on which core one lands beside its
            server, and how its memory lies, stays the same for a process's life and differs
            between two by more than what is to be measured.
        rounds: How many in each generation, besides a first one that doesn't count: a process
            that has just begun copies what it shares with the others.
        calls: Requests in each turn.
        progress: Told how far it is.

    Raises:
        BenchError: A case failed.
    """
    timings = [Timing(case) for case in cases]
    bare = next((timing for timing in timings if timing.case.bare), None)
    others = [timing for timing in timings if timing is not bare]
    random = Random(1)
    for generation in range(generations):
        with ExitStack() as stack:
            pipes: dict[tuple[str, str, str], Connection] = {}
            for case in random.sample(cases, len(cases)):
                pipes[case.key] = stack.enter_context(forked(partial(_serve, case), case.name))
                received(pipes[case.key], str(case))
            for number in range(rounds + 1):
                progress(f"round {generation * rounds + number} of {generations * rounds}")
                random.shuffle(others)
                before = [] if bare is None else _turn(bare, pipes, calls)
                all_bare = list(before)
                for timing in others:
                    spent = _turn(timing, pipes, calls)
                    after = [] if bare is None else _turn(bare, pipes, calls)
                    if number:
                        timing.rounds.append(spent)
                    if number and bare is not None:
                        timing.near.append(statistics.median(before + after))
                    all_bare += after
                    before = after
                if number and bare is not None:
                    bare.rounds.append(all_bare)
    return timings


def _turn(
    timing: Timing, pipes: Mapping[tuple[str, str, str], Connection], calls: int
) -> list[float]:
    """µs of each call of one turn."""
    pipe = pipes[timing.case.key]
    pipe.send(calls)
    spent: list[float] = received(pipe, str(timing.case))
    return spent
