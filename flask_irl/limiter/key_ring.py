"""Check API keys that requests present, by the records that this worker knows and by the store's.

A key whose record this worker knows is compared with that, and the store confirms the record when
it counts the request; of any other key the record is read first. Only keys that were right are
remembered: whoever invents keys fills nothing.
"""

from __future__ import annotations

import contextlib
import logging
import threading
from collections import OrderedDict
from collections.abc import Callable, Sequence
from typing import Final

from flask_irl.api_keys.hashing import NOBODYS, Hasher, matches
from flask_irl.api_keys.presented import PresentedKey, Rejection, Seen, StoredKey
from flask_irl.api_keys.record import Record, decode
from flask_irl.api_keys.text import id_in, id_of
from flask_irl.errors import StoreError
from flask_irl.limiter.failures import Failures
from flask_irl.limits.plan import Plan
from flask_irl.stores.base import Store
from flask_irl.telemetry.damage import DamageLog
from flask_irl.telemetry.events import ApiKeyRejected, Notify
from flask_irl.telemetry.log import Sampler, event

READ_AT_ONCE: Final = 500
"""Records that are read again in one call."""
MOST_KEYS: Final = 10_000
"""API keys whose records a worker remembers."""
LOG_SECONDS: Final = 1.0
NO_HASHES: Final = (NOBODYS, NOBODYS)


class KeyRing:
    """Check API keys; bounded, and safe for threads.

    Args:
        store: Keeps the records.
        failures: Asks it on a request's path.
        secrets: Secrets of the configuration, at least one.
        notify: Takes the events of keys that aren't accepted.

    Attributes:
        hasher: Hashes keys.
        plan_for: Gives the limits on all requests of an address, by which one counts whose key
            turned out not to be accepted.
    """

    plan_for: Callable[[str], Plan]

    def __init__(
        self, store: Store, failures: Failures, secrets: Sequence[str], notify: Notify
    ) -> None:
        self._store = store
        self._failures = failures
        self._notify = notify
        self.hasher = Hasher(secrets)
        self._known: OrderedDict[str, Record] = OrderedDict()
        self._log = Sampler(LOG_SECONDS)
        self._damaged = DamageLog("api_key", "api_key_damaged", notify)
        self.after_fork()

    def after_fork(self) -> None:
        """Begin anew in a forked process: a thread of the parent may have held the lock."""
        self._lock = threading.Lock()

    def present(self, text: str, address: str) -> PresentedKey:
        """Take a key's text from a request, and compare it with the record that is known.

        Args:
            text: The text, of any length.
            address: Key of the client that counts if the key isn't accepted.
        """
        key_id = id_in(text)
        if not key_id:
            return PresentedKey.rejected("checksum", address)
        presented = PresentedKey.of(key_id, address, self.hasher.digests(text))
        record = self._known.get(key_id)
        # What doesn't match by now may match the record that is stored.
        if record is not None and not self._compare(presented, record, self._failures.clock()):
            presented.key = presented.seen = None
            presented.rejection = ""
        return presented

    def look(self, presented: PresentedKey) -> bool:
        """Compare a key with its stored record; returns whether it is accepted. Never raises."""
        key_id = presented.key_id
        if not key_id:
            return False
        stored = self._failures.ask(lambda: self._store.api_key(key_id), False)
        if stored is None:
            # Without the store, what this worker knows of a key holds.
            if presented.key is None:
                presented.reject("unverified")
            presented.confirmed = presented.key is not None
            return presented.confirmed
        presented.confirmed = self.take(presented, stored)
        return presented.confirmed

    def take(self, presented: PresentedKey, stored: StoredKey) -> bool:
        """Compare a key with a record that the store has just given; tell if it is accepted."""
        key_id = presented.key_id
        record = self._decoded(key_id, stored.record)
        accepted = self._compare(presented, record, stored.now)
        with self._lock:
            if record is not None and accepted:
                self._known[key_id] = record
                self._known.move_to_end(key_id)
                if len(self._known) > MOST_KEYS:
                    self._known.popitem(last=False)
            elif record is None or record.revoked is not None:
                self._known.pop(key_id, None)
        return accepted

    def refresh(self) -> None:
        """Drop the records that were changed elsewhere, so that they don't hold without the store.

        Raises:
            StoreError: The store failed.
        """
        known = list(self._known)
        for start in range(0, len(known), READ_AT_ONCE):
            part = known[start : start + READ_AT_ONCE]
            for key_id, data in zip(part, self._store.api_key_records(part), strict=True):
                record, here = self._decoded(key_id, data), self._known.get(key_id)
                if here is not None and (record is None or record.revision != here.revision):
                    with self._lock:
                        self._known.pop(key_id, None)

    def report(self, rejection: Rejection, presented: PresentedKey | None, route: str) -> None:
        """Report a request whose key wasn't accepted, in a metric and now and then in the log."""
        self.count(rejection)
        held = self._log.passes()
        if held is not None:
            event(
                logging.WARNING if rejection == "unverified" else logging.INFO,
                "api_key_rejected",
                reason=rejection,
                # Never the text: one with a typo may be all but right.
                key=presented.key_id if presented is not None else "",
                client=presented.address if presented is not None else "",
                route=route,
                not_logged=held,
            )

    def count(self, reason: str) -> None:
        """Count a request that was refused for its API key."""
        # A listener that fails is no reason to answer otherwise.
        with contextlib.suppress(Exception):
            self._notify(ApiKeyRejected(reason))

    def label(self, client: str) -> str | None:
        """Name the client of an API key for people; None for any other, and without the store.

        May ask the store: not on a request's path.
        """
        key_id = id_of(client)
        if not key_id:
            return None
        record = self._known.get(key_id)
        if record is None:
            try:
                record = self._decoded(key_id, self._store.api_key_records([key_id])[0])
            except StoreError:
                return None
        return None if record is None else f"{record.key.prefix} ({record.key.name})"

    def _decoded(self, key_id: str, data: bytes | None) -> Record | None:
        if data is None:
            return None
        try:
            return decode(key_id, data)
        except ValueError as error:
            self._damaged.report(key=key_id, reason=error)
            return None

    def _compare(self, presented: PresentedKey, record: Record | None, now: float) -> bool:
        """Compare a key with a record; the same is done whether there is one or not."""
        hashes = NO_HASHES if record is None else record.hashes
        new, old = matches(presented.digests, hashes)
        if record is None or not (new or old):
            presented.reject("unknown")
            return False
        until = record.until(old=not new)
        if record.revoked is not None:
            presented.reject("revoked")
        elif until and now >= until:
            presented.reject("expired")
        else:
            presented.accept(record.key, Seen(record.revision, until))
        return presented.key is not None
