"""Test sentences on features: in the terms of people, whatever the detector's are."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from flask_irl.behaviour.features import FEATURE_NAMES, FEATURES, Feature
from flask_irl.verdicts.sentences import TEMPLATES, sentence

BY_NAME = {feature.name: feature for feature in FEATURES}
FIGURES = st.floats(-1e6, 1e6, width=32)


def log1p(*values: float) -> tuple[float, ...]:
    return tuple(float(np.log1p(value)) for value in values)


def test_every_feature_has_a_sentence_of_its_own() -> None:
    assert set(TEMPLATES) == set(FEATURE_NAMES)
    assert len({template.text for template in TEMPLATES.values()}) == len(TEMPLATES)
    assert all(template.text.count("{}") == 1 for template in TEMPLATES.values())


@pytest.mark.parametrize(
    ("name", "figures", "expected"),
    [
        (
            *("new_paths_per_minute", (41.2, 0.5, 3.0)),
            "asks for 41.2 new paths a minute; usual is 0.5, for 95 % at most 3",
        ),
        (
            *("requests_per_minute", (2240.4, 11.1, 37.9)),
            "sends 2,240 requests a minute; usual is 11.1, for 95 % at most 37.9",
        ),
        (
            *("denied_share", (0.9, 0.0, 0.044)),
            "gets 401 or 403, or fails to log in, for 90 % of its requests; usual is 0 %, for "
            "95 % at most 4.4 %",
        ),
        (
            # Kept as logarithms, shown without.
            *("size_mean", log1p(50_000, 9, 999)),
            "gets answers of 50,000 bytes; usual is 9 bytes, for 95 % at most 999 bytes",
        ),
        (
            *("interval_mean", log1p(0.3, 2.24, 8)),
            "sends a request every 0.3 s; usual is 2.24 s",
        ),
        (
            # An entropy is the logarithm of how many there would be if all were as frequent.
            *("route_entropy", (math.log(12), 0.0, math.log(3))),
            "spreads its requests over 12 routes; usual is 1, for 95 % at most 3",
        ),
        (
            *("interval_entropy", (0.0, math.log(4), math.log(5))),
            "spaces its requests in 1 different ways (a clock has 1); usual is 4",
        ),
        (
            *("interval_variation", (0.213, 1.83, 4.32)),
            "varies the time between its requests by 21.3 % of it; usual is 183 %",
        ),
        (
            # The rarer, the less of the requests.
            *("endpoint_rarity", (math.log(200), math.log(2), math.log(20))),
            "asks for routes that get 0.5 % of the site's requests; usual is 50 %, for 95 % at "
            "least 5 %",
        ),
        (
            *("hour_rarity", (math.log(4), 0.0, math.log(2))),
            "comes at an hour 4 times quieter than the average one; usual is 1, for 95 % at most 2",
        ),
    ],
)
def test_a_sentence_has_the_values_in_words(
    name: str, figures: tuple[float, float, float], expected: str
) -> None:
    assert sentence(BY_NAME[name], *figures) == expected


@pytest.mark.parametrize("name", [name for name in FEATURE_NAMES if name.endswith("_share")])
def test_each_share_is_written_in_percent(name: str) -> None:
    text = sentence(BY_NAME[name], 0.5, 0.0, 0.25)
    assert " 50 % of " in text
    assert text.endswith("; usual is 0 %, for 95 % at most 25 %")


def test_a_share_that_was_estimated_too_high_is_all_of_it() -> None:
    assert " 100 % of " in sentence(BY_NAME["new_path_share"], 2.5, 0.1, 0.2)


def test_the_high_value_is_left_out_for_a_client_with_a_low_one() -> None:
    assert sentence(BY_NAME["requests_per_minute"], 1.0, 5.0, 9.0).endswith("; usual is 5")


def test_a_feature_without_a_template_is_described_by_its_text() -> None:
    feature = Feature("novel", "1/min", "what nobody counted before", lambda view: view["n"])
    assert sentence(feature, 2.0, 1.0, 3.0) == (
        "what nobody counted before: 2; usual is 1, for 95 % at most 3"
    )


@pytest.mark.parametrize("feature", FEATURES, ids=FEATURE_NAMES)
@given(st.tuples(FIGURES, FIGURES, FIGURES))
def test_there_is_a_sentence_whatever_the_figures(
    feature: Feature, figures: tuple[float, float, float]
) -> None:
    text = sentence(feature, *figures)
    assert text.isprintable()
    assert "{" not in text
    assert "-0 " not in text
