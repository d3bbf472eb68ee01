"""List attacks as incidents, with what their clients got."""

from __future__ import annotations

from typing import Final

from flask import Response

from flask_irl.admin.pages.blueprint import pages
from flask_irl.admin.pages.exports import export
from flask_irl.admin.pages.forms import page_number
from flask_irl.admin.pages.rendering import page
from flask_irl.admin.state import current_admin
from flask_irl.campaigns.incident import KEPT
from flask_irl.operations.incidents import COLUMNS

PAGE_SIZE: Final = 50


@pages.get("/page/incidents")
def incidents() -> Response:
    """List attacks, the latest first: when, what kind, how many clients, and what they got."""
    number, operations = page_number(), current_admin().operations
    entries, total = operations.incidents((number - 1) * PAGE_SIZE, PAGE_SIZE)
    return page(
        "incidents.html",
        entries=entries,
        total=total,
        number=number,
        pages=max(1, -(-total // PAGE_SIZE)),
        most=KEPT,
    )


@pages.get("/page/incidents/all.<form>")
def export_incidents(form: str) -> Response:
    """Export all incidents as CSV or JSON."""
    return export("incidents", form, current_admin().operations.incidents()[0], COLUMNS)
