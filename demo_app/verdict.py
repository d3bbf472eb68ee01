"""Judge the demo by the answers that its clients got."""

from __future__ import annotations

import math
from collections.abc import Sequence

from demo_app.ledger import Entry


def complaints(entries: Sequence[Entry], *, held_limit: int, window_seconds: int) -> list[str]:
    """List the failures of a demo, one sentence each; empty if all went as it should.

    Args:
        entries: Accounts of the clients.
        held_limit: Limit that a flagged client should have been held to.
        window_seconds: Window of the limits.
    """
    failures: list[str] = []
    for entry in entries:
        name = entry.role.name
        if entry.failed:
            failures.append(f"{name}: {entry.failed} of {entry.sent} requests got no proper answer")
        if not entry.sent:
            failures.append(f"{name}: sent nothing")
        elif entry.role.fate == "normal":
            failures += _of_normal(entry)
        else:
            failures += _of_flagged(entry, held_limit, window_seconds)
    return failures


def _of_normal(entry: Entry) -> list[str]:
    failures = []
    if entry.first_flagged is not None:
        failures.append(
            f"{entry.role.name}: behaves normally, but was flagged after {entry.first_flagged} "
            "requests"
        )
    if entry.refused:
        failures.append(
            f"{entry.role.name}: behaves normally, but {entry.refused} of {entry.sent} requests "
            "were refused"
        )
    return failures


def _of_flagged(entry: Entry, held_limit: int, window_seconds: int) -> list[str]:
    name = entry.role.name
    if entry.first_flagged is None:
        return [f"{name}: was not flagged in {entry.sent} requests"]
    failures = []
    if entry.role.fate == "held" and not entry.is_flagged:
        failures.append(f"{name}: got its full limit back, though it went on")
    if entry.role.fate == "held" and entry.limit != held_limit:
        failures.append(f"{name}: its limit is {entry.limit} instead of {held_limit}")
    if entry.role.fate == "mended" and entry.is_flagged:
        failures.append(f"{name}: behaves again, but its limit is still {entry.limit}")
    # A stretch of time touches at most one window more than fit into it.
    windows = math.ceil(entry.flagged_for() / window_seconds) + 1 + entry.mended
    if entry.admitted_while_flagged > held_limit * windows:
        failures.append(
            f"{name}: {entry.admitted_while_flagged} requests were admitted in "
            f"{entry.flagged_for():.0f} s while it was flagged, at most {held_limit * windows} "
            "should have been"
        )
    return failures
