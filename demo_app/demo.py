"""Run ``make demo``: a site under attack, and a limiter that has learned its normal traffic.

The demo app runs on the embedded store and gets the traffic of a hundred clients over HTTP. Their
answers alone decide whether normal ones were left in peace and attackers held down.
"""

from __future__ import annotations

import argparse
import itertools
import secrets
import signal
import sys
import time
from collections.abc import Sequence
from contextlib import suppress
from random import Random
from types import FrameType
from typing import Final

from rich.console import Console

from demo_app.cast import SHARES, Act, Phase, Role, attack_roles, normal_roles
from demo_app.display import Display, make_console
from demo_app.ledger import Entry
from demo_app.report import print_clients, print_model, print_statistics
from demo_app.server import Server, ServerError
from demo_app.traffic import Visitor, stop_all
from demo_app.verdict import complaints

LIMIT: Final = 100
HELD: Final = 30
WINDOW_SECONDS: Final = 10
SECONDS: Final = 122.0
LEAST_SECONDS: Final = 5.0
TICK: Final = 0.1
TRAINING_SHARE: Final = 0.95
"""Share of the learning phase after which the model is trained."""
PATIENCE: Final = 20.0
"""Seconds beyond the plan that the demo waits for a model, or for a client to be mended."""

INTERRUPTED: Final = 130
TITLES: Final = {
    Phase.LEARNING: (
        "Learning",
        "Only normal clients come. The limiter watches, and trains its first model at the end.",
    ),
    Phase.ATTACK: (
        "Attack",
        "Normal clients go on. A flood, a scraper, a password stuffer and a scanner join them; an "
        "app runs away for a while; and a visitor opens by far the largest gallery: a burst, but "
        "within the limit.",
    ),
    Phase.RECOVERY: (
        "Recovery",
        "The app that ran away has been mended, and gets its full limit back as its behaviour "
        "tells. All others go on as before.",
    ),
}


class Demo:
    """Lead the site and its clients through the phases.

    Args:
        server: The site, running.
        console: Console to print on.
        seed: Seed of all random numbers.
        seconds: Duration of all phases, about.
    """

    def __init__(self, server: Server, console: Console, *, seed: int, seconds: float) -> None:
        self._server = server
        self._console = console
        self._random = Random(seed)
        self._seconds = seconds
        self._visitors: list[Visitor] = []
        self.entries: list[Entry] = []
        self.started = time.monotonic()

    def run(self, *, continuous: bool) -> None:
        """Play all phases once, or the attack again and again until interrupted."""
        with Display(self._console, self.entries) as display:
            try:
                self._add(normal_roles())
                self._add(attack_roles())
                self._play(display, Phase.LEARNING)
                for number in itertools.count(2):
                    self._play(display, Phase.ATTACK)
                    self._play(display, Phase.RECOVERY)
                    if not continuous:
                        break
                    self._withdraw()
                    self._add(attack_roles(f" {number}"))
            finally:
                stop_all(self._visitors)

    def _add(self, roles: Sequence[Role]) -> None:
        for role in roles:
            entry = Entry(role, LIMIT, time.monotonic)
            self.entries.append(entry)
            key = self._server.key(entry.role.name)
            self._visitors.append(Visitor(entry, self._server.port, self._random.random(), key))

    def _withdraw(self) -> None:
        """Stop the attackers."""
        attackers = [v for v in self._visitors if v.entry.role.fate != "normal"]
        stop_all(attackers)
        self._visitors = [v for v in self._visitors if v not in attackers]

    def _play(self, display: Display, phase: Phase) -> None:
        planned = self._seconds * SHARES[phase]
        display.phase(*TITLES[phase], planned)
        acts = self._acts(phase, planned)
        started = time.monotonic()
        while True:
            passed = time.monotonic() - started
            while acts and acts[0][0] <= passed:
                _, visitor, act = acts.pop(0)
                visitor.play(act.script)
            display.update(passed)
            if passed >= planned and (passed >= planned + PATIENCE or self._is_done(phase)):
                return
            time.sleep(TICK)

    def _acts(self, phase: Phase, planned: float) -> list[tuple[float, Visitor, Act]]:
        acts = [
            (act.at * planned, visitor, act)
            for visitor in self._visitors
            for act in visitor.entry.role.acts
            if act.phase == phase
        ]
        return sorted(acts, key=lambda item: item[0])

    def _is_done(self, phase: Phase) -> bool:
        if phase == Phase.LEARNING:
            return self._server.metric("irl_model_version") > 0
        if phase == Phase.RECOVERY:
            return not any(
                v.entry.role.fate == "mended" and v.entry.is_flagged for v in self._visitors
            )
        return True


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the demo.

    Returns:
        0 when all went as it should, 1 when not, 130 when interrupted on the way.
    """
    options = _read(arguments)
    console = make_console()
    signal.signal(signal.SIGTERM, _interrupt)
    console.print(
        f"[bold]flask_irl demo.[/bold] A site on 127.0.0.1 with the embedded store; about "
        f"{options.seconds:.0f} s (seed {options.seed}).\n"
        f"So that there is something to see in that time, its window is short: {LIMIT} requests "
        f"per {WINDOW_SECONDS} s for a normal client, {HELD} for an anomalous one.\nIt learns for "
        "a minute instead of for two hours, and goes no further down than that first step; in "
        "service the next ones are 10% and a short block."
    )
    token = secrets.token_urlsafe(16)
    settings = {
        "IRL_ADMIN_TOKEN": token,
        "BASE_LIMIT": str(LIMIT),
        "WINDOW_SECONDS": str(WINDOW_SECONDS),
        "TRAINING_INTERVAL": str(options.seconds * SHARES[Phase.LEARNING] * TRAINING_SHARE / 60),
    }
    try:
        with Server(settings) as server:
            result = _run(server, console, options)
            if result in (0, 1) and options.mode == "once":
                _offer_page(server, console, token)
            return result
    except KeyboardInterrupt:
        console.print("Interrupted before the first answer.")
        return INTERRUPTED
    except ServerError as error:
        console.print(f"The demo's server failed. {error}", markup=False, style="red")
        return 1


def _run(server: Server, console: Console, options: argparse.Namespace) -> int:
    demo = Demo(server, console, seed=options.seed, seconds=options.seconds)
    interrupted = False
    try:
        demo.run(continuous=options.mode == "continuous")
    except KeyboardInterrupt:
        interrupted = True
        console.print("\nInterrupted.")
    seconds = time.monotonic() - demo.started
    console.print()
    print_clients(console, demo.entries, every=options.every_client)
    print_statistics(console, demo.entries, seconds)
    print_model(console, server.inside())
    if interrupted:
        return 0 if options.mode == "continuous" else INTERRUPTED
    failures = complaints(demo.entries, held_limit=HELD, window_seconds=WINDOW_SECONDS)
    if failures:
        console.print("\n[bold red]Not as it should be:[/bold red]")
        for complaint in failures:
            console.print(f"  {complaint}", markup=False)
        return 1
    console.print(
        f"\n[bold green]As it should be:[/bold green] every normal client was left in peace, "
        f"every attacker was flagged and held to {HELD} of {LIMIT} requests per "
        f"{WINDOW_SECONDS} s, and the client that was mended has its full limit back."
    )
    return 0


def _offer_page(server: Server, console: Console, token: str) -> None:
    """Leave the site up for somebody who wants to look at the operator's page."""
    if not (sys.stdin.isatty() and console.is_terminal):
        console.print(
            "\nThe operator's page shows all of this in a browser: run this at a terminal, or "
            "make run."
        )
        return
    console.print(
        f"\n[bold]The operator's page[/bold] has all of it: http://127.0.0.1:{server.port}/admin/\n"
        f"Its token is {token}. Press Enter to end."
    )
    with suppress(EOFError, KeyboardInterrupt):
        input()


def _read(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m demo_app.demo",
        description="Show a site being protected by a limiter that has learned it.",
    )
    parser.add_argument(
        "mode",
        nargs="?",
        choices=["once", "continuous"],
        default="once",
        help="one attack, or attacks until Ctrl-C (%(default)s)",
    )
    parser.add_argument(
        "--seed", type=int, default=1, help="number that chance is drawn from (%(default)s)"
    )
    parser.add_argument(
        "--seconds",
        type=_seconds,
        default=SECONDS,
        help=f"how long it takes, {LEAST_SECONDS:g} or more (%(default)g); with much less there is "
        "too little to learn",
    )
    parser.add_argument("--every-client", action="store_true", help="show each client in the table")
    return parser.parse_args(arguments)


def _seconds(text: str) -> float:
    try:
        seconds = float(text)
    except ValueError:
        seconds = 0.0
    if not LEAST_SECONDS <= seconds <= 86_400:
        raise argparse.ArgumentTypeError(f"give {LEAST_SECONDS:g} to 86400 seconds, not {text}")
    return seconds


def _interrupt(signum: int, frame: FrameType | None) -> None:
    raise KeyboardInterrupt


if __name__ == "__main__":
    sys.exit(main())
