"""Keep the admin API's state for an app."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, NamedTuple, Protocol, cast

from flask import current_app, g
from werkzeug.exceptions import Forbidden, NotFound

from flask_irl.admin.authentication import Authenticator
from flask_irl.admin.prefix import Prefix
from flask_irl.limits.plan import Plan
from flask_irl.limits.route_scope import RouteScope
from flask_irl.operations import Operations

EXTENSION: Final = "flask_irl.admin"
PART: Final = "irl_admin_part"
"""Name under which Flask's ``g`` has what a request is about."""
Routes = Callable[[], Sequence[Mapping[str, Any]]]


class Part(NamedTuple):
    """Hold what the endpoints are about: the app's own requests, or those of one tenant.

    Attributes:
        operations: The operations behind the endpoints.
        routes: Lists the app's routes: ``route``, ``methods``, ``limits`` and ``exempt`` of each.
        plans: Lists the plans of those routes, each once.
        scopes: Lists the scopes of those routes.
        tenant: The tenant; empty where the app has none.
    """

    operations: Operations
    routes: Routes
    plans: Callable[[], Sequence[Plan]]
    scopes: Callable[[], Sequence[RouteScope]]
    tenant: str = ""


class TenantParts(Protocol):
    """Find the parts of an app's tenants."""

    def find(self, tenant: str) -> Part | None:
        """Find that of a tenant; None if there is no such tenant."""

    def names(self) -> list[str]:
        """List the tenants."""


@dataclass(frozen=True, slots=True)
class Admin:
    """Hold the admin API of an app.

    Args:
        own: What is about the app's own requests.
        authenticator: Decides on access.
        tenants: The parts of its tenants; None where it has none.
        spec: Makes the OpenAPI document.
        prefix: Where it is mounted.
        pages: Whether the operator's page is there.
    """

    own: Part
    authenticator: Authenticator
    tenants: TenantParts | None
    spec: Callable[[], dict[str, Any]]
    prefix: Prefix
    pages: bool

    @property
    def part(self) -> Part:
        """Give what the current request is about."""
        part: Part = g.get(PART, self.own)
        return part

    @property
    def operations(self) -> Operations:
        """Give the operations that the current request is about."""
        return self.part.operations

    def routes(self) -> Sequence[Mapping[str, Any]]:
        """List the app's routes, as they are for the requests that the current one is about."""
        return self.part.routes()

    def plans(self) -> Sequence[Plan]:
        """List the plans of those routes, each once."""
        return self.part.plans()

    def scopes(self) -> Sequence[RouteScope]:
        """List the scopes of those routes."""
        return self.part.scopes()

    def choose(self, asked: str, confined_to: str) -> None:
        """Choose what the current request is about.

        Args:
            asked: The tenant that it asks for; empty for none.
            confined_to: The tenant that its operator may see; empty for all.

        Raises:
            werkzeug.exceptions.HTTPException: There is no such tenant, or it is another one's: of
                those nothing is told, not even whether they are there.
            StoreError: The store failed.
        """
        if confined_to and asked not in ("", confined_to):
            raise Forbidden("This token is for another tenant.")
        wanted = confined_to or asked
        if not wanted:
            return
        found = None if self.tenants is None else self.tenants.find(wanted)
        if found is None:
            raise NotFound("There is no tenant of this name: GET /tenants lists them.")
        setattr(g, PART, found)


def current_admin() -> Admin:
    """Find the admin API of the current app."""
    return cast(Admin, current_app.extensions[EXTENSION])
