"""Look clients up by their addresses, in a file that may be replaced while the app runs."""

from __future__ import annotations

import contextlib
import ipaddress
import threading
import time
from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import Final, Generic, TypeVar

from flask_irl.addresses.file import (
    MAX_REASON,
    OpenedFile,
    UnreadableFileError,
    check_library,
    open_file,
    stamp_of,
)
from flask_irl.errors import ConfigurationError
from flask_irl.limits.networks import BITS, CLIENT_BITS, Address, read_address
from flask_irl.telemetry.damage import DamageLog
from flask_irl.telemetry.events import Notify, ValueDamaged, ignore
from flask_irl.telemetry.forks import renew_after_fork

T = TypeVar("T")
CHECK_SECONDS: Final = 60.0
"""Time between two looks whether the file was replaced."""
MOST_KNOWN: Final = 10_000
"""Networks of the file whose records are remembered."""
LEAST_BITS: Final = {4: 32, 6: CLIENT_BITS}
"""Bits of an address that is one client's; nothing is told of a larger network."""


class Lookup(ABC, Generic[T]):
    """Look clients up by their keys; safe for threads and forks.

    The file is looked at again where it is used: by flushes and by those that operators ask.

    Args:
        path: Path of a MaxMind DB file.
        notify: Takes an event for each damaged record or replacement.
        monotonic: Seconds of a clock that is never set.

    Attributes:
        option: Name of the option that has the path.
        example: Name of such a file, for messages.
        kind: Kind of damaged records, one of ``DAMAGES`` of :mod:`flask_irl.telemetry.prometheus`.
        unknown: Stands for what no record tells.

    Raises:
        ConfigurationError: The library isn't there, or the file can't be read.
    """

    option: str
    example: str
    kind: str
    unknown: T

    def __init__(
        self,
        path: str,
        notify: Notify = ignore,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        named = f"{self.option} (IRL_{self.option.upper()})"
        check_library(named)
        self._path = path
        self._damaged = self._damage_log(notify)
        self._monotonic = monotonic
        self._seen = stamp_of(path)
        try:
            opened = open_file(path)
        except UnreadableFileError as error:
            raise ConfigurationError(
                f"{named} is {path!r}, which can't be read: {error}; give the path of a MaxMind DB "
                f"file, such as {self.example}"
            ) from error
        self._file = self._known(opened)
        self._next = monotonic() + CHECK_SECONDS
        self.after_fork()
        renew_after_fork(self)

    def after_fork(self) -> None:
        """Renew the lock in a forked process."""
        self._lock = threading.Lock()

    def find(self, client: str) -> T:
        """Find what is known of a client by its key, which must be an address. Never raises."""
        if self._monotonic() >= self._next and self._lock.acquire(blocking=False):
            try:
                self._next = self._monotonic() + CHECK_SECONDS
                self._renew()
            finally:
                self._lock.release()
        return self._file.find(client)

    def _renew(self) -> None:
        """Open the file anew if it was replaced; one that can't be read changes nothing."""
        stamp = stamp_of(self._path)
        if stamp == self._seen:
            return
        # Also of one that can't be read, so that it is reported once.
        self._seen = stamp
        try:
            opened = open_file(self._path)
        except UnreadableFileError as error:
            with contextlib.suppress(Exception):
                self._damaged.notify(ValueDamaged(self.kind, 1))
            self._log_refused(error)
            return
        self._file = self._known(opened)
        self._log_loaded(opened)

    def _known(self, opened: OpenedFile) -> _KnownFile[T]:
        return _KnownFile(opened, self._read, self.unknown, self._damaged)

    @staticmethod
    @abstractmethod
    def _read(record: object) -> T:
        """Read a record, whose shape differs by vendor."""

    @staticmethod
    @abstractmethod
    def _damage_log(notify: Notify) -> DamageLog:
        """Make what takes each record that can't be read."""

    @abstractmethod
    def _log_loaded(self, opened: OpenedFile) -> None:
        """Log that a file replaces another."""

    @abstractmethod
    def _log_refused(self, reason: UnreadableFileError) -> None:
        """Log why a file that should replace another can't be read."""


class _KnownFile(Generic[T]):
    """Look addresses up in an open file, and remember the records of its networks.

    Reading a record takes fifty times as long as to find one that is remembered.

    Args:
        opened: The file.
        read: Reads a record.
        unknown: Stands for what no record tells.
        damaged: Takes each record that can't be read.
    """

    def __init__(
        self, opened: OpenedFile, read: Callable[[object], T], unknown: T, damaged: DamageLog
    ) -> None:
        self._opened = opened
        self._read = read
        self._unknown = unknown
        self._damaged = damaged
        self._known: dict[Address, T] = {}
        self._lengths: dict[int, tuple[int, ...]] = {4: (), 6: ()}

    def find(self, client: str) -> T:
        """Look a client up. Never raises."""
        address = read_address(client)
        if address is None or address.bits < LEAST_BITS[address.version]:
            return self._unknown
        version, number, _ = address
        all_bits = BITS[version]
        for bits in self._lengths[version]:
            # The file's networks don't overlap.
            known = self._known.get(Address(version, number >> (all_bits - bits), bits))
            if known is not None:
                return known
        if version == 6 and not self._opened.has_ipv6:
            return self._unknown
        kind = ipaddress.IPv4Address if version == 4 else ipaddress.IPv6Address
        told, bits = self._unknown, all_bits
        try:
            record, bits = self._opened.reader.get_with_prefix_len(kind(number))
            told = self._read(record)
        except Exception as error:
            # A damaged file can make the library raise anything.
            self._damaged.tell(f"{error!r}"[:MAX_REASON])
        self._remember(Address(version, number >> (all_bits - bits), bits), told)
        # Of many in turn, requests get the interpreter between two.
        time.sleep(0)
        return told

    def _remember(self, network: Address, told: T) -> None:
        if len(self._known) >= MOST_KNOWN:
            self._known, self._lengths = {}, {4: (), 6: ()}
        self._known[network] = told
        lengths = self._lengths[network.version]
        if network.bits not in lengths:
            self._lengths[network.version] = (*lengths, network.bits)
