"""Find the autonomous systems of clients: the networks that one provider runs."""

from __future__ import annotations

import logging
import re
from typing import Final

from flask_irl.addresses.file import MAX_REASON, OpenedFile, UnreadableFileError
from flask_irl.addresses.lookup import Lookup
from flask_irl.telemetry.damage import DamageLog
from flask_irl.telemetry.events import Notify
from flask_irl.telemetry.log import event, moment

PREFIX: Final = "AS"
TEXT: Final = re.compile(r"AS[0-9]{1,10}")
"""Form of a number that is written as a text."""
MOST: Final = 2**32 - 1
"""The largest number of an autonomous system (RFC 6793)."""
NUMBER: Final = "autonomous_system_number"
"""Name of the number in the files of MaxMind and DB-IP."""
NAMES: Final = ("asn", "as_number")
"""Names in others: IPinfo has a text such as AS64500."""


def system_in(record: object) -> str:
    """Read the autonomous system in a record, such as ``AS64500``; empty for none. Pure."""
    if not isinstance(record, dict):
        return ""
    for name in (NUMBER, *NAMES):
        told = record.get(name)
        if isinstance(told, str) and TEXT.fullmatch(told):
            told = int(told.removeprefix(PREFIX))
        if type(told) is int and 0 < told <= MOST:
            return f"{PREFIX}{told}"
    return ""


class Systems(Lookup[str]):
    """Find the autonomous systems of clients by their keys, as :class:`Lookup` does."""

    option = "asn_file"
    example = "GeoLite2-ASN.mmdb"
    kind = "system"
    unknown = ""
    _read = staticmethod(system_in)

    @staticmethod
    def _damage_log(notify: Notify) -> DamageLog:
        return DamageLog(Systems.kind, "system_damaged", notify)

    def _log_loaded(self, opened: OpenedFile) -> None:
        event(
            logging.INFO,
            "asn_file_loaded",
            path=self._path,
            type=opened.kind[:MAX_REASON],
            built=moment(float(opened.built)),
        )

    def _log_refused(self, reason: UnreadableFileError) -> None:
        event(logging.WARNING, "asn_file_refused", path=self._path, reason=reason)
