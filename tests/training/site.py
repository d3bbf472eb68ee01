"""Share a site between the tests of trainings: a store with rows of clients, and a trainer."""

from __future__ import annotations

from typing import Any

import numpy as np

from flask_irl.behaviour.features import FEATURE_NAMES
from flask_irl.behaviour.rows import pack_rows
from flask_irl.model.detectors import Detector, NullDetector
from flask_irl.stores.memory.store import MemoryStore
from flask_irl.training.fit import fit_here
from flask_irl.training.trainer import Trainer
from flask_irl.training.training_set import TrainingSet
from tests.conftest import Clock
from tests.recorder import Recorder

WIDTH = len(FEATURE_NAMES)


class Site:
    """Have a trainer with a store, and fill it with rows."""

    def __init__(self, clock: Clock, store: MemoryStore | None = None, **options: Any) -> None:
        self.clock = clock
        self.store = MemoryStore(clock=clock) if store is None else store
        self.listener = Recorder()
        self.trainer = Trainer(
            self.store,
            notify=self.listener.notify,
            threshold=-0.5,
            false_flag_rate=0.002,
            min_clients=25,
            interval_seconds=300,
            learning_seconds=options.get("learning_seconds", 0.0),
            detector=options.get("detector", "isolation_forest"),
            fit=options.get("fit", fit_here),
        )

    def learn(
        self, clients: int = 30, each: int = 4, seed: int = 1, first: int = 0, **columns: Any
    ) -> None:
        """Add rows of clients to the store, and the requests that they stand for."""
        names = [f"c{first + i}" for i in range(clients) for _ in range(each)]
        rows = np.random.default_rng(seed).exponential(size=(len(names), WIDTH))
        at = np.full(len(names), self.clock())
        packed = pack_rows(names, np.full(len(names), 5), at, rows.astype(np.float32), **columns)
        self.store.add_rows(packed, 20_000)
        self.store.add_counts({"requests": 5 * len(names), "rows": len(names), "route:/": 1})


class Recording:
    """Fit nothing, and keep the training sets."""

    def __init__(self) -> None:
        self.training_sets: list[TrainingSet] = []

    def __call__(self, training_set: TrainingSet) -> Detector:
        self.training_sets.append(training_set)
        return NullDetector(WIDTH)
