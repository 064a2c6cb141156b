"""Take files out of a zip or a tar that anyone may have made, and unpack a gzip.

Nothing is written outside the folder named, no link and no device is made, and bytes are counted as
they come, whatever the archive says of itself. A refusal leaves nothing behind.
"""

import errno
import gzip
import io
import lzma
import os
import shutil
import tarfile
import unicodedata
import zipfile
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from difflib import get_close_matches
from functools import partial
from pathlib import Path
from secrets import token_hex
from typing import IO, Any

from coldbench.errors import UserError
from coldbench.files.archive_members import CHUNK, LIMITS, PACKED, Limits, Member, members

TORN = (  # what the standard library says of an archive that is damaged, or made to be
    zipfile.BadZipFile,
    tarfile.TarError,
    EOFError,
    zlib.error,
    lzma.LZMAError,
    ValueError,
    LookupError,
    RecursionError,
    NotImplementedError,
)


def extract(archive: Path, member: str, target: Path, limits: Limits = LIMITS) -> Path:
    """Write one member of a zip or tar (.gz, .bz2, .xz) to `target`, in one rename."""
    names = []
    with _or_nothing(target) as partial, _sound(archive):
        for each in members(archive, limits):
            names.append(each.name.removeprefix("./"))
            if names[-1] != member:
                continue
            if not each.parts() or each.is_folder:
                raise each.refused("is a folder, not a file")
            if partial.exists():
                raise each.refused("is there twice")
            each.write(partial, limits.bytes_of(archive))
        if not partial.exists():
            near = get_close_matches(member, names, n=1, cutoff=0.3)
            hint = f"; did you mean {near[0]!r}?" if near else ""
            raise UserError(f"{archive}: no member {member!r} among {len(names):,}{hint}")
    return target


def extract_all(archive: Path, folder: Path, limits: Limits = LIMITS) -> list[Path]:
    """Write every member below `folder`, which appears in one rename; returns the files."""
    if folder.exists():
        raise UserError(f"{folder}: is there already; fix: name a new folder")
    left = limits.bytes_of(archive)
    seen: dict[str, tuple[str, bool]] = {}
    files = []
    with _or_nothing(folder) as partial, _sound(archive):
        partial.mkdir()
        for each in members(archive, limits):
            parts = each.parts()
            _meets_no_other(each, parts, seen)
            place = partial.joinpath(*parts)
            if each.is_folder:
                place.mkdir(parents=True, exist_ok=True)
            else:
                place.parent.mkdir(parents=True, exist_ok=True)
                left -= each.write(place, left)
                files.append(folder.joinpath(*parts))
    return files


def gunzip(path: Path, limit: int = 4 * 2**30) -> bytes:
    """What a `.gz` holds, `limit` bytes at most."""
    return _unpacked(path, gzip.open, limit)


@contextmanager
def reading(path: Path) -> Iterator[IO[bytes]]:
    """A file's bytes from the first on, unpacked where it ends in `.gz`, as they are asked for."""
    packed = path.suffix.lower() == ".gz"
    with _sound(path), (gzip.open if packed else io.open)(path, "rb") as file:
        if packed and not path.stat().st_size:
            raise EOFError("it is empty")
        yield file  # type: ignore[misc]


def gunzip_into(path: Path, target: IO[bytes], limit: int = 4 * 2**30) -> None:
    """The same, written to a file."""
    _unpack_into(path, gzip.open, limit, target)


def unpack(path: Path, limit: int) -> bytes:
    """What a file packed by gzip, bzip2 or xz holds, or one that is not packed, `limit` bytes at
    most."""
    with path.open("rb") as source:
        head = source.read(8)
    opener = next((opener for magic, opener in PACKED if head.startswith(magic)), io.open)
    return _unpacked(path, partial(opener, mode="rb"), limit)


def _unpacked(path: Path, opener: Callable[[Path], Any], limit: int) -> bytes:
    whole = io.BytesIO()
    _unpack_into(path, opener, limit, whole)
    return whole.getvalue()


def _unpack_into(path: Path, opener: Callable[[Path], Any], limit: int, target: IO[bytes]) -> None:
    allowed, written = min(limit, LIMITS.bytes_of(path)), 0
    with _sound(path), opener(path) as source:
        if not path.stat().st_size:
            raise EOFError("it is empty")
        while block := source.read(CHUNK):
            target.write(block)
            written += len(block)
            if written > allowed:
                raise UserError(
                    f"{path}: expands to more than {allowed:,} bytes; fix: unpack it with gunzip "
                    "if you trust it"
                )


def _meets_no_other(
    member: Member, parts: tuple[str, ...], seen: dict[str, tuple[str, bool]]
) -> None:
    """Refuse what another member is already, on a disk that knows no capitals too."""
    for length in range(1, len(parts) + 1):
        path = "/".join(parts[:length])
        is_folder = member.is_folder or length < len(parts)
        key = unicodedata.normalize("NFC", path).casefold()
        before, was_folder = seen.get(key, (path, is_folder))
        if (before, was_folder) != (path, is_folder):
            kind = "folder" if was_folder else "file"
            raise member.refused(f"lies where the {kind} {before!r} is")
        if key in seen and not is_folder:
            raise member.refused("is there twice")
        seen[key] = (path, is_folder)


@contextmanager
def _or_nothing(target: Path) -> Iterator[Path]:
    """A place to write to that becomes `target` at the end, or goes."""
    partial = target.with_name(f".{target.name}.{token_hex(4)}")
    target.parent.mkdir(parents=True, exist_ok=True)
    try:
        yield partial
        os.replace(partial, target)
    finally:
        if partial.is_dir():
            shutil.rmtree(partial)
        partial.unlink(missing_ok=True)


@contextmanager
def _sound(archive: Path) -> Iterator[None]:
    """Say of a damaged archive that it is damaged."""
    try:
        yield
    except TORN as error:
        reason = str(error).splitlines()[0][:200] if str(error) else type(error).__name__
    except OSError as error:
        if error.errno not in (None, errno.EINVAL):  # EINVAL: an offset before the file's beginning
            raise  # the disk, not the archive
        reason = str(error)
    else:
        return
    raise UserError(f"{archive}: damaged or cut short ({reason}); fix: delete it and get it again")
