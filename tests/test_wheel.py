"""Test the wheel: one package, complete, and nothing beside it."""

from __future__ import annotations

import shutil
import subprocess
import sys
from importlib.metadata import version
from pathlib import Path
from zipfile import ZipFile

import pytest

pytestmark = pytest.mark.integration

ROOT = Path(__file__).parents[1]
BUILD = """
import sys
from setuptools import build_meta
print(build_meta.build_wheel(sys.argv[1]))
"""
SOURCES = ("pyproject.toml", "README.md", "LICENSE", "flask_irl", "demo_app")


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> set[str]:
    """Build the wheel from a copy of the sources, and list its files."""
    # A copy, since setuptools leaves its work beside the sources.
    copy = tmp_path_factory.mktemp("sources")
    for name in SOURCES:
        if (ROOT / name).is_dir():
            without = shutil.ignore_patterns("__pycache__")
            shutil.copytree(ROOT / name, copy / name, ignore=without)
        else:
            shutil.copy(ROOT / name, copy)
    folder = tmp_path_factory.mktemp("wheel")
    result = subprocess.run(
        [sys.executable, "-c", BUILD, str(folder)],
        cwd=copy,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    assert result.returncode == 0, result.stdout
    [wheel] = folder.glob("*.whl")
    with ZipFile(wheel) as archive:
        return set(archive.namelist())


def test_it_brings_one_package(files: set[str]) -> None:
    names = {name.partition("/")[0] for name in files}
    assert names == {"flask_irl", f"flask_irl-{version('flask-irl')}.dist-info"}


def test_it_has_every_file_of_the_package(files: set[str]) -> None:
    sources = {
        path.relative_to(ROOT).as_posix()
        for path in (ROOT / "flask_irl").rglob("*")
        if path.is_file() and path.suffix != ".pyc"
    }
    assert sources - files == set()
    # Of each kind that setuptools leaves out unless told.
    assert {Path(name).suffix for name in sources} >= {".py", ".typed", ".lua", ".html"}
