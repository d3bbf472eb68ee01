#!/bin/sh
# `import redis` (8.1.0) imports OpenTelemetry's metrics SDK, some sixty modules, wherever
# opentelemetry-sdk is installed, though redis-py's observability is off and nobody asked for it.
# So an app that only has the SDK in its environment pays for it at each start, and code that takes
# "opentelemetry.trace is imported" for "this app traces" is wrong.
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install -qq redis==8.1.0 opentelemetry-api==1.45.1 opentelemetry-sdk==1.45.1 \
    opentelemetry-semantic-conventions==0.66b1
"$folder/venv/bin/python" - <<'PYTHON'
import sys
import time

started = time.perf_counter()
import redis

seconds = time.perf_counter() - started
modules = sorted(name for name in sys.modules if name.partition(".")[0] == "opentelemetry")
from redis.observability import get_observability_instance

manager = get_observability_instance().get_provider_manager()
print(f"redis {redis.__version__}: `import redis` took {seconds:.2f} s")
print(f"modules of OpenTelemetry imported by it: {len(modules)}")
print(f"among them opentelemetry.sdk.metrics: {'opentelemetry.sdk.metrics' in modules}")
print(f"redis-py's observability is set up: {manager is not None}")
sys.exit(not ("opentelemetry.sdk.metrics" in modules and manager is None))
PYTHON
