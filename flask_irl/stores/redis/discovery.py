"""Ask Sentinels and nodes of clusters for the servers that hold keys."""

from __future__ import annotations

from typing import NamedTuple

from flask_irl.errors import StoreError
from flask_irl.stores.location import Address
from flask_irl.stores.redis.errors import store_error
from flask_irl.stores.redis.pool import Pool


class Range(NamedTuple):
    """Describe slots of a cluster, the first to the last, and the address of their node."""

    first: int
    last: int
    node: Address


def ask_sentinel(pool: Pool, master: str) -> Address:
    """Ask a Sentinel for the address of a master.

    Raises:
        StoreError: The Sentinel doesn't answer, or knows no such master.
    """
    answer = pool.run([("SENTINEL", "GET-MASTER-ADDR-BY-NAME", master)])[0]
    pool.close()
    if not isinstance(answer, list) or len(answer) != 2:
        raise StoreError(f"Sentinel knows no master {master!r}")
    return answer[0].decode(), int(answer[1])


def ask_cluster(pool: Pool) -> list[Range]:
    """Ask a node of a cluster for the slots that are served.

    Raises:
        StoreError: The node doesn't answer, or is none.
    """
    answer = pool.run([("CLUSTER", "SLOTS")])[0]
    if not isinstance(answer, list):
        raise store_error(answer, part=pool.node) from answer
    return [
        Range(first, last, ((master[0] or b"").decode() or pool.host, int(master[1])))
        for first, last, master, *_ in answer
    ]
