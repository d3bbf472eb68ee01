"""Read the country in a record of a MaxMind DB file, whose shape differs by vendor. Pure."""

from __future__ import annotations

import re
from typing import Final, NamedTuple

CODE: Final = re.compile(r"[A-Z]{2}")
"""Form of a country's code, as of ISO 3166."""
NO_COUNTRIES: Final = frozenset({"XX", "ZZ"})
"""Codes that files have where they know no country."""
CODES: Final = (
    # MaxMind, DB-IP, IP2Location.
    ("country", "iso_code"),
    # IPinfo, iptoasn: in the former's Lite file "country" is a name, in others the code.
    ("country_code",),
    ("country",),
    # MaxMind where the network's own place isn't known: where it is registered.
    ("registered_country", "iso_code"),
)
"""Places of a country's code, the best first."""
NAMES: Final = {
    ("country", "iso_code"): (("country", "names", "en"),),
    ("country_code",): (("country_name",), ("country",)),
    ("country",): (("country_name",),),
    ("registered_country", "iso_code"): (("registered_country", "names", "en"),),
}
"""Places of a country's English name by that of its code."""
MAX_NAME: Final = 60


class Country(NamedTuple):
    """Hold a country.

    Attributes:
        code: Two capital letters; empty where none is known.
        name: Its English name; empty where the file has none.
    """

    code: str
    name: str


UNKNOWN: Final = Country("", "")


def country_in(record: object) -> Country:
    """Read the country in a record; anything of another form is unknown."""
    for place in CODES:
        code = _at(record, place)
        if isinstance(code, str) and CODE.fullmatch(code) and code not in NO_COUNTRIES:
            names = (_at(record, other) for other in NAMES[place])
            return Country(code, next((name for name in names if _is_name(name, code)), ""))
    return UNKNOWN


def _at(record: object, place: tuple[str, ...]) -> str:
    found = record
    for name in place:
        found = found.get(name) if isinstance(found, dict) else None
    return found if isinstance(found, str) else ""


def _is_name(text: str, code: str) -> bool:
    # Without what could turn a line of a page or of a terminal round.
    return 0 < len(text) <= MAX_NAME and text.isprintable() and text != code
