"""What a zip or tar holds, one member after the other, nothing of it believed.

Names, kinds and sizes are what the archive says; a name is looked at before it is used, and bytes
are counted as they come.
"""

import bz2
import gzip
import lzma
import os
import stat
import tarfile
import zipfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import IO, Any

from coldbench.errors import UserError

CHUNK = 2**20  # bytes read at a time
PACKED: tuple[tuple[bytes, Any], ...] = (
    (b"\x1f\x8b", gzip.open),
    (b"BZh", bz2.open),
    (b"\xfd7zXZ", lzma.open),
)


@dataclass(frozen=True)
class Limits:
    """How far an archive may expand."""

    total: int = 16 * 2**30  # bytes
    members: int = 10_000
    ratio: int = 200  # times the archive's own size; tables pack to a third or a tenth
    free: int = 2**20  # bytes that any archive may expand to, however small it is

    def bytes_of(self, archive: Path) -> int:
        return min(self.total, max(self.free, self.ratio * archive.stat().st_size))


LIMITS = Limits()


@dataclass(frozen=True)
class Member:
    """One entry of an archive, as it says of itself."""

    archive: Path
    name: str
    size: int
    odd: str  # "" for a plain file or folder, else why it is none
    is_folder: bool
    open: Callable[[], IO[bytes] | None]

    def parts(self) -> tuple[str, ...]:
        """The folders and the name, where they are harmless on every system."""
        name = self.name
        parts = tuple(part for part in name.split("/") if part not in ("", "."))
        reasons = {
            "is an absolute path": name.startswith("/"),
            "has a backslash": "\\" in name,
            "has a drive letter or a colon": ":" in name,
            "has letters that cannot be printed": not name.isprintable(),
            "leads out of the folder": ".." in parts,
            "has a name that ends in a dot or a space": any(p.rstrip(". ") != p for p in parts),
            "has a name that is too long": len(name) > 1000
            or any(len(os.fsencode(p)) > 200 for p in parts),
            "lies too deep": len(parts) > 50,
            "has no name": not (parts or self.is_folder),
        }
        for reason, holds in reasons.items():
            if holds:
                raise self.refused(reason)
        if self.odd:
            raise self.refused(self.odd)
        return parts

    def refused(self, why: str) -> UserError:
        name = self.name if len(self.name) <= 80 else f"{self.name[:77]}..."
        return UserError(
            f"{self.archive}: member {name!r} {why}; nothing was unpacked; fix: get the archive "
            "from its publisher, or unpack what you trust by hand"
        )

    def write(self, target: Path, allowed: int) -> int:
        """The bytes written to `target`, at most `allowed`."""
        written = 0
        source = self.open()
        assert source
        with source, target.open("xb") as out:
            while block := source.read(CHUNK):
                written += len(block)
                if written > allowed:
                    raise self.refused(f"makes the archive expand by more than {allowed:,} bytes")
                out.write(block)
        if written != self.size:
            raise self.refused(f"says it has {self.size:,} bytes and has {written:,}")
        return written


def members(archive: Path, limits: Limits) -> Iterator[Member]:
    """Of a zip or a tar (.gz, .bz2, .xz), in order; each is to be read before the next."""
    with archive.open("rb") as stream:
        first = stream.read(6)
    packed = next((opener for magic, opener in PACKED if first.startswith(magic)), None)
    listed = (
        _zipped(archive)
        if first[:4] in (b"PK\3\4", b"PK\5\6")
        else _tarred(archive, packed or open, limits)
    )
    for number, member in enumerate(listed, 1):
        if number > limits.members:
            raise member.refused(f"is one of more than {limits.members:,}")
        yield member


def _zipped(archive: Path) -> Iterator[Member]:
    with zipfile.ZipFile(archive) as file:
        for info in file.infolist():
            kind = stat.S_IFMT(info.external_attr >> 16)
            odd = ""
            if info.flag_bits & 0x41:
                odd = "is encrypted"
            elif info.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
                odd = f"is packed by method {info.compress_type}, neither stored nor deflated"
            elif kind not in (0, stat.S_IFREG, stat.S_IFDIR):
                odd = "is a link or a device"
            opened = partial(file.open, info)
            name = info.orig_filename  # zipfile cuts `filename` at a NUL
            yield Member(archive, name, info.file_size, odd, info.is_dir(), opened)


def _tarred(archive: Path, opener: Callable[..., IO[bytes]], limits: Limits) -> Iterator[Member]:
    with opener(archive, "rb") as raw:
        stream = _Forward(raw, archive, limits.bytes_of(archive))
        with tarfile.open(fileobj=stream, mode="r:") as file:  # type: ignore[call-overload]
            while info := file.next():
                file.members.clear()  # else they pile up in memory
                odd = ""
                if not (info.isdir() or info.isreg()) or info.issparse():
                    odd = "is a link, a device or a sparse file"
                elif hasattr(tarfile, "data_filter"):  # Python 3.11.4
                    try:
                        tarfile.data_filter(info, str(archive.parent))
                    except tarfile.FilterError as error:
                        odd = f"is refused by Python: {error}"
                opened = partial(file.extractfile, info)
                yield Member(archive, info.name, info.size, odd, info.isdir(), opened)
        # tarfile takes a header that is none for the end
        if stream.last != bytes(tarfile.BLOCKSIZE):
            raise EOFError("the tar ends without its end mark")
        while stream.read(CHUNK):
            pass  # to the end, where a packed stream has its checksum


class _Forward:
    """A stream read forward, in sips and not too far.

    tarfile would follow a header that sends it back for ever, or read gigabytes of a "long name".
    """

    def __init__(self, stream: IO[bytes], archive: Path, most: int) -> None:
        self.stream, self.archive, self.most = stream, archive, most
        self.place, self.last = 0, b""

    def tell(self) -> int:
        return self.place

    def read(self, size: int = -1) -> bytes:
        if not 0 <= size <= CHUNK:
            raise ValueError(f"a header of {size:,} bytes")
        self.last = self.stream.read(size)
        self.place += len(self.last)
        if self.place > self.most:
            raise UserError(
                f"{self.archive}: expands to more than {self.most:,} bytes; nothing was unpacked; "
                "fix: get the archive from its publisher, or unpack it by hand if you trust it"
            )
        return self.last

    def seek(self, place: int) -> int:
        if place < self.place:
            raise ValueError("a header that leads back")
        while self.place < place and self.read(min(CHUNK, place - self.place)):
            pass
        return self.place
