"""Offer the operator's operations: the one way in for the admin API and the command line.

Names are imported when they are asked for: a web worker needs none of them until somebody looks.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from flask_irl.operations.audit import MAX_REASON
    from flask_irl.operations.description import FEEDBACK
    from flask_irl.operations.operations import Operations
    from flask_irl.operations.search import COLUMNS, MAX_FOUND, MAX_TEXT, ORDERS
    from flask_irl.operations.settings import MAX_TRIES

__all__ = [
    "COLUMNS",
    "FEEDBACK",
    "MAX_FOUND",
    "MAX_REASON",
    "MAX_TEXT",
    "MAX_TRIES",
    "ORDERS",
    "Operations",
]

_MODULES: Final = {
    "COLUMNS": "search",
    "FEEDBACK": "description",
    "MAX_FOUND": "search",
    "MAX_REASON": "audit",
    "MAX_TEXT": "search",
    "MAX_TRIES": "settings",
    "ORDERS": "search",
    "Operations": "operations",
}


def __getattr__(name: str) -> Any:
    if name not in _MODULES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(import_module(f"{__name__}.{_MODULES[name]}"), name)
    globals()[name] = value
    return value
