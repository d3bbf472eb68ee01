"""Call the functions that an app gives: also async ones, which are awaited as Flask awaits views.

What they return is never taken for more than it is: a coroutine or a function isn't true, and an
object that only shows its place in memory is nobody's key.
"""

from __future__ import annotations

import functools
import importlib.util
import inspect
import types
from collections.abc import Awaitable, Callable
from typing import Any, Final
from uuid import UUID

from flask import Response, current_app
from werkzeug.local import LocalProxy

from flask_irl.errors import ConfigurationError, IrlError
from flask_irl.telemetry.log import name_of

Key = str | bytes | int | UUID | None
KeyFunc = Callable[[], Key | Awaitable[Key]]
Filter = Callable[[], bool | Awaitable[bool]]
LimitFunc = Callable[[], str | Awaitable[str | None] | None]
CostFunc = Callable[[], int | Awaitable[int]]
ScopeFunc = Callable[[str], str | Awaitable[str]]
DeductWhen = Callable[[Response], bool | Awaitable[bool]]
"""Given the response to a request, returns True if the request counts."""
OnBreach = Callable[[Any], Response | None]
"""Given the limit that refuses a request, may return the answer to it."""
Authorize = Callable[[str], str | Awaitable[str | None] | None]
"""Given ``read`` or ``write``, returns the name of the user that may do that, or None; may raise an
``HTTPException``, such as by ``flask.abort``."""
Verify = Callable[[str], bool | Awaitable[bool]]

PLAIN: Final = frozenset({str, bool, int, type(None)})
NO_ANSWERS: Final = (
    types.FunctionType,
    types.MethodType,
    types.BuiltinFunctionType,
    types.GeneratorType,
    types.AsyncGeneratorType,
    functools.partial,
)
"""Types that are always true, and that nobody means to say yes by."""
IN_MEMORY: Final = " at 0x"
"""Part of what an object without a text of its own shows: another one in each process."""


def check_callback(option: str, function: object) -> None:
    """Check a function that an app gives.

    Args:
        option: The name under which it is given, for messages.
        function: Of any type.

    Raises:
        ConfigurationError: It can't be called, is a generator, or is async while asgiref, by which
            Flask awaits such functions, isn't installed.
    """
    if not callable(function):
        raise ConfigurationError(f"{option} {function!r} is not allowed: give a function")
    kinds = (function, type(function).__call__)
    if any(inspect.isgeneratorfunction(x) or inspect.isasyncgenfunction(x) for x in kinds):
        raise ConfigurationError(
            f"{option} {name_of(function)} is not allowed: it is a generator, give a function "
            "that returns its answer"
        )
    if any(map(inspect.iscoroutinefunction, kinds)) and not _awaits():
        raise ConfigurationError(
            f"{option} {name_of(function)} is not allowed: it is async, which needs asgiref "
            "(pip install 'flask[async]'); or give a plain function"
        )


def call(function: Callable[..., Any], *arguments: object) -> Any:
    """Call an app's function within a request, and await what it returns if it has to be."""
    value = function(*arguments)
    if type(value) in PLAIN:
        return value
    if type(value) is LocalProxy:
        value = value._get_current_object()
    return _awaited(value) if inspect.isawaitable(value) else value


def is_true(function: Callable[..., Any], *arguments: object) -> bool:
    """Call an app's function within a request, and tell whether it says yes.

    Raises:
        IrlError: It returned a function or a generator.
    """
    value = call(function, *arguments)
    if isinstance(value, NO_ANSWERS):
        raise IrlError(f"{name_of(function)} returned {_kind(value)}, and neither yes nor no")
    return bool(value)


def key_of(function: KeyFunc) -> str:
    """Call an app's key function within a request.

    Returns:
        The key: a text as it is, a number's or UUID's or any other object's own text; ``""``
        where there is none.

    Raises:
        IrlError: It returned something that has no text of its own.
    """
    value: object = call(function)
    if type(value) is bytes:
        value = value.decode(errors="backslashreplace")
    is_number = isinstance(value, int) and not isinstance(value, bool)
    if value is None or value is False or isinstance(value, str) or is_number:
        text = str(value) if value else ""
    elif getattr(type(value), "__str__", None) is object.__str__:
        raise _no_key(function, value)
    else:
        text = str(value)
    if IN_MEMORY in text:
        raise _no_key(function, value)
    return text


def _no_key(function: object, value: object) -> IrlError:
    return IrlError(
        f"{name_of(function)} returned {_kind(value)}, which is no key: give a text, a number or "
        "a UUID"
    )


def _kind(value: object) -> str:
    return f"an object of {type(value).__module__}.{type(value).__qualname__}"


def _awaits() -> bool:
    return importlib.util.find_spec("asgiref") is not None


def _awaited(value: Awaitable[Any]) -> Any:
    """Await what a function returned, as Flask awaits an async view."""
    # Only where something is awaited: importing it takes tens of milliseconds.
    import asyncio
    import contextvars
    from concurrent.futures import ThreadPoolExecutor

    try:
        wait = current_app.ensure_sync(_wait)
        try:
            asyncio.get_running_loop()
        except RuntimeError:
            return wait(value)
        # Called by an async view, whose loop can't wait for itself.
        context = contextvars.copy_context()
        with ThreadPoolExecutor(1) as thread:
            return thread.submit(context.run, wait, value).result()
    finally:
        if inspect.iscoroutine(value):
            # One that wasn't awaited would warn of that, long after.
            value.close()


async def _wait(value: Awaitable[Any]) -> Any:
    return await value
