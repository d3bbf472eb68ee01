"""What the documents point to exists: files, headings, targets, commands, options."""

from __future__ import annotations

import re
from itertools import chain
from pathlib import Path
from typing import Any, Final

import pytest
from flask import g

from flask_irl.cli import irl
from flask_irl.config.options import OPTIONS

ROOT: Final = Path(__file__).parents[1]
README: Final = ROOT / "README.md"
DOCUMENTS: Final = (README, *sorted((ROOT / "docs").glob("*.md")))
ARGUMENTS_ONLY: Final = {"key_func", "listener", "authorize"}

each_document = pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.name)


def without_fences(text: str) -> str:
    """The text without its fenced blocks, whose # are comments and not headings."""
    return re.sub(r"^ *```.*?^ *```$", "", text, flags=re.DOTALL | re.MULTILINE)


def anchors(document: Path) -> set[str]:
    """The headings of a document as what links to them call them."""
    found: set[str] = set()
    for title in re.findall(r"^#+ +(.*)$", without_fences(document.read_text()), re.MULTILINE):
        plain = re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-")
        number = sum(1 for name in found if re.fullmatch(rf"{re.escape(plain)}(-\d+)?", name))
        found.add(f"{plain}-{number}" if number else plain)
    return found


def links(document: Path) -> list[str]:
    """Where a document's links and pictures lead, but for other sites."""
    found = re.findall(r"\]\(([^)\s]+)\)", without_fences(document.read_text()))
    return [link for link in found if not re.match(r"[a-z]+:", link)]


def code(document: Path) -> str:
    """All that a document shows as code, a span or a line each line."""
    text = document.read_text()
    blocks = re.findall(r"^ *```.*?\n(.*?)^ *```$", text, re.DOTALL | re.MULTILINE)
    return "\n".join(chain(blocks, re.findall(r"`([^`]+)`", without_fences(text))))


def table_rows() -> list[list[str]]:
    """The cells of the README's table of options, without its head."""
    section = README.read_text().partition("\n## Options\n")[2].partition("\n## ")[0]
    lines = [line for line in section.splitlines() if line.startswith("|")]
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in lines[2:]]


@each_document
def test_links_lead_to_files_and_headings_that_exist(document: Path) -> None:
    broken = []
    for link in links(document):
        name, _, anchor = link.partition("#")
        target = (document.parent / name).resolve() if name else document
        if not target.exists() or (anchor and anchor not in anchors(target)):
            broken.append(link)
    assert broken == []


@each_document
def test_make_targets_exist(document: Path) -> None:
    targets = set(re.findall(r"^([a-z]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    named = re.findall(r"(?:^|[;&=… ])make ([a-z]+)", code(document), re.MULTILINE)
    assert set(named) <= targets


@each_document
def test_irl_commands_exist(document: Path) -> None:
    # The user of Redis, too, is called irl.
    named = re.findall(r"(?:^|(?<!SETUSER) )irl ([a-z]+)", code(document), re.MULTILINE)
    assert set(named) <= set(irl.commands)


def test_the_readme_tells_of_every_irl_command() -> None:
    text = README.read_text()
    assert [name for name in irl.commands if not re.search(rf"`[^`\n]*\b{name}\b", text)] == []


@each_document
def test_config_keys_and_variables_that_begin_with_irl_exist(document: Path) -> None:
    known = {spec.config_key for spec in OPTIONS.values()}
    named = set(re.findall(r"\bIRL_[A-Z_]+\b", document.read_text()))
    assert named <= known


def test_the_table_of_options_has_each_option_once_and_no_other() -> None:
    named = [name for row in table_rows() for name in re.findall(r"`(\w+)`", row[0])]
    assert sorted(named) == sorted(OPTIONS.keys() | ARGUMENTS_ONLY)


def test_the_table_of_options_names_each_ones_config_key_and_variable() -> None:
    rows = [[re.findall(r"`(\w+)`", cell) for cell in row[:3]] for row in table_rows()]
    told = {name: (keys, set(variables)) for names, keys, variables in rows for name in names}
    wrong = []
    for name, spec in OPTIONS.items():
        keys, variables = told.get(name, ([], set()))
        second = {spec.variable} if spec.variable else set()
        # The first has the config key's name, and need not be told again.
        if spec.config_key not in keys or not second <= variables <= set(spec.variables):
            wrong.append(name)
    assert wrong == []


def test_files_named_in_code_exist() -> None:
    pattern = r"\b((?:demo_app|docs|flask_irl|loadtests|monitoring|tests)/[\w./-]*\w)"
    named = {name for document in DOCUMENTS for name in re.findall(pattern, code(document))}
    made = {"loadtests/results"}
    assert [name for name in sorted(named - made) if not (ROOT / name).exists()] == []


def test_the_readmes_apps_run_as_they_are_written() -> None:
    section = README.read_text().partition("\n## In your own app\n")[2].partition("\n### ")[0]
    names: dict[str, Any] = {"__name__": "yourapp"}
    for block in re.findall(r"^```python\n(.*?)^```$", section, re.DOTALL | re.MULTILINE):
        exec(block, names)  # noqa: S102 - our own README
    app = names["app"]
    app.config["PROBE"] = "secret"
    app.before_request(lambda: setattr(g, "plan_limit", "2/minute"))
    app.register_blueprint(names["shop"])
    client = app.test_client()
    answers = [
        client.get(path).status_code for path in ("/api/heavy-operation", "/ping", "/export")
    ]
    assert answers == [200, 200, 200]
    assert [client.get("/search").status_code for _ in range(3)] == [200, 200, 429]
    assert client.post("/orders", json={"items": [1, 2]}).status_code == 200
    app.extensions["flask_irl"].limiter.close()
