"""Forecast by a small LSTM: trained with PyTorch, exported to ONNX, and read by onnxruntime."""

from __future__ import annotations

import io
import warnings
from typing import Any, Final

import numpy as np
import onnxruntime
import torch
from numpy.typing import NDArray

from loadtests.forecasts.batch import PER_DAY, walk
from loadtests.forecasts.forecast import AHEAD, QUANTILES, Forecast, Forecasts
from loadtests.forecasts.series import DAY, Counts

HIDDEN: Final = 24
WINDOW: Final = 96
BATCH: Final = 64
RATE: Final = 4e-3
WARM_UP: Final = PER_DAY
"""Bins that the network reads before its first forecast."""
CLOCK: Final = 4


class Network(torch.nn.Module):  # type: ignore[misc,unused-ignore]
    """Read a series bin by bin, and give the quantiles for each distance after each."""

    def __init__(self) -> None:
        super().__init__()
        self.lstm = torch.nn.LSTM(2 + CLOCK, HIDDEN, batch_first=True)
        self.head = torch.nn.Linear(HIDDEN, len(AHEAD) * len(QUANTILES))

    def forward(self, rows: Any) -> Any:
        """Give log(1 + count) for series, bins, distances and quantiles, which never cross."""
        read, _ = self.lstm(rows)
        steps = torch.nn.functional.softplus(self.head(read))
        split = steps.reshape(rows.shape[0], -1, len(AHEAD), len(QUANTILES))
        return torch.cumsum(split, dim=-1)


class Lstm:
    """Hold the network, and what it was written down as.

    Args:
        steps: Steps of each training, of a batch each.
    """

    def __init__(self, steps: int) -> None:
        self._steps = steps
        torch.manual_seed(1)
        torch.set_num_threads(1)
        self._rng = np.random.default_rng(1)
        self._network = Network()
        self._optimizer = torch.optim.Adam(self._network.parameters(), RATE)
        self._bytes = b""

    def fit(self, counts: Counts, times: Counts) -> None:
        """Go on training, on windows drawn from all bins that have been."""
        rows = torch.from_numpy(_features(counts, times))
        amounts = torch.from_numpy(np.log1p(counts).astype(np.float32))
        wanted = torch.tensor(QUANTILES)
        furthest = AHEAD[-1]
        for _ in range(self._steps):
            series = self._rng.integers(len(counts), size=BATCH)
            starts = self._rng.integers(counts.shape[1] - WINDOW - furthest, size=BATCH)
            pairs = list(zip(series.tolist(), starts.tolist(), strict=True))
            window = torch.stack([rows[s, b : b + WINDOW] for s, b in pairs])
            targets = torch.stack(
                [
                    torch.stack([amounts[s, b + a : b + a + WINDOW] for a in AHEAD], dim=-1)
                    for s, b in pairs
                ]
            )
            over = targets[..., None] - self._network(window)
            loss = torch.maximum(wanted * over, (wanted - 1.0) * over).sum(dim=-1).mean()
            self._optimizer.zero_grad()
            loss.backward()
            self._optimizer.step()
        self._bytes = _export(self._network)

    def forecast(self, counts: Counts, times: Counts, first: int) -> Forecast:
        """Forecast as of the end of each bin from ``first`` on."""
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = 1
        session = onnxruntime.InferenceSession(self._bytes, options)
        start = max(first - WARM_UP, 0)
        rows = _features(counts, times)[:, start:]
        (found,) = session.run(None, {"rows": rows})
        amounts = np.expm1(np.asarray(found, dtype=np.float64)[:, first - start :])
        return np.moveaxis(amounts, (2, 3), (0, 1))

    @property
    def state_bytes(self) -> int:
        """Give the bytes that are kept for each series: the cells, and the sum of counts."""
        return 4 * 2 * HIDDEN + 16

    @property
    def model_bytes(self) -> int:
        """Give the bytes of the trained model."""
        return len(self._bytes)


def lstm(counts: Counts, times: Counts, *, steps: int = 100) -> Forecasts:
    """Walk forward with an LSTM, whose trainings take some steps each."""
    return walk(Lstm(steps), counts, times)


def _features(counts: Counts, times: Counts) -> NDArray[np.float32]:
    """Give what the network reads of each bin: its count, the mean so far, hour and weekday."""
    mean = counts.cumsum(axis=1) / np.arange(1, counts.shape[1] + 1)
    day, week = (2 * np.pi * (times + 3 * DAY) / length for length in (DAY, 7 * DAY))
    clock = [f(angle) for angle in (day, week) for f in (np.sin, np.cos)]
    rows = [np.log1p(counts), np.log1p(mean), *(np.broadcast_to(x, counts.shape) for x in clock)]
    return np.stack(rows, axis=-1).astype(np.float32)


def _export(network: Network) -> bytes:
    file = io.BytesIO()
    with warnings.catch_warnings():
        # The older exporter warns that there is another one, which needs one library more.
        warnings.simplefilter("ignore")
        torch.onnx.export(
            network,
            (torch.zeros(2, 5, 2 + CLOCK),),
            file,
            input_names=["rows"],
            output_names=["quantiles"],
            dynamic_axes={
                "rows": {0: "series", 1: "bins"},
                "quantiles": {0: "series", 1: "bins"},
            },
            dynamo=False,
        )
    return file.getvalue()
