"""Run a limiter with a model of choice in virtual time."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from typing import Any

from flask_irl.config.options import Options
from flask_irl.limiter.limiter import Limiter
from flask_irl.model.model import Model
from flask_irl.stores.memory.store import MemoryStore
from flask_irl.telemetry.events import ignore
from flask_irl.verdicts.profiler import Profiler
from flask_irl.verdicts.rules import Rules
from tests.conftest import Clock


class Site:
    """Run a limiter on the embedded store.

    Args:
        clock: Tells the time.
        pause: Pauses of a gentle flush; by default none.
        cpu_clock: Tells the CPU time of a flush; by default each step takes a second.
    """

    def __init__(
        self,
        clock: Clock,
        pause: Callable[[float], object] = lambda _: None,
        cpu_clock: Callable[[], float] | None = None,
    ) -> None:
        self.clock = clock
        self.store = MemoryStore(clock=clock)
        self.limiter = Limiter(Options(base_limit=10_000, background=False), self.store)
        self.limiter.profiler = Profiler(
            self.store,
            ladder=self.limiter.ladder,
            model=lambda: self.limiter.trainer.model,
            notify=ignore,
            ttl_seconds=3600,
            rows_capacity=1000,
            rules=Rules(),
            buffer=self.limiter.buffer,
            traps=self.limiter.traps,
            pause=pause,
            cpu_clock=cpu_clock or itertools.count().__next__,
        )
        self.plan = self.limiter.plan(())
        self.paths = 0

    def use(self, model: Model) -> None:
        """Put a model in force."""
        self.limiter.trainer.in_force.model = model

    def ask(self, client: str = "c", *, new: bool = True, **changes: Any) -> None:
        """Send a request for a new path, or always the same one."""
        self.paths += 1
        decision = self.limiter.decide(self.plan, (client,))
        request: dict[str, Any] = {
            "route": "/items/<n>",
            "path": self.paths * 7919 if new else 1,
            "method": "GET",
            "status": 200 if decision.admitted else 429,
            "size": 1000,
        }
        self.limiter.observe(decision, **{**request, **changes})

    def live(self, seconds: int, *clients: str, each: int = 1, **changes: Any) -> list[int]:
        """Have clients send requests each second; list the first one's steps, without repeats."""
        steps = [self.step(clients[0])]
        for _ in range(seconds):
            for client in clients:
                for _ in range(each):
                    self.ask(client, **changes)
            self.clock.advance(1)
            self.limiter.flush()
            if self.step(clients[0]) != steps[-1]:
                steps.append(self.step(clients[0]))
        return steps

    def step(self, client: str = "c") -> int:
        """Give a client's step."""
        [state] = self.store.load([client])
        return 0 if state is None else state.step
