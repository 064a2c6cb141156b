"""Robust rows: each formula against a plain computation of it, and what each must not change."""

from dataclasses import replace
from importlib import import_module
from typing import Any

import numpy as np
import pytest
import torch

from coldbench import registry
from coldbench.encoder import Encoder
from coldbench.episode import Feedback, Users
from coldbench.interactions import SECOND, Interactions
from coldbench.metrics.compute import per_user
from coldbench.metrics.predictions import rank_predictions
from coldbench.protocol import Protocol
from coldbench.seeds import Seeds
from coldbench.splits.split import split
from tests.training import World, agree, close, cold, predict, ratings, scores, trained

ROWS: dict[str, list[dict[str, Any]]] = {  # beside the defaults, of which the contract says it
    "calibrated": [{"base": b} for b in ("protonet", "ridge", "fold-in", "content-prior")],
    "temporal": [{"base": "logistic"}, {"base": "protonet"}, {"memory": 2.0}],
    "resampled": [{"support": "over"}, {"support": "under"}, {"warm": "balanced"}],
    "rules": [{"text": False, "gain": 1.0, "depth": 0.1}],
    "multi-copy": [{"copies": 1, "bags": 4}, {"copies": 2, "bags": 3}],
    "augmented": [{"meta_steps": 4, "copies": 0}],
    "bandit": [{"policy": "thompson"}, {"policy": "greedy"}],
}
CASES = [(name, params) for name, many in ROWS.items() for params in many]


def turned_round(support: Feedback, user: int) -> Feedback:
    """One user alone, the labels in another order and padding on both sides."""
    pad = torch.nn.functional.pad
    return Feedback(*(pad(c[user : user + 1].flip(1), (2, 1)) for c in vars(support).values()))


@pytest.mark.parametrize(("name", "params"), CASES, ids=str)
def test_a_batch_scores_as_its_users_do_alone_padded_and_turned_round(
    name: str, params: dict[str, Any], world: World
) -> None:
    method, batch = trained(name, world, **params), cold(world)
    together = predict(method, batch)
    for i in range(0, len(together), 3):
        alone = scores(method, turned_round(batch.support, i), batch.query.items[i : i + 1, 2:3])
        close(alone[0, 0], together[i, 2])
    none, padded = cold(world, 0).support, batch.support.map(torch.zeros_like)
    got, want = (scores(method, given, batch.query.items) for given in (padded, none))
    close(got, want)


BASES: list[tuple[str, dict[str, Any], int, str, dict[str, Any], float]] = [
    ("temporal", {}, 0, "ridge", {}, 1e-6),
    ("resampled", {}, 0, "logistic", {}, 1e-6),
    ("rules", {}, 0, "ridge", {}, 1e-6),
    ("multi-copy", {}, 0, "ridge", {}, 1e-6),
    ("calibrated", {"temperature": 1.0}, 0, "simpleshot", {}, 1e-6),
    ("resampled", {"support": "plain"}, 4, "logistic", {}, 0),
    ("multi-copy", {"copies": 1}, 4, "ridge", {}, 1e-6),
    ("bandit", {"policy": "greedy"}, 4, "ridge", {}, 1e-6),
    ("choice-prior", {"weight": 0.0, "raters": 20.0}, 4, "factor-em", {"raters": 20.0}, 0),
]


@pytest.mark.parametrize(("name", "params", "shots", "base", "given", "within"), BASES, ids=str)
def test_before_the_first_label_or_without_what_it_adds_it_is_its_base(
    name: str,
    params: dict[str, Any],
    shots: int,
    base: str,
    given: dict[str, Any],
    within: float,
    world: World,
) -> None:
    method, plain = trained(name, world, **params), trained(base, world, **given)
    agree(method, plain, cold(world, shots), within)


@pytest.mark.parametrize("base", ["simpleshot", "protonet", "ridge", "fold-in", "content-prior"])
def test_calibrating_turns_no_two_items_of_a_user_round(base: str, world: World) -> None:
    method = trained("calibrated", world, base=base, trust=1.0, temperature=0.7)
    batch = cold(world)
    below = method._base()
    plain, moved = (predict(m, batch) for m in (below, method))
    apart = [x[:, :, None] - x[:, None] for x in (plain.double(), moved.double())]
    assert float((apart[0] * apart[1]).min()) >= 0
    values = [
        per_user("auc", rank_predictions(x, batch.query.labels, batch.query.mask, like_at=0.625))
        for x in (plain, moved)
    ]
    torch.testing.assert_close(*values, rtol=0, atol=0, equal_nan=True)
    assert float((moved - plain).abs().mean()) > 0.01


def test_the_bias_is_the_beta_posteriors_log_odds(world: World) -> None:
    method = trained("calibrated", world, base="content-prior", trust=2.0, temperature=2.0)
    support = ratings([3, 5, 9], [1.0, 0.75, 0.0])
    usual = float(method.learned["usual"][[3, 5, 9]].mean())
    n = 2 * float(method.learned["worth"])
    base = torch.logit(method.learned["expected"][7].double())
    level = np.log(usual / (1 - usual))
    want = (base - level) / 2 + np.log((1.75 + n * usual) / (1.25 + n * (1 - usual)))
    got = torch.logit(scores(method, support, torch.tensor([[7]])).double())[0, 0]
    close(got, want)


def test_the_beta_prior_is_found_again_from_users_drawn_from_it() -> None:
    rng = np.random.default_rng(0)
    like = rng.beta(6.0, 3.0, 4_000)
    labels = (rng.random((4_000, 12)) < like[:, None]).astype(np.float32).ravel()
    items = np.tile(np.arange(12, dtype=np.int32), 4_000)
    users = Users(
        Interactions(np.arange(4_001) * 12, items, labels, None, 12), labels, np.arange(4_000)
    )
    mean, worth = import_module("coldbench.methods.calibrated").beta_prior(users)
    assert mean == pytest.approx(6 / 9, abs=0.01)
    assert worth == pytest.approx(9, rel=0.1)


def test_a_user_who_likes_everything_is_expected_to_go_on(world: World) -> None:
    method, asked = trained("calibrated", world, base="content-prior"), torch.arange(40)[None]
    likes, none = ratings([1, 2, 3, 4], [1.0] * 4), ratings([], [])
    assert bool((scores(method, likes, asked) > scores(method, none, asked)).all())


# Temporal and weighted regression


@pytest.mark.parametrize("base", ["ridge", "logistic", "protonet"])
def test_labels_of_one_age_0_count_as_in_the_base(base: str, world: World) -> None:
    plain = trained(base, world)
    strength = {
        "ridge": lambda: plain.learned["tau"],
        "logistic": lambda: plain.learned["s"] ** -2,
        "protonet": lambda: plain.kappa,
    }[base]()
    method = trained("temporal", world, base=base, memory=1.0, tau=float(strength))
    batch = cold(world)
    days = batch.support.days_before_query
    assert float(days.max()) > 0
    now = replace(batch.support, days_before_query=torch.zeros_like(days))
    got, want = (scores(m, now, batch.query.items) for m in (method, plain))
    close(got, want, 1e-6)
    aged = predict(method, batch)
    assert float((aged - want).abs().max()) > 1e-3


def test_a_faded_prototype_is_the_mean_of_its_labels_by_their_ages(world: World) -> None:
    method = trained("temporal", world, base="protonet", memory=3.0, tau=2.0)
    support = ratings([3, 5, 9], [1.0, 0.25, 0.75], [0.0, 1.0, 5.0])
    places = world[1].features[support.items[0]] @ method.learned["projection"]
    weight = support.labels[0] * torch.exp(-support.days_before_query[0] / 3)
    start = 2 * method.learned["prototypes"][0]
    liked = (start + weight @ places) / (2 + weight.sum())
    close(method.adapt(support)[0, 0], liked)


def test_weighted_ridge_is_least_squares_on_scaled_rows(world: World) -> None:
    method = trained("temporal", world, memory=3.0, tau=0.5)
    support = ratings([3, 5, 9, 20], [1.0, 0.25, 0.0, 0.75], [0.0, 1.0, 5.0, 30.0])
    x = world[1].features[support.items[0]].double().numpy()
    prior = method.learned["prior"].double().numpy()
    weight = np.exp(-support.days_before_query[0].double().numpy() / 3)
    left = support.labels[0].double().numpy() - prior[support.items[0]]
    w = np.linalg.solve((x.T * weight) @ x + 0.5 * np.eye(x.shape[1]), x.T @ (weight * left))
    state = method.adapt(support)
    got = state.dot(world[1].features, torch.arange(40)[None])[0]
    np.testing.assert_allclose(got, world[1].features.double().numpy() @ w, atol=1e-5)


def test_where_tastes_change_it_forgets_and_elsewhere_it_does_not() -> None:
    """What valid users said more than a day before they are asked is turned round."""
    dataset = registry.find("datasets", "synthetic")(n_users=240, n_items=40, per_user=30)
    log, catalogue = dataset.load()
    protocol = Protocol.of("user-cold", {"shots": [0, 4, 16], "query": 6})
    cut = split(log, dataset.labels(log.ratings, "rating"), protocol, Seeds.of(0))
    valid, times = cut.valid, cut.valid.users.log.times
    assert times is not None
    old = times[valid.query[:, :1]] - times[valid.support] > 86_400 * SECOND  # (E, S)
    labels = valid.users.labels.copy()
    labels[valid.support[old]] = 1 - labels[valid.support[old]]
    changed = replace(valid, users=replace(valid.users, labels=labels))
    items = Encoder("vectors").items(catalogue)
    steady, turned = (trained("temporal", (replace(cut, valid=v), items)) for v in (valid, changed))
    assert steady.learned["forgetting"] < turned.learned["forgetting"]


def test_oversampling_is_learning_from_the_rarer_labels_again_and_again(world: World) -> None:
    over = trained("resampled", world, support="over", corrected=False, s=1.0)
    plain = trained("logistic", world, s=1.0)
    asked = torch.arange(40)[None]
    few = ratings([1, 2, 3, 4, 5, 6], [1.0, 1, 1, 1, 0, 0])
    more = ratings([1, 2, 3, 4, 5, 6, 5, 6], [1.0, 1, 1, 1, 0, 0, 0, 0])
    got, want = scores(over, few, asked), scores(plain, more, asked)
    close(got, want)


def test_the_effective_number_of_labels_weighs_as_cui_et_al_write(world: World) -> None:
    method = trained("resampled", world, beta=0.9)
    _, weight, offset = method.resample(ratings([1, 2, 3, 4], [1.0, 1, 1, 0]))
    each = [(1 - 0.9) / (1 - 0.9**n) for n in (3, 1)]
    whole = 3 * each[0] + each[1]
    want = torch.tensor([4 * each[0] / whole] * 3 + [4 * each[1] / whole])
    torch.testing.assert_close(weight[0], want, rtol=1e-5, atol=0)
    assert float(offset) == pytest.approx(np.log(each[0] / each[1]), abs=1e-5)
    assert float(weight.sum()) == pytest.approx(4)


def test_a_label_between_is_so_much_of_a_like_and_of_a_dislike(world: World) -> None:
    """Its weighted cross-entropy, and that of the one label it is turned into, are the same."""
    method = trained("resampled", world, support="over")
    support = ratings([1, 2, 3], [0.9, 0.8, 0.3])
    label, weight, _ = method.resample(support)
    n = torch.tensor([2.0, 1.0])
    like, dislike = n.max() / n
    y, p = support.labels, torch.tensor(0.37)
    want = like * y * p.log() + dislike * (1 - y) * (1 - p).log()
    got = weight * (label * p.log() + (1 - label) * (1 - p).log())
    torch.testing.assert_close(got, want, rtol=1e-5, atol=0)


@pytest.mark.parametrize("corrected", [True, False])
def test_the_fit_is_where_the_weighted_likelihood_and_the_prior_balance(
    corrected: bool, world: World
) -> None:
    """At the mode a row's coefficient is its weight times its error."""
    method = trained("resampled", world, support="over", corrected=corrected, s=1.5, steps=50)
    support = ratings([1, 2, 3, 4, 5], [1.0, 1, 1, 0, 0.75])
    label, weight, offset = method.resample(support)
    state = method.adapt(support)
    logit = method.learned["prior"][support.items] + state.dot(world[1].features, support.items)
    chance = torch.sigmoid(logit + offset * corrected)
    close(state.weights / 1.5**2, weight * (label - chance), 1e-4)


def test_a_better_label_never_lowers_an_item_that_shares_a_tag(world: World) -> None:
    method = trained("rules", world, text=False, gain=1.0, depth=0.2, veto_at=2)
    has = method.learned["tags"]
    rng = torch.Generator().manual_seed(0)
    asked = torch.arange(40)[None]
    raised = 0
    for _ in range(60):
        items = torch.randperm(40, generator=rng)[:6].tolist()
        labels = torch.randint(5, (6,), generator=rng) / 4
        at = int(torch.randint(6, (1,), generator=rng))
        better = labels.clone()
        better[at] = torch.maximum(labels[at], torch.rand(1, generator=rng)[0])
        before, after = (
            scores(method, ratings(items, y.tolist()), asked)[0] for y in (labels, better)
        )
        shares = (has[items[at]] * has).sum(1) > 0
        assert bool((after >= before - 1e-6).all())
        close(after[~shares], before[~shares], 1e-6)
        raised += int((after[shares] > before[shares] + 1e-4).any())
    assert raised > 10


def test_a_tag_is_vetoed_by_dislikes_alone_and_taken_up_again_by_a_like(world: World) -> None:
    method = trained("rules", world, text=False, gain=0.0, depth=0.2, veto_at=2)
    has = method.learned["tags"]
    tag = int(has.sum(0).argmax())
    mine = has[:, tag].nonzero()[:, 0].tolist()
    assert len(mine) >= 4
    other = [n for n in range(40) if not has[n, tag]]
    asked = torch.tensor([[mine[3], other[0]]])

    def lowered(labels: list[float]) -> list[bool]:
        support = ratings(mine[: len(labels)], labels)
        state = method.adapt(support)
        return (method.rule(state, asked)[0] < -0.19).tolist()

    assert lowered([0.0]) == [False, False]
    assert lowered([0.0, 0.25]) == [True, False]
    assert lowered([0.0, 0.25, 1.0]) == [False, False]
    assert lowered([0.0, 0.5]) == [False, False]  # neither liked nor disliked


def test_the_affinity_of_an_item_is_the_mean_of_its_tags(world: World) -> None:
    """By a loop, in a catalogue whose items have several tags."""
    split, items = world
    words = tuple(
        tuple({"odd" if n % 2 else "even", "first" if n < 20 else "last"}) for n in range(40)
    )
    tagged = replace(items, catalogue=replace(items.catalogue, tags=words))
    method = trained("rules", (split, tagged), text=False, gain=0.7, damping=2.0, depth=0.0)
    seen, labels = [1, 4, 25, 30], [1.0, 0.25, 0.5, 0.75]
    left = [y - float(method.learned["prior"][i]) for i, y in zip(seen, labels, strict=True)]
    want = []
    for asked in range(40):
        of_tags = []
        for word in words[asked]:
            parts = [r for i, r in zip(seen, left, strict=True) if word in words[i]]
            of_tags.append(sum(parts) / (2 + len(parts)))
        want.append(0.7 * sum(of_tags) / len(of_tags))
    state = method.adapt(ratings(seen, labels))
    every, few = (method.rule(state, torch.arange(n)[None]) for n in (40, 3))
    np.testing.assert_allclose(every[0], want, atol=1e-6)
    np.testing.assert_allclose(few[0], want[:3], atol=1e-6)


def test_the_rules_share_of_the_gain_is_none_without_rules_and_all_without_text(
    world: World,
) -> None:
    assert float(trained("rules", world, gain=0.0, depth=0.0).learned["share"]) == 0
    assert float(trained("rules", world, text=False).learned["share"]) in (0.0, 1.0)
    blank = replace(world[1], catalogue=replace(world[1].catalogue, tags=((),) * 40))
    batch = cold(world)
    agree(trained("rules", (world[0], blank)), trained("ridge", world), batch, 0)
