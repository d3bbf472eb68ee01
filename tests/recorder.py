"""Record the events of a limiter, for tests."""

from __future__ import annotations

from typing import TypeVar

from flask_irl.limits.decision import Decision
from flask_irl.telemetry.events import (
    CallbackFailed,
    ClientsFlagged,
    ErrorSwallowed,
    Event,
    ModelPinned,
    RequestDecided,
    RequestExempted,
    StoreBack,
    StoreFailed,
    StoreLost,
    TrainingEnded,
)

E = TypeVar("E")


class Recorder:
    """Keep all events in order."""

    def __init__(self) -> None:
        self.events: list[Event] = []

    def notify(self, event: Event) -> None:
        self.events.append(event)

    def of(self, kind: type[E]) -> list[E]:
        """List the events of a kind."""
        return [event for event in self.events if isinstance(event, kind)]

    @property
    def decisions(self) -> list[Decision]:
        return [event.decision for event in self.of(RequestDecided)]

    @property
    def outcomes(self) -> list[str]:
        return [decision.outcome for decision in self.decisions]

    @property
    def decided_on(self) -> list[str]:
        """List the routes of requests decided on, as metrics are labelled with them."""
        return [event.route for event in self.of(RequestDecided)]

    @property
    def exempt(self) -> list[str]:
        return [event.route for event in self.of(RequestExempted)]

    @property
    def swallowed_at(self) -> list[str]:
        return [event.where for event in self.of(ErrorSwallowed)]

    @property
    def callbacks_failed_at(self) -> list[str]:
        return [event.where for event in self.of(CallbackFailed)]

    @property
    def store_errors(self) -> list[str]:
        return [event.kind for event in self.of(StoreFailed)]

    @property
    def fallbacks(self) -> list[bool]:
        """List whether the store was lost, each time that this changed."""
        changes = [e for e in self.events if isinstance(e, StoreLost | StoreBack)]
        return [isinstance(event, StoreLost) for event in changes]

    @property
    def results(self) -> list[str]:
        """List the results of trainings."""
        return [event.result for event in self.of(TrainingEnded)]

    @property
    def pins(self) -> list[int]:
        """List the pinned version, 0 for none, each time that it changed."""
        return [event.version for event in self.of(ModelPinned)]

    @property
    def flagged(self) -> int:
        """Give the number of flagged clients reported last."""
        return self.of(ClientsFlagged)[-1].clients
