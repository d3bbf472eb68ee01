"""Explain a client's score by the behaviour that moves it, and by broken rules. Pure.

The effect of a behaviour is the mean of two: the rise of the score when all features of that
behaviour are set to the site's median (occlusion, as in Zeiler 2014), and the fall of the score of
a client that is usual in all else. One of them alone says nothing where several behaviours would
each be enough. It needs nothing of a detector but its scores.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any, Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from flask_irl.behaviour import profile
from flask_irl.behaviour.features import FEATURE_NAMES
from flask_irl.behaviour.harm import harm_level
from flask_irl.behaviour.site_statistics import began_at
from flask_irl.model.model import Model
from flask_irl.verdicts.judge import known_harm, regulars, trusted
from flask_irl.verdicts.rules import LOGIN_EXCESS, Rules, denied_writes
from flask_irl.verdicts.sentences import is_remarkable, sentence
from flask_irl.verdicts.themes import THEMES, Theme

MAX_REASONS: Final = 5
AT_ONCE: Final = 100
"""Clients whose variants are scored together."""
MIN_EFFECT: Final = 0.005
MAX_EXCESS: Final = 3.0
"""Times of e by which a value exceeds the usual one, from which on more of it is no worse."""

_COLUMN: Final = {name: index for index, name in enumerate(FEATURE_NAMES)}
_COLUMNS: Final = [[_COLUMN[name] for name in (*theme.told, *theme.shown)] for theme in THEMES]


class Reason(NamedTuple):
    """Describe one behaviour's part in a score.

    Attributes:
        feature: The name of the feature that it is told by.
        value: The client's value.
        median: The site's median.
        high: The value that 95 % of the site's rows don't exceed.
        effect: The part of the score that the behaviour accounts for, 0 to 1.
        sentence: The same for people.
    """

    feature: str
    value: float
    median: float
    high: float
    effect: float
    sentence: str


def reasons_of(
    model: Model, rows: NDArray[np.float32], most: NDArray[np.float64]
) -> list[list[Reason]]:
    """List the reasons for the scores of clients as an operator would: the worst harm first.

    Only what few other clients do is a reason. To ask for many clients at once costs little more
    than for one.

    Args:
        model: The model in force.
        rows: The clients' features, one row each.
        most: Doublings of each client's harm that count at most, see :func:`doublings_of_harm`.

    Returns:
        For each client at most five, each of another behaviour.
    """
    usual: Mapping[str, Sequence[float]] = model.site.get("usual", {})
    if not model.version or not usual:
        return [[] for _ in rows]
    told: list[list[Reason]] = []
    for start in range(0, len(rows), AT_ONCE):
        part = rows[start : start + AT_ONCE]
        effects = _effects(model, part, usual, most[start : start + AT_ONCE])
        told += [_told(row, usual, own) for row, own in zip(part, effects, strict=True)]
    return told


def _told(
    row: NDArray[np.float32], usual: Mapping[str, Sequence[float]], effects: Sequence[float]
) -> list[Reason]:
    """Choose the reasons of one client, and put them in order."""
    found: dict[str, tuple[float, Theme, Reason]] = {}
    for theme, effect in zip(THEMES, effects, strict=True):
        reason = _reason(theme, row, usual, effect) if effect > MIN_EFFECT else None
        if reason is not None:
            harm = theme.harm if reason.value >= theme.least else theme.harm / 2
            found[reason.feature] = harm * _excess(reason) * effect, theme, reason
    told = [x for x in found.values() if not found.keys() & set(x[1].implied_by)]
    told.sort(key=lambda item: -item[0])
    return [reason for _, _, reason in told[:MAX_REASONS]]


def _effects(
    model: Model,
    rows: NDArray[np.float32],
    usual: Mapping[str, Sequence[float]],
    most: NDArray[np.float64],
) -> list[list[float]]:
    """Compute the effect of each theme on each client's score."""
    median = np.array([usual[name][0] for name in FEATURE_NAMES], dtype=np.float32)
    shape = (len(THEMES) + 1, *rows.shape)
    without = np.broadcast_to(rows, shape).copy()
    alone = np.broadcast_to(median, shape).copy()
    for index, columns in enumerate(_COLUMNS):
        without[index][:, columns] = median[columns]
        alone[index][:, columns] = rows[:, columns]
    variants = np.concatenate((without, alone)).reshape(-1, rows.shape[1])
    scores = model.score(variants, np.tile(most, 2 * shape[0]))
    scores_without, scores_alone = scores.reshape(2, *shape[:2])
    rise, fall = scores_without - scores_without[-1], scores_alone[-1] - scores_alone
    effects: list[list[float]] = ((rise + fall) / 2)[:-1].T.tolist()
    return effects


def _reason(
    theme: Theme, row: NDArray[np.float32], usual: Mapping[str, Sequence[float]], effect: float
) -> Reason | None:
    """Tell a theme by the first of its features whose value is remarkable; None without one."""
    for name in theme.told:
        value = float(row[_COLUMN[name]]) + 0.0  # turns -0 into 0
        median, high = usual[name][0], usual[name][1]
        if is_remarkable(name, value, median, high):
            return Reason(
                name,
                round(value, 4),
                round(median, 4),
                round(high, 4),
                round(effect, 4),
                sentence(name, value, median),
            )
    return None


def _excess(reason: Reason) -> float:
    """Measure how far a value is from the usual one: 1 for a little, up to ``MAX_EXCESS``."""
    low, high = sorted((abs(reason.value), abs(reason.median)))
    return min(1.0 + math.log(high / max(low, 1e-2 * high)), MAX_EXCESS) if high else 1.0


def doublings_of_harm(
    model: Model, records: profile.Records, rows: NDArray[np.float32]
) -> NDArray[np.float64]:
    """Give the doublings of each client's harm that count: those beyond what it is known for.

    Args:
        model: The model in force.
        records: The clients' profiles.
        rows: Their features, one row each.
    """
    regular = regulars(records, began_at(model.site, float(records["updated"].max())))
    _, excess = known_harm(records, harm_level(rows), regular)
    return np.asarray(np.log2(np.maximum(excess, 1.0)))


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
            Rules(rules.login_failures, 0, 0),
            f"{denied:.0f} failed logins or denied changes within ten minutes; "
            f"{rules.login_failures} are too many"
            if denied >= rules.login_failures
            else f"{logins:.0f} logins within ten minutes, and little else; "
            f"{LOGIN_EXCESS * rules.login_failures:g} are too many",
        ),
        (
            Rules(0, rules.unknown_paths, 0),
            f"{unknown:.0f} guesses at paths that don't exist within an hour; "
            f"{rules.unknown_paths} within ten minutes, or {2 * rules.unknown_paths} within an "
            "hour, are too many",
        ),
        (
            Rules(0, 0, rules.floods),
            f"{float(view['n'][0]):.0f} requests within ten minutes, "
            f"{float(view.mean('refused')[0]):.0%} of them while it was over its limit",
        ),
    )
    return [text for rule, text in sentences if rule.broken(view, regular, is_trusted)[0]]


def as_json(explanation: Sequence[Reason]) -> list[dict[str, Any]]:
    """Turn reasons into mappings, ready for JSON."""
    return [reason._asdict() for reason in explanation]
