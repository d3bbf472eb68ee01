"""Ask by HTTP, on machines without wrk: ``python -m loadtests.bench.measure.client``.

Each connection asks again as soon as it was answered. This client needs more of a core than wrk
does, so that all servers look slower to it.
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

import numpy as np


async def ask(
    url: str, connections: int, seconds: float, header: str, prefix: str, clients: int
) -> dict[str, float]:
    """Ask for some seconds, as each of the clients in rotation; give the figures of ``wrk.lua``.

    There ``refused`` are all answers other than 200.
    """
    target = urlsplit(url)
    path, host = target.path or "/", target.netloc
    requests = cycle(
        f"GET {path} HTTP/1.1\r\nHost: {host}\r\n{header}: {prefix}{number}\r\n\r\n".encode()
        for number in range(1, clients + 1)
    )
    address = (target.hostname or "", target.port or 80)
    times: list[float] = []
    statuses: Counter[str] = Counter()
    begin = time.monotonic()
    async with asyncio.TaskGroup() as group:
        for _ in range(connections):
            group.create_task(_connection(address, requests, begin + seconds, times, statuses))
    return {
        "requests": len(times),
        "refused": len(times) - statuses["200"],
        "failed": statuses["failed"],
        "seconds": time.monotonic() - begin,
        "p50_us": statistics.median(times or [0.0]) * 1e6,
        "p99_us": float(np.percentile(times or [0.0], 99)) * 1e6,
    }


async def _connection(
    address: tuple[str, int],
    requests: Iterator[bytes],
    end: float,
    times: list[float],
    statuses: Counter[str],
) -> None:
    while time.monotonic() < end:
        try:
            reader, writer = await asyncio.open_connection(*address)
            try:
                stays = True
                while stays and time.monotonic() < end:
                    start = time.perf_counter()
                    writer.write(next(requests))
                    status, stays = await _answer(reader)
                    times.append(time.perf_counter() - start)
                    statuses[status] += 1
            finally:
                writer.close()
        except (OSError, EOFError, ValueError):
            statuses["failed"] += 1
            await asyncio.sleep(0.01)


async def _answer(reader: asyncio.StreamReader) -> tuple[str, bool]:
    """Read an answer to its end; return its status, and True if the connection stays open."""
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
