"""The bootstrap of a setting: weights drawn once for the same users, pooled metrics resampled."""

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
import torch
from torch import Tensor

from coldbench.metrics import statistics
from coldbench.metrics.compute import pooled
from coldbench.metrics.predictions import Predictions
from coldbench.metrics.seed_variance import seed_variance
from coldbench.results.user_scores import Float, Int, UserScores

EXACT = 100  # rows of a seed up to which the pooled AUC is resampled exactly
SEED = 0  # of the resampling


@dataclass(frozen=True, eq=False)
class Bootstrap:
    """Weights of the resamples, drawn once for the same users in the same order."""

    resamples: int = statistics.RESAMPLES
    drawn: dict[bytes, statistics.Weights] = field(default_factory=dict)
    drawn_by_seed: dict[bytes, list[tuple[Int, Tensor]]] = field(default_factory=dict)

    def weights(self, scores: UserScores) -> statistics.Weights:
        """(R, B)"""
        if scores.key not in self.drawn:
            self.drawn[scores.key] = statistics.bootstrap_weights(
                scores.users, self.resamples, SEED
            )
        return self.drawn[scores.key]

    def by_seed(self, scores: UserScores) -> list[tuple[Int, Tensor]]:
        """The rows of every seed and their weights (R, rows)."""
        if scores.key not in self.drawn_by_seed:
            seeds = [np.flatnonzero(scores.seeds == seed) for seed in np.unique(scores.seeds)]
            weights = torch.from_numpy(self.weights(scores)).double()
            self.drawn_by_seed[scores.key] = [
                (rows, weights[:, torch.from_numpy(rows)].contiguous()) for rows in seeds
            ]
        return self.drawn_by_seed[scores.key]

    def pooled(
        self, names: Sequence[str], scores: UserScores
    ) -> dict[str, tuple[float, float, float]]:
        """Pooled metrics with their intervals: pooled over a seed's users, a mean over seeds.

        Each seed has learnt anew: scores of two seeds lie on no common scale.
        """
        seeds = self.by_seed(scores)
        values = np.empty((len(seeds), len(names)))
        draws = np.empty((len(seeds), self.resamples, len(names)))
        for seed, (rows, weights) in enumerate(seeds):
            predictions = scores.take(rows).predictions
            for at, name in enumerate(names):
                values[seed, at] = float(pooled(name, predictions))
                if name == "auc-pooled" and len(rows) > EXACT:
                    draws[seed, :, at] = _resampled_auc(predictions, weights.numpy())
                else:
                    draws[seed, :, at] = pooled(name, predictions, weights).numpy()
        users = len(np.unique(scores.users))
        between = seed_variance(values, [*draws])
        drawn, mean = draws.mean(0), values.mean(0)
        defined = ~np.isnan(drawn)
        level = np.where(defined, drawn, 0).sum(0) / np.maximum(defined.sum(0), 1)
        drawn = drawn + (mean - level)  # an ECE grows with noise: its resamples lie too high
        spread, df = between.widen(drawn, statistics.ALL, np.full(len(names), users))
        low, high = np.clip(statistics.percentiles(spread, users, df=df), 0, 1).tolist()
        return dict(zip(names, zip(mean.tolist(), low, high, strict=True), strict=True))


def _resampled_auc(predictions: Predictions, weights: Float) -> Float:
    """The pooled AUC of every resample, to first order in the users' weights.

    AUC(w) = w'Mw / (w'l w'd), with M[u, v] how many likes of u beat dislikes of v. Its derivative
    needs M's row and column sums only, one sort; what is left out is of order 1 / B.
    """
    score = predictions.scores[predictions.mask].numpy()
    like = predictions.relevant[predictions.mask].numpy()
    user = predictions.mask.nonzero()[:, 0].numpy()
    up, down = np.sort(score[like]), np.sort(score[~like])
    worse = (np.searchsorted(down, score[like]) + np.searchsorted(down, score[like], "right")) / 2
    better = len(up) - (
        (np.searchsorted(up, score[~like]) + np.searchsorted(up, score[~like], "right")) / 2
    )
    n = len(predictions.mask)
    wins = np.bincount(user[like], worse, n) + np.bincount(user[~like], better, n)  # (B,)
    likes, dislikes = np.bincount(user[like], minlength=n), np.bincount(user[~like], minlength=n)
    if not (len(up) and len(down)):
        return np.full(len(weights), np.nan)
    auc = worse.sum() / (len(up) * len(down))
    slope = wins / (len(up) * len(down)) - auc * (likes / len(up) + dislikes / len(down))  # (B,)
    return auc + weights @ slope  # of whom all count alike nothing changes: slopes sum to 0
