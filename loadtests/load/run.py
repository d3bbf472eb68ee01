"""``make load``: the demo app under gunicorn and Redis, with locust's clients at it.

``python -m loadtests.load.run [--results FOLDER] [--workers N] [--store-timeout SECONDS]``.
``LOAD_SECONDS``, ``LOAD_LEARNING``, ``LOAD_USERS`` and ``LOAD_SEED`` scale it, ``REDIS_URL`` names
a Redis to use instead of one of its own. Ends with 0 if every answer was right, normal clients were
served, every kind of attacker was held down, and the site's metrics say what its clients counted.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any, Final

from rich.console import Console

from loadtests.load import scrape
from loadtests.load.picture import draw
from loadtests.load.scenario import Scenario, from_environment
from loadtests.load.session import COUNTS_FILE, TOKEN
from loadtests.load.site import ROOT, Site, SiteError, store
from loadtests.load.table import print_personas
from loadtests.load.verdict import FAILED, complaints, share_served

RESULTS: Final = ROOT / "loadtests" / "results"
WORKERS: Final = 2
GRACE: Final = 15
"""Seconds in which users that are told to stop finish their request: none is cut off, so that the
site and its clients have counted the same."""
PATIENCE: Final = 120.0
LEAST_LEARNING: Final = 30.0
"""Seconds; with less there is no model to be expected."""
INTERRUPTED: Final = 130
SHOWN: Final = 12
"""Different complaints that are printed."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the load test.

    Returns:
        0 if all was as it should be, 1 if something was not, 2 for a wrong call, 3 if nothing was
        tested, 130 when interrupted.
    """
    options = _read(arguments)
    console = Console()
    try:
        scenario = from_environment()
    except ValueError as error:
        console.print(f"The load test can't be made: {error}", markup=False, style="red")
        return 2
    options.results.mkdir(parents=True, exist_ok=True)
    _introduce(console, scenario, options.workers)
    try:
        run = _run(scenario, options)
    except (SiteError, subprocess.TimeoutExpired) as error:
        console.print(f"The load test broke off. {error}", markup=False, style="red")
        return FAILED
    except KeyboardInterrupt:
        console.print("Interrupted.")
        return INTERRUPTED
    (options.results / "run.json").write_text(json.dumps(run, indent=1) + "\n", encoding="utf-8")
    draw(run["counts"], scenario, options.results / "load.png")
    return _report(console, run, options.results)


def _introduce(console: Console, scenario: Scenario, workers: int) -> None:
    console.print(
        f"Load test: {scenario.peaceful} normal clients, up to {scenario.attackers} attackers; "
        f"gunicorn with {workers} workers on Redis; {scenario.limit} requests per "
        f"{scenario.window} s for a normal client.\n{scenario.learning:g} s to learn, "
        f"{scenario.seconds:g} s measured."
    )


def _run(scenario: Scenario, options: argparse.Namespace) -> dict[str, Any]:
    settings = {"BASE_LIMIT": str(scenario.limit), "WINDOW_SECONDS": str(scenario.window)}
    with (
        store() as (url, prefix),
        Site(
            url,
            prefix,
            options.results / "site.log",
            settings,
            workers=options.workers,
            store_timeout=options.store_timeout,
        ) as site,
    ):
        before = scrape.outcomes(scrape.samples(site.get("/metrics")))
        code, counts = _locust(scenario, options.results, site)
        page = scrape.samples(site.get("/metrics"))
    return {
        "scenario": asdict(scenario),
        "workers": options.workers,
        "locust_exit_code": code,
        "counts": counts,
        "model_version": int(scrape.total(page, "irl_model_version")),
        "store_errors": int(scrape.total(page, "irl_store_errors_total")),
        "local_refusals": int(scrape.total(page, "irl_local_refusals_total")),
        "metrics": dict(scrape.outcomes(page) - before),
        "disagreements": scrape.disagreements(
            before, scrape.outcomes(page), _decided(counts["outcomes"])
        ),
    }


def _locust(scenario: Scenario, results: Path, site: Site) -> tuple[int, dict[str, Any]]:
    """Run the clients; what locust ended with, and what it counted."""
    counts = results / "counts.json"
    counts.unlink(missing_ok=True)
    environment = dict(os.environ) | {
        "BASE_LIMIT": str(scenario.limit),
        "WINDOW_SECONDS": str(scenario.window),
        COUNTS_FILE: str(counts),
        TOKEN: site.token if scenario.learning else "",
    }
    # Its own counters aren't the site's.
    environment.pop("PROMETHEUS_MULTIPROC_DIR", None)
    command = [
        *(sys.executable, "-m", "locust", "--locustfile", "loadtests/locustfile.py"),
        *("--headless", "--host", site.address, "--stop-timeout", str(GRACE)),
        *("--csv", str(results / "load"), "--html", str(results / "report.html")),
        *("--only-summary", "--loglevel", "WARNING"),
    ]
    with (results / "locust.log").open("wb") as log:
        ended = subprocess.run(
            command,
            cwd=ROOT,
            env=environment,
            stdin=subprocess.DEVNULL,
            stderr=log,
            timeout=scenario.learning + scenario.seconds + PATIENCE,
            check=False,
        )
    if not counts.exists():
        raise SiteError(f"locust ended with {ended.returncode} and counted nothing")
    told: dict[str, Any] = json.loads(counts.read_text(encoding="utf-8"))
    counts.unlink()
    return ended.returncode, told


def _decided(outcomes: Mapping[str, int]) -> dict[str, int]:
    """The clients' counts, without requests that got no answer: who knows what was decided."""
    return {outcome: count for outcome, count in outcomes.items() if outcome != "lost"}


def _report(console: Console, run: Mapping[str, Any], results: Path) -> int:
    counts = run["counts"]
    console.print()
    print_personas(console, counts)
    served = share_served(counts)
    if served is not None:
        console.print(f"Normal clients' requests that were served: {served:.2%}")
    told = ", ".join(f"{count:,} {outcome}" for outcome, count in sorted(run["metrics"].items()))
    console.print(f"The site's metrics, learning included: {told}", highlight=False)
    found = _complaints(run)
    if not run["disagreements"]:
        console.print("The clients counted the same, to the request.")
    if run["store_errors"]:
        console.print(f"Calls of the store that failed: {run['store_errors']}")
    console.print(f"Report, figures and picture: {_shown(results)}", markup=False)
    if not found:
        console.print("[bold green]As it should be.[/bold green]")
        return 0
    console.print("[bold red]Not as it should be:[/bold red]")
    for complaint in found[:SHOWN]:
        console.print(f"  {complaint}", markup=False)
    return int(run["locust_exit_code"]) or FAILED


def _complaints(run: Mapping[str, Any]) -> list[str]:
    counts = run["counts"]
    found = [f"{many} times {what}" for what, many in counts["complaints"].items()]
    found += [f"{name}: sent nothing" for name, x in counts["personas"].items() if not x["sent"]]
    found += run["disagreements"]
    if run["locust_exit_code"] and not found:
        found.append(f"locust ended with {run['locust_exit_code']}")
    if run["scenario"]["learning"] >= LEAST_LEARNING:
        found += complaints(counts, model_version=run["model_version"])
        if not run["model_version"]:
            found.append(f"the training: {counts['training']}")
    return found


def _shown(folder: Path) -> str:
    return str(folder.relative_to(ROOT) if folder.is_relative_to(ROOT) else folder)


def _read(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m loadtests.load.run", description="Put the demo app under load."
    )
    parser.add_argument("--results", type=Path, default=RESULTS, help="the folder for the results")
    parser.add_argument("--workers", type=int, default=WORKERS, help="gunicorn's processes")
    parser.add_argument(
        "--store-timeout",
        type=float,
        help="seconds that a request waits for Redis; for machines that are busy otherwise",
    )
    return parser.parse_args(arguments)


if __name__ == "__main__":
    sys.exit(main())
