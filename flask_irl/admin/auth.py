"""Who may use the admin API: bearer tokens, or the host app's own login."""

from __future__ import annotations

import hashlib
import hmac
import logging
import math
import threading
import time
from collections.abc import Callable, Sequence
from typing import Any, Final
from urllib.parse import urlsplit

from flask import Request
from werkzeug.exceptions import Forbidden, TooManyRequests, Unauthorized

from flask_irl.admin.errors import SAFE_METHODS
from flask_irl.admin.tokens import Scope, Token
from flask_irl.limits.keys import network_key
from flask_irl.limits.limit import Limit
from flask_irl.limits.plan import Plan
from flask_irl.limits.plan import Scope as Counted
from flask_irl.stores.memory.store import MemoryStore
from flask_irl.telemetry.log import Sampler, event

CHALLENGE: Final = 'Bearer realm="flask_irl"'
CLOSED: Final = "No token is configured, so that nobody may come in: set IRL_ADMIN_TOKEN."
SHORT_TOKEN: Final = 16
MAX_FAILURES: Final = 10
WINDOW_SECONDS: Final = 60
MAX_ADDRESSES: Final = 10_000
LOG_SECONDS: Final = 1.0

Authorize = Callable[[str], str | None]
"""Given ``read`` or ``write``, returns the name of the user who may do that, or None; may raise
an ``HTTPException``, such as by ``flask.abort``."""


class NoToken(Unauthorized):
    """401, and what to send."""

    def get_headers(self, *args: Any, **kwargs: Any) -> list[tuple[str, str]]:
        # Werkzeug's own WWWAuthenticate leaves out the quotes, which RFC 6750 wants.
        return [*super().get_headers(*args, **kwargs), ("WWW-Authenticate", CHALLENGE)]


class Authenticator:
    """Decides on each request for the admin API.

    Wrong tokens are counted by remote address, in this process: after ten within a minute, no
    token from there is looked at until the minute is over.

    Args:
        tokens: Who may come in; with none, and no ``authorize``, nobody may.
        authorize: Decides instead of the tokens.
        failed: Told why each refused request was: ``missing``, ``wrong``, ``read_only``,
            ``throttled``, ``cross_site`` or ``host``.
        clock: Seconds since the epoch.
    """

    def __init__(
        self,
        tokens: Sequence[Token] = (),
        *,
        authorize: Authorize | None = None,
        failed: Callable[[str], object] | None = None,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._tokens = [(token, _digest(token.secret.encode())) for token in tokens]
        self._authorize = authorize
        self._failed = failed
        self._failures = MemoryStore(max_clients=MAX_ADDRESSES, clock=clock)
        limit = Limit(MAX_FAILURES, WINDOW_SECONDS)
        self._plan = Plan((Counted("", (limit,)),), "fixed-window", (1.0,))
        self._lock = threading.Lock()
        self._sampler = Sampler(LOG_SECONDS, clock)
        for token in tokens:
            if len(token.secret) < SHORT_TOKEN:
                event(logging.WARNING, "admin_token_short", name=token.name, advised=SHORT_TOKEN)

    @property
    def by_token(self) -> bool:
        """Whether bearer tokens decide."""
        return self._authorize is None

    def check(self, request: Request) -> str:
        """Who a request is from.

        Returns:
            The token's name, or what the host's ``authorize`` returned.

        Raises:
            werkzeug.exceptions.HTTPException: It may not pass: 401, 403 or 429, or whatever
                ``authorize`` raises.
        """
        scope: Scope = "read" if request.method in SAFE_METHODS else "write"
        if self._authorize is not None:
            return self._by_host(self._authorize, request, scope)
        credentials = _credentials(request)
        if credentials is None:
            self._refused(request, "missing")
            needed = "This needs a token: send it as 'Authorization: Bearer <token>'."
            raise NoToken(needed if self._tokens else CLOSED)
        address = network_key(request.remote_addr or "")
        # One at a time: guesses sent at once are counted, too.
        with self._lock:
            wait = self._wait(address)
            token = None if wait else self._match(credentials)
            if token is None and not wait:
                self._failures.hit(self._plan, [address], 1)
        if wait:
            self._refused(request, "throttled")
            raise TooManyRequests(
                f"Too many wrong tokens from this address. Try again in {wait} seconds.",
                retry_after=wait,
            )
        if token is None:
            self._refused(request, "wrong")
            raise Forbidden("This token is not known here." if self._tokens else CLOSED)
        if scope == "write" and token.scope != "write":
            self._refused(request, "read_only", name=token.name)
            raise Forbidden("This token may look, but not change anything.")
        return token.name

    def _match(self, credentials: bytes) -> Token | None:
        """The token that was sent. Takes as long for any: all are compared, by their digests."""
        given = _digest(credentials)
        found = None
        for token, digest in self._tokens:
            if hmac.compare_digest(given, digest):
                found = token
        return found

    def _wait(self, address: str) -> int:
        """For how many seconds an address is not listened to; 0 if it is."""
        hit = self._failures.hit(self._plan, [address], 0)
        return 0 if hit.remaining else max(1, math.ceil(hit.reset_after / 1e6))

    def _by_host(self, authorize: Authorize, request: Request, scope: Scope) -> str:
        # A login by cookie is sent along by any page of any site.
        if scope == "write" and _from_elsewhere(request):
            self._refused(request, "cross_site")
            raise Forbidden("This request was sent by a page of another site.")
        who = authorize(scope)
        if not isinstance(who, str) or not who:
            self._refused(request, "host")
            raise Forbidden(f"You may not {scope} here.")
        return who

    def _refused(self, request: Request, reason: str, **fields: object) -> None:
        if self._failed is not None:
            self._failed(reason)
        held = self._sampler.passes()
        if held is not None:
            address = network_key(request.remote_addr or "")
            event(
                logging.WARNING,
                "admin_refused",
                reason=reason,
                address=address,
                method=request.method[:16],
                endpoint=request.endpoint,
                not_logged=held,
                **fields,
            )


def _digest(secret: bytes) -> bytes:
    return hashlib.sha256(secret).digest()


def _credentials(request: Request) -> bytes | None:
    """The bearer token that a request carries, as it was sent; None if it carries none."""
    header = request.environ.get("HTTP_AUTHORIZATION", "")
    scheme, _, rest = header.partition(" ")
    if scheme.lower() != "bearer" or not rest.strip():
        return None
    # WSGI hands bytes over as latin-1.
    sent: bytes = rest.strip().encode("latin-1", "replace")
    return sent


def _from_elsewhere(request: Request) -> bool:
    """Whether a browser says that another site's page sent this, as Go's CrossOriginProtection
    tells it: by ``Sec-Fetch-Site``, else by comparing ``Origin`` with ``Host``."""
    site = request.headers.get("Sec-Fetch-Site")
    if site is not None:
        return site not in ("same-origin", "none")
    origin = request.headers.get("Origin")
    if origin is None:
        return False
    try:
        return urlsplit(origin).netloc != request.host
    except ValueError:
        return True
