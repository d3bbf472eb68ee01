"""Select the clients of an attack, for the list of clients."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from flask_irl.admin.state import current_admin
from flask_irl.operations.incidents import IncidentState
from flask_irl.operations.results import ClientEntry


class Selection(NamedTuple):
    """Hold clients that belong together.

    Attributes:
        values: Members of the address that selects them.
        names: Their keys.
        incident: The attack that they are part of; None for one that is kept no more.
    """

    values: dict[str, str]
    names: Sequence[str]
    incident: IncidentState | None = None

    def entries(self, offset: int, limit: int) -> tuple[list[ClientEntry], int]:
        """Describe a part of the clients, and count all; forgotten ones are left out.

        Raises:
            StoreError: The store failed.
        """
        names = self.names[offset : offset + limit]
        return current_admin().operations.analytics.named(names), len(self.names)


def selection(query: Mapping[str, str]) -> Selection | None:
    """Read a selection from the query of an address; None for none.

    Args:
        query: May have ``incident``, an incident's id.

    Raises:
        StoreError: The store failed.
    """
    operations = current_admin().operations
    id = query.get("incident", "")
    if not id:
        return None
    incident = operations.incident(id)
    return Selection({"incident": id}, incident["examples"] if incident else (), incident)
