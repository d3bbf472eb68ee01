"""Build another revision beside this one, so that both are measured in turn."""

from __future__ import annotations

import io
import os
import shutil
import subprocess
import sys
import tarfile
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from loadtests.bench.cases.subject import BenchError

ROOT: Final = Path(__file__).parents[3]
SERVED: Final = "loadtests.bench.cases.served"
COPY: Final = "irl_bench_served"
"""Name of the copy of ``SERVED`` beside another revision, whose own benchmark may lack it."""
TRAIN: Final = """
import sys
from importlib import import_module
from pathlib import Path
is_earlier = Path("loadtests/bench_model.py").exists()
name = "loadtests.bench_model" if is_earlier else "loadtests.bench.cases.model"
clients, minutes = int(sys.argv[1]), float(sys.argv[2])
Path(sys.argv[3]).write_bytes(import_module(name).train(clients, minutes).blob)
"""
"""Program that trains a model of a build, by the build's own benchmark."""
ALONE: Final = """
import sys
own = [x for x in sys.meta_path if "__editable__" not in getattr(x, "__module__", "")]
sys.meta_path[:] = own
"""
"""Program that each Python process of another revision begins with: what only the present one has
isn't found in an editable install of it."""


@dataclass(frozen=True)
class Build:
    """Describe a build of flask_irl that can be run.

    Attributes:
        name: Its name in reports.
        folder: The folder whose packages a Python process that starts there imports.
        module: The module of the app that is served.
        blob: A file with a model of it.
    """

    name: str
    folder: Path
    module: str
    blob: Path

    @property
    def environ(self) -> dict[str, str]:
        """Give the environment variables of a Python process that is started in ``folder``."""
        paths = (str(self.folder), os.environ.get("PYTHONPATH", ""))
        return {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, paths))}


@contextmanager
def present(blob: bytes) -> Iterator[Build]:
    """Describe the present build, with the bytes of its model."""
    with tempfile.TemporaryDirectory(prefix="irl-bench-") as folder:
        file = Path(folder, "now")
        file.write_bytes(blob)
        yield Build("flask_irl", ROOT, SERVED, file)


@contextmanager
def earlier(revision: str, clients: int, minutes: float) -> Iterator[Build]:
    """Build another revision in a temporary folder, and train a model with it.

    Its libraries are those of this environment, so that only flask_irl itself differs.

    Args:
        revision: A revision that git knows, or the path of a folder with a checkout.
        clients: Clients of the model's training.
        minutes: Minutes of virtual time of it.

    Raises:
        BenchError: There is no such revision, or it doesn't run in this environment.
    """
    with tempfile.TemporaryDirectory(prefix="irl-bench-before-") as name:
        folder = Path(name, "build")
        check_out(revision, folder)
        shutil.copy(ROOT / "loadtests/bench/cases/served.py", folder / f"{COPY}.py")
        build = Build(f"flask_irl {revision}", folder, COPY, Path(name, "before"))
        run = subprocess.run(
            [sys.executable, "-c", TRAIN, str(clients), str(minutes), str(build.blob)],
            cwd=folder,
            env=build.environ,
            capture_output=True,
            text=True,
        )
        if run.returncode != 0:
            raise BenchError(f"{revision} trains no model: {run.stderr.strip()[-300:]}")
        yield build


def check_out(revision: str, folder: Path) -> None:
    """Put another revision into a new folder, from which Python processes run it.

    Its libraries are those of this environment.

    Args:
        revision: A revision that git knows, or the path of a folder with a checkout.
        folder: The new folder.

    Raises:
        BenchError: There is no such revision.
    """
    if Path(revision, "flask_irl").is_dir():
        folder.mkdir()
        for part in ("flask_irl", "loadtests", "tests"):
            shutil.copytree(Path(revision, part), folder / part)
    else:
        _extract(revision, folder)
    (folder / "sitecustomize.py").write_text(ALONE, "ascii")


def _extract(revision: str, folder: Path) -> None:
    # Not a worktree of git's, which would stay known to the repository after a crash.
    command = ["git", "-C", str(ROOT), "archive", "--format=tar", revision]
    try:
        run = subprocess.run(
            [*command, "flask_irl", "loadtests", "tests"], capture_output=True, check=False
        )
    except OSError as error:
        raise BenchError(f"there is no git to get {revision} with: {error}") from None
    if run.returncode != 0:
        raise BenchError(f"no revision {revision}: {run.stderr.decode().strip()[-300:]}")
    with tarfile.open(fileobj=io.BytesIO(run.stdout)) as archive:
        archive.extractall(folder, filter="data")
