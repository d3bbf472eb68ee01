"""Run ``make soak``: a site that must be as it was after half an hour of traffic and faults."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from rich.console import Console

from demo_app.server import ServerError
from loadtests import stored, targets
from loadtests.load.run import INTERRUPTED, RESULTS
from loadtests.soak.bars import judge
from loadtests.soak.picture import draw
from loadtests.soak.plan import Plan, from_environment
from loadtests.soak.report import parts, title_of
from loadtests.soak.run import run
from loadtests.soak.site import STORE_TIMEOUT, WORKERS
from loadtests.tables import as_text, make_console, print_markdown, print_parts

MISSED, WRONG_CALL = 1, 2


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a soak, and return the exit code.

    It is 0 if all was as it should be, 1 if something was not, 2 for a wrong call, 130 when
    interrupted.
    """
    options = _parser().parse_args(arguments)
    console = make_console()
    if options.read:
        return _report(console, options.read, options)
    try:
        plan = from_environment()
    except ValueError as error:
        console.print(f"The soak can't be made: {error}", style="red")
        return WRONG_CALL
    options.results.mkdir(parents=True, exist_ok=True)
    _announce(console, plan)
    try:
        found = run(plan, options.results / "site.log", options.store_timeout, console.print)
    except (ServerError, TimeoutError) as error:
        console.print(f"The soak broke off: {error}", style="red")
        return MISSED
    except KeyboardInterrupt:
        console.print("Interrupted.")
        return INTERRUPTED
    stored.write(options.results / "soak.json", found)
    return _report(console, found, options)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m loadtests.soak",
        description="Serve the demo app by gunicorn on Redis under mixed traffic, break Redis and "
        "the workers on a schedule, and compare at the end with what was after the warm-up. "
        "SOAK_MINUTES (30) sets how long it takes.",
        epilog="Exit code: 0 if all was as it should be, 1 if not, 2 for a wrong call, 130 when "
        "interrupted.",
    )
    add = parser.add_argument
    add("--results", type=Path, default=RESULTS / "soak", metavar="FOLDER", help="for the results")
    add(
        "--store-timeout",
        type=float,
        default=STORE_TIMEOUT,
        metavar="SECONDS",
        help=f"how long a request waits for Redis ({STORE_TIMEOUT:g}); more on a busy machine",
    )
    add(
        "--read",
        type=partial(stored.read, "soak"),
        metavar="FILE",
        help="report and draw an earlier soak by its soak.json, instead of running one",
    )
    add("--markdown", action="store_true", help="with --read: print tables for documents only")
    return parser


def _announce(console: Console, plan: Plan) -> None:
    console.print(
        f"Soak: {plan.minutes:g} minutes, gunicorn with {WORKERS} workers on Redis; "
        f"{len(plan.faults)} faults of {plan.fault:.0f} s, {plan.calm:.0f} s of calm between."
    )


def _report(console: Console, found: Mapping[str, Any], options: argparse.Namespace) -> int:
    if options.markdown:
        print_markdown(parts(found))
        return 0
    options.results.mkdir(parents=True, exist_ok=True)
    draw(found, title_of(found), options.results / "soak.png")
    told = parts(found)
    (options.results / "soak.txt").write_text(as_text(*told) + "\n", encoding="utf-8")
    print_parts(console, told)
    console.print(f"Report, figures and picture: {options.results}")
    if targets.is_missed(judge(found)):
        console.print("Not as it should be.", style="bold red")
        return MISSED
    console.print("As it should be.", style="bold green")
    return 0


if __name__ == "__main__":
    sys.exit(main())
