"""Ask the app for names of its clients, for operators who look at them."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Final

from flask_irl.errors import IrlError
from flask_irl.limiter.failures import Failed
from flask_irl.web.callbacks import call

LabelFunc = Callable[[str], str | Awaitable[str | None] | None]
MAX_CHARACTERS: Final = 60
WHERE: Final = "label_of"


class Labels:
    """Name clients by a function of the app's, which may fail and return anything.

    Args:
        function: Given a client's key, as stored, returns its name or None.
        failed: Takes what it raises.
    """

    def __init__(self, function: LabelFunc, failed: Failed) -> None:
        self._function = function
        self._failed = failed

    def __call__(self, client: str) -> str | None:
        """Name a client; None where the app has no name for it.

        Returns:
            One line of at most 60 printable characters.
        """
        try:
            label = call(self._function, client)
            if label is None or label == "":
                return None
            if not isinstance(label, str):
                raise IrlError(
                    f"it returned an object of {type(label).__qualname__}: give a text or None"
                )
        except Exception as error:
            self._failed(WHERE, error, self._function)
            return None
        if len(label) > MAX_CHARACTERS:
            label = f"{label[: MAX_CHARACTERS - 1]}…"
        return "".join(c if c.isprintable() else "\ufffd" for c in label)
