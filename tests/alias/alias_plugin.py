"""Run Flask-Limiter's own tests on ``flask_irl.compat``: the plugin of pytest that makes the alias.

``ALIAS_STORE`` is the URI of the store that takes the place of ``memory://``. Time is that of hiro,
which those tests move, in both stores and in the process; nothing is learned, so that the answers
are those of the limits alone.
"""

from __future__ import annotations

import dataclasses
import functools
import importlib
import itertools
import os
import sys
import time
from collections.abc import Iterator
from typing import Any

import pytest

MODULES = ("", ".util", ".constants", ".errors", ".commands")
OPTIONS = {"IRL_BACKGROUND": "no", "IRL_STORE_TIMEOUT": "20", "IRL_LEASES": "no"}

os.environ.update(OPTIONS)
for name in MODULES:
    sys.modules[f"flask_limiter{name}"] = importlib.import_module(f"flask_irl.compat{name}")

from flask_irl.limiter import open as opening  # noqa: E402
from flask_irl.limiter.limiter import Limiter  # noqa: E402
from flask_irl.stores.open import open_store  # noqa: E402

STORE = os.environ.get("ALIAS_STORE", "memory://")
numbers = itertools.count()


def clock() -> float:
    """Tell hiro's time, by whole milliseconds: a step of one window is then exactly that."""
    return (round(time.time() * 1000) * 1000 + 0.5) / 1e6


def open_in_time(options: Any, own_clock: Any = None) -> Any:
    """Open a store that goes by the time that the tests move."""
    if options.storage_uri == "memory://" and STORE != "memory://":
        # Each store in memory is one by itself.
        prefix = f"{options.key_prefix}{next(numbers)}"
        options = dataclasses.replace(options, storage_uri=STORE, key_prefix=prefix)
    return open_store(options, clock)


vars(opening)["open_store"] = open_in_time
vars(opening)["Limiter"] = functools.partial(Limiter, monotonic=clock)


class Services:
    """Stand in for the containers of the tests: Redis runs, and nothing else."""

    def start(self, service: str) -> None:
        """Do nothing: Redis runs already, and the others aren't supported."""

    def wait_for_service(self, *arguments: Any) -> None:
        """Do nothing."""


class NoMemcached:
    """Stand in for a client of Memcached, which isn't there."""

    def __init__(self, *arguments: Any) -> None:
        pass

    def flush_all(self) -> None:
        """Do nothing."""


vars(importlib.import_module("pymemcache"))["Client"] = NoMemcached


@pytest.fixture(scope="session")
def docker_services() -> Iterator[Services]:
    """Give the services."""
    yield Services()
