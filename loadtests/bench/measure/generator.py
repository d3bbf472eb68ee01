"""Generate load over HTTP: ``python -m loadtests.bench.measure.generator ARGUMENTS``.

Each connection asks again as soon as it was answered, for the next of the clients in rotation, so
that the requests of one client go over all connections. Plain sockets and little Python: one such
process asks far more than a gunicorn of eight workers answers. It connects, says ``ready``, begins
at the time that it then reads, and writes its figures in a line of JSON, the times of the requests
behind it.
"""

from __future__ import annotations

import json
import select
import socket
import sys
import time
from array import array
from collections import Counter, deque
from collections.abc import Iterator, Sequence
from itertools import cycle, islice
from typing import Final

HOST: Final = "127.0.0.1"
END: Final = b"\r\n\r\nok"
"""End of each answer: the app's."""
STALLED_SECONDS: Final = 10.0
TRIES: Final = 50
"""Connections that are tried for one, so that all workers have equally many."""


class LoadError(RuntimeError):
    """Signal that a request was not answered as it must be."""


def address_of(number: int) -> str:
    """Give the address of the client of a number."""
    return f"10.{number >> 16 & 255}.{number >> 8 & 255}.{number & 255}"


def request_of(path: str, number: int) -> bytes:
    """Write the request of a client, as a proxy hands it on."""
    lines = (f"GET {path} HTTP/1.1", "Host: bench", f"X-Forwarded-For: {address_of(number)}")
    return "\r\n".join((*lines, "", "")).encode("ascii")


def connect(port: int, state_path: str, connections: int, workers: int) -> list[socket.socket]:
    """Open connections, equally many to each worker of a gunicorn.

    Who accepts a connection is chance, and the p99 of a worker that has many would be of that.
    After many tries those of any worker do.
    """
    most = -(-connections // workers)
    found: list[socket.socket] = []
    held: Counter[int] = Counter()
    spare: deque[socket.socket] = deque()
    tries = 0
    while len(found) < connections:
        one = socket.create_connection((HOST, port), timeout=STALLED_SECONDS)
        one.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        worker = _worker_of(one, state_path)
        tries += 1
        if held[worker] < most or tries > TRIES * connections:
            held[worker] += 1
            found.append(one)
        else:
            # Closed later: its worker would be free to accept the next one.
            spare.append(one)
            if len(spare) > most:
                spare.popleft().close()
    for one in spare:
        one.close()
    return found


def _worker_of(connection: socket.socket, state_path: str) -> int:
    """Ask which process serves a connection."""
    connection.sendall(f"GET {state_path} HTTP/1.1\r\nHost: bench\r\n\r\n".encode("ascii"))
    answer = b""
    while not answer.endswith(b"}"):
        part = connection.recv(4096)
        if not part:
            raise LoadError(f"{state_path} was not answered")
        answer += part
    worker: int = json.loads(answer.partition(b"\r\n\r\n")[2])["pid"]
    return worker


def drive(
    connections: Sequence[socket.socket], requests: Iterator[bytes], begin: float, seconds: float
) -> tuple[array[float], int]:
    """Ask over connections from now on until some seconds after a time of the monotonic clock.

    Returns:
        The seconds of each request that was begun and answered within that time, and the number of
        all requests.

    Raises:
        LoadError: A request was answered otherwise than it must be, or not at all.
    """
    clock = time.monotonic
    end = begin + seconds
    times: array[float] = array("d")
    asked = 0
    poll = select.poll()
    by_number = {one.fileno(): one for one in connections}
    begun: dict[int, float] = {}
    halves: dict[int, bytes] = {}
    for number, one in by_number.items():
        poll.register(number, select.POLLIN)
        begun[number] = clock()
        one.sendall(next(requests))
        asked += 1
    while begun:
        ready = poll.poll(STALLED_SECONDS * 1000)
        if not ready:
            raise LoadError(f"no answer within {STALLED_SECONDS:g} s")
        for number, _ in ready:
            one = by_number[number]
            answer = one.recv(8192)
            now = clock()
            if not answer.endswith(END) or number in halves:
                # gunicorn sends head and body by themselves.
                answer = halves.pop(number, b"") + answer
                if not answer.endswith(END):
                    halves[number] = answer
                    if answer[9:12] not in b"200" or not answer:
                        raise LoadError(f"answered {answer[:40]!r}")
                    continue
            start = begun[number]
            if start >= begin and now <= end:
                times.append(now - start)
            if now >= end:
                poll.unregister(number)
                del begun[number]
                continue
            begun[number] = clock()
            one.sendall(next(requests))
            asked += 1
    return times, asked


def main(arguments: Sequence[str]) -> None:
    """Ask, and write the figures."""
    told = json.loads(arguments[0])
    requests = [request_of(told["path"], number) for number in told["clients"]]
    first = told["first"] % len(requests)
    rotation = islice(cycle(requests), first, None)
    connections = connect(told["port"], told["state_path"], told["connections"], told["workers"])
    print("ready", flush=True)
    begin = float(sys.stdin.readline())
    cpu, wall = time.process_time(), time.monotonic()
    times, asked = drive(connections, rotation, begin, told["seconds"])
    busy = (time.process_time() - cpu) / (time.monotonic() - wall)
    figures = {"count": len(times), "asked": asked, "busy": busy}
    sys.stdout.buffer.write(json.dumps(figures).encode("ascii") + b"\n" + times.tobytes())


if __name__ == "__main__":
    try:
        main(sys.argv[1:])
    except (LoadError, OSError) as error:
        sys.exit(f"the load generator failed: {error}")
