"""Cells laid on the GPUs of one machine: each sees its own alone."""

import os
from collections.abc import Iterable, Sequence

VISIBLE = "CUDA_VISIBLE_DEVICES"


def gpus_of(device: str) -> tuple[str, ...]:
    """The GPUs that cells may use, as CUDA_VISIBLE_DEVICES names them; none on the CPU. "cuda" is
    every one there is, "cuda:1" that one."""
    kind, _, number = device.partition(":")
    if kind != "cuda":
        return ()
    stated = os.environ.get(VISIBLE, "")
    names = [name.strip() for name in stated.split(",") if name.strip()]
    if not names:
        import torch

        names = [str(number) for number in range(torch.cuda.device_count())]
    return (names[int(number)],) if number else tuple(names)


def emptiest(gpus: Sequence[str], used: Iterable[str]) -> str:
    """The GPU with the fewest cells on it, the first of several; "" where there are none."""
    at_work = list(used)
    return min(gpus, key=at_work.count, default="")


def see_alone(gpu: str) -> None:
    """Have this process see one GPU, as cuda:0; before CUDA is first touched."""
    if gpu:
        os.environ[VISIBLE] = gpu
