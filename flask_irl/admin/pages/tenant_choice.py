"""Tell which tenant a page is about, and among which its operator may choose."""

from __future__ import annotations

from typing import Final, NamedTuple

from flask_irl.admin.errors import tell_store_error
from flask_irl.admin.pages.access import visitor_or_none
from flask_irl.admin.state import current_admin
from flask_irl.config.tenants import DEFAULT
from flask_irl.errors import StoreError

MOST: Final = 100
"""Tenants that a page lists at most; of more, one is named."""
VIEWS: Final = ("overview", "traffic", "clients", "incidents", "models", "limits", "audit")
"""Views that a choice of a tenant stays in."""


class TenantChoice(NamedTuple):
    """Hold the choice of a tenant.

    Attributes:
        chosen: The tenant that the page is about; empty for the app's own requests.
        names: Tenants to choose among; empty where they are too many to be listed, or not known
            because the store is out.
        view: The view that shows the tenant that is chosen next.
    """

    chosen: str
    names: list[str]
    view: str


def chosen_tenant() -> str:
    """Name the tenant that the site's operator has chosen; empty for none, or a confined one."""
    found = visitor_or_none()
    tenant = current_admin().part.tenant if found is not None and not found.tenant else ""
    return "" if tenant == DEFAULT else tenant


def tenant_choice(here: str) -> TenantChoice | None:
    """Offer a choice of tenants; None where the app has none, or the operator has no choice.

    Args:
        here: Name of the view that is shown.
    """
    found, tenants = visitor_or_none(), current_admin().tenants
    if found is None or found.tenant or tenants is None:
        return None
    try:
        names = [name for name in tenants.names() if name != DEFAULT]
    except StoreError as error:
        tell_store_error(error)
        names = []
    view = "clients" if here == "client" else here
    shown = names if len(names) <= MOST else []
    return TenantChoice(chosen_tenant(), shown, view if view in VIEWS else "overview")
