"""Users per second that the simple methods adapt to, beside one user at a time in other libraries.

`pytest benchmarks/speed -o python_files='bench_*.py'`. K = 16 labels, D = 384 text features, 1,682
items: the shape of ml-100k. Only `adapt` is timed, on what ml-100k's size of warm log taught.
"""

from collections.abc import Callable
from functools import cache
from typing import Any

import numpy as np
import pytest
import torch
from sklearn.linear_model import LogisticRegression
from sklearn.linear_model import Ridge as SklearnRidge

from coldbench import registry
from coldbench.encoder import Items
from coldbench.episode import Episodes, Feedback, Users
from coldbench.interactions import Catalogue, Interactions
from coldbench.method import Method
from coldbench.seeds import Seeds

USERS, PEER_USERS, SHOTS, WIDTH, N_ITEMS, WARM = 2048, 64, 16, 384, 1682, 600
FIXED: dict[str, dict[str, Any]] = {  # nothing is chosen: there are no valid users here
    "ridge": {"tau": 2.0},
    "logistic": {"s": 1.0},
    "fold-in": {"ridge": 8.0, "noise": 0.6},
    "ease": {"strength": 1500.0, "gain": 4.0},
    "stack": {"ridge": 8.0, "noise": 0.6, "tau": 2.0},
}


@cache
def trained(name: str) -> Method[Any]:
    rng = np.random.default_rng(0)
    who = np.repeat(np.arange(WARM), 80)
    seen = np.concatenate([rng.permutation(N_ITEMS)[:80] for _ in range(WARM)])
    labels = rng.integers(0, 5, len(seen)).astype(np.float32) / 4
    log = Interactions.from_rows(who, seen, labels, None, N_ITEMS)
    warm = Users(log, log.ratings, np.arange(WARM))
    features = torch.from_numpy(rng.normal(size=(N_ITEMS, WIDTH)).astype(np.float32))
    names = tuple(map(str, range(N_ITEMS)))
    items = Items(torch.nn.functional.normalize(features), Catalogue(names, names, ((),) * N_ITEMS))
    nobody = Episodes(
        warm, np.zeros(0, np.int64), np.zeros((0, SHOTS), np.int64), np.zeros((0, 10), np.int64)
    )
    method: Method[Any] = registry.find("methods", name)(**FIXED[name])
    method.meta_train(warm, nobody, items, Seeds())
    return method


def support(users: int) -> Feedback:
    rng = np.random.default_rng(1)
    items = torch.from_numpy(rng.integers(0, N_ITEMS, (users, SHOTS)))
    labels = torch.from_numpy(rng.integers(0, 2, (users, SHOTS)).astype(np.float32))
    labels[:, 0], labels[:, 1] = 0, 1  # both classes, which scikit-learn's peer must have
    return Feedback(items, labels, torch.zeros_like(labels), torch.ones_like(items).bool())


def describe(benchmark: Any, group: str, name: str, role: str, users: int) -> None:
    benchmark.group = group
    benchmark.extra_info = {"role": role, "name": name, "items": users, "unit": "users/s"}


@pytest.mark.parametrize("name", FIXED)
def test_adapt(benchmark: Any, name: str) -> None:
    method, seen = trained(name), support(USERS)
    describe(benchmark, f"{name} adapt", f"coldbench {name}", "subject", USERS)
    parts = [seen.map(lambda c, at=at: c[at : at + 256]) for at in range(0, USERS, 256)]  # type: ignore[misc]
    benchmark(lambda: [method.adapt(part) for part in parts])  # in the loop's own batches


def test_ridge_peer(benchmark: Any) -> None:
    def one(e: Any, left: Any) -> Any:
        return SklearnRidge(alpha=2.0, fit_intercept=False).fit(e, left).coef_

    _one_by_one(benchmark, "ridge", "scikit-learn Ridge, one user at a time", one)


def test_logistic_peer(benchmark: Any) -> None:
    def one(e: Any, left: Any) -> Any:
        model = LogisticRegression(C=1.0, fit_intercept=False)  # no offset, no soft labels there
        return model.fit(e, left > left.mean()).coef_

    _one_by_one(benchmark, "logistic", "scikit-learn LogisticRegression, one user at a time", one)


def test_fold_in_peer(benchmark: Any) -> None:
    """As implicit's `recalculate_user` does it, without confidence weights: (V'V + I) w = V'r."""
    v = trained("fold-in").learned["factors"].numpy()
    eye = np.eye(v.shape[1], dtype=np.float32)

    def fold(seen: Any, left: Any) -> Any:
        return np.linalg.solve(v[seen].T @ v[seen] + eye, v[seen].T @ left)

    describe(benchmark, "fold-in adapt", "NumPy, one user at a time", "peer", PEER_USERS)
    benchmark(_loop("fold-in", fold, None))


def _one_by_one(benchmark: Any, name: str, peer: str, solve: Callable[[Any, Any], Any]) -> None:
    describe(benchmark, f"{name} adapt", peer, "peer", PEER_USERS)
    benchmark(_loop(name, solve, trained(name).items.features.numpy()))


def _loop(name: str, solve: Callable[[Any, Any], Any], features: Any) -> Callable[[], list[Any]]:
    seen, prior = support(PEER_USERS), trained(name).learned["prior"].numpy()
    items, labels = seen.items.numpy(), seen.labels.numpy()

    def run() -> list[Any]:
        answers = []
        for who, liked in zip(items, labels, strict=True):
            left = liked - prior[who]
            answers.append(solve(who if features is None else features[who], left))
        return answers

    return run
