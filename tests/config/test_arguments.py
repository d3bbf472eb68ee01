"""Test that options are typed as arguments: by their declarations, and as mypy sees them."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from os import PathLike
from pathlib import Path
from typing import Any, Literal, get_type_hints

import mypy.api
import pytest

from flask_irl.config.arguments import OptionArguments
from flask_irl.config.options import (
    DetectorName,
    OnStoreError,
    Options,
    ResetFormat,
    UndeclaredTenants,
)
from flask_irl.config.sources import resolve
from flask_irl.limits.limit import Limit
from flask_irl.limits.plan import Mode, StrategyName

ROOT = Path(__file__).parents[2]
TEXTS = str | Sequence[str]
AS_ARGUMENT: dict[Any, Any] = {
    **{kind: kind for kind in (bool, int, float, str)},
    int | None: int,
    str | None: str,
    **{kind: kind for kind in (Mode, OnStoreError, ResetFormat, DetectorName, UndeclaredTenants)},
    StrategyName: StrategyName | Literal["moving-window"],
    tuple[str, ...]: TEXTS,
    tuple[float, ...]: Sequence[float],
    tuple[Limit, ...]: TEXTS,
    Mapping[str, Any]: Mapping[str, Any],
    Mapping[str, tuple[Limit, ...]]: Mapping[str, TEXTS],
}
"""Types of options' values, each with what an argument may be, beside None."""

SAMPLE = """
import os

from flask import Blueprint, Flask
from flask.views import MethodView

from flask_irl import IntelligentLimiter, api_key

app = Flask("site")
limiter = IntelligentLimiter(
    app,
    key_func=api_key(verify=lambda key: key == "k"),
    storage_uri=os.environ.get("STORE"),
    base_limit=None,
    strategy="moving-window",
    default_limits=["5/minute", "9/hour"],
    limits={"/a/*": "5/minute", "/b": ["1/second"]},
    further_factors=[0.1, 0],
    mode="shadow",
    window_seconds=30,
    learning_minutes=0,
    allow=("192.0.2.0/24",),
)


@limiter.limit("5/minute")
async def later(name: str, *, size: int = 1) -> str:
    return name * size


@limiter.shared_limit(lambda endpoint: "5/minute", scope="all")  # WRONG
@limiter.exempt
def now(name: str) -> str:
    return name


@limiter.login
@limiter.shared_limit("5/minute", scope=lambda name: name, override_base=True, cost=lambda: 2)
class View(MethodView):
    pass


@limiter.request_filter
def is_ours() -> bool:
    return False


shop = limiter.limit("5/minute", override_base=True)(Blueprint("shop", "shop"))
reveal_type(later)
reveal_type(now)
reveal_type(View)
reveal_type(shop)
reveal_type(is_ours)
IntelligentLimiter(app, base_limit="oops")  # WRONG
IntelligentLimiter(app, mod="shadw")  # WRONG
IntelligentLimiter(app, mode="shadw")  # WRONG
IntelligentLimiter(app, detector="forest")  # WRONG
limiter.limit(5)  # WRONG
limiter.limit("5/minute", cost="2")  # WRONG
limiter.limit("5/minute", overide_base=True)  # WRONG
"""


def test_each_option_is_an_argument_and_nothing_else_is() -> None:
    assert set(get_type_hints(OptionArguments)) == set(get_type_hints(Options))


@pytest.mark.parametrize("name", sorted(get_type_hints(OptionArguments)))
def test_an_argument_is_of_its_options_type_or_none(name: str) -> None:
    given = str | PathLike[str] if name.endswith("_file") else get_type_hints(Options)[name]
    expected = AS_ARGUMENT.get(given, given) | None
    assert get_type_hints(OptionArguments)[name] == expected


@pytest.mark.slow
def test_mypy_sees_what_is_wrong_with_options_and_decorators_and_what_views_are(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # The project's settings, and what its own run has found out, are in its folder.
    monkeypatch.chdir(ROOT)
    (tmp_path / "sample.py").write_text(SAMPLE)
    told, complaint, _ = mypy.api.run(
        ["--strict", "--no-error-summary", "--hide-error-context", str(tmp_path / "sample.py")]
    )
    assert complaint == ""
    notes = re.findall(r'note: Revealed type is "(.*)"$', told, re.MULTILINE)
    assert [_plain(note) for note in notes] == [
        "def (name: str, *, size: int =) -> Coroutine[Any, Any, str]",
        "def (name: str) -> str",
        "def () -> View",
        "Blueprint",
        "def () -> bool",
    ]
    wrong = {n for n, line in enumerate(SAMPLE.splitlines(), 1) if line.endswith("# WRONG")}
    found = {int(n) for n in re.findall(r"sample\.py:(\d+): error: ", told)}
    assert found == wrong, told
    assert 'has incompatible type "str"; expected "int | None"' in told
    assert 'Unexpected keyword argument "mod" for "IntelligentLimiter"' in told


def _plain(note: str) -> str:
    """Take the modules out of a type as mypy writes it."""
    return re.sub(r"[\w.]+\.(?=\w)|\?", "", note)


def test_an_argument_that_is_none_counts_as_not_given_but_for_the_base_limit() -> None:
    names = set(get_type_hints(OptionArguments)) - {"base_limit"}
    assert resolve(dict.fromkeys(names), {}, {}) == Options()
