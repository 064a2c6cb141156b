"""Users with scores written by hand, as a method's cells hold them."""

from types import SimpleNamespace
from typing import Any

import numpy as np
import torch

from coldbench.metrics.predictions import rank_predictions
from coldbench.results.user_scores import UserScores

Rows = list[Any]


def scored(scores: Rows, labels: Rows, **more: Any) -> UserScores:
    """A row a user; items 0, 1, 2, ... unless told; one seed; None is padding."""
    score, label = (
        torch.tensor([[0 if x is None else x for x in row] for row in rows], dtype=torch.float64)
        for rows in (scores, labels)
    )
    mask = torch.tensor([[x is not None for x in row] for row in scores])
    users = np.arange(len(scores))
    columns: dict[str, Any] = {
        "predictions": rank_predictions(score, label, mask, like_at=0.5),
        "seeds": np.zeros(len(scores), np.int64),
        "users": users,
        "items": np.where(mask.numpy(), np.arange(score.shape[1]), 0),
        "values": np.zeros((len(scores), 0)),
    }
    return UserScores(**columns | more)


def valued(*values: Rows, **more: Any) -> UserScores:
    """A row a user with the values of metrics, one item each."""
    table = np.array(values, np.float64)
    return scored([[0.5]] * len(table), [[1.0]] * len(table), values=table, **more)


def setting(**given: Any) -> Any:
    """What an analysis reads of a setting, and no more."""
    return SimpleNamespace(**given)
