"""What an operator can ask and change: the one way in for the admin API and the command line."""

from __future__ import annotations

from flask_irl.operations.clients import FEEDBACK, ORDERS, ClientOperations
from flask_irl.operations.models import ModelOperations
from flask_irl.operations.overrides import MAX_REASON
from flask_irl.operations.site import MAX_TRIES, SiteOperations

__all__ = ["FEEDBACK", "MAX_REASON", "MAX_TRIES", "ORDERS", "Operations"]


class Operations(SiteOperations, ClientOperations, ModelOperations):
    """An operator's view of a limiter, and hands on it; every change is audited.

    Args:
        limiter: The limiter.

    Raises:
        StoreError: By every method, when the store doesn't answer.
    """
