"""Describe single clients, reset them and put them back, and note operators' feedback on them."""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping
from typing import Any, Final

import numpy as np

from flask_irl.behaviour import profile
from flask_irl.errors import ConfigurationError, StoreError
from flask_irl.limiter.limiter import Limiter
from flask_irl.limits.keys import canonical
from flask_irl.operations import ids
from flask_irl.operations.audit import AuditLog
from flask_irl.operations.client_lists import ClientLists
from flask_irl.operations.description import FEEDBACK, Description, feedback_on, verdict_on
from flask_irl.operations.results import AuditEntry, ClientResult
from flask_irl.stored import is_number, read_json
from flask_irl.stores.state import ClientState, Update
from flask_irl.verdicts.edit import MAX_TRIES
from flask_irl.verdicts.rankings import Rankings, leave_rankings
from flask_irl.verdicts.save import keep_seconds

FORGOTTEN_SECONDS: Final = 15 * 60
"""Time for which a reset can be undone."""
MOST_FORGOTTEN: Final = 100
"""Clients at a time whose reset can be undone."""


class ClientOperations(ClientLists):
    """List, find, describe and reset clients, and note feedback on them.

    Args:
        limiter: The limiter.
        audit: Records the changes.
    """

    def __init__(self, limiter: Limiter, audit: AuditLog) -> None:
        super().__init__(limiter, audit)
        self._audit = audit
        self._description = Description(limiter, self._entries, self._overridden)

    def key_of(self, client_id: str) -> str:
        """Find the key of a client by its id, or the usual form of a network.

        Raises:
            ConfigurationError: A network is written wrong.
        """
        return ids.key_of(self._store, client_id)

    def key_of_name(self, name: str) -> str:
        """Find the key of a client by its name, though that may look like a network's."""
        return ids.client_key_of(self._store, name)

    def is_known(self, client_id: str) -> bool:
        """Tell whether a client's id can be right: it was seen, or is an address or a network.

        Raises:
            ConfigurationError: A network is written wrong.
        """
        key = self.key_of(client_id)
        return ids.is_network(key) or ids.is_address(client_id) or self._store.load([key]) != [None]

    def examples(self) -> list[str]:
        """List the keys of some active clients, to show the form of ids."""
        return ids.examples(self._store)

    def describe(self, client: str) -> ClientResult | None:
        """Describe a client with the reasons for its score; None if nothing is known of it."""
        self._limiter.refresh()
        key = canonical(client)
        return self._description.of(key, self._store.load([key])[0], self._store.now())

    def reset(self, client: str, who: str) -> bool:
        """Forget a client's counts, profile and step; tell whether it was known.

        What is forgotten is kept apart for a quarter of an hour, for :meth:`restore`.
        """
        key = canonical(client)
        state = self._store.load([key])[0]
        snapshot = self._store.snapshot(key)
        before = {"known": state is not None, **verdict_on(state)}
        at = self._audit.record(who, "reset", key, before, {"known": False})
        if snapshot is not None:
            self._keep(key, at, snapshot)
        known = self._limiter.forget(key)
        # Without the ranking of overrides: an override outlives a reset.
        leave_rankings(self._store, [key])
        self._store.advance_epoch()
        return known

    def restore(self, entry: AuditEntry, who: str) -> None:
        """Put back what was forgotten of a client with a reset.

        A client that has made requests since keeps its counts since, not those from then; its
        profile since is replaced by the one from then. Its override stays the present one.

        Args:
            entry: The entry of the reset in the audit log.
            who: The operator.

        Raises:
            ConfigurationError: It is kept no more, the client was reset again or noted as good or
                abuse since, or has made more requests since than were forgotten.
            StoreError: The store failed, or others save the profile all the time.
        """
        key = entry["target"]
        snapshot = self._kept(key, entry["at"])
        if snapshot is None:
            raise ConfigurationError(
                f"what was forgotten of a client is kept for {FORGOTTEN_SECONDS // 60} minutes, "
                f"until its next reset, and of the last {MOST_FORGOTTEN} clients: nothing was "
                "undone"
            )
        before = entry["before"] or {}
        audited = False
        for _ in range(MAX_TRIES):
            state = self._store.load([key])[0]
            _check_no_more_known(state, before)
            if not audited:
                present = {"known": state is not None, **verdict_on(state)}
                self._audit.record(who, "restore", key, present, before)
                audited = True
            seen = state is not None and state.last_seen > 0
            revision = state.revision if state is not None and seen else None
            result = self._store.restore(key, snapshot, revision, self._ttl)
            if result == "gone":
                raise ConfigurationError("what was forgotten can't be read: nothing was undone")
            if result == "saved":
                self._put_back(key)
                return
        raise StoreError(f"the profile of {key} is being saved by other workers all the time")

    def reset_all(self, who: str) -> int:
        """Forget the counts, profiles and steps of all clients; count those that were known.

        Operators' overrides stay.
        """
        self._audit.record(who, "reset", "", {"known": True}, {"known": False})
        return self._limiter.forget_all()

    def feedback(self, client: str, verdict: str | None, who: str) -> bool:
        """Note with a client's profile that it is ``good`` or ``abuse``; False if it isn't known.

        None takes an earlier word back.

        Raises:
            ConfigurationError: There is no such verdict.
        """
        if verdict is not None and verdict not in FEEDBACK:
            raise ConfigurationError(f"verdict is {verdict!r}: give good or abuse")
        key = canonical(client)
        state = self._store.load([key])[0]
        if state is None:
            return False
        before = {"verdict": feedback_on(state)}
        self._audit.record(who, "feedback", key, before, {"verdict": verdict})
        return self._limiter.profiler.label(key, 0 if verdict is None else FEEDBACK[verdict])

    @property
    def _ttl(self) -> int:
        return max(self._limiter.options.profile_ttl_seconds, self._limiter.plans.longest)

    def _keep(self, key: str, at: float, snapshot: bytes) -> None:
        content = {"at": at, "state": base64.b64encode(snapshot).decode()}
        until = self._store.now() + FORGOTTEN_SECONDS
        self._store.keep_forgotten(key, json.dumps(content).encode(), until, MOST_FORGOTTEN)

    def _kept(self, key: str, at: float) -> bytes | None:
        """Read what was forgotten with the reset of a moment; None if it isn't kept."""
        content = self._store.forgotten(key)
        try:
            found: Any = {} if content is None else read_json(content)
            return base64.b64decode(found["state"]) if found.get("at") == at else None
        except (KeyError, TypeError, ValueError, AttributeError):
            return None

    def _put_back(self, key: str) -> None:
        """Have a client that was put back listed, and workers drop what they remember of it."""
        self._store.drop_forgotten(key)
        state = self._store.load([key])[0]
        if state is not None:
            rankings = Rankings()
            records = profile.decode([state.profile])
            rankings.add([key], records, np.array([state.score]), np.array([state.step]))
            rankings.save(self._store)
            keep = int(keep_seconds(records)[0])
            update = Update(key, state.revision, state.step, state.score, state.profile, keep)
            self._store.save([update], self._ttl)
        self._store.advance_epoch()


def _check_no_more_known(state: ClientState | None, before: Mapping[str, Any]) -> None:
    """Check that what is known of a client now is less than what was forgotten.

    Raises:
        ConfigurationError: It isn't.
    """
    present = verdict_on(state)
    if present.get("feedback") is not None:
        raise ConfigurationError(
            f"the client was noted as {present['feedback']} since: nothing was undone"
        )
    requests, forgotten = present.get("requests", 0), before.get("requests", 0)
    if not is_number(forgotten) or requests > forgotten:
        raise ConfigurationError(
            f"the client has made {requests:,} requests since, more than the {forgotten} that "
            "were forgotten: nothing was undone"
        )
