"""Take the steps of judged clients on the ladder, and note them in their profiles."""

from __future__ import annotations

from collections.abc import Collection
from typing import Final

import numpy as np
from numpy.typing import NDArray

from flask_irl.behaviour import profile
from flask_irl.verdicts.crowd_guard import CrowdGuard
from flask_irl.verdicts.judge import Verdicts
from flask_irl.verdicts.ladder import Ladder
from flask_irl.verdicts.merge import Profiles

HELD_STEP: Final = 2
"""Step of a client that is part of a campaign."""


def take_steps(
    profiles: Profiles,
    verdicts: Verdicts,
    *,
    ladder: Ladder,
    guard: CrowdGuard,
    trapped: Collection[str],
    held: NDArray[np.bool_] | None = None,
) -> NDArray[np.int64]:
    """Give each client its step from now on.

    Writes ``worst``, ``level``, ``offences`` and ``stepped`` in the records.

    While the crowd guard is active, no client goes a step down unless it breaks a rule; a trapped
    client goes to the last step at once. A part of a campaign goes to the second step at once, and
    further down while it goes on; the guard isn't told of it, since a campaign is no sign that the
    site has changed.

    Args:
        profiles: The clients.
        verdicts: The verdicts on them.
        ladder: The steps.
        guard: Told of the verdicts.
        trapped: Keys of the clients that hit a honeypot.
        held: Which clients are part of a campaign; None while none runs.
    """
    records, before, after = profiles.records, profiles.steps, verdicts.steps
    flagged = after > 0
    if held is not None:
        after = np.where(held, _held_steps(profiles, verdicts, ladder), after)
        flagged = flagged & ~held
    if guard.admit(profiles.clients, flagged, profiles.now, before > 0):
        after = np.where(verdicts.broken, after, np.minimum(after, before))
    if trapped:
        is_trapped = np.array([client in trapped for client in profiles.clients])
        after = np.where(is_trapped, len(ladder.steps) - 1, after)
    at_full_limit = (before == 0) & (after == 0)
    worst = np.minimum(records["worst"], verdicts.model_scores)
    records["worst"] = np.where(at_full_limit, worst, records["worst"])
    records["level"] = np.where(at_full_limit, verdicts.levels, records["level"])
    offences = np.where(after > before, verdicts.offences + 1.0, records["offences"])
    records["offences"] = offences
    records["stepped"] = np.where(after != before, records["updated"], records["stepped"])
    return after


def take_back(records: profile.Records) -> int:
    """Take back the steps of clients that were none of their own doing; gives the step they have.

    Writes ``offences`` and ``stepped``.

    Args:
        records: Their profiles.
    """
    # No later than the latest request: else the profile couldn't be read.
    records["stepped"] = records["updated"]
    records["offences"] = np.maximum(records["offences"] - 1.0, 0.0)
    return 0


def _held_steps(profiles: Profiles, verdicts: Verdicts, ladder: Ladder) -> NDArray[np.int64]:
    """Compute the steps of clients that are part of a campaign."""
    before, last = profiles.steps, len(ladder.steps) - 1
    climb = np.array([step.climb_seconds for step in ladder.steps])[np.clip(before, 0, last)]
    since = profiles.records["updated"] - profiles.records["stepped"]
    further = np.where((before > 0) & (since >= climb), before + 1, before)
    return np.minimum(np.maximum(np.maximum(verdicts.steps, further), HELD_STEP), last)
