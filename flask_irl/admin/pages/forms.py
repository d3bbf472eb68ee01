"""Read what forms and addresses of the operator's page send; nothing of it is trusted."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from flask import redirect, request
from werkzeug.wrappers import Response as BaseResponse

from flask_irl.admin.pages.access import visitor
from flask_irl.admin.pages.rendering import address
from flask_irl.admin.state import current_admin
from flask_irl.errors import ConfigurationError
from flask_irl.operations import MAX_REASON
from flask_irl.operations.results import AuditEntry
from flask_irl.operations.texts import check_line

DURATIONS: Final[Mapping[str, int]] = {
    "10 minutes": 600,
    "1 hour": 3600,
    "1 day": 86_400,
    "7 days": 7 * 86_400,
    "30 days": 30 * 86_400,
}
MAX_DIGITS: Final = 15


def field(name: str) -> str:
    """Read a field of the form, without spaces around it; empty if it wasn't sent."""
    return request.form.get(name, "").strip()


def whole(name: str, text: str) -> int:
    """Read a whole number.

    Raises:
        ConfigurationError: It is none.
    """
    if not (text.isascii() and text.isdigit() and len(text) <= MAX_DIGITS):
        raise ConfigurationError(f"{name} is {text[:40]!r}: give a whole number")
    return int(text)


def page_number() -> int:
    """Read the number of the page of a list; 1 for anything that is none."""
    text = request.args.get("page", "1")
    return max(int(text), 1) if text.isascii() and text.isdigit() and len(text) <= 6 else 1


def reason() -> str:
    """Read the reason of a change.

    Raises:
        ConfigurationError: It is no line of text, or too long.
    """
    return check_line("reason", field("reason"), MAX_REASON)


def seconds() -> int:
    """Read for how long a change is to hold.

    Raises:
        ConfigurationError: It is no number.
    """
    return whole("seconds", field("seconds"))


def done(endpoint: str, target: str | None, **values: object) -> BaseResponse:
    """Lead to a view that tells of the change that the operator has just made, with its undo.

    Args:
        endpoint: Name of the view.
        target: Target of the change; None for that of the operator's latest one.
        values: The view's own.
    """
    entry = current_admin().operations.undo.latest(visitor().who, target)
    if entry is not None:
        values |= {"done": repr(entry["at"]), "target": entry["target"]}
    return redirect(address(endpoint, **values), 303)


def notice() -> AuditEntry | None:
    """Find the change that this view is to tell of; None for none."""
    try:
        at = float(request.args.get("done", ""))
    except ValueError:
        return None
    return current_admin().operations.undo.find(at, request.args.get("target", ""))
