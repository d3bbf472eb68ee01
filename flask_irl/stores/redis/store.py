"""The shared store, on Redis 7 or Valkey: one script call per request, state packed in a string.

A client's state is one key ``<prefix>1:{<client>}``: a head (step, cells, signature of its limits,
generation, revision, last seen, score), 16 bytes for each of its own limits, and its profile. Each
further scope is a key ``<prefix>1:{<client>}:<scope>``, so that all of a client's keys share a
slot of a cluster. The 1 is the format's version. The site's own keys are
``<prefix>1.{site}.<name>``.
"""

from __future__ import annotations

import hashlib
import struct
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from importlib.resources import files
from typing import Any, NamedTuple

from redis.exceptions import MovedError, NoScriptError, ResponseError

from flask_irl.errors import StoreError
from flask_irl.limits.decision import Hit
from flask_irl.limits.override import CODES, KINDS, Override
from flask_irl.limits.plan import Plan, Scope
from flask_irl.stores.base import MODELS_KEPT, SaveResult
from flask_irl.stores.location import Location
from flask_irl.stores.redis.connections import Connections, store_error
from flask_irl.stores.redis.servers import Servers
from flask_irl.stores.redis.site import RedisSite
from flask_irl.stores.redis.wire import Wire
from flask_irl.stores.state import ClientState, Update

HEAD = struct.Struct("<BBHHIdf")
OVERRIDDEN = 128
OVERRIDE_CELL = struct.Struct("<BId")
CELL_BYTES = 16
REPLY = struct.Struct("<?BB?fIIddddB")
"""A :class:`~flask_irl.limits.decision.Hit`, in its order."""
STRATEGY_CODES = {"sliding-window-counter": 1, "fixed-window": 2, "gcra": 3}
MAX_PREPARED = 4096
LENGTHS = tuple(b"$%d\r\n" % length for length in range(256))
"""How short bulk strings begin."""
SAVED: dict[int, SaveResult] = {1: "saved", 0: "stale", -1: "gone"}


class Script(NamedTuple):
    """A Lua script and its hash."""

    text: bytes
    sha: bytes


def read_script(name: str) -> Script:
    """Read one of this package's scripts."""
    text = files("flask_irl.stores.redis").joinpath(f"{name}.lua").read_bytes()
    # SHA-1 is Redis's name for a script, not a safeguard.
    return Script(text, hashlib.sha1(text, usedforsecurity=False).hexdigest().encode())


HIT = read_script("hit")
SAVE = read_script("save")
FORGET = read_script("forget")
OVERRIDE = read_script("override")
ACTIVATE = read_script("activate")
PUBLISH = read_script("publish")
LEASE = read_script("lease")
RELEASE = read_script("release")


def bulk(data: bytes) -> bytes:
    """A bulk string of RESP."""
    # Formatting is far more code, and a request's path is here when no cache knows it any more.
    length = len(data)
    head = LENGTHS[length] if length < len(LENGTHS) else b"$%d\r\n" % length
    return head + data + b"\r\n"


BY_HASH = b"$7\r\nEVALSHA\r\n" + bulk(HIT.sha)
BY_TEXT = b"$4\r\nEVAL\r\n" + bulk(HIT.text)


class _Prepared(NamedTuple):
    """What a plan contributes to its requests' command: all but keys, cost and time.

    ``usual`` begins the command when the cost is 1 and the time the server's, ``start`` any other.
    """

    usual: bytes
    start: bytes
    plan: bytes
    suffixes: tuple[bytes, ...]
    own: tuple[bool, ...]


_Asked = tuple[bytes, bytes, Connections | None, Wire | None]
"""A request's call: its client, the packed command, and, if it was sent, where to and on what. A
plain tuple, which costs half of a named one."""


def pack_plan(plan: Plan) -> bytes:
    """A plan as ``hit.lua`` reads it."""
    packed = struct.pack(
        "<BBBBH",
        STRATEGY_CODES[plan.strategy],
        plan.enforce,
        len(plan.factors),
        len(plan.scopes),
        plan.signatures[0],
    )
    packed += struct.pack(f"<{len(plan.factors)}d", *plan.factors)
    for index, scope in enumerate(plan.scopes):
        longest = max((limit.window_seconds for limit in scope.limits), default=0)
        ttl = plan.ttl_seconds if index == 0 else 2 * longest
        packed += struct.pack("<BBI", len(scope.limits), scope.own_key, ttl)
        for limit in scope.limits:
            packed += struct.pack(
                "<ddd", limit.amount, limit.window_seconds * 1e6, limit.burst or limit.amount
            )
    return packed


class RedisStore(RedisSite):
    """State in Redis, shared by all workers and hosts with the same server and prefix.

    Args:
        location: Where the servers are.
        prefix: Begins every key.
        timeout: Seconds that ``hit`` may take in all.
        options: Further keyword arguments of redis-py's connections.
        clock: Seconds since the epoch, for tests; None takes the server's time.
    """

    local = False

    def __init__(
        self,
        location: Location,
        *,
        prefix: str = "irl",
        timeout: float = 0.05,
        options: Mapping[str, Any] | None = None,
        clock: Callable[[], float] | None = None,
    ) -> None:
        self._servers = Servers(location, options or {}, timeout, REPLY.size)
        self._timeout = timeout
        self._clock = clock
        self._client_prefix = f"{prefix}1:{{".encode()
        self._site_prefix = f"{prefix}1.{{site}}.".encode()
        self._prepared: dict[Plan, _Prepared] = {}

    @property
    def is_cluster(self) -> bool:
        """Whether one call can't span the keys of two clients."""
        return self._servers.is_cluster

    def hit(self, plan: Plan, keys: Sequence[str], cost: int) -> Hit:
        return self._answer((*self._command(plan, keys, cost), None, None))

    def begin(self, plan: Plan, keys: Sequence[str], cost: int) -> _Asked | None:
        if not self._servers.found:
            return None
        client, command = self._command(plan, keys, cost)
        pool = self._servers.of(client)
        wire = pool.begin(command)
        return None if wire is None else (client, command, pool, wire)

    def _answer(self, asked: _Asked) -> Hit:
        """The answer to a call, which is made now unless it was sent on a wire before."""
        client, command, pool, wire = asked
        deadline = time.monotonic() + self._timeout
        try:
            # To find the servers, once, takes of the same time.
            patience = deadline if wire is None and not self._servers.found else None
            pool = pool or self._servers.of(client)
            try:
                answer = pool.call(command, patience) if wire is None else pool.end(wire, command)
            except ResponseError as error:
                answer = self._again(error, pool, command, deadline)
        except ResponseError as error:
            raise store_error(error) from error
        except StoreError:
            self._servers.doubt()
            raise
        # As Hit._make, but without a call of Python's.
        return tuple.__new__(Hit, REPLY.unpack(answer))

    end = _answer

    def _command(self, plan: Plan, keys: Sequence[str], cost: int) -> tuple[bytes, bytes]:
        """The client's key, and the packed command."""
        prepared = self._prepared.get(plan)
        if prepared is None:
            prepared = self._prepare(plan)
        client = self._client_prefix + keys[0].encode() + b"}"
        names = bulk(client)
        for index in range(1, len(keys)):
            tag = client
            if prepared.own[index]:
                tag = self._key(keys[index])
            names += bulk(tag + prepared.suffixes[index])
        if cost == 1 and self._clock is None:
            return client, prepared.usual + names + prepared.plan
        now = b"" if self._clock is None else b"%d" % int(self._clock() * 1e6)
        parts = (prepared.start, names, prepared.plan, bulk(b"%d" % cost), bulk(now))
        return client, b"".join(parts)

    def _again(
        self, error: ResponseError, pool: Connections, command: bytes, deadline: float
    ) -> Any:
        """Answer what a second call can mend: a script not loaded, a slot that moved."""
        text = command.replace(BY_HASH, BY_TEXT, 1)
        if isinstance(error, NoScriptError):
            return pool.call(text, deadline)
        if isinstance(error, MovedError):
            return self._servers.moved(error, pool).call(text, deadline)
        raise error

    def _prepare(self, plan: Plan) -> _Prepared:
        count = len(plan.scopes)
        start = BY_HASH + bulk(b"%d" % count)
        prepared = _Prepared(
            b"*%d\r\n%b" % (4 + count, start),
            b"*%d\r\n%b" % (6 + count, start),
            bulk(pack_plan(plan)),
            tuple(
                _suffix(scope, signature)
                for scope, signature in zip(plan.scopes, plan.signatures, strict=True)
            ),
            tuple(scope.own_key for scope in plan.scopes),
        )
        if len(self._prepared) >= MAX_PREPARED:
            self._prepared.clear()
        self._prepared[plan] = prepared
        return prepared

    def now(self) -> float:
        if self._clock is not None:
            return self._clock()
        seconds, micros = self._site(("TIME",))
        return int(seconds) + int(micros) / 1e6

    def ping(self) -> None:
        self._servers.refresh()
        self._site(("PING",))

    def load(self, clients: Sequence[str]) -> list[ClientState | None]:
        states: list[ClientState | None] = []
        for value in self._keyed((self._key(c), ("GET",), ()) for c in clients):
            if value is None or len(value) < HEAD.size:
                states.append(None)
                continue
            step, cells, *_, revision, last, score = HEAD.unpack_from(value)
            rest, override = HEAD.size, None
            if step & OVERRIDDEN:
                kind, amount, until = OVERRIDE_CELL.unpack_from(value, rest)
                override = Override(KINDS[kind - 1], until / 1e6, amount)
                rest += OVERRIDE_CELL.size
            if last == 0 and override is None:
                states.append(None)
                continue
            profile = value[rest + CELL_BYTES * cells :]
            states.append(
                ClientState(step & ~OVERRIDDEN, score, revision, last / 1e6, profile, override)
            )
        return states

    def save(self, updates: Sequence[Update], ttl_seconds: int) -> list[SaveResult]:
        answers = self._keyed(
            (
                (
                    self._key(u.client),
                    ("EVALSHA", SAVE.sha, 1),
                    (
                        u.revision,
                        u.step,
                        repr(u.score),
                        u.profile,
                        max(ttl_seconds, u.keep_seconds),
                    ),
                )
                for u in updates
            ),
            SAVE,
        )
        return [SAVED[answer] for answer in answers]

    def forget(self, client: str, ttl_seconds: int) -> bool:
        command = (self._key(client), ("EVAL", FORGET.text, 1), (ttl_seconds,))
        return bool(self._keyed([command])[0])

    def set_override(self, client: str, override: Override | None, ttl_seconds: int) -> None:
        kind, amount, until, ttl = 0, 0, 0.0, ttl_seconds
        if override is not None:
            kind, amount, until = CODES[override.kind], override.amount, override.until
            ttl = max(ttl, int(until - self.now()) + 1)
        arguments = (kind, amount, int(until * 1e6), ttl)
        self._keyed([(self._key(client), ("EVAL", OVERRIDE.text, 1), arguments)])

    def add_rows(self, rows: Sequence[bytes], capacity: int) -> None:
        if rows:
            name = self._site_prefix + b"rows"
            self._site(("RPUSH", name, *rows), ("LTRIM", name, -capacity, -1))

    def rows(self) -> list[bytes]:
        return list(self._site(("LRANGE", self._site_prefix + b"rows", 0, -1)))

    def row_count(self) -> int:
        return int(self._site(("LLEN", self._site_prefix + b"rows")))

    def add_counts(self, counts: Mapping[str, int]) -> None:
        if counts:
            name = self._site_prefix + b"counts"
            self._site(*(("HINCRBY", name, field, n) for field, n in counts.items()))

    def counts(self) -> dict[str, int]:
        found = self._site(("HGETALL", self._site_prefix + b"counts"))
        return {field.decode(): _whole(n) for field, n in found.items()}

    def model_version(self) -> int:
        return _whole(self._site(("GET", self._site_prefix + b"model")) or 0)

    def model(self, version: int) -> bytes | None:
        blob = self._site(("HGET", self._site_prefix + b"models", version))
        return None if blob is None else bytes(blob)

    def model_versions(self) -> list[int]:
        names = self._site(("HKEYS", self._site_prefix + b"models"))
        return sorted(map(_whole, names), reverse=True)

    def publish(self, expected: int, version: int, blob: bytes) -> bool:
        keys = (self._site_prefix + b"model", self._site_prefix + b"models")
        answer = self._site(("EVAL", PUBLISH.text, 2, *keys, expected, version, blob, MODELS_KEPT))
        return bool(answer == 1)

    def activate(self, version: int) -> bool:
        keys = (self._site_prefix + b"model", self._site_prefix + b"models")
        return bool(self._site(("EVAL", ACTIVATE.text, 2, *keys, version)) == 1)

    def take_lease(self, name: str, owner: str, seconds: float) -> bool:
        key = self._site_prefix + b"lease." + name.encode()
        milliseconds = max(1, int(seconds * 1000))
        return bool(self._site(("EVAL", LEASE.text, 1, key, owner, milliseconds)))

    def release_lease(self, name: str, owner: str) -> None:
        key = self._site_prefix + b"lease." + name.encode()
        self._site(("EVAL", RELEASE.text, 1, key, owner))

    def expire(self) -> int:
        return 0

    def after_fork(self) -> None:
        self._servers.forget()

    def close(self) -> None:
        self._servers.close()

    def _key(self, client: str) -> bytes:
        return self._client_prefix + client.encode() + b"}"

    def _site(self, *commands: Sequence[Any]) -> Any:
        """Run commands on the site's own keys; the last one's answer."""
        return self._all(*commands)[-1]

    def _all(self, *commands: Sequence[Any]) -> list[Any]:
        answers = self._run(self._servers.of(self._site_prefix), commands)
        if any(isinstance(answer, MovedError) for answer in answers):
            self._servers.refresh()
            answers = self._run(self._servers.of(self._site_prefix), commands)
        return [_raised(answer) for answer in answers]

    def _keyed(
        self,
        commands: Iterable[tuple[bytes, tuple[Any, ...], tuple[Any, ...]]],
        script: Script | None = None,
    ) -> list[Any]:
        """Run a command per key, pipelined per server, answers in order."""
        keyed = [(key, (*before, key, *after)) for key, before, after in commands]
        answers = self._grouped(keyed, script)
        moved = [i for i, answer in enumerate(answers) if isinstance(answer, MovedError)]
        if moved:
            self._servers.refresh()
            again = self._grouped([keyed[i] for i in moved], script)
            for index, answer in zip(moved, again, strict=True):
                answers[index] = answer
        return [_raised(answer) for answer in answers]

    def _grouped(
        self, keyed: Sequence[tuple[bytes, tuple[Any, ...]]], script: Script | None
    ) -> list[Any]:
        groups: dict[Connections, list[int]] = {}
        for index, (key, _) in enumerate(keyed):
            groups.setdefault(self._servers.of(key), []).append(index)
        answers: list[Any] = [None] * len(keyed)
        for pool, indexes in groups.items():
            commands = [keyed[index][1] for index in indexes]
            results = self._run(pool, commands)
            if script is not None and any(isinstance(r, NoScriptError) for r in results):
                self._run(pool, [("SCRIPT", "LOAD", script.text)])
                results = self._run(pool, commands)
            for index, result in zip(indexes, results, strict=True):
                answers[index] = result
        return answers

    def _run(self, pool: Connections, commands: Sequence[Sequence[Any]]) -> list[Any]:
        try:
            return pool.run(commands)
        except StoreError:
            self._servers.doubt()
            raise


def _whole(value: Any) -> int:
    try:
        return int(value)
    except ValueError:
        raise StoreError(f"{value!r} is no number of ours", kind="response") from None


def _raised(answer: Any) -> Any:
    if isinstance(answer, Exception):
        raise store_error(answer) from answer
    return answer


def _suffix(scope: Scope, signature: int) -> bytes:
    name = f"{signature:x}/{scope.name}".encode(errors="backslashreplace")
    return b":" + hashlib.blake2b(name, digest_size=6).hexdigest().encode()


__all__ = ["RedisStore"]
