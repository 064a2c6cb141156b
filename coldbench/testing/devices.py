"""Checks of where tensors live: a method that never names a device runs on the CPU alone."""

import torch

from coldbench.episode import EpisodeBatch
from coldbench.errors import Unavailable
from coldbench.method import Method
from coldbench.seeds import Seeds
from coldbench.testing.assertions import assert_valid_scores
from coldbench.testing.fake_device import strict_devices
from coldbench.testing.subject import MethodUnderTest

NEAR = 1e-4  # between one chip's sums and another's


def every_tensor_is_made_where_the_items_are(subject: MethodUnderTest) -> None:
    """With the CPU taken for another place than the items': a tensor made without a device, or
    left where numpy made it, meets none of theirs in training, adapting or scoring."""
    batch, cut, method = subject.batch(), subject.plain.split, subject.new()
    with strict_devices() as on_cpu:
        method.meta_train(cut.warm, cut.valid, subject.plain.items, Seeds.of(0))
        left = [name for name, thing in method.learned.items() if on_cpu(thing)]
        assert not left, f"{', '.join(left)} of what was learnt was left on the CPU"
        with torch.no_grad():
            scores = method.score(method.adapt(batch.support), batch.query.items)
        assert not on_cpu(scores), "the scores were made on the CPU"


def on_a_GPU_it_scores_as_on_the_CPU(subject: MethodUnderTest) -> None:
    """What was learnt on the CPU scores the same on CUDA, and it trains there too."""
    if not torch.cuda.is_available():
        raise Unavailable("no CUDA device on this machine")
    device, cut = torch.device("cuda"), subject.plain.split
    items, batch = subject.plain.items.to(device), subject.batch()
    folder = subject.folder / "saved"
    subject.trained.save(folder)
    moved = subject.new()
    moved.load(folder, items)
    off = float((_scores(moved, batch, device).cpu() - subject.predict(batch)).abs().max())
    assert off <= NEAR, f"on CUDA scores differ by {off:.1e}"
    trained = subject.new()
    trained.meta_train(cut.warm, cut.valid, items, Seeds.of(0))
    assert_valid_scores(_scores(trained, batch, device).cpu(), batch)


@torch.no_grad()
def _scores(method: Method[object], batch: EpisodeBatch, device: torch.device) -> torch.Tensor:
    on_device = batch.to(device)
    return method.score(method.adapt(on_device.support), on_device.query.items)
