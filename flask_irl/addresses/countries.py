"""Find the countries of clients."""

from __future__ import annotations

import logging

from flask_irl.addresses.country_record import UNKNOWN, Country, country_in
from flask_irl.addresses.file import MAX_REASON, OpenedFile, UnreadableFileError
from flask_irl.addresses.lookup import Lookup
from flask_irl.telemetry.damage import DamageLog
from flask_irl.telemetry.events import Notify
from flask_irl.telemetry.log import event, moment


class Countries(Lookup[Country]):
    """Find the countries of clients by their keys, as :class:`Lookup` does."""

    option = "country_file"
    example = "GeoLite2-Country.mmdb"
    kind = "country"
    unknown = UNKNOWN
    _read = staticmethod(country_in)

    @staticmethod
    def _damage_log(notify: Notify) -> DamageLog:
        return DamageLog(Countries.kind, "country_damaged", notify)

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
