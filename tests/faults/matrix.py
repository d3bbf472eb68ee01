"""Measure a site while its store breaks, and write the table in ``docs/reliability.md``.

``python -m tests.faults.matrix [NAME …]`` breaks real servers one after the other, three times
each, eight minutes in all, and writes the table; or only the rows whose names begin so. With
Valkey's server (``TEST_REDIS_SERVER``) it writes a table of its own.
``test_matrix.py`` holds what must be true of each row.
"""

from __future__ import annotations

import argparse
import re
import statistics
import sys
import threading
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from flask_irl.telemetry.events import RequestDecided
from tests.faults.scenarios import SCENARIOS, Scenario
from tests.faults.site import BACK, Worker, client_in, slot_of
from tests.faults.stage import COUNTED, Stage
from tests.find_redis import redis_binary

PAGE: Final = Path(__file__).parents[2] / "docs" / "reliability.md"
TABLES: Final = {
    "redis": ("<!-- faults -->\n", "<!-- /faults -->\n"),
    "valkey": ("<!-- faults with Valkey -->\n", "<!-- /faults with Valkey -->\n"),
}
"""Where the table of a kind of server begins and ends."""
TIMEOUT: Final = 0.05
"""The store's time-out, as it is by default."""
LIMIT: Final = 1_000_000
FAULT_SECONDS: Final = 2.0
"""Duration of a fault; one of a moment is over sooner."""
PAUSE: Final = 0.002
"""Seconds between two requests."""
RUNS: Final = 3
"""Runs of each fault, by default; the table has the one with the middle longest wait."""
RESTORED_SECONDS: Final = 4.0
"""Time in which a worker gives an empty store its overrides back: twice that between two polls."""
GOOD: Final = 50
"""Decisions of the store in a row after which it is back."""
BLOCKED, ALLOWED = "192.0.2.2", "192.0.2.3"
COUNTS: Final = 7
NEIGHBOUR: Final = client_in(slot_of(COUNTED), slot_of(COUNTED), 1)


@dataclass(frozen=True, slots=True)
class Row:
    """Hold what was measured of a fault.

    Args:
        fault: Its name.
        statuses: Statuses of the requests that nothing is to refuse.
        blocked: Those of a client that an operator has blocked.
        others: Share of the requests on which this worker decided, from the fault's beginning until
            the store was back.
        usual: Longest decision in milliseconds before the fault, but for the longest of a hundred.
        longest: The longest one from then on.
        kept: Words for what was still there of counts, profiles and overrides.
        back: Seconds from the fault's end until the store decides again; 0 if it always did.
        knew: Whether the worker knew the store before.
    """

    fault: str
    statuses: Mapping[int, int]
    blocked: Mapping[int, int]
    others: float
    usual: float
    longest: float
    kept: tuple[str, ...]
    back: float
    knew: bool = True


class Traffic:
    """Send requests of ordinary, blocked and allowed clients, one after the other.

    Args:
        worker: The worker that serves them.
        pause: Seconds between two of them.
    """

    def __init__(self, worker: Worker, pause: float) -> None:
        self._worker = worker
        self._pause = pause
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="faults-traffic", daemon=True)
        self.statuses: Counter[int] = Counter()
        self.blocked: Counter[int] = Counter()

    def __enter__(self) -> Traffic:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join(BACK)

    def _run(self) -> None:
        number = 0
        while not self._stop.is_set():
            number += 1
            client = _ordinary(number)
            if number % 10 == 0:
                self.blocked[self._worker.ask(BLOCKED)] += 1
            else:
                self.statuses[self._worker.ask(ALLOWED if number % 10 == 5 else client)] += 1
            self._stop.wait(self._pause)


def _ordinary(number: int) -> str:
    """Name one of a hundred ordinary clients, of which one is in the slot of the counted one."""
    return NEIGHBOUR if number % 3 == 0 else f"198.51.100.{number % 100}"


def measure(scenario: Scenario, seconds: float = FAULT_SECONDS, pause: float = PAUSE) -> Row:
    """Break a store under traffic, mend it, and tell what clients saw and what was lost.

    Args:
        scenario: The fault.
        seconds: Its duration.
        pause: Seconds between two requests.
    """
    with scenario.open() as stage:
        options = {"store_timeout": TIMEOUT, "base_limit": LIMIT, **stage.options}
        if stage.known_by:
            with Worker(stage.known_by, **options) as first:
                _prepare(first)
        with Worker(stage.uri, background=True, **options) as worker:
            if not stage.known_by:
                _prepare(worker)
            with Traffic(worker, pause) as traffic:
                return _measure(scenario, stage, worker, traffic, seconds)


def _prepare(worker: Worker) -> None:
    """Have a client with counts and a profile, one that is blocked, and one that is allowed."""
    deadline = time.monotonic() + BACK
    # A busy machine may not connect in time at first.
    while worker.source("192.0.2.9") != "store" and time.monotonic() < deadline:
        time.sleep(0.05)
    overrides = worker.operations.overrides
    for client, kind in ((BLOCKED, "block"), (ALLOWED, "allow")):
        overrides.set(client, kind, amount=0, seconds=3600, reason="", who="test")
    worker.asks(COUNTS, COUNTED)
    worker.limiter.flush()


def _measure(
    scenario: Scenario, stage: Stage, worker: Worker, traffic: Traffic, seconds: float
) -> Row:
    time.sleep(seconds / 2)
    before = len(worker.events.of(RequestDecided))
    counted, revision = 0, 0
    if not stage.known_by:
        counted = _count(worker)
        [known] = worker.limiter.store.load([COUNTED])
        revision = 0 if known is None else known.revision
    stage.fault()
    time.sleep(seconds)
    ended = len(worker.events.of(RequestDecided))
    stage.mend()
    mended = time.monotonic()
    while not _is_back(worker, ended) and time.monotonic() < mended + BACK:
        time.sleep(0.02)
    back = time.monotonic() - mended if _is_back(worker, ended) else float("inf")
    decided = worker.events.of(RequestDecided)
    usual = [event.seconds * 1000 for event in decided[:before]]
    during = decided[before:]
    # A refusal that this worker remembers is the store's own.
    others = [event.decision.source not in ("store", "local") for event in during]
    return Row(
        scenario.name,
        traffic.statuses,
        traffic.blocked,
        sum(others) / max(len(others), 1),
        statistics.quantiles(usual, n=100)[-1],
        max(event.seconds * 1000 for event in during),
        _kept(worker, counted or COUNTS, revision),
        0.0 if not any(others[: ended - before]) else back,
        not stage.known_by,
    )


def _is_back(worker: Worker, since: int) -> bool:
    """Tell whether the store has decided on the latest requests since a number of decisions."""
    decided = worker.events.of(RequestDecided)[since:][-GOOD:]
    return len(decided) == GOOD and all(each.decision.source != "fallback" for each in decided)


def _count(worker: Worker) -> int:
    """Count what the store has counted of the client whose count is looked at."""
    limiter = worker.limiter
    decision = limiter.decide(limiter.plan(()), (COUNTED,), 0)
    return LIMIT - decision.remaining if decision.source == "store" else 0


def _kept(worker: Worker, counted: int, revision: int) -> tuple[str, ...]:
    """Name what the store still has of what was there before the fault."""
    store = worker.limiter.store
    counts = _count(worker)
    deadline = time.monotonic() + RESTORED_SECONDS
    while store.load([BLOCKED]) == [None] and time.monotonic() < deadline:
        time.sleep(0.05)
    counted_state, blocked_state = store.load([COUNTED, BLOCKED])
    found = {
        "counts": counts >= counted,
        "profiles": counted_state is not None and counted_state.revision >= revision,
        "overrides": blocked_state is not None and blocked_state.override is not None,
    }
    return tuple(name for name, is_kept in found.items() if is_kept)


def table_of(rows: Sequence[Row]) -> str:
    """Write rows as a table in Markdown."""
    lines = [
        "| fault | answers | decided by the worker alone | longest wait | lost | back after |",
        "| --- | --- | --- | --- | --- | --- |",
    ]
    for row in rows:
        answers = ", ".join(f"{n:,} times {status}" for status, n in sorted(row.statuses.items()))
        through = "**the blocked client got through**" if row.knew else "blocks unknown until then"
        blocked = "" if set(row.blocked) == {429} else f", {through}"
        lost = [name for name in ("counts", "profiles", "overrides") if name not in row.kept]
        back = f"{row.back:.1f} s" if row.back else ""
        lines.append(
            f"| {row.fault} | {answers}{blocked} | {row.others:.0%} | {row.longest:.0f} ms "
            f"(usually {row.usual:.1f}) | {', '.join(lost) or 'nothing'} | {back} |"
        )
    return "\n".join(lines) + "\n"


def written_rows(kind: str) -> dict[str, str]:
    """List the rows of the page's table for a kind of server, by fault."""
    begin, end = TABLES[kind]
    part = PAGE.read_text(encoding="utf-8").partition(begin)[2].partition(end)[0]
    rows = re.findall(r"^(\| (?!---|fault )(.+?) \|.*)$", part, re.MULTILINE)
    return {fault: row for row, fault in rows}


def write_rows(kind: str, rows: Mapping[str, str]) -> None:
    """Write rows into the page's table for a kind of server; the others stay."""
    begin, end = TABLES[kind]
    known = {**written_rows(kind), **rows}
    lines = [known[each.name] for each in SCENARIOS if each.name in known]
    head, _, rest = PAGE.read_text(encoding="utf-8").partition(begin)
    table = table_of([]) + "".join(f"{line}\n" for line in lines)
    PAGE.write_text(head + begin + table + end + rest.partition(end)[2], encoding="utf-8")


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure the faults whose names begin so, all by default; give the exit code."""
    parser = argparse.ArgumentParser(prog="python -m tests.faults.matrix", description=__doc__)
    parser.add_argument("names", nargs="*", metavar="NAME", help="beginning of a fault's name")
    parser.add_argument("--runs", type=int, default=RUNS, help="runs of each (%(default)s)")
    options = parser.parse_args(arguments)
    begins = tuple(options.names)
    chosen = [each for each in SCENARIOS if not begins or each.name.startswith(begins)]
    kind = "valkey" if redis_binary()[1].startswith("valkey") else "redis"
    for scenario in chosen:
        runs = [measure(scenario) for _ in range(options.runs)]
        runs.sort(key=lambda row: row.longest)
        row = table_of([runs[len(runs) // 2]]).splitlines()[-1]
        print(row, flush=True)
        write_rows(kind, {scenario.name: row})
    return 0


if __name__ == "__main__":
    sys.exit(main())
