"""What many clients' profiles come to: scores and steps. Pure.

A client is judged by the model when it does any harm, and by its own past when it belongs to the
site; rules hold whatever the model says.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from flask_irl.behaviour import profile
from flask_irl.behaviour.features import column, matrix
from flask_irl.behaviour.routes import route_hash
from flask_irl.behaviour.rows import GOOD
from flask_irl.behaviour.site import (
    began_at,
    expected_pace,
    hour_rarity,
    machine_share,
    usual_median,
    weekday_rarity,
)
from flask_irl.behaviour.sums import View
from flask_irl.model.model import Model
from flask_irl.verdicts.ladder import FORGIVING_SECONDS, MILD, Ladder, next_steps, smooth
from flask_irl.verdicts.rules import HARMFUL_RATE, Mask, Rules, harmful, working

REGULAR_MINUTES: Final = 10
"""In so many minutes a regular was active, and known for so much of the site's learned time."""
TENURE_SHARE: Final = 0.5
TENURE_SECONDS: Final = 86_400.0
OWN_MARGIN: Final = 0.15
"""A regular is judged only when it scores this much lower than ever before."""
SUSPECT: Final = -0.5
"""Nothing is learned from who scores lower: it may be about to be flagged."""
PACE_MARGIN: Final = 1.5
"""A client that is no faster than the machines that its route is for does what is usual there."""
MACHINE_SHARE: Final = 0.8
"""If so much of what it does is on such routes: not who takes one route after the other."""
MOSTLY_READ: Final = 0.25
"""The usual share of writes below which a site is one where writing is work, not just how its API
is called."""
LITTLE: Final = 1.0
"""So much less than usual, in nats of bytes, are answers that take nothing away."""


class Verdicts(NamedTuple):
    """One entry per client.

    Attributes:
        features: What was judged.
        raw: What the model says of it now, 0 to -1; 0 without a model.
        scores: The smoothed score that the step goes by.
        steps: The next steps.
        offences: How often it was flagged lately.
        broken: Whether it breaks a rule.
        regular: Whether it belongs to the site.
        suspect: Whether nothing may be learned from it.
    """

    features: NDArray[np.float32]
    raw: NDArray[np.float64]
    scores: NDArray[np.float64]
    steps: NDArray[np.int64]
    offences: NDArray[np.float64]
    broken: Mask
    regular: Mask
    suspect: Mask


def judge(
    model: Model,
    ladder: Ladder,
    rules: Rules,
    records: profile.Records,
    *,
    steps: NDArray[np.int64],
    scores: NDArray[np.float64],
    elapsed: NDArray[np.float64],
    routes: Sequence[str],
) -> Verdicts:
    """Judge clients by their profiles, which are up to date.

    Args:
        model: The model in force.
        ladder: The steps.
        rules: What needs no model.
        records: The clients' profiles.
        steps: Their present steps.
        scores: Their smoothed scores until now.
        elapsed: Seconds since each was judged; infinite where it never was.
        routes: The route that each asked for last.
    """
    now = records["updated"]
    latest = float(now.max())
    site = model.site
    view = profile.view(records, hour_rarity(site, latest), weekday_rarity(site, latest))
    features = matrix(view)
    raw = model.score(features) if model.version else np.zeros(len(records))
    regular = regulars(records, began_at(site, latest))
    # Whom no model has judged yet, the first one learns to know.
    worst = records["worst"]
    own = regular & ((worst == 0) | (raw >= worst - OWN_MARGIN))
    # An operator's word goes before the model's.
    own |= records["feedback"] == GOOD
    excused = ~harmful(features, steps > 0) | own
    excused |= _at_home(site, features, view, routes) | _at_work(site, features, view)
    judged = np.where(excused | model.advisory, np.maximum(raw, MILD), raw)
    settled = regular & (records["minutes"] >= REGULAR_MINUTES) & (not model.advisory)
    broken = rules.broken(view, regular, settled)
    scores = np.where(broken, -1.0, smooth(scores, judged, elapsed))
    since = now - records["stepped"]
    offences = records["offences"] * np.exp(-since / FORGIVING_SECONDS)
    evidence = profile.sums_of(records, "n")
    after = next_steps(ladder, steps, scores, since, evidence, offences)
    suspect = ~own & (raw < SUSPECT) & (not model.advisory)
    return Verdicts(features, raw, scores, after, offences, broken, regular, suspect)


def _at_home(
    site: Mapping[str, Any], features: NDArray[np.float32], view: View, routes: Sequence[str]
) -> Mask:
    """Who keeps to routes that machines work on, and is no faster than those."""
    paces = np.array([expected_pace(site, route_hash(route)) for route in routes])
    at_pace: Mask = column(features, "requests_per_minute") <= PACE_MARGIN * paces
    return at_pace & (machine_share(site, view.route_bins) >= MACHINE_SHARE)


def _at_work(site: Mapping[str, Any], features: NDArray[np.float32], view: View) -> Mask:
    """Who mostly changes things, for little in return and without a flood, where most only read."""
    if usual_median(site, "write_share") >= MOSTLY_READ:
        return np.zeros(len(features), dtype=bool)
    told_little = column(features, "size_mean") <= usual_median(site, "size_mean") - LITTLE
    slow = column(features, "requests_per_minute") < HARMFUL_RATE
    return working(view) & told_little & slow


def regulars(records: profile.Records, began: float) -> Mask:
    """Who belongs to the site by now: active in many minutes, and known for most of the time.

    Args:
        records: The clients' profiles.
        began: When the site began to be learned, in seconds since the epoch.
    """
    known_for = records["updated"] - records["first"]
    age = records["updated"] - began
    needed = np.minimum(TENURE_SHARE * age, TENURE_SECONDS)
    # On a site that is young itself, so are its regulars.
    active = np.minimum(1.0 + TENURE_SHARE * age / 60.0, REGULAR_MINUTES)
    regular: Mask = (records["minutes"] >= active) & (known_for >= needed)
    return regular


def horizons(
    ladder: Ladder, records: profile.Records, steps: NDArray[np.int64]
) -> NDArray[np.float64]:
    """Over how many seconds each client's past fades, before what is new is added.

    Who stays on the first step is judged by what it does now, and mends within a few holds. Who
    was sent further down has to stop, or to do something else for long.

    Args:
        ladder: The steps.
        records: The clients' profiles.
        steps: Their present steps.
    """
    if len(ladder.steps) < 2:
        return np.full(len(records), np.inf)
    first = ladder.steps[1]
    stays = records["updated"] - records["stepped"] >= 2 * first.climb_seconds
    found: NDArray[np.float64] = np.where((steps == 1) & stays, first.hold_seconds, np.inf)
    return found
