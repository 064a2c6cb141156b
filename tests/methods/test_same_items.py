"""All users asked for the same items, by one product, are answered as each would be alone."""

from pathlib import Path

import pytest
import torch

from coldbench import registry
from coldbench.episode import Feedback
from coldbench.testing import MethodUnderTest

ROWS: list[list[int]] = [[3, 4, 5, 6], [3, 5, 4, 11], [7], []]  # the first follow each other


@pytest.mark.parametrize("name", ["fold-in", "protonet", "maml"])
def test_one_product_scores_as_each_users_own(name: str, tmp_path: Path) -> None:
    method = MethodUnderTest(registry.find("methods", name), tmp_path).trained
    rated = torch.tensor([[0, 2, 4], [9, 8, 7]])
    labels = torch.tensor([[1.0, 0.0, 1.0], [0.0, 1.0, 0.0]])
    ages, mask = torch.zeros(2, 3), torch.ones(2, 3).bool()
    state = method.adapt(Feedback(rated, labels, ages, mask))
    for row in ROWS:
        same = torch.tensor([row], dtype=torch.int64).expand(2, -1)
        each = method.score(state, same.contiguous())
        assert torch.allclose(method.score(state, same), each, atol=1e-6), row
