"""Read from a Redis server's INFO its version and its memory."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

from flask_irl.errors import StoreError
from flask_irl.stores.redis.pool import Pool
from flask_irl.stores.server import ServerInfo

QUESTIONS: Final = (("INFO", "server"), ("INFO", "memory"))


def read_server_info(pools: Sequence[Pool]) -> ServerInfo:
    """Ask servers about themselves, and describe the one whose memory is fullest.

    A server that doesn't tell, as the rights of its user may forbid, is left out.
    """
    found: list[ServerInfo] = []
    silent: list[str] = []
    for pool in pools:
        try:
            answers = pool.run(QUESTIONS)
        except StoreError:
            # That the store failed shows wherever the limiter itself asks it.
            silent += [pool.node] if pool.node else []
            continue
        members: dict[str, str] = {}
        for answer in answers:
            members.update(_members(answer))
        if members:
            found.append(_info(members))
    fullest = max(found, key=_fullness, default=ServerInfo())
    return fullest._replace(silent=tuple(sorted(silent)))


def _info(members: Mapping[str, str]) -> ServerInfo:
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
