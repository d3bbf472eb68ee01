"""Write reports as JSON."""

from __future__ import annotations

import json
import math
import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flask_irl.replay.report import ClientReport, ModelReport
from tests.replay.reports import EMPTY, client, report


def test_json_has_the_members_of_the_contract() -> None:
    found = json.loads(report(ClientReport("c", "scan", 5, 3, 4, 1, 2, 0.5)).to_json())
    assert found == {
        "requests": 5,
        "refused": 3,
        "flagged": 4,
        "static_refused": 1,
        "unreadable_lines": 2,
        "server_answered_lines": 0,
        "models": [
            {"ts": 1.5, "version": 1, "rows": 50, "accepted": True},
            {"ts": 301.5, "version": 2, "rows": 60, "accepted": False},
        ],
        "clients": [
            {
                "client": "c",
                "label": "scan",
                "requests": 5,
                "refused": 3,
                "flagged": 4,
                "static_refused": 1,
                "first_flagged_request": 2,
                "first_flagged_seconds": 0.5,
            }
        ],
    }


def test_a_client_never_flagged_has_null() -> None:
    (found,) = json.loads(report(client("c")).to_json())["clients"]
    assert found["first_flagged_request"] is found["first_flagged_seconds"] is None


def test_clients_are_ranked() -> None:
    ranked = [
        client("c1", refused=2),
        client("c2", refused=1, flagged=3),
        client("c3", refused=1, flagged=2, requests=10),
        client("c4", refused=1, flagged=2),
        client("c5", refused=1, flagged=2),
        client("c6", requests=100),
    ]
    mixed = random.Random(3).sample(ranked, len(ranked))
    found = json.loads(report(*mixed).to_json())["clients"]
    assert [c["client"] for c in found] == [c.client for c in ranked]


def test_an_empty_report_is_json() -> None:
    assert json.loads(EMPTY.to_json())["clients"] == []


@given(st.text(), st.text())
def test_any_name_survives(name: str, label: str) -> None:
    text = report(ClientReport(name, label, 1, 0, 0, 0)).to_json()
    assert text.isascii()
    (found,) = json.loads(text)["clients"]
    assert (found["client"], found["label"]) == (name, label)


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
def test_no_number_that_json_lacks(value: float) -> None:
    with pytest.raises(ValueError, match="first_flagged_seconds"):
        ClientReport("c", "", 1, 0, 1, 0, 1, value)
    with pytest.raises(ValueError, match="ts"):
        ModelReport(value, 1, 50, True)
