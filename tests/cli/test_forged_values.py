"""Show forged values of the site on a terminal: no command fails, and all print plain text."""

from __future__ import annotations

from functools import cache

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.cli.shell import Site
from tests.forged import NAMES, SOUND, put
from tests.hostile import damaged

SHOWN = {
    "settings": "limits",
    "campaigns": "campaigns",
    "view": "campaigns",
    "news": "campaigns",
    "training": "status",
    "network": "clients",
    "audit": "audit",
    "worker": "status",
}
"""The command that shows each value."""


@cache
def site() -> Site:
    return Site()


@pytest.mark.parametrize("name", SHOWN)
@settings(max_examples=8, suppress_health_check=list(HealthCheck))
@given(data=st.data())
def test_a_forged_value_of_the_site_is_shown_or_left_out(name: str, data: st.DataObject) -> None:
    put(site().engine, name, data.draw(damaged(SOUND[name])), data.draw(NAMES))
    site().done(SHOWN[name])
    site().json(SHOWN[name])
    put(site().engine, name, SOUND[name])
