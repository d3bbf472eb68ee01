"""Mount the admin API in an app."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from flask import Blueprint, Flask

from flask_irl.admin.authentication import Authenticator
from flask_irl.admin.blueprint import blueprint
from flask_irl.admin.converters import CONVERTERS
from flask_irl.admin.documentation import docs_blueprint
from flask_irl.admin.index import add_index
from flask_irl.admin.openapi import AdminApi
from flask_irl.admin.pages.blueprint import pages as pages_blueprint
from flask_irl.admin.pages.views import audit, limits, models, overview, sign_in  # noqa: F401
from flask_irl.admin.pages.views import campaigns as campaign_pages  # noqa: F401
from flask_irl.admin.pages.views import clients as client_pages  # noqa: F401
from flask_irl.admin.pages.views import incidents as incident_pages  # noqa: F401
from flask_irl.admin.pages.views import tenants as tenant_pages  # noqa: F401
from flask_irl.admin.pages.views import traffic as traffic_pages  # noqa: F401
from flask_irl.admin.prefix import DOCS_BLUEPRINT, PAGES_BLUEPRINT, Prefix
from flask_irl.admin.state import EXTENSION, Admin, Part, TenantParts

# Importing the views declares the blueprint's endpoints.
from flask_irl.admin.views import analytics, api_keys, campaigns, clients, site  # noqa: F401
from flask_irl.admin.views import models as model_views  # noqa: F401
from flask_irl.admin.views import plans as plan_views  # noqa: F401
from flask_irl.limits.plan import Plan
from flask_irl.limits.route_scope import RouteScope
from flask_irl.operations import Operations


def mount(
    app: Flask,
    *,
    url_prefix: str,
    operations: Operations,
    authenticator: Authenticator,
    routes: Callable[[], Sequence[Mapping[str, Any]]],
    tenants: TenantParts | None,
    plans: Callable[[], Sequence[Plan]],
    scopes: Callable[[], Sequence[RouteScope]],
    docs: bool,
    pages: bool,
) -> tuple[Blueprint, ...]:
    """Register the blueprints with an app; see :func:`flask_irl.admin.register`."""
    if EXTENSION in app.extensions:
        raise RuntimeError("this app has the admin API already")
    app.url_map.converters.update(CONVERTERS)
    api = AdminApi(app, by_token=authenticator.by_token, tenants=tenants is not None)
    api.register_blueprint(blueprint, url_prefix=url_prefix)
    prefix = Prefix(url_prefix)
    app.extensions[EXTENSION] = Admin(
        Part(operations, routes, plans, scopes), authenticator, tenants, api.document, prefix, pages
    )
    mounted: list[Blueprint] = [blueprint]
    if docs:
        app.register_blueprint(docs_blueprint, url_prefix=url_prefix)
        mounted.append(docs_blueprint)
    if pages:
        app.register_blueprint(pages_blueprint, url_prefix=url_prefix)
        mounted.append(pages_blueprint)
    if pages:
        add_index(app, url_prefix, PAGES_BLUEPRINT, "overview")
    elif docs:
        add_index(app, url_prefix, DOCS_BLUEPRINT, "docs")
    prefix.give_way(app)
    return tuple(mounted)
