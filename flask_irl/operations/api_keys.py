"""Issue, list, rotate, change and revoke API keys; every change is audited, without secrets."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import replace
from typing import Any, Final

from flask_irl.api_keys.hashing import NOBODYS
from flask_irl.api_keys.record import ApiKey, Record
from flask_irl.api_keys.text import ENVIRONMENTS, Environment, new_text
from flask_irl.errors import ConfigurationError, StoreError
from flask_irl.limiter.key_ring import KeyRing
from flask_irl.limiter.limiter import Limiter
from flask_irl.operations.api_key_checks import (
    CHANGEABLE,
    changed,
    check_valid,
    key_id_of,
    names_of,
    state_of,
)
from flask_irl.operations.api_key_list import ApiKeyList
from flask_irl.operations.api_key_results import ApiKeyResult, IssuedApiKey, describe
from flask_irl.operations.audit import MAX_REASON, AuditLog
from flask_irl.operations.texts import check_line
from flask_irl.stored import is_number
from flask_irl.stores.api_keys import NO_USE
from flask_irl.telemetry.log import moment

DAY_SECONDS: Final = 86_400.0
GRACE_SECONDS: Final = DAY_SECONDS
MAX_GRACE_SECONDS: Final = 90 * DAY_SECONDS
KEPT_SECONDS: Final = 30 * DAY_SECONDS
"""Time for which a key that has ended is still listed."""
MAX_TRIES: Final = 5
OFF: Final = "api_keys is off: set IRL_API_KEYS and IRL_API_KEY_SECRET to issue API keys"


class ApiKeyOperations(ApiKeyList):
    """Issue API keys, and change them.

    Args:
        limiter: The limiter.
        audit: Records the changes.
    """

    def __init__(self, limiter: Limiter, audit: AuditLog) -> None:
        super().__init__(limiter.store, limiter.notify)
        self._limiter = limiter
        self._audit = audit

    @property
    def enabled(self) -> bool:
        """Tell whether the app has API keys."""
        return self._limiter.keys is not None

    def issue(
        self,
        *,
        name: str,
        owner: str,
        who: str,
        scopes: Sequence[str] = (),
        plan: str | None = None,
        expires_at: float | None = None,
        environment: str = "live",
        reason: str = "",
    ) -> IssuedApiKey:
        """Issue an API key; its text is shown this once.

        Args:
            name: Its name, for people: a line of 1 to 100 characters.
            owner: Whose it is: the same.
            who: The operator.
            scopes: Names of what it may be used for, at most 32.
            plan: Name of its rate plan, one of the option ``plans``; None for none.
            expires_at: Its end, in seconds since the epoch; None for none.
            environment: ``live`` or ``test``.
            reason: The operator's reason, for the audit log.

        Raises:
            ConfigurationError: An argument isn't allowed, or API keys are off.
        """
        ring, now = self._ring(), self._store.now()
        if environment not in ENVIRONMENTS:
            raise ConfigurationError(
                f"environment is {environment!r:.100}: give one of {', '.join(ENVIRONMENTS)}"
            )
        kind: Environment = environment
        text, key_id = new_text(kind)
        key = ApiKey(key_id, kind, "", "", (), "", now, None)
        key = changed(
            key,
            {
                "name": name,
                "owner": owner,
                "scopes": scopes,
                "plan": plan,
                "expires_at": expires_at,
            },
            self._plans(),
        )
        if key.expires is not None and key.expires <= now:
            raise ConfigurationError(
                f"expires_at is {moment(key.expires)}: give a time to come, or none"
            )
        record = Record(key, (ring.hasher.hash(text), NOBODYS))
        self._audited(who, "issue_api_key", key, None, state_of(record), reason)
        # First, so that no key is valid that isn't listed.
        self._store.index_api_key(names_of(key))
        if not self._store.put_api_key(key_id, b"", record.encoded(), self._seconds(record, now)):
            raise StoreError("there is a key with this id already: try again", kind="response")
        # And again: whoever lists keys in between takes out those that have no record.
        self._store.index_api_key(names_of(key))
        return {**describe(record, NO_USE, now), "key": text}

    def rotate(
        self, key: str, *, who: str, grace_seconds: float = GRACE_SECONDS, reason: str = ""
    ) -> IssuedApiKey | None:
        """Give an API key a new text; the one before is valid for some time more.

        Args:
            key: As of :meth:`show`.
            who: The operator.
            grace_seconds: That time, 0 to 90 days.
            reason: The operator's reason.

        Returns:
            The key with its new text; None where there is no such key.

        Raises:
            ConfigurationError: An argument isn't allowed, or the key is revoked.
        """
        ring = self._ring()
        if not is_number(grace_seconds) or not 0 <= grace_seconds <= MAX_GRACE_SECONDS:
            raise ConfigurationError(
                f"grace_seconds is {grace_seconds!r:.100}: give a number from 0 to "
                f"{MAX_GRACE_SECONDS:.0f}"
            )
        key_id, texts = key_id_of(key), [""]

        def change(record: Record, now: float) -> Record:
            check_valid(record)
            text = new_text(record.key.environment, key_id).text
            texts[:] = [text]
            return record.rotated_to(ring.hasher.hash(text), at=now, grace_seconds=grace_seconds)

        found = self._change_audited(who, "rotate_api_key", key_id, change, reason)
        if found is None:
            return None
        issued: IssuedApiKey = {**found, "key": texts[0]}
        return issued

    def revoke(self, key: str, *, who: str, reason: str = "") -> ApiKeyResult | None:
        """Revoke an API key for good, in all workers within two seconds.

        Args:
            key: As of :meth:`show`.
            who: The operator.
            reason: The operator's reason.

        Returns:
            The key; None where there is no such key.
        """

        def change(record: Record, now: float) -> Record:
            return record if record.revoked is not None else replace(record, revoked=now)

        return self._change_audited(who, "revoke_api_key", key_id_of(key), change, reason)

    def change(
        self, key: str, changes: Mapping[str, Any], *, who: str, reason: str = ""
    ) -> ApiKeyResult | None:
        """Change an API key's name, owner, scopes, plan or end, in all workers within two seconds.

        Args:
            key: As of :meth:`show`.
            changes: New values, by names as of :meth:`issue`.
            who: The operator.
            reason: The operator's reason.

        Returns:
            The key; None where there is no such key.

        Raises:
            ConfigurationError: A change isn't allowed, or the key is revoked.
        """
        for name in changes:
            if name not in CHANGEABLE:
                raise ConfigurationError(
                    f"{name!r:.100} can't be changed: only {', '.join(CHANGEABLE)} can"
                )

        def change(record: Record, now: float) -> Record:
            check_valid(record)
            return replace(record, key=changed(record.key, changes, self._plans()))

        return self._change_audited(who, "change_api_key", key_id_of(key), change, reason)

    def _plans(self) -> Collection[str]:
        return self._limiter.rate_plans.table

    def _ring(self) -> KeyRing:
        ring = self._limiter.keys
        if ring is None:
            raise ConfigurationError(OFF)
        return ring

    def _change_audited(
        self,
        who: str,
        action: str,
        key_id: str,
        change: Callable[[Record, float], Record],
        reason: str,
    ) -> ApiKeyResult | None:
        """Change the record of a key; others may do the same meanwhile."""
        self._ring()
        for _ in range(MAX_TRIES):
            data = self._store.api_key_records([key_id])[0] if key_id else None
            before = self._decoded(key_id, data)
            if before is None:
                return None
            now = self._store.now()
            after = change(before, now)
            self._audited(who, action, before.key, state_of(before), state_of(after), reason)
            names = names_of(after.key)
            self._store.index_api_key(names)
            seconds = self._seconds(after, now)
            if self._store.put_api_key(key_id, before.revision, after.encoded(), seconds):
                if gone := [name for name in names_of(before.key) if name not in names]:
                    self._store.index_api_key((), gone)
                # Leases of the key's client end, so that each worker asks for its record.
                self._store.advance_epoch()
                self._limiter.refresh()
                return self._load([key_id])[0]
        raise StoreError("somebody else is changing the key: try again", kind="response")

    def _audited(
        self,
        who: str,
        action: str,
        key: ApiKey,
        before: Mapping[str, Any] | None,
        after: Mapping[str, Any],
        reason: str,
    ) -> None:
        check_line("reason", reason, MAX_REASON)
        self._audit.record(who, action, key.client, before, after, reason)

    def _seconds(self, record: Record, now: float) -> int | None:
        """Tell for how long a record is kept: for good, unless the key ends."""
        ends = record.key.expires if record.revoked is None else now
        return None if ends is None else int(max(ends - now, 0.0) + KEPT_SECONDS)
