"""Judge detection: ``python -m loadtests.evaluation``."""

from __future__ import annotations

import argparse
import multiprocessing
import sys
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any, Final

from loadtests import stored
from loadtests.evaluation.ablation import ablate
from loadtests.evaluation.figures import outcomes
from loadtests.evaluation.job import KINDS, Job, Task, run, work
from loadtests.evaluation.real import judge_log
from loadtests.evaluation.recovery import recoveries
from loadtests.evaluation.table import SECTIONS
from loadtests.tables import make_console, print_markdown, print_parts

SCENARIOS: Final = ("ordinary", "clean", "flash_crowd_deploy", "holiday", "cold_start")


def main(arguments: Sequence[str] | None = None) -> int:
    """Replay every scenario with every seed, show what came of it, and return the exit code."""
    options = _parser().parse_args(arguments)
    results: dict[str, list[Any]] = {part: [] for part in SECTIONS}
    if options.read:
        results |= options.read
    tasks = [] if options.read else _tasks(options)
    if tasks:
        # Not forked: numpy's threads and a forked process don't go together.
        with multiprocessing.get_context("spawn").Pool(options.processes) as pool:
            for done, (part, result) in enumerate(pool.imap_unordered(work, tasks), 1):
                results[part] += result if isinstance(result, list) else [result]
                print(f"\r{done} of {len(tasks)} logs", end="", file=sys.stderr, flush=True)
        print(file=sys.stderr)
    results["logs"].sort(key=lambda log: (SCENARIOS.index(log["scenario"]), log["seed"]))
    if options.json:
        stored.write(options.json, results)
    parts = (part for name in SECTIONS if results[name] for part in SECTIONS[name](results[name]))
    if options.markdown:
        print_markdown(parts)
    else:
        print_parts(make_console(), parts)
    if options.plot:
        from loadtests.evaluation.picture import draw

        draw(results["logs"], options.plot)
    return int(not all(outcome.met for outcome in outcomes(results["logs"])))


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m loadtests.evaluation",
        description="Replay made-up access logs, and real ones, and show how many requests of "
        "attackers and of normal clients are refused. Ten minutes on two idle cores.",
        epilog="Exit code: 0 if every figure is as wanted, 1 if one is missed, 2 for a wrong call.",
    )
    add = parser.add_argument
    add("--seeds", type=int, default=10, metavar="N", help="logs of each scenario (%(default)s)")
    add(
        "--first-seed",
        type=int,
        default=201,
        metavar="N",
        help="the first log's number (%(default)s); some below were looked at in development",
    )
    add(
        "--set",
        dest="which",
        choices=("design", "held_out"),
        default="held_out",
        help="kinds of sites and attacks: those to develop on, or those to judge by (%(default)s)",
    )
    add(
        "--scenarios",
        nargs="*",
        choices=SCENARIOS,
        default=list(SCENARIOS),
        help="scenarios to replay (all)",
    )
    add("--hours", type=float, default=10.0, help="length of each log (%(default)s)")
    add("--processes", type=int, default=2, metavar="N", help="logs at a time (%(default)s)")
    add(
        "--option",
        action="append",
        default=[],
        metavar="IRL_NAME=VALUE",
        help="an option of the limiter; may be repeated",
    )
    add(
        "--without",
        nargs="+",
        choices=KINDS,
        default=[],
        help="attacks that the model isn't taught",
    )
    add(
        "--recovery-seeds",
        type=int,
        default=3,
        metavar="N",
        help="logs in which clients misbehave and then stop (%(default)s)",
    )
    add(
        "--log",
        type=Path,
        action="append",
        default=[],
        metavar="FILE",
        help="a real access log; may be repeated",
    )
    add(
        "--ablate",
        type=int,
        default=0,
        metavar="N",
        help="logs on which to leave out groups of features, one after the other (%(default)s)",
    )
    add("--each", action="store_true", help="with --ablate: leave out single features, too")
    add(
        "--read",
        type=partial(stored.read, "logs"),
        metavar="FILE",
        help="show the results of an earlier run, by its JSON, instead of running",
    )
    add("--json", type=Path, metavar="FILE", help="write the results to FILE, as JSON")
    add("--plot", type=Path, metavar="FILE", help="draw what is refused, as PNG or SVG")
    add("--markdown", action="store_true", help="print the tables for documents")
    return parser


def _tasks(options: argparse.Namespace) -> list[Task]:
    config = dict(item.split("=", 1) for item in options.option)
    which, hours, first = options.which, options.hours, options.first_seed
    seeds = range(first, first + options.seeds)
    jobs = [
        Job(scenario, seed, which, hours, config, tuple(options.without))
        for seed in seeds
        for scenario in options.scenarios
    ]
    kind = config.get("IRL_DETECTOR", "blend")
    ablated = range(first, first + options.ablate)
    return [
        *(("real", partial(judge_log, path, config)) for path in options.log),
        *(("logs", partial(run, job)) for job in jobs),
        *(
            ("recoveries", partial(recoveries, seed, which, config))
            for seed in seeds[: options.recovery_seeds]
        ),
        *(
            ("ablation", partial(ablate, seed, which, hours, options.each, kind))
            for seed in ablated
        ),
    ]


if __name__ == "__main__":
    sys.exit(main())
