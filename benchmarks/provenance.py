"""Where numbers come from: the machine, the commit and the libraries' versions."""

import os
import platform
import subprocess
from importlib import metadata
from pathlib import Path
from subprocess import DEVNULL

import psutil

import coldbench
from coldbench import compiled

from .devices import may_have_gpu

HOUSE = Path(__file__).resolve().parent.parent
CODE = (
    "coldbench",
    "benchmarks",
    "datasets",
    "methods",
    "reports",
    "pyproject.toml",
    "constraints.txt",
)
COMPUTING = ("torch", "numpy", "scipy", "scikit-learn", "transformers", "tokenizers")


def versions() -> dict[str, str]:
    """Of the libraries that a cell's numbers come out of, and which inner loop computes them."""
    loop = "torch" if compiled.library(HOUSE / "methods") is None else "compiled"
    return {name: metadata.version(name) for name in COMPUTING} | {"inner loop": loop}


def hardware() -> str:
    """ "AMD EPYC 7B13, 2 cores, 24 GiB, Linux"; with a GPU its name too."""
    name = platform.processor() or platform.machine()
    cpuinfo = Path("/proc/cpuinfo")
    if cpuinfo.is_file():
        for line in cpuinfo.read_text(encoding="utf-8", errors="replace").splitlines():
            if line.startswith("model name"):
                name = line.split(":", 1)[1].strip()
                break
    memory = round(psutil.virtual_memory().total / 2**30)
    gpu = ""
    if may_have_gpu():
        import torch

        gpu = f", {torch.cuda.get_device_name()}" if torch.cuda.is_available() else ""
    return f"{name}, {os.cpu_count()} cores, {memory} GiB, {platform.system()}{gpu}"


def commit(house: Path = HOUSE) -> str:
    """The checkout's commit, with + where code differs from it; the version where there is none.

    A new archive, a note or a plot beside the code changes no number, and is not looked at.
    """
    git = ["git", "-C", str(house)]
    if not (house / "pyproject.toml").is_file():
        return coldbench.__version__
    try:
        head = subprocess.check_output([*git, "rev-parse", "--short=12", "HEAD"], stderr=DEVNULL)
        status = [*git, "status", "--porcelain", "--", *CODE]
        changed = subprocess.check_output(status, stderr=DEVNULL)
    except (OSError, subprocess.CalledProcessError):
        return coldbench.__version__
    return head.decode().strip() + ("+" if changed.strip() else "")
