"""Write a log as CSV, plain or gzip: the same bytes for the same rows."""

from __future__ import annotations

import gzip
import io
from collections.abc import Iterable
from pathlib import Path

from loadtests.simulator.scene import Row

HEADER = "ts,client,method,path,status,bytes,ua_class,label"


def write(rows: Iterable[Row], path: Path) -> None:
    """Write a log, as gzip if the name ends in ``.gz``."""
    lines = io.StringIO()
    lines.write(HEADER + "\n")
    lines.writelines(
        f"{ts:.3f},{client},{method},{target},{status},{size},{ua},{label}\n"
        for ts, client, method, target, status, size, ua, label in rows
    )
    data = lines.getvalue().encode("ascii")
    # No time and no name in the header: they would differ from run to run.
    path.write_bytes(gzip.compress(data, 6, mtime=0) if path.suffix == ".gz" else data)
