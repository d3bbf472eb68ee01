"""Worker processes that decide on requests of clients, one for each line that they read."""

from __future__ import annotations

import os
import sys
from typing import cast

from flask_irl.config.options import Options
from flask_irl.limiter.limiter import Limiter
from flask_irl.limiter.open import open_limiter
from flask_irl.limits.plan import StrategyName


def serve(uri: str, limit: int, questions: int, answers: int) -> None:
    """Answer each line, a strategy and a client, with 1 or 0 for admitted, and what is left."""
    limiters: dict[str, Limiter] = {}
    with os.fdopen(questions) as lines, os.fdopen(answers, "w", buffering=1) as out:
        print(os.getpid(), file=out)
        for line in lines:
            strategy, client = line.split()
            limiter = limiters.get(strategy)
            if limiter is None:
                options = Options(
                    storage_uri=uri,
                    strategy=cast(StrategyName, strategy),
                    key_prefix=strategy,
                    base_limit=limit,
                    # Nothing here is about time, and the machine may be busy.
                    store_timeout=10.0,
                    train=False,
                )
                limiter = limiters[strategy] = open_limiter(options)
                limiter.start()
            plan = limiter.plan(())
            begun = limiter.begin(plan, (client,), 1)
            decision = limiter.decide(plan, (client,), 1, begun)
            print(int(decision.admitted), decision.remaining, file=out)


if __name__ == "__main__":
    uri, limit, *descriptors = sys.argv[1:]
    pipes = [int(descriptor) for descriptor in descriptors]
    # Forked before anything runs: to import all of it takes long.
    for place in range(0, len(pipes), 2):
        if os.fork() == 0:
            for other in pipes[:place] + pipes[place + 2 :]:
                os.close(other)
            serve(uri, int(limit), *pipes[place : place + 2])
            sys.exit()
    for pipe in pipes:
        os.close(pipe)
    for _ in pipes[::2]:
        os.wait()
