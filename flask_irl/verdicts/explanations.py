"""Explain a client's score by the features that move it, and by broken rules. Pure.

The effect of a feature is the rise of the score when that feature alone is set to the site's median
(occlusion, as in Zeiler 2014), which needs nothing of a detector but its scores.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from flask_irl.behaviour import profile
from flask_irl.behaviour.features import FEATURES
from flask_irl.behaviour.site_statistics import began_at
from flask_irl.model.model import Model
from flask_irl.verdicts.judge import regulars, trusted
from flask_irl.verdicts.rules import LOGIN_EXCESS, Rules, denied_writes
from flask_irl.verdicts.sentences import sentence

MAX_REASONS: Final = 5
MIN_EFFECT: Final = 0.005


class Reason(NamedTuple):
    """Describe one feature's part in a score.

    Attributes:
        feature: Its name.
        value: The client's value.
        median: The site's median.
        high: The value that 95 % of the site's rows don't exceed.
        effect: The rise of the score if the value were the median, 0 to 1.
        sentence: The same for people.
    """

    feature: str
    value: float
    median: float
    high: float
    effect: float
    sentence: str


def reasons(model: Model, row: NDArray[np.float32]) -> list[Reason]:
    """List the features that move a client's score most, the most important first; at most five.

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
    order = np.argsort(-effects, kind="stable")[:MAX_REASONS]
    return [
        _reason(int(c), row, usual, float(effects[c])) for c in order if effects[c] > MIN_EFFECT
    ]


def _reason(
    column: int, row: NDArray[np.float32], usual: Mapping[str, Sequence[float]], effect: float
) -> Reason:
    feature = FEATURES[column]
    value = float(row[column]) + 0.0  # turns -0 into 0
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
    """List the rules that a client breaks, whatever the model says, as sentences.

    Args:
        model: The model in force.
        rules: The thresholds.
        record: The client's profile alone.
    """
    regular = regulars(record, began_at(model.site, float(record["updated"][0])))
    is_trusted = trusted(model, record, regular)
    view = profile.view(record, 0.0, 0.0)
    denied, logins = float(denied_writes(view)[0]), float(view["login_writes"][0])
    unknown = float(view["hour_new_missing"][0])
    sentences = (
        (
            Rules(rules.login_failures, 0),
            f"fails to log in or is denied what it posts: about {denied:.0f} times within ten "
            f"minutes; {rules.login_failures} are too many"
            if denied >= rules.login_failures
            else f"does little but log in: about {logins:.0f} times within ten minutes; "
            f"{LOGIN_EXCESS * rules.login_failures:g} are too many",
        ),
        (
            Rules(0, rules.unknown_paths),
            f"scans for paths that don't exist: about {unknown:.0f} different ones within an hour; "
            f"{rules.unknown_paths} within ten minutes, or {2 * rules.unknown_paths} within an "
            "hour, are too many",
        ),
    )
    return [text for rule, text in sentences if rule.broken(view, regular, is_trusted)[0]]


def as_json(explanation: Sequence[Reason]) -> list[dict[str, Any]]:
    """Turn reasons into mappings, ready for JSON."""
    return [reason._asdict() for reason in explanation]
