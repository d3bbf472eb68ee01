"""Pack requests into calls of ``hit.lua``, in RESP."""

from __future__ import annotations

import hashlib
import struct
from collections.abc import Callable, Sequence
from typing import Final, NamedTuple

from flask_irl.api_keys.presented import Seen
from flask_irl.limits.calendar import BOUNDS
from flask_irl.limits.plan import Plan, Scope
from flask_irl.limits.quota_lease import EndedLease, LeaseCall
from flask_irl.stores.redis.names import api_key_name
from flask_irl.stores.redis.scripts import Script, join_scripts, read_script

HIT: Final = read_script("hit")
RULED_HIT: Final = read_script("ruled_hit")
"""Counts under a plan that is ruled."""
API_KEY: Final = read_script("api_key")
"""Reads an API key's record; before one of those, only if that is another than the one known."""
KEYED_HIT: Final = join_scripts(API_KEY, HIT)
KEYED_RULED_HIT: Final = join_scripts(API_KEY, RULED_HIT)
REPLY: Final = struct.Struct("<?BB?fIIddddB")
"""Packed :class:`~flask_irl.limits.decision.Hit`, its fields in order."""
LEASED: Final = struct.Struct(REPLY.format + "IdId")
"""Packed :class:`~flask_irl.limits.quota_lease.Leased`, the fields of its hit first."""
LEASE_CALL: Final = struct.Struct("<IBdI")
LEASES_SUFFIX: Final = b":leases"
"""End of the key of a client's leases: unlike that of any scope, which is of hex digits."""
STRATEGY_CODES: Final = {"sliding-window-counter": 1, "fixed-window": 2, "gcra": 3}
COUNTING_CODES: Final = {"together": 0, "in turn": 1, "apart": 2}
ROLE_CODES: Final = {"count": 0, "test": 1, "take": 2, "breach": 3}
NONE_SHOWN: Final = 255
OWN_COST: Final = 2**32 - 1
"""Stands for the request's own cost."""
STANDBY: Final = 2
"""Stands in the place where 1 says that a scope counts another key."""
YIELDS: Final = 3
"""Stands there for a scope that doesn't count while an operator's own limit does."""
MAX_PLANS: Final = 4096
LENGTHS: Final = tuple(b"$%d\r\n" % length for length in range(256))
"""Beginnings of short bulk strings."""


def bulk(data: bytes) -> bytes:
    """Pack a bulk string."""
    # Formatting is far more code, which the caches of a busy request's core no longer hold.
    length = len(data)
    head = LENGTHS[length] if length < len(LENGTHS) else b"$%d\r\n" % length
    return head + data + b"\r\n"


def _by_hash(script: Script) -> bytes:
    return b"$7\r\nEVALSHA\r\n" + bulk(script.sha)


BY_HASH: Final = _by_hash(HIT)
RULED_BY_HASH: Final = _by_hash(RULED_HIT)
API_KEY_BY_HASH: Final = _by_hash(API_KEY)
KEYED_BY_HASH: Final = _by_hash(KEYED_HIT)
KEYED_RULED_BY_HASH: Final = _by_hash(KEYED_RULED_HIT)
BY_TEXT: Final = {
    _by_hash(script): b"$4\r\nEVAL\r\n" + bulk(script.text)
    for script in (HIT, RULED_HIT, API_KEY, KEYED_HIT, KEYED_RULED_HIT)
}


def with_text(command: bytes) -> bytes:
    """Turn a call by the script's hash into a call that brings the script's text."""
    for by_hash, by_text in BY_TEXT.items():
        if by_hash in command:
            return command.replace(by_hash, by_text, 1)
    return command


def pack_plan(plan: Plan) -> bytes:
    """Pack a plan as ``hit.lua`` reads it, or ``ruled_hit.lua`` if it is ruled."""
    packed = struct.pack(
        "<BBBBH",
        STRATEGY_CODES[plan.strategy],
        plan.enforce,
        len(plan.factors),
        len(plan.scopes),
        plan.signatures[0],
    )
    packed += struct.pack(f"<{len(plan.factors)}d", *plan.factors)
    if plan.ruled:
        shown = plan.shown_index if plan.shown_index >= 0 else NONE_SHOWN
        packed += struct.pack("<BB", COUNTING_CODES[plan.counting], shown)
    periods = plan.periods
    # Below 0, from the plan's end.
    distances = {unit: 8.0 * BOUNDS * (n - len(periods)) for n, unit in enumerate(periods)}
    for index, scope in enumerate(plan.scopes):
        longest = max((limit.window_seconds for limit in scope.limits), default=0)
        ttl = plan.ttl_seconds if index == 0 else 2 * longest
        kind = STANDBY if scope.standby else YIELDS if scope.yields else scope.own_key
        packed += struct.pack("<BBI", len(scope.limits), kind, ttl)
        if plan.ruled:
            packed += _pack_rules(plan, scope)
        for limit in scope.limits:
            window = distances.get(limit.calendar, limit.window_seconds * 1e6)
            packed += struct.pack("<ddd", limit.amount, window, limit.burst or limit.amount)
    return packed + b"".join(struct.pack(f"<{BOUNDS}d", *starts) for starts in periods.values())


def _pack_rules(plan: Plan, scope: Scope) -> bytes:
    cost = OWN_COST if scope.cost is None else min(scope.cost, OWN_COST - 1)
    places = [index for index, other in enumerate(plan.scopes) if other.name in scope.of]
    if scope.of and not places:
        # Refusals of no scope of this plan.
        places = [plan.scopes.index(scope)]
    return struct.pack("<BIB", ROLE_CODES[scope.role], cost, len(places)) + bytes(places)


class _PackedPlan(NamedTuple):
    """Hold the parts of a call that are the same for all requests of a plan.

    Attributes:
        usual: Beginning of a call with cost 1 and the server's time.
        start: Beginning of any other call.
        plan: The packed plan, as a bulk string.
        unframed: The packed plan.
        suffixes: For each scope, the end of its key.
        own: For each scope, whether it counts another key than the client's.
    """

    usual: bytes
    start: bytes
    plan: bytes
    unframed: bytes
    suffixes: tuple[bytes, ...]
    own: tuple[bool, ...]


class HitCommands:
    """Pack requests into calls of ``hit.lua``.

    Args:
        prefix: Begins every key.
        clock: Seconds since the epoch; None for the server's time.
        max_plans: Bound on the packed plans that are kept for the next requests.
    """

    def __init__(
        self, prefix: str, clock: Callable[[], float] | None, max_plans: int = MAX_PLANS
    ) -> None:
        self._whole_prefix = prefix
        self._prefix = f"{prefix}1:{{".encode()
        self._clock = clock
        self._max_plans = max_plans
        self._plans: dict[Plan, _PackedPlan] = {}

    def client_key(self, client: str) -> bytes:
        """Name the Redis key of a client."""
        return self._prefix + client.encode() + b"}"

    def pack(self, plan: Plan, keys: Sequence[str], cost: int) -> tuple[bytes, bytes]:
        """Pack a request; the arguments are those of ``Store.hit``.

        Returns:
            The client's Redis key, and the command.
        """
        packed = self._plans.get(plan)
        if packed is None:
            packed = self._pack_plan(plan)
        client = self._prefix + keys[0].encode() + b"}"
        names = bulk(client)
        for index in range(1, len(keys)):
            tag = client
            if packed.own[index]:
                tag = self.client_key(keys[index])
            names += bulk(tag + packed.suffixes[index])
        if cost == 1 and self._clock is None:
            return client, packed.usual + names + packed.plan
        parts = (packed.start, names, packed.plan, bulk(b"%d" % cost), bulk(self._now()))
        return client, b"".join(parts)

    def pack_keyed(
        self, plan: Plan, keys: Sequence[str], cost: int, seen: Seen
    ) -> tuple[bytes, bytes]:
        """Pack a request of an API key's client; returns as :meth:`pack` does."""
        packed = self._plans.get(plan) or self._pack_plan(plan)
        client = self.client_key(keys[0])
        names = [client]
        for index in range(1, len(keys)):
            tag = self.client_key(keys[index]) if packed.own[index] else client
            names.append(tag + packed.suffixes[index])
        names.append(api_key_name(self._whole_prefix, keys[0]))
        arguments = (packed.unframed, b"%d" % cost, self._now(), *_seen_arguments(seen))
        parts = (b"%d" % len(names), *names, *arguments)
        script = KEYED_RULED_BY_HASH if plan.ruled else KEYED_BY_HASH
        return client, b"*%d\r\n" % (2 + len(parts)) + script + b"".join(map(bulk, parts))

    def pack_api_key(self, client: str) -> tuple[bytes, bytes]:
        """Pack a reading of the record of an API key; returns as :meth:`pack` does."""
        name = api_key_name(self._whole_prefix, client)
        parts = (b"1", name, b"", b"", self._now(), b"", b"0")
        head = b"*%d\r\n" % (2 + len(parts)) + API_KEY_BY_HASH
        return name, head + b"".join(map(bulk, parts))

    def pack_lease(
        self, plan: Plan, keys: Sequence[str], call: LeaseCall, seen: Seen | None = None
    ) -> tuple[bytes, bytes]:
        """Pack a request of cost 1 that asks for a quota lease; returns as :meth:`pack` does."""
        client, arguments = self._lease_arguments(plan, keys, call, alone=False)
        script = BY_HASH
        if seen is not None:
            script, (count, *names), (*usual, ask) = KEYED_BY_HASH, arguments[:-4], arguments[-4:]
            names.append(api_key_name(self._whole_prefix, keys[0]))
            arguments = (b"%d" % (int(count) + 1), *names, *usual, *_seen_arguments(seen), ask)
        head = b"*%d\r\n" % (2 + len(arguments)) + script
        return client, head + b"".join(map(bulk, arguments))

    def pack_ended(self, lease: EndedLease) -> tuple[bytes, tuple[bytes, ...]]:
        """Make a command of redis-py's that tells of an ended lease; with the client's key."""
        plan, keys, given, unused = lease
        call = LeaseCall(0, given, unused)
        client, arguments = self._lease_arguments(plan, keys, call, alone=True)
        return client, (b"EVALSHA", HIT.sha, *arguments)

    def _lease_arguments(
        self, plan: Plan, keys: Sequence[str], call: LeaseCall, *, alone: bool
    ) -> tuple[bytes, tuple[bytes, ...]]:
        """List the arguments of a call about leases under a plan whose keys are all one client's.

        Args:
            plan: The limits.
            keys: A key for each scope.
            call: What is wanted, and what has ended.
            alone: Whether no request is counted.
        """
        client = self.client_key(keys[0])
        packed = self._plans.get(plan) or self._pack_plan(plan)
        return client, (
            b"%d" % (1 + len(keys)),
            client,
            *(client + suffix for suffix in packed.suffixes[1:]),
            client + LEASES_SUFFIX,
            packed.unframed,
            b"1",
            self._now(),
            LEASE_CALL.pack(call.want, alone, call.ended, call.unused),
        )

    def _now(self) -> bytes:
        return b"" if self._clock is None else b"%d" % int(self._clock() * 1e6)

    def pack_peek(self, plan: Plan, keys: Sequence[str]) -> tuple[bytes, bytes]:
        """Pack a reading of the states that a plan counts in; arguments of ``Store.peek``.

        Returns:
            The client's Redis key, and the command: its answer has a value for each scope.
        """
        names = self.peek_names(plan, keys)
        command = b"*%d\r\n$4\r\nMGET\r\n" % (1 + len(names)) + b"".join(map(bulk, names))
        return names[0], command

    def peek_names(self, plan: Plan, keys: Sequence[str]) -> list[bytes]:
        """Name the Redis keys that a plan counts in, the client's own first."""
        client = self.client_key(keys[0])
        names = [client]
        for scope, key, signature in zip(plan.scopes, keys, plan.signatures, strict=True):
            tag = self.client_key(key) if scope.own_key else client
            names.append(tag + _suffix(scope, signature))
        # The first scope's cells are in the client's own state.
        del names[1]
        return names

    def _pack_plan(self, plan: Plan) -> _PackedPlan:
        count = len(plan.scopes)
        start = (RULED_BY_HASH if plan.ruled else BY_HASH) + bulk(b"%d" % count)
        unframed = pack_plan(plan)
        packed = _PackedPlan(
            b"*%d\r\n%b" % (4 + count, start),
            b"*%d\r\n%b" % (6 + count, start),
            bulk(unframed),
            unframed,
            tuple(
                _suffix(scope, signature)
                for scope, signature in zip(plan.scopes, plan.signatures, strict=True)
            ),
            tuple(scope.own_key for scope in plan.scopes),
        )
        if len(self._plans) >= self._max_plans:
            self._plans.clear()
        self._plans[plan] = packed
        return packed


def _seen_arguments(seen: Seen) -> tuple[bytes, bytes]:
    return seen.revision, b"%d" % int(seen.until * 1e6)


def _suffix(scope: Scope, signature: int) -> bytes:
    name = f"{signature:x}/{scope.name}".encode(errors="backslashreplace")
    return b":" + hashlib.blake2b(name, digest_size=6).hexdigest().encode()
