"""Refuse requests for their API keys: problem+json (RFC 9457), with a challenge (RFC 6750)."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Final

from werkzeug.exceptions import Forbidden, HTTPException, ServiceUnavailable, Unauthorized
from werkzeug.http import HTTP_STATUS_CODES

from flask_irl.api_keys.presented import Rejection
from flask_irl.web.exchange import Headers
from flask_irl.web.refusal_body import PROBLEM

if TYPE_CHECKING:
    from _typeshed.wsgi import WSGIEnvironment
    from werkzeug.sansio.response import Response

RETRY_SECONDS: Final = 1
DETAILS: Final[dict[str, str]] = {
    # Nobody learns which keys there are.
    "unknown": "The API key is not valid.",
    "revoked": "The API key was revoked.",
    "expired": "The API key has expired.",
    "checksum": "The API key is not valid: it was not copied whole.",
    "ambiguous": "The request has two different API keys: send one.",
    "unverified": "The API key can't be checked at the moment. Try again in a second.",
    "missing": "This needs an API key: send it as 'Authorization: Bearer <key>'.",
}


class ApiKeyError(HTTPException):
    """Refuse a request for its API key; an app's error handlers may answer it.

    Args:
        reason: As of ``irl_api_key_rejections_total``.
        detail: The reason, for people.
        headers: Headers of the response.
        drop: Drops what the request still has to send.
    """

    def __init__(
        self,
        reason: str,
        detail: str,
        headers: Headers,
        drop: Callable[[WSGIEnvironment], object],
    ) -> None:
        super().__init__(detail)
        self.reason = reason
        self._headers = headers
        self._drop = drop

    def get_response(  # type: ignore[override]
        self, environ: Any = None, scope: dict[str, Any] | None = None
    ) -> Response:
        """Make the response, and read what the request still has to send."""
        if environ is not None:
            self._drop(getattr(environ, "environ", environ))
        return super().get_response(environ, scope)

    def get_body(self, environ: Any = None, scope: dict[str, Any] | None = None) -> str:
        """Write the body."""
        code = self.code or 401
        return json.dumps(
            {
                "type": "about:blank",
                "title": HTTP_STATUS_CODES[code],
                "status": code,
                "detail": self.description,
            }
        )

    def get_headers(self, environ: Any = None, scope: dict[str, Any] | None = None) -> Headers:
        """List the headers."""
        return [("Content-Type", PROBLEM), ("Cache-Control", "no-store"), *self._headers]


class ApiKeyNotAccepted(ApiKeyError, Unauthorized):
    """Refuse a request that has no API key, or one that isn't valid: 401."""

    code = 401


class ApiKeyLacksScope(ApiKeyError, Forbidden):
    """Refuse a request whose API key may not be used for it: 403."""

    code = 403


class ApiKeyNotVerified(ApiKeyError, ServiceUnavailable):
    """Refuse a request whose API key no store can tell about at the moment: 503."""

    code = 503


def not_accepted(reason: Rejection, drop: Callable[[WSGIEnvironment], object]) -> ApiKeyError:
    """Make the error for a key that isn't accepted."""
    if reason == "unverified":
        retry = [("Retry-After", str(RETRY_SECONDS))]
        return ApiKeyNotVerified(reason, DETAILS[reason], retry, drop)
    challenge = 'Bearer realm="api", error="invalid_token"'
    return ApiKeyNotAccepted(reason, DETAILS[reason], [("WWW-Authenticate", challenge)], drop)


def missing(drop: Callable[[WSGIEnvironment], object]) -> ApiKeyError:
    """Make the error for a request without a key."""
    headers = [("WWW-Authenticate", 'Bearer realm="api"')]
    return ApiKeyNotAccepted("missing", DETAILS["missing"], headers, drop)


def lacks_scope(scope: str, drop: Callable[[WSGIEnvironment], object]) -> ApiKeyError:
    """Make the error for a key without a scope."""
    challenge = f'Bearer realm="api", error="insufficient_scope", scope="{scope}"'
    detail = f"The API key lacks the scope {scope}."
    return ApiKeyLacksScope("scope", detail, [("WWW-Authenticate", challenge)], drop)
