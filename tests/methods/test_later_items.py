"""An item that came after training is scored as if it had been there and nobody had rated it."""

import copy
import os
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

from coldbench import registry
from coldbench.encoder import Items
from coldbench.errors import Unavailable, UserError
from coldbench.method import Method, Rated
from coldbench.testing import MethodUnderTest
from coldbench.testing.toy_data import UNSEEN

SOME = (
    "clcrec content-prior dropoutnet ease fold-in item-bias logistic maml matching meta-embedding "
    "protonet ridge stack"
).split()
EVERY = registry.names("methods") if os.environ.get("COLDBENCH_ARTEFACTS") == "all" else SOME


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("later")


def without_last(method: Method[Any]) -> Method[Any]:
    """The method as if the last item, which nobody rated, had not been in its catalogue."""
    items, n = method.items, len(method.items)
    c = items.catalogue
    before = copy.copy(method)
    fewer = replace(c, ids=c.ids[:-1], text=c.text[:-1], tags=c.tags[:-1], vectors=None)
    before.items = Items(items.features[:-1].clone(), fewer, items.encoder)
    before.learned = {name: shorter(value, n) for name, value in method.learned.items()}
    return before


def shorter(value: torch.Tensor, n: int) -> torch.Tensor:
    """Without the last row of n items, and the last column where there are n."""
    if value.shape == (n, n):
        return value[:-1, :-1]
    return value[:-1] if value.dim() and value.shape[0] == n else value


@pytest.mark.parametrize("name", EVERY)
def test_a_later_item_scores_as_one_that_nobody_rated(name: str, place: Path) -> None:
    subject = MethodUnderTest(registry.find("methods", name), place)
    try:
        method = subject.trained
    except Unavailable as error:
        pytest.skip(str(error))
    warm, items, batch = subject.plain.split.warm, subject.plain.items, subject.batch(size=4)
    assert len(items) - 1 == UNSEEN
    rated = Rated(torch.from_numpy(warm.item_counts()[:-1]).float(), float(warm.labels.mean()))
    if not type(method).grows:
        with pytest.raises(UserError, match="cannot score items that came after training"):
            without_last(method).with_items(items, rated)
        return
    grown = without_last(method).with_items(items, rated)
    batch.support.items[:, 0] = UNSEEN  # and a first rating of it counts alike
    asked = torch.arange(UNSEEN - 6, UNSEEN + 1).expand(4, -1)
    with torch.no_grad():
        first = method.score(method.adapt(batch.support), asked)
        again = grown.score(grown.adapt(batch.support), asked)
    assert torch.allclose(first, again, atol=1e-5)


def test_what_cannot_be_said_of_a_later_item_is_not_said(place: Path) -> None:
    subject = MethodUnderTest(registry.find("methods", "simpleshot"), place)
    with pytest.raises(UserError, match="Simpleshot cannot score items that came after training"):
        subject.trained.with_items(subject.plain.items, Rated(torch.ones(60), 0.5))
