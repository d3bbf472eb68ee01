"""The benchmark's parts beyond single requests: what they ask, count and refuse to report."""

from __future__ import annotations

import asyncio
import json
import re
import threading
from collections import Counter
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("flask_limiter", reason="needs the dependency group bench")
pytest.importorskip("throttled", reason="needs the dependency group bench")

from limits import parse_many

from loadtests import bench_chart, bench_load, bench_wrk
from loadtests.bench_apps import Bench, bare_app, limits_of_route
from loadtests.bench_calls import redis_calls
from loadtests.bench_cases import all_cases
from loadtests.bench_client import ask
from loadtests.bench_figures import BARS
from loadtests.bench_growth import Crowd, path_of
from loadtests.bench_load import Load
from loadtests.bench_model import Trained, train
from loadtests.bench_subject import BenchError
from loadtests.bench_worker import HEADER, create

NOTHING = Trained(1, b"", (), 0)
MANY = Load(1000.0, 1.0, 2.0, 0.0)
