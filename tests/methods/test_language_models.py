"""Causal models tuned on warm users: what is learnt is used; the control is the model itself."""

from pathlib import Path
from typing import Any

import pytest
import torch

from coldbench import registry
from coldbench.encoder import Items
from coldbench.seeds import Seeds
from coldbench.split import Split
from coldbench.testing.toy_data import tiny_causal
from tests.methods.test_prompt import predict, some

ALL = ["instruct", "hyper-lora"]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny_causal(tmp_path_factory.mktemp("causal"))


def trained(name: str, world: tuple[Split, Items], folder: Path, **params: Any) -> Any:
    given: dict[str, Any] = {
        "model": str(folder), "precision": "float32", "shots": 3, "meta_steps": 3, "meta_users": 3,
        "check_every": 5, "valid_users": 2, "blocks": 1, "meta_lr": 1e-2,
    }  # fmt: skip
    method = registry.find("methods", name)(**given | params)
    cut, items = world
    method.meta_train(cut.warm, cut.valid.first(0), items, Seeds.of(0))
    return method


def test_untuned_it_is_prompt(world: tuple[Split, Items], folder: Path) -> None:
    prompt = registry.find("methods", "prompt")(model=str(folder), precision="float32", shots=3)
    prompt.meta_train(world[0].warm, world[0].valid, world[1], Seeds.of(0))
    batch = some(world)
    untuned = predict(trained("instruct", world, folder, meta_steps=0), batch)
    assert torch.equal(untuned, predict(prompt, batch))


@pytest.mark.parametrize("name", ALL)
def test_tuned_it_lowers_its_loss_on_what_it_learnt_from(
    name: str, world: tuple[Split, Items], folder: Path
) -> None:
    asks = registry.find("methods", name).asks
    seen = world[0].warm.sample(20, 3, shots=[0], query=asks, seed=Seeds.of(0).order)
    untuned, tuned = (trained(name, world, folder, meta_steps=n) for n in (0, 20))
    losses = torch.tensor(
        [[float(method.loss(batch)) for method in (untuned, tuned)] for batch in seen]
    )
    assert losses[:, 1].mean() < losses[:, 0].mean()


def test_what_is_served_by_kept_keys_is_what_was_trained(
    world: tuple[Split, Items], folder: Path
) -> None:
    method, batch = trained("instruct", world, folder), some(world)
    assert any(w.any() for k, w in method.learned.items() if k.endswith(".B"))
    with method.changed() as model, torch.no_grad():
        whole = torch.sigmoid(model.log_odds(method.texts(batch))).view(batch.query.items.shape)
    torch.testing.assert_close(predict(method, batch), whole, atol=1e-5, rtol=0)
    before = predict(trained("instruct", world, folder, meta_steps=0), batch)
    assert (whole - before).abs().max() > 1e-3


def test_a_users_change_is_read_as_it_was_trained_and_others_do_not_matter(
    world: tuple[Split, Items], folder: Path
) -> None:
    method, batch = trained("hyper-lora", world, folder), some(world)
    state, asked = method.adapt(batch.support), batch.query.items
    texts = [method.question(method._model(), "", i) for i in asked.flatten().tolist()]
    scales = state["scales"].repeat_interleave(asked.shape[1], 0)
    with torch.no_grad(), method.changed(scales) as model:
        whole = model.log_odds(texts)
    scores = predict(method, batch)
    torch.testing.assert_close(scores, torch.sigmoid(whole).view(asked.shape), atol=1e-5, rtol=0)
    none = predict(method, some(world, shots=0))
    assert (scores - none).abs().max() > 1e-4


@pytest.mark.parametrize("name", ALL)
def test_the_model_that_all_rows_share_is_left_as_it_was(
    name: str, world: tuple[Split, Items], folder: Path
) -> None:
    method = trained(name, world, folder)
    predict(method, some(world))
    modules = list(method._model().model.modules())
    assert not any(module._forward_hooks for module in modules)
    assert not any(weight.requires_grad for weight in method._model().model.parameters())
