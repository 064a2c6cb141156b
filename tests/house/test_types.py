"""Types hold everywhere: mypy, strict, over all code and tests, as pyproject.toml says."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_mypy_finds_nothing() -> None:
    """In one process, since a worker beside this one is at work: alone, `mypy` takes two."""
    done = subprocess.run(
        [sys.executable, "-m", "mypy"], cwd=ROOT, env=os.environ | {"MYPY_NUM_WORKERS": "0"},
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
