"""Name what a server answers, or a connection meets, instead of what was asked for.

As redis-py names them, which takes longer to import than all else that asks a Redis.
"""

from __future__ import annotations


class RedisError(Exception):
    """Tell of any failure at a server or on the way to it."""


class ConnectError(RedisError):
    """Tell that no connection could be opened."""


class ConnectTimeoutError(RedisError):
    """Tell that a step of connecting took too long."""


class InvalidResponse(RedisError):
    """Tell that the answer isn't one of Redis's."""


class ResponseError(RedisError):
    """Tell that the server answers with an error."""


class NoScriptError(ResponseError):
    """Tell that the server doesn't know the script that is called by its hash."""


class TryAgainError(ResponseError):
    """Tell that the keys of a command are on both nodes of a slot that moves."""


class AskError(ResponseError):
    """Tell that another node has the slot for the next command.

    Args:
        text: Slot and address, as the server gives them.

    Attributes:
        slot_id: The slot.
        host: The node's; may be empty.
        port: The node's.

    Raises:
        ValueError: The text is of another form.
    """

    def __init__(self, text: str) -> None:
        super().__init__(text)
        slot, node = text.split(" ")
        self.host, port = node.rsplit(":", 1)
        self.slot_id, self.port = int(slot), int(port)


class MovedError(AskError):
    """Tell that another node has the slot from now on."""


def answered_error(text: str) -> ResponseError:
    """Give the exception of an answer that is an error, by its code."""
    code, _, rest = text.partition(" ")
    if code == "NOSCRIPT":
        return NoScriptError(text)
    if code == "TRYAGAIN":
        return TryAgainError(text)
    if code in ("MOVED", "ASK"):
        try:
            return MovedError(rest) if code == "MOVED" else AskError(rest)
        except ValueError:
            # Not the form of any server that is known.
            return ResponseError(text)
    return ResponseError(text)
