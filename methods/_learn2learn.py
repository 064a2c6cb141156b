"""learn2learn's own classes, whose `__init__` asks for gym and torchvision that we do not need."""

import sys
from importlib import import_module
from importlib.util import find_spec, module_from_spec
from types import ModuleType

from coldbench.errors import Unavailable


def learn2learn(part: str) -> ModuleType:
    """The module learn2learn.<part>, such as "algorithms.maml"."""
    if "learn2learn" not in sys.modules:
        try:
            import_module("learn2learn")
        except ImportError:
            _without_init()
    return import_module(f"learn2learn.{part}")


def _without_init() -> None:
    """The package as an empty module that knows its folder: its parts import one by one."""
    for name in [name for name in sys.modules if name.split(".")[0] == "learn2learn"]:
        del sys.modules[name]  # parts that the failed import left behind
    spec = find_spec("learn2learn")
    if spec is None:
        raise Unavailable(
            "learn2learn is not installed (needs a C compiler): "
            "pip install --no-deps -r requirements-nodeps.txt"
        )
    sys.modules["learn2learn"] = module_from_spec(spec)
