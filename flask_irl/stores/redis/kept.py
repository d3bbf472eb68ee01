"""Keep contents by name until their end on Redis, each kind in a hash."""

from __future__ import annotations

import math
from typing import Any, Final

from flask_irl.stores.kept import LONGEST_SECONDS
from flask_irl.stores.redis.history import RedisHistory
from flask_irl.stores.redis.scripts import read_script

KEPT: Final = read_script("kept")
SESSIONS: Final = "sessions"
FORGOTTEN: Final = "forgotten"


class RedisKept(RedisHistory):
    """Keep contents by name; see the protocol ``KeptStore``."""

    def put_session(
        self, name: str, session: bytes, until: float, most: int, *, renew: bool = False
    ) -> None:
        verb = "renew" if renew else "put"
        self._ask_kept(SESSIONS, verb, name, math.ceil(until), session, most, LONGEST_SECONDS)

    def session(self, name: str) -> bytes | None:
        return self._ask_kept(SESSIONS, "get", name)

    def end_session(self, name: str) -> bytes | None:
        return self._ask_kept(SESSIONS, "end", name)

    def keep_forgotten(self, client: str, content: bytes, until: float, most: int) -> None:
        self._ask_kept(FORGOTTEN, "put", client, math.ceil(until), content, most, LONGEST_SECONDS)

    def forgotten(self, client: str) -> bytes | None:
        return self._ask_kept(FORGOTTEN, "get", client)

    def drop_forgotten(self, client: str) -> bytes | None:
        return self._ask_kept(FORGOTTEN, "end", client)

    def _drop_all_forgotten(self) -> None:
        """Drop what was forgotten of all clients."""
        [key] = self._site_key(FORGOTTEN)
        self._run(("DEL", key))

    def _ask_kept(self, kind: str, *arguments: str | int | bytes) -> bytes | None:
        [key] = self._site_key(kind)
        now = self._whole_seconds()
        answer: Any = self._run_strictly(("EVAL", KEPT.text, 1, key, now, *arguments))
        return None if answer is None else bytes(answer)

    def _whole_seconds(self) -> int | str:
        """Give a clock's time for a script; empty for the server's own."""
        return "" if self._clock is None else int(self._clock())
