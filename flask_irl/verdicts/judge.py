"""Judge clients by their profiles: scores and next steps. Pure.

A client is judged by the model if it does any harm, and a regular of the site by its own past;
rules hold whatever the model says.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from flask_irl.behaviour import profile
from flask_irl.behaviour.features import column, matrix
from flask_irl.behaviour.harm import Mask, harm_level
from flask_irl.behaviour.jobs import in_runs
from flask_irl.behaviour.routes import route_hash
from flask_irl.behaviour.rows import GOOD
from flask_irl.behaviour.site_statistics import (
    began_at,
    expected_pace,
    hour_rarity,
    likely_pace,
    machine_share,
    usual_median,
    weekday_rarity,
)
from flask_irl.behaviour.sums import View
from flask_irl.model.model import Model
from flask_irl.verdicts.climbing import next_steps, smooth
from flask_irl.verdicts.ladder import FORGIVING_SECONDS, MILD, Ladder
from flask_irl.verdicts.rules import Rules, are_many_people, working

REGULAR_MINUTES: Final = 10
"""Minutes of activity that make a regular, on a site that isn't young."""
TENURE_SHARE: Final = 0.5
"""Share of the site's learned time for which a regular has been known, up to a day of it."""
TENURE_SECONDS: Final = 86_400.0
SETTLING_SECONDS: Final = 3600.0
"""Time for which a client is known before its level of harm is fixed, as its anchor."""
GROWTH: Final = 3.0 / (1.0 - math.exp(-1.0))
"""Multiple of that level up to which a regular's past excuses it: three times as much, where sums
that fade over an hour have only 63% of it after the first one."""
DOUBLING_SECONDS: Final = 14 * 86_400.0
"""Time in which that multiple doubles: a partner that grows honestly is slower, and whoever creeps
from a person's use to an attack needs months (an anchor against poisoning: Kloft and Laskov
2010)."""
MOST_DOUBLINGS: Final = 20.0
"""Doublings at most: more is beyond any traffic, and a damaged profile is as old as it likes."""
OWN_MARGIN: Final = 0.15
"""Margin below its worst score so far from which on a regular is judged by the model."""
MOST_SLACK: Final = 2.0
"""Multiple of that margin that comes to it in a regular's first half hour, half of that after an
hour, and so on: of a short past the worst is soon surpassed."""
SUSPECT: Final = -0.5
"""Score below which a client may be about to be flagged, so that nothing is learned from it."""
PACE_MARGIN: Final = 1.5
"""Multiple of a route's usual machine pace up to which a client does nothing unusual there."""
MOST_SLOWER: Final = 2.0
"""Multiple by which it may be slower: whoever goes for long and slowly is no job of that kind."""
EVENNESS: Final = 0.5
"""Largest variation of a machine's intervals: programs that keep a schedule pause evenly."""
MACHINE_SHARE: Final = 0.8
"""Least share of such a client's requests on routes of machines; a scraper goes through all."""
WORK_PACE: Final = 200.0
"""Requests in a minute that such work stays below."""
SCORED: Final = 75
"""Clients that the model scores between two rests."""
SMALL_MARGIN: Final = 1.0
"""Answers smaller than usual by so much, in nats of bytes, take nothing away."""


class Verdicts(NamedTuple):
    """Hold the verdicts on clients, one entry each.

    Attributes:
        features: The features that were judged.
        model_scores: The model's calibrated scores of them, 0 to -1; 0 without a model.
        scores: The smoothed scores that the steps go by, 0 to -1.
        steps: The next steps.
        offences: The number of times that each was flagged lately, fading.
        broken: Whether it breaks a rule.
        regular: Whether it is a regular of the site.
        suspect: Whether nothing may be learned from it.
        levels: The level of harm that each is known for from now on.
    """

    features: NDArray[np.float32]
    model_scores: NDArray[np.float64]
    scores: NDArray[np.float64]
    steps: NDArray[np.int64]
    offences: NDArray[np.float64]
    broken: Mask
    regular: Mask
    suspect: Mask
    levels: NDArray[np.float64]


def judge(
    model: Model,
    ladder: Ladder,
    rules: Rules,
    records: profile.Records,
    *,
    steps: NDArray[np.int64],
    scores: NDArray[np.float64],
    elapsed: NDArray[np.float64],
    routes: Sequence[str] | None,
    now: float,
    rest: Callable[[], object] = lambda: None,
) -> Verdicts:
    """Judge clients by their profiles, which must be up to date.

    Args:
        model: The model in force.
        ladder: The steps.
        rules: Rules that need no model.
        records: The clients' profiles.
        steps: Their present steps.
        scores: Their smoothed scores until now.
        elapsed: Seconds since each was judged; infinite where it never was.
        routes: The route of each one's latest request; None where that isn't known.
        now: The present, in seconds since the epoch.
        rest: Is called between two steps.
    """
    site = model.site
    view = profile.view(records, hour_rarity(site, now), weekday_rarity(site, now))
    features = matrix(view)
    rest()
    regular = regulars(records, began_at(site, now))
    known_for = known_seconds(records)
    level = harm_level(features)
    levels, excess = known_harm(records, level, regular)
    known = excess <= 1.0
    model_scores = _score(model, features, np.log2(np.maximum(excess, 1.0)), rest)
    rest()
    # A regular without a worst score is judged for the first time: that is its past from now on.
    worst = records["worst"]
    margin = OWN_MARGIN * (1.0 + np.minimum(SETTLING_SECONDS / known_for, MOST_SLACK))
    as_ever = known & ((worst == 0) | (model_scores >= worst - margin))
    # An operator's feedback goes before the model's score.
    as_ever |= records["feedback"] == GOOD
    held = steps > 0
    excused = ((harm_level(features, held) if held.any() else level) < 1.0) | as_ever
    excused |= _keep_machine_pace(site, features, view, routes) | _do_work(site, features, view)
    excused |= are_many_people(view, level)
    rest()
    target = np.where(excused | model.advisory, np.maximum(model_scores, MILD), model_scores)
    broken = rules.broken(view, regular, trusted(model, records, regular))
    scores = np.where(broken, -1.0, smooth(scores, target, elapsed))
    since = records["updated"] - records["stepped"]
    offences = records["offences"] * np.exp(-since / FORGIVING_SECONDS)
    evidence = profile.sums_of(records, "n")
    after = next_steps(ladder, steps, scores, since, evidence, offences)
    suspect = ~as_ever & (model_scores < SUSPECT) & (not model.advisory)
    return Verdicts(
        features, model_scores, scores, after, offences, broken, regular, suspect, levels
    )


def _score(
    model: Model,
    features: NDArray[np.float32],
    most: NDArray[np.float64],
    rest: Callable[[], object],
) -> NDArray[np.float64]:
    """Score clients by the model, with rests; 0 without one."""
    scores = np.zeros(len(features))
    if model.version:
        for start in range(0, len(features), SCORED):
            if start:
                rest()
            part = slice(start, start + SCORED)
            scores[part] = model.score(features[part], most[part])
    return scores


def _keep_machine_pace(
    site: Mapping[str, Any],
    features: NDArray[np.float32],
    view: View,
    routes: Sequence[str] | None,
) -> Mask:
    """Tell whether each client keeps to routes of machines, evenly, and at the pace of those."""
    if routes is None:
        paces = likely_pace(site, view.route_bins)
    else:
        known = {route: expected_pace(site, route_hash(route)) for route in set(routes)}
        paces = np.array([known[route] for route in routes])
    rates = column(features, "requests_per_minute")
    at_pace: Mask = rates <= PACE_MARGIN * paces
    at_pace &= (column(features, "interval_variation") <= EVENNESS) | in_runs(features)
    # By its intervals: the requests of its first minute are few at any pace. The break before a run
    # is one of them.
    seconds = np.expm1(column(features, "interval_mean").astype(np.float64))
    at_pace &= (seconds * paces <= 60.0 * MOST_SLOWER) | (rates * MOST_SLOWER >= paces)
    return at_pace & (machine_share(site, view.route_bins) >= MACHINE_SHARE)


def _do_work(site: Mapping[str, Any], features: NDArray[np.float32], view: View) -> Mask:
    """Tell whether each client mostly writes, for small answers, and no faster than apps do."""
    small = column(features, "size_mean") <= usual_median(site, "size_mean") - SMALL_MARGIN
    slow = column(features, "requests_per_minute") < WORK_PACE
    return working(view) & small & slow


def regulars(records: profile.Records, began: float) -> Mask:
    """Tell whether each client is a regular: active in many minutes, known for most of the time.

    Args:
        records: The clients' profiles.
        began: Time at which learning the site began, in seconds since the epoch.
    """
    known_for = records["updated"] - records["first"]
    age = records["updated"] - began
    needed = np.minimum(TENURE_SHARE * age, TENURE_SECONDS)
    # On a site that is young itself, so are its regulars. Whole minutes, since a client's are: else
    # it would depend on the clock's seconds at the site's start.
    active = np.minimum(1.0 + np.floor(TENURE_SHARE * age / 60.0), REGULAR_MINUTES)
    regular: Mask = (records["minutes"] >= active) & (known_for >= needed)
    return regular


def known_seconds(records: profile.Records) -> NDArray[np.float64]:
    """Give the time for which each client is known, in seconds, at least one."""
    seconds: NDArray[np.float64] = np.maximum(records["updated"] - records["first"], 1.0)
    return seconds


def known_harm(
    records: profile.Records, level: NDArray[np.float64], regular: Mask
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Give the level of harm that each client is known for, and its present one against that.

    The former is its highest level until it has settled. The latter is a multiple of what a regular
    may do, see ``GROWTH``: up to 1 where it does what it is known for; infinite for all others.

    Args:
        records: The clients' profiles.
        level: Their present levels of harm.
        regular: Which clients are regulars.
    """
    age = np.maximum(known_seconds(records) - SETTLING_SECONDS, 0.0)
    known = records["level"].astype(np.float64)
    fixed = regular & (age > 0) & (known > 0)
    levels = np.where(fixed, known, np.minimum(np.maximum(known, level), profile.MAX_SUM))
    doublings = np.minimum(age / DOUBLING_SECONDS, MOST_DOUBLINGS)
    most = np.maximum(GROWTH * np.exp2(doublings) * levels, np.finfo(np.float32).tiny)
    return levels, np.where(regular, level / most, np.inf)


def trusted(model: Model, records: profile.Records, regular: Mask) -> Mask:
    """Tell whether each client is a regular of a site that has been learned, by full standards.

    Args:
        model: The model in force.
        records: The clients' profiles.
        regular: Which clients are regulars.
    """
    active: Mask = records["minutes"] >= REGULAR_MINUTES
    return regular & active & (not model.advisory)


def horizons(
    ladder: Ladder, records: profile.Records, steps: NDArray[np.int64]
) -> NDArray[np.float64]:
    """Give the seconds over which each client's past fades, beside the sums' own horizons.

    A client that stays on the first step is judged by its present, and mends within a few holds.
    One that was sent further down has to stop, or to behave otherwise for long.

    Args:
        ladder: The steps.
        records: The clients' profiles.
        steps: Their present steps.

    Returns:
        Seconds; infinite for no faster.
    """
    if len(ladder.steps) < 2:
        return np.full(len(records), np.inf)
    first = ladder.steps[1]
    stays = records["updated"] - records["stepped"] >= 2 * first.climb_seconds
    seconds: NDArray[np.float64] = np.where((steps == 1) & stays, first.hold_seconds, np.inf)
    return seconds
