"""What planning finds out, kept on disk until what it is found out from changes by a byte: the code
of coldbench, the versions of the libraries, an encoder's files.

Without it a plan constructs every method, parses every file of code, and has transformers say how a
model reads: seconds of imports, for answers that are the same each time.
"""

import json
import sys
from collections.abc import Callable, Iterator
from contextlib import suppress
from hashlib import blake2b
from pathlib import Path
from typing import Any, Self

from coldbench import registry, store
from coldbench.cache import home
from coldbench.errors import UserError
from coldbench.language.pretrained import place

from . import provenance
from .import_closure import HOUSE, ROOMS


class Known:
    """Answers by question, of this very code. Files and plug-ins of somebody else's may change
    anything: beside them nothing is kept."""

    def __init__(self, path: Path | None, encoder: list[Any] | None = None) -> None:
        """path: where the answers are; None keeps nothing. encoder: of `of_encoder`."""
        self._path, self.encoder = path, encoder
        self._answers: dict[str, Any] = {}
        if path is not None:
            with suppress(OSError, ValueError):
                self._answers = dict(json.loads(path.read_text(encoding="utf-8")))
        self._before = len(self._answers)

    @classmethod
    def here(cls, encoder: dict[str, Any]) -> Self:
        """Of this code and the encoder that a grid states, in the user's cache."""
        if not registry.only_ours():
            return cls(None)
        return cls(home() / "plans" / f"{_house()}.json", of_encoder(encoder))

    def answer(self, question: list[Any] | None, find: Callable[[], Any]) -> Any:
        """What `find` returns, or has returned. question: JSON; None is found out again. What
        raises is not kept."""
        if question is None or self._path is None:
            return find()
        words = json.dumps(question, sort_keys=True)
        if words not in self._answers:
            self._answers[words] = find()
        return self._answers[words]

    def save(self) -> None:
        """A cache that cannot be written is no reason to stop."""
        if self._path is not None and len(self._answers) > self._before:
            with suppress(OSError):
                self._path.parent.mkdir(parents=True, exist_ok=True)
                store.write(self._path, json.dumps(self._answers))


def of_encoder(stated: dict[str, Any]) -> list[Any] | None:
    """The question how an encoder reads: with every byte of its folder. None where that is not all
    there is to it: a hub's name, or code of the model's own."""
    name = stated.get("name", "")
    if stated.get("trust_remote_code") or not isinstance(name, str) or not name:
        return None
    if name == "vectors":
        return ["encoder", stated]
    try:
        folder = Path(place(name)[0])
        files = sorted(path for path in folder.rglob("*") if path.is_file())
        digest = _digest(folder, files) if folder.is_dir() else None
    except (OSError, UserError):  # whoever reads it says what is wrong
        return None
    return ["encoder", stated, digest] if digest else None


def _house() -> str:
    """Of all code of coldbench, and of what else an answer hangs on."""
    parts = [_digest(folder, sorted(_code(folder))) for folder in HOUSE]
    words = json.dumps([sys.version, provenance.versions(), *parts])
    return blake2b(words.encode(), digest_size=8).hexdigest()


def _code(folder: Path) -> Iterator[Path]:
    for room in [folder] if folder == HOUSE[0] else [folder / name for name in ROOMS]:
        for kind in ("*.py", "*.[ch]"):
            yield from room.rglob(kind)


def _digest(folder: Path, files: list[Path]) -> str:
    digest = blake2b(digest_size=16)
    for path in files:
        content = path.read_bytes()
        digest.update(f"{path.relative_to(folder)} {len(content)} ".encode())
        digest.update(content)
    return digest.hexdigest()
