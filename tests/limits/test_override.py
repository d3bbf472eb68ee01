"""Test the members that an override may have."""

from __future__ import annotations

from typing import Any, get_args

import pytest

from flask_irl.errors import ConfigurationError
from flask_irl.limits.limit import MAX_AMOUNT
from flask_irl.limits.override import CODES, KINDS, Kind, Override


@pytest.mark.parametrize(
    ("kind", "amount"),
    [("allow", 0), ("block", 0), ("limit", 1), ("limit", MAX_AMOUNT)],
)
def test_an_override_keeps_its_members(kind: Any, amount: int) -> None:
    override = Override(kind, 1_700_000_000.0, amount)
    assert (override.kind, override.until, override.amount) == (kind, 1_700_000_000.0, amount)


@pytest.mark.parametrize("kind", ["", "ALLOW", "deny", None, 1, ["allow"]])
def test_an_unknown_kind_is_refused_by_name(kind: Any) -> None:
    with pytest.raises(ConfigurationError) as caught:
        Override(kind, 1.0)
    assert str(caught.value) == f"kind is {kind!r}: give one of allow, block, limit"


@pytest.mark.parametrize("amount", [0, -1, MAX_AMOUNT + 1, True, 2.0, 2.5, "3", None])
def test_a_limit_needs_a_whole_number_from_1(amount: Any) -> None:
    with pytest.raises(ConfigurationError, match=r"^amount is .+: give a whole number from 1 to"):
        Override("limit", 1.0, amount)


@pytest.mark.parametrize("kind", ["allow", "block"])
@pytest.mark.parametrize("amount", [1, -1, False, 0.0])
def test_only_a_limit_has_an_amount(kind: Kind, amount: Any) -> None:
    with pytest.raises(ConfigurationError, match="none with the others"):
        Override(kind, 1.0, amount)


def test_stores_can_write_every_kind_and_read_it_back() -> None:
    assert get_args(Kind) == KINDS
    assert [KINDS[CODES[kind] - 1] for kind in KINDS] == list(KINDS)
