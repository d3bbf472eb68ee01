"""What the admin API keeps for one app."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, cast

from flask import current_app

from flask_irl.admin.auth import Authenticator
from flask_irl.operations import Operations

EXTENSION: Final = "flask_irl.admin"
BLUEPRINT: Final = "irl_admin"
DOCS_BLUEPRINT: Final = "irl_admin_docs"


@dataclass(frozen=True, slots=True)
class Admin:
    """The admin API of one app.

    Args:
        operations: What it does.
        authenticator: Who may.
        routes: Tells the app's routes: ``route``, ``methods``, ``limits`` and ``exempt`` of each.
        spec: Its OpenAPI document.
    """

    operations: Operations
    authenticator: Authenticator
    routes: Callable[[], Sequence[Mapping[str, Any]]]
    spec: Callable[[], dict[str, Any]]


def current_admin() -> Admin:
    """The current app's."""
    return cast(Admin, current_app.extensions[EXTENSION])
