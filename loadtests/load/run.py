"""Run ``make load``: put the demo app on gunicorn and Redis under load, with locust's clients.

It ends with 0 if every answer was right, normal clients were served, every kind of attacker was
held down, and the site's metrics agree with its clients' counts.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import Any, Final

from rich.console import Console

from demo_app.keys import SECRET
from demo_app.server import HOST, Server, ServerError
from loadtests import stored
from loadtests.load import scrape
from loadtests.load.picture import draw
from loadtests.load.scenario import Scenario, from_environment
from loadtests.load.session import COUNTS_FILE, TOKEN
from loadtests.load.site import ROOT, WORKERS, served_site, store
from loadtests.load.tally import FAILED, complaints, share_served
from loadtests.tables import Table, make_console, print_markdown

RESULTS: Final = ROOT / "loadtests" / "results"
GRACE: Final = 15
"""Seconds in which users that are told to stop finish their request: none is cut off, so that site
and clients count the same."""
PATIENCE: Final = 120.0
LEAST_LEARNING: Final = 30.0
"""Seconds; with less there is no model to be expected."""
INTERRUPTED: Final = 130
SHOWN: Final = 12
"""Different complaints that are printed."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the load test, and return the exit code.

    It is 0 if all was as it should be, 1 if something was not, 2 for a wrong call, 3 if nothing was
    tested, 130 when interrupted.
    """
    options = _parser().parse_args(arguments)
    console = make_console()
    options.results.mkdir(parents=True, exist_ok=True)
    if options.markdown and options.read:
        print_markdown([_personas(options.read["counts"])])
        return 0
    if options.read:
        return _report(console, options.read, options.results)
    try:
        scenario = from_environment()
    except ValueError as error:
        console.print(f"The load test can't be made: {error}", style="red")
        return 2
    console.print(
        f"Load test: {scenario.peaceful} normal clients, up to {scenario.attackers} attackers; "
        f"gunicorn with {WORKERS} workers on Redis; {scenario.limit} requests per "
        f"{scenario.window} s for a normal client.\n{scenario.learning:g} s to learn, "
        f"{scenario.seconds:g} s measured."
    )
    try:
        run = _run(scenario, options)
    except (ServerError, subprocess.TimeoutExpired) as error:
        console.print(f"The load test broke off. {error}", style="red")
        return FAILED
    except KeyboardInterrupt:
        console.print("Interrupted.")
        return INTERRUPTED
    stored.write(options.results / "run.json", run)
    return _report(console, run, options.results)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m loadtests.load.run",
        description="Serve the demo app by gunicorn on Redis, attack it beside normal clients, and "
        "check every answer. LOAD_SECONDS and LOAD_LEARNING (60 each) set how long it takes, "
        "LOAD_USERS multiplies the clients, LOAD_SEED draws their numbers; REDIS_URL names a Redis "
        "to use instead of one of its own.",
        epilog="Exit code: 0 if all was as it should be, 1 if not, 2 for a wrong call, 3 if "
        "nothing was tested, 130 when interrupted.",
    )
    add = parser.add_argument
    add("--results", type=Path, default=RESULTS, metavar="FOLDER", help="folder for the results")
    add(
        "--store-timeout",
        type=float,
        metavar="SECONDS",
        help="how long a request waits for Redis; more on a busy machine",
    )
    add(
        "--read",
        type=partial(stored.read, "scenario"),
        metavar="FILE",
        help="show and draw an earlier run by its run.json, instead of running",
    )
    add("--markdown", action="store_true", help="with --read: print a table for documents only")
    return parser


def _run(scenario: Scenario, options: argparse.Namespace) -> dict[str, Any]:
    limits = {"BASE_LIMIT": str(scenario.limit), "WINDOW_SECONDS": str(scenario.window)}
    log, timeout = options.results / "site.log", options.store_timeout
    with (
        store() as (url, prefix),
        served_site(url, prefix, log, limits, store_timeout=timeout) as site,
    ):
        before = scrape.outcomes(scrape.samples(site.get("/metrics").decode()))
        code, counts = _locust(scenario, options.results, site, limits)
        page = scrape.samples(site.get("/metrics").decode())
    after = scrape.outcomes(page)
    # Without requests that got no answer: nobody knows the decision on them.
    counted = {outcome: n for outcome, n in counts["outcomes"].items() if outcome != "lost"}
    return {
        "scenario": asdict(scenario),
        "workers": WORKERS,
        "locust_exit_code": code,
        "counts": counts,
        "model_version": int(scrape.total(page, "irl_model_version")),
        "store_errors": int(scrape.total(page, "irl_store_errors_total")),
        "local_refusals": int(scrape.total(page, "irl_local_refusals_total")),
        "metrics": dict(after - before),
        "disagreements": scrape.disagreements(before, after, counted),
    }


def _locust(
    scenario: Scenario, results: Path, site: Server, limits: Mapping[str, str]
) -> tuple[int, dict[str, Any]]:
    """Run the clients, and return locust's exit code and counts."""
    path = results / "counts.json"
    path.unlink(missing_ok=True)
    token = site.secret if scenario.learning else ""
    environment = {**os.environ, **limits, COUNTS_FILE: str(path), TOKEN: token}
    environment[SECRET] = site.secret
    # Its own counters aren't the site's.
    environment.pop("PROMETHEUS_MULTIPROC_DIR", None)
    command = [
        *(sys.executable, "-m", "locust", "--locustfile", "loadtests/locustfile.py"),
        *("--headless", "--host", f"http://{HOST}:{site.port}", "--stop-timeout", str(GRACE)),
        *("--csv", str(results / "load"), "--html", str(results / "report.html")),
        *("--only-summary", "--loglevel", "WARNING"),
    ]
    with (results / "locust.log").open("wb") as log:
        process = subprocess.run(
            command,
            cwd=ROOT,
            env=environment,
            stdin=subprocess.DEVNULL,
            stderr=log,
            timeout=scenario.learning + scenario.seconds + PATIENCE,
            check=False,
        )
    if not path.exists():
        raise ServerError(f"locust ended with {process.returncode} and counted nothing")
    counts: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    path.unlink()
    return process.returncode, counts


def _report(console: Console, run: Mapping[str, Any], results: Path) -> int:
    draw(run, results / "load.png")
    console.print("", _personas(run["counts"]), sep="\n")
    share = share_served(run["counts"])
    if share is not None:
        console.print(f"Normal clients' requests that were served: {share:.2%}")
    metrics = ", ".join(f"{count:,} {outcome}" for outcome, count in sorted(run["metrics"].items()))
    console.print(f"The site's metrics, learning included: {metrics}")
    if not run["disagreements"]:
        console.print("The clients counted the same, to the request.")
    if run["store_errors"]:
        console.print(f"Calls of the store that failed: {run['store_errors']}")
    folder = results.relative_to(ROOT) if results.is_relative_to(ROOT) else results
    console.print(f"Report, figures and picture: {folder}")
    faults = _faults(run)
    if not faults:
        console.print("As it should be.", style="bold green")
        return 0
    console.print("Not as it should be:", style="bold red")
    console.print(*(f"  {fault}" for fault in faults[:SHOWN]), sep="\n")
    return int(run["locust_exit_code"]) or FAILED


def _personas(counts: Mapping[str, Any]) -> Table:
    """Make a table with a line for each persona; attackers are highlighted."""
    rows, attackers = [], []
    for name, line in counts["personas"].items():
        figures = [f"{line[key]:,}" for key in ("sent", "admitted", "refused", "failures")]
        times = [line[key] for key in ("p50_ms", "p95_ms", "p99_ms")]
        rows.append((name, *figures, *("" if time is None else f"{time:.1f}" for time in times)))
        if line["side"] == "attack":
            attackers.append(name)
    headings = ("persona", "sent", "admitted", "refused", "failed", "p50", "p95", "p99")
    title = "The measured time, by persona (times in ms)"
    return Table(headings, rows, title=title, marked=attackers)


def _faults(run: Mapping[str, Any]) -> list[str]:
    counts = run["counts"]
    faults = [f"{many} times {text}" for text, many in counts["complaints"].items()]
    faults += [f"{name}: sent nothing" for name, x in counts["personas"].items() if not x["sent"]]
    faults += run["disagreements"]
    if run["locust_exit_code"] and not faults:
        faults.append(f"locust ended with {run['locust_exit_code']}")
    if run["scenario"]["learning"] >= LEAST_LEARNING:
        faults += complaints(counts, model_version=run["model_version"])
        if not run["model_version"]:
            faults.append(f"the training: {counts['training']}")
    return faults


if __name__ == "__main__":
    sys.exit(main())
