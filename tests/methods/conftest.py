"""The problem that methods show their learning on."""

from pathlib import Path

import pytest

from coldbench.testing.toy_data import ToyProblem, toy_problem


@pytest.fixture(scope="session")
def planted() -> ToyProblem:
    """240 users, 12 labels and 10 to guess each, and the vectors that their tastes lie in."""
    return toy_problem(Path(), users=240, tokens=False)
