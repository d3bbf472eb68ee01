"""Keep the admin API's state for an app."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, cast

from flask import current_app

from flask_irl.admin.authentication import Authenticator
from flask_irl.admin.prefix import Prefix
from flask_irl.limits.plan import Plan
from flask_irl.operations import Operations

EXTENSION: Final = "flask_irl.admin"


@dataclass(frozen=True, slots=True)
class Admin:
    """Hold the admin API of an app.

    Args:
        operations: The operations behind the endpoints.
        authenticator: Decides on access.
        routes: Lists the app's routes: ``route``, ``methods``, ``limits`` and ``exempt`` of each.
        spec: Makes the OpenAPI document.
        prefix: Where it is mounted.
        plans: Lists the plans of those routes, each once.
        pages: Whether the operator's page is there.
    """

    operations: Operations
    authenticator: Authenticator
    routes: Callable[[], Sequence[Mapping[str, Any]]]
    spec: Callable[[], dict[str, Any]]
    prefix: Prefix
    plans: Callable[[], Sequence[Plan]]
    pages: bool


def current_admin() -> Admin:
    """Find the admin API of the current app."""
    return cast(Admin, current_app.extensions[EXTENSION])
