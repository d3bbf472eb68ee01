"""``python -m loadtests.evaluation [--seeds N] [--set held_out] [--json FILE] [--plot FILE]``."""

from __future__ import annotations

import argparse
import json
import multiprocessing
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from loadtests.evaluation.job import KINDS, Job
from loadtests.evaluation.table import ablation_text, log_text, recovery_text, to_text
from loadtests.evaluation.work import Task, work

SCENARIOS = ("ordinary", "clean", "flash_crowd_deploy", "holiday", "cold_start")


def main(arguments: Sequence[str] | None = None) -> int:
    """Replay every scenario with every seed, print the tables, write the JSON and the picture."""
    options = _parser().parse_args(arguments)
    found: dict[str, list[Any]] = {"logs": [], "recoveries": [], "real": [], "ablation": []}
    if options.read:
        found |= json.loads(options.read.read_text(encoding="utf-8"))
    tasks = [] if options.read else _tasks(options)
    if tasks:
        # Not forked: numpy's threads and a forked process don't go together.
        with multiprocessing.get_context("spawn").Pool(options.processes) as pool:
            for done, (part, result) in enumerate(pool.imap_unordered(work, tasks), 1):
                found[part] += result
                print(f"\r{done} of {len(tasks)} logs", end="", file=sys.stderr, flush=True)
        print(file=sys.stderr)
    found["logs"].sort(key=lambda r: (SCENARIOS.index(r["scenario"]), r["seed"]))
    if options.json:
        options.json.write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")
    for text, part in (
        (to_text, "logs"),
        (recovery_text, "recoveries"),
        (log_text, "real"),
        (ablation_text, "ablation"),
    ):
        if found[part]:
            print(text(found[part]))
    if options.plot:
        from loadtests.evaluation.picture import draw

        draw(found["logs"], options.plot)
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
    add("--plain-seeds", type=int, default=None, help="seeds that the plain rule judges; all")
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
    seeds = range(options.first_seed, options.first_seed + options.seeds)
    plain = options.seeds if options.plain_seeds is None else options.plain_seeds
    without = tuple(options.without)
    which, kind = options.which, config.get("IRL_DETECTOR", "blend")
    return [
        *(Task("real", (path, config)) for path in options.log),
        *(
            Task("logs", (Job(scenario, seed, which, options.hours, config, without, i < plain),))
            for i, seed in enumerate(seeds)
            for scenario in options.scenarios
        ),
        *(Task("recoveries", (seed, which, config)) for seed in seeds[: options.recovery_seeds]),
        *(
            Task("ablation", (seed, which, options.hours, options.each, kind))
            for seed in range(options.first_seed, options.first_seed + options.ablate)
        ),
    ]


if __name__ == "__main__":
    sys.exit(main())
