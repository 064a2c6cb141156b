"""The example in the docstring of Method is a method: it trains, adapts and scores."""

import doctest
from typing import Any

import torch

from coldbench import method
from coldbench.seeds import Seeds
from coldbench.testing.subject import MethodUnderTest
from coldbench.testing.toy_data import toy_problem


def example() -> type[method.Method[Any]]:
    """The class that the docstring of Method writes."""
    source = doctest.DocTestParser().get_examples(method.Method.__doc__ or "")
    names = vars(method).copy()
    for step in source:
        exec(compile(step.source, "Method.__doc__", "exec"), names)
    written: type[method.Method[Any]] = names["LikedDirection"]
    return written


def test_the_example_of_the_contract_adapts_to_a_user(tmp_path: Any) -> None:
    subject, world = (
        MethodUnderTest(example(), tmp_path),
        toy_problem(tmp_path, users=240, tokens=False),
    )
    served = subject.new(temperature=3.0)
    served.meta_train(world.split.warm, world.split.valid, world.items, Seeds.of(0))
    none, many = (subject.auc(served, world, shots).mean() for shots in (0, 12))
    assert none == 0.5, "without a label every item is alike"
    assert many > none + 0.1
    scores = subject.predict(next(world.split.cold.batches(4)), served)
    assert bool(((scores >= 0) & (scores <= 1)).all()) and scores.dtype == torch.float32
