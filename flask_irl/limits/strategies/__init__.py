"""Find a strategy by its name."""

from __future__ import annotations

from typing import Final

from flask_irl.limits.plan import StrategyName
from flask_irl.limits.strategies.base import Strategy
from flask_irl.limits.strategies.fixed_window import fixed_window
from flask_irl.limits.strategies.gcra import gcra
from flask_irl.limits.strategies.sliding_window import sliding_window_counter

STRATEGIES: Final[dict[StrategyName, Strategy]] = {
    "sliding-window-counter": sliding_window_counter,
    "fixed-window": fixed_window,
    "gcra": gcra,
}
