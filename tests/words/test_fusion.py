"""Vectors that came with a set beside its text: one space of both, and files that hold them."""

from dataclasses import replace
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from coldbench import registry
from coldbench.encoder import Encoder
from coldbench.errors import UserError
from coldbench.interactions import Catalogue
from coldbench.metrics.compute import per_user
from coldbench.metrics.predictions import rank_predictions
from coldbench.protocol import Protocol
from coldbench.seeds import Seeds
from coldbench.splits.split import split
from coldbench.testing import tiny_encoder

source: Any = import_module("coldbench.benchmarks.dataset_names")


@pytest.fixture(scope="module")
def bert(tmp_path_factory: pytest.TempPathFactory) -> Encoder:
    return tiny_encoder(tmp_path_factory.mktemp("models") / "bert")


def catalogue(n: int = 6) -> Catalogue:
    """Texts that say nothing of the items, and pictures that say all."""
    text = tuple("amber 1" if item % 2 else "cedar 2" for item in range(n))
    vectors = np.eye(n, dtype=np.float32) * 3
    return Catalogue(tuple(map(str, range(n))), text, ((),) * n, vectors)


def test_two_items_are_as_like_as_their_texts_and_their_pictures_by_share(bert: Encoder) -> None:
    items = catalogue()
    text = bert.items(items).features
    fused = replace(bert, fusion=0.25).items(items).features
    assert fused.shape == (6, 32 + 6)
    expected = 0.75 * text @ text.T + 0.25 * torch.eye(6)
    torch.testing.assert_close(fused @ fused.T, expected, atol=1e-6, rtol=0)


def test_without_fusion_the_pictures_are_left_aside(bert: Encoder) -> None:
    assert bert.items(catalogue()).features.shape == (6, 32)


def test_what_fusion_lacks_is_told(bert: Encoder) -> None:
    bare = replace(catalogue(), vectors=None)
    for encoder, items in (
        (replace(bert, fusion=0.5), bare),
        (Encoder("vectors", fusion=0.5), catalogue()),
    ):
        with pytest.raises(UserError, match="leave it out"):
            encoder.items(items)
    with pytest.raises(UserError, match="say encoder = 'vectors'"):
        Encoder(fusion=1.0)
    with pytest.raises(UserError, match="reads text alone"):
        replace(bert, fusion=0.5).model()


def test_a_taste_that_only_pictures_show_is_learnt_through_fusion_alone(bert: Encoder) -> None:
    """Synthetic items whose texts are all alike: late fusion is what ranks them for a user."""
    dataset = registry.find("datasets", "synthetic")(
        n_users=160, n_items=60, per_user=30, popularity=0.0
    )
    log, known = dataset.load()
    mute = replace(known, text=("amber",) * len(known))
    protocol = Protocol.of("user-cold", {"shots": [0, 12], "query": 10})
    cut = split(log, dataset.labels(log.ratings, "rating"), protocol, Seeds.of(0))
    batch = next(cut.cold.batches(12))
    reached = {}
    for share in (0.0, 0.5):
        items = replace(bert, fusion=share).items(mute)
        method = registry.find("methods", "ridge")()
        method.meta_train(cut.warm, cut.valid, items, Seeds.of(0))
        scores = method.score(method.adapt(batch.support), batch.query.items)
        predictions = rank_predictions(scores, batch.query.labels, batch.query.mask, like_at=0.625)
        reached[share] = float(per_user("auc", predictions).nanmean())
    assert reached[0.5] > reached[0.0] + 0.1, reached


def write(folder: Path, vectors: Any) -> dict[str, str]:
    (folder / "log.csv").write_text("user,item,rating\nu,b,5\nu,a,1\nv,a,3\n")
    (folder / "items.csv").write_text("item,title\na,Amber\nnobody,Birch\nb,Cedar\n")
    if vectors is not None:
        np.save(folder / "pictures.npy", vectors)
    return {"items": str(folder / "items.csv"), "vectors": str(folder / "pictures.npy")}


def test_own_vectors_follow_the_table_of_items(tmp_path: Path) -> None:
    options = write(tmp_path, np.array([[1, 0], [5, 5], [0, 2]]))
    _, items = source.Source.of(str(tmp_path / "log.csv"), options).dataset().load()
    assert items.ids == ("a", "b")
    assert items.vectors is not None and items.vectors.tolist() == [[1, 0], [0, 2]]


@pytest.mark.parametrize(
    ("vectors", "says"),
    [
        (np.ones((2, 2)), r"has the shape \(2, 2\), expected \(3, D\)"),
        (np.ones(3), r"has the shape \(3,\)"),
        (np.array([[1.0], [np.nan], [2.0]]), "row 1 holds a value that is not finite"),
        (np.array([["x"], ["y"], ["z"]]), "cannot be read"),
        (np.array([{}, {}, {}], dtype=object), "cannot be read"),
        (None, "cannot be read"),
    ],
)
def test_vectors_of_a_wrong_kind_are_one_clear_line(
    tmp_path: Path, vectors: Any, says: str
) -> None:
    options = write(tmp_path, vectors)
    with pytest.raises(UserError, match=says) as caught:
        source.Source.of(str(tmp_path / "log.csv"), options).dataset().load()
    assert "\n" not in str(caught.value)


def test_vectors_without_a_table_of_items_are_refused(tmp_path: Path) -> None:
    options = write(tmp_path, np.ones((3, 1)))
    with pytest.raises(UserError, match="name it by items=FILE"):
        source.Source.of(str(tmp_path / "log.csv"), {"vectors": options["vectors"]}).dataset()
