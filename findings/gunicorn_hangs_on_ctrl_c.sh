#!/bin/sh
# Ctrl-C in a terminal sends SIGINT to all of gunicorn's processes. A gthread worker of gunicorn
# (27.0.1) then gets two signals at almost the same time, that one and the master's SIGQUIT, and for
# each shuts its pool of threads down within the signal's handler. Where the second comes while the
# first holds the pool's lock, the worker waits for itself until the master kills it, after
# graceful_timeout, which is 30 seconds by default. A sync worker, which has no pool, always ends.
set -eu
folder=$(mktemp -d)
pid=
trap '[ -z "$pid" ] || kill -s KILL -- "-$pid" 2>/dev/null || true; rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
python="$folder/venv/bin/python"
"$python" -m pip install -qq gunicorn==27.0.1 packaging==26.3
cat > "$folder/site_of_one_page.py" <<'PYTHON'
def app(environ, start_response):
    start_response("200 OK", [("Content-Type", "text/plain"), ("Content-Length", "2")])
    return [b"ok"]
PYTHON
cat > "$folder/try.py" <<'PYTHON'
import os, signal, socket, subprocess, sys, time, urllib.request

kind, tries = sys.argv[1], int(sys.argv[2])
opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
for number in range(1, tries + 1):
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    command = [sys.executable, "-m", "gunicorn", "--no-control-socket", "--workers=2", f"-k{kind}"]
    command += ["--graceful-timeout=3", f"--bind=127.0.0.1:{port}"]
    # With threads, it would be gthread anyway.
    command += ["--threads=4"] * (kind == "gthread")
    with open("log", "w") as log:
        server = subprocess.Popen(
            [*command, "site_of_one_page:app"], stdout=log, stderr=log, start_new_session=True
        )
    for _ in range(600):
        try:
            opener.open(f"http://127.0.0.1:{port}/", timeout=10).read()
            break
        except OSError:
            time.sleep(0.1)
    # So that the pools have threads.
    for _ in range(20):
        opener.open(f"http://127.0.0.1:{port}/", timeout=10).read()
    time.sleep(0.2)
    os.killpg(server.pid, signal.SIGINT)
    try:
        server.wait(30)
    except subprocess.TimeoutExpired:
        os.killpg(server.pid, signal.SIGKILL)
    if "was sent SIGKILL" in open("log").read():
        print(f"{kind}: a worker hung, and was killed, in try {number}")
        break
else:
    print(f"{kind}: all workers ended in {tries} tries")
PYTHON
cd "$folder"
"$python" try.py sync 10 > sync
"$python" try.py gthread 60 > gthread
echo "gunicorn 27.0.1 with $(cat sync)"
echo "gunicorn 27.0.1 with $(cat gthread)"
if ! grep -q "all workers ended" sync || ! grep -q "hung" gthread; then
    echo "this has changed"
    exit 1
fi
