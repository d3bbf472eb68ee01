"""Judge detection: ``python -m loadtests.evaluation``."""

from __future__ import annotations

import argparse
import multiprocessing
import os
import sys
from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import partial
from itertools import chain
from pathlib import Path
from typing import Any, Final

from flask_irl.training.attacks import KINDS
from loadtests import stored
from loadtests.evaluation.ablation import ablate
from loadtests.evaluation.job import Job, Task, run, work
from loadtests.evaluation.left_out import GROUPS, SELDOM
from loadtests.evaluation.progress import Progress
from loadtests.evaluation.real import judge_log
from loadtests.evaluation.recovery import recoveries
from loadtests.evaluation.table import SECTIONS, outcomes, summary_sections
from loadtests.evaluation.windows import judge_window, windows
from loadtests.tables import make_console, print_markdown, print_parts
from loadtests.targets import is_missed

SCENARIOS: Final = (
    *("ordinary", "clean", "flash_crowd_deploy", "holiday", "morning", "cold_start"),
    *("small_site", "large_site", "mobile_api"),
)
USUAL: Final = tuple(name for name in SCENARIOS if name != "clean")
LEFT_OUT: Final[Mapping[str, Sequence[str]]] = {
    "ordinary": tuple(GROUPS),
    "mobile_api": ("taking",),
}
"""Groups of attacks that are left out in further replays of a scenario's log."""
COLD_SHARE: Final = 0.5
"""Share of the hours that a log of a cold start has: its attacks come in the first minutes."""
REAL_LOGS: Final = "EVALUATION_LOGS"
"""Environment variable that names the folder of real logs."""
QUICK_HOURS: Final = 3.0


def main(arguments: Sequence[str] | None = None) -> int:
    """Replay every scenario with every seed, show what came of it, and return the exit code."""
    options = _parser().parse_args(arguments)
    results: dict[str, list[Any]] = {part: [] for part in SECTIONS}
    if options.read:
        results |= options.read
    if options.quick:
        options.seeds, options.recovery_seeds = min(options.seeds, 1), 0
        options.hours = min(options.hours, QUICK_HOURS)
    tasks = [] if options.read else _tasks(options)
    if tasks:
        progress = Progress(options.json)
        kept, left = progress.kept(tasks)
        for part, result in kept:
            results[part] += result if isinstance(result, list) else [result]
        # Not forked: numpy's threads and a forked process don't go together.
        with multiprocessing.get_context("spawn").Pool(options.processes) as pool:
            some = pool.imap_unordered(work, left)
            for done, (name, part, result) in enumerate(some, 1 + len(kept)):
                progress.add(name, part, result)
                results[part] += result if isinstance(result, list) else [result]
                print(f"\r{done} of {len(tasks)} logs", end="", file=sys.stderr, flush=True)
        print(file=sys.stderr)
    results["logs"].sort(key=_place)
    results["windows"].sort(key=lambda w: (w["log"], w["window"], w["scenario"], w["left_out"]))
    if options.json:
        stored.write(options.json, results)
    if tasks:
        progress.end()
    sections = (SECTIONS[name](results[name]) for name in SECTIONS if results[name])
    parts = chain(*sections, summary_sections(results))
    if options.markdown:
        print_markdown(parts)
    else:
        print_parts(make_console(), parts)
    if options.plot:
        from loadtests.evaluation.picture import draw

        draw(results["logs"], options.plot, results["windows"])
    return int(is_missed(outcomes(results)))


def _place(log: Mapping[str, Any]) -> tuple[int, str, int]:
    return SCENARIOS.index(log["scenario"]), log.get("left_out", ""), log["seed"]


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m loadtests.evaluation",
        description="Replay made-up access logs, and real ones, and show how many requests of "
        "attackers and of normal clients are refused. An hour on two idle cores.",
        epilog="Exit code: 0 if every figure is as wanted, 1 if one is missed, 2 for a wrong call.",
    )
    add = partial(parser.add_argument, metavar="N", type=int)
    flag = partial(parser.add_argument, action="store_true")
    file = partial(parser.add_argument, metavar="FILE", type=Path)
    several = partial(parser.add_argument, nargs="*", default=[])
    add("--seeds", default=10, help="logs of each scenario (%(default)s)")
    add("--first-seed", default=601, help="seed of the first log (%(default)s)")
    several("--scenarios", choices=SCENARIOS, default=USUAL, help="which (default: all but clean)")
    flag("--quick", help="one log of each, of three hours, and one window of each real log")
    flag("--taught", help="leave out the replays whose detectors aren't taught some attacks")
    parser.add_argument(
        "--logs",
        type=Path,
        metavar="FOLDER",
        default=os.environ.get(REAL_LOGS),
        help="folder of real logs (*.csv.gz) to inject attackers into, window by window "
        f"(default: the environment variable {REAL_LOGS}; without it they are left out)",
    )
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
    file(
        "--json",
        type=stored.target,
        help="write the results to FILE, as JSON; a run that was broken off goes on from there",
    )
    file("--plot", help="draw what is refused, as PNG or SVG")
    flag("--markdown", help="print tables for documents")
    return parser


def _tasks(options: argparse.Namespace) -> list[Task]:
    config = dict(item.split("=", 1) for item in options.option)
    which, hours, first = options.which, options.hours, options.first_seed
    seeds = range(first, first + options.seeds)
    jobs = [
        _job(Job(scenario, seed, which, hours, config, tuple(options.without), left_out))
        for seed in seeds
        for scenario in options.scenarios
        if _has(scenario, seed, options.scenarios)
        for left_out in ("", *(() if options.taught else LEFT_OUT.get(scenario, ())))
    ]
    real = [
        window
        for window in windows(_logs(options.logs), which, config, options.quick)
        if not (options.taught and window.left_out)
    ]
    kind = config.get("IRL_DETECTOR", "blend")
    ablated = range(first, first + options.ablate)
    return [
        *(("real", partial(judge_log, path, config)) for path in options.log),
        # The longest first.
        *(("windows", partial(judge_window, window)) for window in real),
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


def _has(scenario: str, seed: int, scenarios: Sequence[str]) -> bool:
    """Tell whether a seed has a log of a scenario: of small and large sites it has one."""
    both = {"small_site", "large_site"} <= set(scenarios)
    return not both or scenario != ("large_site" if seed % 2 else "small_site")


def _job(job: Job) -> Job:
    if job.scenario == "cold_start":
        job = replace(job, hours=job.hours * COLD_SHARE)
    return replace(job, config={**SELDOM, **job.config}) if job.left_out else job


def _logs(folder: Path | None) -> list[Path]:
    """List the real logs of a folder."""
    found = sorted(folder.glob("*.csv.gz")) if folder else []
    if not found:
        print(f"No real logs in {folder or f'--logs or {REAL_LOGS}'}: left out.", file=sys.stderr)
    return found


if __name__ == "__main__":
    sys.exit(main())
