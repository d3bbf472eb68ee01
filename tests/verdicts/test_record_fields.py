"""Hold the ownership of a profile's fields: each is written by one module of the package alone."""

from __future__ import annotations

import ast
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

from flask_irl.behaviour.profile import RECORD

PACKAGE = Path(__file__).parents[2] / "flask_irl"
OWNERS = {
    "behaviour/profile.py": {"schema"},
    "behaviour/folding.py": {"total", "first", "updated"},
    "behaviour/sketch.py": {"epoch", "seen", "seen_before"},
    "verdicts/merge.py": {"minutes"},
    "verdicts/steps.py": {"worst", "level", "offences", "stepped"},
    "verdicts/training_rows.py": {"row_at", "row_total"},
    "verdicts/profiler.py": {"feedback"},
}
SHARED = {"sums": {"behaviour/profile.py", "behaviour/folding.py"}}
"""Sums fade while a client is idle, and grow with its requests."""


def written_fields(source: str) -> Iterator[str]:
    """Find the fields of records that a module writes: ``records["field"] = ...``."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Assign):
            targets = node.targets
        elif isinstance(node, ast.AugAssign):
            targets = [node.target]
        else:
            continue
        for target in targets:
            while isinstance(target, ast.Subscript):
                key = target.slice
                name = getattr(target.value, "id", getattr(target.value, "attr", ""))
                if name in ("records", "record") and isinstance(key, ast.Constant):
                    yield str(key.value)
                target = target.value


def test_each_field_of_a_profile_is_written_by_its_owner_alone() -> None:
    writers: defaultdict[str, set[str]] = defaultdict(set)
    for path in PACKAGE.rglob("*.py"):
        for field in written_fields(path.read_text(encoding="utf-8")):
            writers[field].add(path.relative_to(PACKAGE).as_posix())
    owners = {field: {module} for module, fields in OWNERS.items() for field in fields}
    assert writers == owners | SHARED


def test_each_field_of_a_profile_has_an_owner() -> None:
    assert set().union(*OWNERS.values()) | set(SHARED) == set(RECORD.names or ())


def test_all_forms_of_a_write_are_recognised() -> None:
    source = """
records["a"] = 1
records["b"][chosen] += 1
self.records["c"][:] = 1
x = records["d"]
"""
    assert sorted(written_fields(source)) == ["a", "b", "c"]
