"""The finished toy run that the reports' tests read."""

import runpy
from pathlib import Path
from typing import Any

import pytest

from coldbench.results.results import Results, read

fake: dict[str, Any] = runpy.run_path(str(Path(__file__).parents[1] / "fake_run.py"))


@pytest.fixture(scope="session")
def results(tmp_path_factory: pytest.TempPathFactory) -> Results:
    return read(fake["build"](tmp_path_factory.mktemp("runs") / "toy"), resamples=200)
