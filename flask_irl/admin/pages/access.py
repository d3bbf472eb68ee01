"""Admit requests to the operator's page: by a session, or by the host's own login."""

from __future__ import annotations

import hmac
import secrets
from dataclasses import dataclass
from typing import Final

from flask import Request, Response, g, has_request_context, redirect, request, url_for
from werkzeug.exceptions import Forbidden, HTTPException
from werkzeug.wrappers import Response as BaseResponse

from flask_irl.admin.endpoints import TENANT
from flask_irl.admin.errors import SAFE_METHODS
from flask_irl.admin.index import INDEX
from flask_irl.admin.pages.sessions import Sessions, form_token
from flask_irl.admin.prefix import PAGES_BLUEPRINT
from flask_irl.admin.state import current_admin

COOKIE: Final = "irl_session"
POLL: Final = "X-Irl-Poll"
"""Header of requests that a page sends by itself, and that keep no session alive."""
MAX_BODY: Final = 16 * 1024
"""Bytes of a form at most."""
MAX_COOKIE: Final = 200
OPEN: Final = frozenset({"sign_in", "file", INDEX})
"""Views that need no session."""


@dataclass(frozen=True, slots=True)
class Visitor:
    """Describe whoever looks at the page.

    Args:
        who: The operator's name, for the audit log.
        may_write: Whether the operator may change anything.
        secret: The cookie's value, from which the tokens of forms are made.
        by_token: Whether a session was begun with a token, and can be ended here.
        tenant: The one tenant that the operator may see; empty for all.
    """

    who: str
    may_write: bool
    secret: str
    by_token: bool
    tenant: str = ""


def visitor() -> Visitor:
    """Give the operator that sent the current request."""
    found: Visitor = g.irl_page_visitor
    return found


def visitor_or_none() -> Visitor | None:
    """Give the operator that sent the current request; None for one that isn't known."""
    return g.get("irl_page_visitor") if has_request_context() else None


def sessions() -> Sessions:
    """Give the sessions of the current app."""
    admin = current_admin()
    return Sessions(admin.own.operations.store, admin.authenticator)


def admit() -> BaseResponse | None:
    """Admit the current request, or answer it instead: by the form to sign in, or an error.

    Raises:
        werkzeug.exceptions.HTTPException: The request is refused.
        StoreError: The store failed.
    """
    request.max_content_length = min(MAX_BODY, request.max_content_length or MAX_BODY)
    authenticator = current_admin().authenticator
    changes = request.method not in SAFE_METHODS
    if changes:
        authenticator.check_origin(request)
    endpoint = (request.endpoint or "").rpartition(".")[2]
    if endpoint in OPEN:
        return None
    if not authenticator.by_token:
        _admit_by_host(changes)
        return None
    session = sessions().find(cookie(request), renew=POLL not in request.headers)
    if session is None:
        is_plain = endpoint == "overview" and not request.query_string
        path = None if changes or is_plain else request.full_path.rstrip("?")
        return redirect(url_for(f"{PAGES_BLUEPRINT}.sign_in", next=path), 303)
    token = session.token
    found = Visitor(token.name, token.scope == "write", session.secret, True, token.tenant)
    g.irl_page_visitor = found
    # By the address alone: no field of a form chooses.
    current_admin().choose(request.args.get(TENANT, ""), token.tenant)
    if changes:
        _check_form(found)
        if not found.may_write and endpoint != "sign_out":
            authenticator.tell_refusal(request, "read_only", name=found.who)
            raise Forbidden("This token may read, but not change anything.")
    return None


def cookie_name(request: Request) -> str:
    """Name the cookie; by HTTPS, one that no page sent without it can have set."""
    return f"__Secure-{COOKIE}" if request.is_secure else COOKIE


def cookie(request: Request) -> str:
    """Read the cookie; empty if there is none, or one that can't be ours."""
    value = request.cookies.get(cookie_name(request), "")
    return value if len(value) <= MAX_COOKIE else ""


def set_cookie(response: Response | BaseResponse, secret: str) -> None:
    """Send the cookie with a response; without a secret, have the browser drop it."""
    path = (request.root_path + current_admin().prefix.path) or "/"
    response.set_cookie(
        cookie_name(request),
        secret,
        path=path,
        secure=request.is_secure,
        httponly=True,
        samesite="Strict",
        max_age=None if secret else 0,
    )


def send_host_cookie(response: Response) -> Response:
    """Send the cookie that forms are checked against, where the host's login decides."""
    found = visitor_or_none()
    if found is not None and not found.by_token and cookie(request) != found.secret:
        set_cookie(response, found.secret)
    return response


def _admit_by_host(changes: bool) -> None:
    authenticator = current_admin().authenticator
    who = authenticator.user_of_host("write" if changes else "read")
    if who is None:
        authenticator.tell_refusal(request, "host")
        raise Forbidden(
            "You may not change anything here." if changes else "You may not look here."
        )
    secret = cookie(request) or secrets.token_urlsafe(32)
    g.irl_page_visitor = Visitor(who, changes or _may_write(), secret, False)
    current_admin().choose(request.args.get(TENANT, ""), "")
    if changes:
        _check_form(g.irl_page_visitor)


def _may_write() -> bool:
    try:
        return current_admin().authenticator.user_of_host("write") is not None
    except HTTPException:
        # Such as a redirect to the host's login, for those who want to write.
        return False


def _check_form(found: Visitor) -> None:
    sent = request.form.get("form_token", "")
    known = cookie(request) == found.secret
    if not known or not hmac.compare_digest(sent.encode(), form_token(found.secret).encode()):
        current_admin().authenticator.tell_refusal(request, "form_token")
        raise Forbidden("This form is not one of this session: open the page anew, and try again.")
