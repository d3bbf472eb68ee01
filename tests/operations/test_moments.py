"""Test which members of results are moments."""

from __future__ import annotations

import pytest

from flask_irl.cli.output import text
from flask_irl.operations.moments import with_moments


@pytest.mark.parametrize(
    "name", ["at", "since", "until", "last_seen", "first_seen", "trained_at", "pinned_until"]
)
def test_moments_are_known_by_the_names_of_members(name: str) -> None:
    assert with_moments({name: 1.0}) == {name: "1970-01-01T00:00:01Z"}


@pytest.mark.parametrize("member", ["endpoints", "buffer_size"])
@pytest.mark.parametrize("name", ["/users/last_seen", "/meet_at", "sold_until", "at"])
def test_counts_of_a_route_or_a_client_are_no_moments_whatever_it_is_called(
    member: str, name: str
) -> None:
    stats = {member: {name: 12}}
    assert with_moments(stats) == stats
    assert text(stats[member], member) == f"{name}=12"
