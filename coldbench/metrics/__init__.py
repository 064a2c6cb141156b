"""Predictions to numbers: metrics of ranking, rating and calibration, and their statistics."""

from coldbench.metrics.compute import METRICS, known, mean_defined, per_user, pooled

__all__ = ["METRICS", "known", "mean_defined", "per_user", "pooled"]
