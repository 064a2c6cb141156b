"""Virtual tokens before a question: they start as words, and each user moves them by gradient."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from coldbench.episode import EpisodeBatch, Users
from tests.methods.test_prompt import few
from tests.training import World, close, predict, trained

LINE = "What one person liked.\n\n"


def softly(world: World, folder: Path, **params: Any) -> Any:
    given: dict[str, Any] = {
        "model": str(folder), "precision": "float32", "shots": 3, "tokens": 8, "meta_steps": 0,
        "meta_users": 3, "meta_lr": 1e-2,
    }  # fmt: skip
    return trained("soft-prompt", world, valid=0, **given | params)


def line(folder: Path) -> Tensor:
    """The first line in tokens (P,)."""
    from transformers import AutoTokenizer

    return torch.tensor(AutoTokenizer.from_pretrained(folder)(LINE)["input_ids"])


def test_untuned_it_is_prompt_where_nothing_is_known(world: World, folder: Path) -> None:
    prompt = trained("prompt", world, model=str(folder), precision="float32", shots=3)
    batch, nothing = few(world), few(world, shots=0)
    untuned = softly(world, folder, tokens=len(line(folder)), inner_steps=0)
    assert torch.equal(predict(untuned, batch), predict(untuned, nothing))
    close(predict(untuned, batch), predict(prompt, nothing))


@pytest.mark.parametrize("tokens", [2, 9])
def test_it_starts_from_the_end_of_the_first_line_repeated(
    tokens: int, world: World, folder: Path
) -> None:
    method, words = softly(world, folder, tokens=tokens), line(folder)
    assert 2 < len(words) < 9 < 2 * len(words)
    start = method.loaded().model.get_input_embeddings()(words.repeat(2)[-tokens:])
    assert torch.equal(method.learned["soft"], start)


def odds_in_full(method: Any, soft: Tensor, item: int) -> Tensor:
    """() log P(yes) - log P(no), the question read alone from all 49 thousand words' logits."""
    model = method.loaded()
    text = model.tokens(method.items.catalogue.text[item])[: method.title_tokens]
    told = model.model.get_input_embeddings()(torch.tensor(text + model.tokens("\nLiked:")))
    logits = model.model(inputs_embeds=torch.cat([soft, told])[None]).logits[0, -1]
    yes, no = (model.tokens(word)[0] for word in (" yes", " no"))
    return logits.log_softmax(0)[yes] - logits.log_softmax(0)[no]


def test_a_step_is_down_the_loss_of_the_last_labels(world: World, folder: Path) -> None:
    method, batch = softly(world, folder, inner_steps=1, damping=2.0), few(world, users=2)
    start, like = method.learned["soft"], float(method.learned["like"])
    squares = []
    for item in range(16):
        soft = start.clone().requires_grad_()
        (slope,) = torch.autograd.grad(odds_in_full(method, soft, item), soft)
        squares.append(float(slope.square().sum()))
    rate = 1.0 / (sum(squares) / 16)
    close(method.learned["rate"] / rate, torch.tensor(1.0))
    moved = []
    for user in range(2):
        soft = start.clone().requires_grad_()
        loss = torch.zeros(())
        for item, label in zip(
            batch.support.items[user, -3:].tolist(), batch.support.labels[user, -3:], strict=True
        ):
            chance = torch.sigmoid(odds_in_full(method, soft, item))
            loss = loss - torch.log(chance if label > like else 1 - chance)
        (slope,) = torch.autograd.grad(loss, soft)
        moved.append(start - rate / (3 + 2.0) * slope)
    state = method.adapt(batch.support)["soft"]
    assert (state - start).abs().max() > 1e-3, "nothing moved: equality would say nothing"
    close(state, torch.stack(moved))
    whole = [
        [torch.sigmoid(odds_in_full(method, moved[user], item)) for item in asked]
        for user, asked in enumerate(batch.query.items.tolist())
    ]
    close(predict(method, batch), torch.tensor(whole))


def test_who_likes_an_item_is_more_likely_to_be_said_to(world: World, folder: Path) -> None:
    method, batch = softly(world, folder), few(world, shots=1, users=3)
    asked = replace(batch.query, items=batch.support.items)
    none, liked, disliked = (
        predict(method, EpisodeBatch(batch.users, replace(batch.support, **given), asked))
        for given in (
            {"mask": torch.zeros(3, 1).bool()},
            {"labels": torch.ones(3, 1)},
            {"labels": torch.zeros(3, 1)},
        )
    )
    assert (liked > none).all()
    assert (none > disliked).all()


def test_what_one_batch_teaches_lowers_its_loss(
    world: World, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    batch = next(world[0].warm.sample(1, 6, shots=[2], query=1, seed=0))
    before = softly(world, folder)
    monkeypatch.setattr(Users, "sample", lambda *_, **__: [batch] * 10)
    after = softly(world, folder, meta_steps=10)
    assert float(after.loss(batch)) < float(before.loss(batch)) - 0.01


def test_a_label_that_many_users_gave_is_read_once_before_they_move_apart(
    world: World, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    method, batch = softly(world, folder, inner_steps=2), few(world, users=2)
    items = batch.support.items[:1].expand(2, -1)
    support = replace(batch.support, items=items, labels=batch.support.labels[:1].expand(2, -1))
    read, slopes = [], method._slopes

    def counted(vectors: Tensor, texts: Any, lowered: Any) -> Tensor:
        read.append(len(texts))
        return slopes(vectors, texts, lowered)

    monkeypatch.setattr(method, "_slopes", counted)
    soft = method.adapt(support)["soft"]
    assert read == [3, 6]
    close(soft[0], soft[1])
