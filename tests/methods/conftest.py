"""The problem that methods show their learning on, and a language model."""

from pathlib import Path

import pytest

from coldbench.testing.toy_data import ToyProblem, tiny_causal, toy_problem


@pytest.fixture(scope="session")
def planted() -> ToyProblem:
    """240 users, 12 labels and 10 to guess each, and the vectors that their tastes lie in."""
    return toy_problem(Path(), users=240, tokens=False)


@pytest.fixture(scope="session")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Of a causal model with random weights."""
    return tiny_causal(tmp_path_factory.mktemp("causal"))
