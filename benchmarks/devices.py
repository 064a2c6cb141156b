"""Which device a name stands for. A machine without a GPU's driver is known to have none, so that
torch is not imported to say so: a run's parent does without."""

import sys
from pathlib import Path
from typing import TYPE_CHECKING

from coldbench.errors import UserError

if TYPE_CHECKING:
    import torch

DRIVERS = ("nvidia*", "nvmap", "nvhost*", "kfd", "dxg")  # below /dev: desktop, Jetson, ROCm, WSL


def device_name(name: str) -> str:
    """ "cpu", "cuda", "cuda:1"; "auto" is CUDA where there is one. Raises UserError where there is
    no such device."""
    if name == "cpu" or (name == "auto" and not may_have_gpu()):
        return "cpu"
    import torch

    if name == "auto":
        name = "cuda" if torch.cuda.is_available() else "cpu"
    try:
        device = torch.device(name)
    except RuntimeError:
        raise UserError(f"no device {name!r}; use auto, cpu, cuda or cuda:1") from None
    if device.type == "cuda" and (device.index or 0) >= torch.cuda.device_count():
        raise UserError(f"no device {name!r} here ({torch.cuda.device_count()} CUDA devices)")
    return str(device)


def device_of(name: str) -> "torch.device":
    import torch

    return torch.device(device_name(name))


def device_type(name: str) -> str:
    """ "cpu" or "cuda"."""
    return device_name(name).partition(":")[0]


def may_have_gpu() -> bool:
    """False only where no driver that torch could use is there."""
    linux = sys.platform == "linux"
    return not linux or any(next(Path("/dev").glob(name), None) for name in DRIVERS)
