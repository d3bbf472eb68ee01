"""Switch the hook of a limiter off and on, at no cost to requests while it is on."""

from __future__ import annotations

from collections.abc import Callable


class _SwitchedOff:
    """Take a hook's place, and do nothing.

    Args:
        hook: The hook.
    """

    def __init__(self, hook: object) -> None:
        self.hook = hook

    def __call__(self) -> None:
        return


def switch(hooks: list[object], hook: Callable[..., object], on: bool) -> None:
    """Put a hook back into its place among an app's hooks, or another there that does nothing."""
    for index, found in enumerate(hooks):
        if on and isinstance(found, _SwitchedOff) and found.hook == hook:
            hooks[index] = found.hook
        elif not on and found == hook:
            hooks[index] = _SwitchedOff(found)
