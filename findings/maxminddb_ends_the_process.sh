#!/bin/sh
# maxminddb's (3.2.0) reader in C, which its wheels choose by themselves, ends the process by a signal
# at some damaged files: a byte or two changed among the records. Its reader in Python raises
# InvalidDatabaseError at the same file, so flask_irl opens files of countries with that one.
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
python="$folder/venv/bin/python"
"$python" -m pip install -qq maxminddb==3.2.0 mmdb_writer==0.2.7
cat > "$folder/damage.py" <<'PYTHON'
import random
import sys

import maxminddb
from mmdb_writer import MMDBWriter
from netaddr import IPSet

path, mode = sys.argv[1], getattr(maxminddb, sys.argv[2])
writer = MMDBWriter(6, "Test", languages=["en"], ipv4_compatible=True)
for number, code in enumerate(("DE", "FR", "US", "AT")):
    names = {"en": code * 5, "de": code * 6}
    record = {"country": {"iso_code": code, "geoname_id": number, "names": names}}
    writer.insert_network(IPSet([f"10.{number}.0.0/16"]), record)
writer.to_db_file(path)
whole = open(path, "rb").read()
draw = random.Random(1)
for _ in range(20_000):
    data = bytearray(whole)
    for _ in range(draw.choice((1, 2, 4, 16))):
        data[draw.randrange(len(data) // 2, len(data))] = draw.randrange(256)
    open(path, "wb").write(data)
    try:
        reader = maxminddb.open_database(path, mode)
    except Exception:
        continue
    for number in range(4):
        try:
            reader.get(f"10.{number}.0.1")
        except Exception:
            pass
PYTHON
for mode in MODE_MMAP MODE_MMAP_EXT; do
    code=0
    "$python" "$folder/damage.py" "$folder/test.mmdb" "$mode" || code=$?
    echo "$mode: exit status $code"
done
