"""Mount the admin API in an app."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from flask import Blueprint, Flask

from flask_irl.admin.authentication import Authenticator
from flask_irl.admin.blueprint import blueprint
from flask_irl.admin.converters import CONVERTERS
from flask_irl.admin.documentation import docs_blueprint
from flask_irl.admin.openapi import AdminApi
from flask_irl.admin.prefix import Prefix
from flask_irl.admin.state import EXTENSION, Admin

# Importing the views declares the blueprint's endpoints.
from flask_irl.admin.views import api_keys, campaigns, clients, models, plans, site  # noqa: F401
from flask_irl.operations import Operations


def mount(
    app: Flask,
    *,
    url_prefix: str,
    operations: Operations,
    authenticator: Authenticator,
    routes: Callable[[], Sequence[Mapping[str, Any]]],
    docs: bool,
) -> tuple[Blueprint, ...]:
    """Register the blueprints with an app; see :func:`flask_irl.admin.register`."""
    if EXTENSION in app.extensions:
        raise RuntimeError("this app has the admin API already")
    app.url_map.converters.update(CONVERTERS)
    api = AdminApi(app, by_token=authenticator.by_token)
    api.register_blueprint(blueprint, url_prefix=url_prefix)
    prefix = Prefix(url_prefix)
    app.extensions[EXTENSION] = Admin(operations, authenticator, routes, api.document, prefix)
    if docs:
        app.register_blueprint(docs_blueprint, url_prefix=url_prefix)
    prefix.give_way(app)
    return (blueprint, docs_blueprint) if docs else (blueprint,)
