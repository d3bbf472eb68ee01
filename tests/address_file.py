"""Write files of countries, and of autonomous systems, as their vendors do."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from mmdb_writer import MMDBWriter
from netaddr import IPSet

GERMAN: Final = "203.0.113.0/24"
FRENCH: Final = "198.51.100.0/24"
GERMAN_6: Final = "2001:db8:de::/48"


def maxmind(code: str, name: str) -> dict[str, Any]:
    """Make a record as MaxMind and DB-IP do."""
    country = {"iso_code": code, "geoname_id": 1, "names": {"en": name, "de": f"{name} (de)"}}
    return {
        "continent": {"code": "EU", "names": {"en": "Europe"}},
        "country": country,
        "registered_country": {"iso_code": "US", "names": {"en": "United States"}},
    }


COUNTRIES: Final = {
    GERMAN: maxmind("DE", "Germany"),
    GERMAN_6: maxmind("DE", "Germany"),
    FRENCH: maxmind("FR", "France"),
}
"""Countries of the addresses that tests have."""


def system(number: int, name: str = "Example Hosting") -> dict[str, Any]:
    """Make a record of an autonomous system as MaxMind and DB-IP do."""
    return {"autonomous_system_number": number, "autonomous_system_organization": name}


EVERYWHERE: Final = ("0.0.0.0/1", "128.0.0.0/1", "2000::/3")
"""Networks that all addresses of tests are in."""


def write(
    path: Path, records: Mapping[str, Any] = COUNTRIES, *, version: int = 6, kind: str = "Test"
) -> Path:
    """Write a file.

    Args:
        path: Its path.
        records: Records by network.
        version: 4 for a file of IPv4 alone, else 6.
        kind: The kind of its records.
    """
    writer = MMDBWriter(version, kind, languages=["en"], ipv4_compatible=version == 6)
    for network, record in records.items():
        writer.insert_network(IPSet([network]), record)
    writer.to_db_file(str(path))
    return path
