"""Test the overrides of networks as the store keeps them."""

from __future__ import annotations

import json
from typing import Any

import pytest

from flask_irl.errors import ConfigurationError
from flask_irl.limits.network_override import NetworkOverride, decode
from flask_irl.limits.override import Override

NETWORK = "203.0.113.0/24"
LIMITED = NetworkOverride(NETWORK, Override("limit", 1_700_000_000.5, 7), "Zu viel 🐎", "ada")
MEMBERS = json.loads(LIMITED.encode())


def test_an_override_comes_back_as_it_was() -> None:
    assert decode(NETWORK, LIMITED.encode()) == LIMITED


def test_members_of_a_newer_version_are_ignored() -> None:
    data = json.dumps({**MEMBERS, "label": {"of": "tomorrow"}}).encode()
    assert decode(NETWORK, data) == LIMITED


@pytest.mark.parametrize(
    "change",
    [
        {"kind": "slow"},
        {"kind": None},
        {"amount": 0},
        {"amount": "7"},
        {"until": "soon"},
        {"until": float("nan")},
        {"until": float("inf")},
        {"until": 10**400},
        {"reason": 5},
        {"who": None},
    ],
    ids=str,
)
def test_an_override_that_is_not_allowed_is_refused(change: dict[str, Any]) -> None:
    with pytest.raises(ConfigurationError, match="203"):
        decode(NETWORK, json.dumps({**MEMBERS, **change}).encode())


@pytest.mark.parametrize("data", [b"", b"\xff", b"[]", b"5", b"null", b"{}", b"[" * 100_000])
def test_bytes_that_are_no_override_are_refused(data: bytes) -> None:
    with pytest.raises(ConfigurationError, match="203"):
        decode(NETWORK, data)
