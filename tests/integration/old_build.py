"""Put the build before this one beside it, as in a rolling upgrade."""

from __future__ import annotations

from pathlib import Path
from typing import Final

import pytest

OLD: Final = "bb01c0b"
"""Revision of an earlier build, whose modules are all others than today's."""


def check_out_old(folder: Path) -> Path:
    """Check the earlier build out into a folder; skip the test where git doesn't know it."""
    from loadtests.bench.cases.subject import BenchError
    from loadtests.bench.measure.before import check_out

    build = folder / "old"
    try:
        check_out(OLD, build)
    except BenchError as error:
        pytest.skip(f"no earlier build to upgrade from: {error}")
    return build
