"""Find the countries of clients."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from typing import Final

from flask_irl.addresses.country_record import UNKNOWN, Country, country_in
from flask_irl.addresses.file import MAX_REASON, OpenedFile, UnreadableFileError
from flask_irl.addresses.lookup import Lookup
from flask_irl.telemetry.damage import DamageLog
from flask_irl.telemetry.events import Notify, ignore
from flask_irl.telemetry.log import event, moment

DAMAGE: Final = "country"
"""Kind of the damaged values."""


class Countries(Lookup[Country]):
    """Find the countries of clients by their keys; safe for threads and forks.

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
        super().__init__(
            path,
            "country_file",
            "GeoLite2-Country.mmdb",
            read=country_in,
            unknown=UNKNOWN,
            kind=DAMAGE,
            damaged=DamageLog(DAMAGE, "country_damaged", notify),
            loaded=self._log_loaded,
            refused=self._log_refused,
            monotonic=monotonic,
        )

    def of(self, client: str) -> str:
        """Give the code of a client's country; empty for none. Never raises."""
        return self.find(client).code

    def _log_loaded(self, opened: OpenedFile) -> None:
        event(
            logging.INFO,
            "country_file_loaded",
            path=self._path,
            type=opened.kind[:MAX_REASON],
            built=moment(float(opened.built)),
        )

    def _log_refused(self, reason: UnreadableFileError) -> None:
        event(logging.WARNING, "country_file_refused", path=self._path, reason=reason)
