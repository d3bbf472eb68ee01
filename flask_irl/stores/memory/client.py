"""Hold the state of a client in this process, and copy it for the time after it is forgotten."""

from __future__ import annotations

import base64
import json
from typing import Any, Final

from flask_irl.limits.override import Override
from flask_irl.limits.strategies.base import EMPTY, Cell
from flask_irl.stored import read_json

ScopeKey = tuple[str, int]
"""A scope's name, and the signature of its limits."""
NONE_YET: Final = (0.0, [EMPTY])
"""State of a scope of a single limit that has counted nothing."""


class MemoryClient:
    """Hold the state of a client; times are in µs.

    Args:
        revision: First revision of the state.
    """

    __slots__ = ("expires", "last", "override", "profile", "revision", "scopes", "score", "step")

    def __init__(self, revision: int) -> None:
        self.scopes: dict[ScopeKey, tuple[float, list[Cell]]] = {}
        self.step = 0
        self.score = 0.0
        self.revision = revision
        self.last = 0.0
        self.profile = b""
        self.override: Override | None = None
        self.expires = 0.0

    def snapshot(self) -> bytes:
        """Copy all that is forgotten with the client."""
        scopes = [[*name, until, cells] for name, (until, cells) in self.scopes.items()]
        return json.dumps(
            {
                "step": self.step,
                "score": self.score,
                "last": self.last,
                "profile": base64.b64encode(self.profile).decode(),
                "scopes": scopes,
            }
        ).encode()

    def restore(self, snapshot: bytes) -> bool:
        """Take back what a copy holds; False if the copy can't be read.

        A client that made a request since keeps its counts since.
        """
        try:
            members: Any = read_json(snapshot)
            step, score, last = int(members["step"]), float(members["score"]), members["last"]
            profile = base64.b64decode(members["profile"])
            scopes = {
                (str(name), int(signature)): (
                    float(until),
                    [(float(start), int(now), int(before)) for start, now, before in cells],
                )
                for name, signature, until, cells in members["scopes"]
            }
        except (KeyError, TypeError, ValueError, AttributeError):
            return False
        if not self.last:
            self.scopes = scopes
        self.step, self.score, self.profile = max(self.step, step), score, profile
        self.last = max(self.last, float(last))
        return True
