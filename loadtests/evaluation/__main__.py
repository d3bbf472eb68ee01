"""Judge detection: ``python -m loadtests.evaluation [--seeds N] [--json FILE] [--plot FILE]``."""

from __future__ import annotations

import argparse
import json
import multiprocessing
import sys
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any, Final

from loadtests.evaluation.ablation import ablate
from loadtests.evaluation.job import KINDS, Job, Task, run, work
from loadtests.evaluation.real import judge_log
from loadtests.evaluation.recovery import recoveries
from loadtests.evaluation.table import SECTIONS
from loadtests.tables import make_console, print_parts

SCENARIOS: Final = ("ordinary", "clean", "flash_crowd_deploy", "holiday", "cold_start")


def main(arguments: Sequence[str] | None = None) -> int:
    """Replay every scenario with every seed, print the tables, write the JSON and the picture."""
    options = _parser().parse_args(arguments)
    results: dict[str, list[Any]] = {part: [] for part in SECTIONS}
    if options.read:
        results |= json.loads(options.read.read_text(encoding="utf-8"))
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
        options.json.write_text(json.dumps(results, indent=1) + "\n", encoding="utf-8")
    console = make_console()
    for part, sections in SECTIONS.items():
        if results[part]:
            print_parts(console, sections(results[part]))
    if options.plot:
        from loadtests.evaluation.picture import draw

        draw(results["logs"], options.plot)
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m loadtests.evaluation", description=__doc__)
    add = parser.add_argument
    add("--seeds", type=int, default=10, help="of each scenario")
    add("--first-seed", type=int, default=201, help="development looked at some below")
    add("--set", dest="which", choices=("design", "held_out"), default="held_out")
    add("--scenarios", nargs="*", choices=SCENARIOS, default=list(SCENARIOS))
    add("--hours", type=float, default=10.0)
    add("--processes", type=int, default=2)
    add("--option", action="append", default=[], metavar="IRL_NAME=VALUE")
    add("--without", nargs="+", choices=KINDS, default=[], help="attacks not taught")
    add("--recovery-seeds", type=int, default=3, help="logs that recovery is measured on")
    add("--log", type=Path, action="append", default=[], help="a real log; may be repeated")
    add("--ablate", type=int, default=0, metavar="SEEDS", help="leave groups of features out")
    add("--each", action="store_true", help="and every single feature")
    add("--read", type=Path, help="show a JSON written before, instead of replaying")
    add("--json", type=Path)
    add("--plot", type=Path, help="draw the families as PNG")
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
