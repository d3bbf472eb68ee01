"""An HTTP client for machines without wrk: ``python -m loadtests.bench_client …``.

As many connections as told, each asking again as soon as it was answered. It needs more of a core
than wrk does, so that all servers look slower to it.
"""

from __future__ import annotations

import asyncio
import json
import statistics
import sys
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from itertools import cycle
from urllib.parse import urlsplit


async def ask(
    url: str, connections: int, seconds: float, header: str, prefix: str, clients: int
) -> dict[str, float]:
    """Ask, in rotation as each of the clients, for so long.

    Returns:
        The figures that ``bench_wrk.lua`` prints: ``refused`` are all answers other than 200.
    """
    where = urlsplit(url)
    path, host = where.path or "/", where.netloc
    requests = cycle(
        f"GET {path} HTTP/1.1\r\nHost: {host}\r\n{header}: {prefix}{number}\r\n\r\n".encode()
        for number in range(1, clients + 1)
    )
    spent: list[float] = []
    seen: Counter[str] = Counter()
    begin = time.monotonic()
    async with asyncio.TaskGroup() as group:
        for _ in range(connections):
            group.create_task(
                _connection(
                    where.hostname or "", where.port or 80, requests, begin + seconds, spent, seen
                )
            )
    ordered = sorted(spent) or [0.0]
    return {
        "requests": len(spent),
        "refused": len(spent) - seen["200"],
        "failed": seen["failed"],
        "seconds": time.monotonic() - begin,
        "p50_us": statistics.median(ordered) * 1e6,
        "p99_us": ordered[min(len(ordered) - 1, int(0.99 * len(ordered)))] * 1e6,
    }


async def _connection(
    host: str,
    port: int,
    requests: Iterator[bytes],
    end: float,
    spent: list[float],
    seen: Counter[str],
) -> None:
    while time.monotonic() < end:
        try:
            reader, writer = await asyncio.open_connection(host, port)
            try:
                while time.monotonic() < end:
                    start = time.perf_counter()
                    writer.write(next(requests))
                    status, stays = await _answer(reader)
                    spent.append(time.perf_counter() - start)
                    seen[status] += 1
                    if not stays:
                        break
            finally:
                writer.close()
        except (OSError, EOFError, ValueError):
            seen["failed"] += 1
            await asyncio.sleep(0.01)


async def _answer(reader: asyncio.StreamReader) -> tuple[str, bool]:
    """The status of an answer that is read to its end, and whether the connection stays open."""
    head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").lower()
    first, *lines = head.split("\r\n")
    headers = {name: value.strip() for name, _, value in (line.partition(":") for line in lines)}
    await reader.readexactly(int(headers["content-length"]))
    return first.split()[1], headers.get("connection") != "close"


def main(arguments: Sequence[str]) -> None:
    """Ask, and print the figures."""
    url, connections, seconds, header, prefix, clients = arguments
    figures = asyncio.run(ask(url, int(connections), float(seconds), header, prefix, int(clients)))
    print(json.dumps(figures))


if __name__ == "__main__":
    main(sys.argv[1:])
