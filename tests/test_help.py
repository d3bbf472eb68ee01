"""Hold the help of all commands: whole sentences, plain text, a word on each option."""

from __future__ import annotations

import argparse
import importlib
import re
from collections.abc import Iterator
from typing import Any, NoReturn

import click
import pytest

from flask_irl.cli import irl

pytest.importorskip("flask_limiter", reason="needs the dependency group bench")

PROGRAMS = (
    "demo_app.demo",
    "loadtests.bench.__main__",
    "loadtests.bench.admin",
    "loadtests.bench.metrics",
    "loadtests.evaluation.__main__",
    "loadtests.forecasts.__main__",
    "loadtests.load.run",
    "loadtests.simulator.__main__",
    "loadtests.soak.__main__",
    "monitoring.grafana.build_dashboard",
)
MARKUP = re.compile(r"``|:\w+:`|`_|\*\*|\.\. ")
CUT = re.compile(r"^.*(?<!\])\.\.\.$", re.MULTILINE)
"""A line that breaks off; usages end in ``[ARGS]...``."""


def commands(group: click.Group, *names: str) -> Iterator[tuple[str, click.Command]]:
    """Walk through a group's commands, and those of groups in it."""
    yield " ".join(names), group
    for name, command in group.commands.items():
        if isinstance(command, click.Group):
            yield from commands(command, *names, name)
        else:
            yield " ".join((*names, name)), command


COMMANDS = dict(commands(irl, "irl"))


def parser_of(module: str, monkeypatch: pytest.MonkeyPatch) -> argparse.ArgumentParser:
    """Find the parser of a program, which parses first of all."""
    found: list[argparse.ArgumentParser] = []

    def stop(parser: argparse.ArgumentParser, *_: Any) -> NoReturn:
        found.append(parser)
        raise SystemExit

    monkeypatch.setattr(argparse.ArgumentParser, "parse_args", stop)
    with pytest.raises(SystemExit):
        importlib.import_module(module).main()
    return found[0]


@pytest.mark.parametrize("name", COMMANDS)
def test_no_line_of_a_commands_help_is_cut_or_marked_up(name: str) -> None:
    command = COMMANDS[name]
    text = command.get_help(click.Context(command, info_name=name, terminal_width=80))
    assert CUT.findall(text) == []
    assert MARKUP.findall(text) == []


@pytest.mark.parametrize("name", COMMANDS)
def test_each_option_of_a_command_has_a_help(name: str) -> None:
    options = [param for param in COMMANDS[name].params if isinstance(param, click.Option)]
    assert [option.opts[0] for option in options if not option.help] == []


@pytest.mark.parametrize("module", PROGRAMS)
def test_the_help_of_a_program_is_plain_text(module: str, monkeypatch: pytest.MonkeyPatch) -> None:
    text = parser_of(module, monkeypatch).format_help()
    assert CUT.findall(text) == []
    assert MARKUP.findall(text) == []


@pytest.mark.parametrize("module", PROGRAMS)
def test_each_argument_of_a_program_has_a_help(
    module: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    actions = parser_of(module, monkeypatch)._actions
    assert [action.dest for action in actions if not action.help] == []


@pytest.mark.parametrize("module", PROGRAMS)
def test_the_help_of_a_program_says_its_purpose(
    module: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    parser = parser_of(module, monkeypatch)
    assert (parser.description or "").endswith(".")
