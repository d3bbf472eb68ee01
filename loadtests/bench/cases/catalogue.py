"""List the cases of the comparison, line by line."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from itertools import product
from typing import Final

from loadtests.bench.cases import rivals
from loadtests.bench.cases.apps import (
    OURS,
    Bench,
    bare,
    ours,
    ours_keyed,
    ours_of_tenant,
    ours_planned,
    ours_refused,
)
from loadtests.bench.cases.rivals import FIXED, MOVING, ONE_LIMIT, SLIDING, THREE_LIMITS
from loadtests.bench.cases.subject import Subject

Key = tuple[str, str, str]
"""System, store and name of a case."""

STORES: Final = ("memory", "redis")
FLASK_LIMITER: Final = "Flask-Limiter"
THROTTLED: Final = "throttled-py"
PLANNED: Final = "default plan, headers, model"
TOLD: Final = "plan by a function, headers, model"
KEYED: Final = "one limit, headers, model, API key"
OF_TENANT: Final = "one limit, headers, model, tenant"
REFUSED: Final = "refused, known to be over"
COMPAT: Final = "default limit, headers, by Flask-Limiter's names"
NATIVE: Final = "default limit, headers"
BARE: Final = ("Flask", "", "bare")
RAW_EVALSHA: Final = ("redis-py", "redis", "no-op EVALSHA, raw call")
IN_FLASK_EVALSHA: Final = ("redis-py", "redis", "no-op EVALSHA before a view")


@dataclass(frozen=True)
class Case:
    """Describe one line of the table; ``name`` lists the features that are switched on.

    ``build`` makes the subject in a process of its own; each request must get the status
    ``expected``. Others are compared with the ``bare`` case: for a ``whole`` one only the time
    beyond it counts as added.
    """

    system: str
    store: str
    name: str
    build: Callable[[], Subject]
    expected: int = 200
    bare: bool = False
    whole: bool = True

    @property
    def key(self) -> Key:
        """Give system, store and name."""
        return self.system, self.store, self.name

    def __str__(self) -> str:
        return ", ".join(part for part in self.key if part)


def _features(limits: int, headers: bool) -> str:
    number = {1: "one limit", 3: "three limits"}[limits]
    return f"{number}, {'headers' if headers else 'no headers'}"


def our_name(limits: int, headers: bool, model: bool) -> str:
    """Name a case of flask_irl."""
    return f"{_features(limits, headers)}{', model' if model else ''}"


def their_name(strategy: str, headers: bool, limits: int = 1) -> str:
    """Name a case of a rival."""
    return f"{strategy}, {_features(limits, headers)}"


OURS_FULL: Final = our_name(1, True, True)
"""Name of the case of flask_irl that is held against the rivals."""


def their(store: str, strategy: str = SLIDING) -> Key:
    """Give the key of Flask-Limiter with one limit and headers."""
    return FLASK_LIMITER, store, their_name(strategy, True)


def throttled(store: str, headers: bool = True) -> Key:
    """Give the key of throttled-py."""
    return THROTTLED, store, their_name(FIXED, headers)


def all_cases(bench: Bench) -> list[Case]:
    """List every case, the bare one first."""
    switches = (True, False)
    cases = [Case(*BARE, partial(bare, bench), bare=True)]
    for store in STORES:
        for limits, headers, model in product((1, 3), switches, switches):
            build = partial(ours, bench, store, limits, headers, model)
            cases.append(Case(OURS, store, our_name(limits, headers, model), build))
        for name, told in ((PLANNED, False), (TOLD, True)):
            planned = partial(ours_planned, bench, store, told=told)
            cases.append(Case(OURS, store, name, planned))
        cases.append(Case(OURS, store, REFUSED, partial(ours_refused, bench, store), 429))
        cases.append(Case(OURS, store, KEYED, partial(ours_keyed, bench, store)))
        cases.append(Case(OURS, store, OF_TENANT, partial(ours_of_tenant, bench, store)))
        cases.append(Case(OURS, store, NATIVE, partial(rivals.native, bench, store)))
        cases.append(Case(OURS, store, COMPAT, partial(rivals.compat, bench, store)))
    for store in STORES:
        rival = partial(rivals.flask_limiter, bench, store)
        for strategy, headers in product((SLIDING, MOVING, FIXED), switches):
            build = partial(rival, strategy, headers, ONE_LIMIT)
            cases.append(Case(FLASK_LIMITER, store, their_name(strategy, headers), build))
        build = partial(rival, SLIDING, True, THREE_LIMITS)
        cases.append(Case(FLASK_LIMITER, store, their_name(SLIDING, True, 3), build))
        for headers in switches:
            build = partial(rivals.throttled, bench, store, headers)
            cases.append(Case(THROTTLED, store, their_name(FIXED, headers), build))
    cases.append(Case(*IN_FLASK_EVALSHA, partial(rivals.noop_in_flask, bench)))
    cases.append(Case(*RAW_EVALSHA, partial(rivals.raw_noop, bench), whole=False))
    return cases
