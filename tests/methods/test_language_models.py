"""Causal models tuned on warm users: what is learnt is used; the control is the model itself."""

from pathlib import Path
from typing import Any

import pytest
import torch

from coldbench import registry
from coldbench.seeds import Seeds
from coldbench.testing.toy_data import tiny_causal
from tests.methods.test_prompt import few
from tests.training import World, close, predict, trained

ALL = ["instruct", "hyper-lora"]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny_causal(tmp_path_factory.mktemp("causal"))


def tuned(name: str, world: World, folder: Path, **params: Any) -> Any:
    given: dict[str, Any] = {
        "model": str(folder), "precision": "float32", "shots": 3, "meta_steps": 3, "meta_users": 3,
        "check_every": 5, "valid_users": 2, "blocks": 1, "meta_lr": 1e-2,
    }  # fmt: skip
    return trained(name, world, valid=0, **given | params)


def test_untuned_it_is_prompt(world: World, folder: Path) -> None:
    prompt = trained("prompt", world, model=str(folder), precision="float32", shots=3)
    batch = few(world)
    untuned = predict(tuned("instruct", world, folder, meta_steps=0), batch)
    assert torch.equal(untuned, predict(prompt, batch))


@pytest.mark.parametrize("name", ALL)
def test_tuned_it_lowers_its_loss_on_what_it_learnt_from(
    name: str, world: World, folder: Path
) -> None:
    asks = registry.find("methods", name).asks
    seen = world[0].warm.sample(20, 3, shots=[0], query=asks, seed=Seeds.of(0).order)
    before, after = (tuned(name, world, folder, meta_steps=n) for n in (0, 20))
    losses = torch.tensor(
        [[float(method.loss(batch)) for method in (before, after)] for batch in seen]
    )
    assert losses[:, 1].mean() < losses[:, 0].mean()


def test_what_is_served_by_kept_keys_is_what_was_tuned(world: World, folder: Path) -> None:
    method, batch = tuned("instruct", world, folder), few(world)
    assert any(w.any() for k, w in method.learned.items() if k.endswith(".B"))
    with method.changed() as model, torch.no_grad():
        whole = torch.sigmoid(model.log_odds(method.texts(batch))).view(batch.query.items.shape)
    close(predict(method, batch), whole)
    before = predict(tuned("instruct", world, folder, meta_steps=0), batch)
    assert (whole - before).abs().max() > 1e-3


def test_a_users_change_is_read_as_it_was_trained_and_others_do_not_matter(
    world: World, folder: Path
) -> None:
    method, batch = tuned("hyper-lora", world, folder), few(world)
    state, asked = method.adapt(batch.support), batch.query.items
    texts = [method.question(method._model(), "", i) for i in asked.flatten().tolist()]
    scales = state["scales"].repeat_interleave(asked.shape[1], 0)
    with torch.no_grad(), method.changed(scales) as model:
        whole = model.log_odds(texts)
    scores = predict(method, batch)
    close(scores, torch.sigmoid(whole).view(asked.shape))
    none = predict(method, few(world, shots=0))
    assert (scores - none).abs().max() > 1e-4


@pytest.mark.parametrize("name", ALL)
def test_the_model_that_all_rows_share_is_left_as_it_was(
    name: str, world: World, folder: Path
) -> None:
    method = tuned(name, world, folder)
    predict(method, few(world))
    modules = list(method._model().model.modules())
    assert not any(module._forward_hooks for module in modules)
    assert not any(weight.requires_grad for weight in method._model().model.parameters())
