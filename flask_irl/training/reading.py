"""Read a model of the store, with the tables that judging and explaining rely on."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final

from flask_irl.behaviour.features import FEATURE_NAMES, FEATURES, SCHEMA
from flask_irl.errors import ModelError
from flask_irl.model.model import Model, load
from flask_irl.stored import is_number

GATE: Final = ("flagged_share", "allowed_share")
"""Figures of the gate that are shown; a later version may know more."""


def read_model(blob: bytes) -> Model:
    """Read a model of the store, as every worker does.

    Raises:
        ModelError: The bytes are damaged or no model, or the model is of another schema or
            inconsistent, or its tables of the site are; says which.
    """
    model = load(blob, schema=SCHEMA)
    if model.features != FEATURE_NAMES:
        raise ModelError(f"its features are {model.features!r:.80}, and not this program's")
    _check_tables(model.site)
    gate, rows_seen = model.report.get("gate", {}), model.report.get("rows_seen", 0)
    figures = [gate.get(name, 0) if isinstance(gate, dict) else None for name in GATE]
    if not all(map(is_number, (*figures, rows_seen))):
        raise ModelError("a figure of its report is none")
    return model


def _check_tables(site: Mapping[str, Any]) -> None:
    """Check the tables of a site; those that are missing, and others, are let pass."""
    for name, check in _CHECKS.items():
        if name in site and not check(site[name]):
            raise ModelError(f"its table {name} of the site is {site[name]!r:.80}")


def _are_numbers(values: Any, least: int = 0) -> bool:
    return isinstance(values, list) and len(values) >= least and all(map(is_number, values))


def _are_shares(table: Any) -> bool:
    return isinstance(table, dict) and all(
        is_number(share) and 0 <= share <= 1 for share in table.values()
    )


def _are_paces(table: Any) -> bool:
    return isinstance(table, dict) and all(
        name.isascii() and name.isdecimal() and len(name) <= 10 and is_number(pace)
        for name, pace in table.items()
    )


def _are_usual(table: Any) -> bool:
    return table == {} or (
        isinstance(table, dict) and all(_are_numbers(table.get(f.name), 2) for f in FEATURES)
    )


_CHECKS: Final[Mapping[str, Callable[[Any], bool]]] = {
    "routes": _are_shares,
    "hours": _are_numbers,
    "weekdays": _are_numbers,
    "paces": _are_paces,
    "usual": _are_usual,
    "began": is_number,
}
