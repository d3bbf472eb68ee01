"""Keep the model in force: publish those of this process, load those of others."""

from __future__ import annotations

import logging

from flask_irl.behaviour.features import FEATURE_NAMES, SCHEMA
from flask_irl.errors import ModelError
from flask_irl.model.model import Model, dump
from flask_irl.stores.base import Store
from flask_irl.stores.site import Pin, Publication
from flask_irl.telemetry.events import ModelLoaded, ModelPinned, Notify, ValueDamaged
from flask_irl.telemetry.log import event, moment
from flask_irl.training.reading import read_model


class ModelInForce:
    """Keep the model that this process scores with.

    Args:
        store: Holds the models.
        notify: Takes the events of loaded and of pinned models.

    Attributes:
        model: The model in force.
        pin: The pin in force, as far as this process knows; None for none.
        candidate: The latest model of this process that was kept aside for the pin; None for none.
    """

    def __init__(self, store: Store, notify: Notify) -> None:
        self._store = store
        self._notify = notify
        self._refused_version = 0
        self.model = Model.untrained(SCHEMA, FEATURE_NAMES)
        self.pin: Pin | None = None
        self.candidate: Model | None = None

    def poll(self) -> bool:
        """Load the store's model in force if it is another one than this process has.

        Returns:
            Whether another model is in use now.

        Raises:
            StoreError: The store failed.
        """
        version = self._store.model_version()
        if version in (self.model.version, self._refused_version):
            return False
        if version == 0:
            self._use(Model.untrained(SCHEMA, FEATURE_NAMES))
            return True
        try:
            model = self._load(version)
        except ModelError as error:
            # The one in force stays; the log says so once.
            self._refused_version = version
            self._notify(ValueDamaged("model", 1))
            event(logging.ERROR, "model_refused", version=version, reason=error)
            return False
        self._use(model)
        return True

    def take_pin(self, pin: Pin | None) -> None:
        """Take up the pin that is in force now, and tell of a change.

        Raises:
            StoreError: The store failed.
        """
        before = self.pin
        if pin == before:
            return
        ended = pin is None and before is not None and not before.holds(self._store.now())
        self.pin = pin
        if pin is None:
            self.candidate = None
        self._notify_pin()
        if pin is not None:
            until = moment(pin.until) if pin.until else None
            event(logging.WARNING, "model_pinned", version=pin.version, until=until)
        elif before is not None and ended:
            event(logging.WARNING, "model_pin_ended", version=before.version)
        elif before is not None:
            event(logging.WARNING, "model_unpinned", version=before.version)

    def publish(self, expected: int, model: Model) -> Publication:
        """Put a model in force in all workers, unless another one is pinned.

        Args:
            expected: Version that must be in force for that.
            model: The new model.

        Raises:
            StoreError: The store failed.
        """
        publication = self._store.publish(expected, model.version, dump(model))
        if publication is Publication.IN_FORCE:
            self._use(model)
        elif publication is Publication.KEPT_ASIDE:
            self.candidate = model
        return publication

    def _load(self, version: int) -> Model:
        blob = self._store.model(version)
        if blob is None:
            raise ModelError("it is not in the store")
        model = read_model(blob)
        if model.version != version:
            raise ModelError(f"it says that it is version {model.version}")
        return model

    def _use(self, model: Model) -> None:
        before, self.model = self.model, model
        self._refused_version = 0
        self._notify(ModelLoaded(model.version, model.trained_at))
        self._notify_pin()
        event(
            logging.DEBUG if _is_routine(before, model) else logging.INFO,
            "model_loaded",
            version=model.version,
            rows=model.rows,
            clients=model.clients,
            advisory=model.advisory,
        )

    def _notify_pin(self) -> None:
        # With each model, too: a metric that is never set is not there.
        self._notify(ModelPinned(0 if self.pin is None else self.pin.version))


def _is_routine(before: Model, model: Model) -> bool:
    """Tell whether a model is but the next one, as there is one in each worker every interval."""
    return (
        0 < before.version < model.version
        and before.advisory == model.advisory
        and before.detector.kind == model.detector.kind
    )
