"""Know which nodes and slots of a cluster are out: only their clients go without the store."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Collection
from functools import partial
from typing import Final

from flask_irl.errors import OUT, StoreError
from flask_irl.stores.breaker import PAUSES, Breaker
from flask_irl.stores.redis.pool import Pool
from flask_irl.telemetry.log import event

FORGET_SECONDS: Final = 60.0
"""Time after which a slot that nobody asks for any more is forgotten."""


class _Pause:
    """Hold a slot for which nobody is asked for a while.

    Args:
        until: End, by the monotonic clock.
    """

    __slots__ = ("tries", "until")

    def __init__(self, until: float) -> None:
        self.tries = 1
        self.until = until


class Outages:
    """Break the circuit to single nodes and slots of a cluster.

    A node that fails three times in a row is out until a probe on a thread of its own succeeds. A
    slot that no node serves at the moment, as one on its way to another node, is asked for by one
    call after each of growing pauses.

    Args:
        probe: Raises while a node is out.
        monotonic: Seconds of a clock that is never set.

    Attributes:
        any: Whether anything has failed of late; else no other method need be called.
    """

    def __init__(
        self,
        probe: Callable[[Pool], object],
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._probe = probe
        self._monotonic = monotonic
        self.forget()

    def forget(self) -> None:
        """Begin anew, as a forked process must."""
        self._lock = threading.Lock()
        self._nodes: dict[Pool, Breaker] = {}
        self._slots: dict[int, _Pause] = {}
        self._closed = False
        self.any = False

    def is_out(self, node: Pool) -> bool:
        """Tell whether a node is out."""
        breaker = self._nodes.get(node)
        return breaker is not None and breaker.is_open

    def check_node(self, node: Pool, nodes: Collection[Pool]) -> None:
        """Let a call to a node be made, unless it is out.

        Args:
            node: The node.
            nodes: All nodes that serve slots.

        Raises:
            StoreError: The node is out; with no part if all nodes are.
        """
        if self.is_out(node):
            if all(map(self.is_out, nodes)):
                raise StoreError("all nodes of the cluster are out", kind=OUT)
            raise StoreError(f"{node.node} is out", kind=OUT, part=node.node)

    def check_slot(self, slot: int) -> None:
        """Let a call for a slot be made, unless one has failed a moment ago.

        Raises:
            StoreError: The slot is out.
        """
        pause = self._slots.get(slot)
        if pause is not None:
            now = self._monotonic()
            with self._lock:
                if now < pause.until:
                    part = name_of_slot(slot)
                    raise StoreError(f"{part} is served by no node now", kind=OUT, part=part)
                # This call tries; others don't meanwhile.
                pause.until = now + PAUSES[-1]

    def node_failed(self, node: Pool, error: StoreError) -> None:
        """Count a failed call to a node."""
        with self._lock:
            if self._closed:
                return
            breaker = self._nodes.get(node)
            if breaker is None:
                breaker = Breaker(partial(self._probe, node), partial(self._report, node))
                self._nodes[node] = breaker
        breaker.failure(error)
        self.any = True

    def slot_failed(self, slot: int) -> None:
        """Ask for a slot no more for a while."""
        now = self._monotonic()
        with self._lock:
            pause = self._slots.get(slot)
            if pause is None:
                old = [n for n, each in self._slots.items() if each.until < now - FORGET_SECONDS]
                for number in old:
                    del self._slots[number]
                self._slots[slot] = _Pause(now + PAUSES[0])
            else:
                pause.until = now + PAUSES[min(pause.tries, len(PAUSES) - 1)]
                pause.tries += 1
            self.any = True

    def worked(self, slot: int, node: Pool) -> None:
        """Note a call that worked."""
        with self._lock:
            self._slots.pop(slot, None)
            breaker = self._nodes.get(node)
            if breaker is not None:
                breaker.success()
            self._look()

    def close(self) -> None:
        """Stop probing for good."""
        with self._lock:
            self._closed = True
            breakers = list(self._nodes.values())
        for breaker in breakers:
            breaker.close()

    def _look(self) -> None:
        """See whether anything is left that has failed of late."""
        self.any = bool(self._slots) or any(each.failures for each in self._nodes.values())

    def _report(self, node: Pool, lost: bool, reason: str) -> None:
        if lost:
            event(logging.ERROR, "node_lost", node=node.node, reason=reason)
            return
        with self._lock:
            self._look()
        event(logging.WARNING, "node_back", node=node.node)


def name_of_slot(slot: int) -> str:
    """Name a slot, as the part of the store that failed."""
    return f"slot {slot}"
