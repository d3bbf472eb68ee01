"""Test that what the documents name exists: files, headings, targets, commands, options."""

from __future__ import annotations

import dataclasses
import re
from itertools import chain
from pathlib import Path
from typing import Final

import pytest
from prometheus_client import CollectorRegistry

from demo_app.demo import TITLES
from flask_irl.api_keys.text import ENVIRONMENTS, PATTERN, new_text
from flask_irl.cli import irl
from flask_irl.config.options import OPTIONS, Options
from flask_irl.telemetry.prometheus import PrometheusListener
from tests.docs.blocks import DOCUMENTS, PAGES, README, ROOT, section

MOST_WORDS: Final = 1200

each_document = pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.name)


def without_fences(text: str) -> str:
    """Take the fenced blocks out of a text, whose # are comments and not headings."""
    return re.sub(r"^( *)```.*?^\1```$", "", text, flags=re.DOTALL | re.MULTILINE)


def anchors(document: Path) -> set[str]:
    """List the headings of a document as links to them call them."""
    found: set[str] = set()
    for title in re.findall(r"^#+ +(.*)$", without_fences(document.read_text()), re.MULTILINE):
        plain = re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-")
        number = sum(1 for name in found if re.fullmatch(rf"{re.escape(plain)}(-\d+)?", name))
        found.add(f"{plain}-{number}" if number else plain)
    return found


def links(document: Path) -> list[str]:
    """List where a document's links and pictures lead, but for other sites."""
    found = re.findall(r"\]\(([^)\s]+)\)", without_fences(document.read_text()))
    return [link for link in found if not re.match(r"[a-z]+:", link)]


def code(document: Path) -> str:
    """Give all that a document shows as code, a span or a line each line."""
    text = document.read_text()
    blocks = re.findall(r"^ *```.*?\n(.*?)^ *```$", text, re.DOTALL | re.MULTILINE)
    return "\n".join(chain(blocks, re.findall(r"`([^`]+)`", without_fences(text))))


def table(lines: list[str]) -> list[list[str]]:
    """Read the rows of a table, without its head."""
    rows = [line for line in lines if line.startswith("|")]
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in rows[2:]]


def option_rows() -> list[list[str]]:
    """Read the tables of options."""
    lines = (ROOT / "docs" / "options.md").read_text().splitlines()
    return [row for row in table(lines) if re.match(r"`\w+`", row[0])]


def test_the_readme_is_short() -> None:
    assert len(README.read_text().split()) <= MOST_WORDS


def test_the_readme_and_the_first_page_lead_to_every_page() -> None:
    others = {page.name for page in PAGES} - {"index.md"}
    from_readme = {link.removeprefix("docs/") for link in links(README)}
    from_index = {link.partition("#")[0] for link in links(ROOT / "docs" / "index.md")}
    # The reference is built into the site, so that there is nothing to read in the file.
    left = (others - {"api.md"}) - {link.partition("#")[0] for link in from_readme}
    assert (left, others - from_index) == (set(), set())


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


@each_document
def test_config_keys_and_variables_that_begin_with_irl_exist(document: Path) -> None:
    known = {spec.config_key for spec in OPTIONS.values()}
    known |= {spec.variable for spec in OPTIONS.values() if spec.variable}
    named = set(re.findall(r"\bIRL_[A-Z_]+\b", document.read_text()))
    assert named <= known


def test_the_tables_of_options_have_each_option_once_and_no_other() -> None:
    named = [name for row in option_rows() for name in re.findall(r"`(\w+)`", row[0])]
    assert sorted(named) == sorted(OPTIONS)


def test_the_tables_of_options_name_each_ones_config_key_and_variables() -> None:
    rows = [[re.findall(r"`(\w+)`", cell) for cell in row[:2]] for row in option_rows()]
    told = {tuple(names): set(keys) for names, keys in rows}
    expected = {
        names: {key for name in names for key in (OPTIONS[name].config_key, OPTIONS[name].variable)}
        for names in told
    }
    assert told == {names: keys - {None} for names, keys in expected.items()}


def test_the_tables_of_options_give_each_ones_default() -> None:
    options = Options()
    told = {
        name: row[2].strip("`").replace(",", "")
        for row in option_rows()
        for name in re.findall(r"`(\w+)`", row[0])
    }
    wrong = {
        field.name: told[field.name]
        for field in dataclasses.fields(Options)
        if told[field.name] not in shown(getattr(options, field.name))
    }
    assert wrong == {}


def shown(default: object) -> set[str]:
    """List how a table may show a default."""
    if isinstance(default, bool):
        return {str(default).lower()}
    if isinstance(default, float | int):
        return {f"{default:g}"}
    if isinstance(default, str):
        return {default}
    if default:
        assert isinstance(default, tuple)
        return {" ".join(f"{value:g}" for value in default)}
    return {"none", "{}", "the limit"}


def test_the_table_of_metrics_has_each_metric_with_its_labels() -> None:
    registry = CollectorRegistry()
    listener = PrometheusListener(registry)
    rows = table(section("metrics.md", "What there is").splitlines())
    told = {row[0].strip("`"): set(re.findall(r"`(\w+)`", row[1])) for row in rows}
    counted = {
        metric._name + ("_total" if metric._type == "counter" else ""): set(metric._labelnames)
        for metric in listener._metrics
    }
    assert told == counted


def test_files_named_in_code_exist() -> None:
    pattern = r"\b((?:demo_app|docs|flask_irl|loadtests|monitoring|tests)/[\w./-]*\w)"
    named = {name for document in DOCUMENTS for name in re.findall(pattern, code(document))}
    made = {"loadtests/results", "loadtests/results/run.json"}
    assert [name for name in sorted(named - made) if not (ROOT / name).exists()] == []


def test_the_page_shows_the_demo_as_it_prints_itself() -> None:
    shown = section("start.md", "What make demo prints").replace("\n", " ")
    phases = [f"{title}. {text}" for title, text in list(TITLES.values())[1:]]
    assert [phase for phase in phases if phase not in shown] == []


@each_document
def test_percent_is_written_without_a_space(document: Path) -> None:
    assert re.findall(r"\d[^\S\n]%", document.read_text()) == []


def test_the_pattern_for_scanners_matches_keys_and_no_other_text() -> None:
    page = (ROOT / "docs" / "api-keys.md").read_text(encoding="utf-8")
    [pattern] = re.findall(r"^irl_\(live.*$", page, re.MULTILINE)
    assert pattern == PATTERN
    assert all(re.fullmatch(pattern, new_text(name).text) for name in ENVIRONMENTS)
    assert not re.search(pattern, "irl_live_7f3aK9xQ2m irl_prod_" + "0" * 48)
