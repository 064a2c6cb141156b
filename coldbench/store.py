"""Folders that are complete or absent: written aside, hashed, synced to disk, renamed.

A sealed folder holds a record (`cell.json`, `split.json`) with the hash of each of its files and of
itself, written last. The hashes of files that differ from run to run (timings, logs) stand in
`volatile.json`, so that records of equal content are equal. A file that is truncated, changed or
missing makes the folder damaged: `read` returns None, nothing in it is used, and `set_aside` moves
it out of the way.
"""

import json
import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import suppress
from hashlib import blake2b
from pathlib import Path
from typing import Any

LARGEST = 1 << 24  # bytes of a record: one that is larger was not written by us
VOLATILE = ("timing.json", "log.txt")  # files whose content is no result
SYNCED = "rb+" if os.name == "nt" else "rb"  # Windows syncs no file that is open to be read
SIDE = "volatile.json"  # their hashes


def write(path: Path, text: str) -> None:
    """A file of text that is whole or not there, even if the machine stops."""
    content = text.encode("utf-8", errors="backslashreplace")
    write_by(path, lambda partial: partial.write_bytes(content))


def write_by(path: Path, save: Callable[[Path], object]) -> None:
    """The same of a file that `save` writes where it is told: an array, tensors."""
    partial = path.with_name(f".{os.getpid()}-{path.name}")  # of the same ending: numpy adds one
    save(partial)
    with partial.open(SYNCED) as file:
        os.fsync(file.fileno())
    partial.replace(path)
    _sync(path.parent)


def seal(folder: Path, name: str, record: dict[str, Any], whole: Path) -> None:
    """Write the record of a folder's files and give the folder its own name, `whole`.

    Where `whole` is there already and sound, another process was first with the same content, and
    this folder is dropped; a damaged one is set aside. The folder holds plain files alone.
    """
    hashes = dict(_hashes(folder, (name, SIDE), sync=True))
    apart = {file: hashes.pop(file) for file in VOLATILE if file in hashes}
    if apart:
        write(folder / SIDE, _with_hash({"files": apart}))
    sealed = {"folder": whole.name, "files": hashes, "volatile": [*apart]}
    write(folder / name, _with_hash(record | sealed))
    if os.path.lexists(whole):
        if read(whole, name) is not None:
            shutil.rmtree(folder, ignore_errors=True)
            return
        set_aside(whole)
    folder.rename(whole)
    _sync(whole.parent)


def read(folder: Path, name: str) -> dict[str, Any] | None:
    """The record of a sealed folder; None where any of it is torn, foreign or missing."""
    try:
        record = _read_hashed(folder / name)
        files = dict(record["files"])
        if record["volatile"]:
            files |= _read_hashed(folder / SIDE)["files"]
        sound = record["folder"] == folder.name and files == dict(_hashes(folder, (name, SIDE)))
    except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError):
        return None
    return record if sound else None


def set_aside(folder: Path) -> Path:
    """Move a damaged folder to `damaged/` beside it; returns where it is now."""
    aside = folder.parent / "damaged"
    if os.path.lexists(aside) and not aside.is_dir():
        aside.unlink()
    aside.mkdir(exist_ok=True)
    number = 1
    while os.path.lexists(aside / f"{folder.name}-{number}"):
        number += 1
    target = aside / f"{folder.name}-{number}"
    folder.rename(target)
    return target


def remove(path: Path) -> None:
    """Whatever lies at the path is gone, or is left where it cannot be removed."""
    with suppress(OSError):
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path, ignore_errors=True)
        else:
            path.unlink(missing_ok=True)


def _hashes(folder: Path, but: tuple[str, ...], *, sync: bool = False) -> Iterator[tuple[str, str]]:
    for path in sorted(folder.iterdir()):
        if path.name in but:
            continue
        if path.is_symlink() or not path.is_file():
            raise ValueError(f"{path} is no file")
        with path.open(SYNCED if sync else "rb") as file:
            if sync:
                os.fsync(file.fileno())
            digest = blake2b(digest_size=16)
            while part := file.read(1 << 20):
                digest.update(part)
        yield path.name, digest.hexdigest()


def _with_hash(record: dict[str, Any]) -> str:
    return json.dumps(record | {"hash": _hash(record)}, indent=1, sort_keys=True)


def _read_hashed(path: Path) -> dict[str, Any]:
    if path.stat().st_size > LARGEST:
        raise ValueError(f"{path} is too large for a record")
    record: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    if record.pop("hash") != _hash(record):
        raise ValueError(f"{path} is torn")
    return record


def _hash(record: dict[str, Any]) -> str:
    return blake2b(json.dumps(record, sort_keys=True).encode(), digest_size=16).hexdigest()


def _sync(folder: Path) -> None:
    """Have the folder's entries on disk, where the system can say so."""
    with suppress(OSError):
        fd = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(fd)
        finally:
            os.close(fd)
