"""Compare the tenants of the site, and lead to each."""

from __future__ import annotations

from typing import Final

from flask import Response
from werkzeug.exceptions import Forbidden, NotFound

from flask_irl.admin.pages.access import visitor
from flask_irl.admin.pages.blueprint import pages
from flask_irl.admin.pages.forms import page_number
from flask_irl.admin.pages.rendering import page
from flask_irl.admin.state import current_admin

PAGE_SIZE: Final = 50


@pages.get("/page/tenants")
def tenants() -> Response:
    """List the tenants with their requests of the day, and those of the whole site."""
    admin = current_admin()
    if admin.tenants is None:
        raise NotFound("This app has no tenants.")
    if visitor().tenant:
        raise Forbidden("This token is for one tenant.")
    number, names = page_number(), admin.tenants.names()
    shown = names[(number - 1) * PAGE_SIZE : number * PAGE_SIZE]
    parts = ((name, admin.tenants.find(name)) for name in shown)
    return page(
        "tenants.html",
        entries=[
            (name, part.operations.analytics.today()) for name, part in parts if part is not None
        ],
        total=len(names),
        number=number,
        pages=max(1, -(-len(names) // PAGE_SIZE)),
    )
