"""Write a log: ``python -m loadtests.simulator --scenario ordinary --seed 3 OUT.csv.gz``."""

from __future__ import annotations

import argparse
import gzip
import sys
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from loadtests.simulator.parameters import SETS
from loadtests.simulator.scenarios import SCENARIOS, generate

HEADER = "ts,client,method,path,status,bytes,ua_class,label\n"


def main(arguments: Sequence[str] | None = None) -> int:
    """Write one log, and print its clients and requests by label."""
    parser = argparse.ArgumentParser(
        prog="python -m loadtests.simulator",
        description="Write a made-up access log, with the true kind of each client.",
    )
    add = parser.add_argument
    add("--scenario", choices=SCENARIOS, default="ordinary", help="course of events (%(default)s)")
    add("--seed", type=int, default=0, help="number that all is drawn from (%(default)s)")
    add("--hours", type=float, default=10.0, help="length of the log (%(default)s)")
    add("--clean-hours", type=float, help="hours before the first attack (two fifths, or none)")
    add(
        "--set",
        choices=SETS,
        default="design",
        dest="which",
        help="kinds of sites and attacks: those to develop on, or those to judge by (%(default)s)",
    )
    add("out", metavar="OUT.csv[.gz]", type=Path, help="file to write")
    options = parser.parse_args(arguments)
    if not 0.1 <= options.hours <= 240:
        parser.error("--hours: from 0.1 to 240")
    rows = generate(
        options.scenario, options.seed, options.hours, options.which, options.clean_hours
    )
    lines = (
        f"{ts:.3f},{client},{method},{target},{status},{size},{ua},{label}\n"
        for ts, client, method, target, status, size, ua, label in rows
    )
    data = "".join((HEADER, *lines)).encode("ascii")
    options.out.parent.mkdir(parents=True, exist_ok=True)
    # No time and no name in gzip's header: the same rows are the same bytes.
    packed = options.out.suffix == ".gz"
    options.out.write_bytes(gzip.compress(data, 6, mtime=0) if packed else data)
    requests = Counter(row.label for row in rows)
    clients = Counter(label for label, _ in {(row.label, row.client) for row in rows})
    for label in sorted(requests):
        print(f"{label:<28}{clients[label]:>8,} clients{requests[label]:>10,} requests")
    print(f"{options.out}: {len(rows):,} requests")
    return 0


if __name__ == "__main__":
    sys.exit(main())
