"""Test that the docs have every event that the package logs, with its levels and fields."""

from __future__ import annotations

import ast
import functools
import re
from pathlib import Path
from typing import get_args

from flask_irl.training.trainer import Result

ROOT = Path(__file__).parents[2]
LINE_MEMBERS = {"ts", "level", "logger", "event", "traceback"}
"""Members that JSON lines have themselves."""

Events = dict[str, tuple[set[str], set[str]]]
"""Events by name: their levels, and the fields that are written out."""


def test_the_docs_have_every_event_with_its_fields_and_no_other() -> None:
    fields = {name: fields for name, (_, fields) in logged().items()}
    assert fields == {name: fields for name, (_, fields) in documented().items()}


def test_the_docs_give_each_event_its_levels() -> None:
    possible = logged()
    wrong = {
        name: levels for name, (levels, _) in documented().items() if levels - possible[name][0]
    }
    assert wrong == {}


def test_no_event_has_a_field_named_like_a_member_of_every_line() -> None:
    clashing = {
        name: fields & LINE_MEMBERS
        for name, (_, fields) in logged().items()
        if fields & LINE_MEMBERS
    }
    assert clashing == {}


def documented() -> Events:
    """Read the events of ``docs/logs.md``."""
    text = (ROOT / "docs" / "logs.md").read_text(encoding="utf-8")
    rows = re.findall(r"^\| `(\w+)` \| ([A-Z, ]+) \|(.*?)\|(.*)\|$", text, re.M)
    assert all(meaning.strip() for *_, meaning in rows)
    assert len(rows) == len({name for name, *_ in rows})
    return {
        name: (set(levels.split(", ")), set(re.findall(r"`(\w+)`", fields)))
        for name, levels, fields, _ in rows
    }


@functools.cache
def logged() -> Events:
    """Collect the events of the package: calls of ``event`` and ``failure``, and damage logs."""
    events: Events = {}
    for path in sorted((ROOT / "flask_irl").rglob("*.py")):
        if path.name in ("log.py", "damage.py") and path.parent.name == "telemetry":
            continue
        tree = ast.parse(path.read_text(encoding="utf-8"))
        passed_on = _passed_on(tree)
        for call in ast.walk(tree):
            called = getattr(call, "func", None)
            if not isinstance(call, ast.Call) or not isinstance(called, ast.Name):
                continue
            if called.id == "event":
                names, levels = _names(call.args[1]), _levels(call.args[0], tree)
                fields = _fields(call) | _spread(call, tree)
            elif called.id == "failure":
                names, levels, fields = _names(call.args[0]), {"ERROR"}, _fields(call) | {"error"}
            elif called.id == "DamageLog":
                names, levels = _names(call.args[1]), {"WARNING"}
                fields = {"reason", "not_logged"} | _reported(tree)
            else:
                continue
            for name in names:
                before = events.get(name, (set(), set()))
                more = passed_on if name == "admin_refused" else set()
                events[name] = (before[0] | levels, before[1] | fields | more)
    return events


def _names(node: ast.expr) -> set[str]:
    if isinstance(node, ast.IfExp):
        return _names(node.body) | _names(node.orelse)
    if isinstance(node, ast.JoinedStr):
        prefix, result = node.values
        assert isinstance(prefix, ast.Constant)
        assert isinstance(result, ast.FormattedValue)
        assert ast.unparse(result.value) == "training.result"
        return {str(prefix.value) + word for word in get_args(Result)}
    assert isinstance(node, ast.Constant), ast.unparse(node)
    return {str(node.value)}


def _levels(node: ast.expr, tree: ast.Module) -> set[str]:
    if isinstance(node, ast.Name):
        # Chosen in a line before.
        values = [
            assignment.value
            for assignment in ast.walk(tree)
            if isinstance(assignment, ast.Assign) and ast.unparse(assignment.targets[0]) == node.id
        ]
        return set().union(*(_levels(value, tree) for value in values))
    if isinstance(node, ast.IfExp):
        return _levels(node.body, tree) | _levels(node.orelse, tree)
    assert isinstance(node, ast.Attribute), ast.unparse(node)
    return {node.attr}


def _fields(call: ast.Call) -> set[str]:
    return {keyword.arg for keyword in call.keywords if keyword.arg is not None}


def _reported(tree: ast.Module) -> set[str]:
    """Collect the fields that the damage log of a module is given."""
    calls = (call for call in ast.walk(tree) if isinstance(call, ast.Call))
    reports = (
        c for c in calls if ast.unparse(c.func) in ("self._log.report", "self._damaged.report")
    )
    return set().union(*(_fields(call) for call in reports)) - {"kind", "count"}


def _spread(call: ast.Call, tree: ast.Module) -> set[str]:
    """Collect the keys of dictionaries, written out before, that a call spreads by ``**``."""
    names = {ast.unparse(word.value) for word in call.keywords if word.arg is None}
    return {
        str(key.value)
        for assignment in ast.walk(tree)
        if isinstance(assignment, ast.Assign)
        and isinstance(assignment.value, ast.Dict)
        and ast.unparse(assignment.targets[0]) in names
        for key in assignment.value.keys
        if isinstance(key, ast.Constant)
    }


def _passed_on(tree: ast.Module) -> set[str]:
    """Collect the fields that the admin API's logins pass on by ``**fields``."""
    calls = (call for call in ast.walk(tree) if isinstance(call, ast.Call))
    return set().union(
        *(_fields(call) for call in calls if getattr(call.func, "attr", "") == "tell_refusal")
    )
