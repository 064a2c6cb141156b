"""A user's own vectors of items: an .npy of numbers, a row an item."""

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from coldbench.errors import UserError


def read_vectors(path: Path, n_items: int) -> NDArray[np.float32]:
    """(n_items, D) float32 of a NumPy file that holds numbers and nothing that could run."""
    try:
        array = np.load(path, allow_pickle=False)
        vectors = np.asarray(array).astype(np.float32)
    except (OSError, ValueError, EOFError, TypeError) as error:
        first = (str(error).splitlines() or [type(error).__name__])[0]
        fix = "write it by numpy.save of numbers, a row an item"
        raise UserError(f"{path}: cannot be read ({first}); fix: {fix}") from None
    if vectors.ndim != 2 or len(vectors) != n_items or not vectors.shape[1]:
        shape = tuple(vectors.shape)
        raise UserError(f"{path}: has the shape {shape}, expected ({n_items}, D), a row an item")
    if not np.isfinite(vectors).all():
        row = int(np.argmin(np.isfinite(vectors).all(1)))
        raise UserError(f"{path}: row {row} holds a value that is not finite; fix: repair it")
    return vectors
