"""Test sentences on features: in the terms of people, whatever the detector's are."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from flask_irl.behaviour.features import FEATURE_NAMES
from flask_irl.verdicts.sentences import TEMPLATES, is_remarkable, percent, plain, sentence
from flask_irl.verdicts.themes import THEMES

FIGURES = st.floats(-1e6, 1e6, width=32)


def log1p(*values: float) -> tuple[float, ...]:
    return tuple(float(np.log1p(value)) for value in values)


def test_every_feature_is_of_one_theme() -> None:
    of_themes = [name for theme in THEMES for name in (*theme.told, *theme.shown)]
    assert sorted(of_themes) == sorted(FEATURE_NAMES)


def test_every_feature_that_tells_a_theme_has_a_sentence_of_its_own() -> None:
    assert {name for theme in THEMES for name in theme.told} == set(TEMPLATES)
    assert len({template.text for template in TEMPLATES.values()}) == len(TEMPLATES)
    assert all(template.text.count("{}") == 1 for template in TEMPLATES.values())


@pytest.mark.parametrize(
    ("name", "figures", "expected"),
    [
        ("new_paths_per_minute", (41.2, 0.5), "41 paths a minute that are new to it; usual is 0.5"),
        ("requests_per_minute", (2240.4, 11.1), "2,240 requests a minute; usual is 11"),
        (
            *("denied_share", (0.9, 0.0)),
            "90% of the answers to it are denials (401, 403, a failed login); usual is 0%",
        ),
        # Kept as logarithms, shown without.
        ("size_mean", log1p(50_000, 9), "50 kB an answer; usual is 9 bytes"),
        # An entropy is the logarithm of how many there would be if all were as frequent.
        (
            *("route_entropy", (math.log(12), 0.0)),
            "requests spread evenly over 12 routes; usual is 1",
        ),
        (
            *("interval_variation", (0.213, 1.83)),
            "pauses as even as a machine's: they vary by 21%; usual is 183%",
        ),
        # The rarer, the less of the requests.
        (
            *("endpoint_rarity", (math.log(200), math.log(2))),
            "asks for routes that get 0.5% of the site's requests; usual is 50%",
        ),
        (
            *("hour_rarity", (math.log(4), 0.0)),
            "comes at an hour that has 25% of an average hour's requests; usual is 100%",
        ),
    ],
)
def test_a_sentence_has_the_values_in_words(
    name: str, figures: tuple[float, float], expected: str
) -> None:
    assert sentence(name, *figures) == expected


@pytest.mark.parametrize("name", [name for name in TEMPLATES if name.endswith("_share")])
def test_each_share_is_written_in_percent(name: str) -> None:
    text = sentence(name, 0.5, 0.0)
    assert text.startswith("50% of ")
    assert text.endswith("; usual is 0%")


@pytest.mark.parametrize(
    ("share", "text"),
    [
        (0.0, "0%"),
        (0.004, "0.4%"),
        (1e-9, "0.01%"),
        (0.012, "1%"),
        (0.996, "100%"),
        (2.5, "100%"),
        (-0.0, "0%"),
    ],
)
def test_a_share_is_a_whole_percent_or_the_first_figure_of_one(share: float, text: str) -> None:
    assert percent(share) == text


@pytest.mark.parametrize(
    ("value", "text"),
    [(-0.0, "0"), (0.004, "0"), (0.0123, "0.012"), (9.94, "9.9"), (9.96, "10"), (1371.4, "1,371")],
)
def test_a_number_has_two_figures_or_all_before_the_point(value: float, text: str) -> None:
    assert plain(value) == text


@pytest.mark.parametrize(
    ("name", "value", "is_reason"),
    [
        ("requests_per_minute", 580.0, True),
        ("requests_per_minute", 30.0, False),
        ("requests_per_minute", 2.0, False),
        ("route_entropy", 0.0, False),
        ("interval_variation", 2.0, True),
        ("interval_variation", 20.0, False),
    ],
)
def test_only_what_is_beyond_the_usual_on_the_suspicious_side_is_remarkable(
    name: str, value: float, is_reason: bool
) -> None:
    assert is_remarkable(name, value, 6.0, 40.0) is is_reason


def test_what_reads_like_the_usual_is_not_remarkable() -> None:
    assert not is_remarkable("requests_per_minute", 40.4, 40.0, 40.1)


@pytest.mark.parametrize("name", TEMPLATES)
@given(st.tuples(FIGURES, FIGURES))
def test_there_is_a_sentence_whatever_the_figures(name: str, figures: tuple[float, float]) -> None:
    text = sentence(name, *figures)
    assert text.isprintable()
    assert "{" not in text
    assert "-0 " not in text
