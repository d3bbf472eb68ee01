#!/bin/sh
# granian (2.8.9) with two workers says wsgi.multiprocess False to a WSGI app that both of them serve.
# PEP 3333 wants a true value where another process may call the app at the same time, and gunicorn
# (27.0.1) gives one: an app that keeps something in memory learns there that it isn't alone.
set -eu
folder=$(mktemp -d)
pid=
trap '[ -z "$pid" ] || kill -s KILL -- "-$pid" 2>/dev/null || true; rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
python="$folder/venv/bin/python"
"$python" -m pip install -qq granian==2.8.9 gunicorn==27.0.1 packaging
cat > "$folder/site_of_one_page.py" <<'PYTHON'
import os


def app(environ, start_response):
    start_response("200 OK", [("Content-Type", "text/plain")])
    return [f"{os.getpid()} {environ['wsgi.multiprocess']}".encode()]
PYTHON
cd "$folder"

ask() {
    port=$("$python" -c 'import socket
with socket.socket() as probe:
    probe.bind(("127.0.0.1", 0))
    print(probe.getsockname()[1])')
    command=$(echo "$@" | sed "s/PORT/$port/")
    # shellcheck disable=SC2086
    setsid "$python" -m $command > log 2>&1 &
    pid=$!
    "$python" - "$port" <<'PYTHON'
import sys, time, urllib.request

opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
seen = {}
for _ in range(600):
    try:
        process, says = opener.open(f"http://127.0.0.1:{sys.argv[1]}/", timeout=10).read().split()
        seen[process] = says.decode()
    except OSError:
        time.sleep(0.1)
    if len(seen) == 2:
        break
print(f"{len(seen)} processes answered, wsgi.multiprocess is {', '.join(sorted(seen.values()))}")
PYTHON
    kill -s KILL -- "-$pid"
    wait "$pid" 2>/dev/null || true
    pid=
}

ask granian --interface wsgi --workers 2 --port PORT site_of_one_page:app > granian
echo "granian 2.8.9: $(cat granian)"
ask gunicorn --no-control-socket --workers 2 --bind 127.0.0.1:PORT site_of_one_page:app > gunicorn
echo "gunicorn 27.0.1: $(cat gunicorn)"
if ! grep -q "is False, False$" granian || ! grep -q "is True, True$" gunicorn; then
    echo "both say what is so: this has changed"
    exit 1
fi
