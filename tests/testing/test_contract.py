"""What every registered method and every registered dataset promises, each promise a test."""

import os
import re
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from coldbench import registry
from coldbench.augment.wordnet import FOLDER
from coldbench.dataset import Dataset
from coldbench.errors import UserError
from coldbench.files import locate
from coldbench.interactions import Catalogue, Interactions
from coldbench.testing import check_method
from coldbench.testing.checks import CHECKS

UNPINNED = (  # no original was at hand: pinned at first download
    *("goodbooks-10k", "far-trans", "amazon-2023", "goodreads", "gowalla", "movietweetings"),
    "yelp",
)
AT_HAND = ("ml-latest-small", "ml-100k-plots", "far-trans", "yelp")  # no address serves these
ON_A_GPU = "on a GPU it scores as on the CPU"
WORDNET = Path(os.environ.get("COLDBENCH_WORDNET", FOLDER))
QUICK = ("floor", "simple")  # families that are checked in about a second


def names(room: str) -> list[Any]:
    """The registered names, those that take longer marked so."""
    quick = {e.name for e in registry.entries(room) if e.attributes.get("family", "floor") in QUICK}
    marks = {name: [] if name in quick else [pytest.mark.slow] for name in registry.names(room)}
    return [pytest.param(name, marks=more) for name, more in marks.items()]


@pytest.mark.timeout(600)
@pytest.mark.parametrize("name", names("methods"))
def test_a_method_keeps_its_promises(name: str) -> None:
    """Every check on one method at once: what it trains is shared. All that fail are told."""
    method = registry.find("methods", name)
    outcomes = check_method(method)
    assert [outcome.check for outcome in outcomes] == list(CHECKS)
    broken = {
        o.check: o.reason or f"passes, though exempt: {o.exempt}" for o in outcomes if not o.ok
    }
    assert not broken
    untried = {o.check: o.exempt for o in outcomes if o.verdict == "unavailable"}
    if not torch.cuda.is_available():
        assert untried.pop(ON_A_GPU) == "unavailable: no CUDA device on this machine"
    if untried:
        why = "; ".join(sorted(set(untried.values())))
        package = method.requires_package and find_spec(method.requires_package) is None
        wordnet = "WordNet" in why and not (WORDNET / "data.noun").is_file()
        assert package or wordnet, f"all it needs is here, and yet: {why}"
        pytest.skip(why)  # all else was tried


@pytest.fixture
def no_download(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(locate, "_from_address", lambda *_: None)
    monkeypatch.setattr(locate, "_from_pypi", lambda *_: None)


@pytest.fixture(params=names("datasets"))
def dataset(request: pytest.FixtureRequest, no_download: None) -> Dataset:
    loader: Dataset = registry.find("datasets", request.param)()
    return loader


def name_of(dataset: Dataset) -> str:
    return type(dataset).__module__.rpartition(".")[2].replace("_", "-")


Tables = tuple[Interactions, Catalogue]


@pytest.fixture
def tables(dataset: Dataset) -> Tables:
    try:
        return load(dataset)
    except UserError as error:
        pytest.skip(f"not on this machine: {error}")


@cache
def load(dataset: Dataset) -> Tables:
    return dataset.load()


def test_a_dataset_says_what_it_is(dataset: Dataset) -> None:
    for fact in ("domain", "licence", "citation", "size"):
        assert getattr(dataset, fact).strip(), fact
    low, high = dataset.scale
    assert low <= dataset.like_above < high, "a like lies within the scale"
    for file in (*dataset.files, *dataset.or_else):
        held = file.archive or file  # a member is held by its archive's hash, or by its own too
        assert re.fullmatch("([0-9a-f]{64})?", file.sha256), f"{file.name}: no SHA-256"
        if file.sha256 + held.sha256 + held.md5 == "":
            assert name_of(dataset) in UNPINNED, f"{file.name} is not pinned"
        if not held.urls and not (held.package and held.inside):
            assert name_of(dataset) in AT_HAND, f"{file.name} is to be had nowhere"
        assert "==" in (file.package or "=="), f"{file.package} names no version"


def test_a_dataset_loads_twice_to_the_same(dataset: Dataset, tables: Tables) -> None:
    log, catalogue = dataset.load()
    assert (log.hash(), catalogue.hash()) == (tables[0].hash(), tables[1].hash())


def test_a_dataset_holds_what_its_size_says(dataset: Dataset, tables: Tables) -> None:
    log, catalogue = tables
    stated = re.search(r"([\d,]+) users, ([\d,]+) items, ([\d,]+) ", dataset.size)
    assert stated, f"size = {dataset.size!r} is not 'N users, N items, N ratings'"
    counts = [int(number.replace(",", "")) for number in stated.groups()]
    assert [log.n_users, len(catalogue), len(log)] == counts


def test_the_ratings_of_a_dataset_lie_within_its_scale(dataset: Dataset, tables: Tables) -> None:
    log, _ = tables
    low, high = dataset.scale if dataset.explicit else dataset.scale[1:] * 2
    assert np.isfinite(log.ratings).all()
    assert (log.ratings.min(), log.ratings.max()) == (low, high), "both ends of it are used"
    assert log.ratings.dtype == np.float32


def test_the_labels_of_a_dataset_lie_in_0_to_1(dataset: Dataset, tables: Tables) -> None:
    ratings = tables[0].ratings
    liked, scaled = dataset.labels(ratings, "like"), dataset.labels(ratings, "rating")
    assert scaled.min() >= 0 and scaled.max() <= 1
    assert liked.dtype == scaled.dtype == np.float32
    assert np.array_equal(liked == 1, scaled > dataset.label_scale("rating").like_at)
    assert liked.any()
    assert not (dataset.explicit and liked.all()), "an explicit log holds dislikes too"


def test_a_dataset_has_one_text_an_item(tables: Tables) -> None:
    log, catalogue = tables
    assert log.n_items == len(catalogue) == len(set(catalogue.ids))
    assert log.items.min() >= 0 and log.items.max() < len(catalogue)
    for text in catalogue.text:
        assert text.strip() == text != "", text
        assert "\n" not in text, text


def test_the_times_of_a_dataset_rise_within_a_user(tables: Tables) -> None:
    log, _ = tables
    if log.times is None:
        return
    same_user = np.diff(log.users) == 0
    assert (np.diff(log.times)[same_user] >= 0).all()
    year = np.datetime64("1970") + log.times.astype("timedelta64[us]")
    assert year.min() >= np.datetime64("1990") and year.max() < np.datetime64("2030"), "seconds"


def test_no_user_of_a_dataset_rates_an_item_twice(tables: Tables) -> None:
    log, _ = tables
    pairs = log.users * log.n_items + log.items
    assert len(np.unique(pairs)) == len(log)
