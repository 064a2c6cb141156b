"""MAMO's slopes against autograd's, and what its memories hold."""

from functools import partial

import torch
from torch import Tensor
from torch.nn.functional import binary_cross_entropy_with_logits

from coldbench.seeds import Seeds
from tests.training import close, cold, toy, trained_briefly

BATCH = cold(toy(), 8)
mamo = partial(trained_briefly, "mamo", toy(), embedding=4)


def test_a_step_moves_every_layer_by_its_slope() -> None:
    method, support = mamo(inner_steps=1, alpha=0.5), BATCH.support
    begun, _ = method._begin(support)
    layers = {name: w.clone().requires_grad_() for name, w in begun.layers.items()}
    network = type(begun)(begun.profile, layers)
    logits = method.learned["prior"][support.items]
    logits = logits + network.read(method._items(support.items))[-1][..., 0]
    every = binary_cross_entropy_with_logits(logits, support.labels, reduction="none")
    share = support.mask / support.mask.sum(1, keepdim=True)
    slopes = torch.autograd.grad((every * share).sum(), list(layers.values()))
    moved = method.adapt(support).layers
    for name, slope in zip(layers, slopes, strict=True):
        close(moved[name], begun.layers[name] - 0.5 * slope, 1e-6)


def test_the_outer_loop_goes_through_the_inner_one() -> None:
    method, batch = mamo(), BATCH
    weight = method.learned["load"].requires_grad_()

    def loss() -> Tensor:
        asked = method.logits(method.adapt(batch.support), batch.query.items)
        return binary_cross_entropy_with_logits(asked, batch.query.labels)

    (slope,) = torch.autograd.grad(loss(), [weight])
    with torch.no_grad():
        step = 1e-2 * torch.nn.functional.normalize(slope.flatten(), dim=0).view_as(slope)
        weight += step
        up = loss()
        weight -= 2 * step
        rise = (up - loss()) / 2e-2
    assert abs(float(rise / slope.norm()) - 1) < 0.05


def test_memories_move_towards_what_users_told_in_the_share_of_their_attention() -> None:
    method = mamo(slots=2, write=0.5)
    before = method.learned["profiles"].clone()
    profiles = torch.tensor([[1.0, 2, 3, 4], [4.0, 3, 2, 1]])
    still = {
        name: method.learned[name][:1].expand(2, *method.learned[name].shape[1:])
        for name in ("gradients", "joints")
    }
    attention = torch.tensor([[1.0, 0], [0.5, 0.5]])
    method._remembered = {"attention": attention, "profiles": profiles} | still
    method._write()
    first = before[0] + 0.25 * ((profiles[0] - before[0]) + 0.5 * (profiles[1] - before[0]))
    second = before[1] + 0.25 * 0.5 * (profiles[1] - before[1])
    close(method.learned["profiles"], torch.stack([first, second]), 1e-6)


def test_training_writes_the_memories_and_descent_leaves_them_alone() -> None:
    still, written = mamo(write=0.0), mamo(write=0.5)
    start = still._start(toy().items.features.shape[1], Seeds.of(0).init)
    for name in ("profiles", "gradients", "joints"):
        assert torch.equal(still.learned[name], start[name]), name
        assert not torch.equal(written.learned[name], start[name]), name


def test_users_who_attend_to_other_slots_start_elsewhere() -> None:
    method = mamo(slots=2)
    method.learned["attend"] = 50 * torch.eye(2)
    layers = method._begin(BATCH.support)[0].layers["joint"]
    assert (layers - layers[0]).abs().max() > 1e-3
