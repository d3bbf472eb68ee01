"""Read the answers of scripts that are longer than a plain decision."""

from __future__ import annotations

from flask_irl.api_keys.presented import StoredKey
from flask_irl.limits.decision import Hit
from flask_irl.limits.quota_lease import Leased
from flask_irl.stores.redis.api_keys import STORED_CODE, read_stored
from flask_irl.stores.redis.commands import LEASED, REPLY
from flask_irl.stores.redis.damage import ServerDamage


def read_longer(client: bytes, answer: bytes, damage: ServerDamage) -> Hit | Leased | StoredKey:
    """Read the answer to a request that asked for a lease, or whose script met damage.

    Or whose API key has another record than the one that is known.

    Args:
        client: The client's key in the store.
        answer: The answer.
        damage: Takes damage that the script met.
    """
    if answer.startswith(STORED_CODE):
        return read_stored(answer)
    # One byte more says that the script met a damaged value.
    if len(answer) in (REPLY.size + 1, LEASED.size + 1):
        damage.report(client, "a damaged value was replaced")
    if len(answer) < LEASED.size:
        return Hit(*REPLY.unpack_from(answer))
    *fields, units, lasts, counted, start = LEASED.unpack_from(answer)
    return Leased(Hit(*fields), units, lasts, counted, start)
