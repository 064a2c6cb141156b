"""The finished toy run that the reports' tests read."""

import pytest

from coldbench.results.results import Results, read
from tests import fake_run


@pytest.fixture(scope="session")
def results(tmp_path_factory: pytest.TempPathFactory) -> Results:
    return read(fake_run.build(tmp_path_factory.mktemp("runs") / "toy"), resamples=200)
