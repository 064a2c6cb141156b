"""On a checkerboard the right answer is visible by eye: even users like even items, odd ones odd.

A method that is wrong here is wrong about something simple: a sign, an index, a padding.
"""

from pathlib import Path

import pytest

from coldbench import registry
from coldbench.seeds import Seeds
from coldbench.testing.subject import MethodUnderTest
from coldbench.testing.toy_data import checkerboard

CLOSED_FORM = ["ridge", "knn", "fold-in", "simpleshot", "logistic"]
TRAINED = ["protonet", "maml", "reptile"]


@pytest.mark.parametrize("name", [*CLOSED_FORM, *TRAINED])
def test_one_label_tells_all_the_others(name: str, tmp_path: Path) -> None:
    subject, world = MethodUnderTest(registry.find("methods", name), tmp_path), checkerboard()
    method = subject.new(short=False, meta_steps=60)
    method.meta_train(world.split.warm, world.split.valid, world.items, Seeds.of(0))
    for shots in (1, 4):
        assert bool((subject.auc(method, world, shots) == 1).all()), f"K = {shots}"
    if name in CLOSED_FORM:
        assert bool((subject.auc(method, world, 0) == 0.5).all()), "no label, no taste"


@pytest.mark.parametrize("name", ["popularity", "item-bias", "content-prior"])
def test_what_everybody_thinks_of_an_item_tells_nothing(name: str, tmp_path: Path) -> None:
    subject, world = MethodUnderTest(registry.find("methods", name), tmp_path), checkerboard()
    assert subject.auc(subject.train(world), world, 4).mean() == pytest.approx(0.5, abs=0.05)
