"""A hypernetwork's low-rank changes: many users' at once are those of one with merged weights."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from coldbench.episode import Users
from tests.methods.test_prompt import few
from tests.training import World, close, predict, trained


def made(world: World, folder: Path, **params: Any) -> Any:
    given: dict[str, Any] = {
        "model": str(folder), "precision": "float32", "shots": 3, "hidden": 5, "rank": 2,
        "meta_steps": 3, "meta_users": 3, "meta_lr": 3e-2, "blocks": 1,
    }  # fmt: skip
    return trained("hyper-lora", world, valid=0, **given | params)


def by_hand(method: Any, folder: Path, user: Tensor, asked: list[int]) -> Tensor:
    """(Q,) P(yes) of the two words, each question read alone by a model with this user's (H,)
    change merged into its weights."""
    from transformers import AutoModelForCausalLM

    model = AutoModelForCausalLM.from_pretrained(folder)
    told, words = method.learned, list(method.loaded().words)
    for name in [name.removesuffix(".A") for name in told if name.endswith(".A")]:
        a, b = (
            told[f"{name}.{part}"]
            + sum(user[h] * told[f"{name}.{part}.user"][h] for h in range(5)) / 5**0.5
            for part in "AB"
        )
        model.base_model.get_submodule(name).weight.data += 16.0 / 2 * b @ a
    chances = []
    for item in asked:
        text = torch.tensor([[*method.before(""), *method.question(item)]])
        with torch.no_grad():
            chances.append(model(text).logits[0, -1, words].softmax(0)[0])
    return torch.stack(chances)


def test_many_users_changes_are_those_of_each_ones_merged_weights(
    world: World, folder: Path
) -> None:
    method, batch = made(world, folder), few(world)
    users = method.adapt(batch.support)["user"]
    scores = predict(method, batch)
    one_by_one = [
        by_hand(method, folder, user, asked)
        for user, asked in zip(users, batch.query.items.tolist(), strict=True)
    ]
    close(scores, torch.stack(one_by_one))
    for user, asked in zip(users[[1, 2, 0]], batch.query.items.tolist(), strict=True):
        other = by_hand(method, folder, user, asked)
        assert (scores - other).abs().max() > 1e-3, "users are alike: equality would say nothing"


def test_a_user_is_the_mean_of_what_was_liked_and_of_what_was_not(
    world: World, folder: Path
) -> None:
    method, batch = made(world, folder), few(world)
    vectors, like = method.items.features, float(method.learned["like"])
    spread = (vectors - vectors.mean(0)).pow(2).mean().sqrt()
    for user, got in enumerate(method.adapt(batch.support)["user"]):
        last = list(
            zip(batch.support.items[user, -3:], batch.support.labels[user, -3:], strict=True)
        )
        sums = []
        for kind in (True, False):
            some = [(vectors[i] - vectors.mean(0)) / spread for i, y in last if (y > like) == kind]
            none = torch.zeros(vectors.shape[1])
            sums.append(torch.stack([none, *some]).sum(0) / (len(some) + 1))
        close(got, torch.nn.functional.gelu(method.learned["read"] @ torch.cat(sums)))


def test_the_order_of_labels_changes_nothing(world: World, folder: Path) -> None:
    method, batch = made(world, folder), few(world, shots=3)
    turned = replace(batch, support=batch.support.map(lambda column: column.flip(1)))
    assert not torch.equal(turned.support.items, batch.support.items)
    assert torch.equal(predict(method, turned), predict(method, batch))


def test_untuned_it_is_prompt_where_nothing_is_known(world: World, folder: Path) -> None:
    prompt = trained("prompt", world, model=str(folder), precision="float32", shots=3)
    batch, nothing = few(world), few(world, shots=0)
    untuned = made(world, folder, meta_steps=0)
    assert untuned.adapt(batch.support)["user"].any()
    close(predict(untuned, batch), predict(prompt, nothing))


def test_who_is_not_known_has_what_all_users_learnt(world: World, folder: Path) -> None:
    method, nothing = made(world, folder), few(world, shots=0)
    assert not method.adapt(nothing.support)["user"].any()
    scores = predict(method, nothing)
    close(scores[0], by_hand(method, folder, torch.zeros(5), nothing.query.items[0].tolist()))
    untuned = predict(made(world, folder, meta_steps=0), nothing)
    assert (scores - untuned).abs().max() > 1e-3


def test_its_loss_is_that_of_what_it_says_of_each_user(world: World, folder: Path) -> None:
    method, batch = made(world, folder), few(world)
    liked = (batch.query.labels > method.learned["like"]).float()
    chances = torch.where(liked > 0, predict(method, batch), 1 - predict(method, batch))
    close(method.loss(batch), -chances.log()[batch.query.mask].mean())


def test_what_one_batch_teaches_lowers_its_loss(
    world: World, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    batch = next(world[0].warm.sample(1, 6, shots=[2], query=4, seed=0))
    before = made(world, folder, meta_steps=0)
    monkeypatch.setattr(Users, "sample", lambda *_, **__: [batch] * 10)
    after = made(world, folder, meta_steps=10)
    assert float(after.loss(batch)) < float(before.loss(batch)) - 0.01
