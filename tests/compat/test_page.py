"""Run the tests of the documented app on Flask-Limiter, and with its imports changed alone."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.docs.blocks import BLOCKS, ROOT

PAGE = "from-flask-limiter.md"


@pytest.mark.integration
@pytest.mark.parametrize("package", ["flask_limiter", "flask_irl.compat"])
def test_the_pages_app_passes_its_own_tests(package: str, tmp_path: Path) -> None:
    files = {str(x.title): x.text for x in BLOCKS if x.page == PAGE and x.title is not None}
    assert files.keys() == {"shop.py", "test_shop.py", "beside.py"}
    changed = files["shop.py"].replace("from flask_limiter", f"from {package}")
    assert (changed == files["shop.py"]) is (package == "flask_limiter")
    (tmp_path / "shop.py").write_text(changed)
    (tmp_path / "test_shop.py").write_text(files["test_shop.py"])
    result = subprocess.run(
        [sys.executable, "-W", "error", "-m", "pytest", "-q", "-c", os.devnull, tmp_path],
        cwd=tmp_path,
        env={
            **os.environ,
            "PYTHONPATH": f"{tmp_path}{os.pathsep}{ROOT}",
            "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1",
        },
        capture_output=True,
        text=True,
        check=False,
    )
    assert result.returncode == 0, result.stdout
    assert "11 passed" in result.stdout
