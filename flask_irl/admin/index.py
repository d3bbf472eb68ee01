"""Lead from the prefix itself to the operator's page, or to the docs where that is off."""

from __future__ import annotations

from typing import Final

from flask import Flask, current_app, redirect, request, url_for
from werkzeug.exceptions import NotFound
from werkzeug.wrappers import Response as BaseResponse

from flask_irl.admin.endpoints import TENANT
from flask_irl.admin.prefix import LAST_AT
from flask_irl.admin.state import current_admin

INDEX: Final = "index"
"""Name of the view, within the blueprint that it leads to."""


def add_index(app: Flask, url_prefix: str, blueprint: str, view: str) -> None:
    """Have a prefix lead to a view, unless the host has pages there.

    Args:
        app: The app, with the blueprint.
        url_prefix: The prefix.
        blueprint: Name of the blueprint.
        view: Name of its view.
    """

    def index(path: str) -> BaseResponse:
        if current_admin().prefix.has_pages_of_host(current_app):
            # The host's error page: this is no request of ours.
            request.url_rule = request.view_args = None
            raise NotFound
        # No other part of the query: names that begin with "_" mean something to url_for.
        return redirect(url_for(f"{blueprint}.{view}", tenant=request.args.get(TENANT) or None))

    # Not by add_url_rule: even a catch-all of the host's goes before it.
    rule = f'/<{LAST_AT}("{url_prefix}"):path>'
    endpoint = f"{blueprint}.{INDEX}"
    app.url_map.add(app.url_rule_class(rule, endpoint=endpoint, methods=["GET"]))
    app.view_functions[endpoint] = index
