"""`coldbench doctor`: what a question about a run needs to know of the machine."""

import platform
import shutil
from importlib import metadata
from time import process_time
from timeit import repeat

import torch

import coldbench
from coldbench import registry
from coldbench.cache import home
from coldbench.compiled import COMPILERS
from coldbench.encoder import PACKAGED, Encoder
from coldbench.errors import UserError, printable
from coldbench.files.locate import local_path

from .. import provenance

OPTIONAL = ("peft", "learn2learn", "ranx", "recbole", "gguf")


def facts() -> dict[str, str | dict[str, str]]:
    """One line a thing; what is of one kind in a table of its own."""
    cuda = torch.cuda.is_available()
    home().mkdir(parents=True, exist_ok=True)
    return {
        "coldbench": f"{coldbench.__version__}, commit {provenance.commit()}",
        "python": f"{platform.python_version()} on {platform.platform()}",
        "machine": provenance.hardware(),
        "device": f"cuda ({torch.cuda.get_device_name()})" if cuda else "cpu (no CUDA device)",
        "bfloat16": _bfloat16(_seconds(torch.float32) / _seconds(torch.bfloat16)),
        "inner loop": _inner_loop(provenance.versions()["inner loop"]),
        "threads": f"{torch.get_num_threads()} by default; a cell uses what its grid says",
        "cache": f"{home()}, {shutil.disk_usage(home()).free / 2**30:.0f} GiB free",
        "packages": provenance.versions() | {name: _version(name) for name in OPTIONAL},
        "datasets": {name: _dataset(name) for name in registry.names("datasets")},
        "encoders": {name: _encoder(name) for name in PACKAGED},
    }


def show(facts: dict[str, str | dict[str, str]]) -> None:
    for name, value in facts.items():
        lines = {name: value} if isinstance(value, str) else value
        for key, line in lines.items():
            what = key if isinstance(value, str) else f"{name[:-1]} {key}"
            print(printable(f"{what:24} {line}"))


def _inner_loop(by: str) -> str:
    if by == "compiled":
        return "compiled here from C"
    return f"torch's operations; a C compiler ({', '.join(COMPILERS)}) makes it twice as fast"


def _seconds(dtype: torch.dtype) -> float:
    """Of one core, for a product as a small language model makes it."""
    states, weight = torch.ones(256, 576, dtype=dtype), torch.ones(1536, 576, dtype=dtype)
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    seconds = repeat(lambda: states @ weight.T, timer=process_time, number=1, repeat=5)
    torch.set_num_threads(threads)
    return min(seconds)


def _bfloat16(times: float) -> str:
    """What `precision` costs on the CPU: only some of them multiply in bfloat16 themselves."""
    told = f"on the CPU {times:.2g} times as fast as float32"
    return told if times >= 1 else f"{told}; language models: precision = 'float32'"


def _version(package: str) -> str:
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return "not installed"


def _dataset(name: str) -> str:
    dataset = registry.find("datasets", name)
    files, folder = (*dataset.files, *dataset.or_else), dataset.folder or name
    if not files:
        return "made here"
    copies = [file.name for file in files if local_path(folder, file)]
    return f"here: {', '.join(copies)}" if copies else f"not here; coldbench fetch {name}"


def _encoder(name: str) -> str:
    try:
        return Encoder(name).folder
    except UserError as error:
        return str(error)
