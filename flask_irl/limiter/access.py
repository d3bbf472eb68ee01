"""Rule on requests before their limits: let them pass, refuse them, or count them as one client's.

The configuration's lists and the networks that operators have overridden are known in every
process, so that they hold without a call of the store, and while it is out. While there are none,
:attr:`Access.rule` is None, and a request costs nothing here. The overrides of single clients (the
thousand that end last) are known, too: they hold while the store, or their part of it, is out.
"""

from __future__ import annotations

import math
import threading
import time
from collections.abc import Callable, Mapping
from functools import lru_cache
from typing import Final, NamedTuple

from flask_irl.config.access_lists import AccessLists
from flask_irl.config.options import Options
from flask_irl.errors import StoreError
from flask_irl.limiter.access_rules import AccessRule, AccessRules
from flask_irl.limiter.decode_changed import decode_changed
from flask_irl.limiter.failures import Failures
from flask_irl.limiter.restoring import Missing, not_cleared, restore_overrides
from flask_irl.limits.decision import Decision, decision_on_blocked, decision_on_denied
from flask_irl.limits.network_override import NetworkOverride, decode
from flask_irl.limits.networks import addresses_of
from flask_irl.limits.override import Override
from flask_irl.stores.base import Store
from flask_irl.stores.site import OVERRIDDEN, RANKED, Revisions
from flask_irl.telemetry.damage import DamageLog
from flask_irl.telemetry.events import Notify, ignore

REMEMBERED: Final = 8192
"""Clients whose rule is remembered."""
LOOK_SECONDS: Final = 60.0
"""Time after which a store is asked for all overrides again that tells of no change."""


class Ruling(NamedTuple):
    """Hold the outcome of the rules for one request.

    Attributes:
        key: Key under which the request counts; empty if it isn't limited at all.
        refusal: The decision that refuses it; None where its limits decide.
    """

    key: str
    refusal: Decision | None


class Access:
    """Rule by the configuration's lists and by operators' overrides of networks.

    Args:
        options: Its ``allow`` and ``deny``.
        store: Keeps the networks.
        failures: Decides without the store, and must know the overrides, too.
        monotonic: Seconds of a clock that is never set.
        notify: Takes an event for each override that can't be read.

    Attributes:
        rule: Gives the ruling for a client's key and the address of the other end; None while there
            is nothing to rule by.
        networks: The overrides of networks that are in force.
        own: The overrides of single clients that this process knows, see above; with an embedded
            store, those that are needed to rule.
        window_seconds: Seconds of the base limit's window, for refusals.
        now: Tells the store's time in seconds since the epoch, without a call of it.
        look_soon: Has :meth:`refresh` be called soon; False where nobody will.
    """

    def __init__(
        self,
        options: Options,
        store: Store,
        failures: Failures,
        monotonic: Callable[[], float] = time.monotonic,
        notify: Notify = ignore,
    ) -> None:
        self._store = store
        self._failures = failures
        self._monotonic = monotonic
        self.now = failures.clock
        self._is_complete = True
        self._missing = Missing(store, monotonic)
        self._next_look = monotonic() + LOOK_SECONDS
        self._damaged = DamageLog("network", "network_override_damaged", notify)
        self._lists = AccessLists(options.allow, options.deny)
        self._is_listing = bool(options.allow or options.deny)
        self.own: Mapping[str, Override] = {}
        self._read: Mapping[str, bytes] = {}
        self._ended: set[str] = set()
        self._first_end = math.inf
        self.after_fork()
        self.window_seconds = options.window_seconds
        self.networks: Mapping[str, NetworkOverride] = {}
        self.rule: Callable[[str, str], Ruling] | None = None
        self.look_soon: Callable[[], bool] = bool
        self._use({}, {})

    def refresh(self, before: Revisions, news: Revisions) -> None:
        """Take up changed overrides; those that have ended leave the store and this process.

        A store that has lost its data gets those back that this process knows.

        Args:
            before: The revisions that were taken up last.
            news: Those of now.

        Raises:
            StoreError: The store failed; all that is known stays.
        """
        # What is read later is used later.
        with self._reading:
            lost = news.epoch < before.epoch or news.networks < before.networks
            if lost and not self._store.local:
                restore_overrides(self._store, self.own, self.networks)
            changed = lost or news.networks != before.networks
            due = not self._is_complete or self._missing or self._is_time()
            self.now.ask()
            if changed or news.epoch != before.epoch or due:
                networks = self._read_networks() if changed else self.networks
                needed = networks or self._lists.allows or not self._store.local
                own, error = self._read_own() if needed else ({}, None)
                with self._changing:
                    self._ended -= networks.keys()
                    self._use(networks, own)
                # What a part of the store doesn't tell is asked for again.
                self._is_complete = error is None
                if error is not None:
                    self._failures.store_failed(error)
            self._use_unended()
            ended = list(self._ended)
            if ended:
                # Where others change them at this moment, a later refresh does it.
                self._store.drop_networks(ended, news.networks)
                self._ended.difference_update(ended)

    def doubts(self, client: str) -> bool:
        """Tell whether to hold a client to an override that is known here, and not to the store.

        The store may have lost it, or somebody has taken it back this moment: a look will tell.
        """
        override = self.own.get(client)
        if override is None or override.until <= self.now():
            return False
        self._next_look = -math.inf
        return self.look_soon()

    def network_of(self, client: str) -> NetworkOverride | None:
        """Find the override of the longest network that holds a client's address."""
        return self._rules.network_at(addresses_of(client, ""))

    def listed(self, client: str) -> str:
        """Tell the configuration's rule for a client: ``allow``, ``deny`` or nothing."""
        return self._lists.rule_for(client)

    def after_fork(self) -> None:
        """Begin anew in a forked process: a thread of the parent may have held a lock."""
        self._reading, self._changing = threading.Lock(), threading.Lock()

    def _rule(self, client: str, remote: str) -> Ruling:
        found = self._find(client, remote)
        if found is None:
            return Ruling(client, None)
        word, key, until = found
        now = 0.0
        if until < math.inf:
            now = self.now()
            if until <= now:
                self._use_unended()
                return self._rule(client, remote)
        if word == "own":
            return Ruling(client, None)
        if word == "allow":
            return Ruling("", None)
        if word == "limit":
            return Ruling(key, None)
        if word == "block":
            return Ruling(key, decision_on_blocked(key, self.window_seconds, now, until))
        return Ruling(key, decision_on_denied(key, self.window_seconds, self.now()))

    def _use(self, networks: Mapping[str, NetworkOverride], own: Mapping[str, Override]) -> None:
        """Rule by other overrides from now on."""
        ends_of_own = {client: override.until for client, override in own.items()}
        if not self._store.local:
            self._failures.hold({**_limits(networks), **own})
        rules = AccessRules(self._lists, networks, ends_of_own)
        self._rules, self.networks, self.own = rules, networks, own
        self._find: Callable[[str, str], AccessRule | None] = lru_cache(REMEMBERED)(rules.find)
        ends = [*ends_of_own.values(), *(each.override.until for each in networks.values())]
        self._first_end = min(ends, default=math.inf)
        self.rule = self._rule if networks or self._is_listing else None

    def _use_unended(self) -> None:
        """Rule by the overrides that haven't ended; the next refresh drops the others."""
        # Also where nothing has ended: others may be about to use rules that have.
        with self._changing:
            now = self.now()
            if self._first_end > now:
                return
            networks = {n: x for n, x in self.networks.items() if x.override.until > now}
            self._ended |= self.networks.keys() - networks.keys()
            self._use(networks, {c: own for c, own in self.own.items() if own.until > now})

    def _read_networks(self) -> dict[str, NetworkOverride]:
        """Read the networks that are overridden; damaged ones are reported and left out."""
        before, self._read = self._read, self._store.networks()
        return decode_changed(
            self._read,
            before,
            self.networks,
            decode,
            lambda network, error: self._damaged.report(network=network, reason=error),
        )

    def _is_time(self) -> bool:
        """Tell whether it is time to see that the store hasn't lost any, once a minute."""
        now = self._monotonic()
        if self._store.local or now < self._next_look:
            return False
        self._next_look = now + LOOK_SECONDS
        return True

    def _read_own(self) -> tuple[dict[str, Override], StoreError | None]:
        """Read the overrides of single clients; those that the store doesn't give stay known."""
        listed, _ = self._store.ranked(OVERRIDDEN, 0, RANKED)
        now = self.now()
        # A full list leaves some out.
        gone = self.own.keys() - set(listed) if len(listed) < RANKED else ()
        unlisted = not_cleared(
            self._store, {c: self.own[c] for c in gone if self.own[c].until > now}
        )
        clients = [*listed, *unlisted]
        states, error = self._store.load_reachable(clients)
        found = {c: s.override for c, s in zip(clients, states, strict=True) if s is not None}
        own = {client: override for client, override in found.items() if override is not None}
        if again := {client: own[client].until for client in unlisted if client in own}:
            self._store.rank(OVERRIDDEN, again)
        unknown = {c: self.own[c] for c in clients if c not in own and c in self.own}
        if error is None:
            self._missing.note({c: o for c, o in unknown.items() if o.until > now})
        return own | unknown, error


def _limits(networks: Mapping[str, NetworkOverride]) -> dict[str, Override]:
    """Select the overrides that are limits."""
    return {name: x.override for name, x in networks.items() if x.override.kind == "limit"}
