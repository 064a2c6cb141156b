"""Predictions to numbers: metrics of ranking, rating and calibration, and their statistics."""

from coldbench.metrics.compute import METRICS, mean_defined, parse_metric, per_user, pooled

__all__ = ["METRICS", "mean_defined", "parse_metric", "per_user", "pooled"]
