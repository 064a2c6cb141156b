"""Cross-domain: trained on one data set, evaluated on the cold users of another alone."""

from dataclasses import replace
from importlib import import_module
from typing import Any

import numpy as np
import pytest
import torch

from coldbench import registry
from coldbench.dataset import Dataset
from coldbench.encoder import Items
from coldbench.episode import Episodes
from coldbench.errors import UserError
from coldbench.protocol import Protocol
from coldbench.seeds import Seeds
from coldbench.splits.leakage import leaks
from coldbench.splits.split import Split, split

source: Any = import_module("coldbench.benchmarks.dataset_names")
CrossDomain = import_module("coldbench.benchmarks.cross_domain").CrossDomain
PROTOCOL = Protocol.of("user-cold", {"shots": [0, 2, 4], "query": 6})
BY_LOT = Protocol.of("user-cold", {"shots": [0, 2, 4], "query": 6, "order": "random"})


def synthetic(**params: Any) -> Dataset:
    dataset: Dataset = registry.find("datasets", "synthetic")(**{"per_user": 20} | params)
    return dataset


FILMS = synthetic(n_users=40, n_items=30)
COATS = synthetic(n_users=50, n_items=24, seed=1)


def cut(dataset: Dataset, protocol: Protocol = PROTOCOL, seed: int = 3) -> Split:
    log, _ = dataset.load()
    return split(log, dataset.labels(log.ratings, "rating"), protocol, Seeds.of(seed))


def asked(cold: Episodes) -> list[Any]:
    log = cold.users.log
    return [cold.users.ids[cold.user_index], log.items[cold.support], log.items[cold.query]]


@pytest.mark.parametrize("protocol", [PROTOCOL, BY_LOT], ids=["in time", "at random"])
def test_who_is_met_and_asked_what_is_as_in_the_other_set_alone(protocol: Protocol) -> None:
    both, alone = cut(CrossDomain(FILMS, COATS), protocol), cut(COATS, protocol)
    first = np.array([40, 30, 30], dtype=object)
    for rows, wanted, shift in zip(asked(both.cold), asked(alone.cold), first, strict=True):
        assert np.array_equal(rows, wanted + shift)
    assert np.array_equal(both.cold.users.labels, alone.cold.users.labels)


def test_only_users_of_the_first_set_are_learnt_from_and_chosen_by() -> None:
    both = cut(CrossDomain(FILMS, COATS))
    chosen = both.valid.users.ids[both.valid.user_index]
    assert both.warm.ids.max() < 40 and chosen.max() < 40 and len(chosen)
    assert not set(both.warm.ids) & set(chosen)
    assert both.warm.log.items.max() < 30
    assert both.candidates.min() == 30 and both.candidates.max() == 53
    assert not any(check.violations for check in leaks(both, PROTOCOL))


def test_ratings_meet_on_one_scale() -> None:
    class Stars(type(COATS)):  # type: ignore[misc]
        scale = (0.0, 10.0)
        like_above = 6.0

    ten_points = Stars(n_users=5, n_items=24, per_user=20)
    log, _ = CrossDomain(FILMS, ten_points).load()
    stars = FILMS.load()[0].ratings
    np.testing.assert_allclose(log.ratings[: len(stars)], (stars - 1) / 4 * 10, rtol=1e-6)
    np.testing.assert_array_equal(log.ratings[len(stars) :], ten_points.load()[0].ratings)


def test_to_who_learnt_elsewhere_every_item_is_new() -> None:
    """A row that counts ratings knows nothing; one that reads texts may."""
    dataset = CrossDomain(FILMS, COATS)
    both, catalogue = cut(dataset), dataset.load()[1]
    features = torch.nn.functional.normalize(
        torch.from_numpy(
            np.concatenate([c.load()[1].vectors for c in (FILMS, COATS)])  # one space of both
        )
    )
    items = Items(features, catalogue)
    batch = next(both.cold.batches(4))
    for name, knows in (("popularity", False), ("item-bias", False), ("content-prior", True)):
        method = registry.find("methods", name)()
        method.meta_train(both.warm, both.valid, items, Seeds.of(0))
        scores = method.score(method.adapt(batch.support), batch.query.items)
        assert (len(scores.unique()) > 1) == knows, name


def test_likes_alone_are_refused_on_either_side() -> None:
    class Likes(type(COATS)):  # type: ignore[misc]
        explicit = False

    for pair in ((Likes(), COATS), (COATS, Likes())):
        with pytest.raises(UserError, match="positive-only log"):
            CrossDomain(*pair)


def test_other_protocols_say_what_to_use() -> None:
    for changes in ({"cold": "item"}, {"split": "time"}):
        with pytest.raises(
            UserError, match=r"use protocol.cold = 'user' and protocol.split = 'random'"
        ):
            cut(CrossDomain(FILMS, COATS), replace(PROTOCOL, **changes))  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("name", "says"),
    [
        ("ml-100k>coats", "did you mean 'coat'"),
        ("coat>coat", "name the set to train on and another"),
        ("coat>jester>ml-100k", "name the set to train on and another"),
    ],
)
def test_a_wrong_pair_is_one_clear_line(name: str, says: str) -> None:
    with pytest.raises(UserError, match=says):
        source.Source.of(name, {}).dataset()
