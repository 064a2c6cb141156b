"""What a method does to the world around it: global state, files, connections, memory.

What is opened, called or connected to is heard through Python's audit events, so a method cannot
go round it from Python.
"""

import gc
import os
import random
import sys
import tracemalloc
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from coldbench.cache import home

WRITES = os.O_WRONLY | os.O_RDWR | os.O_CREAT
AUDIT_EVENTS = frozenset(
    "socket.connect socket.sendto socket.getaddrinfo subprocess.Popen os.system os.posix_spawn "
    "os.fork sqlite3.connect".split()
)
HARMLESS = {"dev", "proc", "__pycache__"}  # parts of the path of a file that is none of ours
_seen: list[list[str]] = []  # one list for each `with watched()` that is open


@contextmanager
def watched() -> Iterator[list[str]]:
    """What is written, called or connected to inside the block (Python's audit events)."""
    if not getattr(sys, "_coldbench_listens", False):
        sys.addaudithook(_listen)  # it cannot be removed, so it is added once
        sys._coldbench_listens = True  # type: ignore[attr-defined]
    _seen.append([])
    try:
        yield _seen[-1]
    finally:
        _seen.pop()


def _listen(event: str, args: tuple[Any, ...]) -> None:
    if not _seen:
        return
    if event == "open" and not isinstance(args[0], int) and args[2] & WRITES:
        path = Path(os.fsdecode(args[0]))
        if not path.is_relative_to(home()) and not HARMLESS & set(path.parts):
            _seen[-1].append(f"open({str(path)!r})")
    elif event in AUDIT_EVENTS:
        _seen[-1].append(f"{event}{args[:2]!r}")


def global_state() -> dict[str, Any]:
    """Global state that a method must leave as it found it, by what it is called."""
    return {
        "torch's random state": torch.random.get_rng_state().numpy().tobytes(),
        "numpy's random state": repr(np.random.get_state()),
        "Python's random state": random.getstate(),
        "the default type": torch.get_default_dtype(),
        "the grad mode": torch.is_grad_enabled(),
        "the number of threads": torch.get_num_threads(),
        "the deterministic mode": torch.are_deterministic_algorithms_enabled(),
        "the environment": dict(os.environ),
        "the working folder": os.getcwd(),
    }


def changed(before: dict[str, Any]) -> str:
    """What of the world is not as it was, in words; "" where all is."""
    now = global_state()
    return ", ".join(name for name, value in before.items() if now[name] != value)


@contextmanager
def sandbox() -> Iterator[None]:
    """What is done inside the block to chance, gradients, types and threads ends with it."""
    chance, of_numpy = random.getstate(), np.random.get_state()
    kind, threads = torch.get_default_dtype(), torch.get_num_threads()
    strict, around, place = (
        torch.are_deterministic_algorithms_enabled(), dict(os.environ), os.getcwd()
    )  # fmt: skip
    try:
        with torch.random.fork_rng(devices=[]), torch.enable_grad():
            yield
    finally:
        random.setstate(chance)
        np.random.set_state(of_numpy)
        torch.set_default_dtype(kind)
        if torch.get_num_threads() != threads:
            torch.set_num_threads(threads)
        torch.use_deterministic_algorithms(strict)
        if dict(os.environ) != around:
            os.environ.clear()
            os.environ.update(around)
        os.chdir(place)


def bytes_alive() -> int:
    """Of tensors, and of all that Python and numpy have allocated since tracemalloc began."""
    gc.collect()
    sys._clear_type_cache()  # it holds names that C code has looked up, more of them as it fills
    alive = [x for x in gc.get_objects() if type(x) in (Tensor, torch.nn.Parameter)]
    tensors = sum(x.numel() * x.element_size() for x in alive)
    del alive
    return tensors + tracemalloc.get_traced_memory()[0]
