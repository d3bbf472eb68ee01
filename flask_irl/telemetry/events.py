"""Describe the events that a limiter reports: one frozen union, and one way to be notified."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, NamedTuple, Protocol

from flask_irl.limits.decision import Decision

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


class RequestDecided(NamedTuple):
    """Report a decision on a request.

    Attributes:
        decision: The decision.
        route: The request's route rule, or ``"unmatched"``.
        seconds: Time that the request waited for its decision.
    """

    decision: Decision
    route: str
    seconds: float


class RequestExempted(NamedTuple):
    """Report a request that isn't limited, by its route rule."""

    route: str


class ClientsScored(NamedTuple):
    """Report the calibrated scores of clients judged together, each from 0 to -1."""

    scores: NDArray[np.float64]


class ClientsFlagged(NamedTuple):
    """Report the number of clients seen in the last minutes that are at a lower step."""

    clients: int


class CampaignsRunning(NamedTuple):
    """Report the campaigns that run as this process knows them, each by its kind."""

    kinds: Sequence[str]


class CampaignRefused(NamedTuple):
    """Report a login that was refused because of a campaign."""

    kind: str


class TrainingEnded(NamedTuple):
    """Report a training.

    Attributes:
        result: ``accepted``, ``kept_aside``, ``rejected``, ``refused`` or ``failed``.
        seconds: Duration of the training.
    """

    result: str
    seconds: float


class ModelLoaded(NamedTuple):
    """Report a model that came into force in this process.

    Attributes:
        version: Version of the model, 0 for none.
        trained_at: Time of its training, in seconds since the epoch.
    """

    version: int
    trained_at: float


class ModelPinned(NamedTuple):
    """Report the version that is pinned as this process knows it, 0 for none."""

    version: int


class StoreFailed(NamedTuple):
    """Report a failed call of the store, by the kind of its error."""

    kind: str


class StoreLost(NamedTuple):
    """Report that the store is given up until it answers again, and the last error."""

    reason: str


class StoreBack(NamedTuple):
    """Report that the store answers again."""


class AdminRefused(NamedTuple):
    """Report a request that the admin API refused, by what was wrong with its token."""

    reason: str


class ErrorSwallowed(NamedTuple):
    """Report an error of the limiter's own that was kept from the app, by its place."""

    where: str


class JobSkipped(NamedTuple):
    """Report a background job that was due while it still ran, by its name."""

    job: str


class CallbackFailed(NamedTuple):
    """Report a function of the app's that raised, or returned nothing of use, by its option."""

    where: str


class ValueDamaged(NamedTuple):
    """Report values of the store that can't be read, and so count as absent.

    Attributes:
        kind: Their kind.
        values: Their number.
    """

    kind: str
    values: int


class Webhook(NamedTuple):
    """Report a try to deliver a webhook: ``delivered``, ``retried``, ``failed``, ``dropped``."""

    outcome: str


Event = (
    RequestDecided
    | RequestExempted
    | ClientsScored
    | ClientsFlagged
    | CampaignsRunning
    | CampaignRefused
    | TrainingEnded
    | ModelLoaded
    | ModelPinned
    | StoreFailed
    | StoreLost
    | StoreBack
    | AdminRefused
    | ErrorSwallowed
    | JobSkipped
    | CallbackFailed
    | ValueDamaged
    | Webhook
)

Notify = Callable[[Event], object]
"""Take an event."""


class Listener(Protocol):
    """Take events, for metrics; must be quick, safe for threads, and never raise."""

    def notify(self, event: Event) -> None:
        """Take an event."""


def ignore(event: Event) -> None:
    """Take no notice of an event."""
