"""List what operators changed, and take changes back."""

from __future__ import annotations

from typing import Final

from flask import Response, request
from werkzeug.exceptions import BadRequest
from werkzeug.wrappers import Response as BaseResponse

from flask_irl.admin.pages import words
from flask_irl.admin.pages.access import visitor
from flask_irl.admin.pages.blueprint import pages
from flask_irl.admin.pages.forms import done, field, page_number
from flask_irl.admin.pages.rendering import page
from flask_irl.admin.pages.views.clients import notice_values
from flask_irl.admin.state import current_admin

PAGE_SIZE: Final = 50
PLACES: Final = {
    "override": "client",
    "clear": "client",
    "feedback": "client",
    "reset": "client",
    "restore": "client",
    "plan": "client",
    "plans": "limits",
    "mode": "limits",
    "limits": "limits",
    "rollback": "models",
    "unpin": "models",
    "end_campaign": "overview",
    "resume_campaign": "overview",
}
"""View that tells of a change that was taken back, by its action."""


@pages.get("/page/audit")
def audit() -> Response:
    """List the changes, the latest first."""
    number = page_number()
    operations = current_admin().operations
    entries, total = operations.audit.entries(offset=(number - 1) * PAGE_SIZE, limit=PAGE_SIZE)
    return page(
        "audit.html",
        entries=entries,
        total=total,
        number=number,
        pages=max(1, -(-total // PAGE_SIZE)),
        change=words.change,
        state=words.state,
        **notice_values(),
    )


@pages.post("/page/undo")
def undo() -> BaseResponse:
    """Take a change back."""
    # As it was sent: a client's name may have spaces around it.
    operations, target = current_admin().operations, request.form.get("target", "")
    try:
        at = float(field("at"))
    except ValueError:
        raise BadRequest("Name the change that is to be undone.") from None
    entry = operations.undo.find(at, target)
    operations.undo.undo(at, target, visitor().who)
    place = PLACES.get("" if entry is None else entry["action"], "audit")
    if place == "client":
        return done(place, target, id=target)
    return done(place, None)
