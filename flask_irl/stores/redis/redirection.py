"""Go where the nodes of a cluster send a client, as the specification of Redis Cluster says.

MOVED names the node that holds a slot from now on; ASK one that a slot is on its way to, for a
single command after ASKING; TRYAGAIN tells that the keys of a command are on both of them, or that
some don't exist, and is asked again.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import Any, Final

from flask_irl.errors import StoreError
from flask_irl.stores.redis.commands import with_text
from flask_irl.stores.redis.exceptions import (
    AskError,
    MovedError,
    NoScriptError,
    ResponseError,
    TryAgainError,
)
from flask_irl.stores.redis.pool import Pool
from flask_irl.stores.redis.servers import Servers

MOST_REDIRECTIONS: Final = 5
"""Nodes to which a call is sent one after the other, as in redis-cli and most clients."""
AGAIN_SECONDS: Final = (0.001, 0.002, 0.004, 0.008)
"""Pauses before a call is made again, the last one repeated."""
LEAST_SECONDS: Final = 0.002
"""Time that a call must have left to be made again."""


def follow(
    error: ResponseError,
    servers: Servers,
    pool: Pool,
    key: bytes,
    command: bytes,
    deadline: float,
    alone: Callable[[], bytes] | None = None,
) -> Any:
    """Make a call again, by the error that it met, until a server answers it.

    Args:
        error: The error.
        servers: The servers.
        pool: The server that answered with it.
        key: The Redis key by which the call finds its server.
        command: The packed command, a call of a script or another one.
        deadline: Time of ``time.monotonic`` by which all must be done.
        alone: Packs the command to make instead, which has one key less, where keys are apart or
            missing while their slot moves.

    Raises:
        StoreError: No answer in time, or no connection.
        ResponseError: Another error, or still the same.
    """
    redirections = tries = 0
    while True:
        importing = False
        # By its text: the next server may not know the script either.
        command = with_text(command)
        if isinstance(error, AskError):
            redirections += 1
            if redirections > MOST_REDIRECTIONS:
                raise error
            importing = not isinstance(error, MovedError)
            pool = servers.redirect(error, pool)
        elif isinstance(error, TryAgainError):
            if alone is not None:
                command, alone = alone(), None
            else:
                seconds = _pause_after(tries)
                if time.monotonic() + seconds >= deadline - LEAST_SECONDS:
                    raise error
                time.sleep(seconds)
                tries += 1
            redirections = 0
            # From the start: the slot may have arrived meanwhile.
            pool = servers.node_of(key, deadline)
        elif not isinstance(error, NoScriptError):
            raise error
        try:
            if importing:
                return pool.call_importing(command, deadline)
            return pool.call(command, deadline)
        except ResponseError as again:
            if isinstance(again, NoScriptError):
                raise
            error = again
        except StoreError as late:
            # Its time went by with the slot under way: no fault of the node.
            if tries and late.kind == "timeout":
                raise error from late
            raise


def follow_in_background(
    error: ResponseError,
    servers: Servers,
    key: bytes,
    command: Sequence[Any],
    seconds: float,
    script: bytes | None,
) -> Any:
    """Run a background command again, by the error that it met, until a server answers it.

    Args:
        error: The error.
        servers: The servers.
        key: The Redis key by which the command finds its server.
        command: The command and its arguments.
        seconds: Time for all that follows.
        script: Text of the script that the command calls by its hash.

    Returns:
        The answer, or the error that is left.

    Raises:
        StoreError: A connection failed.
    """
    deadline = time.monotonic() + seconds
    pool = servers.node_of(key, deadline)
    redirections = tries = 0
    while isinstance(error, AskError | TryAgainError):
        batch = [command]
        if isinstance(error, AskError):
            redirections += 1
            if redirections > MOST_REDIRECTIONS:
                break
            pool = servers.redirect(error, pool)
            if not isinstance(error, MovedError):
                batch = [("ASKING",), command]
        else:
            waited = _pause_after(tries)
            if time.monotonic() + waited >= deadline:
                break
            time.sleep(waited)
            tries, redirections = tries + 1, 0
            pool = servers.node_of(key, deadline)
        answer = pool.run(batch)[-1]
        if script is not None and isinstance(answer, NoScriptError):
            pool.run([("SCRIPT", "LOAD", script)])
            answer = pool.run(batch)[-1]
        if not isinstance(answer, ResponseError):
            return answer
        error = answer
    return error


def _pause_after(tries: int) -> float:
    return AGAIN_SECONDS[min(tries, len(AGAIN_SECONDS) - 1)]
