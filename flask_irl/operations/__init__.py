"""Offer the operator's operations: the one way in for the admin API and the command line."""

from __future__ import annotations

from flask_irl.operations.audit import MAX_REASON
from flask_irl.operations.description import FEEDBACK
from flask_irl.operations.operations import Operations
from flask_irl.operations.search import MAX_FOUND, MAX_TEXT, ORDERS
from flask_irl.operations.site import MAX_TRIES

__all__ = [
    "FEEDBACK",
    "MAX_FOUND",
    "MAX_REASON",
    "MAX_TEXT",
    "MAX_TRIES",
    "ORDERS",
    "Operations",
]
