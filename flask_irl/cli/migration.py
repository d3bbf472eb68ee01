"""Read an app's source for its use of Flask-Limiter, and change its imports.

Nothing of the app is run. What can't be moved is a fault, by file and line; what will be different
is a remark.
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import libcst
from libcst.metadata import MetadataWrapper, PositionProvider

from flask_irl.cli.migration_names import (
    ARGUMENTS,
    CONFIG,
    DIFFERENT_ARGUMENTS,
    MISSING_ATTRIBUTES,
    MODULES,
    PACKAGE,
    REFUSED_STORAGES,
    TARGET,
)

MARKS: Final = (b"flask_limiter", b"RATELIMIT_")
"""Texts without which a file has nothing to do with Flask-Limiter."""
LEFT_OUT: Final = frozenset({"__pycache__", "node_modules", "site-packages", "build", "dist"})


@dataclass(frozen=True, order=True)
class Finding:
    """Tell of a place in a file.

    Attributes:
        path: The file.
        line: The line, from 1.
        text: What is there.
        is_fault: Whether it can't be moved.
    """

    path: Path
    line: int
    text: str
    is_fault: bool


@dataclass(frozen=True)
class Migration:
    """Hold what was found in an app's source.

    Attributes:
        findings: What will be different, and what can't be moved, by file and line.
        changed: The files whose imports change, with their text afterwards.
        read: How many files were read.
    """

    findings: tuple[Finding, ...]
    changed: Mapping[Path, bytes]
    read: int

    @property
    def faults(self) -> int:
        """Count what can't be moved."""
        return sum(finding.is_fault for finding in self.findings)

    def write(self) -> None:
        """Write the changed files: all are prepared before the first takes its old one's place.

        Raises:
            OSError: One can't be written.
        """
        prepared: list[tuple[str, Path]] = []
        try:
            for named, text in self.changed.items():
                # A link stays one.
                path = named.resolve()
                handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
                prepared.append((name, path))
                with os.fdopen(handle, "wb") as file:
                    file.write(text)
                os.chmod(name, path.stat().st_mode & 0o7777)
            while prepared:
                os.replace(*prepared[0])
                del prepared[0]
        finally:
            for name, _ in prepared:
                os.unlink(name)


def read_source(place: Path) -> Migration:
    """Read a file, or all Python files in a folder but hidden ones and environments.

    Raises:
        OSError: One can't be read.
    """
    findings: list[Finding] = []
    changed: dict[Path, bytes] = {}
    read = 0
    for path in sorted(_files(place)):
        text = path.read_bytes()
        read += 1
        if not any(mark in text for mark in MARKS):
            continue
        try:
            module = MetadataWrapper(libcst.parse_module(text))
        except libcst.ParserSyntaxError as error:
            findings.append(Finding(path, error.raw_line, f"syntax error: {error.message}", True))
            continue
        except UnicodeDecodeError as error:
            findings.append(Finding(path, 1, f"not readable: {error.reason}", True))
            continue
        reader = _Reader(path)
        after = module.visit(reader)
        findings += reader.findings
        if after.bytes != text:
            changed[path] = after.bytes
    return Migration(tuple(sorted(findings)), changed, read)


def _files(place: Path) -> Iterator[Path]:
    if not place.is_dir():
        yield place
        return
    for folder, folders, names in os.walk(place):
        inside = Path(folder)
        folders[:] = [
            name
            for name in folders
            if not name.startswith(".")
            and name not in LEFT_OUT
            and not (inside / name / "pyvenv.cfg").exists()
        ]
        yield from (inside / name for name in names if name.endswith(".py"))


class _Reader(libcst.CSTTransformer):
    """Change a module's imports, and note what it does with Flask-Limiter.

    Args:
        path: The module's file.
    """

    METADATA_DEPENDENCIES = (PositionProvider,)

    def __init__(self, path: Path) -> None:
        super().__init__()
        self.findings: list[Finding] = []
        self._path = path
        self._limiters = {"limiter"}
        self._names: dict[str, str] = {}

    def leave_ImportFrom(
        self, original_node: libcst.ImportFrom, updated_node: libcst.ImportFrom
    ) -> libcst.ImportFrom:
        """Change ``from flask_limiter… import …``."""
        if original_node.relative or original_node.module is None:
            return updated_node
        module = _dotted(original_node.module)
        if not _is_ours(module):
            return updated_node
        self._check_module(original_node, module)
        if not isinstance(original_node.names, libcst.ImportStar):
            for alias in original_node.names:
                name, known = _dotted(alias.name), alias.evaluated_alias
                self._names[known or name] = name
                if name.startswith("_"):
                    self._fault(original_node, f"{module}.{name} is an inner part")
        changed = libcst.parse_expression(TARGET + module.removeprefix(PACKAGE))
        if not isinstance(changed, libcst.Attribute | libcst.Name):
            return updated_node
        return updated_node.with_changes(module=changed)

    def leave_Import(
        self, original_node: libcst.Import, updated_node: libcst.Import
    ) -> libcst.Import:
        """Change ``import flask_limiter`` so that its names in the module go on."""
        names = []
        for alias in updated_node.names:
            module = _dotted(alias.name)
            if not _is_ours(module):
                names.append(alias)
                continue
            self._check_module(original_node, module)
            target = TARGET + module.removeprefix(PACKAGE) if alias.asname else TARGET
            changed = libcst.parse_statement(f"import {target} as {PACKAGE}")
            (line,) = libcst.ensure_type(changed, libcst.SimpleStatementLine).body
            (new,) = libcst.ensure_type(line, libcst.Import).names
            names.append(alias.with_changes(name=new.name, asname=alias.asname or new.asname))
        return updated_node.with_changes(names=names)

    def visit_Assign(self, node: libcst.Assign) -> None:
        """Note which names are limiters."""
        if isinstance(node.value, libcst.Call) and self._called(node.value) == "Limiter":
            for target in node.targets:
                self._limiters.add(_dotted(target.target))
        for target in node.targets:
            self._check_key(node, _dotted(target.target).rpartition(".")[2])

    def visit_Call(self, node: libcst.Call) -> None:
        """Check the arguments of a limiter and of its methods."""
        called = self._called(node)
        if called not in ARGUMENTS:
            return
        for argument in node.args:
            if argument.keyword is None:
                continue
            name = argument.keyword.value
            if name not in ARGUMENTS[called]:
                known = ", ".join(ARGUMENTS[called])
                self._fault(argument, f"{called} has no argument {name!r}; there are: {known}")
            elif (called, name) in DIFFERENT_ARGUMENTS:
                self._remark(argument, f"{name}: {DIFFERENT_ARGUMENTS[called, name]}")
            if name == "storage_uri":
                self._check_storage(argument.value)

    def visit_SimpleString(self, node: libcst.SimpleString) -> None:
        """Check keys of the configuration, and storages' URIs beside them."""
        text = node.evaluated_value
        if isinstance(text, str):
            self._check_key(node, text)
            if text.partition("://")[0] in REFUSED_STORAGES:
                self._check_storage(node)

    def visit_Attribute(self, node: libcst.Attribute) -> None:
        """Note parts of a limiter that there aren't."""
        name = node.attr.value
        if _dotted(node.value) in self._limiters and name in MISSING_ATTRIBUTES:
            self._remark(node, f"limiter.{name} is not there: {MISSING_ATTRIBUTES[name]}")

    def _called(self, node: libcst.Call) -> str:
        """Name what is called: ``Limiter``, one of its methods, or empty."""
        dotted = _dotted(node.func)
        owner, _, name = dotted.rpartition(".")
        if owner in self._limiters:
            return name
        if self._names.get(dotted) == "Limiter" or dotted == f"{PACKAGE}.Limiter":
            return "Limiter"
        return ""

    def _check_module(self, node: libcst.CSTNode, module: str) -> None:
        if module.removeprefix(PACKAGE) not in MODULES:
            known = ", ".join(f"{TARGET}{name}" for name in MODULES)
            self._fault(node, f"module {module} has no counterpart; there are: {known}")

    def _check_storage(self, value: libcst.BaseExpression) -> None:
        if isinstance(value, libcst.SimpleString) and isinstance(value.evaluated_value, str):
            scheme = value.evaluated_value.partition("://")[0]
            if scheme in REFUSED_STORAGES:
                self._fault(value, f"{scheme}:// is refused at start: take redis:// or valkey://")

    def _check_key(self, node: libcst.CSTNode, text: str) -> None:
        if text.startswith("RATELIMIT_") and text not in CONFIG:
            self._remark(node, f"config key {text} is not read, nor is it by Flask-Limiter 4")

    def _fault(self, node: libcst.CSTNode, text: str) -> None:
        self._find(node, text, is_fault=True)

    def _remark(self, node: libcst.CSTNode, text: str) -> None:
        self._find(node, text, is_fault=False)

    def _find(self, node: libcst.CSTNode, text: str, *, is_fault: bool) -> None:
        line = self.get_metadata(PositionProvider, node).start.line
        finding = Finding(self._path, line, text, is_fault)
        if finding not in self.findings:
            self.findings.append(finding)


def _is_ours(module: str) -> bool:
    return module == PACKAGE or module.startswith(f"{PACKAGE}.")


def _dotted(node: libcst.CSTNode) -> str:
    """Write a dotted name; empty for anything else."""
    if isinstance(node, libcst.Name):
        return node.value
    if isinstance(node, libcst.Attribute):
        owner = _dotted(node.value)
        return owner and f"{owner}.{node.attr.value}"
    return ""


def lines(findings: Iterable[Finding], root: Path) -> Iterator[str]:
    """Write findings for people, with paths as seen from a folder."""
    for finding in findings:
        path = finding.path
        if path.is_relative_to(root):
            path = path.relative_to(root)
        kind = "error" if finding.is_fault else "differs"
        yield f"{path}:{finding.line}: {kind}: {finding.text}"
