"""Archives made to do harm do none, damaged ones are named, and sound ones come out whole."""

import bz2
import gzip
import io
import lzma
import random
import resource
import stat
import tarfile
import tracemalloc
import warnings
import zipfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from coldbench.errors import UserError
from coldbench.files.archive import extract, extract_all
from coldbench.files.archive_members import Limits

FILES = {"toys/a.tsv": b"1\t2\n", "toys/b/c.tsv": b"", "d.txt": bytes(range(256)) * 40}
ZEROS = bytes(3 * 2**20)  # packs to a thousandth
PACKERS: dict[str, Callable[[bytes], bytes]] = {
    "tar": bytes,
    "tar.gz": gzip.compress,
    "tar.bz2": bz2.compress,
    "tar.xz": lzma.compress,
}


def zipped(*entries: tuple[str, bytes], mode: int = 0, method: int = zipfile.ZIP_DEFLATED) -> bytes:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", method) as file, warnings.catch_warnings():
        warnings.simplefilter("ignore")  # a name that is there twice
        for name, content in entries:
            info = zipfile.ZipInfo("x" * len(name))
            info.filename = name  # ZipInfo cuts at a NUL
            info.compress_type = method
            info.external_attr = mode << 16
            file.writestr(info, content)
    return packed.getvalue()


def patched(content: bytes, signature: bytes, offset: int, value: bytes) -> bytes:
    """Other bytes in the first record that begins with a signature, counted from there."""
    at = content.index(signature) + offset
    return content[:at] + value + content[at + len(value) :]


CENTRAL, LOCAL = b"PK\x01\x02", b"PK\x03\x04"


def entry(name: str, content: bytes = b"", kind: bytes = tarfile.REGTYPE, **fields: Any) -> bytes:
    """A header and its blocks; `size` may say what is not so."""
    info = tarfile.TarInfo(name)
    info.type, info.size = kind, len(content)
    for field, value in fields.items():
        setattr(info, field, value)
    padding = bytes(-len(content) % 512)
    return info.tobuf(tarfile.PAX_FORMAT if info.pax_headers else tarfile.GNU_FORMAT) + (
        content + padding
    )


END = bytes(1024)


def tarred(*entries: tuple[str, bytes]) -> bytes:
    return b"".join(entry(name, content) for name, content in entries) + END


def negative(content: bytes) -> bytes:
    """The first header with a size of minus 512, in base 256, and its checksum made right."""
    head = bytearray(content[:512])
    head[124:136] = b"\xff" * 10 + b"\xfe\x00"
    head[148:156] = b" " * 8
    head[148:156] = b"%06o\0 " % sum(head)
    return bytes(head) + content[512:]


SPARSE = entry("a", b"x" * 512, tarfile.GNUTYPE_SPARSE)
LINK = entry("link", kind=tarfile.SYMTYPE, linkname="..")
BAD_NAMES = {
    "parent": "../evil",
    "parent-inside": "a/../../evil",
    "absolute": "/tmp/evil",
    "backslash": "..\\evil",
    "drive": "C:/evil",
    "drive-relative": "C:evil",
    "escape": "evil\x1b[2J",
    "newline": "evil\nline",
    "right-to-left": "evil\u202etxt.exe",
    "dot-at-the-end": "evil.",
    "space-at-the-end": "evil /a",
    "deep": "a/" * 60 + "evil",
    "long": "e" * 250,
    "long-path": "/".join(["e" * 150] * 8),
    "nothing": "./",
}
COLLISIONS = {
    "twice": ("a", "a"),
    "twice-by-a-dot": ("a", "./a"),
    "capitals": ("a.tsv", "A.TSV"),
    "accents": ("caf\u00e9", "cafe\u0301"),
    "through-a-file": ("a", "a/b"),
    "file-over-folder": ("a/b", "a"),
    "through-a-file-by-capitals": ("a", "A/b"),
    "folders-by-capitals": ("a/b", "A/c"),
}
GOOD = zipped(("a", b"12345" * 200))
HOSTILE: dict[str, bytes] = {
    **{f"zip-{kind}": zipped((name, b"x")) for kind, name in BAD_NAMES.items() if name != "./"},
    **{f"tar-{kind}": tarred((name, b"x")) for kind, name in BAD_NAMES.items() if len(name) < 100},
    **{f"zip-{kind}": zipped(*((n, b"x") for n in names)) for kind, names in COLLISIONS.items()},
    **{f"tar-{kind}": tarred(*((n, b"x") for n in names)) for kind, names in COLLISIONS.items()},
    **{
        f"bomb-{kind}": pack(tarred(("a", ZEROS)))
        for kind, pack in PACKERS.items()
        if kind != "tar"
    },
    "zip-nul": zipped(("good.tsv\0.exe", b"x")),
    "zip-no-name": zipped(("", b"x")),
    "zip-symlink": zipped(("a", b"/etc"), mode=stat.S_IFLNK | 0o777),
    "zip-symlink-folder": zipped(("a/", b"/etc"), mode=stat.S_IFLNK | 0o777),
    "zip-device": zipped(("a", b""), mode=stat.S_IFBLK | 0o666),
    "zip-fifo": zipped(("a", b""), mode=stat.S_IFIFO | 0o666),
    "zip-encrypted": patched(patched(GOOD, CENTRAL, 8, b"\1"), LOCAL, 6, b"\1"),
    "zip-bzip2": zipped(("a", b"x"), method=zipfile.ZIP_BZIP2),
    "zip-lzma": zipped(("a", b"x"), method=zipfile.ZIP_LZMA),
    "zip-bomb": zipped(("a", ZEROS)),
    "zip-bomb-of-many": zipped(*((str(n), ZEROS[: 2**18]) for n in range(12))),
    "zip-bomb-that-lies": patched(zipped(("a", ZEROS)), CENTRAL, 24, b"\x10\0\0\0"),
    "zip-says-less": patched(GOOD, CENTRAL, 24, (10).to_bytes(4, "little")),
    "zip-says-more": patched(GOOD, CENTRAL, 24, (5000).to_bytes(4, "little")),
    "zip-wrong-checksum": patched(GOOD, CENTRAL, 16, b"\0\0\0\0"),
    "zip-other-local-name": patched(GOOD, LOCAL, 30, b"b"),
    "zip-offset-far-away": patched(GOOD, CENTRAL, 42, b"\xff\xff\xff\x7f"),
    "zip-of-the-future": patched(GOOD, CENTRAL, 6, b"\xff"),
    "zip-cut": GOOD[:-30],
    "tar-symlink": LINK + END,
    "tar-through-a-symlink": LINK + tarred(("link/evil", b"x")),
    "tar-symlink-inside": entry("l", kind=tarfile.SYMTYPE, linkname="a") + tarred(("a", b"x")),
    "tar-hardlink": entry("l", kind=tarfile.LNKTYPE, linkname="/etc/hostname") + END,
    "tar-hardlink-inside": entry("a", b"x") + entry("l", kind=tarfile.LNKTYPE, linkname="a") + END,
    "tar-character-device": entry("a", kind=tarfile.CHRTYPE, devmajor=1, devminor=5) + END,
    "tar-block-device": entry("a", kind=tarfile.BLKTYPE) + END,
    "tar-fifo": entry("a", kind=tarfile.FIFOTYPE) + END,
    "tar-sparse": SPARSE + END,
    "tar-leads-back-for-ever": entry("a", b"x") + negative(tarred(("b", b""), ("c", b"x"))),
    "tar-says-more": entry("a", b"x", size=5000) + END,
    "tar-pax-path": entry("a", b"x", pax_headers={"path": "../evil"}) + END,
    "tar-pax-size": entry("a", b"x", pax_headers={"size": "99999999"}) + END,
    "tar-pax-huge": entry("a", b"x", pax_headers={"comment": "x" * 2**21}) + END,
    "tar-long-name-huge": entry("././@LongLink", ZEROS, tarfile.GNUTYPE_LONGNAME) + END,
    "tar-headers-without-end": entry("n", b"x", tarfile.GNUTYPE_LONGNAME) * 3000 + END,
    "tar-header-damaged": entry("a", b"x") + b"\7" * 512 + tarred(("b", b"x")),
    "tar-no-end": entry("a", b"x"),
    "tar-cut": tarred(("a", b"x" * 4000))[:2000],
    "gz-cut": gzip.compress(tarred(("a", b"x" * 4000)))[:-9],
    "gz-wrong-checksum": patched(g := gzip.compress(tarred(("a", b"x"))), g[-8:], 0, b"\0"),
    "gz-of-nothing": gzip.compress(b""),
    "bz2-cut": bz2.compress(tarred(("a", b"x" * 4000)))[:-9],
    "xz-cut": lzma.compress(tarred(("a", b"x" * 4000)))[:-9],
    "bomb-beside": gzip.compress(entry("bomb", ZEROS) + tarred(("a", b"x"))),
    "page": b"<html>moved</html>" * 100,
    "empty": b"",
}


REASONS = {
    "zip-parent": "member '../evil' leads out of the folder",
    "zip-bomb": "member 'a' makes the archive expand by more than 1,048,576 bytes",
    "tar-capitals": "member 'A.TSV' lies where the file 'a.tsv' is",
    "tar-long-name-huge": "a header of 3,145,",
    "gz-cut": "damaged or cut short",
    "page": "damaged or cut short",
}


def put(folder: Path, content: bytes, name: str = "archive") -> Path:
    path = folder / "in" / name
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(content)
    return path


def everything(folder: Path) -> list[str]:
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*"))


def sound(kind: str) -> bytes:
    entries = FILES.items()
    return zipped(*entries) if kind == "zip" else PACKERS[kind](tarred(*entries))


@pytest.mark.parametrize("kind", HOSTILE)
def test_a_hostile_or_damaged_archive_writes_nothing_and_is_named(
    tmp_path: Path, kind: str
) -> None:
    archive = put(tmp_path, HOSTILE[kind])
    with pytest.raises(UserError) as error:
        extract_all(archive, tmp_path / "out" / "folder")
    line = str(error.value)
    assert line.startswith(f"{archive}: ") and "fix: " in line
    assert REASONS.get(kind, "") in line
    assert line.isprintable(), "one line, and no letter that does something to a terminal"
    assert everything(tmp_path) == ["in", "in/archive", "out"]


@pytest.mark.parametrize("kind", ["zip", *PACKERS])
def test_a_sound_archive_comes_out_whole_and_each_member_alone(tmp_path: Path, kind: str) -> None:
    archive, out, target = put(tmp_path, sound(kind)), tmp_path / "out", tmp_path / "one" / "x"
    paths = extract_all(archive, out)
    assert {path.relative_to(out).as_posix(): path.read_bytes() for path in paths} == FILES
    assert everything(out) == ["d.txt", "toys", "toys/a.tsv", "toys/b", "toys/b/c.tsv"]
    for member, content in FILES.items():
        assert extract(archive, member, target) == target
        assert target.read_bytes() == content
        assert everything(target.parent) == ["x"]


def test_an_archive_of_the_current_folder_comes_out_too(tmp_path: Path) -> None:
    content = entry("./", kind=tarfile.DIRTYPE) + entry("./b/", kind=tarfile.DIRTYPE)
    archive = put(tmp_path, content + tarred(("./b/a", b"x")))
    assert extract_all(archive, tmp_path / "out") == [tmp_path / "out" / "b" / "a"]
    assert extract(archive, "b/a", tmp_path / "a").read_bytes() == b"x"


def test_a_file_that_was_there_is_replaced_by_a_whole_one_or_not_at_all(tmp_path: Path) -> None:
    target = tmp_path / "x"
    target.write_bytes(b"before")
    with pytest.raises(UserError, match="damaged or cut short"):
        extract(put(tmp_path, HOSTILE["gz-cut"]), "a", target)
    assert target.read_bytes() == b"before"
    extract(put(tmp_path, GOOD), "a", target)
    assert target.read_bytes() == b"12345" * 200
    assert everything(tmp_path) == ["in", "in/archive", "x"]


def test_rights_that_an_archive_gives_are_not_taken_over(tmp_path: Path) -> None:
    rights = 0o6777
    for content in (entry("a", b"x", mode=rights) + END, zipped(("a", b"x"), mode=rights)):
        target = extract(put(tmp_path, content), "a", tmp_path / "a")
        assert not target.stat().st_mode & (stat.S_ISUID | stat.S_ISGID | stat.S_IXUSR)


@pytest.mark.parametrize("kind", ["zip", "tar.gz"])
def test_limits_are_limits(tmp_path: Path, kind: str) -> None:
    size, out = len(FILES["d.txt"]), tmp_path / "out"  # the largest of the three
    archive = put(tmp_path, sound(kind))
    for narrow, reason in (
        (Limits(total=size - 1), "expand"),
        (Limits(ratio=1, free=size - 1), "expand"),
        (Limits(members=2), "one of more than 2"),
    ):
        with pytest.raises(UserError, match=reason):
            extract_all(archive, out, narrow)
        with pytest.raises(UserError, match=reason):
            extract(archive, "d.txt", out, narrow)
        assert not out.exists()
    extract_all(archive, out, Limits(total=2 * size, members=3))


def test_a_folder_that_is_there_is_not_written_into(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="is there already"):
        extract_all(put(tmp_path, GOOD), tmp_path)


def test_a_member_that_is_not_there_is_named_with_the_nearest(tmp_path: Path) -> None:
    archive = put(tmp_path, sound("zip"))
    with pytest.raises(UserError, match=r"no member 'toys/a.csv'.*did you mean 'toys/a.tsv'"):
        extract(archive, "toys/a.csv", tmp_path / "x")
    with pytest.raises(UserError, match="no member 'z'"):
        extract(put(tmp_path, zipped()), "z", tmp_path / "x")


@pytest.mark.parametrize(
    ("content", "member", "reason"),
    [
        (HOSTILE["zip-bomb-that-lies"], "a", "fix: "),  # bytes are counted as they come
        (HOSTILE["bomb-beside"], "a", "expands to more than 1,048,576 bytes"),
        (HOSTILE["tar-leads-back-for-ever"], "c", "a header that leads back"),
        (HOSTILE["zip-parent"], "../evil", "leads out of the folder"),
        (HOSTILE["tar-twice"], "a", "is there twice"),
        (HOSTILE["zip-twice"], "a", "is there twice"),
        (HOSTILE["tar-symlink"], "link", "a link"),
        (HOSTILE["zip-encrypted"], "a", "encrypted"),
        (HOSTILE["zip-symlink"], "a", "a link"),
        (zipped(("a/", b"")), "a/", "a folder"),
        (entry("a", kind=tarfile.DIRTYPE) + END, "a", "a folder"),
    ],
)
def test_a_member_that_is_asked_for_is_looked_at_as_closely(
    tmp_path: Path, content: bytes, member: str, reason: str
) -> None:
    with pytest.raises(UserError, match=reason):
        extract(put(tmp_path, content), member, tmp_path / "x")
    assert everything(tmp_path) == ["in", "in/archive"]


def test_headers_of_many_members_do_not_pile_up_in_memory(tmp_path: Path) -> None:
    note = {"comment": "x" * 2**19}
    members = [entry(str(number), b"x", pax_headers=note) for number in range(40)]
    archive = put(tmp_path, b"".join(members) + END)
    tracemalloc.start()
    extract(archive, "39", tmp_path / "x")
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 10 * 2**20 < archive.stat().st_size


def test_a_table_larger_than_what_is_free_to_any_archive_comes_out(tmp_path: Path) -> None:
    rng = random.Random(0)
    table = b"".join(b"%d\t%d\n" % (rng.randrange(9999), rng.randrange(5)) for _ in range(200_000))
    packed = gzip.compress(tarred(("a", table)), 1)
    assert len(table) > Limits().free > len(packed) / 4
    assert extract(put(tmp_path, packed), "a", tmp_path / "x").read_bytes() == table


def test_a_link_beside_the_member_asked_for_does_not_matter(tmp_path: Path) -> None:
    archive = put(tmp_path, LINK + tarred(("a", b"x")))
    assert extract(archive, "a", tmp_path / "a").read_bytes() == b"x"


@pytest.mark.skipif(not hasattr(tarfile, "data_filter"), reason="Python before 3.11.4")
def test_what_python_itself_refuses_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(member: tarfile.TarInfo, _: str) -> None:
        raise tarfile.SpecialFileError(member)

    monkeypatch.setattr(tarfile, "data_filter", refuse)
    with pytest.raises(UserError, match="refused by Python"):
        extract(put(tmp_path, sound("tar")), "d.txt", tmp_path / "x")


@contextmanager
def small_disk(size: int) -> Iterator[None]:
    """No file may grow beyond `size` bytes."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


@pytest.mark.parametrize("kind", ["zip", "tar.gz"])
def test_a_full_disk_is_not_taken_for_a_damaged_archive(tmp_path: Path, kind: str) -> None:
    archive = put(tmp_path, sound(kind))
    with small_disk(5000), pytest.raises(OSError, match="File too large"):
        extract_all(archive, tmp_path / "out")
    assert everything(tmp_path) == ["in", "in/archive"]


@pytest.mark.parametrize("kind", ["zip", *PACKERS])
def test_whatever_bytes_are_bent_the_result_is_right_or_refused(tmp_path: Path, kind: str) -> None:
    rng = random.Random(kind)
    content, wrong = sound(kind), 0
    for _ in range(120):
        bent = bytearray(content)
        for _ in range(rng.choice((1, 1, 4))):
            bent[rng.randrange(len(bent))] = rng.randrange(256)
        if rng.random() < 0.2:
            del bent[rng.randrange(len(bent)) :]
        try:
            target = extract(put(tmp_path, bytes(bent)), "d.txt", tmp_path / "x")
        except UserError as error:
            assert str(error).isprintable()
            wrong += 1
        else:
            # a plain tar has no checksum of what is in it
            assert kind == "tar" or target.read_bytes() == FILES["d.txt"]
            target.unlink()
        assert everything(tmp_path) == ["in", "in/archive"]
    assert wrong > 20
