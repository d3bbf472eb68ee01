"""Keep the model in force: publish those of this process, load those of others."""

from __future__ import annotations

import logging

from flask_irl.behaviour.features import FEATURE_NAMES, SCHEMA
from flask_irl.errors import ModelError
from flask_irl.model.model import Model, dump, load
from flask_irl.stores.base import Store
from flask_irl.telemetry.events import ModelLoaded, Notify
from flask_irl.telemetry.log import event


class ModelInForce:
    """Keep the model that this process scores with.

    Args:
        store: Holds the models.
        notify: Takes the events of loaded models.
    """

    def __init__(self, store: Store, notify: Notify) -> None:
        self._store = store
        self._notify = notify
        self._refused_version = 0
        self.model = Model.untrained(SCHEMA, FEATURE_NAMES)

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
            event(logging.ERROR, "model_refused", version=version, reason=error)
            return False
        self._use(model)
        return True

    def publish(self, expected: int, model: Model) -> bool:
        """Put a model in force in all workers.

        Args:
            expected: Version that must be in force for that.
            model: The new model.

        Returns:
            Whether it is in force; False if another version than ``expected`` was.

        Raises:
            StoreError: The store failed.
        """
        if not self._store.publish(expected, model.version, dump(model)):
            return False
        self._use(model)
        return True

    def _load(self, version: int) -> Model:
        blob = self._store.model(version)
        if blob is None:
            raise ModelError("it is not in the store")
        model = load(blob, schema=SCHEMA)
        if model.version != version:
            raise ModelError(f"it says that it is version {model.version}")
        return model

    def _use(self, model: Model) -> None:
        self.model = model
        self._refused_version = 0
        self._notify(ModelLoaded(model.version, model.trained_at))
        event(
            logging.INFO,
            "model_loaded",
            version=model.version,
            rows=model.rows,
            clients=model.clients,
            advisory=model.advisory,
        )
