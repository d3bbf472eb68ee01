"""Find the countries of clients, in a file that may be replaced while the app runs."""

from __future__ import annotations

import contextlib
import ipaddress
import logging
import threading
import time
from collections.abc import Callable
from typing import Final

from flask_irl.countries.file import (
    MAX_REASON,
    OpenedFile,
    UnreadableFileError,
    check_library,
    open_file,
    stamp_of,
)
from flask_irl.countries.record import UNKNOWN, Country, country_in
from flask_irl.errors import ConfigurationError
from flask_irl.limits.networks import BITS, CLIENT_BITS, Address, read_address
from flask_irl.telemetry.damage import DamageLog
from flask_irl.telemetry.events import Notify, ValueDamaged, ignore
from flask_irl.telemetry.forks import renew_after_fork
from flask_irl.telemetry.log import event, moment

CHECK_SECONDS: Final = 60.0
"""Time between two looks whether the file was replaced."""
MOST_KNOWN: Final = 10_000
"""Networks of the file whose countries are remembered."""
LEAST_BITS: Final = {4: 32, 6: CLIENT_BITS}
"""Bits of an address that is one client's; a larger network has no country."""
DAMAGE: Final = "country"
"""Kind of the damaged values."""


class Countries:
    """Find the countries of clients by their keys; safe for threads and forks.

    The file is looked at again where it is used: by flushes and by those that operators ask.

    Args:
        path: Path of a MaxMind DB file.
        notify: Takes an event for each damaged record or replacement.
        monotonic: Seconds of a clock that is never set.

    Raises:
        ConfigurationError: The library isn't there, or the file can't be read.
    """

    def __init__(
        self,
        path: str,
        notify: Notify = ignore,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        check_library()
        self._path = path
        self._notify = notify
        self._monotonic = monotonic
        self._damaged = DamageLog(DAMAGE, "country_damaged", notify)
        self._seen = stamp_of(path)
        try:
            opened = open_file(path)
        except UnreadableFileError as error:
            raise ConfigurationError(
                f"country_file (IRL_COUNTRY_FILE) is {path!r}, which can't be read: {error}; give "
                "the path of a MaxMind DB file, such as GeoLite2-Country.mmdb"
            ) from error
        self._file = _KnownFile(opened, self._damaged)
        self._next = monotonic() + CHECK_SECONDS
        self.after_fork()
        renew_after_fork(self)

    def after_fork(self) -> None:
        """Renew the lock in a forked process."""
        self._lock = threading.Lock()

    def of(self, client: str) -> str:
        """Give the code of a client's country; empty for none. Never raises."""
        return self.find(client).code

    def find(self, client: str) -> Country:
        """Find a client's country by its key, which must be an address. Never raises."""
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
                self._notify(ValueDamaged(DAMAGE, 1))
            event(logging.WARNING, "country_file_refused", path=self._path, reason=error)
            return
        self._file = _KnownFile(opened, self._damaged)
        event(
            logging.INFO,
            "country_file_loaded",
            path=self._path,
            type=opened.kind[:MAX_REASON],
            built=moment(float(opened.built)),
        )


class _KnownFile:
    """Find countries in an open file, and remember those of its networks.

    Reading a record takes fifty times as long as to find one that is remembered.

    Args:
        opened: The file.
        damaged: Takes each record that can't be read.
    """

    def __init__(self, opened: OpenedFile, damaged: DamageLog) -> None:
        self._opened = opened
        self._damaged = damaged
        self._known: dict[Address, Country] = {}
        self._lengths: dict[int, tuple[int, ...]] = {4: (), 6: ()}

    def find(self, client: str) -> Country:
        """Find a client's country. Never raises."""
        address = read_address(client)
        if address is None or address.bits < LEAST_BITS[address.version]:
            return UNKNOWN
        version, number, _ = address
        all_bits = BITS[version]
        for bits in self._lengths[version]:
            # The file's networks don't overlap.
            known = self._known.get(Address(version, number >> (all_bits - bits), bits))
            if known is not None:
                return known
        if version == 6 and not self._opened.has_ipv6:
            return UNKNOWN
        kind = ipaddress.IPv4Address if version == 4 else ipaddress.IPv6Address
        country, bits = UNKNOWN, all_bits
        try:
            record, bits = self._opened.reader.get_with_prefix_len(kind(number))
            country = country_in(record)
        except Exception as error:
            # A damaged file can make the library raise anything.
            self._damaged.tell(f"{error!r}"[:MAX_REASON])
        self._remember(Address(version, number >> (all_bits - bits), bits), country)
        # Of many in turn, requests get the interpreter between two.
        time.sleep(0)
        return country

    def _remember(self, network: Address, country: Country) -> None:
        if len(self._known) >= MOST_KNOWN:
            self._known, self._lengths = {}, {4: (), 6: ()}
        self._known[network] = country
        lengths = self._lengths[network.version]
        if network.bits not in lengths:
            self._lengths[network.version] = (*lengths, network.bits)
