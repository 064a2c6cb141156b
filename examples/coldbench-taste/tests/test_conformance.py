"""Taste fulfils the contract of a coldbench method."""

import pytest
from coldbench_taste.taste import Taste

from coldbench import registry
from coldbench.testing import Outcome, check_method


@pytest.mark.parametrize("outcome", check_method(Taste), ids=str)
def test_taste_conforms(outcome: Outcome) -> None:
    assert outcome.ok, outcome.reason


def test_coldbench_finds_it_by_name() -> None:
    assert registry.find("methods", "taste") is Taste
