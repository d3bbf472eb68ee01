#!/bin/sh
# Where Dash (4.4.1) is merely installed, pytest (9.2.0) ends at its start in every project whose
# configuration takes warnings for errors: `filterwarnings = ["error"]`. Dash registers its pytest
# plugin for everybody, and the plugin marks its hooks in the old style, which pytest 9 warns of while
# it loads it: before any test, and before a project could ignore that warning by a test's mark.
# `-p no:dash` helps.
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
python="$folder/venv/bin/python"
"$python" -m pip install -qq pytest==9.2.0
printf '[pytest]\nfilterwarnings = error\n' > "$folder/pytest.ini"
printf 'def test_nothing():\n    pass\n' > "$folder/test_nothing.py"
cd "$folder"
run() { "$python" -m pytest -q "$@" 2>&1; }

echo "Without Dash:"
run test_nothing.py
"$python" -m pip install -qq dash==4.4.1
echo "With Dash 4.4.1 installed:"
if run test_nothing.py > out; then
    cat out
    echo "pytest runs: this has changed"
    exit 1
fi
head -n 2 out
grep -q 'Error while loading plugin "pytest11"' out
grep -q "PytestRemovedIn10Warning" out
echo "The same with -p no:dash:"
run -p no:dash test_nothing.py
