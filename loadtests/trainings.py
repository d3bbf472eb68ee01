"""Measure what trainings cost a day: ``python -m loadtests.trainings``.

A trainer trains on the rows of a made-up site, first whole forests, then a tenth of the trees each
time. CPU is told apart: of the child process, of the process that trains (rows, calibration, gate,
publication), and of each worker that takes the model up.
"""

from __future__ import annotations

import argparse
import resource
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from statistics import median
from typing import Final

from flask_irl.behaviour.features import SCHEMA
from flask_irl.model.model import load
from flask_irl.stores.memory.store import MemoryStore
from flask_irl.training.fit import Fit, fit_here, fit_in_child
from flask_irl.training.trainer import Trainer
from loadtests.bench.cases.model import Trained, train
from loadtests.tables import Table, make_console, print_markdown, print_parts

INTERVAL_SECONDS: Final = 300.0
TIMES_A_DAY: Final = 288
CAPACITY: Final = 20_000
STORED_TWICE: Final = 2
"""Times that Redis keeps a new model: for this build, and for those before it."""


@dataclass(frozen=True)
class Cost:
    """Hold the cost of a training, in seconds of CPU, and what comes of it.

    Attributes:
        child: Of the child process; 0 in process.
        own: Of the process that trains.
        load: Of each other worker, which reads the model.
        size: Bytes of the model.
        rows: Rows that it was trained on.
    """

    child: float
    own: float
    load: float
    size: int
    rows: int


def measure(fit: Fit, site: Trained, *, whole: bool, times: int) -> Cost:
    """Train several times, and give the medians.

    Args:
        fit: Fits detectors, in this process or a child.
        site: Lends its rows.
        whole: Grow all trees each time, and not a tenth of them.
        times: Number of trainings, 1 or more; one before them isn't counted.

    Raises:
        RuntimeError: A training was not accepted.
    """
    store = MemoryStore()
    site.lend_rows(store)
    store.add_counts({"rows": len(site.rows)})
    trainer = Trainer(
        store,
        notify=lambda event: None,
        threshold=-0.5,
        false_flag_rate=0.0005,
        min_clients=25,
        interval_seconds=INTERVAL_SECONDS,
        detector="blend",
        fit=fit,
    )
    costs = []
    for number in range(times + 1):
        child, own = _child_cpu(), time.process_time()
        training = trainer.train(whole=whole or not number)
        child, own = _child_cpu() - child, time.process_time() - own
        blob = store.model(training.version)
        if training.result != "accepted" or blob is None:
            raise RuntimeError(f"the training was {training.result}: {training.reason}")
        start = time.process_time()
        load(blob, schema=SCHEMA)
        read = time.process_time() - start
        costs.append(Cost(child, own, read, len(blob), training.rows))

    def middle(part: Callable[[Cost], float]) -> float:
        return median(part(cost) for cost in costs[1:])

    return Cost(
        middle(lambda cost: cost.child),
        middle(lambda cost: cost.own),
        middle(lambda cost: cost.load),
        round(middle(lambda cost: cost.size)),
        costs[-1].rows,
    )


def sections(costs: dict[str, Cost]) -> Iterator[Table | str]:
    """Make the table of costs, of a training and of a day of them."""
    headings = (
        *("training", "rows", "child, ms of CPU", "trainer, ms", "each worker, ms"),
        *("a day, s of CPU", "of a core", "model, kB", "to Redis a day, MB"),
    )
    rows = []
    for name, cost in costs.items():
        day = TIMES_A_DAY * (cost.child + cost.own)
        rows.append(
            (
                *(name, f"{cost.rows:,}"),
                *(f"{1000 * part:.0f}" for part in (cost.child, cost.own)),
                *(f"{1000 * cost.load:.1f}", f"{day:.0f}", f"{day / 86_400:.2%}"),
                f"{cost.size / 1000:.0f}",
                f"{TIMES_A_DAY * cost.size * STORED_TWICE / 1e6:.0f}",
            )
        )
    yield Table(headings, rows, title="One training, and 288 of them a day")


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure whole and partial trainings, in a child process and in this one."""
    parser = argparse.ArgumentParser(prog="python -m loadtests.trainings", description=__doc__)
    add = parser.add_argument
    add("--clients", type=int, default=400, metavar="N", help="clients (%(default)s)")
    add("--minutes", type=float, default=15.0, metavar="N", help="of the site (%(default)s)")
    add("--times", type=int, default=7, metavar="N", help="trainings of each sort (%(default)s)")
    add("--markdown", action="store_true", help="print the table for documents")
    options = parser.parse_args(arguments)
    site = train(options.clients, options.minutes)
    costs = {
        f"{share}, {place}": measure(fit, site, whole=whole, times=options.times)
        for place, fit in (("in a child", fit_in_child), ("in process", fit_here))
        for share, whole in (("all trees", True), ("a tenth", False))
    }
    if options.markdown:
        print_markdown(sections(costs))
    else:
        print_parts(make_console(), sections(costs))
    return 0


def _child_cpu() -> float:
    """Read the CPU time of all child processes that have ended."""
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return usage.ru_utime + usage.ru_stime


if __name__ == "__main__":
    sys.exit(main())
