"""The files of ours that a file runs: what it imports, and what that imports, by whatever form.

Ours are coldbench with its rooms, files beside a file of one's own, and the package a plug-in comes
from. Files are read, never imported. A name that is known only at run time stands for all that it
can be: `find("methods", name)` for every method, `import_module(f"a.b.{x}")` for all below a.b,
`import_module(x)` and loading by path for all of coldbench and of the file's own folder. In
benchmarks/ and registry.py such names come from the cell: whoever asks gives their files as well.
Whoever imports coldbench.compiled runs the C files of its own folder.

Not seen: other libraries (a cell holds their versions), data files, code in strings, a module got
by getattr or from sys.modules. Imports under `if TYPE_CHECKING` never run and are left out.
"""

from collections.abc import Iterable, Iterator, Sequence
from functools import cache
from importlib.metadata import packages_distributions
from pathlib import Path

import coldbench
from coldbench import registry

from .import_syntax import ANY, imports

HOUSE = [Path(folder).resolve() for folder in coldbench.__path__]  # a checkout's rooms: the second
ROOMS = ("benchmarks", "datasets", "methods", "reports")
DOOR = HOUSE[0] / "__init__.py"  # every import of ours runs it; its functions serve who names them


def closure(files: Iterable[Path]) -> list[Path]:
    """The files and all of ours that they run, in order of their paths.

    A file that is no Python imports nothing. Raises OSError where one cannot be read.
    """
    reached: set[Path] = set()
    waiting = {path.resolve() for path in files}
    while waiting:
        path = waiting.pop()
        reached.add(path)
        waiting.update({*_packages(path), *_imported(path)} - reached)
    return sorted(reached | {DOOR} if any(map(_module, reached)) else reached)


def _imported(path: Path) -> Iterator[Path]:
    """The files that the names a file imports stand for."""
    module, names = _module(path), imports(path.read_bytes())
    if any(f"{name}.".startswith("coldbench.compiled.") for name in names):
        yield from path.parent.glob("*.[ch]")
    if module == "coldbench.registry" or module.startswith("coldbench.benchmarks."):
        names = frozenset(name for name in names if not name.endswith(ANY))
    elif ANY in names:
        names |= {f"coldbench.{ANY}", f".{ANY}"}
    for name in names:
        parts = name.lstrip(".").split(".")
        level = len(name) - len(name.lstrip("."))
        if module and level:
            parts, level = [*module.split(".")[:-level], *parts], 0
        if name.startswith("@"):
            yield from _registered(*name[1:].split(".", 1))
        elif level:
            yield from _walk(path.parents[level - 1 : level], parts)
        elif parts[0] == "coldbench":
            yield from _ours(tuple(parts))
        elif not module:
            yield from _walk(list(_roots(path, parts[0])), parts)


def _registered(room: str, name: str) -> Iterator[Path]:
    """What registry.find("methods", "maml") imports."""
    for place in ROOMS if room == ANY else [room]:
        for thing in registry.names(place) if name == ANY else [name]:
            if path := registry.source(place, thing):
                yield path


@cache  # the house gains no file while a process runs
def _ours(parts: tuple[str, ...]) -> list[Path]:
    below = _walk(HOUSE, parts[1:])
    named = not below and parts[1:] and not parts[1].startswith("__")
    return [DOOR] if named else below


def _walk(folders: Sequence[Path], parts: Sequence[str]) -> list[Path]:
    """The files that `import a.b.c` runs from the folders; an attribute is no file."""
    files: list[Path] = []
    for part in parts:
        if part == ANY:
            return files + [path for folder in folders for path in _below(folder)]
        places = [path for f in folders for path in (f / part / "__init__.py", f / f"{part}.py")]
        hit = next((path for path in places if path.is_file()), None)
        if hit:
            files.append(hit)
        if hit and hit.stem == part:
            return files
        folders = [hit.parent] if hit else [f / part for f in folders if (f / part).is_dir()]
    return files


def _below(folder: Path) -> Iterable[Path]:
    """Every file of a package or room; of any other folder those that lie in it itself."""
    if folder in HOUSE[1:]:
        return [path for room in ROOMS for path in (folder / room).rglob("*.py")]
    whole = _module(folder / "any.py") or (folder / "__init__.py").is_file()
    return folder.rglob("*.py") if whole else folder.glob("*.py")


@cache
def _module(path: Path) -> str:
    """ "coldbench.methods.maml" for methods/maml.py; "" for a file that is none of the house."""
    for folder in HOUSE:
        if path.is_relative_to(folder):
            parts = path.relative_to(folder).with_suffix("").parts
            if folder == HOUSE[0] or parts[0] in ROOMS:
                return ".".join(("coldbench", *parts))
    return ""


def _roots(origin: Path, top: str) -> Iterator[Path]:
    """Where `import top` may find it for a file outside the house: in its package, or beside it."""
    yield from (above.parent for above in origin.parents if above.name == top)
    root = origin.parents[len(list(_packages(origin)))]
    if root.name not in ("site-packages", "dist-packages"):
        yield root
    elif _brought(origin.relative_to(root).parts[0].split(".")[0]) & _brought(top):
        yield root  # by one distribution, which installed both


def _packages(path: Path) -> Iterator[Path]:
    """What runs before a file that lies in packages; the door of the house apart."""
    for folder in path.parents:
        package = folder / "__init__.py"
        if package == DOOR or not package.is_file():
            return
        yield package


@cache
def _brought(top: str) -> set[str]:
    return set(packages_distributions().get(top, ()))
