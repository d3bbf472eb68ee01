"""``python -m loadtests.evaluation [--seeds N] [--set held_out] [--json FILE]``."""

from __future__ import annotations

import argparse
import json
import multiprocessing
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from loadtests.evaluation.job import Job, run
from loadtests.evaluation.table import to_text

SCENARIOS = ("ordinary", "clean", "flash_crowd_deploy", "holiday", "cold_start")


def main(arguments: Sequence[str] | None = None) -> int:
    """Replay every scenario with every seed, print the table, write the JSON."""
    parser = argparse.ArgumentParser(prog="python -m loadtests.evaluation", description=__doc__)
    parser.add_argument("--seeds", type=int, default=10, help="of each scenario")
    parser.add_argument("--first-seed", type=int, default=1)
    parser.add_argument("--set", dest="which", choices=("design", "held_out"), default="held_out")
    parser.add_argument("--scenarios", nargs="+", choices=SCENARIOS, default=list(SCENARIOS))
    parser.add_argument("--hours", type=float, default=10.0)
    parser.add_argument("--processes", type=int, default=2)
    parser.add_argument("--option", action="append", default=[], metavar="IRL_NAME=VALUE")
    parser.add_argument("--json", type=Path)
    options = parser.parse_args(arguments)
    config = dict(item.split("=", 1) for item in options.option)
    jobs = [
        Job(scenario, seed, options.which, options.hours, config)
        for seed in range(options.first_seed, options.first_seed + options.seeds)
        for scenario in options.scenarios
    ]
    found: list[dict[str, Any]] = []
    with multiprocessing.get_context("spawn").Pool(options.processes) as pool:
        for result in pool.imap_unordered(run, jobs):
            found.append(result)
            print(f"\r{len(found)} of {len(jobs)} logs", end="", file=sys.stderr, flush=True)
    print(file=sys.stderr)
    found.sort(key=lambda r: (r["scenario"], r["seed"]))
    print(to_text(found))
    if options.json:
        options.json.write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
