"""Find a dataset, method or report by its name.

The files of a folder are its registry: `methods/item_bias.py` is the method "item-bias". Another
package adds its own under the entry-point group `coldbench.methods`, and one file joins by
`include("path/to/mine.py")` (`coldbench --include`). Listing imports nothing.
"""

import ast
import sys
from dataclasses import dataclass
from functools import cache
from importlib import import_module, metadata
from importlib.machinery import PathFinder
from importlib.util import find_spec, module_from_spec, spec_from_file_location
from inspect import isabstract, isclass
from pathlib import Path
from types import ModuleType
from typing import Any

import coldbench
from coldbench.class_attributes import attributes, parsed
from coldbench.errors import UserError, unknown

_included: dict[tuple[str, str], Path] = {}


@dataclass(frozen=True)
class Entry:
    """One name of a room, described without importing it."""

    name: str
    summary: str  # the first line of the file's docstring
    attributes: dict[str, Any]  # of the class, plain values, inherited or not: family, licence
    source: Path | None  # None: an entry point whose package says where it lies only when imported


def include(path: Path, room: str = "methods") -> str:
    """Add one file to a room, under its own name; returns that name."""
    if not path.is_file():
        raise UserError(f"no file {path} to include")
    name = path.stem.replace("_", "-")
    if name in _files(room) and _included.get((room, name)) != path.resolve():
        raise UserError(f"{path}: the {room} have a {name!r} already; rename the file")
    _included[room, name] = path.resolve()
    return name


def names(room: str) -> list[str]:
    """Every name of the room in order."""
    return sorted(_files(room) | _points(room).keys())


def entries(room: str) -> list[Entry]:
    return [entry(room, name) for name in names(room)]


def entry(room: str, name: str) -> Entry:
    source = _files(room).get(name)
    if source is None:
        return Entry(name, f"from the package {_points(room)[name].value.split('.')[0]}", {}, None)
    try:
        docstring, plain = ast.get_docstring(parsed(source.read_bytes())), attributes(source)
    except (SyntaxError, ValueError, RecursionError) as error:
        return Entry(name, f"cannot be read: {error}", {}, source)
    return Entry(name, (docstring or "").split("\n\n")[0].replace("\n", " "), plain, source)


def find(room: str, name: str) -> Any:
    """The class called `name`, imported on first use."""
    if name in _files(room):
        return _only_class(_module(room, name), room)
    if name in _points(room):
        return _points(room)[name].load()
    kind = room.removesuffix("s")
    raise unknown(kind, name, names(room), f"coldbench list {room}")


def is_ours(room: str, name: str) -> bool:
    """Whether a name is of this package, not of a file or a package of somebody else's."""
    path = _files(room).get(name)
    return path is not None and (room, name) not in _included


def only_ours() -> bool:
    """Whether no name in any room is of a file or a package of somebody else's."""
    return not _included and not any(map(_points, ("datasets", "methods", "reports")))


def source(room: str, name: str) -> Path | None:
    """The file that a name stands for, found without importing it; None where none can be read."""
    if name in _files(room):
        return _files(room)[name]
    if name not in _points(room):
        return None
    top, *parts = _points(room)[name].module.split(".")
    spec = find_spec(top)
    for part in parts:
        top = f"{top}.{part}"
        spec = PathFinder.find_spec(top, spec.submodule_search_locations) if spec else None
    return Path(spec.origin) if spec and spec.has_location and spec.origin else None


def _files(room: str) -> dict[str, Path]:
    return _own(room) | {name: path for (where, name), path in _included.items() if where == room}


@cache
def _own(room: str) -> dict[str, Path]:
    return {
        path.stem.replace("_", "-"): path
        for folder in coldbench.__path__
        for path in (Path(folder) / room).glob("[a-z]*.py")
    }


@cache
def _points(room: str) -> dict[str, metadata.EntryPoint]:
    return {point.name: point for point in metadata.entry_points(group=f"coldbench.{room}")}


def _module(room: str, name: str) -> ModuleType:
    if (room, name) not in _included:
        return import_module(f"coldbench.{room}.{name.replace('-', '_')}")
    path = _included[room, name]
    # a package that lies in the file's folder: there `from . import helper` means the file beside
    full = f"coldbench_included_{room}_{name.replace('.', '_')}"
    if full not in sys.modules:
        spec = spec_from_file_location(full, path, submodule_search_locations=[str(path.parent)])
        assert spec and spec.loader
        sys.modules[full] = module_from_spec(spec)
        try:
            spec.loader.exec_module(sys.modules[full])
        except BaseException as error:
            del sys.modules[full]  # half of it is no module
            if isinstance(error, SyntaxError):
                raise UserError(f"{error.filename}:{error.lineno}: {error.msg}") from None
            beside = error.name if isinstance(error, ModuleNotFoundError) else None
            if beside and path.with_name(f"{beside}.py").is_file():
                raise UserError(f"{path}: write `from . import {beside}`, it lies beside") from None
            raise
    return sys.modules[full]


def _only_class(module: ModuleType, room: str) -> Any:
    """A file is one thing: the one public, concrete class it defines that the room is made of."""
    base = {"methods": "Method", "datasets": "Dataset", "reports": "Report"}[room]
    classes = [
        thing
        for thing in vars(module).values()
        if isclass(thing)
        and thing.__module__ == module.__name__
        and not thing.__name__.startswith("_")
        and not isabstract(thing)
        and any(parent.__name__ == base for parent in thing.__mro__[1:])
    ]
    if len(classes) != 1:
        raise UserError(
            f"{module.__file__}: a file of {room} holds one {base}, this one {len(classes)}"
        )
    return classes[0]
