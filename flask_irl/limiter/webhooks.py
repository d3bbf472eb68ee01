"""Tell others by webhooks: attacks, a store that is lost and back, models that are refused.

Every worker puts its events into a queue in the store; the worker with the lease takes them from
there and delivers them on a thread of its own, again and again until a receiver takes them. What
is under way is in a table of the store, from which the next worker goes on. While the store is
out, the worker that had the lease delivers what it knows by itself.
"""

from __future__ import annotations

import json
import logging
import random
import threading
import time
import uuid
from collections import deque
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass, replace
from typing import Any, Final

from flask_irl.campaigns.incident import WORDS, Incident
from flask_irl.stored import is_number, read_json
from flask_irl.stores.base import Store
from flask_irl.telemetry.events import Event, Notify, StoreBack, StoreLost, TrainingEnded, Webhook
from flask_irl.telemetry.log import event, failure, moment
from flask_irl.telemetry.webhook_request import SIGNATURE, host_of, send, signature

WEBHOOKS: Final = "webhooks"
"""Name of the lease, of the queue, and of the table."""
LEASE_SECONDS: Final = 30.0
MOST_WAITING: Final = 100
"""Deliveries that wait; beyond it the oldest go."""
MOST_TRIES: Final = 12
FIRST_RETRY_SECONDS: Final = 1.0
LONGEST_RETRY_SECONDS: Final = 300.0
IDLE_SECONDS: Final = 60.0

Send = Callable[[str, bytes, dict[str, str]], int]


@dataclass(frozen=True, slots=True)
class Delivery:
    """Describe a webhook that is under way to one receiver.

    Args:
        id: The event's id, the same for all receivers and tries.
        event: Its name.
        body: The body, JSON.
        receiver: Place of the receiver among the URLs.
        tries: Tries so far.
        due: Time of the next try, in seconds since the epoch.
    """

    id: str
    event: str
    body: str
    receiver: int
    tries: int = 0
    due: float = 0.0


class Webhooks:
    """Deliver webhooks.

    Args:
        store: Holds queue, table and lease.
        urls: The receivers.
        secret: Signs bodies.
        notify: Takes the outcome of each try, and all events that are watched.
        send: Sends one; for tests.
        clock: Seconds since the epoch.
        monotonic: Seconds of a clock that is never set.
        jitter: Gives numbers from 0 to 1.
        threaded: Whether a thread delivers; else :meth:`deliver` must be called.
    """

    def __init__(
        self,
        store: Store,
        urls: tuple[str, ...],
        secret: str,
        notify: Notify,
        *,
        send: Send = send,
        clock: Callable[[], float] = time.time,
        monotonic: Callable[[], float] = time.monotonic,
        jitter: Callable[[], float] = random.random,
        threaded: bool = True,
    ) -> None:
        self._store = store
        self._urls = urls
        self._secret = secret
        self._notify = notify
        self._send = send
        self._clock = clock
        self._monotonic = monotonic
        self._jitter = jitter
        self._threaded = threaded
        self.after_fork()

    def after_fork(self) -> None:
        """Begin anew in a forked process: the parent delivers its own."""
        self._owner = uuid.uuid4().hex
        self._told: deque[str] = deque(maxlen=MOST_WAITING)
        self._waiting: list[Delivery] = []
        self._leads_until = 0.0
        self._revision = 0
        self._stored = b""
        self._closed = False
        self._thread: threading.Thread | None = None
        self._changed = threading.Condition()

    def watch(self, event: Event) -> None:
        """Take an event of the limiter's, and hand it on."""
        self._notify(event)
        # Those that notify must not be kept from their work.
        with suppress(Exception):
            if isinstance(event, StoreLost):
                self._tell_now("store_lost", {"reason": event.reason})
            elif isinstance(event, StoreBack):
                self._tell_now("store_back", {})
            elif isinstance(event, TrainingEnded) and event.result == "rejected":
                self.announce("candidate_refused", {"result": event.result})

    def announce_incident(self, name: str, incident: Incident) -> None:
        """Tell of the beginning or the end of an attack."""
        members = asdict(incident)
        members |= {"id": incident.id, "common": WORDS[incident.kind]}
        for at in ("since", "seen", "until"):
            members[at] = moment(members[at]) if members[at] else None
        self.announce(name, members)

    def announce(self, name: str, data: Mapping[str, Any]) -> None:
        """Tell of an event with the next :meth:`tell`, in whichever worker delivers.

        Args:
            name: The event's name.
            data: Its members, ready for JSON.
        """
        if len(self._told) == MOST_WAITING:
            self._drop(1)
        self._told.append(self._entry(name, data))

    def tell(self) -> None:
        """Put the events of this worker into the queue, and take the lease if it is to be had.

        Raises:
            StoreError: The store failed.
        """
        store = self._store
        while self._told:
            store.add_news(WEBHOOKS, self._told[0].encode(), MOST_WAITING)
            self._told.popleft()
        if not store.take_lease(WEBHOOKS, self._owner, LEASE_SECONDS):
            self._leads_until = 0.0
            return
        led = self._monotonic() < self._leads_until
        self._leads_until = self._monotonic() + LEASE_SECONDS
        if not led:
            self._revision, data = store.table(WEBHOOKS)
            self._stored = data or b""
            self._take([d for d in _decode(data) if d.receiver < len(self._urls)])
        for news in store.take_news(WEBHOOKS, MOST_WAITING):
            self._take(self._deliveries(news.decode(errors="replace")))
        with self._changed:
            table = _encode(self._waiting)
        if table != self._stored and (self._waiting or self._stored):
            if store.put_table(WEBHOOKS, self._revision, table):
                self._revision, self._stored = self._revision + 1, table
            else:
                self._leads_until = 0.0

    def deliver(self) -> float:
        """Try what is due, each once; returns the seconds until something else is due."""
        now = self._clock()
        for delivery in [delivery for delivery in self._waiting if delivery.due <= now]:
            after = self._try(delivery)
            with self._changed:
                if delivery in self._waiting:
                    place = self._waiting.index(delivery)
                    self._waiting[place : place + 1] = [] if after is None else [after]
        left = [delivery.due - self._clock() for delivery in self._waiting]
        return min(max(min(left, default=IDLE_SECONDS), 0.0), IDLE_SECONDS)

    def close(self) -> None:
        """Deliver no more, and leave the rest to another worker."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()

    def _tell_now(self, name: str, data: Mapping[str, Any]) -> None:
        """Deliver an event without the store, if this worker had the lease when it was lost."""
        # With the lease's time over: no other worker can have taken it from a store that is out.
        if self._leads_until:
            self._take(self._deliveries(self._entry(name, data)))

    def _entry(self, name: str, data: Mapping[str, Any]) -> str:
        members = {"id": uuid.uuid4().hex, "event": name, "at": moment(self._clock()), "data": data}
        return json.dumps(members)

    def _deliveries(self, entry: str) -> list[Delivery]:
        try:
            members = read_json(entry.encode())
            names = str(members["id"]), str(members["event"])
        except (ValueError, KeyError, TypeError):
            self._drop(1)
            return []
        due = self._clock()
        return [Delivery(*names, entry, place, due=due) for place in range(len(self._urls))]

    def _take(self, deliveries: list[Delivery]) -> None:
        if not deliveries:
            return
        with self._changed:
            known = {(d.id, d.receiver) for d in self._waiting}
            self._waiting += [d for d in deliveries if (d.id, d.receiver) not in known]
            dropped = len(self._waiting) - MOST_WAITING
            if dropped > 0:
                del self._waiting[:dropped]
            if self._threaded and self._thread is None and not self._closed:
                thread = threading.Thread(target=self._run, name="irl-webhooks", daemon=True)
                thread.start()
                self._thread = thread
            self._changed.notify_all()
        self._drop(max(dropped, 0))

    def _run(self) -> None:
        while not self._closed:
            try:
                pause = self.deliver()
            except Exception as error:
                failure("limiter_error", error, where="webhooks")
                pause = IDLE_SECONDS
            with self._changed:
                now = self._clock()
                if not self._closed and not any(d.due <= now for d in self._waiting):
                    self._changed.wait(pause)

    def _try(self, delivery: Delivery) -> Delivery | None:
        """Try a delivery; returns it with the time of its next try, None for no other."""
        if not self._leads_until or self._closed:
            # Another worker has it.
            return None
        url, body = self._urls[delivery.receiver], delivery.body.encode()
        headers = {
            "Content-Type": "application/json",
            "User-Agent": "flask_irl",
            "X-IRL-Event": delivery.event,
            "X-IRL-Delivery": delivery.id,
            SIGNATURE: signature(self._secret, body, int(self._clock())),
        }
        try:
            status = self._send(url, body, headers)
            reason = f"status {status}"
        except OSError as error:
            status, reason = 0, type(error).__name__
        if 200 <= status < 300:
            self._tell_outcome("delivered")
            return None
        tries = delivery.tries + 1
        if tries >= MOST_TRIES:
            self._tell_outcome("failed")
            fields = {"event_name": delivery.event, "host": host_of(url), "reason": reason}
            event(logging.ERROR, "webhook_failed", tries=tries, **fields)
            return None
        self._tell_outcome("retried")
        pause = min(FIRST_RETRY_SECONDS * 2 ** (tries - 1), LONGEST_RETRY_SECONDS)
        due = self._clock() + pause * (0.5 + self._jitter())
        return replace(delivery, tries=tries, due=due)

    def _drop(self, count: int) -> None:
        for _ in range(count):
            self._tell_outcome("dropped")
        if count:
            event(logging.WARNING, "webhooks_dropped", webhooks=count)

    def _tell_outcome(self, outcome: str) -> None:
        with suppress(Exception):
            self._notify(Webhook(outcome))


def _encode(deliveries: list[Delivery]) -> bytes:
    return json.dumps([asdict(delivery) for delivery in deliveries]).encode()


def _decode(data: bytes | None) -> list[Delivery]:
    """Decode the deliveries under way; damaged ones are left out."""
    found: list[Delivery] = []
    with suppress(ValueError, TypeError):
        for members in read_json(data or b"[]")[:MOST_WAITING]:
            with suppress(KeyError, TypeError, ValueError, AttributeError):
                figures = [members[name] for name in ("receiver", "tries", "due")]
                if all(is_number(figure) and figure >= 0 for figure in figures):
                    name, title, body = (str(members[name]) for name in ("id", "event", "body"))
                    receiver, tries, due = figures
                    made = Delivery(name, title, body, int(receiver), int(tries), float(due))
                    found.append(made)
    return found
