#!/bin/sh
# hypercorn 0.18.0 writes two lines into its access log for one request of a WSGI app under a2wsgi
# 1.10.10 whose client closes the connection once it has the body: first one without status and size
# ("- -"), then the real one. a2wsgi ends each response by an empty message of its own; a client that
# has read Content-Length bytes is gone by then. Who counts the lines counts many requests twice.
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install -qq hypercorn==0.18.0 a2wsgi==1.10.10
cat > "$folder/site_app.py" <<'PYTHON'
from a2wsgi import WSGIMiddleware


def hello(environ, start_response):
    start_response("200 OK", [("Content-Length", "5"), ("Content-Type", "text/plain")])
    return [b"hello"]


app = WSGIMiddleware(hello)
PYTHON
cat > "$folder/ask.py" <<'PYTHON'
import http.client
import importlib.metadata
import pathlib
import socket
import subprocess
import sys
import time

folder = pathlib.Path(sys.argv[1])
with socket.socket() as probe:
    probe.bind(("127.0.0.1", 0))
    port = probe.getsockname()[1]
command = [str(folder / "venv/bin/hypercorn"), "-b", f"127.0.0.1:{port}"]
command += ["--access-logfile", str(folder / "access"), "site_app:app"]
server = subprocess.Popen(command, cwd=folder, stderr=subprocess.DEVNULL)
try:
    for _ in range(100):
        try:
            socket.create_connection(("127.0.0.1", port)).close()
            break
        except OSError:
            time.sleep(0.1)
    answers = []
    for number in range(40):
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
        connection.request("GET", f"/{number}", headers={"Connection": "close"})
        answer = connection.getresponse()
        answers.append((answer.status, answer.read()))
        connection.close()
    time.sleep(1)
finally:
    server.terminate()
    server.wait()
lines = [line for line in (folder / "access").read_text().splitlines() if '"GET /' in line]
without = [line for line in lines if '1.1" - -' in line]
print(*(f"{name} {importlib.metadata.version(name)}" for name in ("hypercorn", "a2wsgi")))
print(f"requests: {len(answers)}, all answered 200 hello: {set(answers) == {(200, b'hello')}}")
print(f"lines of the access log: {len(lines)}, of them without a status: {len(without)}")
print(*lines[:2], sep="\n")
sys.exit(not (set(answers) == {(200, b"hello")} and len(without) >= 3))
PYTHON
"$folder/venv/bin/python" "$folder/ask.py" "$folder"
