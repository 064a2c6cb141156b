"""Factor-EM and choice-prior, held to scikit-learn's factor analysis and to their formulas."""

from dataclasses import replace
from importlib import import_module
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from scipy.sparse import csr_matrix
from sklearn.decomposition import FactorAnalysis

from coldbench.encoder import Items
from coldbench.episode import Episodes, Users
from coldbench.interactions import Catalogue, Interactions
from coldbench.method import squash_to_unit
from coldbench.splits.split import Split
from tests.training import scores, trained

em: Any = import_module("coldbench.methods._factor_em")
N_ITEMS, USERS, LENGTH = 24, 60, 14


def world() -> tuple[Users, Episodes, Items]:
    """Items of two kinds; a user rates mostly the kind that he likes, and likes it."""
    rng = np.random.default_rng(0)
    kind = np.arange(N_ITEMS) % 2
    fond = rng.integers(0, 2, USERS)
    odds = np.where(kind == fond[:, None], 4.0, 1.0)
    chosen = (np.log(odds) + rng.gumbel(size=odds.shape)).argsort(1)[:, ::-1][:, :LENGTH]
    liked = np.where(kind[chosen] == fond[:, None], 0.75, 0.25)
    labels = (liked + rng.choice([-0.25, 0, 0.25], chosen.shape)).astype(np.float32).ravel()
    who = np.repeat(np.arange(USERS), LENGTH)
    log = Interactions.from_rows(who, chosen.ravel(), labels, None, N_ITEMS)
    users = Users(log, labels, np.arange(USERS))
    rows = np.arange(len(log)).reshape(USERS, LENGTH)
    valid = Episodes(users, np.arange(USERS), rows[:, :8], rows[:, 8:])
    names = tuple(map(str, range(N_ITEMS)))
    features = torch.nn.functional.normalize(torch.from_numpy(rng.normal(size=(N_ITEMS, 4))))
    return users, valid, Items(features.float(), Catalogue(names, names, ((),) * N_ITEMS))


WARM, VALID, ITEMS = world()


SUPPORT, EVERY = next(VALID.batches(8)).support, torch.arange(N_ITEMS).expand(USERS, -1)


def fitted(name: str, **params: Any) -> Any:
    cut = Split(WARM, VALID, VALID, np.arange(N_ITEMS), 0)
    return trained(name, (cut, ITEMS), **params)


def test_em_on_a_full_table_is_scikit_learns_factor_analysis(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(em, "NOISE_RATERS", 0.0)
    rng = np.random.default_rng(1)
    table = rng.normal(size=(200, 2)) @ rng.normal(size=(2, 9))
    table += rng.normal(size=(200, 9)) * rng.uniform(0.3, 1.0, 9)
    table -= table.mean(0)
    start = em.Model(rng.normal(size=(9, 2)), np.ones(9), 0.0)
    model = em.fit(csr_matrix(table), start, raters=0.0, rounds=150)
    ours = model.factors @ model.factors.T + np.diag(model.noise)
    peer = FactorAnalysis(2, tol=1e-6, svd_method="lapack").fit(table)
    assert np.abs(ours - peer.get_covariance()).max() < 1e-3


def test_a_round_of_em_never_makes_what_was_rated_less_likely(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(em, "NOISE_RATERS", 0.0)
    rng = np.random.default_rng(2)
    table = rng.normal(size=(80, 2)) @ rng.normal(size=(2, 9)) + rng.normal(size=(80, 9))
    shown = rng.random(table.shape) < 0.6
    rows, columns = shown.nonzero()
    model, last = em.Model(rng.normal(size=(9, 2)), np.ones(9), 0.0), -np.inf
    for _ in range(8):
        model = em.fit(csr_matrix((table[shown], (rows, columns)), table.shape), model, 0.0, 1)
        now = sum(likelihood(r[s], model, s) for r, s in zip(table, shown, strict=True))
        assert now >= last
        last = now


def likelihood(r: NDArray[np.float64], model: Any, shown: NDArray[np.bool_]) -> float:
    v = model.factors[shown]
    covariance = v @ v.T + np.diag(model.noise[shown])
    return float(-np.linalg.slogdet(covariance)[1] - r @ np.linalg.solve(covariance, r))


def test_an_item_that_nobody_rated_gets_the_mean_item() -> None:
    rng = np.random.default_rng(3)
    table = csr_matrix(np.hstack([rng.normal(size=(50, 5)), np.zeros((50, 1))]))
    model = em.fit(table, em.Model(rng.normal(size=(6, 2)), np.ones(6), 0.0), 60.0, 3)
    mean = model.factors[:5].mean(0)
    assert np.abs(model.factors[5] - mean).max() < 0.05


def test_heavy_raters_leave_the_users_level_alone() -> None:
    tame = fitted("factor-em", raters=1e6)
    moved = scores(tame, SUPPORT, EVERY) - tame.learned["prior"]
    assert (moved - moved.mean(1, keepdim=True)).abs().max() < 1e-2


@pytest.mark.parametrize("name", ["factor-em", "choice-prior"])
def test_a_users_vector_is_the_mean_of_its_posterior(name: str) -> None:
    method = fitted(name, **({"weight": 0.5} if name == "choice-prior" else {}))
    learned = {key: value.double() for key, value in method.learned.items()}
    scored, v = scores(method, SUPPORT, EVERY), learned["factors"]
    inverse = learned.get("precision", torch.eye(v.shape[1]).double())
    for user in range(3):
        seen = SUPPORT.items[user]
        x = v[seen] / learned["deviation"][seen][:, None]
        r = (SUPPORT.labels[user] - learned["prior"][seen]) / learned["deviation"][seen]
        pull = x.T @ r
        if name == "choice-prior":
            pull = pull + learned["pull"][seen].sum(0) / (8 + 16)
        want = learned["prior"] + v @ torch.linalg.solve(x.T @ x + inverse, pull)
        assert (scored[user] - squash_to_unit(want)).abs().max() < 1e-4


def test_labels_that_are_ignored_change_nothing_and_the_choice_alone_finds_the_kind() -> None:
    method = fitted("choice-prior", heeds="choice", weight=1.0, rounds=0, factors=2)
    other = replace(SUPPORT, labels=1 - SUPPORT.labels)
    got = scores(method, SUPPORT, EVERY)
    assert torch.equal(got, scores(method, other, EVERY))
    many = (SUPPORT.items % 2).float().mean(1) > 0.5  # he chose more of the second kind
    moved = got - method.learned["prior"]
    lift = moved[:, 1::2].mean(1) - moved[:, ::2].mean(1)
    assert lift[many].mean() > lift[~many].mean() + 0.01


def test_in_a_world_where_all_choose_alike_the_choice_says_nothing() -> None:
    rng = np.random.default_rng(4)
    chosen = np.array([rng.permutation(N_ITEMS) for _ in range(USERS)])
    offsets = np.arange(USERS + 1) * N_ITEMS
    log = replace(WARM.log, items=chosen.ravel().astype(np.int32), offsets=offsets)
    users = Users(log, np.full(chosen.size, 0.5, np.float32), np.arange(USERS))
    choice = import_module("coldbench.methods._choice").Choice
    w = rng.normal(size=(USERS, 3))
    everything = choice.of(users, w, np.tile(np.eye(3) * 0.1, (USERS, 1, 1)), 16.0)
    assert np.abs(everything.words - everything.words.mean(0)).max() < 1e-6
