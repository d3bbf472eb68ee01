"""Whether the demo went as it should have, by what its clients were told."""

from __future__ import annotations

import math
from collections.abc import Sequence

from demo_app.ledger import Entry


def complaints(entries: Sequence[Entry], *, held_limit: int, window_seconds: int) -> list[str]:
    """What went wrong, one sentence each; empty if all went as it should.

    Args:
        entries: The clients' accounts.
        held_limit: The limit that a flagged client should have been held to.
        window_seconds: The window of the limits.
    """
    found: list[str] = []
    for entry in entries:
        name = entry.role.name
        if entry.failed:
            found.append(f"{name}: {entry.failed} of {entry.sent} requests got no proper answer")
        if not entry.sent:
            found.append(f"{name}: sent nothing")
        elif entry.role.fate == "normal":
            found += _of_normal(entry)
        else:
            found += _of_flagged(entry, held_limit, window_seconds)
    return found


def _of_normal(entry: Entry) -> list[str]:
    found = []
    if entry.first_flagged is not None:
        found.append(
            f"{entry.role.name}: behaves normally, but was flagged after {entry.first_flagged} "
            "requests"
        )
    if entry.refused:
        found.append(
            f"{entry.role.name}: behaves normally, but {entry.refused} of {entry.sent} requests "
            "were refused"
        )
    return found


def _of_flagged(entry: Entry, held_limit: int, window_seconds: int) -> list[str]:
    name = entry.role.name
    if entry.first_flagged is None:
        return [f"{name}: was not flagged in {entry.sent} requests"]
    found = []
    if entry.role.fate == "held" and not entry.is_flagged:
        found.append(f"{name}: got its full limit back, though it went on")
    if entry.role.fate == "held" and entry.limit != held_limit:
        found.append(f"{name}: its limit is {entry.limit} instead of {held_limit}")
    if entry.role.fate == "mended" and entry.is_flagged:
        found.append(f"{name}: behaves again, but its limit is still {entry.limit}")
    # A stretch of time touches at most one window more than fit into it.
    windows = math.ceil(entry.flagged_for() / window_seconds) + 1 + entry.mended
    if entry.admitted_while_flagged > held_limit * windows:
        found.append(
            f"{name}: {entry.admitted_while_flagged} requests were admitted in "
            f"{entry.flagged_for():.0f} s while it was flagged, at most {held_limit * windows} "
            "should have been"
        )
    return found
