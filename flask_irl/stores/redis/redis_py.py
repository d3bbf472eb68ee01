"""Have redis-py connect: with TLS, or with an option that only it knows."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final

from redis import exceptions as theirs
from redis.backoff import NoBackoff
from redis.connection import Connection, SSLConnection, UnixDomainSocketConnection
from redis.retry import Retry

from flask_irl.errors import ConfigurationError
from flask_irl.stores.location import Address, Transport
from flask_irl.stores.redis.exceptions import (
    ConnectError,
    ConnectTimeoutError,
    InvalidResponse,
    RedisError,
    ResponseError,
)

CLASSES: Final[Mapping[Transport, type[Any]]] = {
    "tcp": Connection,
    "tls": SSLConnection,
    "unix": UnixDomainSocketConnection,
}
"""redis-py's classes, whose methods are only partly typed."""
OURS: Final[tuple[tuple[type[Exception], type[RedisError]], ...]] = (
    (theirs.TimeoutError, ConnectTimeoutError),
    # One that they count among those of connections.
    (theirs.AuthenticationError, ResponseError),
    (theirs.ConnectionError, ConnectError),
    (theirs.InvalidResponse, InvalidResponse),
    (theirs.ResponseError, ResponseError),
)
"""Our exceptions by theirs; the first that fits counts."""


def connect_by_redis_py(
    transport: Transport, address: Address | None, options: Mapping[str, Any], seconds: float
) -> Callable[[float], Any]:
    """Give what opens connections by redis-py.

    Args:
        transport: How they are made.
        address: Host and port; None for a Unix socket named in the options.
        options: Keyword arguments of redis-py's class.
        seconds: Time-out of each step, unless another is given.

    Raises:
        ConfigurationError: The class doesn't know an option.
    """
    kind = CLASSES[transport]
    arguments: dict[str, Any] = {
        **options,
        "driver_info": None,
        "protocol": 3,
        "retry": Retry(NoBackoff(), 0),
        "decode_responses": False,
        "health_check_interval": 0,
    }
    if address is not None:
        arguments.update(host=address[0], port=address[1])
    waits = ("socket_timeout", "socket_connect_timeout")[: 1 if transport == "unix" else 2]

    def make(each: float) -> Any:
        return kind(**arguments, **dict.fromkeys(waits, each))

    def connect(each: float) -> Any:
        connection = make(each)
        try:
            connection.connect()
        except theirs.RedisError as error:
            raise _translated(error) from error
        return connection

    try:
        # Made, not connected: a misspelt option must not wait for the first request.
        make(seconds)
    except (TypeError, ValueError, theirs.RedisError) as error:
        raise ConfigurationError(
            "storage_options, or the options in storage_uri, are not those of redis-py's "
            f"{kind.__name__}: {error}"
        ) from None
    return connect


def _translated(error: theirs.RedisError) -> RedisError:
    for their, our in OURS:
        if isinstance(error, their):
            return our(str(error))
    return RedisError(f"{type(error).__name__}: {error}")
