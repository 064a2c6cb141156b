"""Measuring NDCG@10, AUC and MRR of users with 20 items each: ours, scikit-learn's and ranx's way.

scikit-learn has no MRR and ranx no AUC, so that each peer does less than we do. All get the same
ratings and untied scores, already laid out as they like them: only the measuring is timed.
"""

from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from coldbench.metrics.compute import per_user
from coldbench.metrics.predictions import rank_predictions

ITEMS = 20
LIKE_AT = 0.6


def ratings(users: int) -> tuple[Tensor, Tensor, Tensor]:
    """(B, 20) float32 scores and labels of five levels, and a mask without padding."""
    generator = torch.Generator("cpu").manual_seed(0)
    scores = torch.rand(users, ITEMS, generator=generator, device="cpu")
    labels = torch.randint(0, 5, (users, ITEMS), generator=generator, device="cpu") / 4
    return scores, labels, torch.ones(users, ITEMS, dtype=torch.bool, device="cpu")


def says(benchmark: Any, role: str, name: str, users: int) -> None:
    benchmark.group = "metrics"
    benchmark.extra_info = {"role": role, "name": name, "items": users, "unit": "users/s"}


def test_coldbench(benchmark: Any) -> None:
    users = 1_000_000
    scores, labels, mask = ratings(users)

    def measure() -> list[Tensor]:
        predictions = rank_predictions(scores, labels, mask, like_at=LIKE_AT)
        return [per_user(name, predictions) for name in ("ndcg@10", "auc", "mrr")]

    says(benchmark, "subject", "coldbench", users)
    values = benchmark.pedantic(measure, rounds=5, warmup_rounds=1)
    assert all(len(value) == users for value in values)


def test_scikit_learn(benchmark: Any) -> None:
    from sklearn.metrics import ndcg_score, roc_auc_score

    users = 300
    predictions = rank_predictions(*ratings(users), like_at=LIKE_AT)
    scores, gains, likes = (
        x.numpy() for x in (predictions.scores, predictions.gains, predictions.relevant)
    )

    def measure() -> list[tuple[float, float]]:
        return [
            (ndcg_score([gain], [score], k=10), roc_auc_score(like, score))
            for score, gain, like in zip(scores, gains, likes, strict=True)
        ]

    says(benchmark, "peer", "scikit-learn", users)
    values = benchmark.pedantic(measure, rounds=3, warmup_rounds=1)
    ours = np.stack([per_user(name, predictions) for name in ("ndcg@10", "auc")], 1)
    np.testing.assert_allclose(values, ours, atol=1e-12)


def test_ranx(benchmark: Any) -> None:
    ranx = pytest.importorskip("ranx")
    users = 5_000
    predictions = rank_predictions(*ratings(users), like_at=LIKE_AT)

    def table(rows: Tensor) -> dict[str, dict[str, Any]]:
        return {
            f"u{u:06}": {f"i{i}": value for i, value in enumerate(row)}
            for u, row in enumerate(rows.tolist())
        }

    run = ranx.Run(table(predictions.scores))
    grades, likes = (
        ranx.Qrels(table(predictions.gains.long())),
        ranx.Qrels(table(predictions.relevant.long())),
    )

    def measure() -> list[Any]:
        run.sorted = False  # ranx sorts a run once and remembers; ranking is part of the work
        grades_ndcg = ranx.evaluate(grades, run, "ndcg@10", return_mean=False)
        return [grades_ndcg, ranx.evaluate(likes, run, "mrr", return_mean=False)]

    says(benchmark, "peer", "ranx", users)
    values = benchmark.pedantic(measure, rounds=5, warmup_rounds=2)  # compiles in the first
    np.testing.assert_allclose(values[0], per_user("ndcg@10", predictions).numpy(), atol=1e-12)
