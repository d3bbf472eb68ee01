"""Authenticate requests to the admin API, by bearer tokens or the host app's own login."""

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
from flask_irl.limits.plan import Scope as LimitScope
from flask_irl.stores.memory.store import MemoryStore
from flask_irl.telemetry.forks import renew_after_fork
from flask_irl.telemetry.log import Sampler, event
from flask_irl.web.callbacks import Authorize, call

CHALLENGE: Final = 'Bearer realm="flask_irl"'
SHORT_TOKEN: Final = 16
MAX_FAILURES: Final = 10
WINDOW_SECONDS: Final = 60
MAX_ADDRESSES: Final = 10_000
LOG_SECONDS: Final = 1.0


class NoToken(Unauthorized):
    """Answer 401 with the challenge to send a token."""

    def get_headers(self, *args: Any, **kwargs: Any) -> list[tuple[str, str]]:
        # Werkzeug's own WWWAuthenticate leaves out the quotes, which RFC 6750 requires.
        return [*super().get_headers(*args, **kwargs), ("WWW-Authenticate", CHALLENGE)]


class Authenticator:
    """Decide on access to the admin API.

    Wrong tokens are counted by remote address, in this process: after ten within a minute, no
    token from that address is looked at until the minute is over.

    Args:
        tokens: The tokens that admit; with none, and no ``authorize``, nobody is admitted.
        authorize: Decides instead of the tokens.
        failed: Called with the reason of each refusal: ``missing``, ``wrong``, ``read_only``,
            ``throttled``, ``cross_site``, ``form_token`` or ``host``.
        clock: Gives seconds since the epoch.
        max_addresses: Addresses that are kept at most, 1 or more.
    """

    def __init__(
        self,
        tokens: Sequence[Token] = (),
        *,
        authorize: Authorize | None = None,
        failed: Callable[[str], object] | None = None,
        clock: Callable[[], float] = time.time,
        max_addresses: int = MAX_ADDRESSES,
    ) -> None:
        self._tokens = [(token, _digest(token.secret.encode())) for token in tokens]
        self._authorize = authorize
        self._failed = failed
        self._failures = MemoryStore(max_clients=max_addresses, clock=clock)
        limit = Limit(MAX_FAILURES, WINDOW_SECONDS)
        self._plan = Plan((LimitScope("", (limit,)),), "fixed-window", (1.0,))
        self._lock = threading.Lock()
        self._sampler = Sampler(LOG_SECONDS, clock)
        renew_after_fork(self)
        for token in tokens:
            if len(token.secret) < SHORT_TOKEN:
                event(logging.WARNING, "admin_token_short", name=token.name, advised=SHORT_TOKEN)

    def after_fork(self) -> None:
        """Renew the locks in a forked process."""
        self._lock = threading.Lock()
        self._failures.after_fork()

    @property
    def by_token(self) -> bool:
        """Tell whether bearer tokens decide on access."""
        return self._authorize is None

    def check(self, request: Request) -> str:
        """Authenticate a request, and name the operator; see :meth:`identify`."""
        return self.identify(request)[0]

    def identify(self, request: Request) -> tuple[str, str]:
        """Authenticate a request.

        Returns:
            The operator: the token's name, or the name that the host's ``authorize`` returned; and
            the tenant that the operator is confined to, empty for none.

        Raises:
            werkzeug.exceptions.HTTPException: The request is refused: with 401, 403 or 429, or by
                ``authorize``.
        """
        scope: Scope = "read" if request.method in SAFE_METHODS else "write"
        if self._authorize is not None:
            return self._by_host(self._authorize, request, scope), ""
        credentials = _credentials(request)
        if credentials is None:
            self.tell_refusal(request, "missing")
            raise NoToken("This needs a token: send it as 'Authorization: Bearer <token>'.")
        token = self.token_of(request, credentials)
        if scope == "write" and token.scope != "write":
            self.tell_refusal(request, "read_only", name=token.name)
            raise Forbidden("This token may read, but not change anything.")
        return token.name, token.tenant

    def token_of(self, request: Request, credentials: bytes) -> Token:
        """Find the token that a request's sender has shown; wrong ones are counted.

        Raises:
            werkzeug.exceptions.HTTPException: There is none such (403), or there were too many
                wrong ones from its address (429).
        """
        address = network_key(request.remote_addr or "")
        # Under a lock, so that guesses sent at once are counted, too.
        with self._lock:
            wait = self._wait(address)
            token = None if wait else self._match(credentials)
            if token is None and not wait:
                self._failures.hit(self._plan, [address], 1)
        if wait:
            self.tell_refusal(request, "throttled")
            raise TooManyRequests(
                f"Too many wrong tokens from this address. Try again in {wait} seconds.",
                retry_after=wait,
            )
        if token is None:
            self.tell_refusal(request, "wrong")
            raise Forbidden("This token is not known here.")
        return token

    def mark_of(self, token: Token) -> str:
        """Make a text by which a session remembers its token, and from which nobody guesses it."""
        return hashlib.sha256(b"session of " + _digest(token.secret.encode())).hexdigest()

    def seal(self, token: Token, content: bytes) -> str:
        """Make a code of a session's content that nobody makes without the token."""
        key = hmac.digest(token.secret.encode(), b"flask_irl sessions", "sha256")
        return hmac.new(key, content, hashlib.sha256).hexdigest()

    def token_marked(self, mark: str) -> Token | None:
        """Find the token of a mark; None for one that is configured no more."""
        return next((token for token, _ in self._tokens if self.mark_of(token) == mark), None)

    def strongest(self) -> Token | None:
        """Give a token of the site that may write, else any of the site; None if there is none."""
        tokens = [token for token, _ in self._tokens if not token.tenant]
        return next((t for t in tokens if t.scope == "write"), tokens[0] if tokens else None)

    def user_of_host(self, scope: Scope) -> str | None:
        """Ask the host's login who may read or write in the current request; None for nobody.

        Raises:
            werkzeug.exceptions.HTTPException: By ``authorize``.
        """
        user = None if self._authorize is None else call(self._authorize, scope)
        return user if isinstance(user, str) and user else None

    def _match(self, credentials: bytes) -> Token | None:
        """Find a token in constant time: the digests of all tokens are compared."""
        sent = _digest(credentials)
        match = None
        for token, digest in self._tokens:
            if hmac.compare_digest(sent, digest):
                match = token
        return match

    def _wait(self, address: str) -> int:
        """Give the seconds until tokens of an address are looked at again; 0 if they are now."""
        hit = self._failures.hit(self._plan, [address], 0)
        return 0 if hit.remaining else max(1, math.ceil(hit.reset_after / 1e6))

    def _by_host(self, authorize: Authorize, request: Request, scope: Scope) -> str:
        # Browsers send a login by cookie along from any page of any site.
        if scope == "write":
            self.check_origin(request)
        user = call(authorize, scope)
        if not isinstance(user, str) or not user:
            self.tell_refusal(request, "host")
            raise Forbidden(f"You may not {scope} here.")
        return user

    def check_origin(self, request: Request) -> None:
        """Refuse a change that another site's page sends.

        Raises:
            werkzeug.exceptions.Forbidden: One does.
        """
        if _from_elsewhere(request):
            self.tell_refusal(request, "cross_site")
            raise Forbidden("This request was sent by a page of another site.")

    def tell_refusal(self, request: Request, reason: str, **fields: object) -> None:
        """Count and log a refused request, by its reason."""
        if self._failed is not None:
            self._failed(reason)
        not_logged = self._sampler.passes()
        if not_logged is not None:
            address = network_key(request.remote_addr or "")
            event(
                logging.WARNING,
                "admin_refused",
                reason=reason,
                address=address,
                method=request.method[:16],
                endpoint=request.endpoint,
                not_logged=not_logged,
                **fields,
            )


def _digest(secret: bytes) -> bytes:
    return hashlib.sha256(secret).digest()


def _credentials(request: Request) -> bytes | None:
    """Read a request's bearer token, as it was sent; None if there is none."""
    header = request.environ.get("HTTP_AUTHORIZATION", "")
    scheme, _, rest = header.partition(" ")
    if scheme.lower() != "bearer" or not rest.strip():
        return None
    # WSGI hands bytes over as latin-1.
    sent: bytes = rest.strip().encode("latin-1", "replace")
    return sent


def _from_elsewhere(request: Request) -> bool:
    """Check whether another site's page sent a request, as Go's CrossOriginProtection does.

    The browser says so by ``Sec-Fetch-Site``, else ``Origin`` is compared with ``Host``.
    """
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
