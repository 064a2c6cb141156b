"""Early stopping: a look at valid users is a gain or not, and patience is counted from gains."""

from importlib import import_module
from typing import Any

EarlyStopping: Any = import_module("coldbench.methods._early_stopping").EarlyStopping


def test_training_stops_after_more_looks_without_a_gain_than_patience_allows() -> None:
    stopping, stops = EarlyStopping(patience=1), []
    for loss in (3.0, 2.0, 2.0, 1.0, 1.5, 1.2):
        stopping.improved(loss)
        stops.append(stopping.stops)
    assert stops == [False] * 5 + [True] and stopping.best == 1.0


def test_an_equal_loss_is_a_gain_where_ties_are_said_to_be() -> None:
    assert [EarlyStopping(0, 1.0, ties_improve=t).improved(1.0) for t in (False, True)] == [
        False,
        True,
    ]


def test_a_loss_of_nan_is_no_gain() -> None:
    stopping = EarlyStopping(patience=0, ties_improve=True)
    assert not stopping.improved(float("nan")) and stopping.stops
