"""Read from a Redis server's INFO its version and its memory."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

from flask_irl.errors import StoreError
from flask_irl.stores.redis.pool import Pool
from flask_irl.stores.site import ServerInfo

QUESTIONS: Final = (("INFO", "server"), ("INFO", "memory"))
UNKNOWN: Final = ServerInfo()


def read_server_info(pools: Sequence[Pool]) -> ServerInfo:
    """Ask servers about themselves, and describe the one whose memory is fullest.

    A server that gives no answer, as the rights of its user may forbid, is left out.
    """
    found = [info for info in map(_ask, pools) if info is not UNKNOWN]
    return max(found, key=_fullness, default=UNKNOWN)


def _ask(pool: Pool) -> ServerInfo:
    try:
        answers = pool.run(QUESTIONS)
    except StoreError:
        # That the store failed shows wherever the limiter itself asks it.
        return UNKNOWN
    members: dict[str, str] = {}
    for answer in answers:
        members.update(_members(answer))
    if not members:
        return UNKNOWN
    name = "Valkey" if "valkey_version" in members else "Redis"
    version = members.get("valkey_version") or members.get("redis_version")
    return ServerInfo(
        version=f"{name} {version}" if version else None,
        memory_used=_whole(members.get("used_memory")),
        memory_limit=_whole(members.get("maxmemory")) or None,
        policy=members.get("maxmemory_policy"),
    )


def _fullness(info: ServerInfo) -> float:
    return (info.memory_used or 0) / (info.memory_limit or float("inf"))


def _members(answer: Any) -> dict[str, str]:
    if not isinstance(answer, bytes):
        return {}
    lines = answer.decode(errors="replace").splitlines()
    pairs = (line.partition(":") for line in lines if not line.startswith("#"))
    return {name: value for name, colon, value in pairs if colon}


def _whole(text: str | None) -> int | None:
    return int(text) if text is not None and text.isdecimal() else None
