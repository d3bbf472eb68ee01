"""Hold the English of docstrings: a verb in the imperative first, and a noun of the field."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import pytest

ROOT: Final = Path(__file__).parents[1]
PACKAGES: Final = ("flask_irl", "demo_app", "loadtests", "monitoring")

NO_VERBS: Final = frozenset(
    "a an the this that these those it its he she they their there here one ones all any each every"
    " both other others some such no not what who whom whose which whether where when why how if"
    " in on of for from by with without at as to up so since until while after before between and"
    " or but only just also more most less least many much few own same".split()
)
"""Words that begin no sentence about an action."""
ENDS_WITH_S: Final = frozenset("pass process express guess address discuss press cross".split())


def docstrings(root: Path) -> Iterator[tuple[str, str]]:
    """Walk through the docstrings of a package, each with its place."""
    for path in sorted(root.rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            kinds = ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef
            if isinstance(node, kinds) and (text := ast.get_docstring(node)):
                place = f"{path.relative_to(ROOT)}:{getattr(node, 'name', 'module')}"
                yield place, text


def is_imperative(text: str) -> bool:
    """Tell whether a docstring's first word can be a verb in the imperative."""
    word = re.match(r"[A-Za-z]+", text)
    if word is None:
        return False
    first = word[0].lower()
    third_person = first.endswith("s") and first not in ENDS_WITH_S
    return (
        first not in NO_VERBS
        and not third_person
        and not (first.endswith("ing") and first != "bring")
    )


@pytest.mark.parametrize("package", PACKAGES)
def test_docstrings_begin_with_a_verb(package: str) -> None:
    wrong = {place: text.split("\n")[0] for place, text in docstrings(ROOT / package)}
    wrong = {place: line for place, line in wrong.items() if not is_imperative(line)}
    assert wrong == {}


@pytest.mark.parametrize(
    ("line", "right"),
    [
        ("Decide on a request under all limits of a plan.", True),
        ("Pass a request on.", True),
        ("What a request is asked.", False),
        ("The limit of a client.", False),
        ("Decides on a request.", False),
        ("Training of models.", False),
        ("``flask irl replay``.", False),
    ],
)
def test_a_verb_in_the_imperative_is_told_from_other_words(line: str, right: bool) -> None:
    assert is_imperative(line) is right
