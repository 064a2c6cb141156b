"""A model's score as an ONNX file, for whoever serves without Python: adapt and score in one graph.

Inputs: items (B, K) int64, the rows of items.parquet that each user has rated; labels (B, K)
float32 in 0..1; mask (B, K) float32, 1 where there is a rating, 0 where there is none (item 0 and
label 0 stand there); asked (B, Q) int64. Output: scores (B, Q). B and Q are free; K is fixed.
"""

import contextlib
import io
import logging
import warnings
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from coldbench.episode import Feedback
from coldbench.errors import Unavailable, UserError
from coldbench.recommend.recommender import Recommender

NAME = "model.onnx"
INPUTS = ("items", "labels", "mask", "asked")
CLOSE = 1e-5  # to the scores of the method itself
NEEDED = ("onnx", "onnxscript", "onnxruntime")


def check_installed() -> None:
    if lacking := [name for name in NEEDED if find_spec(name) is None]:
        raise Unavailable(f"--onnx needs {', '.join(lacking)}: pip install 'coldbench[onnx]'")


def write(rec: Recommender, path: Path, shots: int) -> None:
    """Write the file, with room for `shots` ratings of a user, and run it in onnxruntime.

    Raises UserError where the method's score is no plain graph, and where onnxruntime does not
    score as the method does.
    """
    check_installed()
    shots = max(2, shots)
    given = example(len(rec.items), shots)
    b, q = torch.export.Dim("B"), torch.export.Dim("Q")
    free: Any = {name: {0: b} for name in INPUTS[:3]} | {"asked": {0: b, 1: q}}
    with _quiet():
        torch.onnx.export(
            rec.method.graph().eval(), given, path, dynamo=True, dynamic_shapes=free,
            input_names=list(INPUTS), output_names=["scores"], external_data=False,
        )  # fmt: skip
    given = tuple(tensor.repeat(3, 1) for tensor in given)  # of users any number
    items, labels, mask, asked = given
    support = Feedback(items, labels, torch.zeros_like(labels), mask.bool())
    off = float((run(path, given) - rec.scores(support, asked)).abs().max())
    if not off <= CLOSE:
        raise UserError(f"{path}: onnxruntime scores otherwise than the method, by {off:.2g}")


def run(path: Path, given: tuple[Tensor, ...]) -> Tensor:
    """(B, Q) what onnxruntime makes of the four inputs."""
    import onnxruntime

    session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    named = {name: tensor.numpy() for name, tensor in zip(INPUTS, given, strict=True)}
    return torch.from_numpy(session.run(None, named)[0])


def example(n_items: int, shots: int) -> tuple[Tensor, ...]:
    """Five made-up users with 0 to `shots` ratings, asked for seven items each."""
    rng = torch.Generator().manual_seed(0)
    mask = (torch.arange(shots) < torch.linspace(0, shots, 5).round()[:, None]).float()
    items = torch.randint(n_items, mask.shape, generator=rng) * mask.long()
    labels = torch.rand(mask.shape, generator=rng) * mask
    return items, labels, mask, torch.randint(n_items, (5, 7), generator=rng)


@contextlib.contextmanager
def _quiet() -> Any:
    """The exporter's progress is not the caller's."""
    known = logging.root.manager.disable
    logging.disable(logging.WARNING)
    try:
        with warnings.catch_warnings(), contextlib.redirect_stdout(io.StringIO()):
            warnings.simplefilter("ignore")
            yield
    finally:
        logging.disable(known)
