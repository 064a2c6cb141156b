"""A GGUF file's model as plain weights, unpacked once a machine: transformers reads such a file in
half a minute, a folder of the same weights in a third of a second.

The folder lies in the cache, named by the file's content and by transformers' version, whose reader
turns the one into the other. It is whole or not there.
"""

import os
import shutil
from functools import cache
from hashlib import blake2b
from importlib.metadata import version
from pathlib import Path
from typing import Any

import psutil

from coldbench import store
from coldbench.cache import home

RECORD = "unpacked.json"


def kept(file: Path) -> Path | None:
    """The folder that a file was unpacked into; None: it was not, here."""
    folder = _folder(file)
    return folder if (folder / RECORD).is_file() else None


def keep(file: Path, model: Any, tokenizer: Any) -> None:
    """Write what was read from a file into its folder; where there is no room for it, nothing."""
    folder = _folder(file)
    partial = folder.with_name(f".{os.getpid()}-{folder.name}")
    try:
        for left in folder.parent.glob(f".*-{folder.name}"):  # by a process that was killed
            if not psutil.pid_exists(int(left.name[1:].split("-")[0])):
                shutil.rmtree(left, ignore_errors=True)
        partial.mkdir(parents=True)
        model.save_pretrained(partial)
        tokenizer.save_pretrained(partial)
        store.seal(partial, RECORD, {"file": file.name}, folder)
    except OSError:
        shutil.rmtree(partial, ignore_errors=True)


def _folder(file: Path) -> Path:
    return home() / "models" / f"{file.stem}-{digest(file)}-{version('transformers')}"


@cache
def digest(file: Path) -> str:
    """Of the content, 16 hexadecimal digits."""
    whole = blake2b(digest_size=8)
    with file.open("rb") as packed:
        while block := packed.read(1 << 20):
            whole.update(block)
    return whole.hexdigest()
