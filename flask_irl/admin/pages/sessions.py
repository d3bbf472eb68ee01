"""Keep sessions of the operator's page in the store, for all workers alike.

Whoever writes to the store makes no session: each record has a code of its content and of its
cookie, by a key that is derived from the token it was begun with and that the store never has.
"""

from __future__ import annotations

import hashlib
import hmac
import json
import secrets
from dataclasses import dataclass
from typing import Any, Final

from flask_irl.admin.authentication import Authenticator
from flask_irl.admin.tokens import Token
from flask_irl.stored import is_number, read_json
from flask_irl.stores.base import Store

IDLE_SECONDS: Final = 30 * 60
"""Time without a request of the operator's after which a session ends."""
LONGEST_SECONDS: Final = 12 * 3600
"""Time after which a session ends in any case."""
ONCE_SECONDS: Final = 15 * 60
"""Time in which a one-time token has to be used."""
RENEWED_SECONDS: Final = 60
"""Time for which a session isn't written again, however many requests come."""
MOST: Final = 500
"""Sessions and one-time tokens at a time; the first to end makes room for another."""


@dataclass(frozen=True, slots=True)
class Session:
    """Hold a session.

    Args:
        secret: The cookie's value; the store has a hash of it.
        token: The token that it was begun with.
        began: Its beginning, in seconds since the epoch.
        until: Its end unless a request comes, in seconds since the epoch.
    """

    secret: str
    token: Token
    began: float
    until: float


class Sessions:
    """Begin, find and end sessions.

    A session ends with its token: when that is configured no more, so is what was begun with it.

    Args:
        store: Keeps them.
        authenticator: Knows the tokens.
    """

    def __init__(self, store: Store, authenticator: Authenticator) -> None:
        self._store = store
        self._authenticator = authenticator

    def begin(self, token: Token) -> Session:
        """Begin a session of an operator that has shown a token.

        Raises:
            StoreError: The store failed.
        """
        now = self._store.now()
        session = Session(secrets.token_urlsafe(32), token, now, now + IDLE_SECONDS)
        self._put("session", session)
        return session

    def find(self, secret: str, *, renew: bool = True) -> Session | None:
        """Find a session by its cookie's value; None if there is none, or none any more.

        Args:
            secret: The cookie's value.
            renew: Begins the idle time anew; False for requests that no person has made.

        Raises:
            StoreError: The store failed.
        """
        session = self._read("session", secret, self._store.session(_name("session", secret)))
        if session is None or not renew:
            return session
        until = min(self._store.now() + IDLE_SECONDS, session.began + LONGEST_SECONDS)
        if until - session.until >= RENEWED_SECONDS:
            session = Session(secret, session.token, session.began, until)
            self._put("session", session, renew=True)
        return session

    def end(self, secret: str) -> None:
        """End a session.

        Raises:
            StoreError: The store failed.
        """
        self._store.end_session(_name("session", secret))

    def issue_once(self, token: Token) -> str:
        """Issue a one-time token, with which somebody may sign in as if with a token.

        Raises:
            StoreError: The store failed.
        """
        now = self._store.now()
        session = Session(secrets.token_urlsafe(24), token, now, now + ONCE_SECONDS)
        self._put("once", session)
        return session.secret

    def take_once(self, secret: str) -> Token | None:
        """Take a one-time token, which is void then; None if it isn't one, or no longer.

        Raises:
            StoreError: The store failed.
        """
        taken = self._read("once", secret, self._store.end_session(_name("once", secret)))
        return None if taken is None else taken.token

    def _put(self, kind: str, session: Session, *, renew: bool = False) -> None:
        content = {
            "mark": self._authenticator.mark_of(session.token),
            "began": session.began,
            "until": session.until,
            "seal": self._seal(kind, session),
        }
        name = _name(kind, session.secret)
        self._store.put_session(
            name, json.dumps(content).encode(), session.until, MOST, renew=renew
        )

    def _read(self, kind: str, secret: str, content: bytes | None) -> Session | None:
        if content is None:
            return None
        try:
            found = read_json(content)
        except ValueError:
            return None
        if not isinstance(found, dict) or not isinstance(found.get("mark"), str):
            return None
        began: Any = found.get("began")
        until: Any = found.get("until")
        sent: Any = found.get("seal")
        token = self._authenticator.token_marked(found["mark"])
        if token is None or not (is_number(began) and is_number(until)):
            return None
        session = Session(secret, token, float(began), float(until))
        # A record of a version that sealed none ends with it.
        sealed = isinstance(sent, str) and hmac.compare_digest(
            sent.encode("utf-8", "replace"), self._seal(kind, session).encode()
        )
        # The store drops what has ended; but somebody may have put it back.
        return session if sealed and self._store.now() < session.until else None

    def _seal(self, kind: str, session: Session) -> str:
        """Make the code that binds a record to its kind, its cookie, its token and its times."""
        parts = (_name(kind, session.secret), repr(session.began), repr(session.until))
        return self._authenticator.seal(session.token, "\n".join(parts).encode())


def form_token(secret: str) -> str:
    """Make the token that forms carry, from the cookie's value: no other site can know it."""
    return hmac.new(secret.encode(), b"form", hashlib.sha256).hexdigest()


def _name(kind: str, secret: str) -> str:
    return hashlib.sha256(f"{kind} {secret}".encode("utf-8", "replace")).hexdigest()
