"""Checks of what a method is for: a planted taste is found, from labels, the better the more."""

import torch

from coldbench import registry
from coldbench.testing.subject import MethodUnderTest


def predictions_move_if_it_adapts(subject: MethodUnderTest) -> None:
    """Labels change scores, or the method says `adapts = False` and they change nothing."""
    method, cold = subject.fully_trained, subject.with_signal.split.cold
    moved = [
        (subject.predict(many, method) - subject.predict(none, method)).abs().mean()
        for none, many in zip(cold.batches(0), cold.batches(cold.max_shots), strict=True)
    ]
    change = float(torch.stack(moved).mean())
    if subject.method.adapts:
        assert change > 1e-3, f"the support moves predictions by {change:.1e} on average"
    else:
        assert change == 0, f"it says adapts = False, yet predictions move by {change:.1e}"


def learns_a_planted_taste_better_than_popularity(subject: MethodUnderTest) -> None:
    """AUC at 12 labels is .05 above popularity's, where tastes are there to be found."""
    problem = subject.with_signal
    popularity = MethodUnderTest(registry.find("methods", "popularity"), subject.folder)
    baseline = popularity.auc(popularity.train(problem), problem, 12).mean()
    reached = subject.auc(subject.fully_trained, problem, 12).mean()
    assert reached > baseline + 0.05, f"AUC {reached:.3f}, popularity has {baseline:.3f}"


def is_better_with_K(subject: MethodUnderTest) -> None:
    """AUC at 12 labels is above AUC at none."""
    problem = subject.with_signal
    none, many = (subject.auc(subject.fully_trained, problem, k).mean() for k in (0, 12))
    assert many > none + 0.01, f"AUC is {none:.3f} at K = 0 and {many:.3f} at K = 12"


def its_gain_comes_from_the_labels(subject: MethodUnderTest) -> None:
    """AUC at 12 labels is above AUC at the same 12 turned round, likes as dislikes: a method that
    is bad without labels and good with any has learnt nothing from them."""
    problem = subject.with_signal
    auc = subject.auc(subject.fully_trained, problem, 12).mean()
    turned = subject.auc(subject.fully_trained, problem, 12, turned=True).mean()
    assert auc > turned + 0.01, f"AUC is {auc:.3f} at K = 12, {turned:.3f} with labels turned round"


def with_shuffled_labels_it_is_at_chance(subject: MethodUnderTest) -> None:
    """Trained and met with labels that say nothing, it says nothing: AUC is .5, at K = 0 too."""
    problem = subject.with_signal.shuffled()
    method = subject.train(problem, short=False)
    for shots in (0, 12):
        values = subject.auc(method, problem, shots)
        off, noise = float(values.mean()) - 0.5, float(values.std()) / len(values) ** 0.5
        # items are shared by users, so a lucky item counts many times: the bound is wide
        verdict = f"AUC {0.5 + off:.3f} at K = {shots} with labels that say nothing"
        assert abs(off) < max(4 * noise, 0.1), verdict
