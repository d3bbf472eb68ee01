"""Provide a site that has learned what is usual."""

from __future__ import annotations

import pytest

from tests.campaigns.traffic import learned


@pytest.fixture(scope="session")
def usual() -> bytes:
    """Give what a site has learned in an hour and a half of ordinary people."""
    return learned()
