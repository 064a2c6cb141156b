"""What a machine draws, where it tells: its processors' own counters, and its graphics card's.

Linux shows the energy of each processor package, Intel's and AMD's alike, below
/sys/class/powercap, to root alone as a rule; most virtual machines show none. NVIDIA's is read
where `pynvml` is installed. It is of the whole package and card, whatever else runs there.
"""

from contextlib import suppress
from importlib import import_module
from pathlib import Path
from time import perf_counter
from typing import Any, Self

import torch

POWERCAP = Path("/sys/class/powercap")


class Meter:
    """Use as `with Meter(device) as meter`; then `meter.watts`: the mean power meanwhile, in W, or
    None where nothing tells."""

    def __init__(self, device: torch.device, powercap: Path = POWERCAP) -> None:
        self._card = _card(device) if device.type == "cuda" else None
        self._packages = [] if self._card else sorted(powercap.glob("intel-rapl:[0-9]"))
        self.watts: float | None = None

    def __enter__(self) -> Self:
        self._begin, self._before = perf_counter(), self._joules()
        return self

    def __exit__(self, *_: object) -> None:
        spent = [
            (after - before) % wraps
            for (after, wraps), (before, _) in zip(self._joules(), self._before, strict=False)
        ]
        self.watts = sum(spent) / (perf_counter() - self._begin) if spent else None

    def _joules(self) -> list[tuple[float, float]]:
        """Of each counter what it reads, and at what it begins anew; none where one is hidden."""
        if self._card:
            with suppress(Exception):  # whatever a driver says: a row is not lost for it
                return [(self._card(), float("inf"))]
        with suppress(OSError, ValueError):
            return [
                (_micro(package / "energy_uj"), _micro(package / "max_energy_range_uj"))
                for package in self._packages
            ]
        return []


def _micro(path: Path) -> float:
    return int(path.read_text(encoding="utf-8")) / 1e6


def _card(device: torch.device) -> Any:
    """Joules that a card has drawn since its driver was loaded, as a function; None where nobody
    tells."""
    with suppress(Exception):  # no such package, an old card, a driver of another version
        nvml = import_module("pynvml")
        nvml.nvmlInit()
        uuid = torch.cuda.get_device_properties(device).uuid
        handle = nvml.nvmlDeviceGetHandleByUUID(f"GPU-{uuid}".encode())

        def joules() -> float:
            return float(nvml.nvmlDeviceGetTotalEnergyConsumption(handle)) / 1e3

        joules()
        return joules
    return None
