"""Why a client scores as it does: which features move its score, and what is usual. Pure.

The effect of a feature is how much the score mends when that feature alone is set to the site's
median (occlusion, as in Zeiler 2014), which needs nothing of a detector but its scores.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from flask_irl.behaviour import profile
from flask_irl.behaviour.features import FEATURES
from flask_irl.behaviour.site import began_at
from flask_irl.model.model import Model
from flask_irl.verdicts.judge import REGULAR_MINUTES, regulars
from flask_irl.verdicts.rules import Rules
from flask_irl.verdicts.sentences import sentence

MOST: Final = 5
LEAST_EFFECT: Final = 0.005


class Reason(NamedTuple):
    """One feature's part in a score.

    Attributes:
        feature: Its name.
        value: The client's.
        median: What is usual on this site.
        high: What 95 % of the site's rows don't exceed.
        effect: How much the score would mend at the median, 0 to 1.
        sentence: The same for people.
    """

    feature: str
    value: float
    median: float
    high: float
    effect: float
    sentence: str


def reasons(model: Model, row: NDArray[np.float32]) -> list[Reason]:
    """The features that move a client's score most, the most important first; at most five.

    Args:
        model: The model in force.
        row: The client's features.
    """
    usual: Mapping[str, Sequence[float]] = model.site.get("usual", {})
    if not model.version or not usual:
        return []
    variants = np.tile(row, (len(FEATURES) + 1, 1))
    for column, feature in enumerate(FEATURES):
        variants[column + 1, column] = usual[feature.name][0]
    scores = model.score(variants)
    effects = scores[1:] - scores[0]
    order = np.argsort(-effects, kind="stable")[:MOST]
    return [
        _reason(int(c), row, usual, float(effects[c])) for c in order if effects[c] > LEAST_EFFECT
    ]


def _reason(
    column: int, row: NDArray[np.float32], usual: Mapping[str, Sequence[float]], effect: float
) -> Reason:
    feature = FEATURES[column]
    value = float(row[column]) + 0.0  # nobody wants to read -0
    median, high = usual[feature.name][0], usual[feature.name][1]
    return Reason(
        feature.name,
        round(value, 4),
        round(median, 4),
        round(high, 4),
        round(effect, 4),
        sentence(feature, value, median, high),
    )


def broken_rules(model: Model, rules: Rules, record: profile.Records) -> list[str]:
    """The rules that a client breaks, whatever the model says; a sentence each.

    Args:
        model: The model in force.
        rules: The thresholds.
        record: The client's profile alone.
    """
    regular = regulars(record, began_at(model.site, float(record["updated"][0])))
    settled = regular & (record["minutes"] >= REGULAR_MINUTES) & (not model.advisory)
    view = profile.view(record, 0.0, 0.0)
    denied, lost = float(view["failed_writes"][0]), float(view["hour_new_missing"][0])
    sentences = (
        (
            Rules(rules.login_failures, 0),
            f"fails to log in or post again and again: about {denied:.0f} times within ten "
            f"minutes; {rules.login_failures} are too many",
        ),
        (
            Rules(0, rules.unknown_paths),
            f"scans for paths that don't exist: about {lost:.0f} different ones within an hour; "
            f"{rules.unknown_paths} within ten minutes, or {2 * rules.unknown_paths} within an "
            "hour, are too many",
        ),
    )
    return [text for rule, text in sentences if rule.broken(view, regular, settled)[0]]


def as_json(found: Sequence[Reason]) -> list[dict[str, Any]]:
    """The reasons as mappings."""
    return [reason._asdict() for reason in found]
