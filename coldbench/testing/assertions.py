"""What several checks assert of scores."""

import torch
from torch import Tensor

from coldbench.episode import EpisodeBatch
from coldbench.metrics.predictions import invalid_scores

CLOSE = 1e-5  # scores that may differ by the order of a sum


def assert_valid_scores(scores: Tensor, batch: EpisodeBatch) -> None:
    """Of the asked shape, finite and in 0..1."""
    assert_shape(scores, batch)
    if invalid_scores(scores).any():
        assert bool(torch.isfinite(scores).all()), "a score is not finite"
        raise AssertionError(f"scores from {float(scores.min())} to {float(scores.max())}")


def assert_tensor(scores: object) -> None:
    """Raises an AssertionError that says what to return, for numpy's arrays and lists."""
    kind = f"{type(scores).__module__}.{type(scores).__name__}".removeprefix("builtins.")
    assert isinstance(scores, Tensor), f"score returned a {kind}: return a torch.Tensor"


def assert_shape(scores: Tensor, batch: EpisodeBatch) -> None:
    assert_tensor(scores)
    expected = tuple(batch.query.items.shape)
    assert tuple(scores.shape) == expected, f"shape {tuple(scores.shape)}, not {expected}"


def assert_close(actual: Tensor, expected: Tensor, what: str) -> None:
    off = float((actual - expected).abs().max())
    assert off <= CLOSE, f"{what} by {off:.1e}"
