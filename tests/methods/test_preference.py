"""A causal model tuned by pairs of items: its loss is that of the papers, to the digit."""

from importlib import import_module
from math import exp, log
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from coldbench.episode import EpisodeBatch, Users
from tests.methods.test_prompt import few
from tests.training import World, predict, trained

preferred: Any = import_module("coldbench.methods.preference").preferred


def tuned(world: World, folder: Path, **params: Any) -> Any:
    given: dict[str, Any] = {
        "model": str(folder), "precision": "float32", "shots": 3, "meta_steps": 3, "meta_users": 3,
        "blocks": 1, "meta_lr": 3e-2, "beta": 0.5, "asked": 4,
    }  # fmt: skip
    return trained("preference", world, valid=0, **given | params)


def sigmoid(x: float) -> float:
    return 1 / (1 + exp(-x))


def yes(*rows: list[int]) -> Tensor:
    return torch.tensor(rows).bool()


def test_of_one_like_and_one_dislike_it_is_dpos() -> None:
    loss = preferred(torch.tensor([[0.3, -0.2]]), yes([1, 0]), yes([1, 1]))
    assert float(loss) == pytest.approx(-log(sigmoid(0.3 - -0.2)))


def test_of_more_dislikes_it_is_the_softmax_of_s_dpo() -> None:
    gains = torch.tensor([[0.3, -0.2, 0.1, 9.0], [0.5, 0.4, 0.0, 0.0]])
    loss = preferred(gains, yes([1, 0, 0, 0], [1, 1, 0, 0]), yes([1, 1, 1, 0], [1, 1, 1, 0]))
    first = -log(sigmoid(-log(exp(-0.2 - 0.3) + exp(0.1 - 0.3))))
    others = [-log(sigmoid(gain - 0.0)) for gain in (0.5, 0.4)]
    assert float(loss) == pytest.approx((first + sum(others)) / 3)


@pytest.mark.parametrize("liked", [0, 1])
def test_users_who_liked_all_or_nothing_teach_nothing(liked: int) -> None:
    gains = torch.randn(2, 3, requires_grad=True)
    loss = preferred(gains, yes(*[[liked] * 3] * 2), yes(*[[1] * 3] * 2))
    (slope,) = torch.autograd.grad(loss, gains)
    assert float(loss.detach()) == 0
    assert not slope.any()


def chances(model: Any, words: list[int], text: list[int]) -> float:
    """P(yes) of the two words, the text read alone."""
    with torch.no_grad():
        logits = model(torch.tensor([text])).logits[0, -1]
    return float(logits[words].softmax(0)[0])


def test_its_loss_is_that_of_the_model_with_its_changes_beside_the_untuned(
    world: World, folder: Path
) -> None:
    from transformers import AutoModelForCausalLM

    method = tuned(world, folder)
    reference, changed = (AutoModelForCausalLM.from_pretrained(folder) for _ in range(2))
    for name in [name.removesuffix(".A") for name in method.learned if name.endswith(".A")]:
        a, b = method.learned[f"{name}.A"], method.learned[f"{name}.B"]
        changed.base_model.get_submodule(name).weight.data += 16.0 / 8 * b @ a
    whole = few(world)
    batch = EpisodeBatch(whole.users, whole.support, whole.query.map(lambda column: column[:, :4]))
    words, like = list(method.loaded().words), float(method.learned["like"])
    gains = [
        0.5 * (log(chances(changed, words, text)) - log(chances(reference, words, text)))
        for text in method.texts(batch)
    ]
    losses = []
    for user, labels in enumerate(batch.query.labels.tolist()):
        own = list(zip(gains[4 * user : 4 * user + 4], (y > like for y in labels), strict=True))
        dislikes = [gain for gain, liked in own if not liked]
        for gain in (gain for gain, liked in own if liked and dislikes):
            losses.append(-log(sigmoid(-log(sum(exp(other - gain) for other in dislikes)))))
    assert losses, "nobody liked one and disliked another"
    assert max(map(abs, gains)) > 1e-3, "nothing was learnt: equality would say nothing"
    assert float(method.loss(batch)) == pytest.approx(sum(losses) / len(losses), abs=1e-5)


def test_untuned_it_is_prompt(world: World, folder: Path) -> None:
    prompt = trained("prompt", world, model=str(folder), precision="float32", shots=3)
    batch = few(world)
    assert torch.equal(predict(tuned(world, folder, meta_steps=0), batch), predict(prompt, batch))


def test_what_one_batch_teaches_lowers_its_loss(
    world: World, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    batch = next(world[0].warm.sample(1, 6, shots=[2], query=4, seed=0))
    before = tuned(world, folder, meta_steps=0)
    monkeypatch.setattr(Users, "sample", lambda *_, **__: [batch] * 10)
    after = tuned(world, folder, meta_steps=10)
    assert float(after.loss(batch)) < float(before.loss(batch)) - 0.01
