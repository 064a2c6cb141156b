"""Causal models tuned on warm users: what is learnt is used; the control is the model itself."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from coldbench.episode import Users
from coldbench.seeds import Seeds
from tests.methods.test_prompt import few
from tests.training import World, close, predict, trained


def tuned(world: World, folder: Path, *, name: str = "instruct", **params: Any) -> Any:
    given: dict[str, Any] = {
        "model": str(folder), "precision": "float32", "shots": 3, "meta_steps": 3, "meta_users": 3,
        "check_every": 5, "valid_users": 2, "blocks": 1, "meta_lr": 1e-2,
    }  # fmt: skip
    return trained(name, world, valid=0, **given | params)


def test_untuned_it_is_prompt(world: World, folder: Path) -> None:
    prompt = trained("prompt", world, model=str(folder), precision="float32", shots=3)
    batch = few(world)
    untuned = predict(tuned(world, folder, meta_steps=0), batch)
    assert torch.equal(untuned, predict(prompt, batch))


def test_tuned_it_lowers_its_loss_on_what_it_learnt_from(world: World, folder: Path) -> None:
    seen = world[0].warm.sample(20, 3, shots=[0], query=1, seed=Seeds.of(0).order)
    before, after = (tuned(world, folder, meta_steps=n) for n in (0, 20))
    losses = torch.tensor(
        [[float(method.loss(batch)) for method in (before, after)] for batch in seen]
    )
    assert losses[:, 1].mean() < losses[:, 0].mean()


def test_what_is_served_by_kept_keys_is_what_was_tuned(world: World, folder: Path) -> None:
    method, batch = tuned(world, folder), few(world)
    assert any(w.any() for k, w in method.learned.items() if k.endswith(".B"))
    with method.changed() as model, torch.no_grad():
        whole = torch.sigmoid(model.log_odds(method.texts(batch))).view(batch.query.items.shape)
    close(predict(method, batch), whole)
    before = predict(tuned(world, folder, meta_steps=0), batch)
    assert (whole - before).abs().max() > 1e-3


def test_the_model_that_all_rows_share_is_left_as_it_was(world: World, folder: Path) -> None:
    method = tuned(world, folder)
    predict(method, few(world))
    modules = list(method.loaded().model.modules())
    assert not any(module._forward_hooks for module in modules)
    assert not any(weight.requires_grad for weight in method.loaded().model.parameters())


@pytest.mark.parametrize("name", ["instruct", "preference", "hyper-lora"])
def test_with_checkpointing_less_is_kept_for_the_same_gradient(
    name: str, world: World, folder: Path
) -> None:
    batch = few(world)
    method = tuned(world, folder, name=name, meta_steps=1, blocks=0)
    weights = {k: w.requires_grad_() for k, w in method.learned.items() if k.endswith((".A", ".B"))}
    slopes, kept = [], []
    for method.checkpointing in (False, True):
        sizes: list[int] = []

        def pack(saved: Tensor, sizes: list[int] = sizes) -> Tensor:
            sizes.append(saved.numel())
            return saved

        with torch.autograd.graph.saved_tensors_hooks(pack, lambda saved: saved):
            loss = method.loss(batch)
        slopes.append(torch.autograd.grad(loss, list(weights.values())))
        kept.append(sum(sizes))
    for plain, again in zip(*slopes, strict=True):
        close(again, plain)
        assert plain.any()
    assert kept[1] < kept[0] / 4
    assert not any("forward" in vars(module) for module in method.loaded().model.modules()), (
        "the model is left as it was"
    )


def test_a_step_goes_down_the_mean_of_the_batches_that_it_waits_for(
    world: World, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    method = tuned(world, folder, meta_steps=0)
    weights = {k: w.requires_grad_() for k, w in method.learned.items() if k.endswith((".A", ".B"))}
    drawn = list(world[0].warm.sample(2, 3, shots=[2], query=1, seed=Seeds.of(0).order))
    slopes = [torch.autograd.grad(method.loss(b), list(weights.values())) for b in drawn]
    seen: list[Tensor] = []

    def clip(given: Any, most: float) -> None:
        seen.extend(weight.grad.clone() for weight in given)

    monkeypatch.setattr(Users, "sample", lambda *_, **__: drawn)
    monkeypatch.setattr(torch.nn.utils, "clip_grad_norm_", clip)
    tuned(world, folder, meta_steps=1, accumulate=2)
    assert len(seen) == len(weights)
    for given, first, second in zip(seen, *slopes, strict=True):
        close(given, (first + second) / 2)


@pytest.mark.parametrize(
    ("shown", "known", "taught"),
    [(8, 0, [0]), (8, 2, [0, 1, 2]), (3, 4, [0, 1, 2, 3]), (4, 3, [0, 1, 2, 3])],
)
def test_it_is_taught_with_as_many_labels_as_a_text_shows_at_most(
    shown: int,
    known: int,
    taught: list[int],
    world: World,
    folder: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    drawn = []

    def sample(self: Users, *_: int, shots: list[int], **__: int) -> list[Any]:
        drawn.append(shots)
        return []

    monkeypatch.setattr(Users, "sample", sample)
    cut, items = world
    valid = replace(cut.valid.first(2), support=cut.valid.support[:2, :known])
    few_valid = replace(cut, valid=valid), items
    trained("instruct", few_valid, model=str(folder), precision="float32", shots=shown)
    assert drawn == [taught]


@pytest.mark.parametrize("name", ["instruct", "preference", "soft-prompt", "hyper-lora"])
def test_in_bfloat16_an_item_alone_scores_as_among_others(
    name: str, world: World, folder: Path
) -> None:
    """The contract is checked in float32; what most people run rounds by a product's shape."""
    params: dict[str, Any] = {"model": str(folder), "shots": 3, "meta_steps": 2, "meta_users": 2}
    method, batch = trained(name, world, valid=0, **params), few(world, users=2)
    assert method.precision == "bfloat16"
    state = method.adapt(batch.support)
    together = method.score(state, torch.arange(40).expand(2, -1))
    close(method.score(state, torch.tensor([[33], [33]])), together[:, 33:34])
