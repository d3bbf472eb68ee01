#!/bin/sh
# A program that ends APScheduler's (3.11.3) background scheduler with shutdown(wait=False) at its
# exit, which is to wait for nothing, ends with gevent's LoopExit under gunicorn (27.0.1) with
# `-k gevent --preload`: the scheduler joins its own thread whatever it is told, and that thread is a
# greenlet by then, which never runs again. What was to be done at the exit afterwards isn't.
# Without --preload, or with threads, the same program ends in good order.
set -eu
folder=$(mktemp -d)
pid=
trap '[ -z "$pid" ] || kill -9 "$pid" 2>/dev/null || true; rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
python="$folder/venv/bin/python"
"$python" -m pip install -qq APScheduler==3.11.3 gunicorn==27.0.1 gevent==26.9.0 packaging
cat > "$folder/site_of_one_page.py" <<'PYTHON'
import atexit

from apscheduler.schedulers.background import BackgroundScheduler

scheduler = BackgroundScheduler()


def end():
    scheduler.shutdown(wait=False)
    print("the rest of the exit was done", flush=True)


def app(environ, start_response):
    if not scheduler.running:
        scheduler.start()
        atexit.register(end)
    start_response("200 OK", [("Content-Length", "2")])
    return [b"ok"]
PYTHON
cd "$folder"

serve() {
    address=$("$python" -c 'import socket
with socket.socket() as probe:
    probe.bind(("127.0.0.1", 0))
    print(probe.getsockname()[1])')
    "$python" -m gunicorn --no-control-socket -w 1 -b "127.0.0.1:$address" "$@" \
        site_of_one_page:app > log 2>&1 &
    pid=$!
    "$python" - "$address" <<'PYTHON'
import socket, sys, time

for _ in range(300):
    try:
        with socket.create_connection(("127.0.0.1", int(sys.argv[1])), timeout=10) as client:
            client.sendall(b"GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
            raise SystemExit(0 if client.recv(100).startswith(b"HTTP/1.1 200") else 1)
    except OSError:
        time.sleep(0.1)
raise SystemExit("no answer")
PYTHON
    kill "$pid"
    wait "$pid" || true
    pid=
    echo "gunicorn $*:"
    grep -E "the rest of the exit|LoopExit|_thread.join" log || true
}

serve -k gthread --preload
grep -q "the rest of the exit was done" log
serve -k gevent
grep -q "the rest of the exit was done" log
serve -k gevent --preload
if grep -q "the rest of the exit was done" log || ! grep -q "LoopExit" log; then
    echo "it ends in good order: this has changed"
    exit 1
fi
