"""The option `loss` of trained rows: what a query costs, and that rows with it heed it."""

from importlib import import_module
from math import exp, log, log1p
from typing import Any, get_args

import pytest
import torch
from torch import Tensor

from coldbench import registry
from coldbench.episode import Feedback
from coldbench.errors import UserError
from coldbench.method import from_params, soft_cross_entropy
from tests.training import toy, trained_briefly

losses: Any = import_module("coldbench.methods._query_loss")
# with a loss or a choice of their own; plain rows are in test_training_options.py
OWN = ("adaptive-finetune", "curriculum", "mamo", "policy-gradient", "sasrec", "tanp")


def cost(loss: str, logits: list[float], labels: list[float], real: int = 9) -> float:
    """Of one user, of whose items the first `real` are real."""
    mask = torch.arange(len(labels))[None] < real
    given = torch.tensor([labels])
    query = Feedback(torch.zeros_like(given).long(), given, torch.zeros_like(given), mask)
    (value,) = losses.query_loss(loss, torch.tensor([logits]), query).tolist()
    return float(value)


def test_a_pair_costs_what_bradley_and_terry_give_the_wrong_order() -> None:
    assert cost("pairs", [2.0, 0.5], [1.0, 0.0]) == pytest.approx(log1p(exp(-1.5)))
    assert cost("pairs", [2.0, 0.5], [0.0, 1.0]) == pytest.approx(log1p(exp(1.5)))


def test_a_users_pairs_are_averaged_and_those_that_tie_left_out() -> None:
    apart = [log1p(exp(-(a - b))) for a, b in ((3.0, 1.0), (2.0, 1.0))]
    got = cost("pairs", [3.0, 2.0, 1.0], [0.8, 0.8, 0.2])
    assert got == pytest.approx(sum(apart) / 2)


def test_pairs_with_padding_say_nothing() -> None:
    assert cost("pairs", [1.0, 0.0, -9.0], [0.0, 1.0, 0.5], real=2) == pytest.approx(log1p(exp(1)))


@pytest.mark.parametrize("labels", [[0.5, 0.5], [1.0], []])
def test_without_two_labels_apart_pairs_cost_nothing(labels: list[float]) -> None:
    assert cost("pairs", [0.3] * len(labels), labels) == 0.0


def test_pairs_do_not_see_how_high_all_scores_are() -> None:
    low, high = ([x + shift for x in (0.5, 1.5, -1.0)] for shift in (0.0, 4.0))
    given = [cost("pairs", logits, [0.2, 0.6, 1.0]) for logits in (low, high)]
    assert given[0] == pytest.approx(given[1]) and given[0] > log(2)


def test_a_squared_loss_is_the_mean_squared_error_of_the_expected_label() -> None:
    got = cost("squared", [0.0, log(3.0), 50.0], [1.0, 0.25, 0.0], real=2)
    assert got == pytest.approx((0.5**2 + 0.5**2) / 2)


def test_the_default_is_the_cross_entropy() -> None:
    assert registry.find("methods", "maml")().loss == "logistic"
    logits, labels = torch.tensor([[0.3, -2.0]]), torch.tensor([[0.75, 1.0]])
    want = soft_cross_entropy(logits, labels, torch.ones(1, 2).bool())
    assert cost("logistic", logits[0].tolist(), labels[0].tolist()) == float(want)


@pytest.mark.parametrize("name", OWN)
def test_each_loss_learns_something_else(name: str) -> None:
    def learnt(loss: str) -> Tensor:
        method = trained_briefly(name, toy(), valid=0, loss=loss)
        return torch.cat([w.flatten().float() for _, w in sorted(method.learned.items())])

    first, *others = (learnt(loss) for loss in get_args(losses.Loss))
    assert all(len(w) == len(first) and bool(torch.isfinite(w).all()) for w in others)
    assert not any(torch.equal(first, w) for w in others) and not torch.equal(*others)


def test_reptile_has_no_other_loss_than_that_of_its_steps() -> None:
    with pytest.raises(UserError, match=r"reptile\.loss = 'pairs'"):
        from_params(registry.find("methods", "reptile"), "reptile", {"loss": "pairs"})
