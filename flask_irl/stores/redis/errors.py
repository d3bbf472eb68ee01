"""Word the errors of Redis and of sockets as an operator understands them at once."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Final

from flask_irl.errors import StoreError
from flask_irl.stores.redis.exceptions import (
    AskError,
    ConnectError,
    ConnectTimeoutError,
    InvalidResponse,
    MovedError,
    ResponseError,
    TryAgainError,
)

CONNECT_SECONDS: Final = 1.0
"""Time-out of each step of connecting."""

LACKS_STRUCT: Final = (
    "the server's Lua has no struct, which the scripts need: "
    "take Redis or Valkey themselves, or memory://"
)
UNDER_WAY: Final = "the slot is on its way to another node"
NODE_OF_CLUSTER: Final = (
    "the server is a node of a cluster: REDIS_URL must begin with redis+cluster://"
)
WRONG_SERVER: Final = re.compile(
    r"(?:^|-)(?:READONLY|MASTERDOWN|LOADING|CLUSTERDOWN(?! Hash slot)|NOREPLICAS|MISCONF|NOAUTH"
    r"|WRONGPASS) "
)
"""Codes of answers by a server that another one may have replaced under its name, also where an
old server quotes them as a script's error."""

Texts = Sequence[tuple[str, str]]
"""Patterns of original texts, each with the text in its place; groups of the pattern fill it."""

ANSWERS: Final[Texts] = (
    (r"^OOM |out of memory|used memory > 'maxmemory'", "the server is full (maxmemory)"),
    (r"^LOADING |is loading the dataset", "the server is still loading its data after a start"),
    (
        r"^READONLY |read.only replica",
        "the server is a read-only replica: REDIS_URL must name its primary",
    ),
    (r"^MASTERDOWN ", "the server is a replica that has lost its primary"),
    (r"^NOREPLICAS ", "the server has too few replicas to write (min-replicas-to-write)"),
    (r"^MISCONF ", "the server can't save its data to disk, and so refuses to write"),
    (r"^BUSY ", "the server is busy with a script of somebody's"),
    (
        r"^NOAUTH |[Aa]uthentication required|already authenticated",
        "the server wants a password, and REDIS_URL has none",
    ),
    (r"^WRONGPASS |invalid (username-)?password", "wrong user name or password"),
    (r"without any password configured", "the server has no password, and REDIS_URL has one"),
    (
        r"permissions to run the '([^']+)' command",
        "the user's rights don't suffice: it may not run {0}",
    ),
    (
        r"permissions to access a key|can't access.* key|access one of the keys",
        "the user's rights don't suffice: it may not use keys of this prefix",
    ),
    (r"^NOPERM (.*)", "the user's rights don't suffice: {0}"),
    (r"max number of clients", "the server takes no more connections (maxclients)"),
    (r"DB index is out of range", "the server has no database of the number in REDIS_URL"),
    (
        r"[Uu]nknown command\W+([\w|]+)",
        "the server doesn't know the command {0}: it is older than Redis 7, or no Redis or Valkey",
    ),
    (
        r"Unknown Redis command called from script",
        "the server lacks a command of the scripts: it is older than Redis 7, or no Redis",
    ),
    (
        r"cluster support disabled",
        "the server is no cluster: REDIS_URL must begin with redis:// or rediss://",
    ),
    (r"SELECT is not allowed in cluster mode", "a cluster has no databases: leave out the number"),
    (r"^CLUSTERDOWN The cluster is down", "the cluster is down"),
    (r"^CLUSTERDOWN (.*)", "the cluster is down: {0}"),
)
"""Answers of servers, with or without the code that redis-py takes away."""

CONNECTIONS: Final[Texts] = (
    (r"connecting to (/\S*)\. No such file", "there is no socket {0}"),
    (r"connecting to (/\S*)\. Permission denied", "this process may not use the socket {0}"),
    (r"connecting to (\S+)\. Connection refused", "{0} refuses connections"),
    (r"refused", "the server refuses connections"),
    (
        r"connecting to (\S+)\. .*(?:not known|resolution|nodename|No address)",
        "the host of {0} is not known",
    ),
    (r"connecting to (\S+)\. .*(?:No route|unreachable)", "there is no way to {0}"),
    (
        r"certificate verify failed: (.+?)\.? \(_ssl",
        "the server's certificate is not accepted: {0}",
    ),
    (
        r"WRONG_VERSION_NUMBER|wrong version number|record layer failure",
        "the server doesn't speak TLS: REDIS_URL must begin without the second s",
    ),
    (
        r"reset|[Bb]roken pipe|[Cc]losed by server|closed the connection|EOF occurred",
        "the server closed the connection",
    ),
)
"""Texts of redis-py and of the system."""


def is_wrong_server(answer: object, *, in_cluster: bool) -> bool:
    """Tell whether an answer is one of a server that the name may no longer stand for.

    Args:
        answer: An answer to a command.
        in_cluster: Whether the server is a node of a cluster, which sends clients to others.
    """
    if isinstance(answer, MovedError):
        return not in_cluster
    return isinstance(answer, ResponseError) and WRONG_SERVER.search(str(answer)) is not None


def store_error(
    error: BaseException, seconds: float = CONNECT_SECONDS, part: str = ""
) -> StoreError:
    """Turn an error of Redis or of a socket into a store's error, in plain words.

    Args:
        error: The error.
        seconds: Time that the call had, for an answer that didn't come.
        part: The node or slot of a cluster that failed.
    """
    if isinstance(error, AskError | TryAgainError):
        found = StoreError(UNDER_WAY if part else NODE_OF_CLUSTER, kind="response")
    else:
        found = error if isinstance(error, StoreError) else _store_error(error, seconds)
    found.part = found.part or part
    return found


def _store_error(error: BaseException, seconds: float) -> StoreError:
    text = str(error)
    if isinstance(error, ConnectTimeoutError):
        return StoreError(f"no connection within {span(CONNECT_SECONDS)}", kind="timeout")
    if isinstance(error, (TimeoutError, BlockingIOError)):
        return StoreError(f"no answer within {span(seconds)}", kind="timeout")
    if isinstance(error, InvalidResponse):
        return StoreError(f"the server doesn't answer as Redis does ({text})", kind="response")
    if isinstance(error, (ConnectError, OSError)):
        kind = "refused" if "refused" in text.lower() else "connection"
        return StoreError(_plain((*ANSWERS, *CONNECTIONS), text) or _named(error), kind=kind)
    known = _plain(ANSWERS, text)
    if known is None and isinstance(error, ResponseError):
        known = f"the server answers with an error: {text}"
    return StoreError(known or _named(error), kind="response")


def span(seconds: float) -> str:
    """Write a time-out in its unit."""
    return f"{seconds * 1000:.3g} ms" if seconds < 1 else f"{seconds:.3g} s"


def _plain(texts: Texts, text: str) -> str | None:
    for pattern, plain in texts:
        match = re.search(pattern, text)
        if match is not None:
            return plain.format(*match.groups())
    return None


def _named(error: BaseException) -> str:
    """Word an error that has no text of its own here."""
    return f"{type(error).__name__}: {error}" if str(error) else type(error).__name__
