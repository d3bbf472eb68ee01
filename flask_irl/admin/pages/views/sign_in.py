"""Sign operators in and out."""

from __future__ import annotations

import logging
from typing import Final
from urllib.parse import unquote

from flask import Response, current_app, redirect, request
from werkzeug.exceptions import Forbidden, HTTPException, TooManyRequests
from werkzeug.wrappers import Response as BaseResponse

from flask_irl.admin.pages.access import cookie, sessions, set_cookie, visitor
from flask_irl.admin.pages.blueprint import pages
from flask_irl.admin.pages.rendering import address, page
from flask_irl.admin.state import current_admin
from flask_irl.limits.keys import network_key
from flask_irl.telemetry.log import event

MAX_NEXT: Final = 2000


@pages.route("/page/sign-in", methods=["GET", "POST"])
def sign_in() -> Response | BaseResponse:
    """Show the form, and begin a session for whoever has a token."""
    if not current_admin().authenticator.by_token:
        return redirect(address("overview"), 303)
    fields = request.args if request.method == "GET" else request.form
    once, following = fields.get("once", "")[:200], fields.get("next", "")
    if request.method == "GET":
        return page("sign_in.html", once=once, next=following, error="")
    authenticator = current_admin().authenticator
    token = sessions().take_once(once) if once else None
    if token is None:
        sent = request.form.get("token", "").strip()
        try:
            if once and not sent:
                raise Forbidden("This link was used before, or is older than a quarter of an hour.")
            token = authenticator.token_of(request, sent.encode("utf-8", "replace"))
        except (Forbidden, TooManyRequests) as error:
            return _again(error, following)
    name, scope = token.name, token.scope
    remote = network_key(request.remote_addr or "")
    event(logging.INFO, "admin_signed_in", name=name, scope=scope, address=remote)
    # Never a cookie that was there before somebody had signed in.
    sessions().end(cookie(request))
    response = redirect(_inside(following), 303)
    set_cookie(response, sessions().begin(token).secret)
    return response


@pages.post("/page/sign-out")
def sign_out() -> BaseResponse:
    """End the session."""
    found = visitor()
    if found.by_token:
        sessions().end(found.secret)
    response = redirect(address("sign_in"), 303)
    set_cookie(response, "")
    return response


def _again(error: HTTPException, following: str) -> Response:
    text = error.description or ""
    response = page("sign_in.html", error.code or 403, once="", next=following, error=text)
    response.headers.extend(
        [(name, value) for name, value in error.get_headers() if name == "Retry-After"]
    )
    return response


def _inside(path: str) -> str:
    """Give the path of a view to go on to: one of the page's own, whatever was asked for."""
    overview = address("overview")
    adapter = current_app.create_url_adapter(request)
    root = request.root_path
    if adapter is None or not path.startswith(f"{root}/") or len(path) > MAX_NEXT:
        return overview
    # Browsers take "%2e%2e" for "..", and servers may decode what is encoded twice.
    own = _decoded(path[len(root) :].partition("?")[0].partition("#")[0])
    beginning = _decoded(overview[len(root) :]).rstrip("/") + "/"
    steps_up = any(part in (".", "..") for part in own.split("/"))
    plain = path.isprintable() and "\\" not in path + own and "//" not in own and not steps_up
    return path if plain and own.isprintable() and own.startswith(beginning) else overview


def _decoded(path: str) -> str:
    """Decode a path until nothing in it is encoded."""
    while (plain := unquote(path)) != path:
        path = plain
    return path
