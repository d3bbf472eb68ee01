"""Judge detection: ``python -m loadtests.evaluation``."""

from __future__ import annotations

import argparse
import multiprocessing
import sys
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any, Final

from flask_irl.training.attacks import KINDS
from loadtests import stored
from loadtests.evaluation.ablation import ablate
from loadtests.evaluation.figures import outcomes
from loadtests.evaluation.job import Job, Task, run, work
from loadtests.evaluation.real import judge_log
from loadtests.evaluation.recovery import recoveries
from loadtests.evaluation.table import SECTIONS
from loadtests.tables import make_console, print_markdown, print_parts
from loadtests.targets import is_missed

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
    return int(is_missed(outcomes(results["logs"])))


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m loadtests.evaluation",
        description="Replay made-up access logs, and real ones, and show how many requests of "
        "attackers and of normal clients are refused. Ten minutes on two idle cores.",
        epilog="Exit code: 0 if every figure is as wanted, 1 if one is missed, 2 for a wrong call.",
    )
    add = partial(parser.add_argument, metavar="N", type=int)
    flag = partial(parser.add_argument, action="store_true")
    file = partial(parser.add_argument, metavar="FILE", type=Path)
    several = partial(parser.add_argument, nargs="*", default=[])
    add("--seeds", default=10, help="logs of each scenario (%(default)s)")
    add("--first-seed", default=201, help="seed of the first log (%(default)s)")
    several("--scenarios", choices=SCENARIOS, default=SCENARIOS, help="which (default: all)")
    parser.add_argument(
        "--set",
        dest="which",
        choices=("design", "held_out"),
        default="held_out",
        help="sites and attacks: those to develop on, or those to judge by (%(default)s)",
    )
    parser.add_argument("--hours", type=float, default=10.0, help="length of a log (%(default)s)")
    add("--recovery-seeds", default=3, help="logs to measure recovery on (%(default)s)")
    add("--ablate", default=0, help="logs on which to leave features out, in groups (%(default)s)")
    flag("--each", help="with --ablate: leave each feature out by itself, too")
    add("--processes", default=2, help="logs replayed at a time (%(default)s)")
    more = partial(parser.add_argument, action="append", default=[])
    more("--option", metavar="IRL_NAME=VALUE", help="an option of the limiter; may be repeated")
    several("--without", choices=tuple(KINDS), help="attacks that models aren't taught")
    more("--log", type=Path, metavar="FILE", help="a real log to replay, too; may be repeated")
    stored_in = partial(stored.read, "logs")
    file("--read", type=stored_in, help="show an earlier run's results instead of replaying")
    file("--json", help="write the results to FILE, as JSON")
    file("--plot", help="draw what is refused, as PNG or SVG")
    flag("--markdown", help="print tables for documents")
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
