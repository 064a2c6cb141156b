"""Adversaries: the places that they move items to, by autograd, and what is learnt there."""

from dataclasses import replace
from typing import Any

import pytest
import torch
from torch import Tensor
from torch.nn.functional import binary_cross_entropy_with_logits as cross_entropy
from torch.nn.functional import normalize

from coldbench.episode import Feedback
from tests import heads
from tests.heads import EPISODE, WIDTH, Weights, descended, head_of, loss_by_copies, made_up, says
from tests.training import World, agree, cold, trained_briefly


def by_autograd(method: Any, x: Tensor, prior: Tensor, labels: Tensor) -> Tensor:
    """(K, D) g / |g| of the loss in the items' vectors, at the start."""
    x = x.detach().requires_grad_()
    start = [weight.detach() for weight in head_of(method)]
    loss = cross_entropy(says(start, x, prior), labels, reduction="sum")
    return normalize(torch.autograd.grad(loss, x)[0])


def places_by_autograd(method: Any, steps: int, *seen: Tensor) -> list[Tensor]:
    """Where one user's items (K, D) are before and after each of the adversary's steps."""
    clean, prior, labels = seen
    length = method.epsilon * clean.norm(dim=1, keepdim=True) / WIDTH**0.5
    points = [clean]
    for _ in range(steps):
        away = points[-1] + method.stride * length * by_autograd(method, points[-1], prior, labels)
        away = away - clean
        far = away.norm(dim=1, keepdim=True)
        points.append(clean + torch.where(far > length, away * length / far, away))
    return points


def test_pgd_learns_twice_from_items_walked_uphill_inside_a_ball() -> None:
    method = made_up("adversarial-pgd", alpha=0.3, epsilon=2.0, ascents=3, inner_steps=3)

    def step(weights: Weights, x: Tensor, prior: Tensor, labels: Tensor) -> Weights:
        harmed = places_by_autograd(method, 3, x, prior, labels)[-1]
        losses = [cross_entropy(says(weights, where, prior), labels) for where in (x, harmed)]
        return descended(weights, (losses[0] + losses[1]) / 2, 0.3)

    heads.assert_same(method, loss_by_copies(method, step))


def harm(method: Any) -> tuple[Tensor, Tensor]:
    """How far each real label's item is moved, and by how much its loss is higher there."""
    support, prior = EPISODE.support, method.learned["prior"][EPISODE.support.items]
    clean = method.items.features[support.items]
    harmed = method.adapt(support).support[:, 4:]  # (B, K, D) after the K clean ones
    calm, worse = (
        cross_entropy(says(head_of(method), x, prior), support.labels, reduction="none")
        for x in (clean, harmed)
    )
    return (harmed - clean).norm(dim=2)[support.mask], (worse - calm)[support.mask]


def test_fgm_moves_an_item_by_epsilon_to_where_the_loss_is_higher() -> None:
    length, rise = harm(made_up("adversarial-fgm", epsilon=0.01))
    torch.testing.assert_close(length, torch.full_like(length, 0.01 / WIDTH**0.5))
    assert bool((rise >= 0).all())


def test_pgd_stays_in_its_ball_and_is_more_harmful_than_no_step() -> None:
    length, rise = harm(made_up("adversarial-pgd", epsilon=2.0, ascents=6, stride=0.5))
    assert float(length.max()) <= 2.0 / WIDTH**0.5 + 1e-12
    assert float(length.max()) > 1.99 / WIDTH**0.5, "six steps of half the radius reach its edge"
    assert bool(rise.mean() > 0.01)


def test_freelb_goes_along_the_mean_gradient_of_all_places_on_the_way() -> None:
    method = made_up("adversarial-freelb", alpha=0.3, epsilon=2.0, ascents=3, inner_steps=3)

    def step(weights: Weights, x: Tensor, prior: Tensor, labels: Tensor) -> Weights:
        places = places_by_autograd(method, 2, x, prior, labels)
        losses = [cross_entropy(says(weights, where, prior), labels) for where in places]
        return descended(weights, torch.stack(losses).mean(), 0.3)

    heads.assert_same(method, loss_by_copies(method, step))


@pytest.mark.parametrize(
    ("name", "params", "base"),
    [("adversarial-pgd", {"stride": 1.0}, "adversarial-fgm"), ("adversarial-freelb", {}, "maml")],
)
def test_of_one_ascent_it_is_its_base(
    name: str, params: dict[str, Any], base: str, world: World
) -> None:
    once = trained_briefly(name, world, ascents=1, **params)
    agree(once, trained_briefly(base, world), cold(world), 1e-6)


def divergence(logits: Tensor, other: Tensor) -> Tensor:
    """(N,) KL between two likes, from their logits."""
    p = torch.sigmoid(logits)
    return cross_entropy(other, p, reduction="none") - cross_entropy(logits, p, reduction="none")


def vat_places(method: Any, support: Feedback, user: int) -> Tensor:
    """(K, D) items moved by eps H d / |H d|, H d by differentiating KL twice."""
    x, prior, _ = heads.support_of(method, support, user)
    chosen = support.items[user][support.mask[user]]
    d = method.learned["lots"].detach()[chosen % method.lots]
    start = [weight.detach() for weight in head_of(method)]
    delta = torch.zeros_like(x, requires_grad=True)
    apart = divergence(says(start, x, prior), says(start, x + delta, prior)).sum()
    slope = torch.autograd.grad(apart, delta, create_graph=True)[0]
    curved = torch.autograd.grad((slope * d).sum(), delta)[0]
    length = method.epsilon * x.norm(dim=1, keepdim=True) / WIDTH**0.5
    return x + length * normalize(curved)


def test_vat_asks_for_the_same_beside_an_item_by_one_power_iteration() -> None:
    """Loss and exact second order: what is said of the item is a constant of each step, and yet
    where the step leads to depends on it."""
    lots = {"lots": heads.lot(7, WIDTH, seed=30)}
    method = made_up("vat", lots, alpha=0.3, epsilon=2.0, smoothness=1.5, inner_steps=3, lots=7)
    users = iter(range(9))

    def step(weights: Weights, x: Tensor, prior: Tensor, labels: Tensor) -> Weights:
        moved = vat_places(method, EPISODE.support, next(users) // 3)
        taken = [w + 0 for w in weights]  # by which to differentiate: `weights` give the constant
        loss = cross_entropy(says(taken, x, prior), labels)
        apart = divergence(says(weights, x, prior), says(taken, moved, prior))
        loss = loss + 1.5 * apart.mean()
        slopes = torch.autograd.grad(loss / 2.5, taken, create_graph=True)
        return [w - 0.3 * slope for w, slope in zip(weights, slopes, strict=True)]

    heads.assert_same(method, loss_by_copies(method, step))


@pytest.mark.parametrize(
    ("name", "params"),
    [
        ("vat", {"smoothness": 0.0, "lots": 7}),
        ("adversarial-fgm", {"epsilon": 0.0}),
        ("adversarial-pgd", {"epsilon": 0.0}),
        ("adversarial-freelb", {"epsilon": 0.0}),
        ("l2-dropout", {"masks": 7, "pull": 0.0}),
    ],
)
def test_twins_that_change_nothing_are_maml(name: str, params: dict[str, Any]) -> None:
    """However often they see a support, its weight is 1: at one rate their steps are as long."""
    fixed = {"lots": heads.lot(7, WIDTH, seed=30), "masks": torch.ones(7, WIDTH).double()}
    twin, maml = made_up(name, fixed, **params), made_up("maml")
    torch.testing.assert_close(heads.logits_of(twin), heads.logits_of(maml), rtol=1e-8, atol=1e-12)


@pytest.mark.parametrize("name", ["adversarial-pgd", "adversarial-freelb"])
def test_what_an_adversary_does_hangs_on_no_padding_labels(name: str) -> None:
    method, support = made_up(name), EPISODE.support
    lies = replace(support, labels=support.labels + ~support.mask)
    misled = method.logits(method.adapt(lies), EPISODE.query.items)
    torch.testing.assert_close(heads.logits_of(method), misled, rtol=1e-12, atol=0)
